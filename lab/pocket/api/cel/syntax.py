"""CEL's grammar: tokens to a tree, macros included (langdef.md, "Syntax" and "Macros")."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lab.pocket.api.cel.errors import ExpressionError
from lab.pocket.api.cel.lexer import END, Token, tokens
from lab.pocket.api.cel.values import MAX_INT, Uint

__all__ = [
    "Binary", "Call", "Comprehension", "Conditional", "Index", "ListOf", "Literal", "MapOf", "Name", "Node", "Select", "Unary", "parse",
]  # fmt: skip

_RESERVED = frozenset({
    "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop", "namespace", "package",
    "return", "var", "void", "while",
})  # fmt: skip
_CONSTANTS = {"true": True, "false": False, "null": None}
_LEVELS = (
    frozenset({"||"}),
    frozenset({"&&"}),
    frozenset({"<", "<=", ">=", ">", "==", "!=", "in"}),
    frozenset({"+", "-"}),
    frozenset({"*", "/", "%"}),
)
_EXPECTED = "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}"
MACROS = {  # name: (variables, numbers of expressions that may follow them)
    "all": (1, (1,)),
    "exists": (1, (1,)),
    "exists_one": (1, (1,)),
    "filter": (1, (1,)),
    "map": (1, (1, 2)),
    "sortBy": (1, (1,)),
    "optMap": (1, (1,)),
    "optFlatMap": (1, (1,)),
}
MACROS_OF_TWO = {  # the same over index and value, or key and value
    "all": (2, (1,)),
    "exists": (2, (1,)),
    "existsOne": (2, (1,)),
    "transformList": (2, (1, 2)),
    "transformMap": (2, (1, 2)),
    "transformMapEntry": (2, (1, 2)),
}


@dataclass(frozen=True, slots=True)
class Literal:
    offset: int
    value: Any


@dataclass(frozen=True, slots=True)
class Name:
    offset: int
    name: str


@dataclass(frozen=True, slots=True)
class Select:
    """`operand.field`; only its presence in `has()`; `operand.?field` when optional."""

    offset: int
    operand: Node
    field: str
    test: bool = False
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Index:
    offset: int
    operand: Node
    index: Node
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """A function; `target` is None where it is no method."""

    offset: int
    name: str
    target: Node | None
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Comprehension:
    """A macro over a range: its name, its variables and its expressions."""

    offset: int
    macro: str
    range: Node
    variables: tuple[str, ...]
    expressions: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Binary:
    offset: int
    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Unary:
    offset: int
    operator: str
    operand: Node


@dataclass(frozen=True, slots=True)
class Conditional:
    offset: int
    condition: Node
    yes: Node
    no: Node


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list literal: each item and whether it is optional."""

    offset: int
    items: tuple[tuple[Node, bool], ...]


@dataclass(frozen=True, slots=True)
class MapOf:
    """A map literal: each key, value and whether the value is optional."""

    offset: int
    entries: tuple[tuple[Node, Node, bool], ...]


Node = Literal | Name | Select | Index | Call | Comprehension | Binary | Unary | Conditional | ListOf | MapOf


def parse(source: str) -> Node:
    """Return the tree of an expression; raises ExpressionError, and RecursionError for one that is nested too deep."""
    return _Parser(source).whole()


