"""Label selectors as values.

https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/label-selector/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self, TypeVar

V = TypeVar("V", dict[str, Any], list[Any], str)


class Operator(StrEnum):
    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One of matchExpressions."""

    key: str
    operator: Operator
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        match self.operator:
            case Operator.IN:
                return labels.get(self.key) in self.values
            case Operator.NOT_IN:
                return labels.get(self.key) not in self.values
            case Operator.EXISTS:
                return self.key in labels
            case Operator.DOES_NOT_EXIST:
                return self.key not in labels


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """Requirements that must all hold; none at all selects everything."""

    requirements: frozenset[Requirement] = frozenset()

    @classmethod
    def parse(cls, selector: Any) -> Self:
        """Return the selector of matchLabels and matchExpressions; raises ValueError that says what is wrong."""
        if selector is None:
            raise ValueError("a label selector must be a mapping; an empty one selects everything")
        selector = _typed(selector, dict, "a label selector")
        labels = _typed(selector.get("matchLabels"), dict, "matchLabels")
        expressions = _typed(selector.get("matchExpressions"), list, "matchExpressions")
        requirements = [
            Requirement(key, Operator.IN, frozenset({_typed(value, str, key)}))
            for key, value in labels.items()
        ]
        requirements += [
            _requirement(_typed(expression, dict, "a match expression")) for expression in expressions
        ]
        return cls(frozenset(requirements))

    def matches(self, labels: Mapping[str, str]) -> bool:
        return all(requirement.matches(labels) for requirement in self.requirements)


def any_matches(selectors: Iterable[LabelSelector], labels: Mapping[str, str]) -> bool:
    """Tell whether one of the selectors matches; without any selector, everything matches."""
    selectors = tuple(selectors)
    return not selectors or any(selector.matches(labels) for selector in selectors)


def _typed(value: Any, kind: type[V], name: str) -> V:
    """Return the value, or an empty one of its kind for None; raises ValueError when it is of another kind."""
    if value is None:
        return kind()
    if isinstance(value, kind):
        return value
    words = {dict: "a mapping", list: "a list", str: "a string"}
    raise ValueError(f"{name} must be {words[kind]}")


def _requirement(expression: Mapping[str, Any]) -> Requirement:
    key = _typed(expression.get("key"), str, "key")
    if not key:
        raise ValueError(f"a match expression without key: {dict(expression)}")
    values = [
        _typed(value, str, f"a value of {key!r}")
        for value in _typed(expression.get("values"), list, "values")
    ]
    try:
        operator = Operator(str(expression.get("operator")))
    except ValueError:
        known = ", ".join(Operator)
        raise ValueError(
            f"operator {expression.get('operator')!r} of {key!r} is unknown; it can be {known}"
        ) from None
    if len(set(values)) != len(values):
        raise ValueError(f"match expression on {key!r} has duplicate values: {', '.join(values)}")
    takes_values = operator in {Operator.IN, Operator.NOT_IN}
    if takes_values != bool(values):
        raise ValueError(
            f"match expression {key!r} {operator} needs {'values' if takes_values else 'no values'}"
        )
    return Requirement(key, operator, frozenset(values))
