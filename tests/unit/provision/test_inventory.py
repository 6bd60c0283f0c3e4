"""The inventory as Ansible sees it: the plugin, found through ansible.cfg, and the variables of inventory/group_vars."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
GOLDEN = ROOT / "tests/golden/labs"


@pytest.fixture
def list_inventory(tmp_path):
    def list_inventory(topology: str, connections: Any = None) -> subprocess.CompletedProcess[str]:
        file = tmp_path / "connections.json"
        if connections is not None:
            file.write_text(json.dumps(connections))
        environment = {"LAB_TOPOLOGY": topology, "LAB_CONNECTIONS": str(file), "PYTHONPATH": str(ROOT)}
        return subprocess.run(
            [sys.executable, "-m", "ansible.cli.inventory", "--list"],
            cwd=ROOT,
            env=os.environ | environment | {"LC_ALL": "C.UTF-8"},
            capture_output=True,
            text=True,
            check=False,
        )

    return list_inventory


def listed(done: subprocess.CompletedProcess[str]) -> Any:
    """Return the listing; texts out of lab.yml are marked as no templates, which is right and looks odd."""
    return json.loads(done.stdout, object_hook=lambda found: found.get("__ansible_unsafe", found))


def test_machines_groups_and_variables_are_those_of_the_lab(list_inventory):
    listing = listed(list_inventory("labs/dual-stack.yml"))
    golden = json.loads((GOLDEN / "dual-stack.inventory.json").read_text())
    for group in ("router", "worker", "control_plane", "client"):
        assert sorted(listing[group]["hosts"]) == sorted(golden[group]["hosts"])
    assert sorted(listing["k8s"]["children"]) == ["control_plane", "worker"]
    for machine, variables in golden["_meta"]["hostvars"].items():
        expected = variables | golden["all"]["vars"]
        seen = listing["_meta"]["hostvars"][machine]
        assert {key: seen[key] for key in expected} == expected


def test_connections_reach_the_machines_of_the_lab_and_no_others(list_inventory):
    reach = {"ansible_connection": "lab_machine", "ansible_lab_state": "/run/lab/lab/state.json"}
    listing = listed(list_inventory("lab.yml", {"router": reach, "stranger": reach}))
    machines = listing["_meta"]["hostvars"]
    assert {key: machines["router"][key] for key in reach} == reach
    assert "ansible_connection" not in machines["client"]
    assert "stranger" not in machines


def test_a_wrong_lab_is_refused_with_the_place_of_the_mistake(list_inventory, tmp_path):
    wrong = tmp_path / "wrong.yml"
    wrong.write_text((ROOT / "lab.yml").read_text().replace("hold_time: 3", "hold_time: 2"))
    refused = list_inventory(str(wrong))
    assert f"{wrong}:" in refused.stderr
    assert "hold_time" in refused.stderr


def test_an_ansible_of_another_python_is_told_which_one_to_use():
    without_lab = (
        "import sys; sys.modules['lab.topology'] = None; from ansible.cli.inventory import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", without_lab, "--list"],
        cwd=ROOT,
        env=os.environ | {"LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "use those of .venv/bin" in done.stderr
