"""cel-go's extension for strings (version 2, as Kubernetes 1.29 and later have it) and Kubernetes' regular expressions."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from lab.pocket.api.cel.conversions import text_of
from lab.pocket.api.cel.errors import CelError, no_overload
from lab.pocket.api.cel.functions import expression
from lab.pocket.api.cel.values import CelType, is_number

__all__ = ["STRING_FUNCTIONS", "STRING_METHODS"]

_CLAUSE = re.compile(r"%(?:(%)|(?:\.(\d+))?([a-zA-Z]))")
_SPECIAL = {
    "\a": r"\a",
    "\b": r"\b",
    "\f": r"\f",
    "\n": r"\n",
    "\r": r"\r",
    "\t": r"\t",
    "\v": r"\v",
    "\\": "\\\\",
    '"': '\\"',
}
_RAISED = str.maketrans("-0123456789", "\u207b\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079")
_UPPER, _LOWER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz"


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise no_overload()
    return value


def _char_at(text: str, index: int) -> str:
    if not 0 <= index <= len(_text(text)):
        raise CelError(f"index out of range: {index}")
    return text[index : index + 1]


def _substring(text: str, start: int, end: int | None = None) -> str:
    last = len(_text(text)) if end is None else end
    for place in (start, last):
        if not 0 <= place <= len(text):
            raise CelError(f"index out of range: {place}")
    if start > last:
        raise CelError(f"invalid substring range. start: {start}, end: {last}")
    return text[start:last]


def _replace(text: str, old: str, new: str, count: int = -1) -> str:
    return _text(text).replace(old, new, count)


def _split(text: str, separator: str, count: int = -1) -> list[str]:
    if count == 0:
        return []
    if separator:
        return _text(text).split(separator, count - 1 if count > 0 else -1)
    letters = list(_text(text))
    return [*letters[: count - 1], "".join(letters[count - 1 :])] if 0 < count < len(letters) else letters


def _join(items: list[str], separator: str = "") -> str:
    return _text(separator).join(items)


def _find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    found = [match[0] for match in expression(pattern).finditer(_text(text))]
    return found if limit < 0 else found[:limit]


def _find(text: str, pattern: str) -> str:
    match = expression(pattern).search(_text(text))
    return match[0] if match else ""


def _quote(text: str) -> str:
    return '"' + "".join(_SPECIAL.get(letter, letter) for letter in _text(text)) + '"'


def _format(text: str, values: list[Any]) -> str:
    """Return a text with its clauses (`%s`, `%.2f`, …) filled in."""
    left = iter(values)

    def filled(match: re.Match[str]) -> str:
        if match[1]:
            return "%"
        try:
            value = next(left)
        except StopIteration:
            raise CelError(f"index {len(values)} out of range") from None
        clause = _CLAUSES.get(match[3])
        if clause is None:
            raise CelError(f'could not parse formatting clause: unrecognized formatting clause "{match[3]}"')
        return clause(value, int(match[2] or 6))

    return _CLAUSE.sub(filled, _text(text))


def _shown(value: Any, _precision: int = 6) -> str:
    if value is None:
        return "null"
    if isinstance(value, list):
        return f"[{', '.join(map(_shown_inside, value))}]"
    if isinstance(value, dict):
        entries = sorted((_shown_inside(key), _shown_inside(item)) for key, item in value.items())
        return f"{{{', '.join(f'{key}:{item}' for key, item in entries)}}}"
    if isinstance(value, CelType):
        return value.name
    if isinstance(value, str | bool | int | float | bytes | datetime | timedelta):
        return text_of(value)
    raise CelError("error during formatting: string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps")  # fmt: skip


def _shown_inside(value: Any) -> str:
    return _quote(value) if isinstance(value, str) else _shown(value)


def _number(kind: type | tuple[type, ...], write: Callable[[Any, int], str]) -> Callable[[Any, int], str]:
    def clause(value: Any, precision: int) -> str:
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise CelError("error during formatting: the value does not fit its clause")
        return write(value, precision)

    return clause


def _scientific(text: str) -> str:
    """Return 1.5e+03 as cel-go writes it: 1.5 × 10 to the power of superscript digits."""
    mantissa, _, power = text.partition("e")
    raised = f"{int(power):03d}" if power[0] == "-" else f"{int(power):02d}"
    return f"{mantissa}\u00d710{raised.translate(_RAISED)}"


def _hexadecimal(value: Any, _precision: int) -> str:
    if isinstance(value, str | bytes):
        return (value.encode() if isinstance(value, str) else value).hex()
    if not is_number(value) or isinstance(value, float):
        raise CelError(
            "error during formatting: only integers, byte buffers, and strings can be formatted as hex"
        )
    return f"{int(value):x}"


def _binary(value: Any, _precision: int) -> str:
    if not isinstance(value, int):
        raise CelError("error during formatting: only integers and bools can be formatted as binary")
    return f"{int(value):b}"


_CLAUSES: dict[str, Callable[[Any, int], str]] = {
    "b": _binary,
    "d": _number(int, lambda value, _: str(int(value))),
    "e": _number(float, lambda value, precision: _scientific(f"{value:.{precision}e}")),
    "f": _number(float, lambda value, precision: f"{value:.{precision}f}"),
    "o": _number(int, lambda value, _: f"{int(value):o}"),
    "s": _shown,
    "x": _hexadecimal,
    "X": lambda value, precision: _hexadecimal(value, precision).upper(),
}
STRING_FUNCTIONS: dict[str, Callable[..., Any]] = {"strings.quote": _quote}
STRING_METHODS: dict[str, Callable[..., Any]] = {
    "charAt": _char_at,
    "contains": lambda text, part: _text(part) in _text(text),
    "endsWith": lambda text, part: _text(text).endswith(part),
    "find": _find,
    "findAll": _find_all,
    "format": _format,
    "join": _join,
    "lowerAscii": lambda text: _text(text).translate(str.maketrans(_UPPER, _LOWER)),
    "replace": _replace,
    "split": _split,
    "startsWith": lambda text, part: _text(text).startswith(part),
    "substring": _substring,
    "trim": lambda text: _text(text).strip(),
    "upperAscii": lambda text: _text(text).translate(str.maketrans(_LOWER, _UPPER)),
}
