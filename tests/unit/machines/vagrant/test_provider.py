"""The provider, with Vagrant and the hypervisor played by stand-ins."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from lab.errors import MachineError
from lab.machines.port import Link, Power, State
from lab.machines.vagrant import kept
from lab.machines.vagrant.hypervisor import Domain, Seen
from lab.machines.vagrant.paths import VagrantPaths
from lab.machines.vagrant.provider import VirtualMachines
from lab.topology.model import Distribution, Hypervisor, MachineName, Role, Size, Topology
from tests.unit.topologies import ROOT, default_lab

NAMES = [machine.name for machine in default_lab().machines]


@dataclass
class StandIn:
    """Vagrant and the hypervisor in one: machines are files, as Vagrant leaves them, and states in memory."""

    paths: VagrantPaths
    name: Hypervisor = Hypervisor.LIBVIRT
    states: dict[str, State] = field(default_factory=dict)
    unplugged: set[str] = field(default_factory=set)
    said: list[str] = field(default_factory=list)
    swept: list[str] = field(default_factory=list)

    def up(self, *, vm_name: str, provider: str) -> None:
        names = vm_name.strip("/^()$").split("|")
        self.said.append(f"up {len(names)}")
        for name in names:
            file = self.paths.dotfile / "machines" / name / provider / "id"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(name)
            self.states[name] = State.RUNNING

    def halt(self, *, vm_name: str) -> None:
        self.states[vm_name] = State.OFF

    def destroy(self, *, vm_name: str | None = None) -> None:
        for name in [vm_name] if vm_name else list(self.states):
            self.said.append(f"destroy {name}")
            del self.states[name]
            (self.paths.dotfile / "machines" / name / self.name / "id").unlink()

    def observe(self, domains: Mapping[MachineName, Domain]) -> Mapping[MachineName, Seen]:
        return {
            name: Seen(state=self.states[name], links={mac: mac not in self.unplugged for mac in domain.macs})
            for name, domain in domains.items()
            if name in self.states
        }

    def sweep(self, names: Collection[str], networks: Collection[str] = ()) -> None:
        self.swept += [*names, *networks]

    def kill(self, domain: Domain) -> None:
        self.states[domain.identity] = State.OFF

    def freeze(self, domain: Domain) -> None:
        self.states[domain.identity] = State.FROZEN

    def thaw(self, domain: Domain) -> None:
        self.states[domain.identity] = State.RUNNING

    def plug(self, domain: Domain, mac: str, *, up: bool) -> None:
        (self.unplugged.discard if up else self.unplugged.add)(mac)


@dataclass
class Lab:
    topology: Topology
    paths: VagrantPaths
    stand_in: StandIn

    def machines(self, topology: Topology | None = None) -> VirtualMachines:
        provider = VirtualMachines(topology or self.topology, self.paths)
        provider._hypervisor = self.stand_in

        @contextmanager
        def lent(*, on_error: str) -> Iterator[Any]:
            yield self.stand_in

        provider._vagrant = lent  # type: ignore[method-assign]
        return provider


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    paths = VagrantPaths(lab="lab", file=tmp_path / "lab.yml", checkout=ROOT)
    return Lab(default_lab(), paths, StandIn(paths))


def test_all_machines_come_up_in_one_call(lab: Lab) -> None:
    assert lab.machines().create({}) == NAMES
    assert lab.stand_in.said == [f"up {len(NAMES)}"]
    status = lab.machines().status()
    assert [machine.name for machine in status.machines] == sorted(NAMES)
    assert all(machine.healthy for machine in status.machines)


def test_nothing_is_asked_of_vagrant_when_there_is_nothing_to_do(lab: Lab) -> None:
    lab.machines().create({})
    lab.stand_in.said.clear()
    assert lab.machines().create({}) == []
    assert lab.stand_in.said == []


def test_what_an_interrupted_vagrant_left_is_swept_before_machines_are_made(lab: Lab) -> None:
    lab.machines().create({})
    assert lab.stand_in.swept == [f"lab-lab-{name}" for name in NAMES]
    lab.stand_in.swept.clear()
    lab.stand_in.states[NAMES[0]] = State.OFF  # Vagrant knows it: its disk stays
    lab.machines().create({})
    assert lab.stand_in.swept == []


def test_down_sweeps_machines_and_networks(lab: Lab) -> None:
    lab.machines().destroy()
    networks = ["management", "k8s-network", "client-network"]
    assert sorted(lab.stand_in.swept) == sorted(f"lab-lab-{name}" for name in [*NAMES, *networks])


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was kept and applied, in place of archives."""
    done: list[str] = []
    monkeypatch.setattr(kept, "keep", lambda configuration, _: done.append(f"keep {configuration}"))
    monkeypatch.setattr(kept, "apply", lambda configuration, _: done.append(f"apply {configuration}"))
    monkeypatch.setattr(kept, "is_kept", lambda configuration: f"keep {configuration}" in done)
    return done


ROUTER = MachineName("router")


def test_what_a_machine_was_configured_with_is_remembered_until_it_goes(lab: Lab, shelf: list[str]) -> None:
    lab.machines().create({ROUTER: "abc"})
    assert lab.machines().status().machine("router").configured == ""
    lab.machines().capture(ROUTER, "abc")
    assert lab.machines().status().machine("router").configured == "abc"
    lab.machines().create({ROUTER: "abd"}, fresh=[ROUTER])
    assert lab.machines().status().machine("router").configured == ""


