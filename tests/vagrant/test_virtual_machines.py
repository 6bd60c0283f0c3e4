"""The lab from virtual machines, in the order in which a user meets it: up, test, faults, Vagrant's own verbs, down.

`make test-vagrant` runs it beside a libvirtd of its own, under software emulation, without any network; each test goes on
where the one before it ended. What each verb took goes to $LAB_TIMINGS, as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT = 1800.0
VIRSH = ["virsh", "--connect", "qemu:///system"]
MACHINES = ["router", "k8s-master", "k8s-worker1", "k8s-worker2", "client"]


@dataclass
class VirtualLab:
    file: Path
    seconds: dict[str, float] = field(default_factory=dict)

    def __call__(self, verb: str, *options: str, check: bool = True) -> str:
        """Run `lab VERB OPTIONS` and note how long it took; with `check`, a failure shows what it said."""
        begun = time.monotonic()
        argv = [sys.executable, "-m", "lab.cli", verb, "--file", str(self.file), *options]
        said = self.run(argv, check=check)
        self.seconds[f"{len(self.seconds) + 1} lab {' '.join([verb, *options])}"] = round(
            time.monotonic() - begun, 1
        )
        return said

    def vagrant(self, *words: str) -> str:
        """Run Vagrant itself, as a user would, on this lab."""
        return self.run(["vagrant", *words])

    def run(self, argv: list[str], *, check: bool = True) -> str:
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "LAB_TOPOLOGY": str(self.file),
            "VAGRANT_DOTFILE_PATH": str(self.file.parent / ".lab" / "vms" / "vagrant"),
        }
        done = subprocess.run(
            argv, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=TIMEOUT, check=False
        )
        if check:
            assert done.returncode == 0, f"{argv}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def machines(self) -> dict[str, Any]:
        return {m["name"]: m for m in json.loads(self("status", "--json", check=False))["machines"]}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualLab]:
    content = yaml.safe_load((ROOT / "labs/two-workers.yml").read_text())
    content["name"] = "vms"
    content["vagrant"] = {"acceleration": "emulation", "memory": {"control_plane": 512, "worker": 512}}
    file = tmp_path_factory.mktemp("vms") / "lab.yml"
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    lab = VirtualLab(file)
    yield lab
    lab("down", check=False)
    report = os.environ.get("LAB_TIMINGS")
    if report:
        Path(report).write_text(json.dumps(lab.seconds, indent=2) + "\n")


def test_nothing_can_be_reached_from_here() -> None:
    routes = subprocess.run(["ip", "route"], capture_output=True, text=True, check=True).stdout
    assert "default" not in routes


def test_up(lab: VirtualLab) -> None:
    lab("up", "--provider", "vagrant")
    assert list(lab.machines()) == MACHINES
    assert all(machine["healthy"] and machine["configured"] for machine in lab.machines().values())


def test_a_second_up_has_nothing_to_do(lab: VirtualLab) -> None:
    planned = json.loads(lab("plan", "--json"))["steps"]
    assert {title: lines for title, lines in planned.items() if lines} == {}
    lab("up")


def test_the_checks_of_every_lab_hold(lab: VirtualLab) -> None:
    found = json.loads(lab("test", "--json", check=False))["checks"]
    assert found
    verdicts = {check["name"]: (check["verdict"], check["detail"]) for check in found}
    assert {name: verdict for name, verdict in verdicts.items() if verdict[0] != "passed"} == {}


def test_exec_and_logs(lab: VirtualLab) -> None:
    assert lab("exec", "router", "--", "cat", "/etc/hostname") == "router\n"
    assert "10.0.0.51/24" in lab("exec", "k8s-worker1", "--", "ip", "-brief", "address")
    assert "Linux version" in lab("logs", "router", "--console", "--lines", "100000")


def test_vagrants_own_verbs(lab: VirtualLab) -> None:
    assert lab.vagrant("status", "--machine-readable").count("state,running") == len(MACHINES)
    assert lab.vagrant("ssh", "client", "--command", "hostname").strip() == "client"


def test_vagrant_up_ends_as_lab_up(lab: VirtualLab) -> None:
    assert "lab vms is up" in lab.vagrant("up")


@pytest.mark.parametrize(
    ("fault", "state"), [("freeze", "frozen"), ("kill", "off"), ("link-down", "running")]
)
def test_a_fault_shows_and_up_mends_it(lab: VirtualLab, fault: str, state: str) -> None:
    lab("fault", fault, "client")
    broken = lab.machines()["client"]
    assert (broken["state"], broken["healthy"]) == (state, False)
    lab("up")
    assert lab.machines()["client"]["healthy"]


def test_loss_is_refused_and_harms_nothing(lab: VirtualLab) -> None:
    with pytest.raises(AssertionError, match="link-down"):
        lab("fault", "loss", "client")
    assert lab.machines()["client"]["healthy"]


def test_down_leaves_no_machine(lab: VirtualLab) -> None:
    lab("down")
    assert {machine["state"] for machine in lab.machines().values()} == {"absent"}
    assert lab.run([*VIRSH, "list", "--all", "--name"]).strip() == ""
    assert "lab-vms-" not in lab.run([*VIRSH, "net-list", "--all", "--name"])
