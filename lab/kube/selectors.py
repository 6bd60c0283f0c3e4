"""Label selectors as values.

https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/label-selector/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self


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
    def parse(cls, selector: Mapping[str, Any]) -> Self:
        """Return the selector of matchLabels and matchExpressions; raises ValueError that says what is wrong."""
        requirements = [
            Requirement(key, Operator.IN, frozenset({value}))
            for key, value in (selector.get("matchLabels") or {}).items()
        ]
        requirements += [_requirement(expression) for expression in selector.get("matchExpressions") or ()]
        return cls(frozenset(requirements))

    def matches(self, labels: Mapping[str, str]) -> bool:
        return all(requirement.matches(labels) for requirement in self.requirements)


def any_matches(selectors: Iterable[LabelSelector], labels: Mapping[str, str]) -> bool:
    """Tell whether one of the selectors matches; without any selector, everything matches."""
    selectors = tuple(selectors)
    return not selectors or any(selector.matches(labels) for selector in selectors)


def _requirement(expression: Mapping[str, Any]) -> Requirement:
    key = expression.get("key")
    if not key:
        raise ValueError(f"a match expression without key: {dict(expression)}")
    values = expression.get("values") or []
    try:
        operator = Operator(expression.get("operator", ""))
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
