"""`kubectl get`: objects as rows of a meta.k8s.io Table, with Kubernetes' own columns or those of a CRD."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from typing import Any

import orjson

from lab.pocket.api import jsonpath
from lab.pocket.api.errors import JsonPathError
from lab.pocket.api.tables.ages import age
from lab.pocket.api.tables.kinds import CELLS, COLUMNS
from lab.pocket.api.tables.pods import pod_conditions

__all__ = ["column_definitions", "row", "table"]

Object = dict[str, Any]
Column = dict[str, Any]
"""An entry of a CRD version's `additionalPrinterColumns`."""
_AGE: Column = {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}


def table(
    objects: Iterable[Object],
    *,
    kind: str,
    now: dt.datetime,
    custom: list[Column] | None = None,
    include: str = "Metadata",
    api_version: str = "meta.k8s.io/v1",
) -> Object:
    """Return a Table of objects of one kind, without list metadata, which is the caller's.

    `custom` are a CRD's `additionalPrinterColumns`, [] when it has none, None for a built-in kind. `include` is what
    each row holds besides its cells: Metadata, Object or None.
    """
    return {
        "kind": "Table",
        "apiVersion": api_version,
        "metadata": {},
        "columnDefinitions": column_definitions(kind, custom),
        "rows": [row(obj, kind=kind, now=now, custom=custom, include=include) for obj in objects],
    }


def column_definitions(kind: str, custom: list[Column] | None = None) -> list[Object]:
    """Return the columns of a built-in kind, or of a CRD's version."""
    first = _column("Name", "string", "name")
    if custom is not None:
        return [first, *(_custom_column(column) for column in custom or [_AGE])]
    if kind not in COLUMNS:
        return [first, _column("Created At", "date")]
    if kind == "Scale":
        first = _column("Name", "string")
    if kind == "Event":
        first = _column("Last Seen", "string")
    return [first, *map(_named, COLUMNS[kind])]


def row(
    obj: Object, *, kind: str, now: dt.datetime, custom: list[Column] | None = None, include: str = "Metadata"
) -> Object:
    """Return one row of a Table; see `table`."""
    made: Object = {"cells": _cells(obj, kind, now, custom)}
    if kind == "Pod" and custom is None and (conditions := pod_conditions(obj)):
        made["conditions"] = conditions
    if include == "Object":
        made["object"] = obj
    elif include == "Metadata":
        made["object"] = {
            "kind": "PartialObjectMetadata",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": obj["metadata"],
        }
    return made


def _column(name: str, kind: str, form: str = "", priority: int = 0) -> Object:
    return {"name": name, "type": kind, "format": form, "description": "", "priority": priority}


def _named(text: str) -> Object:
    name = text.rstrip("+#?")
    kind = "integer" if "#" in text else "boolean" if "?" in text else "string"
    return _column(name, kind, "name" if name == "Name" else "", int("+" in text))


def _custom_column(column: Column) -> Object:
    made = _column(column["name"], column["type"], column.get("format", ""), column.get("priority", 0))
    default = f"Custom resource definition column (in JSONPath format): {column['jsonPath']}"
    return {**made, "description": column.get("description") or default}


def _cells(obj: Object, kind: str, now: dt.datetime, custom: list[Column] | None) -> list[Any]:
    name = obj["metadata"]["name"]
    if custom is not None:
        return [name, *(_custom_cell(obj, column, now) for column in custom or [_AGE])]
    if kind not in CELLS:
        return [name, obj["metadata"].get("creationTimestamp")]
    return CELLS[kind](obj, now)


def _custom_cell(obj: Object, column: Column, now: dt.datetime) -> Any:
    try:
        found = jsonpath.find(column["jsonPath"], obj)
    except JsonPathError:
        return None
    value = found[0] if found else None
    convert = _CONVERSIONS.get(column["type"])
    return convert(value, now) if convert and value is not None else None


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_CONVERSIONS: dict[str, Callable[[Any, dt.datetime], Any]] = {
    "boolean": lambda value, _: value if isinstance(value, bool) else None,
    "date": lambda value, now: age(value, now) if isinstance(value, str) else None,
    "integer": lambda value, _: int(value) if _number(value) else None,
    "number": lambda value, _: float(value) if _number(value) else None,
    "string": lambda value, _: value if isinstance(value, str) else orjson.dumps(value).decode(),
}
