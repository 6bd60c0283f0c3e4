"""The agent's loop: the pods that the API gives to this node, each run by a task of its own."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Never

from lab.kits.log import Log
from lab.kube.client import Client
from lab.kube.events import Recorder
from lab.kube.resources import NODES, PODS, SERVICES, Json, ObjectKey
from lab.kube.watch import Change, ChangeType, Reflector, without_managed_fields
from lab.pocket.agent.builtin import built_in
from lab.pocket.agent.images import Images
from lab.pocket.agent.network import Network
from lab.pocket.agent.node import Identity, NodeReporter
from lab.pocket.agent.pod import Facilities, Pod
from lab.pocket.agent.records import runs
from lab.pocket.agent.runtime import Runtime, discard
from lab.pocket.agent.server import Server, server_tls
from lab.pocket.agent.sources import Supplier

log = Log(__name__)
LOGS: Final = Path("/var/log/pods")
CAPABILITIES: Final = (
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
    "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
    "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
    "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
    "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF",
    "CHECKPOINT_RESTORE",
)  # fmt: skip
"""By bit: linux/capability.h."""


class Agent:
    """Runs the pods of one node."""

    def __init__(
        self,
        client: Client,
        identity: Identity,
        *,
        directory: Path,
        images: Path,
        cluster_cidrs: Sequence[str],
        cluster_dns: str,
        cluster_domain: str,
    ) -> None:
        """Keep what does not outlive a boot in `directory`, which must not be on an overlay file system."""
        self._identity = identity
        self._directory = directory
        self._network = Network(directory / "cni", cluster_cidrs)
        self._runtime = Runtime(directory / "crun")
        self._recorder = Recorder(client, component="kubelet", instance=identity.name)
        self._reporter = NodeReporter(client, identity, problem=self._problem)
        self._supplier = Supplier(client)
        self._node: Json = {"metadata": {"name": identity.name}, "spec": {}}
        self._nodes = Reflector(client, NODES, without_managed_fields, on_change=self._node_changed)
        self._services = Reflector(client, SERVICES, without_managed_fields)
        self._pods = Reflector(
            client,
            PODS,
            without_managed_fields,
            on_change=self._pod_changed,
            fields=f"spec.nodeName={identity.name}",
        )
        self._client = client
        self._image_directory = images
        self._cluster = (cluster_dns, cluster_domain)
        self._network_changed = asyncio.Event()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.running: dict[str, Pod] = {}
        """By uid."""
        self._facilities: Facilities | None = None
        self._group: asyncio.TaskGroup | None = None

    def find(self, key: ObjectKey) -> Pod | None:
        """Return the pod of a name that runs here."""
        return next((pod for pod in self.running.values() if pod.key == key), None)

    @property
    def runtime(self) -> Runtime:
        return self._runtime

    async def run(self) -> Never:
        """Register the node and run its pods until cancelled; they run on after that, for the next agent."""
        self._facilities = await asyncio.to_thread(self._furnish)
        self._runtime.become_subreaper()
        tls = await asyncio.to_thread(
            server_tls,
            self._client.config.tls,
            self._directory,
            self._identity.name,
            self._identity.addresses,
        )
        self._node = await self._reporter.register()
        async with asyncio.TaskGroup() as group:
            self._group = group
            group.create_task(self._recorder.run())
            group.create_task(self._runtime.reap_forever())
            group.create_task(Server(self, port=self._identity.port, tls=tls).run())
            group.create_task(self._nodes.run())
            group.create_task(self._services.run())
            group.create_task(self._reporter.run())
            await self._nodes.synced.wait()
            await self._services.synced.wait()
            await self._follow_network()
            group.create_task(self._keep_network())
            group.create_task(self._pods.run())
            await self._pods.synced.wait()
            await self._sweep()
        raise AssertionError("runs until cancelled")

    def _problem(self) -> str:
        if not self._network.ranges:
            return "container runtime network not ready: the node has no pod range yet"
        return ""

    async def _sweep(self) -> None:
        """Remove what earlier agents left of pods that the API does not have here any more."""
        for directory in (self._directory / "pods").glob("*"):
            if directory.name in self.running:
                continue
            for place, record in runs(directory):
                await discard(self._runtime, place, record.id)
            await self._network.detach(f"pod-{directory.name}", ())
            await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)

    def _furnish(self) -> Facilities:
        for each in (self._directory, self._directory / "crun", self._directory / "images"):
            each.mkdir(parents=True, mode=0o711, exist_ok=True)
        self._image_directory.mkdir(parents=True, exist_ok=True)
        return Facilities(
            client=self._client,
            recorder=self._recorder,
            images=Images(self._image_directory, built_in(self._directory / "images")),
            runtime=self._runtime,
            network=self._network,
            supplier=self._supplier,
            directory=self._directory / "pods",
            logs=LOGS,
            node=lambda: self._node,
            services=lambda: list(self._services.store.values()),
            cluster_dns=self._cluster_dns,
            cluster_domain=self._cluster[1],
            capabilities=_capabilities(),
            controllers=_controllers(),
        )

    def _cluster_dns(self) -> str:
        """Return the address that we were told, or that of the Service kube-dns; empty without one."""
        found = self._services.store.get(ObjectKey("kube-system", "kube-dns"))
        return self._cluster[0] or (found["spec"].get("clusterIP", "") if found else "")

    def _node_changed(self, change: Change[Json]) -> None:
        if change.new and change.key.name == self._identity.name:
            self._node = change.new
        self._network_changed.set()

    async def _keep_network(self) -> Never:
        while True:
            await self._network_changed.wait()
            await self._follow_network()

    async def _follow_network(self) -> None:
        """Take over this node's pod ranges, once it has them, and the routes to those of the others."""
        self._network_changed.clear()
        ranges = self._node["spec"].get("podCIDRs") or ()
        if ranges and not self._network.ranges:
            await self._network.set_up(ranges)
            self._reporter.changed()
        others = [node for key, node in self._nodes.store.items() if key.name != self._identity.name]
        await self._network.route(others)

    def _pod_changed(self, change: Change[Json]) -> None:
        if change.type is ChangeType.SYNCED:
            return
        item = change.new or change.old
        if item is None:
            return
        uid = item["metadata"]["uid"]
        if change.new is None:
            if pod := self.running.get(uid):
                pod.vanish()
            return
        if change.old and change.old["metadata"]["uid"] != uid:
            self.running[change.old["metadata"]["uid"]].vanish()
        if pod := self.running.get(uid):
            pod.update(change.new)
        elif (change.new.get("status") or {}).get("phase") not in {
            "Succeeded",
            "Failed",
        } or "deletionTimestamp" in change.new["metadata"]:
            self._start(change.new)

    def _start(self, item: Json) -> None:
        if self._facilities is None or self._group is None:
            raise AssertionError("pods come after the agent is furnished")
        pod = Pod(item, self._facilities)
        self.running[pod.uid] = pod
        self._group.create_task(self._run(pod))

    async def _run(self, pod: Pod) -> None:
        try:
            await pod.run()
        except Exception:  # the top of a pod's task: one pod must not end the others
            log.exception("a pod was given up", pod=str(pod.key))
        finally:
            self.running.pop(pod.uid, None)
            self._supplier.forget(pod.uid)


def _capabilities() -> frozenset[str]:
    """Return the capabilities that this machine has to give away."""
    lines = Path("/proc/self/status").read_text().splitlines()
    bits = int(next(line.split()[1] for line in lines if line.startswith("CapBnd:")), 16)
    return frozenset(f"CAP_{name}" for bit, name in enumerate(CAPABILITIES) if bits >> bit & 1)


def _controllers() -> frozenset[str]:
    """Return the controllers of control groups that can limit containers here."""
    path = Path("/sys/fs/cgroup/cgroup.subtree_control")
    return frozenset(path.read_text().split() if path.is_file() else ())
