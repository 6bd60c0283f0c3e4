"""The lab from virtual machines, in the order in which a user meets it: up, test, faults, Vagrant's own verbs, down.

`make test-vagrant` runs it beside a libvirtd of its own, under software emulation, without any network; each test goes on
where the one before it ended. Two files are left for those who come after: $LAB_TIMINGS, what each verb took, and
$LAB_REPORT, the JUnit report of `lab test`, for tests.vagrant.parity.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.eventually import wait_until
from tests.vagrant.virtual_lab import VirtualLab, write_lab

PATIENCE = 120.0
REPORT = "LAB_REPORT"
MACHINES = ["router", "k8s-master", "k8s-worker1", "k8s-worker2", "client"]
KUBECTL = ("exec", "k8s-master", "--", "kubectl", "--kubeconfig=/etc/kubernetes/admin.conf")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualLab]:
    lab = VirtualLab(write_lab(tmp_path_factory.mktemp("vms")))
    yield lab
    lab("down", check=False)


def test_nothing_can_be_reached_from_here() -> None:
    routes = subprocess.run(["ip", "route"], capture_output=True, text=True, check=True).stdout
    assert "default" not in routes


def test_up(lab: VirtualLab) -> None:
    said = json.loads(lab("up", "--provider", "vagrant", "--offline", "--json"))
    print(json.dumps(said, indent=1))
    assert list(lab.machines()) == MACHINES
    assert all(machine["healthy"] and machine["configured"] for machine in lab.machines().values())


def test_a_second_up_has_nothing_to_do(lab: VirtualLab) -> None:
    planned = json.loads(lab("plan", "--json"))["steps"]
    assert {title: lines for title, lines in planned.items() if lines} == {}
    lab("up")


def test_the_checks_of_every_lab_hold(lab: VirtualLab, tmp_path: Path) -> None:
    report = os.environ.get(REPORT) or str(tmp_path / "report.xml")
    found = json.loads(lab("test", "--json", "--junit", report, check=False))["checks"]
    assert found
    verdicts = {check["name"]: (check["verdict"], check["detail"]) for check in found}
    assert {name: verdict for name, verdict in verdicts.items() if verdict[0] == "failed"} == {}
    assert "passed" in {verdict for verdict, _ in verdicts.values()}


def test_status_shows_sessions_where_it_is_asked_to(lab: VirtualLab) -> None:
    assert "lab status --full" in lab("status")
    sessions = json.loads(lab("status", "--full", "--json"))["sessions"]
    assert [(each["peer"], each["state"]) for each in sessions] == [
        ("peer1", "Established"),
        ("peer2", "Established"),
    ]


def test_ssh_exec_and_logs(lab: VirtualLab) -> None:
    assert lab("ssh", "client", "--command", "id -un; pwd") == "vagrant\n/home/vagrant\n"
    assert lab("exec", "router", "--", "cat", "/etc/hostname") == "router\n"
    assert "10.0.0.51/24" in lab("exec", "k8s-worker1", "--", "ip", "-brief", "address")
    assert "bird" in lab("logs", "router", "--unit", "bird.service")
    assert "Linux version" in lab("logs", "router", "--console", "--lines", "100000")


def test_an_emulated_machine_need_not_translate_a_program_at_each_start(lab: VirtualLab) -> None:
    for machine in MACHINES:
        assert lab("exec", machine, "--", "sysctl", "--values", "kernel.randomize_va_space") == "0\n"


def test_explain_follows_a_service_to_its_pods(lab: VirtualLab) -> None:
    lab(*KUBECTL, "create", "deployment", "web", "--image=nginx", "--replicas=2")
    lab(*KUBECTL, "expose", "deployment", "web", "--type=LoadBalancer", "--port=80")
    lab(*KUBECTL, "wait", "--for=condition=Available", "deployment/web", "--timeout=600s")

    def broken() -> dict[str, str]:
        hops = json.loads(lab("explain", "web", "--json", check=False))["hops"]
        return {hop["name"]: hop["detail"] for hop in hops if not hop["ok"]}

    # Proxies and speakers learn of the pods each on its own.
    assert wait_until(lambda: not broken(), patience=PATIENCE), broken()
    lab(*KUBECTL, "delete", "deployment,service", "web")


def test_vagrants_own_verbs(lab: VirtualLab) -> None:
    assert lab.vagrant("status", "--machine-readable").count("state,running") == len(MACHINES)
    assert lab.vagrant("ssh", "client", "--command", "hostname").strip() == "client"


def test_vagrant_up_ends_as_lab_up(lab: VirtualLab) -> None:
    assert "lab vms is up" in lab.vagrant("up")


@pytest.mark.parametrize(
    ("fault", "state"), [("freeze", "frozen"), ("link-down", "running"), ("stop", "off"), ("kill", "off")]
)
def test_a_fault_shows_and_is_undone(lab: VirtualLab, fault: str, state: str) -> None:
    lab("fault", fault, "client")
    broken = lab.machines()["client"]
    assert (broken["state"], broken["healthy"]) == (state, False)
    lab("fault", "undo", "client")
    assert lab.machines()["client"]["healthy"]
    assert lab("exec", "client", "--", "hostname") == "client\n"


def test_up_mends_what_faults_left(lab: VirtualLab) -> None:
    lab("fault", "kill", "client")
    lab("fault", "link-down", "k8s-worker2")
    lab("up")
    assert all(machine["healthy"] for machine in lab.machines().values())


def test_loss_is_refused_and_harms_nothing(lab: VirtualLab) -> None:
    with pytest.raises(AssertionError, match="link-down"):
        lab("fault", "loss", "client")
    assert lab.machines()["client"]["healthy"]


def test_down_leaves_nothing(lab: VirtualLab) -> None:
    lab("down")
    assert {machine["state"] for machine in lab.machines().values()} == {"absent"}
    assert lab.left() == {}
