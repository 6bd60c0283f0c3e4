"""The string formats that a CRD's schema may name; unknown ones are ignored, as Kubernetes does."""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
import re
from collections.abc import Callable
from urllib.parse import urlsplit

__all__ = ["FORMATS"]

_HOSTNAME = re.compile(
    r"(?=.{1,255}\Z)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*\.?",
    re.IGNORECASE,
)
_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_DURATION = re.compile(
    r"[-+]?(\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)(((\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))*)"
)


def _matches(pattern: str, flags: int = 0) -> Callable[[str], bool]:
    compiled = re.compile(pattern, flags | re.ASCII)
    return lambda text: compiled.fullmatch(text) is not None


def _parses(parse: Callable[[str], object]) -> Callable[[str], bool]:
    def parses(text: str) -> bool:
        try:
            parse(text)
        except ValueError:
            return False
        return True

    return parses


def _date_time(text: str) -> bool:
    return len(text) >= 20 and text[10] in "Tt" and dt.datetime.fromisoformat(text).tzinfo is not None


def _uri(text: str) -> bool:
    parts = urlsplit(text)
    return bool(text) and (bool(parts.scheme) or text.startswith("/"))


def _base64(text: str) -> object:
    return base64.b64decode(text, validate=True)


def _holds(check: Callable[[str], bool]) -> Callable[[str], bool]:
    def holds(text: str) -> bool:
        try:
            return check(text)
        except ValueError:
            return False

    return holds


def _uuid(version: str) -> Callable[[str], bool]:
    return _matches(
        rf"[0-9a-f]{{8}}-?[0-9a-f]{{4}}-?{version}[0-9a-f]{{3}}-?[0-9a-f]{{4}}-?[0-9a-f]{{12}}", re.IGNORECASE
    )


FORMATS: dict[str, Callable[[str], bool]] = {
    "byte": _parses(_base64),
    "bsonobjectid": _matches(r"[0-9a-fA-F]{24}"),
    "cidr": lambda text: "/" in text and _parses(lambda t: ipaddress.ip_network(t, strict=False))(text),
    "date": _parses(dt.date.fromisoformat),
    "date-time": _holds(_date_time),
    "datetime": _holds(_date_time),
    "duration": lambda text: text == "0" or _DURATION.fullmatch(text) is not None,
    "email": _matches(r"[^@\s<>]+@[^@\s<>]+"),
    "hexcolor": _matches(r"#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})"),
    "hostname": lambda text: _HOSTNAME.fullmatch(text) is not None,
    "ipv4": _parses(ipaddress.IPv4Address),
    "ipv6": _parses(ipaddress.IPv6Address),
    "k8s-long-name": _matches(rf"(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})*"),
    "k8s-short-name": _matches(_LABEL),
    "mac": _matches(
        r"([0-9a-f]{2}([:-]))([0-9a-f]{2}\2){4}[0-9a-f]{2}|([0-9a-f]{4}\.){2}[0-9a-f]{4}", re.IGNORECASE
    ),
    "uri": _holds(_uri),
    "uuid": _uuid("[0-9a-f]"),
    "uuid3": _uuid("3"),
    "uuid4": _uuid("4"),
    "uuid5": _uuid("5"),
}
