"""The kinds of values in lab.yml. Each reads a YAML node into a value or a mistake, and describes itself as JSON Schema.

Both sides stand together so that they cannot drift: what `lab schema` tells an editor is what `lab validate` reads.
Addresses and subnets are read from the text of a scalar whatever YAML took it for: `1:2:3:4:5:6:7:8` is a number there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address, ip_network, summarize_address_range
from typing import Any, Final, Generic, Protocol, TypeVar

import yaml

from lab.topology.mistakes import Located, Mistakes, Place, shown
from lab.topology.model import Address, Subnet

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
E = TypeVar("E", bound=StrEnum)
Json = dict[str, Any]

TAG: Final = "tag:yaml.org,2002:"
NOUNS: Final = {
    "null": "empty",
    "bool": "true or false",
    "int": "a number",
    "float": "a number",
    "str": "text",
}
ADDRESS_PATTERN: Final = r"(([0-9]{1,3}\.){3}[0-9]{1,3}|[0-9A-Fa-f]{0,4}:[0-9A-Fa-f.:]{1,40})"
"""What could be an address: enough for an editor, and for the way to the right message."""
CIDR_PATTERN: Final = f"{ADDRESS_PATTERN}/[0-9]{{1,3}}"
RANGE_PATTERN: Final = f"{ADDRESS_PATTERN} ?- ?{ADDRESS_PATTERN}"


class Kind(Protocol[T_co]):
    @property
    def phrase(self) -> str:
        """What to write, in words."""

    def read(self, node: yaml.Node, path: str, mistakes: Mistakes) -> Located[T_co] | None:
        """Return the value of `node`, or None after adding what is wrong with it."""

    def schema(self) -> Json:
        """Return the JSON Schema (draft 2020-12) of the value."""


def place_of(node: yaml.Node, path: str) -> Place:
    mark = node.start_mark
    return Place(path=path, line=mark.line + 1, column=mark.column + 1)


def noun(node: yaml.Node) -> str:
    """Return what YAML takes `node` for, in words."""
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    return NOUNS.get(node.tag.removeprefix(TAG), "no text")


def scalar(node: yaml.Node, *tags: str) -> str | None:
    """Return the text of a scalar that YAML resolved to one of `tags` (all but null if none is given)."""
    tag = node.tag.removeprefix(TAG)
    if not isinstance(node, yaml.ScalarNode) or (tag not in tags if tags else tag == "null"):
        return None
    text: str = node.value
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    pattern: str
    phrase: str
    secret: bool = False

    def read(self, node: yaml.Node, path: str, mistakes: Mistakes) -> Located[str] | None:
        place = place_of(node, path)
        text = scalar(node, "str")
        if text is not None and re.fullmatch(self.pattern, text):
            return Located(text, place)
        if text is None:
            mistakes.add(place, f"is {noun(node)}, not text", instead=self.phrase)
        else:
            mistakes.add(place, "is not usable" if self.secret else f"is {shown(text)}", instead=self.phrase)
        return None

    def schema(self) -> Json:
        return {"type": "string", "pattern": f"^{self.pattern}$"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Integer:
    minimum: int
    maximum: int
    refused: Mapping[int, str] = field(default_factory=dict)
    """Numbers that are not allowed, each with the reason."""
    words: str = ""

    @property
    def phrase(self) -> str:
        return self.words or f"a whole number from {self.minimum} to {self.maximum}"

    def read(self, node: yaml.Node, path: str, mistakes: Mistakes) -> Located[int] | None:
        place = place_of(node, path)
        text = scalar(node, "int", "float")
        if text is None:
            mistakes.add(place, f"is {noun(node)}, not a number", instead=self.phrase)
        elif not re.fullmatch(r"-?(0|[1-9][0-9]{0,18})", text):
            mistakes.add(place, f"is {shown(text)}", instead=self.phrase)
        elif (value := int(text)) in self.refused:
            mistakes.add(place, f"is {value}, {self.refused[value]}", instead=f"another: {self.phrase}")
        elif not self.minimum <= value <= self.maximum:
            mistakes.add(place, f"is {value}", instead=self.phrase)
        else:
            return Located(value, place)
        return None

    def schema(self) -> Json:
        schema: Json = {"type": "integer", "minimum": self.minimum, "maximum": self.maximum}
        if self.refused:
            schema["not"] = {"enum": sorted(self.refused)}
        return schema


@dataclass(frozen=True, slots=True)
class Flag:
    phrase: str = "true or false"

    def read(self, node: yaml.Node, path: str, mistakes: Mistakes) -> Located[bool] | None:
        place = place_of(node, path)
        text = scalar(node, "bool")
        if text in {"true", "false"}:
            return Located(text == "true", place)
        mistakes.add(place, f"is {noun(node) if text is None else shown(text)}", instead=self.phrase)
        return None

    def schema(self) -> Json:
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Choice(Generic[E]):
    options: type[E]

    @property
    def phrase(self) -> str:
        *others, last = self.options
        return f"{', '.join(others)} or {last}"

    def read(self, node: yaml.Node, path: str, mistakes: Mistakes) -> Located[E] | None:
        place = place_of(node, path)
        text = scalar(node, "str")
        if text is not None and text in set(self.options):
            return Located(self.options(text), place)
        mistakes.add(place, f"is {noun(node) if text is None else shown(text)}", instead=self.phrase)
        return None

    def schema(self) -> Json:
        return {"enum": [option.value for option in self.options]}


@dataclass(frozen=True, slots=True)
class IpAddress:
    phrase: str = "an IP address such as 10.0.0.10"

    def read(self, node: yaml.Node, path: str, mistakes: Mistakes) -> Located[Address] | None:
        place = place_of(node, path)
        text = scalar(node)
        try:
            if text is not None and "%" not in text:
                return Located(ip_address(text), place)
        except ValueError:
            pass
        found = noun(node) if text is None else f"{shown(text)}, not an IP address"
        mistakes.add(place, f"is {found}", instead=self.phrase)
        return None

    def schema(self) -> Json:
        return {"type": "string", "pattern": f"^{ADDRESS_PATTERN}$"}


@dataclass(frozen=True, slots=True)
class Cidr:
    phrase: str = "a subnet in CIDR notation such as 10.0.0.0/24"

    def read(self, node: yaml.Node, path: str, mistakes: Mistakes) -> Located[Subnet] | None:
        place = place_of(node, path)
        text = scalar(node)
        if text is None or not re.fullmatch(CIDR_PATTERN, text):
            found = noun(node) if text is None else f"{shown(text)}, not a subnet"
            mistakes.add(place, f"is {found}", instead=self.phrase)
            return None
        try:
            subnet = ip_network(text, strict=False)
        except ValueError:
            mistakes.add(place, f"is {shown(text)}, not a subnet", instead=self.phrase)
            return None
        if ip_address(text.partition("/")[0]) != subnet.network_address:
            mistakes.add(place, f"is {text}, which has host bits set", instead=str(subnet))
            return None
        return Located(subnet, place)

    def schema(self) -> Json:
        return {"type": "string", "pattern": f"^{CIDR_PATTERN}$"}


@dataclass(frozen=True, slots=True)
class CidrOrRange:
    """Addresses of a pool: a CIDR, or the first and the last address with a hyphen between, summarised into CIDRs."""

    phrase: str = "a subnet such as 172.16.254.0/24 or a range such as 172.16.254.10-172.16.254.20"

    def read(self, node: yaml.Node, path: str, mistakes: Mistakes) -> Located[tuple[Subnet, ...]] | None:
        text = scalar(node)
        if text is None or "-" not in text:
            subnet = Cidr(self.phrase).read(node, path, mistakes)
            return Located((subnet.value,), subnet.place) if subnet else None
        place = place_of(node, path)
        try:
            first, last = (ip_address(end.strip()) for end in text.split("-"))
        except ValueError:
            mistakes.add(place, f"is {shown(text)}, not a range", instead=self.phrase)
            return None
        if first.version != last.version:
            mistakes.add(place, f"is {text}, a range across families", instead="both ends of one family")
        elif int(first) > int(last):
            mistakes.add(place, f"is {text}, a range that ends before it begins", instead=f"{last}-{first}")
        else:
            return Located(_summarised(first, last), place)
        return None

    def schema(self) -> Json:
        return {"type": "string", "pattern": f"^({CIDR_PATTERN}|{RANGE_PATTERN})$"}


def _summarised(first: Address, last: Address) -> tuple[Subnet, ...]:
    subnets: list[Subnet] = []
    subnets.extend(summarize_address_range(first, last))
    return tuple(subnets)
