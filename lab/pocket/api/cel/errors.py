"""What can be wrong with a CEL expression: before it runs, and while it runs."""

from __future__ import annotations

__all__ = ["CelError", "ExpressionError", "OverBudgetError", "no_overload"]


class ExpressionError(Exception):
    """An expression that is no CEL, or that names what nobody declared. `text` reads as cel-go's report."""

    def __init__(self, source: str, offset: int, what: str) -> None:
        line = source.count("\n", 0, offset) + 1
        start = source.rfind("\n", 0, offset) + 1
        shown = source[start:].partition("\n")[0]
        column = offset - start
        self.text = f"ERROR: <input>:{line}:{column + 1}: {what}\n | {shown}\n | {'.' * column}^"
        super().__init__(self.text)


class CelError(Exception):
    """An evaluation that ended without a value; `&&`, `||` and the quantifiers may still have one."""


class OverBudgetError(Exception):
    """An evaluation that would take too long: unlike a CelError, nothing of the expression survives it."""


def no_overload() -> CelError:
    """Return the error of a function or operator that does not take such operands."""
    return CelError("no such overload")
