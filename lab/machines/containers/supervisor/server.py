"""The supervisor's ears: one request a connection, one JSON line each way, and a state file for all who only look."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from lab.errors import LabError, MachineError
from lab.kits.files import write_atomically
from lab.machines.containers.paths import RunPaths
from lab.machines.containers.spec import VERSION, MachineSpec
from lab.machines.containers.supervisor import wires
from lab.machines.containers.supervisor.machine import Machine
from lab.machines.port import Link, State

Request = Mapping[str, Any]
LONGEST_REQUEST = 4 << 20


class Supervisor:
    """All machines of a lab, and the requests that change them."""

    def __init__(self, *, paths: RunPaths, project: str, host_pid: int) -> None:
        self._paths = paths
        self._project = project
        self._host_pid = host_pid
        self._started = time.time()
        self._bridges: dict[str, str] = {}
        self.machines: dict[str, Machine] = {}

    def write_state(self) -> None:
        """Publish what is true now, for everyone to read."""
        state = {
            "version": VERSION,
            "lab": self._paths.lab,
            "project": self._project,
            "pid": self._host_pid,
            "started": self._started,
            "machines": {name: machine.describe() for name, machine in self.machines.items()},
        }
        write_atomically(self._paths.state, json.dumps(state))

    def reap(self) -> None:
        """Collect every child that ended: machines, and orphans, which come to PID 1 of the namespace."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for machine in self.machines.values():
                if machine.pid == pid:
                    machine.exited(status)

    async def define(self, request: Request) -> dict[str, Any]:
        """Make the machines exactly those of the request, running; answer with the names that had to be started."""
        specs = {raw["name"]: MachineSpec.from_json(raw) for raw in request["machines"]}
        fresh = set(request.get("fresh", ()))
        self._ensure_bridges(specs)
        for name, machine in list(self.machines.items()):
            if name in fresh or specs.get(name) != machine.spec:
                await machine.remove()
                del self.machines[name]
        started = []
        for name, spec in specs.items():
            if name not in self.machines:
                self.machines[name] = Machine(spec, paths=self._paths, changed=self.write_state)
                disk = request["disks"][name]
                self.machines[name].prepare(disk["lower"], base=disk["base"], layer=disk["layer"])
            if self.machines[name].state in (State.OFF, State.FAILED):
                self.machines[name].start()
                started.append(name)
        self.write_state()
        for name in started:
            await self.machines[name].booted()
        return {"started": started}

    async def power(self, request: Request) -> dict[str, Any]:
        machine = self._machine(request)
        match request["action"]:
            case "start":
                machine.start()
                await machine.booted()
            case "stop":
                await machine.stop()
            case "reboot":
                await machine.reboot()
            case "kill":
                await machine.kill()
            case "freeze":
                machine.freeze()
            case "thaw":
                machine.thaw()
        return {}

    async def link(self, request: Request) -> dict[str, Any]:
        self._machine(request).set_link(request["network"], Link(up=request["up"], loss=request["loss"]))
        return {}

    async def capture(self, request: Request) -> dict[str, Any]:
        target = Path(request["target"]) if request["target"] else None
        self._machine(request).capture(target, request["layer"])
        return {}

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        verbs: dict[str, Callable[[Request], Awaitable[dict[str, Any]]]] = {
            "define": self.define,
            "power": self.power,
            "link": self.link,
            "capture": self.capture,
        }
        try:
            request = json.loads(await reader.readline())
            reply = {"value": await verbs[request["verb"]](request)}
        except (LabError, TimeoutError) as error:
            reply = {"error": {"message": str(error) or "it took too long"}}
        writer.write(json.dumps(reply).encode() + b"\n")
        await writer.drain()
        writer.close()

    def _machine(self, request: Request) -> Machine:
        try:
            return self.machines[request["machine"]]
        except KeyError:
            raise MachineError(f"no machine {request['machine']} in lab {self._paths.lab}") from None

    def _ensure_bridges(self, specs: Mapping[str, MachineSpec]) -> None:
        wanted = {nic.bridge: nic.network for spec in specs.values() for nic in spec.nics}
        missing = {bridge: network for bridge, network in wanted.items() if bridge not in self._bridges}
        if missing:
            wires.make_bridges(missing.items())
            self._bridges |= missing
