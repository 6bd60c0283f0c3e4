"""How long a proof stands: until something was mended or started, and on emulated machines alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lab.actions import proved
from lab.actions.machines import heal
from lab.actions.proof import DeploySample, Prove
from lab.actions.steps import Context
from lab.machines.fake import FakeMachines
from lab.machines.port import Link, Power
from tests.unit.actions.contexts import Transcript, in_memory
from tests.unit.topologies import default_lab


@pytest.fixture
def emulated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    """A lab of slow machines that was proved."""
    monkeypatch.setattr(FakeMachines, "slowness", 10.0)
    context = in_memory(default_lab(), tmp_path)
    context.generated.mkdir(parents=True)
    context.provider.create({})
    proved.note(context)
    return context


def unplug(context: Context) -> None:
    client = context.topology.client
    context.provider.link(client.name, client.interfaces[0].network, Link(up=False))
    heal(context, context.provider.status())


def restart(context: Context) -> None:
    context.provider.power(context.topology.client.name, Power.KILL)
    heal(context, context.provider.status())


TOUCHED: dict[str, Callable[[Context], None]] = {
    "a cable was pulled and plugged in": unplug,
    "a machine was killed and started": restart,
    "a step mended something": proved.doubt,
    "the lab is gone": proved.forget,
}


def test_a_proof_stands_and_is_not_repeated(emulated: Context) -> None:
    assert proved.need_not_be_repeated(emulated)
    for step in (DeploySample(), Prove()):
        step.run(emulated)
    assert emulated.report == Transcript(
        ["proved before, nothing was touched since", "lab up --prove asks again"]
    )


@pytest.mark.parametrize("name", TOUCHED)
def test_a_lab_that_was_touched_is_proved_again(name: str, emulated: Context) -> None:
    TOUCHED[name](emulated)
    assert not proved.need_not_be_repeated(emulated)
    assert proved.is_proved(emulated) is (name != "the lab is gone")


def test_machines_that_are_not_slow_are_proved_each_time(
    emulated: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeMachines, "slowness", 1.0)
    assert proved.is_proved(emulated)
    assert not proved.need_not_be_repeated(emulated)
