"""What every role promises: specs, defaults that agree with them, a README made from them, and a playbook that parses."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
ROLES = sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())
LINES_PER_TASK_FILE = 100


def specs(role: Path):
    return yaml.safe_load((role / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_defaults_are_those_of_the_specs(role: Path):
    file = role / "defaults/main.yml"
    defaults = yaml.safe_load(file.read_text()) if file.exists() else {}
    options = specs(role)
    assert defaults == {name: option["default"] for name, option in options.items() if "default" in option}
    undecided = [
        name for name, option in options.items() if ("default" in option) == option.get("required", False)
    ]
    assert not undecided, "an option is required or has a default"


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_options_carry_the_name_of_their_role(role: Path):
    prefix = "lab_" if role.name == "validate" else f"{role.name}_"
    assert [name for name in specs(role) if not name.startswith(prefix)] == []


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("roles/*/tasks/*.yml")), ids=lambda p: str(p.relative_to(ROOT))
)
def test_task_files_stay_small(path: Path):
    assert len(path.read_text().splitlines()) <= LINES_PER_TASK_FILE


def test_readmes_are_made_from_the_specs():
    done = subprocess.run(
        [sys.executable, "scripts/role_readmes.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_playbook_parses():
    done = subprocess.run(
        [sys.executable, "-m", "ansible.cli.playbook", "--syntax-check", "site.yml"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
