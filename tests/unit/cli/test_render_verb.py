from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from lab.cli import lab
from tests.unit.topologies import ROOT


def rendered(file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, object]:
    copy = tmp_path / "lab.yml"
    copy.write_text(file.read_text())
    monkeypatch.setenv("LAB_TOPOLOGY", str(copy))
    monkeypatch.setenv("LAB_CACHE_DIR", str(tmp_path / "cache"))
    done = CliRunner().invoke(lab, ["render", "vagrant"])
    assert done.exit_code == 0, done.output
    data: dict[str, object] = json.loads(done.output)
    return data


def test_the_environment_names_the_lab_for_vagrant(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    data = rendered(ROOT / "labs/two-workers.yml", monkeypatch, tmp_path)
    assert data["lab"] == "two-workers"
    assert Path(str(data["reach"])).is_dir()


def test_a_machine_that_left_lab_yml_is_still_to_be_destroyed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    identity = tmp_path / ".lab/two-workers/vagrant/machines/k8s-worker3/libvirt/id"
    identity.parent.mkdir(parents=True)
    identity.write_text("5a1c")
    assert rendered(ROOT / "labs/two-workers.yml", monkeypatch, tmp_path)["departed"] == ["k8s-worker3"]
