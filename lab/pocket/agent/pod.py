"""One pod's life on this node: network and volumes, init containers, containers, the end."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from lab.errors import ApiError
from lab.kits.backoff import Backoff
from lab.kits.log import Log
from lab.kube.client import Client
from lab.kube.errors import NotFound
from lab.kube.events import EventType, Recorder
from lab.kube.resources import PODS, Json, ObjectKey
from lab.pocket.agent import builtin
from lab.pocket.agent.bundle import Mount, Plan, runtime_spec
from lab.pocket.agent.container import Container
from lab.pocket.agent.dns import resolv_conf
from lab.pocket.agent.environment import command_line, environment, hostname
from lab.pocket.agent.errors import ContainerError, ImageNeverPulled
from lab.pocket.agent.etc import text_of_file, write_etc
from lab.pocket.agent.identity import identity
from lab.pocket.agent.images import Image, Images
from lab.pocket.agent.network import NAMESPACES, Network, internal_ips, port_mappings
from lab.pocket.agent.publisher import Publisher
from lab.pocket.agent.records import PodRecord
from lab.pocket.agent.runtime import Runtime
from lab.pocket.agent.sources import Supplier
from lab.pocket.agent.status import Ended, PodState, pod_status
from lab.pocket.agent.volumes import FILE_KINDS, Sources, contents, mounts, prepare, write

log = Log(__name__)
DEFAULT_GRACE: Final = 30
REFRESH: Final = 60.0
"""Seconds between looks at whether the ConfigMaps, Secrets and tokens in a pod's volumes have changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facilities:
    """What all pods of the node share."""

    client: Client
    recorder: Recorder
    images: Images
    runtime: Runtime
    network: Network
    supplier: Supplier
    directory: Path
    logs: Path
    node: Callable[[], Json]
    services: Callable[[], Iterable[Json]]
    cluster_dns: Callable[[], str]
    cluster_domain: str
    capabilities: frozenset[str]
    controllers: frozenset[str]


def now() -> datetime:
    return datetime.now(UTC)


