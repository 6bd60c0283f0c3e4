"""libvirt through virsh: one call for a whole lab, because each costs more than what it asks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from lab.kits.shell import CommandError, run
from lab.machines.port import State
from lab.machines.vagrant.hypervisor import Domain, Seen
from lab.topology.model import Hypervisor, MachineName

URI: Final = "qemu:///system"
POOL: Final = "default"
"""Where vagrant-libvirt puts disks."""
MARK: Final = "machine:"
STATES: Final = {
    "running": State.RUNNING,
    "idle": State.RUNNING,
    "in shutdown": State.RUNNING,
    "paused": State.FROZEN,
    "pmsuspended": State.FROZEN,
    "shut off": State.OFF,
    "crashed": State.FAILED,
}


class Libvirt:
    """Implements `Hypervisor`."""

    name = Hypervisor.LIBVIRT

    def observe(self, domains: Mapping[MachineName, Domain]) -> Mapping[MachineName, Seen]:
        if not domains:
            return {}
        commands = "; ".join(
            command for name, domain in domains.items() for command in _questions(name, domain)
        )
        # virsh says what it knows and fails at the end when a domain is gone; a failure to connect says nothing.
        argv = ["sh", "-c", 'virsh --connect "$0" "$1" 2>&1 || true', URI, commands]
        answer = run(argv)
        if MARK not in answer:
            raise CommandError(f"libvirt does not answer: {answer.strip()}", hint="lab doctor says why")
        return dict(read(answer))

    def kill(self, domain: Domain) -> None:
        self._do("destroy", domain.identity)

    def freeze(self, domain: Domain) -> None:
        self._do("suspend", domain.identity)

    def thaw(self, domain: Domain) -> None:
        self._do("resume", domain.identity)

    def plug(self, domain: Domain, mac: str, *, up: bool) -> None:
        self._do("domif-setlink", domain.identity, mac, "up" if up else "down")

    def sweep(self, names: Collection[str], networks: Collection[str] = ()) -> None:
        running = self._listed("list", "--name")
        for domain in self._listed("list", "--all", "--name", "--persistent") & set(names):
            if domain in running:
                self._do("destroy", domain)
            self._do("undefine", "--managed-save", "--snapshots-metadata", domain)
        for volume in self._listed("vol-list", POOL) & {f"{name}.img" for name in names}:
            self._do("vol-delete", "--pool", POOL, volume)
        active = self._listed("net-list", "--name")
        for network in self._listed("net-list", "--all", "--name") & set(networks):
            if network in active:
                self._do("net-destroy", network)
            self._do("net-undefine", network)

    def _listed(self, *words: str) -> set[str]:
        """Return the names that virsh lists, each the first word of a line; none where there is nothing to list."""
        try:
            return {line.split()[0] for line in self._do(*words).splitlines() if line.strip()}
        except CommandError:
            return set()

    @staticmethod
    def _do(*words: str) -> str:
        return run(["virsh", "--quiet", "--connect", URI, *words])


def _questions(name: str, domain: Domain) -> Iterator[str]:
    yield f"echo {MARK}{name}"
    yield f"domstate {domain.identity}"
    yield from (f"domif-getlink {domain.identity} {mac}" for mac in domain.macs)


def read(answer: str) -> Iterator[tuple[MachineName, Seen]]:
    """Yield what virsh answered to the questions of `observe`, machine by machine."""
    for part in answer.split(MARK)[1:]:
        name, *lines = (line.strip() for line in part.splitlines() if line.strip())
        state = next((STATES[line] for line in lines if line in STATES), None)
        pairs = (line.rsplit(" ", 1) for line in lines if line.endswith((" up", " down", " default")))
        if state is not None:
            yield MachineName(name), Seen(state=state, links={mac.lower(): up != "down" for mac, up in pairs})
