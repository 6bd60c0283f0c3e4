"""The provider of virtual machines: Vagrant makes, starts and removes them; the hypervisor is asked for the rest."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import IO, Any, Final

from lab.errors import HostError, MachineError
from lab.machines.port import LabStatus, Link, MachineStatus, Power, State
from lab.machines.vagrant import box, kept
from lab.machines.vagrant.data import accelerated
from lab.machines.vagrant.hypervisor import Domain, Hypervisor, Seen
from lab.machines.vagrant.libvirt import Libvirt
from lab.machines.vagrant.paths import VagrantPaths
from lab.machines.vagrant.reach import Reach
from lab.machines.vagrant.recipe import NAME, version
from lab.machines.vagrant.records import Records
from lab.machines.vagrant.virtualbox import VirtualBox
from lab.render.vagrant import Setting, domain_prefix, network_names, vagrant
from lab.topology.model import Distribution, MachineName, NetworkName, Topology
from lab.topology.model import Hypervisor as HypervisorName

HYPERVISORS: Final[Mapping[HypervisorName, type[Hypervisor]]] = {
    HypervisorName.LIBVIRT: Libvirt,
    HypervisorName.VIRTUALBOX: VirtualBox,
}
LOG_LINES: Final = 12
EMULATED: Final = 10.0
"""How many times slower a processor is that QEMU plays in software; measured from 5 to 15."""


class VirtualMachines:
    """The virtual machines of one lab (implements the ports `Provider` and `Captures`)."""

    name = "vagrant"

    def __init__(self, topology: Topology, paths: VagrantPaths) -> None:
        self._topology = topology
        self._paths = paths
        self._hypervisor = HYPERVISORS[topology.vagrant.provider]()
        self._records = Records(paths.records)

    @cached_property
    def slowness(self) -> float:
        if self._hypervisor.name is HypervisorName.VIRTUALBOX or accelerated(self._topology.vagrant):
            return 1.0
        return EMULATED

    @property
    def online(self) -> bool:
        # The lab's own box has everything for pocket, and its networks under libvirt are isolated.
        return self._topology.vagrant.box is not None or self._hypervisor.name is HypervisorName.VIRTUALBOX

    def status(self) -> LabStatus:
        domains = self._domains()
        seen = self._hypervisor.observe(domains)
        described = self._descriptions()
        machines = tuple(self._status(name, seen.get(name), described.get(name, "")) for name in domains)
        project = str(self._paths.file.parent)
        return LabStatus(
            exists=bool(domains),
            project=project,
            provider=self.name,
            since=self._paths.made(self._hypervisor.name),
            machines=machines,
        )

    def prepare(self, on_line: Callable[[str], None] | None) -> bool:
        if self._topology.vagrant.box is not None:
            return False
        provider = self._topology.vagrant.provider
        missing = box.find(provider) is None
        if on_line is None:
            return missing or not self._vagrant_has_box()
        if missing:
            box.build(provider, on_line)
        if not self._vagrant_has_box():
            on_line("vagrant box add")
            own = box.find(provider)
            with self._vagrant(on_error="Vagrant could not add the box") as tool:
                tool.box_add(NAME, own.catalogue.as_uri() if own else "", provider=provider.value, force=True)
        return missing

    def create(
        self, wanted: Mapping[MachineName, str], *, fresh: Collection[MachineName] = ()
    ) -> Sequence[MachineName]:
        known = {machine.name: machine for machine in self.status().machines}
        names = [machine.name for machine in self._topology.machines]
        stale = [name for name, machine in known.items() if machine.stale]
        for name in sorted(
            {*(n for n in known if n not in names), *stale, *(n for n in fresh if n in known)}
        ):
            self._destroy(name)
            del known[name]
        pending = [
            name for name in names if name not in known or known[name].state in (State.OFF, State.FAILED)
        ]
        if pending:
            self._hypervisor.sweep(self._identities(name for name in pending if name not in known))
            self._up(pending)
        self._configure({name: wanted.get(name, "") for name in names})
        return pending

    def power(self, machine: MachineName, action: Power) -> None:
        domain = self._domain(machine)
        if action in (Power.STOP, Power.REBOOT, Power.KILL):
            self._disconnect(machine)
        match action:
            case Power.KILL:
                self._hypervisor.kill(domain)
            case Power.FREEZE:
                self._hypervisor.freeze(domain)
            case Power.THAW:
                self._hypervisor.thaw(domain)
            case Power.START:
                self._up([machine])
            case Power.STOP | Power.REBOOT:
                with self._vagrant(on_error=f"Vagrant could not stop {machine}") as tool:
                    tool.halt(vm_name=machine)
                if action is Power.REBOOT:
                    self._up([machine])
        self._records.change(machine, since=time.time())

    def link(self, machine: MachineName, network: NetworkName, state: Link) -> None:
        if state.loss:
            raise MachineError(
                "packets cannot be lost on purpose between virtual machines: their hypervisors have no such knob",
                hint="lab fault link-down, or a lab of machine containers",
            )
        mac = self._topology.machine(machine).interface(network).mac
        self._hypervisor.plug(self._domain(machine), mac, up=state.up)

    def enter(self, machine: MachineName, argv: Sequence[str], *, user: str, terminal: bool) -> list[str]:
        self._domain(machine)
        return self._reach(machine).command(argv, user=user, terminal=terminal)

    def connections(self) -> Mapping[MachineName, Mapping[str, str | bool]]:
        return {name: self._reach(name).variables() for name in self._domains()}

    def destroy(self) -> None:
        names = list(self._domains())
        if names:
            with self._vagrant(on_error="Vagrant could not remove the machines") as tool:
                tool.destroy()
        for name in names:
            self._forget(name)
        known = {*names, *(machine.name for machine in self._topology.machines)}
        self._hypervisor.sweep(self._identities(known), network_names(self._topology))

    def knows(self, configuration: str) -> bool:
        return self._keeps and kept.is_kept(configuration)

    def capture(self, machine: MachineName, configuration: str) -> None:
        if self._keeps and not self._records.get(machine).configured:
            kept.keep(configuration, self._as_root(machine))
        self._records.change(machine, configured=configuration)

    @property
    def _keeps(self) -> bool:
        """Whether configurations can be kept: of the lab's own box, whose files' age is known, and without containerd.

        Its store cannot be copied while it is in use.
        """
        own = self._topology.vagrant.box is None
        return own and self._topology.kubernetes.distribution is Distribution.POCKET

    def _configure(self, wanted: Mapping[MachineName, str]) -> None:
        """Give the machines that have no configuration the one that they are to have, if it was kept."""
        pending = [
            n for n, c in wanted.items() if c and not self._records.get(n).configured and self.knows(c)
        ]
        with ThreadPoolExecutor(max_workers=8) as pool:
            list(pool.map(lambda name: kept.apply(wanted[name], self._as_root(name)), pending))
        for name in pending:
            self._records.change(name, configured=wanted[name])

    def _identities(self, names: Iterable[MachineName]) -> list[str]:
        """Return what the hypervisor calls the machines."""
        return [f"{domain_prefix(self._topology.name)}{name}" for name in names]

    def _as_root(self, machine: MachineName) -> Callable[[Sequence[str]], list[str]]:
        return lambda argv: self.enter(machine, argv, user="root", terminal=False)

    def _domains(self) -> dict[MachineName, Domain]:
        machines = {machine.name: machine for machine in self._topology.machines}
        found = {}
        for name, identity in self._paths.identities(self._hypervisor.name).items():
            interfaces = machines[name].interfaces if name in machines else ()
            found[name] = Domain(identity=identity, macs=[interface.mac for interface in interfaces])
        return found

    def _domain(self, machine: MachineName) -> Domain:
        domains = self._domains()
        if machine not in domains:
            raise MachineError(f"there is no machine {machine}", hint="lab up")
        return domains[machine]

    def _status(self, name: MachineName, seen: Seen | None, described: str) -> MachineStatus:
        record = self._records.get(name)
        links: dict[NetworkName, Link] = {}
        for machine in self._topology.machines:
            if machine.name == name and seen:
                links = {nic.network: Link(up=seen.links.get(nic.mac, True)) for nic in machine.interfaces}
        return MachineStatus(
            name=name,
            state=seen.state if seen else State.FAILED,
            links=links,
            boots=record.boots,
            since=record.since,
            configured=record.configured,
            stale=bool(record.description) and record.description != described,
            console=self._paths.consoles / f"{name}.console",
        )

    def _descriptions(self) -> dict[str, str]:
        """Return what tells each machine that lab.yml wants from any other, whatever this host adds to it."""
        nowhere = Setting(box="", box_version="", file="", reach="", consoles="")
        return {
            machine["name"]: hashlib.sha256(json.dumps(machine, sort_keys=True).encode()).hexdigest()[:16]
            for machine in vagrant(self._topology, nowhere)["machines"]
        }

    def _reach(self, machine: MachineName) -> Reach:
        file = self._paths.reach / f"{machine}.json"
        return Reach.read(file, root=self._topology.vagrant.box is None)

    def _up(self, names: Sequence[MachineName]) -> None:
        """Bring machines up, all in one call: libvirt's boot in parallel."""
        # Vagrant takes one name or /a pattern/; python-vagrant passes one word.
        pattern = names[0] if len(names) == 1 else f"/^({'|'.join(names)})$/"
        with self._vagrant(on_error="Vagrant could not bring the machines up") as tool:
            tool.up(vm_name=pattern, provider=self._hypervisor.name.value)
        described = self._descriptions()
        for name in names:
            self._records.change(name, description=described[name], since=time.time())

    def _destroy(self, name: MachineName) -> None:
        with self._vagrant(on_error=f"Vagrant could not remove {name}") as tool:
            tool.destroy(vm_name=name)
        self._forget(name)

    def _disconnect(self, name: MachineName) -> None:
        """End the connections that are kept open to a machine: they do not outlive it."""
        with suppress(MachineError):  # Vagrant never said how to reach it, so nobody did
            self._reach(name).close()

    def _forget(self, name: MachineName) -> None:
        self._disconnect(name)
        self._records.drop(name)
        (self._paths.reach / f"{name}.json").unlink(missing_ok=True)
        (self._paths.consoles / f"{name}.console").unlink(missing_ok=True)

    def _vagrant_has_box(self) -> bool:
        home = Path(os.environ.get("VAGRANT_HOME") or Path.home() / ".vagrant.d")
        directory = home / "boxes" / NAME.replace("/", "-VAGRANTSLASH-") / version()
        return (directory / self._hypervisor.name.value).exists()

    @contextmanager
    def _vagrant(self, *, on_error: str) -> Iterator[Any]:
        """Lend python-vagrant's door to this lab. Raises MachineError, with Vagrant's last words, when it fails."""
        from vagrant import Vagrant  # noqa: PLC0415  # it complains on standard error where Vagrant is not installed

        self._paths.generated.mkdir(parents=True, exist_ok=True)

        @contextmanager
        def log() -> Iterator[IO[bytes]]:
            with self._paths.log.open("ab") as stream:
                yield stream

        try:
            yield Vagrant(root=str(self._paths.checkout), env=self._environment(), out_cm=log, err_cm=log)
        except subprocess.CalledProcessError as error:
            said = self._paths.log.read_text(errors="replace").splitlines()[-LOG_LINES:]
            raise MachineError(
                f"{on_error}:\n{os.linesep.join(said)}", hint=f"all that it said is in {self._paths.log}"
            ) from error
        except RuntimeError as error:
            raise HostError("Vagrant is not installed", hint="lab doctor --provider vagrant") from error

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "LAB_TOPOLOGY": str(self._paths.file),
            "LAB_AT_WORK": "1",
            "VAGRANT_DOTFILE_PATH": str(self._paths.dotfile),
            "VAGRANT_CHECKPOINT_DISABLE": "1",
            "VAGRANT_NO_COLOR": "1",
        }
