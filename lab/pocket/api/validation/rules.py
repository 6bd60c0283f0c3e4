"""The few rules that most kinds' validation is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from lab.pocket.api import field
from lab.pocket.api.field import FieldError

__all__ = ["checked", "named", "non_negative", "one_of", "within"]


def checked(value: Any, rule: Callable[[Any], Iterable[str]], path: str) -> Iterator[FieldError]:
    """Yield one error for each sentence that a rule has about a value."""
    for sentence in rule(value):
        yield field.invalid(path, value, sentence)


def named(value: str, rule: Callable[[str], Iterable[str]], path: str) -> Iterator[FieldError]:
    """Yield what is wrong with a name that must be there."""
    if value:
        yield from checked(value, rule, path)
    else:
        yield field.required(path)


def one_of(value: str | None, allowed: Iterable[str], path: str) -> Iterator[FieldError]:
    """Yield an error unless the value is one of an enumeration; an empty one is missing."""
    if not value:
        yield field.required(path)
    elif value not in allowed:
        yield field.not_supported(path, value, allowed)


def non_negative(value: int | None, path: str) -> Iterator[FieldError]:
    if value is not None and value < 0:
        yield field.invalid(path, value, "must be greater than or equal to 0")


def within(value: int | None, low: int, high: int, path: str) -> Iterator[FieldError]:
    if value is not None and not low <= value <= high:
        yield field.invalid(path, value, f"must be between {low} and {high}, inclusive")
