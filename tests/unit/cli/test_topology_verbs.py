"""`lab validate`, `lab schema` and `lab graph`, as a user calls them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lab.cli import lab
from lab.errors import UsageError

ROOT = Path(__file__).resolve().parents[3]
WRONG = "name: lab\nbpg: {}\n"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(lab, arguments)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_validate_a_right_lab() -> None:
    result = run("validate", str(ROOT / "lab.yml"))
    assert result.exit_code == 0
    assert result.output.endswith(": valid, 6 machines\n")


@pytest.mark.parametrize("verb", ["validate", "graph"])
def test_the_file_is_named_as_for_any_other_verb(verb: str) -> None:
    file = str(ROOT / "labs/kubeadm.yml")
    assert (
        run(verb, "--file", file).output == run(verb, file).output != run(verb, str(ROOT / "lab.yml")).output
    )


def test_validate_finds_the_file_above(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "lab.yml").write_text((ROOT / "lab.yml").read_text())
    (here / "below").mkdir()
    monkeypatch.chdir(here / "below")
    assert run("validate").output.startswith("../lab.yml: ")


def test_validate_without_a_file(here: Path) -> None:
    result = run("validate")
    assert isinstance(result.exception, UsageError)
    assert result.exception.exit_code == 2


def test_validate_reports_every_mistake(here: Path) -> None:
    (here / "lab.yml").write_text(WRONG)
    result = run("validate")
    assert result.exit_code == 2
    lines = result.stderr.splitlines()
    assert "lab.yml:2:1: bpg: unknown key — write bgp" in lines
    assert len(lines) == 7
    assert result.stdout == ""


def test_validate_as_json(here: Path) -> None:
    (here / "lab.yml").write_text(WRONG)
    result = run("validate", "--json")
    verdict = json.loads(result.stdout)
    assert (result.exit_code, verdict["valid"], verdict["file"]) == (2, False, "lab.yml")
    unknown = next(mistake for mistake in verdict["mistakes"] if mistake["path"] == "bpg")
    assert unknown == {"path": "bpg", "line": 2, "column": 1, "reason": "unknown key", "instead": "bgp"}


def test_validate_a_right_lab_as_json() -> None:
    result = run("validate", "--json", str(ROOT / "labs/two-workers.yml"))
    assert json.loads(result.stdout)["mistakes"] == []
    assert result.exit_code == 0


def test_schema() -> None:
    assert json.loads(run("schema").stdout)["$schema"].endswith("2020-12/schema")
    assert run("schema", "--format", "markdown").stdout == (ROOT / "docs/topology.md").read_text()


def test_graph_prints(here: Path) -> None:
    assert run("graph", str(ROOT / "lab.yml")).stdout == (ROOT / "docs/lab.svg").read_text()


def test_graph_writes_a_file(here: Path) -> None:
    result = run("graph", str(ROOT / "lab.yml"), "--format", "mermaid", "--output", "lab.mmd")
    assert (result.exit_code, result.output) == (0, "")
    assert (here / "lab.mmd").read_text().startswith("flowchart TB\n")


def test_graph_to_nowhere() -> None:
    result = run("graph", str(ROOT / "lab.yml"), "--output", "/proc/nowhere/lab.svg")
    assert isinstance(result.exception, UsageError)
