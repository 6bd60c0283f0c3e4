"""CEL's macros over lists and maps, once their parts are functions of the variables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from lab.pocket.api.cel.errors import CelError, OverBudgetError, no_overload
from lab.pocket.api.cel.functions import sorted_by
from lab.pocket.api.cel.values import Optional, type_of

__all__ = ["BUDGET", "Budget", "Evaluator", "comprehension", "truth"]

Evaluator = Callable[[Mapping[str, Any]], Any]
BUDGET = ""
"""The name under which a scope holds its evaluation's budget: no variable can have it."""
MAX_STEPS = 250_000


class Budget:
    """How many steps of macros an evaluation may still take: a second or so, in place of Kubernetes' cost limit."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = MAX_STEPS

    def spend(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise OverBudgetError


Scopes = Iterator[Mapping[str, Any]]


def truth(value: Any) -> bool:
    """Return a condition's value; raises CelError when it is no bool."""
    if not isinstance(value, bool):
        raise no_overload()
    return value


def comprehension(
    macro: str, source: Evaluator, variables: tuple[str, ...], parts: tuple[Evaluator, ...]
) -> Evaluator:
    """Return the evaluator of a macro."""
    if macro in {"optMap", "optFlatMap"}:
        return lambda scope: _of_optional(macro, source(scope), scope, variables[0], parts[0])
    run = _MACROS[macro]

    def evaluate(scope: Mapping[str, Any]) -> Any:
        value = source(scope)
        return run(value, _scopes(value, scope, variables), variables, parts)

    return evaluate


def _scopes(value: Any, scope: Mapping[str, Any], variables: tuple[str, ...]) -> Scopes:
    """Yield the variables of each step: an item or a key; or an index or a key, and its value."""
    if isinstance(value, dict):
        pairs = list(value.items())
    elif isinstance(value, list):
        pairs = list(enumerate(value)) if len(variables) == 2 else [(item, None) for item in value]
    else:
        raise CelError(f"got '{type_of(value)}', expected iterable type")
    budget = scope[BUDGET]
    for pair in pairs:
        budget.spend()
        yield {**scope, **dict(zip(variables, pair, strict=False))}


def _of_optional(
    macro: str, value: Any, scope: Mapping[str, Any], variable: str, part: Evaluator
) -> Optional:
    if not isinstance(value, Optional):
        raise no_overload()
    if not value.present:
        return value
    mapped = part({**scope, variable: value.value})
    if macro == "optMap":
        return Optional(mapped)
    if not isinstance(mapped, Optional):
        raise no_overload()
    return mapped


Run = Callable[[Any, Scopes, tuple[str, ...], tuple[Evaluator, ...]], Any]


def _quantifier(decisive: bool) -> Run:  # noqa: FBT001  # exists ends at the first true, all at the first false
    def run(_value: Any, scopes: Scopes, _variables: tuple[str, ...], parts: tuple[Evaluator, ...]) -> bool:
        failed: CelError | None = None
        for scope in scopes:
            try:
                if truth(parts[0](scope)) is decisive:
                    return decisive
            except CelError as error:
                failed = failed or error
        if failed:
            raise failed
        return not decisive

    return run


def _exists_one(
    _value: Any, scopes: Scopes, _variables: tuple[str, ...], parts: tuple[Evaluator, ...]
) -> bool:
    return sum(truth(parts[0](scope)) for scope in scopes) == 1


def _filter(
    _value: Any, scopes: Scopes, variables: tuple[str, ...], parts: tuple[Evaluator, ...]
) -> list[Any]:
    return [scope[variables[0]] for scope in scopes if truth(parts[0](scope))]


def _map(_value: Any, scopes: Scopes, _variables: tuple[str, ...], parts: tuple[Evaluator, ...]) -> list[Any]:
    *conditions, transform = parts
    return [transform(scope) for scope in scopes if all(truth(each(scope)) for each in conditions)]


def _map_of(
    _value: Any, scopes: Scopes, variables: tuple[str, ...], parts: tuple[Evaluator, ...]
) -> dict[Any, Any]:
    *conditions, transform = parts
    kept = (scope for scope in scopes if all(truth(each(scope)) for each in conditions))
    return {scope[variables[0]]: transform(scope) for scope in kept}


def _map_of_entries(
    _value: Any, scopes: Scopes, _variables: tuple[str, ...], parts: tuple[Evaluator, ...]
) -> dict[Any, Any]:
    *conditions, transform = parts
    made: dict[Any, Any] = {}
    for scope in scopes:
        if not all(truth(each(scope)) for each in conditions):
            continue
        entry = transform(scope)
        if not isinstance(entry, dict):
            raise no_overload()
        for key, value in entry.items():
            if key in made:
                raise CelError(f"insert failed: key {key} already exists")
            made[key] = value
    return made


def _sort_by(
    value: Any, scopes: Scopes, _variables: tuple[str, ...], parts: tuple[Evaluator, ...]
) -> list[Any]:
    if not isinstance(value, list):
        raise no_overload()
    return sorted_by(value, [parts[0](scope) for scope in scopes])


_MACROS: dict[str, Run] = {
    "all": _quantifier(decisive=False),
    "exists": _quantifier(decisive=True),
    "exists_one": _exists_one,
    "existsOne": _exists_one,
    "filter": _filter,
    "map": _map,
    "sortBy": _sort_by,
    "transformList": _map,
    "transformMap": _map_of,
    "transformMapEntry": _map_of_entries,
}
