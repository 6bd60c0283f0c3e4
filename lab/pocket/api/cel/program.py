"""From a tree to a function: each node becomes a closure over those of its parts."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from lab.pocket.api.cel import syntax
from lab.pocket.api.cel.comprehensions import BUDGET, Budget, Evaluator, comprehension, truth
from lab.pocket.api.cel.errors import CelError, ExpressionError, OverBudgetError, no_overload
from lab.pocket.api.cel.functions import FUNCTIONS, METHODS, TYPES
from lab.pocket.api.cel.kubernetes import KUBERNETES_FUNCTIONS, KUBERNETES_METHODS
from lab.pocket.api.cel.operators import BINARY, has_field, index, negated, select
from lab.pocket.api.cel.strings import STRING_FUNCTIONS, STRING_METHODS
from lab.pocket.api.cel.values import Optional

__all__ = ["Program", "compile_expression"]

_ALL_FUNCTIONS = FUNCTIONS | STRING_FUNCTIONS | KUBERNETES_FUNCTIONS
_ALL_METHODS = METHODS | STRING_METHODS | KUBERNETES_METHODS


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled expression and the variables that it reads."""

    names: frozenset[str]
    _evaluate: Evaluator

    def evaluate(self, variables: Mapping[str, Any]) -> Any:
        """Return the expression's value; raises CelError when it has none."""
        try:
            return self._evaluate({**variables, BUDGET: Budget()})
        except OverBudgetError as error:
            raise CelError("operation cancelled: actual cost limit exceeded") from error
        except RecursionError as error:
            raise CelError("expression too deep") from error


def compile_expression(source: str, *, variables: Collection[str]) -> Program:
    """Compile an expression that may read `variables`.

    Raises:
        ExpressionError: for what is no CEL, and for names and functions that nobody declared.

    """
    compiler = _Compiler(source, frozenset(variables))
    try:
        evaluator = compiler.compile(syntax.parse(source), frozenset(variables))
    except RecursionError as error:
        raise ExpressionError(source, 0, "expression recursion limit exceeded") from error
    return Program(frozenset(compiler.read), evaluator)


