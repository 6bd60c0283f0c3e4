"""JSON merge patch: the examples of RFC 7386, appendix A, and its laws."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.pocket.api import merge_patch, values

FULL = st.recursive(
    st.booleans() | st.integers(-9, 9) | st.text("ab", max_size=2),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=1), inner, max_size=3)
    ),
    max_leaves=8,
)
PATCH = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=1), inner, max_size=3)
    ),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("before", "patch", "after"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_rfc_7386_appendix_a(before: Any, patch: Any, after: Any) -> None:
    assert merge_patch.apply(before, patch) == after


@given(FULL, PATCH)
def test_applying_twice_is_applying_once(document: Any, patch: Any) -> None:
    once = merge_patch.apply(document, patch)
    assert values.equal(merge_patch.apply(once, patch), once)


@given(FULL, FULL)
def test_a_diff_leads_from_before_to_after(before: Any, after: Any) -> None:
    assert values.equal(merge_patch.apply(before, merge_patch.diff(before, after)), after)


@given(FULL, PATCH)
def test_the_document_stays_as_it_was(document: Any, patch: Any) -> None:
    before = values.copy(document)
    merge_patch.apply(document, patch)
    assert values.equal(document, before)