def test_a_machine_that_is_made_anew_has_the_configuration_that_was_kept(lab: Lab, shelf: list[str]) -> None:
    lab.machines().create({})
    lab.machines().capture(ROUTER, "abc")
    assert lab.machines().knows("abc")
    lab.machines().create({ROUTER: "abc"}, fresh=[ROUTER])
    assert shelf == ["keep abc", "apply abc"]
    assert lab.machines().status().machine("router").configured == "abc"
    lab.machines().create({ROUTER: "abc"})
    assert shelf == ["keep abc", "apply abc"]


def test_a_machine_that_vagrant_made_alone_gets_it_too(lab: Lab, shelf: list[str]) -> None:
    shelf.append("keep abc")
    lab.machines().create({})
    lab.machines().create({ROUTER: "abc"})
    assert shelf == ["keep abc", "apply abc"]


def test_of_a_machine_in_use_only_the_name_is_kept(lab: Lab, shelf: list[str]) -> None:
    lab.machines().create({})
    lab.machines().capture(ROUTER, "abc")
    lab.machines().capture(ROUTER, "abd")
    assert shelf == ["keep abc"]
    assert lab.machines().status().machine("router").configured == "abd"


def test_nothing_is_kept_of_a_public_box_or_of_containerd(lab: Lab, shelf: list[str]) -> None:
    public = replace(lab.topology, vagrant=replace(lab.topology.vagrant, box="debian/trixie64"))
    kubernetes = replace(lab.topology.kubernetes, distribution=Distribution.KUBEADM)
    for topology in (public, replace(lab.topology, kubernetes=kubernetes)):
        lab.machines(topology).create({})
        lab.machines(topology).capture(ROUTER, "abc")
        assert not lab.machines(topology).knows("abc")
        lab.machines(topology).destroy()
    assert shelf == []


def test_a_lab_is_as_old_as_its_first_machine(lab: Lab) -> None:
    assert lab.machines().status().since == 0
    lab.machines().create({})
    file = lab.paths.dotfile / "machines/client/libvirt/id"
    os.utime(file, (1.0, 1.0))
    assert lab.machines().status().since == 1


def test_a_worker_that_left_the_file_is_destroyed(lab: Lab) -> None:
    lab.machines().create({})
    smaller = replace(lab.topology, workers=lab.topology.workers[:2])
    lab.machines(smaller).create({})
    assert lab.stand_in.said == [f"up {len(NAMES)}", "destroy k8s-worker3"]


def test_a_machine_that_lab_yml_describes_otherwise_is_made_anew(lab: Lab) -> None:
    lab.machines().create({})
    sizes = {**lab.topology.vagrant.sizes, Role.CLIENT: Size(memory=1024, cpus=1)}
    larger = replace(lab.topology, vagrant=replace(lab.topology.vagrant, sizes=sizes))
    assert [m.name for m in lab.machines(larger).status().machines if m.stale] == ["client"]
    assert lab.machines(larger).create({}) == ["client"]
    assert not any(m.stale for m in lab.machines(larger).status().machines)


@pytest.mark.parametrize(
    ("action", "state"),
    [
        (Power.KILL, State.OFF),
        (Power.STOP, State.OFF),
        (Power.FREEZE, State.FROZEN),
        (Power.REBOOT, State.RUNNING),
    ],
)
def test_power(lab: Lab, action: Power, state: State) -> None:
    lab.machines().create({})
    lab.machines().power(MachineName("client"), action)
    assert lab.machines().status().machine("client").state is state


def test_a_cable_shows_that_it_is_unplugged(lab: Lab) -> None:
    lab.machines().create({})
    network = lab.topology.cluster_network.name
    lab.machines().link(MachineName("router"), network, Link(up=False))
    assert lab.machines().status().machine("router").links[network] == Link(up=False)


def test_loss_is_refused_with_what_to_do_instead(lab: Lab) -> None:
    lab.machines().create({})
    network = lab.topology.client_network.name
    with pytest.raises(MachineError) as refused:
        lab.machines().link(MachineName("client"), network, Link(loss=30))
    assert "link-down" in refused.value.hint


def test_a_machine_whose_hypervisor_forgot_it_has_failed(lab: Lab) -> None:
    lab.machines().create({})
    del lab.stand_in.states["router"]
    assert lab.machines().status().machine("router").state is State.FAILED


def test_destroy_leaves_no_machine_and_no_record(lab: Lab) -> None:
    lab.machines().create({})
    lab.machines().destroy()
    assert not lab.machines().status().exists
    assert lab.machines()._records.all() == {}


@pytest.mark.parametrize(
    ("file", "dotfile"),
    [(ROOT / "lab.yml", ROOT / ".vagrant"), (Path("/p/lab.yml"), Path("/p/.lab/x/vagrant"))],
)
def test_the_lab_beside_the_vagrantfile_has_vagrants_usual_place(file: Path, dotfile: Path) -> None:
    assert VagrantPaths(lab="x", file=file, checkout=ROOT).dotfile == dotfile
