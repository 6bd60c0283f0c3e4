"""CEL text as tokens (https://github.com/google/cel-spec/blob/master/doc/langdef.md#syntax)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from lab.pocket.api.cel.errors import ExpressionError
from lab.pocket.api.cel.values import MAX_INT, MAX_UINT, Uint

__all__ = ["END", "Token", "tokens"]

END = "<EOF>"
_TOKEN = re.compile(
    r"""(?P<space>(?:\s+|//[^\n]*)+)
      |(?P<float>\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\.\d+(?:[eE][+-]?\d+)?)
      |(?P<int>(?:0[xX][0-9a-fA-F]+|\d+)[uU]?)
      |(?P<prefix>[rR][bB]?|[bB][rR]?)?(?P<string>\"{3}(?:\\.|[^\\])*?\"{3}|'{3}(?:\\.|[^\\])*?'{3}
        |\"(?:\\.|[^\\\n\r\"])*\"|'(?:\\.|[^\\\n\r'])*')
      |(?P<name>[_a-zA-Z][_a-zA-Z0-9]*)
      |(?P<operator>&&|\|\||==|!=|<=|>=|[-?:.,\[\]{}()<>+*/%!])""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_ESCAPE = re.compile(
    r"\\(?:[xX]([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|(.))", re.DOTALL
)
_LETTERS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_ITSELF = frozenset("\\'\"`?")


class Token(NamedTuple):
    """`kind` is "literal", "name", "operator" or END; `value` what a literal stands for."""

    kind: str
    text: str
    offset: int
    value: Any = None


def tokens(source: str) -> Iterator[Token]:
    """Yield the tokens of an expression, END last; raises ExpressionError at the first that is none."""
    position = 0
    while position < len(source):
        match = _TOKEN.match(source, position)
        if match is None or (match["prefix"] is not None and match["string"] is None):
            what = f"Syntax error: token recognition error at: {source[position]!r}"
            raise ExpressionError(source, position, what)
        if match["space"] is None:
            yield _token(source, match)
        position = match.end()
    yield Token(END, END, position)


def _token(source: str, match: re.Match[str]) -> Token:
    text, offset = match[0], match.start()
    if match["name"] is not None:
        return Token("name", text, offset)
    if match["operator"] is not None:
        return Token("operator", text, offset)
    if match["float"] is not None:
        return Token("literal", text, offset, float(text))
    if match["int"] is not None:
        return Token("literal", text, offset, _integer(source, text, offset))
    return Token("literal", text, offset, _string(source, match["prefix"] or "", match["string"], offset))


def _integer(source: str, text: str, offset: int) -> int:
    digits = text.rstrip("uU")
    value = int(digits, 16 if digits[:2] in {"0x", "0X"} else 10)
    unsigned = digits != text
    # One above the largest is the smallest, once its minus sign is known.
    if value > (MAX_UINT if unsigned else MAX_INT + 1):
        raise ExpressionError(
            source, offset, f"Syntax error: invalid {'uint' if unsigned else 'int'} literal"
        )
    return Uint(value) if unsigned else value


def _string(source: str, prefix: str, quoted: str, offset: int) -> str | bytes:
    width = 3 if len(quoted) >= 6 and quoted[:3] == quoted[0] * 3 else 1
    inner, binary = quoted[width:-width], "b" in prefix.lower()
    if "r" not in prefix.lower():
        return _unescaped(source, inner, offset, binary=binary)
    return inner.encode() if binary else inner


def _unescaped(source: str, text: str, offset: int, *, binary: bool) -> str | bytes:
    pieces: list[bytes | str] = []
    end = 0
    for match in _ESCAPE.finditer(text):
        pieces += [text[end : match.start()], _meaning(source, match, offset, binary=binary)]
        end = match.end()
    pieces.append(text[end:])
    if binary:
        return b"".join(piece if isinstance(piece, bytes) else piece.encode() for piece in pieces)
    return "".join(piece if isinstance(piece, str) else piece.decode() for piece in pieces)


def _meaning(source: str, match: re.Match[str], offset: int, *, binary: bool) -> str | bytes:
    byte, short, long, octal, letter = match.groups()
    if byte or octal:
        number = int(byte, 16) if byte else int(octal, 8)
        return bytes([number]) if binary else chr(number)
    if letter in _LETTERS:
        return _LETTERS[letter]
    if letter in _ITSELF:
        return str(letter)
    code = int(short or long or "110000", 16)
    if letter or binary or code > 0x10FFFF:
        raise ExpressionError(source, offset, "Syntax error: unable to unescape string")
    return chr(code)
