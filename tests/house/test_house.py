"""The house rules that a linter does not know: sizes, forbidden names, rooms documented."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINES_PER_FILE = 400
LINES_PER_FUNCTION = 50
FORBIDDEN_STEMS = {"utils", "helpers", "manager", "misc", "common"}


def tracked(*patterns: str) -> list[Path]:
    out = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, check=True, capture_output=True, text=True)
    return [ROOT / line for line in out.stdout.splitlines() if (ROOT / line).exists()]


PYTHON = tracked("*.py")


@pytest.mark.parametrize("path", PYTHON, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_and_functions_stay_small(path: Path) -> None:
    source = path.read_text()
    assert len(source.splitlines()) <= LINES_PER_FILE, f"split {path}"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            assert lines <= LINES_PER_FUNCTION, f"{path}:{node.lineno}: {node.name} has {lines} lines"


def test_no_bag_of_leftovers() -> None:
    assert not [p for p in PYTHON if p.stem in FORBIDDEN_STEMS]


def test_nothing_is_left_for_later_in_a_comment() -> None:
    leftovers = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")  # the words themselves
    offenders = [p for p in PYTHON if p != Path(__file__) and leftovers.search(p.read_text())]
    assert not offenders


def test_every_role_is_in_the_page_on_playbooks() -> None:
    page = (ROOT / "docs/ansible.md").read_text()
    roles = sorted(p.name for p in (ROOT / "roles").iterdir())
    assert [role for role in roles if f"(../roles/{role}/README.md)" not in page] == []


def test_every_room_is_in_the_architecture_page() -> None:
    page = (ROOT / "docs/architecture.md").read_text()
    rooms = sorted(p.parent.name for p in (ROOT / "lab").glob("*/__init__.py"))
    assert [room for room in rooms if f"`{room}/`" not in page] == []
