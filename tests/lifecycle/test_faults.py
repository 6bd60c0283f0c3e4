"""Faults do what they say, as other machines see it, and are undone."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.lifecycle.conftest import Lab

MASTER = "10.0.0.10"
PINGS = 200


@pytest.fixture(autouse=True)
def _whole(running: Lab) -> Iterator[None]:
    yield
    for name in running.states():
        running.run(["fault", "undo", name, "--file", str(running.file)])


def _fault(lab: Lab, *words: str) -> None:
    lab.run(["fault", *words, "--file", str(lab.file)])


def _exec(lab: Lab, machine: str, *argv: str, check: bool = True) -> str:
    return lab.run(["exec", "--file", str(lab.file), machine, "--", *argv], check=check).stdout


def _reaches(lab: Lab, address: str = MASTER) -> bool:
    argv = ["exec", "--file", str(lab.file), "client", "--", "ping", "-c", "1", "-W", "1", address]
    return lab.run(argv, check=False).returncode == 0


def _state(lab: Lab, machine: str) -> str:
    return lab.states()[machine]


def _boots(lab: Lab, machine: str) -> int:
    return int(next(m["boots"] for m in lab.json("status", check=False)["machines"] if m["name"] == machine))


def _wait(lab: Lab, machine: str, state: str) -> bool:
    deadline = time.monotonic() + 20
    while _state(lab, machine) != state:
        if time.monotonic() > deadline:
            return False
    return True


@pytest.mark.parametrize(
    ("fault", "state"), [("kill", "off"), ("stop", "off"), ("freeze", "frozen"), ("link-down", "running")]
)
def test_a_broken_machine_is_unreachable_until_it_is_mended(running: Lab, fault: str, state: str) -> None:
    assert _reaches(running)
    _fault(running, fault, "k8s-master")
    assert _state(running, "k8s-master") == state
    assert running("status", check=False).returncode == 1
    assert not _reaches(running)
    _fault(running, "undo", "k8s-master")
    assert _state(running, "k8s-master") == "running"
    assert running("status").returncode == 0
    deadline = time.monotonic() + 10
    while not _reaches(running):
        assert time.monotonic() < deadline


def test_loss_is_about_what_was_asked(running: Lab) -> None:
    """30 % each way: of a round trip about half is lost."""
    _fault(running, "loss", "k8s-master", "--percent", "30")
    said = _exec(
        running, "client", "ping", "-q", "-i", "0.005", "-c", str(PINGS), "-W", "1", MASTER, check=False
    )
    received = int(said.split(" packets transmitted, ")[1].split()[0])
    assert 0.3 * PINGS < received < 0.7 * PINGS


def test_one_cable_of_two(running: Lab) -> None:
    _fault(running, "link-down", "router", "--network", "k8s-network")
    assert _reaches(running, "172.16.0.1")
    assert not _reaches(running)


def test_the_disk_survives_a_power_cut(running: Lab) -> None:
    _exec(running, "k8s-worker1", "touch", "/root/mark")
    _fault(running, "kill", "k8s-worker1")
    _fault(running, "undo", "k8s-worker1")
    assert _exec(running, "k8s-worker1", "ls", "/root/mark") == "/root/mark\n"


def test_a_reboot_from_inside(running: Lab) -> None:
    before = _boots(running, "k8s-worker1")
    _exec(running, "k8s-worker1", "ip", "address", "add", "192.0.2.7/32", "dev", "lo")
    _exec(running, "k8s-worker1", "systemctl", "reboot", check=False)
    deadline = time.monotonic() + 20
    while _boots(running, "k8s-worker1") == before:
        assert time.monotonic() < deadline
    assert _wait(running, "k8s-worker1", "running")
    assert "192.0.2.7" not in _exec(running, "k8s-worker1", "ip", "-brief", "address")


def test_a_machine_that_switches_itself_off_stays_off_until_up(running: Lab) -> None:
    _exec(running, "k8s-worker2", "systemctl", "poweroff", check=False)
    assert _wait(running, "k8s-worker2", "off")
    assert running.json("plan")["steps"]["create machines"] == ["start k8s-worker2 (off)"]
    running.up()
    assert _state(running, "k8s-worker2") == "running"


def test_what_a_user_broke_by_hand_is_made_anew(running: Lab) -> None:
    _exec(running, "client", "sh", "-c", "rm /etc/netplan/60-lab-routes.yaml && netplan apply")
    assert not _reaches(running)
    assert any("client" in line for line in running.json("plan")["steps"]["prove the networks"])
    running.up()
    assert _reaches(running)