class _Compiler:
    def __init__(self, source: str, free: frozenset[str]) -> None:
        self._source = source
        self._free = free
        self.read: set[str] = set()

    def compile(self, node: syntax.Node, known: frozenset[str]) -> Evaluator:  # noqa: C901, PLR0911  # one case a kind of node
        """Return the evaluator of a node; `known` are the names that it may read."""
        match node:
            case syntax.Literal(_, value):
                return lambda _: value
            case syntax.Name():
                return self._name(node, known)
            case syntax.Select():
                return self._select(node, known)
            case syntax.Index(_, operand, position, optional):
                whole, key = self.compile(operand, known), self.compile(position, known)
                return lambda scope: index(whole(scope), key(scope), optional=optional)
            case syntax.Call():
                return self._call(node, known)
            case syntax.Comprehension(_, macro, source, variables, expressions):
                inner = known | set(variables)
                parts = tuple(self.compile(each, inner) for each in expressions)
                return comprehension(macro, self.compile(source, known), variables, parts)
            case syntax.Binary():
                return self._binary(node, known)
            case syntax.Unary(_, operator, operand):
                inside = self.compile(operand, known)
                return lambda scope: negated(operator, inside(scope))
            case syntax.Conditional(_, condition, yes, no):
                test, then, otherwise = (self.compile(each, known) for each in (condition, yes, no))
                return lambda scope: then(scope) if truth(test(scope)) else otherwise(scope)
            case syntax.ListOf():
                return self._list(node, known)
            case syntax.MapOf():
                return self._map(node, known)

    def _name(self, node: syntax.Name, known: frozenset[str]) -> Evaluator:
        name = node.name
        if name in known:
            if name in self._free:
                self.read.add(name)
            return lambda scope: scope[name]
        if name in TYPES:
            return lambda _: TYPES[name]
        raise self._undeclared(node.offset, name)

    def _select(self, node: syntax.Select, known: frozenset[str]) -> Evaluator:
        if isinstance(node.operand, syntax.Name) and node.operand.name not in known:
            qualified = f"{node.operand.name}.{node.field}"
            if qualified in TYPES:
                return lambda _: TYPES[qualified]
        operand, field, optional = self.compile(node.operand, known), node.field, node.optional
        if node.test:
            return lambda scope: has_field(operand(scope), field)
        return lambda scope: select(operand(scope), field, optional=optional)

    def _call(self, node: syntax.Call, known: frozenset[str]) -> Evaluator:
        target = node.target
        if isinstance(target, syntax.Name) and target.name not in known:
            qualified = f"{target.name}.{node.name}"
            if qualified not in _ALL_FUNCTIONS:
                raise self._undeclared(target.offset, target.name)
            return self._applied(
                _ALL_FUNCTIONS[qualified], [self.compile(each, known) for each in node.arguments]
            )
        arguments = [self.compile(each, known) for each in node.arguments]
        table = _ALL_FUNCTIONS if target is None else _ALL_METHODS
        if node.name not in table:
            raise self._undeclared(node.offset, node.name)
        if target is not None:
            arguments.insert(0, self.compile(target, known))
        return _lazy(node.name, arguments) or self._applied(table[node.name], arguments)

    @staticmethod
    def _applied(function: Any, arguments: list[Evaluator]) -> Evaluator:
        def apply(scope: Mapping[str, Any]) -> Any:
            values = [argument(scope) for argument in arguments]
            try:
                return function(*values)
            except (AttributeError, TypeError) as error:  # an operand of a type that it does not take
                raise no_overload() from error

        return apply

    def _binary(self, node: syntax.Binary, known: frozenset[str]) -> Evaluator:
        left, right = self.compile(node.left, known), self.compile(node.right, known)
        if node.operator in {"&&", "||"}:
            return _logical(left, right, decisive=node.operator == "||")
        operate = BINARY[node.operator]
        return lambda scope: operate(left(scope), right(scope))

    def _list(self, node: syntax.ListOf, known: frozenset[str]) -> Evaluator:
        items = [(self.compile(item, known), optional) for item, optional in node.items]

        def build(scope: Mapping[str, Any]) -> list[Any]:
            values = []
            for item, optional in items:
                value = item(scope)
                if not optional:
                    values.append(value)
                elif _present(value):
                    values.append(value.value)
            return values

        return build

    def _map(self, node: syntax.MapOf, known: frozenset[str]) -> Evaluator:
        entries = [
            (self.compile(key, known), self.compile(value, known), optional)
            for key, value, optional in node.entries
        ]

        def build(scope: Mapping[str, Any]) -> dict[Any, Any]:
            made: dict[Any, Any] = {}
            for key, item, optional in entries:
                name, value = key(scope), item(scope)
                if not optional:
                    made[name] = value
                elif _present(value):
                    made[name] = value.value
            return made

        return build

    def _undeclared(self, offset: int, name: str) -> ExpressionError:
        return ExpressionError(self._source, offset, f"undeclared reference to '{name}' (in container '')")


def _present(value: Any) -> bool:
    if not isinstance(value, Optional):
        raise no_overload()
    return value.present


def _lazy(name: str, arguments: list[Evaluator]) -> Evaluator | None:
    """Return the evaluator of `x.or(y)` and `x.orValue(y)`, which look at y only when they need it."""
    if name not in {"or", "orValue"} or len(arguments) != 2:
        return None
    first, second = arguments

    def choose(scope: Mapping[str, Any]) -> Any:
        value = first(scope)
        if not _present(value):
            return second(scope)
        return value if name == "or" else value.value

    return choose


def _logical(left: Evaluator, right: Evaluator, *, decisive: bool) -> Evaluator:
    """Return `||` (decided by true) or `&&` (by false): either side decides alone, even if the other fails."""

    def evaluate(scope: Mapping[str, Any]) -> bool:
        try:
            if truth(left(scope)) is decisive:
                return decisive
        except CelError:
            if truth(right(scope)) is decisive:
                return decisive
            raise
        return truth(right(scope))

    return evaluate
