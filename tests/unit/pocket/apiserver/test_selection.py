"""Selectors: every operator, bad syntax, defaults of fields."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.pocket.apiserver import selection
from lab.pocket.apiserver.errors import StatusError

LABELLED = {"metadata": {"name": "x", "labels": {"tier": "front", "n": "5", "example.com/key": "v"}}}


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ("", True),
        ("tier=front", True),
        ("tier == front", True),
        ("tier=back", False),
        ("tier!=back", True),
        ("none!=x", True),
        ("tier in (front, back)", True),
        ("tier in (back)", False),
        ("tier notin (back)", True),
        ("none notin (x)", True),
        ("tier", True),
        ("!tier", False),
        ("!none", True),
        ("n>4", True),
        ("n<4", False),
        ("tier>1", False),
        ("example.com/key=v", True),
        ("tier=front,!none,n in (5,6)", True),
        ("tier=", False),
        ("none=", False),
    ],
)
def test_label_selectors(selector, matches):
    assert selection.parse(selector, "").matches(LABELLED) is matches


@pytest.mark.parametrize(
    "selector", ["a b", "a in", "a in (", "=x", "a=b=c", ",", "a=b,,c", "a in (é)", "x y=z", "n>x"]
)
def test_label_selectors_that_make_no_sense(selector):
    with pytest.raises(StatusError) as refused:
        selection.parse(selector, "")
    assert refused.value.code == 400


POD = {"metadata": {"name": "p", "namespace": "d"}, "spec": {"nodeName": "n"}, "status": {"phase": "Running"}}


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ("metadata.name=p", True),
        ("metadata.name!=p", False),
        ("metadata.namespace=d,spec.nodeName==n", True),
        ("spec.nodeName=", False),
        ("status.phase!=Succeeded,status.phase!=Failed", True),
        ("status.podIP=", True),
        ("spec.hostNetwork=false", True),
    ],
)
def test_field_selectors(selector, matches):
    fields = ("spec.nodeName", "status.phase", "status.podIP", "spec.hostNetwork")
    assert selection.parse("", selector, supported=fields).matches(POD) is matches


@pytest.mark.parametrize(
    ("selector", "message"),
    [("spec.none=x", "field label not supported: spec.none"), ("metadata.name", "invalid selector")],
)
def test_field_selectors_that_make_no_sense(selector, message):
    with pytest.raises(StatusError, match=message):
        selection.parse("", selector)


@pytest.mark.parametrize(
    ("event", "source"),
    [({"source": {"component": "kubelet"}}, "kubelet"), ({"reportingComponent": "new"}, "new"), ({}, "")],
)
def test_events_have_their_source_in_one_of_two_places(event, source):
    assert selection.field_value({"metadata": {}, **event}, "source") == source


def test_selectors_of_objects():
    selector: dict[str, Any] = {
        "matchLabels": {"tier": "front"},
        "matchExpressions": [
            {"key": "n", "operator": "Exists"},
            {"key": "z", "operator": "NotIn", "values": ["1"]},
        ],
    }
    assert all(test(LABELLED["metadata"]["labels"]) for test in selection.label_selector(selector))  # type: ignore[arg-type]


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_text_is_parsed_or_refused(labels, fields):
    try:
        selection.parse(labels, fields).matches(LABELLED)
    except StatusError as error:
        assert error.code == 400  # noqa: PT017  both outcomes are right
