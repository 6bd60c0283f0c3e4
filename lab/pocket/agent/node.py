"""The node itself: its registration, its conditions, its Lease."""

from __future__ import annotations

import asyncio
import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Never

from lab.errors import ApiError
from lab.kits.backoff import Backoff
from lab.kits.log import Log
from lab.kits.shell import run
from lab.kube.client import Client, PatchType
from lab.kube.errors import AlreadyExists, NotFound
from lab.kube.lease import micro_time
from lab.kube.resources import LEASES, NODES, Json
from lab.pocket.agent.status import timestamp

log = Log(__name__)
VERSION: Final = "v1.36.2+pocket"
LEASE_NAMESPACE: Final = "kube-node-lease"
LEASE_SECONDS: Final = 40
RENEW: Final = 10.0
STATUS: Final = 60.0
"""Seconds between status reports when nothing changes: the Lease is the sign of life."""
DECLARED_FEATURES: Final = ["ExtendWebSocketsToKubelet"]
"""KEP-4006: so that a kube-apiserver passes WebSockets on instead of speaking SPDY to us."""
MAX_PODS: Final = 110


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What the agent was told about its node."""

    name: str
    addresses: tuple[str, ...]
    port: int
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Json, ...] = ()


def machine() -> Json:
    """Return capacity and nodeInfo of this machine."""
    release = platform.freedesktop_os_release()
    memory = next(
        line.split()[1]
        for line in Path("/proc/meminfo").read_text().splitlines()
        if line.startswith("MemTotal")
    )
    disk = os.statvfs("/")
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    capacity = {
        "cpu": str(os.cpu_count() or 1),
        "memory": f"{memory}Ki",
        "pods": str(MAX_PODS),
        "ephemeral-storage": f"{disk.f_blocks * disk.f_frsize // 1024}Ki",
    }
    info = {
        "machineID": _read("/etc/machine-id"),
        "systemUUID": _read("/etc/machine-id"),
        "bootID": _read("/proc/sys/kernel/random/boot_id"),
        "kernelVersion": platform.release(),
        "osImage": release.get("PRETTY_NAME", "Linux"),
        "containerRuntimeVersion": f"crun://{_crun_version()}",
        "kubeletVersion": VERSION,
        "kubeProxyVersion": VERSION,
        "operatingSystem": "linux",
        "architecture": architecture,
    }
    return {"capacity": capacity, "allocatable": capacity, "nodeInfo": info}


def _read(path: str) -> str:
    file = Path(path)
    return file.read_text().strip() if file.is_file() else ""


def _crun_version() -> str:
    return run(["crun", "--version"]).partition("\n")[0].removeprefix("crun version ")


def node_object(identity: Identity) -> Json:
    """Return the Node to register."""
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    labels = {
        "kubernetes.io/hostname": identity.name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": architecture,
        "beta.kubernetes.io/os": "linux",
        "beta.kubernetes.io/arch": architecture,
        **identity.labels,
    }
    spec = {"taints": list(identity.taints)} if identity.taints else {}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": identity.name, "labels": labels},
        "spec": spec,
        "status": {"addresses": _addresses(identity)},  # pods on the node's network have them from the start
    }


def _addresses(identity: Identity) -> list[Json]:
    internal = [{"type": "InternalIP", "address": each} for each in identity.addresses]
    return [*internal, {"type": "Hostname", "address": identity.name}]


def node_status(identity: Identity, facts: Json, node: Json, *, problem: str, now: datetime) -> Json:
    """Return the status to report. `problem` says why pods cannot run; empty when they can."""
    old = {each["type"]: each for each in (node.get("status") or {}).get("conditions") or ()}
    conditions = [
        {"type": "MemoryPressure", "status": "False", "reason": "KubeletHasSufficientMemory", "message": "kubelet has sufficient memory available"},
        {"type": "DiskPressure", "status": "False", "reason": "KubeletHasNoDiskPressure", "message": "kubelet has no disk pressure"},
        {"type": "PIDPressure", "status": "False", "reason": "KubeletHasSufficientPID", "message": "kubelet has sufficient PID available"},
        {"type": "Ready", "status": "False" if problem else "True", "reason": "KubeletNotReady" if problem else "KubeletReady", "message": problem or "kubelet is posting ready status"},
    ]  # fmt: skip
    for each in conditions:
        before = old.get(each["type"], {})
        moved = before["lastTransitionTime"] if before.get("status") == each["status"] else timestamp(now)
        each |= {"lastHeartbeatTime": timestamp(now), "lastTransitionTime": moved}
    return {
        **facts,
        "addresses": _addresses(identity),
        "conditions": conditions,
        "declaredFeatures": DECLARED_FEATURES,
        "daemonEndpoints": {"kubeletEndpoint": {"Port": identity.port}},
    }


class NodeReporter:
    """Keeps the Node's status and Lease fresh."""

    def __init__(self, client: Client, identity: Identity, *, problem: Callable[[], str]) -> None:
        """Ask `problem` for why pods cannot run at the moment."""
        self._client = client
        self._identity = identity
        self._problem = problem
        self._facts: Json = {}
        self._wake = asyncio.Event()

    async def register(self) -> Json:
        """Create the Node, or take over the one that is there; return it. Waits for the API as long as it takes."""
        self._facts = await asyncio.to_thread(machine)
        backoff = Backoff()
        while True:
            try:
                try:
                    return await self._client.create(NODES, node_object(self._identity))
                except AlreadyExists:
                    labels = {"metadata": {"labels": node_object(self._identity)["metadata"]["labels"]}}
                    return await self._client.patch(NODES, self._identity.name, labels)
            except ApiError as error:
                log.info("cannot register the node yet", error=error.message)
                await asyncio.sleep(backoff.delay())

    def changed(self) -> None:
        """Report soon: what `problem` answers is another thing now."""
        self._wake.set()

    async def run(self) -> Never:
        """Report status and renew the Lease until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._report_forever())
            group.create_task(self._renew_forever())
        raise AssertionError("runs until cancelled")

    async def _report_forever(self) -> Never:
        while True:
            self._wake.clear()
            try:
                await self._report()
            except ApiError as error:
                log.info("cannot report the node's status", error=error.message)
                await asyncio.sleep(1)
                continue
            try:
                async with asyncio.timeout(STATUS):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _report(self) -> None:
        try:
            node = await self._client.get(NODES, self._identity.name)
        except NotFound:
            node = await self.register()
        status = node_status(
            self._identity, self._facts, node, problem=self._problem(), now=datetime.now(UTC)
        )
        # Addresses are merged by their type: two of one type can only be written as a whole.
        patch = {"status": {**status, "addresses": [*status["addresses"], {"$patch": "replace"}]}}
        await self._client.patch(
            NODES, self._identity.name, patch, subresource="status", kind=PatchType.STRATEGIC
        )

    async def _renew_forever(self) -> Never:
        while True:
            try:
                await self._renew()
            except ApiError as error:
                log.info("cannot renew the lease", error=error.message)
                await asyncio.sleep(1)
            else:
                await asyncio.sleep(RENEW)

    async def _renew(self) -> None:
        spec = {
            "holderIdentity": self._identity.name,
            "leaseDurationSeconds": LEASE_SECONDS,
            "renewTime": micro_time(datetime.now(UTC)),
        }
        try:
            await self._client.patch(LEASES, self._identity.name, {"spec": spec}, namespace=LEASE_NAMESPACE)
        except NotFound:
            metadata = {"name": self._identity.name, "namespace": LEASE_NAMESPACE}
            body = {"apiVersion": LEASES.api_version, "kind": LEASES.kind, "metadata": metadata, "spec": spec}
            await self._client.create(LEASES, body)
