"""The JSON Schema of lab.yml, from the table of its keys."""

from __future__ import annotations

from typing import Any

from lab.topology.keys import LAB


def schema() -> dict[str, Any]:
    """Return the schema (draft 2020-12). It knows shapes and values; `lab validate` knows the cross-checks as well."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "lab.yml",
        "description": "The topology of a lab.",
        **LAB.schema(),
    }
