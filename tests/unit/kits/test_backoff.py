from __future__ import annotations

from lab.kits.backoff import Backoff


def test_delays_double_up_to_the_limit_and_start_again() -> None:
    backoff = Backoff(first=0.1, limit=0.5, jitter=lambda: 1.0)
    assert [backoff.delay() for _ in range(5)] == [0.1, 0.2, 0.4, 0.5, 0.5]
    backoff.reset()
    assert backoff.delay() == 0.1


def test_jitter_takes_away_at_most_half() -> None:
    assert Backoff(first=1.0, jitter=lambda: 0.0).delay() == 0.5
