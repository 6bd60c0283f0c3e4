from __future__ import annotations

import tracemalloc

import orjson
import pytest

from lab.kits.kept_json import encode_to_keep


def test_what_is_kept_takes_the_room_that_it_needs() -> None:
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        kept = [encode_to_keep({"number": number}) for number in range(100)]
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 100 * 200
    assert orjson.loads(kept[7]) == {"number": 7}


def test_options_and_errors_are_those_of_orjson() -> None:
    assert encode_to_keep({"b": 1, "a": 2}, orjson.OPT_SORT_KEYS) == b'{"a":2,"b":1}'
    with pytest.raises(orjson.JSONEncodeError):
        encode_to_keep(object())