class Pod:
    """Runs one pod. It is a `container.Host` for its containers."""

    def __init__(self, pod: Json, shared: Facilities) -> None:
        self.pod = pod
        self.key = ObjectKey.of(pod)
        self.uid: str = pod["metadata"]["uid"]
        self.runtime = shared.runtime
        self.directory = shared.directory / self.uid
        self.log_directory = shared.logs / f"{self.key.namespace}_{self.key.name}_{self.uid}"
        self._shared = shared
        self._namespace = f"pod-{self.uid}"
        self._host_network = bool(pod["spec"].get("hostNetwork"))
        policy = pod["spec"].get("restartPolicy", "Always")
        self.init = [
            Container(self, each, policy=_init_policy(each, policy))
            for each in pod["spec"].get("initContainers") or ()
        ]
        self.containers = [Container(self, each, policy=policy) for each in pod["spec"]["containers"]]
        states = [each.state for each in self.containers]
        self.state = PodState(now(), [each.state for each in self.init], states)
        for each in (*self.state.init, *self.state.containers):
            if self.init:
                each.waiting = "PodInitializing"
        self.state.initialized = not self.init
        self._was_initialized = self._recall()
        self._sources: Sources | None = None
        self._places: dict[str, Path] = {}
        self._stopping = asyncio.Event()
        self._publisher = Publisher(shared.client, self.key, self.uid, self._status)

    def _recall(self) -> bool:
        """Take over what an earlier agent made of the pod; return whether its init containers are done."""
        record = PodRecord.load(self.directory)
        if record is None:
            return False
        self.state.ips, self.state.sandbox = record.ips, True
        self.state.host_ips = internal_ips(self._shared.node())
        self.state.initialized = record.initialized or not self.init
        for each in (*self.init, *self.containers):
            each.recall()
        return record.initialized

    @property
    def ip(self) -> str:
        return self.state.ips[0] if self.state.ips else "127.0.0.1"

    def update(self, pod: Json) -> None:
        """Take over what the API says now: the wish to end, readiness gates, a readiness that is not ours."""
        self.pod = pod
        gates = [each["conditionType"] for each in pod["spec"].get("readinessGates") or ()]
        conditions = {
            each["type"]: each["status"] == "True"
            for each in (pod.get("status") or {}).get("conditions") or ()
        }
        met = {gate: conditions.get(gate, False) for gate in gates}
        if met != self.state.gates:
            self.state.gates = met
            self.changed()
        self._publisher.shown(pod.get("status") or {})
        if "deletionTimestamp" in pod["metadata"]:
            self._stopping.set()

    def vanish(self) -> None:
        """Take note that the API has no such pod any more: it ends without further ado."""
        self.pod["metadata"].setdefault("deletionGracePeriodSeconds", 1)
        self._stopping.set()

    @property
    def ending(self) -> bool:
        return self._stopping.is_set()

    def changed(self) -> None:
        self._publisher.changed()

    def note(
        self, container: Json | None, reason: str, message: str, kind: EventType = EventType.NORMAL
    ) -> None:
        about = {
            "apiVersion": "v1",
            "kind": "Pod",
            "name": self.key.name,
            "namespace": self.key.namespace,
            "uid": self.uid,
        }
        if container:
            about["fieldPath"] = f"spec.containers{{{container['name']}}}"
        self._shared.recorder.record(about, type=kind, reason=reason, message=message)

    def _status(self) -> Json:
        return pod_status(self.pod, self.state, now())

    async def run(self) -> None:
        """Run the pod until it is deleted; return when nothing of it is left here or in the API.

        When cancelled before that, leave its containers running: the next agent takes them over.
        """
        self.update(self.pod)
        publisher = asyncio.create_task(self._publisher.run())
        work = asyncio.create_task(self._work())
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait((work, stopping), return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
            await self._stopping.wait()
            await self._stop()
        finally:
            for task in (work, stopping, publisher):
                task.cancel()
            await asyncio.wait((work, stopping, publisher))
            if self.ending:
                await self._tear_down()
        await self._finish()

    async def _work(self) -> None:
        """Return when no container will run any more."""
        await self._prepare()
        async with asyncio.TaskGroup() as sidecars:
            tasks: list[asyncio.Task[None]] = []
            if not await self._initialize(sidecars, tasks):
                self._over()
                return
            self.state.initialized = True
            PodRecord(list(self.state.ips), initialized=True).save(self.directory)
            for each in self.state.containers:
                each.waiting = "ContainerCreating"
            self.changed()
            refresh = sidecars.create_task(self._refresh_forever())
            async with asyncio.TaskGroup() as group:
                for container in self.containers:
                    group.create_task(container.supervise())
            for task in (*tasks, refresh):
                task.cancel()
        self._over()

    async def _initialize(self, group: asyncio.TaskGroup, tasks: list[asyncio.Task[None]]) -> bool:
        """Run the init containers in order; False when one has failed for good."""
        for container in self.init:
            if container.spec.get("restartPolicy") == "Always":
                tasks.append(group.create_task(container.supervise()))
                await container.started.wait()
                continue
            if self._was_initialized:
                container.state.ended, container.state.ready = Ended(0, "Completed", None, now()), True
                continue
            await container.supervise()
            if container.state.ended is None or container.state.ended.code:
                return False
            container.state.ready = True
        return True

    def _over(self) -> None:
        self.state.over = True
        self.changed()

    async def _prepare(self) -> None:
        """Make network and volumes, again until it works."""
        backoff = Backoff(first=0.2, limit=20.0)
        while True:
            try:
                await self._make_network()
                await self._make_volumes()
            except (ContainerError, ApiError, OSError) as error:
                reason = "FailedMount" if self.state.ips else "FailedCreatePodSandBox"
                self.note(None, reason, str(error), EventType.WARNING)
                await asyncio.sleep(backoff.delay())
            else:
                self.state.sandbox = True
                self.changed()
                return

    async def _make_network(self) -> None:
        addresses = internal_ips(self._shared.node())
        self.state.host_ips = addresses
        if self.state.ips:
            return
        if self._host_network:
            self.state.ips = addresses
            return
        sysctls = {
            each["name"]: each["value"]
            for each in (self.pod["spec"].get("securityContext") or {}).get("sysctls") or ()
        }
        try:
            self.state.ips = await self._shared.network.attach(
                self._namespace, port_mappings(self.pod), sysctls
            )
        except ContainerError:
            await self._shared.network.detach(self._namespace, port_mappings(self.pod))
            raise
        PodRecord(list(self.state.ips)).save(self.directory)

    async def _make_volumes(self) -> None:
        self._sources = await self._shared.supplier.fetch(self.pod, self._shared.node())
        group = (self.pod["spec"].get("securityContext") or {}).get("fsGroup")
        for volume in self.pod["spec"].get("volumes") or ():
            directory = self.directory / "volumes" / volume["name"]
            if volume.keys() & FILE_KINDS:
                write(directory, contents(self._with_addresses(), volume, self._sources), group=group)
                self._places[volume["name"]] = directory
            else:
                self._places[volume["name"]] = prepare(volume, directory, group=group)
        write_etc(self.directory, self.pod, self.state.ips, self._dns())

    async def _refresh_forever(self) -> None:
        while True:
            await asyncio.sleep(REFRESH)
            try:
                await self._make_volumes()
            except (ContainerError, ApiError, OSError) as error:
                self.note(None, "FailedMount", str(error), EventType.WARNING)

    def _dns(self) -> str:
        shared = self._shared
        return resolv_conf(
            self.pod, server=shared.cluster_dns(), domain=shared.cluster_domain, host=Path("/etc/resolv.conf")
        )

    def _with_addresses(self) -> Json:
        """Return the pod with the addresses that its published status may not have yet."""
        ips = [{"ip": ip} for ip in self.state.ips]
        status = {**(self.pod.get("status") or {}), "podIPs": ips, "podIP": self.ip}
        return {**self.pod, "status": status}

    async def find_image(self, container: Json) -> Image:
        try:
            image = await asyncio.to_thread(self._shared.images.find, container["image"])
        except ContainerError as error:
            if container.get("imagePullPolicy") == "Never":
                raise ImageNeverPulled(error.message) from error
            raise
        self.note(container, "Pulled", f'Container image "{container["image"]}" already present on machine')
        return image

    async def specify(self, container: Json, image: Image, root: Path, place: Path) -> Json:
        # Fetched anew: what an environment refers to may have been created or changed since the pod came.
        sources = await self._fetch()
        node = self._shared.node()
        built_in = {builtin.NODE_NAME: node["metadata"]["name"]} if image.over_machine else {}
        variables = environment(
            self._with_addresses(),
            container,
            image={**image.environment, **built_in},
            services=self._shared.services(),
            node=node,
            references=sources.references,
        )
        arguments = command_line(
            container, entrypoint=image.entrypoint, command=image.command, variables=variables
        )
        plan = Plan(
            arguments=arguments,
            variables=variables,
            identity=identity(
                self.pod,
                container,
                image_user=image.user,
                passwd=text_of_file(root / "etc/passwd"),
                group=text_of_file(root / "etc/group"),
            ),
            directory=image.directory,
            hostname=hostname(self.pod),
            namespace="" if self._host_network else str(NAMESPACES / self._namespace),
            mounts=[*self._own_mounts(container, place), *mounts(container, self._places, variables)],
            available=self._shared.capabilities,
            controllers=self._shared.controllers,
            cgroup=f"/lab-pods/{self.uid}/{place.name}",
        )
        return runtime_spec(self.pod, container, plan)

    async def _fetch(self) -> Sources:
        try:
            return await self._shared.supplier.fetch(self.pod, self._shared.node())
        except ApiError as error:
            raise ContainerError(error.message) from error

    def _own_mounts(self, container: Json, place: Path) -> list[Mount]:
        message = place / "termination-log"
        message.touch()
        message.chmod(0o666)
        taken = {each["mountPath"] for each in container.get("volumeMounts") or ()}
        files = [
            Mount(str(self.directory / "hosts"), "/etc/hosts"),
            Mount(str(self.directory / "hostname"), "/etc/hostname"),
            Mount(str(self.directory / "resolv.conf"), "/etc/resolv.conf"),
            Mount(str(message), container.get("terminationMessagePath") or "/dev/termination-log"),
        ]
        return [each for each in files if each.target not in taken]

    async def _stop(self) -> None:
        """End what runs within the pod's grace period, containers first, then sidecars in reverse."""
        grace = self.pod["metadata"].get("deletionGracePeriodSeconds")
        seconds = float(DEFAULT_GRACE if grace is None else grace)
        for each in (*self.init, *self.containers):
            each.final = True
        for group in ([*self.containers], *([each] for each in reversed(self.init))):
            if running := [each for each in group if each.run]:
                async with asyncio.TaskGroup() as tasks:
                    for each in running:
                        tasks.create_task(each.stop(seconds))

    async def _tear_down(self) -> None:
        """Undo network and volumes. Logs stay until the pod's object is gone."""
        if self.state.ips and not self._host_network:
            await self._shared.network.detach(self._namespace, port_mappings(self.pod))
        await asyncio.to_thread(shutil.rmtree, self.directory, ignore_errors=True)

    async def _finish(self) -> None:
        """Publish how it ended and remove the pod from the API."""
        backoff = Backoff(first=0.1, limit=10.0)
        self.state.over = True
        while True:
            try:
                await self._publisher.publish()
                await self._shared.client.delete(
                    PODS, self.key.name, namespace=self.key.namespace, uid=self.uid, grace_period=0
                )
            except NotFound:
                break
            except ApiError as error:
                if getattr(error, "code", 0) == 409:  # another pod of this name has taken its place
                    break
                log.info("cannot remove a pod yet", pod=str(self.key), error=error.message)
                await asyncio.sleep(backoff.delay())
            else:
                break
        await asyncio.to_thread(shutil.rmtree, self.log_directory, ignore_errors=True)


def _init_policy(container: Json, policy: str) -> str:
    if container.get("restartPolicy") == "Always":
        return "Always"
    return "Never" if policy == "Never" else "OnFailure"
