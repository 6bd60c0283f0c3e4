"""BGP communities: as written, and by the aliases of Community objects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lab.balancer.config.problems import Problem, Reader, Severity
from lab.balancer.model import Community, LargeCommunity, StandardCommunity
from lab.kube.resources import Json

HINT = "write 65535:65282, large:123:456:7890, or the name of one in a Community object"


def parse_community(text: str) -> Community:
    """Return the community of "64512:100" or "large:64512:1:2"; raises ValueError.

    Sources: RFC 1997 (two numbers of 16 bits), RFC 8092 (three of 32 bits).
    """
    match text.split(":"):
        case [asn, value]:
            return StandardCommunity(_section(asn, 16, text), _section(value, 16, text))
        case ["large", first, second, third]:
            return LargeCommunity(*(_section(part, 32, text) for part in (first, second, third)))
        case [marker, _, _, _]:
            raise ValueError(
                f"invalid marker for large community {marker!r}: expected community to be of format large:…"
            )
        case _:
            raise ValueError(f"invalid community format: {text}")


def _section(text: str, bits: int, whole: str) -> int:
    if not text.isdecimal() or int(text) >= 1 << bits:
        raise ValueError(
            f"invalid community value: invalid section {text!r} of {whole!r}: not a number below {1 << bits}"
        )
    return int(text)


def read_communities(items: Iterable[Json], problems: list[Problem]) -> dict[str, Community]:
    """Return the communities by alias; an alias defined twice, also in two objects, is reported."""
    aliases: dict[str, Community] = {}
    owner: dict[str, str] = {}
    for reader in sorted((Reader("Community", item, problems) for item in items), key=lambda r: r.name):
        for path, entry in reader.mappings("communities"):
            name, value = str(entry.get("name", "")), str(entry.get("value", ""))
            if name in owner:
                reader.report(
                    path, f"duplicate definition of community {name!r}, see Community {owner[name]}"
                )
                continue
            owner[name] = reader.name
            try:
                aliases[name] = parse_community(value)
            except ValueError as error:
                reader.report(path, str(error), HINT)
    return aliases


def resolve_communities(
    reader: Reader, texts: Iterable[str], aliases: Mapping[str, Community]
) -> frozenset[Community]:
    """Return what the texts of an advertisement stand for; what cannot be resolved is reported."""
    found: list[Community] = []
    for index, text in enumerate(texts):
        if text in aliases:
            found.append(aliases[text])
            continue
        path = f"communities[{index}]"
        if text and ":" not in text and not text.isdecimal():
            reader.report(path, f"unknown community {text!r}", HINT, severity=Severity.TRANSIENT)
            continue
        try:
            found.append(parse_community(text))
        except ValueError as error:
            reader.report(path, str(error), HINT)
    reader.unique("communities", [str(community) for community in found])
    return frozenset(found)
