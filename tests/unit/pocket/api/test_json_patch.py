"""JSON patch: the examples of RFC 6902, appendix A, the Go library's sentences, and its laws."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.pocket.api import json_patch, values
from lab.pocket.api.errors import PatchConflictError, PatchError, PatchTooLargeError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab~/é", max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("ab~/0", max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)


def op(kind: str, path: str, **more: Any) -> dict[str, Any]:
    return {"op": kind, "path": path, **more}


@pytest.mark.parametrize(
    ("before", "patch", "after"),
    [
        pytest.param({"foo": 1}, [op("add", "/baz", value=2)], {"foo": 1, "baz": 2}, id="A.1 member"),
        pytest.param({"foo": [1, 3]}, [op("add", "/foo/1", value=2)], {"foo": [1, 2, 3]}, id="A.2 item"),
        pytest.param({"baz": 1, "foo": 2}, [op("remove", "/baz")], {"foo": 2}, id="A.3"),
        pytest.param({"foo": [1, 2, 3]}, [op("remove", "/foo/1")], {"foo": [1, 3]}, id="A.4"),
        pytest.param({"baz": 1}, [op("replace", "/baz", value=2)], {"baz": 2}, id="A.5"),
        pytest.param(
            {"foo": {"bar": 1, "waldo": 2}, "qux": {}},
            [{"op": "move", "from": "/foo/waldo", "path": "/qux/thud"}],
            {"foo": {"bar": 1}, "qux": {"thud": 2}},
            id="A.6",
        ),
        pytest.param(
            {"foo": [1, 2, 3, 4]},
            [{"op": "move", "from": "/foo/1", "path": "/foo/3"}],
            {"foo": [1, 3, 4, 2]},
            id="A.7",
        ),
        pytest.param({"a": "b"}, [op("test", "/a", value="b")], {"a": "b"}, id="A.8"),
        pytest.param({}, [op("add", "/child", value={"x": {}})], {"child": {"x": {}}}, id="A.10"),
        pytest.param({}, [op("add", "/a", value=1, xyz=2)], {"a": 1}, id="A.11 unknown member"),
        pytest.param({"/": 9, "~1": 10}, [op("test", "/~01", value=10)], {"/": 9, "~1": 10}, id="A.14"),
        pytest.param(
            {"foo": ["bar"]}, [op("add", "/foo/-", value=["x"])], {"foo": ["bar", ["x"]]}, id="A.16"
        ),
        pytest.param({"a": [1, 2]}, [op("replace", "/a/-1", value=3)], {"a": [1, 3]}, id="negative index"),
        pytest.param({"a": 1}, [op("add", "", value=[])], [], id="whole document"),
        pytest.param(
            {"a": {"b": 1}}, [{"op": "copy", "from": "/a", "path": "/c"}], {"a": {"b": 1}, "c": {"b": 1}}
        ),
        pytest.param({"n": 1}, [op("test", "/n", value=1.0)], {"n": 1}, id="numbers by value"),
        pytest.param({}, [op("test", "/n", value=None)], {}, id="absent equals null in a test"),
    ],
)
def test_applies(before: Any, patch: list[Any], after: Any) -> None:
    assert json_patch.apply(before, patch) == after


@pytest.mark.parametrize(
    ("before", "patch", "error", "sentence"),
    [
        ({}, {}, PatchError, "list of operations"),
        ({}, ["add"], PatchError, "is an object"),
        ({}, [op("upsert", "/a")], PatchError, "Unexpected kind: upsert"),
        ({}, [{"op": ["add"], "path": ""}], PatchError, "Unexpected kind"),
        ({}, [op("add", "a", value=1)], PatchError, "JSON pointer"),
        ({}, [op("add", "/a")], PatchError, '"value"'),
        ({}, [op("copy", "/a")], PatchError, '"from"'),
        ({}, [op("test", "/a", value=0)] * 10_001, PatchTooLargeError, "is 10000, got 10001"),
        (
            {"a": 1},
            [op("test", "/a", value=True)],
            PatchConflictError,
            "testing value /a failed: test failed",
        ),
        (
            {},
            [op("add", "/a/b", value=1)],
            PatchConflictError,
            'add operation does not apply: doc is missing path: "/a/b"',
        ),
        ({}, [op("replace", "/a", value=1)], PatchConflictError, "doc is missing key"),
        ({}, [op("remove", "/a")], PatchConflictError, "Unable to remove nonexistent key: a"),
        ({"a": [1]}, [op("add", "/a/01", value=1)], PatchConflictError, "invalid index"),
        ({"a": [1]}, [op("add", "/a/3", value=1)], PatchConflictError, "invalid index"),
        ({"a": [1]}, [op("remove", "/a/" + "1" * 5000)], PatchConflictError, "nonexistent"),
        ({"a": {}}, [{"op": "move", "from": "/a", "path": "/a/b"}], PatchConflictError, "into itself"),
        ({}, [{"op": "copy", "from": "/a", "path": "/b"}], PatchConflictError, "missing path"),
    ],
)
def test_refuses(before: Any, patch: Any, error: type[PatchError], sentence: str) -> None:
    with pytest.raises(PatchError) as caught:
        json_patch.apply(before, patch)
    assert type(caught.value) is error
    assert sentence in caught.value.message


def test_copies_are_bounded() -> None:
    doubling = [{"op": "copy", "from": "/a", "path": f"/a/{n}"} for n in range(100)]
    with pytest.raises(PatchConflictError, match=r"exceeding the limit|nested too deeply"):
        json_patch.apply({"a": {"x": "y" * 100}}, doubling)


@given(JSON, JSON)
def test_neither_argument_changes_and_results_share_nothing(document: Any, value: Any) -> None:
    before, patch = values.copy(document), [op("add", "", value=value), op("test", "", value=value)]
    result = json_patch.apply(document, patch)
    assert values.equal(result, value)
    assert values.equal(document, before)
    if isinstance(result, list | dict):
        assert result is not value


@given(JSON, st.lists(st.builds(op, st.sampled_from(["add", "remove", "replace", "move", "copy", "test"]),
       st.text("/ab~01-", max_size=5).map(lambda t: t and "/" + t), value=JSON,
       **{"from": st.text("/ab~01-", max_size=5).map(lambda t: t and "/" + t)}), max_size=4))  # fmt: skip
def test_anything_applies_or_is_refused(document: Any, patch: Any) -> None:
    with contextlib.suppress(PatchConflictError):
        json_patch.apply(document, patch)
