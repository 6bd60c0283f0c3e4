"""A short run of the crash test; the long one is `python -m tests.fuzz.store_crash`."""

from __future__ import annotations

import asyncio

from tests.fuzz import store_crash


def test_a_killed_server_loses_nothing_that_it_acknowledged(tmp_path):
    counted = asyncio.run(store_crash.run(tmp_path, rounds=2, writes=200, seed=7))
    assert counted["acknowledged_writes"] >= 200
    assert counted["events_seen"] >= counted["acknowledged_writes"]
