"""The libraries that Kubernetes adds to CEL: IP addresses, networks, quantities, URLs, versions and formats.

Source: https://kubernetes.io/docs/reference/using-api/cel/ and k8s.io/apiserver, pkg/cel/library.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar
from urllib.parse import SplitResult, parse_qs, quote, urlsplit

from lab.pocket.api import quantity as quantities
from lab.pocket.api.cel.conversions import text_of
from lab.pocket.api.cel.errors import CelError, no_overload
from lab.pocket.api.cel.formats import FORMATS
from lab.pocket.api.cel.values import MAX_INT, MIN_INT, NONE, Optional, is_number
from lab.pocket.api.errors import QuantityError

__all__ = ["KUBERNETES_FUNCTIONS", "KUBERNETES_METHODS"]

_SEMVER = re.compile(
    r"(\d+)\.(\d+)\.(\d+)(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Ip:
    """An address, neither mapped nor with a zone."""

    cel_type: ClassVar[str] = "net.IP"
    address: ipaddress.IPv4Address | ipaddress.IPv6Address

    @classmethod
    def parse(cls, text: str) -> Ip:
        try:
            address = ipaddress.ip_address(str.__str__(text))
        except ValueError as error:
            raise CelError(
                f'IP Address "{text}" parse error during conversion from string: {error}'
            ) from error
        if "%" in text:
            raise CelError(f'IP address "{text}" with zone value is not allowed')
        _refuse_mapped(address, text)
        return cls(address)

    def text(self) -> str:
        return str(self.address)


@dataclass(frozen=True, slots=True)
class Cidr:
    """A network as it was written: its address may have bits behind the mask."""

    cel_type: ClassVar[str] = "net.CIDR"
    interface: ipaddress.IPv4Interface | ipaddress.IPv6Interface

    @classmethod
    def parse(cls, text: str) -> Cidr:
        what = f'network address parse error during conversion from string: netip.ParsePrefix("{text}")'
        address, slash, bits = text.partition("/")
        if not slash or not bits.isdecimal() or (bits[0] == "0" and bits != "0") or "%" in address:
            raise CelError(what)
        try:
            interface = ipaddress.ip_interface(text)
        except ValueError as error:
            raise CelError(f"{what}: {error}") from error
        _refuse_mapped(interface.ip, text)
        return cls(interface)

    def text(self) -> str:
        return self.interface.with_prefixlen

    def contains_ip(self, other: Ip | str) -> bool:
        address = (other if isinstance(other, Ip) else Ip.parse(other)).address
        return address.version == self.interface.version and address in self.interface.network

    def contains_cidr(self, other: Cidr | str) -> bool:
        network = (other if isinstance(other, Cidr) else Cidr.parse(other)).interface.network
        own = self.interface.network
        return network.version == own.version and network.subnet_of(own)  # type: ignore[arg-type]  # one version

    def masked(self) -> Cidr:
        network = self.interface.network
        return Cidr(ipaddress.ip_interface((network.network_address, network.prefixlen)))


def _refuse_mapped(address: object, text: str) -> None:
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        raise CelError(f'IPv4-mapped IPv6 address "{text}" is not allowed')


@dataclass(frozen=True, slots=True)
class Quantity:
    cel_type: ClassVar[str] = "kubernetes.Quantity"
    value: Decimal

    @classmethod
    def parse(cls, text: str) -> Quantity:
        try:
            return cls(quantities.parse(text))
        except QuantityError as error:
            raise CelError(error.message) from error

    def compare(self, other: Quantity) -> int:
        return (self.value > other.value) - (self.value < other.value)

    def integer(self) -> int:
        if not self.is_integer():
            raise CelError("cannot convert value to integer")
        return int(self.value)

    def is_integer(self) -> bool:
        return self.value == self.value.to_integral_value() and MIN_INT <= self.value <= MAX_INT

    def plus(self, other: Quantity | int) -> Quantity:
        return Quantity(self.value + _decimal(other))

    def minus(self, other: Quantity | int) -> Quantity:
        return Quantity(self.value - _decimal(other))


def _decimal(value: Quantity | int) -> Decimal:
    return value.value if isinstance(value, Quantity) else Decimal(value)


@dataclass(frozen=True, slots=True)
class Url:
    cel_type: ClassVar[str] = "kubernetes.URL"
    parts: SplitResult

    @classmethod
    def parse(cls, text: str) -> Url:
        what = f'URL parse error during conversion from string: parse "{text}": '
        if not isinstance(text, str):
            raise no_overload()
        if not text or any(letter <= " " or letter == "\x7f" for letter in text):
            raise CelError(what + "invalid URI for request")
        try:
            parts = urlsplit(text)
            _ = parts.port
        except ValueError as error:
            raise CelError(what + str(error)) from error
        if not text.startswith("/") and not parts.scheme:
            raise CelError(what + "invalid URI for request")
        return cls(parts)

    def host(self) -> str:
        return self.parts.netloc.rpartition("@")[2]

    def hostname(self) -> str:
        host = self.host()
        return host[1 : host.index("]")] if host.startswith("[") else host.partition(":")[0]

    def path(self) -> str:
        return quote(self.parts.path, safe="/%:@!$&'()*+,;=~-._")


@dataclass(frozen=True, slots=True)
class Semver:
    """A semantic version (https://semver.org, 2.0.0); what is built does not count."""

    cel_type: ClassVar[str] = "kubernetes.Semver"
    numbers: tuple[int, int, int]
    before: tuple[str, ...]

    @classmethod
    def parse(cls, text: str, normalize: bool = False) -> Semver:  # noqa: FBT001, FBT002  # as CEL calls it
        match = _SEMVER.fullmatch(_normal(text) if normalize else text)
        numbers = match.groups()[:3] if match else ()
        before = tuple((match[4] or "").split(".")) if match and match[4] else ()
        padded = [each for each in (*numbers, *before) if each.isdecimal() and each[0] == "0" and each != "0"]
        if match is None or padded:
            raise CelError(f'Invalid character(s) found in version "{text}"')
        return cls((int(match[1]), int(match[2]), int(match[3])), before)

    def compare(self, other: Semver) -> int:
        mine, theirs = self._order(), other._order()
        return (mine > theirs) - (mine < theirs)

    def _order(self) -> tuple[object, ...]:
        identifiers = [(0, int(each), "") if each.isdecimal() else (1, 0, each) for each in self.before]
        return self.numbers, not self.before, identifiers


def _normal(text: str) -> str:
    """Return a version without a leading v or zeros, and with as many numbers as it needs."""
    core, separator, rest = re.fullmatch(r"v?([^+-]*)([+-]?)(.*)", text, re.DOTALL).groups()  # type: ignore[union-attr]
    numbers = [each.lstrip("0") or "0" if each else each for each in core.split(".")]
    if separator and len(numbers) < 3:
        return text
    return ".".join([*numbers, *["0"] * (3 - len(numbers))]) + separator + rest


@dataclass(frozen=True, slots=True)
class Format:
    cel_type: ClassVar[str] = "kubernetes.NamedFormat"
    name: str

    def validate(self, text: str) -> Optional:
        wrong = FORMATS[self.name](text)
        return Optional(wrong) if wrong else NONE


def _parses(parse: Callable[..., object]) -> Callable[..., bool]:
    def parses(text: str, *options: bool) -> bool:
        if not isinstance(text, str):
            raise no_overload()
        try:
            parse(text, *options)
        except CelError:
            return False
        return True

    return parses


def _named(name: str) -> Callable[[], Format]:
    return lambda: Format(name)


def _ordered(test: Callable[[int], bool]) -> Callable[[Any, Any], bool]:
    def compare(left: Any, right: Any) -> bool:
        if type(left) is not type(right):
            raise no_overload()
        return test(left.compare(right))

    return compare


def _operand(value: Any) -> Any:
    if not isinstance(value, Quantity) and (not is_number(value) or isinstance(value, float)):
        raise no_overload()
    return value


def _global_unicast(ip: Ip) -> bool:
    address = ip.address
    broadcast = address == ipaddress.IPv4Address("255.255.255.255")
    return not (
        broadcast
        or address.is_unspecified
        or address.is_loopback
        or address.is_multicast
        or address.is_link_local
    )


def _link_local_multicast(ip: Ip) -> bool:
    network = ipaddress.ip_network("224.0.0.0/24" if ip.address.version == 4 else "ff02::/16")
    mask = int(network.netmask) if ip.address.version == 4 else int(ipaddress.ip_address("ff0f::"))
    return int(ip.address) & mask == int(network.network_address) & mask


KUBERNETES_FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{f"format.{name}": _named(name) for name in FORMATS},
    "cidr": Cidr.parse,
    "format.named": lambda name: Optional(Format(name)) if name in FORMATS else NONE,
    "ip": Ip.parse,
    "ip.isCanonical": lambda text: Ip.parse(text).text() == text,
    "isCIDR": _parses(Cidr.parse),
    "isIP": _parses(Ip.parse),
    "isQuantity": _parses(Quantity.parse),
    "isSemver": _parses(Semver.parse),
    "isURL": _parses(Url.parse),
    "quantity": Quantity.parse,
    "semver": Semver.parse,
    "sign": lambda quantity: quantity.compare(Quantity(Decimal(0))),
    "string": text_of,
    "url": Url.parse,
}
KUBERNETES_METHODS: dict[str, Callable[..., Any]] = {
    "add": lambda quantity, other: quantity.plus(_operand(other)),
    "asApproximateFloat": lambda quantity: float(quantity.value),
    "asInteger": lambda quantity: quantity.integer(),
    "compareTo": lambda left, right: left.compare(right),
    "containsCIDR": lambda cidr, other: cidr.contains_cidr(other),
    "containsIP": lambda cidr, other: cidr.contains_ip(other),
    "family": lambda ip: ip.address.version,
    "getEscapedPath": lambda url: url.path(),
    "getHost": lambda url: url.host(),
    "getHostname": lambda url: url.hostname(),
    "getPort": lambda url: url.host().rpartition(":")[2] if url.parts.port is not None else "",
    "getQuery": lambda url: parse_qs(url.parts.query, keep_blank_values=True),
    "getScheme": lambda url: url.parts.scheme,
    "ip": lambda cidr: Ip(cidr.interface.ip),
    "isGlobalUnicast": _global_unicast,
    "isGreaterThan": _ordered(lambda order: order > 0),
    "isInteger": lambda quantity: quantity.is_integer(),
    "isLessThan": _ordered(lambda order: order < 0),
    "isLinkLocalMulticast": _link_local_multicast,
    "isLinkLocalUnicast": lambda ip: ip.address.is_link_local,
    "isLoopback": lambda ip: ip.address.is_loopback,
    "isUnspecified": lambda ip: ip.address.is_unspecified,
    "major": lambda version: version.numbers[0],
    "masked": lambda cidr: cidr.masked(),
    "minor": lambda version: version.numbers[1],
    "patch": lambda version: version.numbers[2],
    "prefixLength": lambda cidr: cidr.interface.network.prefixlen,
    "sub": lambda quantity, other: quantity.minus(_operand(other)),
    "validate": lambda named, text: named.validate(text),
}
