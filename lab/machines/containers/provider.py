"""The provider of machine containers: what a verb asks, turned into requests to the supervisor."""

from __future__ import annotations

import hashlib
import os
import select
import shutil
import signal
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from lab.errors import MachineError
from lab.machines.containers import base, cgroups, control
from lab.machines.containers.paths import RunPaths
from lab.machines.containers.shelves import bases, layers
from lab.machines.containers.specs import machine_specs
from lab.machines.port import LabStatus, Link, MachineStatus, Power, State
from lab.topology.model import MachineName, NetworkName, Topology

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
DESTROY_TIMEOUT = 10.0


class Containers:
    """The machine containers of one lab (implements the ports `Provider` and `Captures`)."""

    name = "containers"
    slowness = 1.0
    online = False

    def __init__(self, topology: Topology, *, project: Path) -> None:
        self._topology = topology
        self._project = project
        self._paths = RunPaths(topology.name)

    def status(self) -> LabStatus:
        try:
            published = control.read(self._paths)
        except control.OtherVersionError as other:
            return LabStatus(exists=True, project=other.project, provider=self.name)
        if published is None:
            return LabStatus(exists=False)
        digests = {spec.name: spec.digest() for spec in machine_specs(self._topology)}
        machines = tuple(
            MachineStatus(
                name=MachineName(name),
                state=State(known["state"]),
                links={NetworkName(network): link for network, link in control.links(known).items()},
                boots=known["boots"],
                since=known["since"],
                configured=known["configured"],
                stale=known["spec"] != digests.get(name),
                console=self._paths.console(name),
            )
            for name, known in published.machines.items()
        )
        return LabStatus(
            exists=True,
            project=published.project,
            provider=self.name,
            since=published.started,
            machines=machines,
        )

    def prepare(self, on_line: Callable[[str], None] | None) -> bool:
        if base.find():
            return False
        if on_line:
            base.build(on_line)
        return True

    def create(
        self, wanted: Mapping[MachineName, str], *, fresh: Collection[MachineName] = ()
    ) -> Sequence[MachineName]:
        published = control.read(self._paths)
        if published is None:
            self.destroy()
            control.launch(self._paths, self._project)
        specs = machine_specs(self._topology)
        request = {
            "verb": "define",
            "machines": [spec.to_json() for spec in specs],
            "disks": {spec.name: self._disk(wanted.get(MachineName(spec.name), "")) for spec in specs},
            "fresh": list(fresh),
        }
        return [MachineName(name) for name in control.ask(self._paths, request)["started"]]

    def power(self, machine: MachineName, action: Power) -> None:
        control.ask(self._paths, {"verb": "power", "machine": machine, "action": action.value})

    def link(self, machine: MachineName, network: NetworkName, state: Link) -> None:
        request = {"verb": "link", "machine": machine, "network": network, "up": state.up, "loss": state.loss}
        control.ask(self._paths, request)

    def enter(self, machine: MachineName, argv: Sequence[str], *, user: str, terminal: bool) -> list[str]:
        published = control.read(self._paths)
        if published is None:
            raise MachineError(f"lab {self._topology.name} is not up", hint="lab up")
        return enter_command(published.leader(machine), argv, user=user, terminal=terminal)

    def connections(self) -> Mapping[MachineName, Mapping[str, str | bool]]:
        # nsenter makes root at once: sudo would only cost time.
        reach: dict[str, str | bool] = {
            "ansible_connection": "lab_machine",
            "ansible_lab_state": str(self._paths.state),
            "ansible_become": False,
        }
        return {machine.name: reach for machine in self._topology.machines}

    def knows(self, configuration: str) -> bool:
        return layers().get(_layer_name(configuration, base.fingerprint())) is not None

    def capture(self, machine: MachineName, configuration: str) -> None:
        published = control.read(self._paths)
        if published is None:
            raise MachineError(f"lab {self._topology.name} is not up", hint="lab up")
        known = published.machines[machine]
        request = {"verb": "capture", "machine": machine, "layer": configuration}
        if known["configured"]:
            # Its disk stands on a layer or has been in use: no whole configuration, or more than one.
            control.ask(self._paths, {**request, "target": ""})
            return

        def fill(tree: Path) -> None:
            control.ask(self._paths, {**request, "target": str(tree)})

        layers().make(_layer_name(configuration, known["base"]), fill)

    def destroy(self) -> None:
        """Kill the supervisor, and so everything; then whatever its control groups still hold; then the directories."""
        pids = cgroups.processes(self._topology.name)
        for pid in [*self._supervisor(), *pids]:
            _kill(pid)
        cgroups.remove(self._topology.name)
        shutil.rmtree(self._paths.directory, ignore_errors=True)

    def _supervisor(self) -> list[int]:
        try:
            published = control.read(self._paths)
        except control.OtherVersionError as other:
            return [other.pid]
        return [published.pid] if published else []

    def _disk(self, configuration: str) -> dict[str, object]:
        """Return the layers of a machine's disk, topmost first, with the names of the converged one and of the base."""
        name = base.fingerprint()
        lower = [str(bases().entry(name).tree)]
        if not configuration or not self.knows(configuration):
            return {"layer": "", "base": name, "lower": lower}
        layer = layers().entry(_layer_name(configuration, name)).tree
        return {"layer": configuration, "base": name, "lower": [str(layer), *lower]}


def _layer_name(configuration: str, base_name: str) -> str:
    """A layer fits only the base that it was captured over, which need not be the one that is built today."""
    return hashlib.sha256(f"{configuration} {base_name}".encode()).hexdigest()[:32]


def enter_command(leader: int, argv: Sequence[str], *, user: str, terminal: bool) -> list[str]:
    """Return the host command that runs `argv` in all namespaces of the machine whose first process is `leader`.

    With `terminal`, script(1) gives the command a terminal of the machine's own: the right size, job control, Ctrl-C.
    """
    inside = list(argv) if user == "root" else ["runuser", "--user", user, "--", *argv]
    if terminal:
        login = ["runuser", "--login", user]
        inside = ["script", "--quiet", "--return", "--command", f"exec {' '.join(login)}", "/dev/null"]
    keep = [f"{name}={os.environ[name]}" for name in ("TERM", "COLORTERM") if name in os.environ]
    enter = ["nsenter", f"--target={leader}", "--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd"]
    home = "/root" if user == "root" else f"/home/{user}"
    return [*enter, "--", "env", "-i", f"PATH={PATH}", f"HOME={home}", "LANG=C.UTF-8", *keep, *inside]


def _kill(pid: int) -> None:
    """Kill one process, the very one that `pid` names now, and wait for its end."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        select.select([descriptor], [], [], DESTROY_TIMEOUT)
    except ProcessLookupError:
        return
    finally:
        os.close(descriptor)