class _Parser:
    def __init__(self, source: str) -> None:
        self._source = source
        self._tokens: Iterator[Token] = tokens(source)
        self._token = next(self._tokens)

    def whole(self) -> Node:
        node = self._expression()
        if self._token.kind != END:
            raise self._unexpected("<EOF>")
        return node

    def _expression(self) -> Node:
        condition = self._level(0)
        question = self._token
        if self._take("?"):
            yes = self._level(0)
            self._expect(":")
            condition = Conditional(question.offset, condition, yes, self._expression())
        return condition

    def _level(self, level: int) -> Node:
        if level == len(_LEVELS):
            return self._unary()
        left = self._level(level + 1)
        while self._token.text in _LEVELS[level] and self._token.kind in {"operator", "name"}:
            operator = self._advance()
            left = Binary(operator.offset, operator.text, left, self._level(level + 1))
        return left

    def _unary(self) -> Node:
        signs = []
        while self._token.kind == "operator" and self._token.text in {"!", "-"}:
            signs.append(self._advance())
        if signs and signs[-1].text == "-" and self._is_number():
            minus, token = signs.pop(), self._advance()
            node = self._member(Literal(minus.offset, -token.value))
        else:
            node = self._member(self._primary())
        for sign in reversed(signs):
            node = Unary(sign.offset, sign.text, node)
        return node

    def _is_number(self) -> bool:
        value = self._token.value
        return isinstance(value, int | float) and not isinstance(value, Uint | bool)

    def _member(self, node: Node) -> Node:
        while True:
            token = self._token
            if self._take("."):
                node = self._selected(node, token.offset)
            elif self._take("["):
                optional = self._take("?")
                node = Index(token.offset, node, self._expression(), optional)
                self._expect("]")
            else:
                return node

    def _selected(self, node: Node, offset: int) -> Node:
        optional = self._take("?")
        name = self._identifier()
        parenthesis = self._token.offset
        if optional or not self._take("("):
            return Select(offset, node, name.text, optional=optional)
        return self._call(parenthesis, name.text, node, self._list(")"))

    def _call(self, offset: int, name: str, target: Node, arguments: tuple[Node, ...]) -> Node:
        for table in (MACROS, MACROS_OF_TWO):
            variables, counts = table.get(name, (0, ()))
            if (
                variables
                and len(arguments) - variables in counts
                and not (table is MACROS and name in MACROS_OF_TWO and len(arguments) == 3)
            ):
                return Comprehension(
                    offset, name, target, self._variables(arguments[:variables]), arguments[variables:]
                )
        return Call(offset, name, target, arguments)

    def _variables(self, nodes: tuple[Node, ...]) -> tuple[str, ...]:
        names = []
        for node in nodes:
            if not isinstance(node, Name):
                raise ExpressionError(self._source, node.offset, "argument must be a simple name")
            names.append(node.name)
        return tuple(names)

    def _primary(self) -> Node:
        token = self._token
        if token.kind == "literal":
            self._advance()
            if isinstance(token.value, int) and not isinstance(token.value, Uint) and token.value > MAX_INT:
                raise ExpressionError(self._source, token.offset, "Syntax error: invalid int literal")
            return Literal(token.offset, token.value)
        if self._take("("):
            node = self._expression()
            self._expect(")")
            return node
        if self._take("["):
            return ListOf(token.offset, self._items())
        if self._take("{"):
            return MapOf(token.offset, self._entries())
        self._take(".")
        if self._token.kind != "name" or self._token.text == "in":
            raise self._unexpected(_EXPECTED)
        return self._named(self._advance())

    def _named(self, token: Token) -> Node:
        if token.text in _CONSTANTS:
            return Literal(token.offset, _CONSTANTS[token.text])
        if token.text in _RESERVED:
            what = f"reserved identifier: {token.text}"
            raise ExpressionError(self._source, token.offset, what)
        parenthesis = self._token.offset
        if not self._take("("):
            return Name(token.offset, token.text)
        arguments = self._list(")")
        if token.text != "has":
            return Call(parenthesis, token.text, None, arguments)
        if len(arguments) != 1 or not isinstance(arguments[0], Select):
            where = arguments[0].offset if arguments else parenthesis
            raise ExpressionError(self._source, where, "invalid argument to has() macro")
        selected = arguments[0]
        return Select(selected.offset, selected.operand, selected.field, test=True)

    def _list(self, end: str) -> tuple[Node, ...]:
        items: list[Node] = []
        while not self._take(end):
            items.append(self._expression())
            if not self._take(","):
                self._expect(end)
                break
        return tuple(items)

    def _items(self) -> tuple[tuple[Node, bool], ...]:
        items = []
        while not self._take("]"):
            optional = self._take("?")
            items.append((self._expression(), optional))
            if not self._take(","):
                self._expect("]")
                break
        return tuple(items)

    def _entries(self) -> tuple[tuple[Node, Node, bool], ...]:
        entries = []
        while not self._take("}"):
            optional = self._take("?")
            key = self._expression()
            self._expect(":")
            entries.append((key, self._expression(), optional))
            if not self._take(","):
                self._expect("}")
                break
        return tuple(entries)

    def _identifier(self) -> Token:
        if self._token.kind != "name":
            raise self._unexpected("IDENTIFIER")
        return self._advance()

    def _advance(self) -> Token:
        token, self._token = self._token, next(self._tokens, self._token)
        return token

    def _take(self, text: str) -> bool:
        found = self._token.kind == "operator" and self._token.text == text
        if found:
            self._advance()
        return found

    def _expect(self, text: str) -> None:
        if not self._take(text):
            raise self._unexpected(f"'{text}'")

    def _unexpected(self, expected: str) -> ExpressionError:
        what = f"Syntax error: mismatched input '{self._token.text}' expecting {expected}"
        return ExpressionError(self._source, self._token.offset, what)
