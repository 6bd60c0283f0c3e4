"""CEL as Kubernetes' own environment evaluates it (tests/vectors/kubernetes/cel.json)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.pocket.api.cel import CelError, ExpressionError, compile_expression
from lab.pocket.api.cel.comprehensions import MAX_STEPS
from lab.pocket.api.cel.conversions import text_of
from lab.pocket.api.cel.times import timestamp_text
from lab.pocket.api.cel.values import CelType, Optional, type_of
from tests.unit.pocket.api.answers import load

VECTORS = load("cel")
SELF = VECTORS["self"]
OF_NAMES = ("Syntax error", "undeclared reference", "reserved identifier", "invalid argument to has()")
# What ANTLR's parser says of a place where several things may follow, and where it believes the text goes on.
OTHER_WORDS = {"(1", "[1, 2", "'abc", r'"a\qb"', "a b", "self.a & 1", "9223372036854775808"}


WRITTEN: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (float, text_of),
    (int, int),
    (bytes, bytes.decode),
    (timedelta, timedelta.total_seconds),
    (CelType, lambda value: value.name),
    (datetime, timestamp_text),
)


def evaluate(expression: str) -> Any:
    return compile_expression(expression, variables=("self",)).evaluate({"self": SELF})


def plain(value: Any) -> Any:
    """Return a value as the vectors write it."""
    if isinstance(value, Optional):
        return {"optional": plain(value.value) if value.present else False}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    return _scalar(value)


def _scalar(value: Any) -> Any:
    if value is None or isinstance(value, bool | str):
        return value
    return next((write(value) for kind, write in WRITTEN if isinstance(value, kind)), "opaque")


def cases(*answers: str) -> list[Any]:
    found = [case for case in VECTORS["cases"] if any(answer in case for answer in answers)]
    return [pytest.param(case, id=case["expression"]) for case in found]


@pytest.mark.parametrize("case", cases("type"))
def test_values(case: dict[str, Any]) -> None:
    value = evaluate(case["expression"])
    assert (type_of(value), plain(value)) == (case["type"], case.get("value"))


@pytest.mark.parametrize("case", cases("error"))
def test_errors(case: dict[str, Any]) -> None:
    with pytest.raises(CelError) as error:
        evaluate(case["expression"])
    if case["error"].startswith(
        ("no such key", "division", "modulus", "integer", "index out", "cannot slice")
    ):
        assert str(error.value) == case["error"]


# The other refusals of Kubernetes are of types, which we find out when an expression runs.
@pytest.mark.parametrize(
    "case", [each for each in cases("refused") if any(word in each.values[0]["refused"] for word in OF_NAMES)]
)
def test_what_is_no_expression_is_refused_before_it_runs(case: dict[str, Any]) -> None:
    with pytest.raises(ExpressionError) as error:
        evaluate(case["expression"])
    if case["expression"] not in OTHER_WORDS:
        assert error.value.text.splitlines()[0] == case["refused"].splitlines()[0]


def test_an_evaluation_ends() -> None:
    deep = "lists.range(1000).all(a, lists.range(1000).all(b, a + b >= 0))"
    with pytest.raises(CelError, match="cost limit"):
        evaluate(deep)
    assert MAX_STEPS < 1_000_000


@given(st.text(alphabet="selfa.[]()?:'\"\\1+-*/<>=!&| ,{}xin", max_size=40))
def test_any_text_is_a_value_or_an_error(text: str) -> None:
    try:
        evaluate(text)
    except (CelError, ExpressionError):
        return


def test_deep_nesting_is_an_error() -> None:
    for text in ("(" * 5000 + "1" + ")" * 5000, "!" * 5000 + "true", "[" * 5000, "1" + "+1" * 5000):
        try:
            evaluate(text)
        except (CelError, ExpressionError):
            continue
