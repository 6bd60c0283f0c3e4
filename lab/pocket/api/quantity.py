"""resource.Quantity: parsed exactly and written as Kubernetes writes it back (k8s.io/apimachinery, api/resource)."""

from __future__ import annotations

import re
from decimal import ROUND_UP, Context, Decimal
from enum import Enum, auto

from lab.pocket.api.errors import QuantityError

__all__ = ["canonical", "parse"]

_GRAMMAR = re.compile(
    r"(?P<number>[+-]?(?:\d+\.?\d*|\.\d+))(?:(?P<exponent>[eE][+-]?\d{1,3})|(?P<suffix>[KMGTPE]i|[numkMGTPE]?))",
    re.ASCII,
)
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_DECIMAL_NAMES = {power: name for name, power in _DECIMAL.items()}
_BINARY = {name: 1024**power for power, name in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), start=1)}
_NANO = Decimal("1e-9")
_LARGEST = Decimal(2**63 - 1)
_CONTEXT = Context(prec=200)
_MAX_LENGTH = 128


class Notation(Enum):
    """How a quantity was written, which decides how it is written back."""

    DECIMAL = auto()
    EXPONENT = auto()
    BINARY = auto()


def parse(text: str) -> Decimal:
    """Return the exact value of a quantity such as `100m`, `1.5Gi` or `1e3`, rounded up to 10⁻⁹.

    Raises QuantityError with Kubernetes' sentence.
    """
    return _parse(text)[0]


def canonical(text: str) -> str:
    """Return a quantity as the API writes it: the largest suffix without fraction (`1000m` → `1`, `0.5` → `500m`)."""
    value, notation = _parse(text)
    if notation is Notation.BINARY and abs(value) >= 1024 and value == value.to_integral_value():
        return _binary(int(value))
    return _decimal(value, exponent=notation is Notation.EXPONENT)


def _parse(text: str) -> tuple[Decimal, Notation]:
    match = _GRAMMAR.fullmatch(text) if len(text) <= _MAX_LENGTH else None
    if match is None:
        raise QuantityError(
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
        )
    number, exponent, suffix = Decimal(match["number"]), match["exponent"], match["suffix"]
    if exponent:
        value, notation = number.scaleb(int(exponent[1:]), _CONTEXT), Notation.EXPONENT
    elif suffix in _BINARY:
        value, notation = _CONTEXT.multiply(number, Decimal(_BINARY[suffix])), Notation.BINARY
    else:
        value, notation = number.scaleb(_DECIMAL[suffix], _CONTEXT), Notation.DECIMAL
    value = max(-_LARGEST, min(_LARGEST, value))
    return value.quantize(_NANO, ROUND_UP, _CONTEXT), notation


def _decimal(value: Decimal, *, exponent: bool) -> str:
    mantissa, power = int(value.scaleb(9, _CONTEXT)), -9
    if mantissa == 0:
        return "0"
    while mantissa % 1000 == 0 and power < 18:
        mantissa, power = mantissa // 1000, power + 3
    if exponent:
        return f"{mantissa}e{power}" if power else str(mantissa)
    return f"{mantissa}{_DECIMAL_NAMES[power]}"


def _binary(value: int) -> str:
    name = ""
    for suffix, factor in _BINARY.items():
        if value % factor:
            break
        name = suffix
    return f"{value // _BINARY[name]}{name}" if name else str(value)
