"""docs/topology.md: every key of lab.yml, from the table of the keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from lab.topology.keys import LAB
from lab.topology.sections import Key, ListOf, Section

HEAD: Final = """\
# lab.yml

Every key of the topology file. This page is what `lab schema --format markdown` prints; `lab schema` prints the same
as JSON Schema for editors, and `lab validate` reports every mistake with its line. Examples: [lab.yml](../lab.yml) and
[labs/](../labs).

"""


def reference() -> str:
    """Return the page as Markdown."""
    return HEAD + "\n".join(_section("", LAB)) + "\n"


def _section(path: str, section: Section) -> Iterator[str]:
    if path:
        yield f"\n## `{path}`\n"
    yield "| key | value | default | |"
    yield "|---|---|---|---|"
    for key in section.keys:
        yield f"| `{key.name}` | {_value(key)} | {_default(key)} | {key.description} |"
    for key in section.keys:
        below = f"{path}.{key.name}" if path else key.name
        if isinstance(key.kind, Section):
            yield from _section(below, key.kind)
        elif isinstance(key.kind, ListOf) and isinstance(key.kind.item, Section):
            yield from _section(f"{below}[]", key.kind.item)


def _value(key: Key[Any]) -> str:
    if isinstance(key.kind, Section):
        return "a section, see below"
    if isinstance(key.kind, ListOf) and isinstance(key.kind.item, Section):
        return "a list of sections, see below"
    return key.kind.phrase


def _default(key: Key[Any]) -> str:
    if key.required:
        return "required"
    if key.default is None or key.default == {}:
        return ""
    text = str(key.default).lower() if isinstance(key.default, bool) else str(key.default)
    return f"`{text}`"
