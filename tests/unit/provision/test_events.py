"""Events survive the pipe, and nothing else does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.errors import ProvisionError
from lab.provision.events import Event, HostStats, Outcome, Play, Result, Stats, Task, Wrote, decode, encode

COUNT = st.integers(min_value=0)
EVENTS = st.one_of(
    st.builds(Play, name=st.text()),
    st.builds(Task, name=st.text()),
    st.builds(Result, host=st.text(), task=st.text(), outcome=st.sampled_from(Outcome), message=st.text()),
    st.builds(Wrote, host=st.text(), paths=st.lists(st.text()).map(tuple)),
    st.builds(
        Stats,
        hosts=st.dictionaries(
            st.text(),
            st.builds(HostStats, ok=COUNT, changed=COUNT, failures=COUNT, unreachable=COUNT, skipped=COUNT),
        ),
    ),
)


@given(EVENTS)
def test_an_event_is_one_line_and_comes_back(event: Event):
    line = encode(event)
    assert "\n" not in line
    assert decode(line) == event


@pytest.mark.parametrize(
    "line",
    [
        "",
        "[]",
        "null",
        "{}",
        '{"event": "ok"}',
        '{"event": "play"}',
        '{"event": "play", "name": "x", "more": 1}',
        '{"event": "result", "host": "a", "task": "b", "outcome": "odd"}',
        '{"event": "stats", "hosts": []}',
        '{"event": "stats", "hosts": {"a": {"ok": 1, "odd": 1}}}',
    ],
)
def test_anything_else_is_refused(line: str):
    with pytest.raises(ProvisionError, match="not an event"):
        decode(line)
