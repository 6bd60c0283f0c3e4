"""A short run of `python -m tests.fuzz.bgp`, which `make fuzz` runs for ten million messages."""

from __future__ import annotations

from tests.fuzz.bgp import fuzz


def test_damaged_messages_never_surprise() -> None:
    tally = fuzz(4_000, seed=20)
    assert tally.values > 100
    assert tally.refused > 100
    assert tally.sessions == 250
