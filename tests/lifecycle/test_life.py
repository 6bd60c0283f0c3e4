"""A lab from nothing to nothing, in the order in which a user meets it."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from lab.actions import up
from lab.machines.containers.paths import RunPaths
from tests.lifecycle.conftest import MACHINES_ONLY, Lab, write_lab
from tests.lifecycle.leftovers import host_network, leftovers, namespaces

STEPS = [step.title for step in up.steps()]
MOMENTS = [0.05, 0.3, 0.7, 1.2]
"""Seconds into `lab up`: while it starts the supervisor and the machines."""


def _nothing_left(lab: Lab) -> None:
    assert {what: found for what, found in leftovers(lab.name).items() if found} == {}


def test_up_proves_itself_and_down_leaves_nothing(lab: Lab) -> None:
    before = host_network()
    lab.up()
    assert set(lab.states().values()) == {"running"}
    assert host_network() == before
    lab("down")
    _nothing_left(lab)
    assert host_network() == before
    assert set(lab.states().values()) == {"absent"}


def test_down_ends_every_namespace(lab: Lab) -> None:
    lab.up()
    inside = {
        str(Path(f"/proc/{pid}/ns/{kind}").readlink())
        for pid in _leaders(lab)
        for kind in ("net", "mnt", "pid")
    }
    assert inside <= namespaces()
    lab("down")
    assert not inside & namespaces()


def _leaders(lab: Lab) -> list[int]:
    state = json.loads(RunPaths(lab.name).state.read_text())
    return [machine["leader"] for machine in state["machines"].values()]


def test_a_second_up_has_nothing_to_do(lab: Lab) -> None:
    lab("up")
    leaders = _leaders(lab)
    assert {title: lines for title, lines in lab.json("plan")["steps"].items() if lines} == {}
    lab("up")
    assert _leaders(lab) == leaders


def test_down_of_nothing_succeeds(lab: Lab) -> None:
    lab("down")
    lab("down")


@pytest.mark.parametrize("title", STEPS)
def test_up_killed_after_a_step_and_repeated_ends_in_a_working_lab(lab: Lab, title: str) -> None:
    _kill_at(lab, title)
    lab("up")
    assert set(lab.states().values()) == {"running"}
    assert {title: lines for title, lines in lab.json("plan")["steps"].items() if lines} == {}


def test_up_killed_while_it_configures_is_repeated_without_what_was_kept(lab: Lab) -> None:
    _kill_at(lab, "create machines", "--no-cache")
    lab.up()
    assert lab.json("plan")["steps"]["configure"] == []


def _kill_at(lab: Lab, title: str, *options: str) -> None:
    """Kill `lab up`, and what it started but for the supervisor, when it reports that the step is done."""
    with lab.spawn("up", *options) as process:
        assert process.stderr
        for line in process.stderr:
            if title in line:
                break
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=60)


@pytest.mark.parametrize("seconds", MOMENTS)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)
def test_up_interrupted_and_repeated_ends_in_a_working_lab(
    lab: Lab, seconds: float, number: signal.Signals
) -> None:
    with lab.spawn("up", *MACHINES_ONLY) as process:
        time.sleep(seconds)
        os.killpg(process.pid, number)
        process.communicate(timeout=60)
    lab.up()
    assert set(lab.states().values()) == {"running"}


def test_up_killed_can_be_removed(lab: Lab) -> None:
    with lab.spawn("up", *MACHINES_ONLY) as process:
        time.sleep(1)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)
    lab("down")
    _nothing_left(lab)


def test_the_supervisor_killed_ends_everything_and_up_repairs(lab: Lab) -> None:
    lab.up()
    os.kill(json.loads(RunPaths(lab.name).state.read_text())["pid"], signal.SIGKILL)
    lab.up()
    assert set(lab.states().values()) == {"running"}


def test_any_process_killed_is_repaired(lab: Lab) -> None:
    """The systemd of one machine, and the nspawn around another."""
    lab.up()
    leader, other, *_ = _leaders(lab)
    os.kill(leader, signal.SIGKILL)
    parent = int(Path(f"/proc/{other}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(parent, signal.SIGKILL)
    lab.up()
    assert set(lab.states().values()) == {"running"}


def test_two_labs_side_by_side_with_the_same_addresses(lab: Lab, tmp_path: Path) -> None:
    other = write_lab(tmp_path / "other", name=f"{lab.name}b", workers=1)
    try:
        with lab.spawn("up", *MACHINES_ONLY) as first, other.spawn("up", *MACHINES_ONLY) as second:
            assert first.wait(timeout=300) == 0, first.communicate()
            assert second.wait(timeout=300) == 0, second.communicate()
        other("down")
        assert set(lab.states().values()) == {"running"}
        lab.run(["exec", "--file", str(lab.file), "client", "--", "ping", "-c", "1", "-W", "2", "10.0.0.10"])
    finally:
        other("down")


def test_a_name_taken_by_another_project_is_refused(lab: Lab, tmp_path: Path) -> None:
    lab.up()
    clone = write_lab(tmp_path / "clone", name=lab.name)
    refused = clone.up(check=False)
    assert refused.returncode == 5
    assert str(lab.file.parent) in refused.stderr
    assert set(lab.states().values()) == {"running"}


def test_a_second_up_waits_and_says_for_whom(lab: Lab) -> None:
    with lab.spawn("up", *MACHINES_ONLY) as first:
        time.sleep(0.5)
        second = lab.up()
        assert first.wait(timeout=300) == 0
    assert f"process {first.pid}" in second.stderr
    assert set(lab.states().values()) == {"running"}


def test_workers_come_and_go_with_the_file(lab: Lab, tmp_path: Path) -> None:
    lab.up()
    master = lab.states()["k8s-master"]
    write_lab(tmp_path, name=lab.name, workers=3)
    assert any("create k8s-worker3" in line for line in lab.json("plan")["steps"]["create machines"])
    lab.up()
    assert lab.states()["k8s-worker3"] == "running"
    write_lab(tmp_path, name=lab.name, workers=1)
    lab.up()
    assert set(lab.states()) == {"router", "k8s-master", "k8s-worker1", "client"}
    assert lab.states()["k8s-master"] == master


def test_an_interrupted_run_keeps_the_project_clean(lab: Lab) -> None:
    lab.up()
    assert {p.name for p in lab.file.parent.iterdir()} == {"lab.yml", ".lab"}
