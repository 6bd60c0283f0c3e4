"""Which family of machines a lab gets: what exists wins, then what was asked for, then what works here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lab.errors import UsageError
from lab.machines import family
from lab.machines.containers.host import ContainersHost
from lab.machines.containers.provider import Containers
from lab.machines.family import Choice, choose, family_of
from lab.machines.port import Finding, LabStatus, Severity
from lab.machines.vagrant.host import VagrantHost
from lab.machines.vagrant.paths import VagrantPaths
from lab.topology.model import Topology
from tests.unit.topologies import default_lab

GOOD = Finding(check="all", severity=Severity.OK, detail="there")
SLOW = Finding(check="processor", severity=Severity.WARNING, detail="no KVM")
BAD = Finding(check="overlay", severity=Severity.FAILURE, detail="the kernel has no overlay", fix="modprobe")


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Topology, Path]:
    host(monkeypatch, ContainersHost, GOOD)
    host(monkeypatch, VagrantHost, SLOW)
    monkeypatch.setattr(Containers, "status", lambda _: LabStatus(exists=False))
    return replace(default_lab(), name="of-no-host"), tmp_path / "lab.yml"


def host(monkeypatch: pytest.MonkeyPatch, kind: type, *found: Finding) -> None:
    def findings(_: object) -> Iterator[Finding]:
        yield from found

    monkeypatch.setattr(kind, "findings", findings)


def virtual(lab: tuple[Topology, Path]) -> None:
    """Let a virtual machine of the lab exist."""
    topology, file = lab
    paths = VagrantPaths(lab=topology.name, file=file, checkout=family.CHECKOUT)
    identity = paths.dotfile / "machines/client/libvirt/id"
    identity.parent.mkdir(parents=True)
    identity.write_text("5a1c")


@pytest.mark.parametrize("asked", [Choice.CONTAINERS, Choice.VAGRANT])
def test_what_is_asked_for_is_taken(lab: tuple[Topology, Path], asked: Choice) -> None:
    assert choose(*lab, asked).choice is asked


def test_auto_takes_containers_where_they_work(lab: tuple[Topology, Path]) -> None:
    chosen = choose(*lab, Choice.AUTO)
    assert (chosen.choice, chosen.needs_root) == (Choice.CONTAINERS, True)
    assert chosen.reason


def test_auto_takes_virtual_machines_where_containers_cannot_work(
    lab: tuple[Topology, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    host(monkeypatch, ContainersHost, GOOD, BAD)
    chosen = choose(*lab, Choice.AUTO)
    assert (chosen.choice, chosen.needs_root) == (Choice.VAGRANT, False)
    assert BAD.detail in chosen.reason


def test_auto_says_when_nothing_works(lab: tuple[Topology, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    host(monkeypatch, ContainersHost, BAD)
    host(monkeypatch, VagrantHost, BAD)
    chosen = choose(*lab, Choice.AUTO)
    assert chosen.choice is Choice.CONTAINERS
    assert "neither" in chosen.reason


def test_a_lab_that_exists_keeps_what_it_has(lab: tuple[Topology, Path]) -> None:
    virtual(lab)
    assert choose(*lab, Choice.AUTO).choice is Choice.VAGRANT
    assert family_of(*lab).choice is Choice.VAGRANT
    with pytest.raises(UsageError) as refused:
        choose(*lab, Choice.CONTAINERS)
    assert "lab down" in refused.value.hint


def test_containers_that_exist_are_kept(lab: tuple[Topology, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Containers, "status", lambda _: LabStatus(exists=True))
    with pytest.raises(UsageError):
        choose(*lab, Choice.VAGRANT)
    assert choose(*lab, Choice.AUTO).choice is Choice.CONTAINERS


def test_what_is_only_looked_at_is_not_chosen(
    lab: tuple[Topology, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    host(monkeypatch, ContainersHost, BAD)
    assert family_of(*lab).choice is Choice.CONTAINERS
