"""Custom resources go through a CRD's schema as through kube-apiserver's, sentence by sentence."""

from __future__ import annotations

from typing import Any

import pytest

from lab.pocket.api import schema, values
from tests.unit.pocket.api.answers import Case, cases, causes, load

THING = load("custom_resources")["setup"][0]["body"]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
WITHOUT_SERVER_FIELDS = ("namespace",)


def sent(spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "lab.io/v1", "kind": "Thing", "metadata": {"name": "t"}, "spec": spec}


@pytest.mark.parametrize("case", cases("custom_resources"))
def test_answers_as_a_real_server(case: Case) -> None:
    before = values.copy(case["body"])
    processed = schema.process(case["body"], schema.from_crd(THING))
    answer = case["answer"]
    assert case["body"] == before
    if "object" in answer:
        answer["object"]["metadata"].pop("namespace")
        assert processed.object == answer["object"]
        assert not processed.errors
        assert [f'unknown field "{path}"' for path in processed.unknown_fields] == answer.get("warnings", [])
    elif answer["code"] == 422:
        assert causes(processed.errors) == answer["causes"]
    else:
        assert processed.malformed in answer["message"]
        assert processed.malformed


@pytest.mark.parametrize("case", cases("structural_schemas"))
def test_refuses_schemas_that_are_not_structural(case: Case) -> None:
    root = case["body"]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    found = causes(schema.structural_errors(root, "spec.validation.openAPIV3Schema"))
    expected = case["answer"].get("causes", [])
    if case["name"] in {"pattern", "cel"}:  # Go's own words about the syntax
        found, expected = (
            [{**cause, "message": cause["message"][:16]} for cause in some] for some in (found, expected)
        )
    assert found == expected


@pytest.mark.parametrize(
    ("old", "new", "messages"),
    [
        (None, "a", []),
        ("a", "a", []),
        ("a", "b", ["Invalid value: immutable"]),
    ],
)
def test_transition_rules_see_the_stored_object(old: str | None, new: str, messages: list[str]) -> None:
    stored = sent({"must": "x", "imm": old}) if old else None
    processed = schema.process(sent({"must": "x", "imm": new}), schema.from_crd(THING), old=stored)
    assert [error.body() for error in processed.errors] == messages


def rules(*texts: str) -> schema.Schema:
    validations = [{"rule": text, "message": "no"} for text in texts]
    properties = {
        "a": {"type": "integer"}, "s": {"type": "string"}, "l": {"type": "array", "items": {"type": "integer"}},
        "x-y": {"type": "integer"}, "t": {"type": "string", "format": "date-time"},
    }  # fmt: skip
    spec = {"type": "object", "properties": properties, "x-kubernetes-validations": validations}
    return schema.from_crd({"type": "object", "properties": {"spec": spec}})


SPEC = {"a": 2, "s": "aBc", "l": [1, 2, 3], "x-y": 1, "t": "2026-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("rule", "holds"),
    [
        ("self.a > 1", True),
        ("self.a > 2", False),
        ("self.l.isSorted() && self.l.sum() == 6 && self.l.max() == 3 && self.l.indexOf(2) == 1", True),
        ("self.s.lowerAscii() == 'abc' && self.s.indexOf('B') == 1 && self.s.substring(1) == 'Bc'", True),
        ("self.s.split('B').join('-') == 'a-c' && self.s.find('[A-Z]') == 'B'", True),
        ("self.x__dash__y == 1", True),
        ("self.t > timestamp('2025-01-01T00:00:00Z')", True),
        ("has(self.zz)", False),
        ("isURL(self.s)", False),
    ],
)
def test_rules(rule: str, *, holds: bool) -> None:
    processed = schema.process({"spec": SPEC}, rules(rule))
    assert [error.path for error in processed.errors] == ([] if holds else ["spec"])
    assert not processed.warnings


@pytest.mark.parametrize(
    "rule", ["self.a == 1 &&", "nonsense(self.a)", "other.a == 1", "self.?a.orValue(1).frobnicate()"]
)
def test_a_stored_rule_that_does_not_compile_is_a_warning(rule: str) -> None:
    processed = schema.process({"spec": SPEC}, rules(rule))
    assert not processed.errors
    assert [rule[:10] in warning and "not enforced" in warning for warning in processed.warnings] == [True]
