"""The formats that a rule may name: `format.dns1123Label().validate(name)` says what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable

from lab.pocket.api import names
from lab.pocket.api.formats import FORMATS as SCHEMA_FORMATS

__all__ = ["FORMATS"]


def _in_schemas(name: str, sentence: str) -> Callable[[str], list[str]]:
    holds = SCHEMA_FORMATS[name]
    return lambda text: [] if holds(text) else [sentence]


def _uri(text: str) -> list[str]:
    return [] if SCHEMA_FORMATS["uri"](text) else [f'parse "{text}": invalid URI for request']


FORMATS: dict[str, Callable[[str], list[str]]] = {
    "byte": _in_schemas("byte", "invalid base64"),
    "date": _in_schemas("date", "invalid date"),
    "datetime": _in_schemas("datetime", "invalid datetime"),
    "dns1035Label": names.rfc1035_label,
    "dns1035LabelPrefix": names.with_prefix(names.rfc1035_label),
    "dns1123Label": names.dns_label,
    "dns1123LabelPrefix": names.with_prefix(names.dns_label),
    "dns1123Subdomain": names.dns_subdomain,
    "dns1123SubdomainPrefix": names.with_prefix(names.dns_subdomain),
    "labelValue": names.label_value,
    "qualifiedName": names.qualified_name,
    "uri": _uri,
    "uuid": _in_schemas("uuid", "does not match the UUID format"),
}
