from __future__ import annotations

from typing import Any

import pytest

from lab.kube.selectors import LabelSelector, any_matches


def expression(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    ("selector", "labels", "matches"),
    [
        ({}, {}, True),
        ({"matchLabels": {"a": "1"}}, {"a": "1", "b": "2"}, True),
        ({"matchLabels": {"a": "1", "b": "2"}}, {"a": "1"}, False),
        (expression("a", "In", "1", "2"), {"a": "2"}, True),
        (expression("a", "In", "1", "2"), {"a": "3"}, False),
        (expression("a", "In", "1"), {}, False),
        (expression("a", "NotIn", "1"), {"a": "1"}, False),
        (expression("a", "NotIn", "1"), {}, True),
        (expression("a", "Exists"), {"a": ""}, True),
        (expression("a", "Exists"), {}, False),
        (expression("a", "DoesNotExist"), {}, True),
        (expression("a", "DoesNotExist"), {"a": ""}, False),
        ({"matchLabels": {"a": "1"}, **expression("b", "Exists")}, {"a": "1"}, False),
    ],
)
def test_matching(selector: dict[str, Any], labels: dict[str, str], *, matches: bool) -> None:
    assert LabelSelector.parse(selector).matches(labels) is matches


@pytest.mark.parametrize(
    ("selector", "said"),
    [
        ({"matchExpressions": [{"operator": "In", "values": ["1"]}]}, "without key"),
        ({"matchExpressions": [{"key": "a"}]}, "operator None of 'a' is unknown; it can be In, NotIn"),
        (expression("a", "Is", "1"), "operator 'Is' of 'a' is unknown"),
        (expression("a", "In", "1", "1"), "duplicate values"),
        (expression("a", "In"), "needs values"),
        (expression("a", "Exists", "1"), "needs no values"),
    ],
)
def test_a_bad_selector_says_what_is_wrong(selector: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        LabelSelector.parse(selector)


def test_several_selectors_are_alternatives_and_none_selects_all() -> None:
    red, blue = (LabelSelector.parse({"matchLabels": {"colour": c}}) for c in ("red", "blue"))
    assert any_matches([red, blue], {"colour": "blue"})
    assert not any_matches([red, blue], {})
    assert any_matches([], {})


def test_the_order_in_which_a_selector_is_written_does_not_matter() -> None:
    assert LabelSelector.parse(expression("a", "In", "1", "2")) == LabelSelector.parse(
        expression("a", "In", "2", "1")
    )
