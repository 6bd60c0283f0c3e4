from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.actions.faults import Fault, inflict
from lab.actions.machines import CreateMachines
from lab.actions.steps import Context, perform, plan
from lab.errors import CheckError, UsageError
from lab.machines.port import Link, State
from lab.topology.model import Topology
from tests.unit.actions.contexts import Transcript, in_memory
from tests.unit.topologies import default_lab


@pytest.fixture
def lab() -> Topology:
    return default_lab()


@pytest.fixture
def context(lab: Topology, tmp_path: Path) -> Context:
    return in_memory(lab, tmp_path)


@dataclass
class Say:
    title: str
    fails: bool = False

    def plan(self, context: Context) -> Sequence[str]:
        return [f"say {self.title}"]

    def run(self, context: Context) -> None:
        context.report.notice(self.title)
        if self.fails:
            raise CheckError("no")


def test_steps_run_in_order_and_are_timed(context: Context) -> None:
    timings = perform([Say("one"), Say("two")], context)
    assert [timing.title for timing in timings] == ["one", "two"]
    assert context.report == Transcript(["begin one", "one", "end one", "begin two", "two", "end two"])


def test_the_first_error_ends_the_work(context: Context) -> None:
    with pytest.raises(CheckError):
        perform([Say("one", fails=True), Say("two")], context)
    assert context.report == Transcript(["begin one", "one"])


def test_a_plan_changes_nothing(context: Context) -> None:
    planned = plan([CreateMachines()], context)
    assert planned["create machines"] == [
        f"create {m.name}" for m in sorted(context.topology.machines, key=_name)
    ]
    assert not context.provider.status().exists


def _name(machine: object) -> str:
    return str(getattr(machine, "name", ""))


def test_creating_twice_has_nothing_left_to_do(context: Context) -> None:
    CreateMachines().run(context)
    assert CreateMachines().plan(context) == []


@pytest.mark.parametrize(
    ("fault", "state", "link", "remedy"),
    [
        (Fault.KILL, State.OFF, Link(), "start client (off)"),
        (Fault.STOP, State.OFF, Link(), "start client (off)"),
        (Fault.FREEZE, State.FROZEN, Link(), "thaw client"),
        (Fault.LINK_DOWN, State.RUNNING, Link(up=False), "plug client into client-network again"),
        (Fault.LOSS, State.RUNNING, Link(loss=30), "plug client into client-network again"),
    ],
)
@pytest.mark.parametrize("undo", ["fault", "up"])
def test_every_fault_shows_and_is_undone(
    context: Context, fault: Fault, state: State, link: Link, remedy: str, undo: str
) -> None:
    CreateMachines().run(context)
    inflict(context, fault, context.topology.client, percent=30)
    broken = context.provider.status().machine("client")
    assert (broken.state, *broken.links.values()) == (state, link)
    assert not broken.healthy
    assert CreateMachines().plan(context) == [remedy]
    if undo == "fault":
        inflict(context, Fault.UNDO, context.topology.client)
    else:
        CreateMachines().run(context)
    assert context.provider.status().machine("client").healthy


def test_a_cable_that_is_not_there_is_named(context: Context) -> None:
    CreateMachines().run(context)
    with pytest.raises(UsageError, match="client has no cable to k8s-network"):
        inflict(context, Fault.LINK_DOWN, context.topology.client, network="k8s-network")
