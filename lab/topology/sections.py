"""The kinds of values that hold others: lists, mappings by name, and sections with their keys."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, cast

import yaml

from lab.topology import source
from lab.topology.kinds import Json, Kind, noun, place_of
from lab.topology.mistakes import Located, Mistakes, child, shown
from lab.topology.naming import DNS_LABEL, DNS_LABEL_PHRASE

T = TypeVar("T")


class OfFamily(Protocol):
    @property
    def version(self) -> int:
        """4 or 6."""


F = TypeVar("F", bound=OfFamily)


@dataclass(frozen=True, slots=True)
class PerFamily(Generic[F]):
    """One value, or a list with at most one of each address family."""

    item: Kind[F]

    @property
    def phrase(self) -> str:
        return f"{self.item.phrase}, or a list with one of each family"

    def read(self, node: yaml.Node, path: str, mistakes: Mistakes) -> Located[tuple[Located[F], ...]] | None:
        place = place_of(node, path)
        if not isinstance(node, yaml.SequenceNode):
            value = self.item.read(node, path, mistakes)
            return Located((value,), place) if value else None
        if not node.value:
            mistakes.add(place, "is an empty list", instead=self.phrase)
            return None
        items = [self.item.read(item, f"{path}[{n}]", mistakes) for n, item in enumerate(node.value)]
        read = tuple(item for item in items if item)
        families = [item.value.version for item in read]
        for index, item in enumerate(read):
            if item.value.version in families[:index]:
                reason = f"is a second value of IPv{item.value.version}"
                mistakes.add(item.place, reason, instead="at most one of each family")
                return None
        return Located(read, place) if len(read) == len(items) else None

    def schema(self) -> Json:
        item = self.item.schema()
        return {"oneOf": [item, {"type": "array", "items": item, "minItems": 1, "maxItems": 2}]}


@dataclass(frozen=True, slots=True)
class ListOf(Generic[T]):
    """A list with at least one item. Items with mistakes are left out of the value."""

    item: Kind[T]

    @property
    def phrase(self) -> str:
        return f"a list, each item {self.item.phrase}"

    def read(self, node: yaml.Node, path: str, mistakes: Mistakes) -> Located[tuple[Located[T], ...]] | None:
        place = place_of(node, path)
        if not isinstance(node, yaml.SequenceNode):
            mistakes.add(place, f"is {noun(node)}, not a list", instead=self.phrase)
            return None
        if not node.value:
            mistakes.add(place, "is an empty list", instead="at least one item")
            return None
        items = (self.item.read(item, f"{path}[{n}]", mistakes) for n, item in enumerate(node.value))
        return Located(tuple(item for item in items if item), place)

    def schema(self) -> Json:
        return {"type": "array", "items": self.item.schema(), "minItems": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Named(Generic[T]):
    """A mapping from `count` names to values, order kept. The value of an entry with mistakes is None."""

    item: Kind[T]
    count: int
    phrase: str

    def read(
        self, node: yaml.Node, path: str, mistakes: Mistakes
    ) -> Located[dict[str, Located[T] | None]] | None:
        place = place_of(node, path)
        if not isinstance(node, yaml.MappingNode):
            mistakes.add(place, f"is {noun(node)}, not a mapping", instead=self.phrase)
            return None
        values: dict[str, Located[T] | None] = {}
        for name, key, value in entries(node, path, mistakes):
            located = self.item.read(value, child(path, name), mistakes)
            if DNS_LABEL.fullmatch(name):
                values[name] = located
            else:
                where = place_of(key, child(path, name))
                mistakes.add(where, f"the name is {shown(name)}", instead=DNS_LABEL_PHRASE)
        if len(node.value) != self.count:
            mistakes.add(place, f"has {len(node.value)} entries", instead=self.phrase)
            return None
        return Located(values, place) if len(values) == self.count else None

    def schema(self) -> Json:
        return {
            "type": "object",
            "propertyNames": {"pattern": f"^{DNS_LABEL.pattern}$"},
            "additionalProperties": self.item.schema(),
            "minProperties": self.count,
            "maxProperties": self.count,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Key(Generic[T]):
    """One key of a section. Without a default and not required, its absence means None."""

    name: str
    kind: Kind[T]
    description: str
    required: bool = False
    default: Any = None
    """As it would be written in JSON."""

    def schema(self) -> Json:
        schema = {"description": self.description, **self.kind.schema()}
        if self.default is not None:
            schema["default"] = self.default
        return schema

    def read_default(self, section: yaml.Node, path: str, mistakes: Mistakes) -> Located[T] | None:
        if self.default is None:
            return None
        node = source.compose(json.dumps(self.default))
        node.start_mark = section.start_mark
        return self.kind.read(node, path, mistakes)


class Fields:
    """What was read of a section, by key."""

    def __init__(self, values: dict[str, Located[Any] | None]) -> None:
        self._values = values

    def get(self, key: Key[T]) -> Located[T] | None:
        """Return the located value; None if it is absent without a default, or has mistakes."""
        return cast("Located[T] | None", self._values.get(key.name))

    def find(self, section: Key[Fields], key: Key[T]) -> Located[T] | None:
        """Return the located value of `key` in `section`, or None."""
        fields = self.get(section)
        return fields.value.get(key) if fields else None

    def has_mistakes(self, key: Key[Any]) -> bool:
        """Return whether the key is there and could not be read."""
        return self._values.get(key.name, key) is None

    def __getitem__(self, key: Key[T]) -> T:
        """Return the value of a key that has one; raises KeyError."""
        located = self.get(key)
        if located is None:
            raise KeyError(key.name)
        return located.value


@dataclass(frozen=True, slots=True)
class Section:
    """A mapping with known keys."""

    keys: tuple[Key[Any], ...]

    @property
    def phrase(self) -> str:
        return f"a mapping with {', '.join(key.name for key in self.keys)}"

    def read(self, node: yaml.Node, path: str, mistakes: Mistakes) -> Located[Fields] | None:
        place = place_of(node, path)
        if not isinstance(node, yaml.MappingNode):
            mistakes.add(place, f"is {noun(node)}, not a mapping", instead=self.phrase)
            return None
        written, meant = self._written(node, path, mistakes)
        values: dict[str, Located[Any] | None] = {}
        for key in self.keys:
            where = child(path, key.name)
            if key.name in written:
                values[key.name] = key.kind.read(written[key.name], where, mistakes)
            elif key.name in meant:
                values[key.name] = None
            elif key.required:
                values[key.name] = None
                mistakes.add(place_of(node, where), "is missing", instead=key.kind.phrase)
            elif default := key.read_default(node, where, mistakes):
                values[key.name] = default
        return Located(Fields(values), place)

    def _written(
        self, node: yaml.MappingNode, path: str, mistakes: Mistakes
    ) -> tuple[dict[str, yaml.Node], set[str]]:
        """Return the values of the known keys, and which keys the unknown ones were meant for."""
        names = [key.name for key in self.keys]
        written: dict[str, yaml.Node] = {}
        meant: set[str] = set()
        for name, key, value in entries(node, path, mistakes):
            if name in names:
                written[name] = value
                continue
            near = difflib.get_close_matches(name[:64], names, n=1)
            instead = near[0] if near else f"one of {', '.join(names)}"
            mistakes.add(place_of(key, child(path, name)), "unknown key", instead=instead)
            meant.update(near)
        return written, meant

    def schema(self) -> Json:
        return {
            "type": "object",
            "properties": {key.name: key.schema() for key in self.keys},
            "required": [key.name for key in self.keys if key.required],
            "additionalProperties": False,
        }


def entries(
    node: yaml.MappingNode, path: str, mistakes: Mistakes
) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
    """Yield name, key node and value node of each entry that has a new name."""
    seen: set[str] = set()
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            mistakes.add(place_of(key, path), f"{noun(key)} as a key", instead="a name as the key")
        elif key.value in seen:
            mistakes.add(place_of(key, child(path, key.value)), "is written twice", instead="it once")
        else:
            seen.add(key.value)
            yield key.value, key, value
