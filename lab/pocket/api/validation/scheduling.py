"""What tells the scheduler where a pod may run: tolerations, affinity, spread; and the taints of nodes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lab.pocket.api import field, names
from lab.pocket.api.field import FieldError
from lab.pocket.api.validation.metadata import label_selector
from lab.pocket.api.validation.rules import checked

__all__ = ["EFFECTS", "affinity_errors", "spread_errors", "toleration_errors"]

Object = dict[str, Any]
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_REQUIRED, _PREFERRED = (
    f"{kind}DuringSchedulingIgnoredDuringExecution" for kind in ("required", "preferred")
)


def toleration_errors(tolerations: list[Object], path: str) -> Iterator[FieldError]:
    for index, one in enumerate(tolerations):
        where, key, operator = f"{path}[{index}]", one.get("key", ""), one.get("operator", "")
        if key:
            yield from checked(key, names.qualified_name, f"{where}.key")
        elif operator != "Exists":
            detail = (
                'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            )
            yield field.invalid(f"{where}.operator", operator, detail)
        if "tolerationSeconds" in one and one.get("effect") != "NoExecute":
            detail = "effect must be 'NoExecute' when `tolerationSeconds` is set"
            yield field.invalid(f"{where}.effect", one.get("effect", ""), detail)
        yield from _operator(one, where)
        if one.get("effect") and one["effect"] not in EFFECTS:
            yield field.not_supported(f"{where}.effect", one["effect"], EFFECTS)


def _operator(toleration: Object, path: str) -> Iterator[FieldError]:
    operator, value = toleration.get("operator", ""), toleration.get("value", "")
    if operator in {"", "Equal"}:
        yield from checked(value, names.label_value, f"{path}.operator")
    elif operator != "Exists":
        yield field.not_supported(f"{path}.operator", operator, ("Equal", "Exists"))
    elif value:
        yield field.invalid(f"{path}.operator", value, "value must be empty when `operator` is 'Exists'")


def affinity_errors(affinity: Object, path: str) -> Iterator[FieldError]:
    if "nodeAffinity" in affinity:
        yield from _node_affinity(affinity["nodeAffinity"], f"{path}.nodeAffinity")
    for name in ("podAffinity", "podAntiAffinity"):
        if name in affinity:
            yield from _pod_affinity(affinity[name], f"{path}.{name}")


def _node_affinity(affinity: Object, path: str) -> Iterator[FieldError]:
    if _REQUIRED in affinity:
        terms = affinity[_REQUIRED].get("nodeSelectorTerms") or []
        where = f"{path}.{_REQUIRED}.nodeSelectorTerms"
        if not terms:
            yield field.required(where, "must have at least one node selector term")
        for index, term in enumerate(terms):
            yield from _term(term, f"{where}[{index}]")
    for index, preferred in enumerate(affinity.get(_PREFERRED, ())):
        where = f"{path}.{_PREFERRED}[{index}]"
        yield from _weight(preferred, where)
        yield from _term(preferred.get("preference", {}), f"{where}.preference")


def _weight(preferred: Object, path: str) -> Iterator[FieldError]:
    weight = preferred.get("weight", 0)
    if not 1 <= weight <= 100:
        yield field.invalid(f"{path}.weight", weight, "must be in the range 1-100")


def _term(term: Object, path: str) -> Iterator[FieldError]:
    for index, one in enumerate(term.get("matchExpressions", ())):
        where, operator, given = (
            f"{path}.matchExpressions[{index}]",
            one.get("operator", ""),
            one.get("values", []),
        )
        if operator in {"In", "NotIn"}:
            if not given:
                yield field.required(
                    f"{where}.values", "must be specified when `operator` is 'In' or 'NotIn'"
                )
        elif operator in {"Exists", "DoesNotExist"}:
            if given:
                detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                yield field.forbidden(f"{where}.values", detail)
        elif operator in {"Gt", "Lt"}:
            if len(given) != 1:
                detail = "must be specified single value when `operator` is 'Lt' or 'Gt'"
                yield field.required(f"{where}.values", detail)
        else:
            yield field.invalid(f"{where}.operator", operator, "not a valid selector operator")
        yield from checked(one.get("key", ""), names.qualified_name, f"{where}.key")


def _pod_affinity(affinity: Object, path: str) -> Iterator[FieldError]:
    for index, term in enumerate(affinity.get(_REQUIRED, ())):
        yield from _pod_term(term, f"{path}.{_REQUIRED}[{index}]")
    for index, preferred in enumerate(affinity.get(_PREFERRED, ())):
        where = f"{path}.{_PREFERRED}[{index}]"
        yield from _weight(preferred, where)
        yield from _pod_term(preferred.get("podAffinityTerm", {}), f"{where}.podAffinityTerm")


def _pod_term(term: Object, path: str) -> Iterator[FieldError]:
    for name in ("labelSelector", "namespaceSelector"):
        yield from label_selector(term.get(name) or {}, f"{path}.{name}")
    for index, namespace in enumerate(term.get("namespaces", ())):
        yield from checked(namespace, names.dns_label, f"{path}.namespace[{index}]")
    if not term.get("topologyKey"):
        yield field.required(f"{path}.topologyKey", "can not be empty")
    yield from checked(term.get("topologyKey", ""), names.qualified_name, f"{path}.topologyKey")


def spread_errors(constraints: list[Object], path: str) -> Iterator[FieldError]:
    taken: set[tuple[str, str]] = set()
    for index, one in enumerate(constraints):
        where, key, action = f"{path}[{index}]", one.get("topologyKey", ""), one.get("whenUnsatisfiable", "")
        if one.get("maxSkew", 0) <= 0:
            yield field.invalid(f"{where}.maxSkew", one.get("maxSkew", 0), "must be greater than zero")
        if not key:
            yield field.required(f"{where}.topologyKey", "can not be empty")
        else:
            yield from checked(key, names.qualified_name, f"{where}.topologyKey")
        if action not in {"DoNotSchedule", "ScheduleAnyway"}:
            yield field.not_supported(
                f"{where}.whenUnsatisfiable", action, ("DoNotSchedule", "ScheduleAnyway")
            )
        if any(key == other and action == what for other, what in _pairs(constraints[index + 1 :])):
            pair = "{topologyKey, whenUnsatisfiable}"
            yield field.duplicate(f"{where}.{pair}", f"{{{key}, {action}}}")
        if one.get("minDomains", 1) <= 0:
            yield field.invalid(f"{where}.minDomains", one["minDomains"], "must be greater than zero")
        yield from label_selector(one.get("labelSelector") or {}, f"{where}.labelSelector")
        taken.add((key, action))


def _pairs(constraints: list[Object]) -> list[tuple[str, str]]:
    return [(one.get("topologyKey", ""), one.get("whenUnsatisfiable", "")) for one in constraints]
