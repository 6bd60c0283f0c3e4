from __future__ import annotations

import pytest

from lab.pocket.controllers.objects import SUFFIXES, quantity


@pytest.mark.parametrize(("suffix", "factor"), SUFFIXES.items())
def test_every_suffix_is_read(suffix: str, factor: float) -> None:
    assert quantity(f"2{suffix}") == 2 * factor


@pytest.mark.parametrize(
    ("text", "value"), [("1e3", 1000.0), ("0.5", 0.5), (3, 3.0), ("24684092Ki", 24684092 * 1024)]
)
def test_other_forms(text: str | float, value: float) -> None:
    assert quantity(text) == value
