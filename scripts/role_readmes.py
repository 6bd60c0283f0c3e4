#!/usr/bin/env python3
"""Writes each role's README.md from its argument specs: `scripts/role_readmes.py`, or `--check` to compare only."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml

ROLES = Path(__file__).resolve().parents[1] / "roles"
Spec = dict[str, Any]


def readme(role: Path) -> str:
    """Return the page of `role`."""
    spec = yaml.safe_load((role / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]
    described = "\n".join(f"{_text(paragraph)}\n" for paragraph in spec["description"])
    table = ["| option | type | default | what it is |", "|---|---|---|---|"]
    table += [_row(name, option) for name, option in _flat(spec["options"])]
    return (
        f"# {role.name}: {_text(spec['short_description'])}\n\n{described}\n"
        + "\n".join(table)
        + "\n\nThis page is made from `meta/argument_specs.yml` by `scripts/role_readmes.py`.\n"
    )


def _flat(options: dict[str, Spec], prefix: str = "") -> list[tuple[str, Spec]]:
    """Return the options with their suboptions after them, under dotted names."""
    rows = []
    for name, option in options.items():
        rows.append((prefix + name, option))
        inner = "[]." if option["type"] == "list" else "."
        rows += _flat(option.get("options", {}), f"{prefix}{name}{inner}")
    return rows


def _row(name: str, option: Spec) -> str:
    kind = f"list of {option['elements']}" if option["type"] == "list" else option["type"]
    default = "**required**" if option.get("required") else ""
    if "default" in option:
        default = f"`{json.dumps(option['default'])}`"
    choices = ", ".join(f"`{choice}`" for choice in option.get("choices", []))
    what = _text(option["description"]) + (f" One of {choices}." if choices else "")
    return f"| `{name}` | {kind} | {default} | {what} |"


def _text(marked: str) -> str:
    """Return Ansible's markup as Markdown: C(x) becomes `x`."""
    return re.sub(r"C\((.*?)\)", r"`\1`", marked)


def main(*, check: bool) -> int:
    """Write all pages; with `check`, name those that differ instead and return 1 if there are any."""
    stale = []
    for role in sorted(path.parents[1] for path in ROLES.glob("*/meta/argument_specs.yml")):
        page = role / "README.md"
        if not page.exists() or page.read_text() != readme(role):
            stale.append(page)
            if not check:
                page.write_text(readme(role))
    if check and stale:
        names = " ".join(str(page.relative_to(ROLES.parent)) for page in stale)
        sys.stderr.write(f"out of date, run scripts/role_readmes.py: {names}\n")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:]))
