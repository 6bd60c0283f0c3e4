"""The inventory's shape; its values are in the golden files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.render.inventory import inventory
from lab.topology.loader import load

ROOT = Path(__file__).resolve().parents[3]
LABS = {path.stem: load(path) for path in (ROOT / "lab.yml", *(ROOT / "labs").glob("*.yml"))}


def scalars(value: Any) -> Iterator[Any]:
    if type(value) in {dict, list}:
        yield from (item for child in value for item in scalars(child))
        yield from (
            item for child in (value.values() if type(value) is dict else ()) for item in scalars(child)
        )
    else:
        yield value


@pytest.mark.parametrize("lab", LABS.values(), ids=LABS)
def test_values_are_plain(lab) -> None:
    """Ansible refuses subclasses, such as a StrEnum's members."""
    assert {type(value) for value in scalars(inventory(lab))} <= {str, int, bool, type(None)}


@pytest.mark.parametrize("lab", LABS.values(), ids=LABS)
def test_every_machine_is_in_one_group(lab) -> None:
    made = inventory(lab)
    hosts = [host for group in made.values() for host in group.get("hosts", [])]
    assert sorted(hosts) == sorted(machine.name for machine in lab.machines)
    assert set(made["_meta"]["hostvars"]) == set(hosts)
