"""One machine through its boots: what it should be, what it is, and the moves between the two."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from lab.errors import MachineError
from lab.machines.containers import cgroups
from lab.machines.containers.paths import RunPaths
from lab.machines.containers.spec import MachineSpec, NicSpec
from lab.machines.containers.supervisor import nspawn, wires
from lab.machines.containers.supervisor.rootfs import Rootfs
from lab.machines.port import Link, State

BOOT_TIMEOUT = 60.0
STOP_TIMEOUT = 20.0


class Machine:
    """A machine of the lab. `changed` is called after every change that an observer may see."""

    def __init__(self, spec: MachineSpec, *, paths: RunPaths, changed: Callable[[], None]) -> None:
        self.spec = spec
        self.state = State.OFF
        self.since = time.time()
        self.boots = 0
        self.leader: int | None = None
        self.configured = ""
        self.base = ""
        self.links = {nic.network: Link() for nic in spec.nics}
        self._paths = paths
        self._changed = changed
        self._rootfs = Rootfs(paths.filesystems / spec.name)
        self._process: subprocess.Popen[bytes] | None = None
        self._notify: socket.socket | None = None
        self._settled = asyncio.Event()
        """Clear while the machine boots."""
        self._settled.set()
        self._ended = asyncio.Event()
        """Clear while there is a process."""
        self._ended.set()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def describe(self) -> dict[str, Any]:
        """Return what state.json says of this machine."""
        return {
            "spec": self.spec.digest(),
            "state": self.state.value,
            "since": self.since,
            "boots": self.boots,
            "leader": _host_pid(self._paths.host_proc, self.leader) if self.leader else None,
            "configured": self.configured,
            "base": self.base,
            "links": {network: {"up": link.up, "loss": link.loss} for network, link in self.links.items()},
        }

    def prepare(self, lower: Sequence[str], *, base: str, layer: str) -> None:
        """Give the machine its disk: the layers `lower`, of which the last is called `base`, the converged one `layer`."""
        self._rootfs.mount(lower, self.spec.files)
        self.base = base
        self.configured = layer

    def start(self) -> None:
        """Begin to boot. Does nothing when the machine runs."""
        if self._process:
            return
        self._rootfs.directory.mkdir(parents=True, exist_ok=True)
        wires.plug(self.spec.name, self.spec.nics)
        for nic in self.spec.nics:
            if self.links[nic.network] != Link():
                self._apply(nic, self.links[nic.network])
        notify = self._rootfs.directory / "notify"
        self._notify = nspawn.listen_for_notifications(notify)
        asyncio.get_running_loop().add_reader(self._notify, self._on_notify)
        argv = nspawn.command(name=self.spec.name, root=self._rootfs.root, namespace=self.spec.name)
        console = self._paths.console(self.spec.name)
        self._process = nspawn.spawn(
            argv, lab=self._paths.lab, machine=self.spec.name, notify=notify, console=console
        )
        self._ended.clear()
        self.boots += 1
        self._enter(State.STARTING)

    async def booted(self) -> None:
        """Wait until the machine runs. Raises MachineError when it dies or takes too long on the way."""
        with suppress(TimeoutError):
            async with asyncio.timeout(BOOT_TIMEOUT):
                await self._settled.wait()
        if self.state is not State.RUNNING:
            how = (
                "died while it booted"
                if self.state is State.FAILED
                else f"did not boot in {BOOT_TIMEOUT:g} s"
            )
            console = self._paths.console(self.spec.name)
            raise MachineError(f"{self.spec.name} {how}; its console is in {console}")

    async def stop(self) -> None:
        """Shut down in order; a machine that does not obey in time is killed."""
        if self.state is State.FROZEN:
            self.thaw()
        self._signal(nspawn.POWEROFF)
        await self._gone()

    async def reboot(self) -> None:
        """Reboot from inside: the network namespace and its interfaces are made anew, the disk stays."""
        self._require(State.RUNNING)
        self._signal(nspawn.REBOOT)
        async with asyncio.timeout(STOP_TIMEOUT):
            await self._ended.wait()
        await self.booted()

    async def kill(self) -> None:
        """Cut the power: the cables go first, so that nothing the dying machine sends can leave it."""
        wires.unplug(self.spec.name, self.spec.nics)
        self._signal(signal.SIGKILL)
        await self._gone()
        self._enter(State.OFF)

    def freeze(self) -> None:
        """Stop every process. The kernel would still answer ping for the machine, so its cables go down too."""
        self._require(State.RUNNING)
        cgroups.freeze(self._paths.lab, self.spec.name, frozen=True)
        for nic in self.spec.nics:
            wires.set_port(nic.port, up=False, loss=0)
        self._enter(State.FROZEN)

    def thaw(self) -> None:
        self._require(State.FROZEN)
        cgroups.freeze(self._paths.lab, self.spec.name, frozen=False)
        for nic in self.spec.nics:
            self._apply(nic, self.links[nic.network])
        self._enter(State.RUNNING)

    def set_link(self, network: str, link: Link) -> None:
        """Bring a cable to `link`, now or when the machine next runs. Raises MachineError for an unknown network."""
        nic = next((nic for nic in self.spec.nics if nic.network == network), None)
        if nic is None:
            raise MachineError(f"{self.spec.name} has no cable to {network}")
        self.links[network] = link
        if self.state in (State.RUNNING, State.STARTING):
            self._apply(nic, link)
        self._changed()

    def capture(self, target: Path | None, layer: str) -> None:
        """Note that the machine is configured as `layer`, and copy what its disk gained to `target` if there is one."""
        self._require(State.RUNNING)
        if target:
            cgroups.freeze(self._paths.lab, self.spec.name, frozen=True)
            try:
                self._rootfs.capture(target)
            finally:
                cgroups.freeze(self._paths.lab, self.spec.name, frozen=False)
        self.configured = layer
        self._changed()

    async def remove(self) -> None:
        """End the machine and forget its disk."""
        if self._process:
            await self.kill()
        self._rootfs.discard()

    def exited(self, status: int) -> None:
        """Take note that nspawn ended with the wait status `status`; boot again if that was a reboot."""
        code = os.waitstatus_to_exitcode(status)
        if self._process:
            self._process.returncode = code
        self._process = self.leader = None
        self._ended.set()
        if self._notify:
            asyncio.get_running_loop().remove_reader(self._notify)
            self._notify.close()
            self._notify = None
        wires.unplug(self.spec.name, self.spec.nics)
        self._enter(State.OFF if code in (0, nspawn.REBOOT_EXIT) else State.FAILED)
        if code == nspawn.REBOOT_EXIT:
            self.start()

    def _on_notify(self) -> None:
        if self._notify is None:
            return
        report = nspawn.parse_notification(self._notify.recv(8192))
        if report.leader:
            self.leader = report.leader
        if report.ready:
            self._enter(State.RUNNING)

    def _enter(self, state: State) -> None:
        self.state = state
        self.since = time.time()
        if state is State.STARTING:
            self._settled.clear()
        else:
            self._settled.set()
        self._changed()

    async def _gone(self) -> None:
        """Wait for the end of the machine; kill it when it takes too long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_TIMEOUT):
                await self._ended.wait()
                return
        self._signal(signal.SIGKILL)
        async with asyncio.timeout(STOP_TIMEOUT):
            await self._ended.wait()

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            if self.leader:
                os.kill(self.leader, number)
            elif self._process:
                self._process.kill()

    def _require(self, state: State) -> None:
        if self.state is not state:
            raise MachineError(f"{self.spec.name} is {self.state}, not {state}")

    @staticmethod
    def _apply(nic: NicSpec, link: Link) -> None:
        wires.set_port(nic.port, up=link.up, loss=link.loss)


def _host_pid(host_proc: Path, pid: int) -> int | None:
    """Translate a PID of this namespace into the host's: a pidfd's fdinfo names it as the reading procfs sees it."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    try:
        lines = (host_proc / "self" / "fdinfo" / str(descriptor)).read_text().splitlines()
    finally:
        os.close(descriptor)
    return next((int(line.split()[1]) for line in lines if line.startswith("Pid:")), None)
