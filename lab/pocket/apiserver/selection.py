"""Label and field selectors: parsed once, then asked of each object."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.pocket.apiserver.errors import bad_request
from lab.pocket.store import Object

LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
LABEL_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
SET_BASED = re.compile(r"\s*(?P<key>[^\s,()=!<>]+)\s+(?P<op>in|notin)\s*\((?P<values>[^()]*)\)\s*")
EQUALITY = re.compile(r"\s*(?P<key>[^\s,()=!<>]+)\s*(?P<op>==|=|!=|<|>)\s*(?P<values>[^\s,()=!<>]*)\s*")
EXISTENCE = re.compile(r"\s*(?P<op>!?)\s*(?P<key>[^\s,()=!<>]+)\s*(?P<values>)")
FIELD_TERM = re.compile(r"(?P<key>[^=!,]+?)(?P<op>!=|==|=)(?P<value>(?:\\.|[^\\,=])*)")
KEY_LENGTH, VALUE_LENGTH = 63, 63

Test = Callable[[Mapping[str, str]], bool]


@dataclass(frozen=True, slots=True)
class FieldTerm:
    path: str
    value: str
    negated: bool


@dataclass(frozen=True, slots=True)
class Selector:
    """All conditions that an object must meet; an empty one is met by every object."""

    labels: tuple[Test, ...] = ()
    fields: tuple[FieldTerm, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.labels or self.fields)

    def matches(self, obj: Object) -> bool:
        labels = obj["metadata"].get("labels") or {}
        if not all(test(labels) for test in self.labels):
            return False
        return all((field_value(obj, term.path) == term.value) is not term.negated for term in self.fields)

    @property
    def name(self) -> str:
        """The one object name that can match, or ""."""
        return self._only("metadata.name")

    @property
    def node(self) -> str:
        """The one node whose pods can match, or ""."""
        return self._only("spec.nodeName")

    def _only(self, path: str) -> str:
        return next((t.value for t in self.fields if t.path == path and not t.negated), "")


def field_value(obj: Object, path: str) -> str:
    """Return a field as selectors compare it: absent is "", or the default that Kubernetes gives it."""
    value: Any = obj
    for segment in path.split("."):
        if not isinstance(value, dict):
            return ""
        value = value.get(segment)
    if path == "source":  # of events: the component's name
        value = (obj.get("source") or {}).get("component") or obj.get("reportingComponent")
    if path == "reportingComponent" and not value:
        value = (obj.get("source") or {}).get("component")
    if value is None:
        return "false" if path in {"spec.unschedulable", "spec.hostNetwork"} else ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def parse(labels: str, fields: str, *, supported: Sequence[str] = ()) -> Selector:
    """Parse the `labelSelector` and `fieldSelector` of a request.

    Raises:
        StatusError: 400, as Kubernetes words it, for bad syntax or a field that the resource does not select on.

    """
    return Selector(tuple(parse_labels(labels)), tuple(_parse_fields(fields, supported)))


def parse_labels(text: str) -> list[Test]:
    """Parse a label selector in string form."""
    tests: list[Test] = []
    position = 0
    while position < len(text.rstrip()):
        match = next((m for p in (SET_BASED, EQUALITY, EXISTENCE) if (m := p.match(text, position))), None)
        if match is None or text[match.end() : match.end() + 1] not in {"", ","}:
            raise bad_request(
                f"unable to parse requirement: found {text[position:]!r}, expected: a requirement"
            )
        tests.append(_label_test(match["key"], match["op"], match["values"]))
        position = match.end() + 1
    return tests


def label_selector(selector: Object) -> list[Test]:
    """Compile a meta/v1 LabelSelector object (`matchLabels`, `matchExpressions`)."""
    tests = [_label_test(key, "=", value) for key, value in (selector.get("matchLabels") or {}).items()]
    for expression in selector.get("matchExpressions") or ():
        operator = {"In": "in", "NotIn": "notin", "Exists": "", "DoesNotExist": "!"}[expression["operator"]]
        tests.append(_label_test(expression["key"], operator, ",".join(expression.get("values") or ())))
    return tests


def _label_test(key: str, operator: str, text: str) -> Test:
    name = key.rpartition("/")[2]
    if not LABEL_KEY.fullmatch(key) or len(name) > KEY_LENGTH:
        raise bad_request(f'unable to parse requirement: <nil>: Invalid value: "{key}": {_KEY_RULE}')
    if operator == "":
        return lambda labels: key in labels
    if operator == "!":
        return lambda labels: key not in labels
    if operator in {"<", ">"}:
        return _compare(key, operator, text)
    values = frozenset(part.strip() for part in text.split(","))
    for value in values:
        if not LABEL_VALUE.fullmatch(value) or len(value) > VALUE_LENGTH:
            raise bad_request(
                f'unable to parse requirement: values[0][{key}]: Invalid value: "{value}": {_VALUE_RULE}'
            )
    if operator in {"!=", "notin"}:
        return lambda labels: labels.get(key) not in values
    return lambda labels: labels.get(key) in values


def _compare(key: str, operator: str, text: str) -> Test:
    if not text.lstrip("-").isdecimal():
        raise bad_request(
            f"values[0][{key}]: Invalid value: {text!r}: for 'Gt', 'Lt' operators, the value must be an integer"
        )
    bound, sign = int(text), 1 if operator == ">" else -1

    def test(labels: Mapping[str, str]) -> bool:
        value = labels.get(key, "")
        return value.lstrip("-").isdecimal() and (int(value) - bound) * sign > 0

    return test


def _parse_fields(text: str, supported: Sequence[str]) -> list[FieldTerm]:
    terms = []
    position = 0
    while position < len(text):
        match = FIELD_TERM.match(text, position)
        if match is None or text[match.end() : match.end() + 1] not in {"", ","}:
            raise bad_request(f"invalid selector: {text!r}; can't understand {text[position:]!r}")
        path = match["key"].strip()
        if path not in {"metadata.name", "metadata.namespace", *supported}:
            raise bad_request(f"field label not supported: {path}")
        value = re.sub(r"\\(.)", r"\1", match["value"])
        terms.append(FieldTerm(path, value, match["op"] == "!="))
        position = match.end() + 1
    return terms


_KEY_RULE = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
_VALUE_RULE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end "
    "with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
