"""The speaker of one node: follows Services, endpoints, the node and the configuration, and lets its dialect announce.

Changes are collected for a moment and handled in one turn, so that a thousand Services cost a few messages and not a
thousand. While the API server is away everything stays announced as it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final, Never

from lab.balancer.config import Loaded
from lab.balancer.model import Configuration
from lab.balancer.resources import BGP_SESSION_STATES, CONFIGURATION_STATES, SERVICE_BGP_STATUSES
from lab.balancer.service import (
    EndpointSlice,
    Node,
    Service,
    decode_endpoint_slice,
    decode_node,
    decode_service,
)
from lab.balancer.speaker.announcer import Announcer
from lab.balancer.speaker.bgp_dialect import BgpDialect
from lab.balancer.speaker.configuration import ConfigurationWatch, in_force
from lab.balancer.speaker.decide import Situation
from lab.balancer.speaker.endpoints import EndpointIndex
from lab.balancer.speaker.metrics import SpeakerMetrics
from lab.balancer.speaker.options import RESTART_TIME, Options
from lab.balancer.speaker.reports import (
    NODE_LABEL,
    SESSION_NODE_LABEL,
    Report,
    configuration_report,
    service_report,
    session_report,
)
from lab.balancer.speaker.statuses import StatusWriter
from lab.kits.http_server import Response, Routes
from lab.kits.log import Log
from lab.kits.metrics import CONTENT_TYPE
from lab.kube.client import Client
from lab.kube.events import Recorder
from lab.kube.resources import ENDPOINT_SLICES, NODES, SERVICES, ObjectKey, Resource
from lab.kube.watch import Change, Reflector
from lab.links.bgp_tcp import Listener
from lab.wire.bgp import Restart

log = Log(__name__)
SETTLING: Final = 0.002
"""Seconds to collect changes before a turn."""
AT_ONCE: Final = 256
"""Services that are considered before other tasks get their turn."""


class Speaker:
    """One speaker; `run` it in a task and cancel it to stop."""

    def __init__(
        self,
        client: Client,
        options: Options,
        *,
        listeners: Sequence[Listener] = (),
    ) -> None:
        """Make a speaker inside a running event loop; peers may call on `listeners`."""
        self._options = options
        self._node = Node(options.node_name, {})
        self._loaded: Loaded | None = None
        self._is_configured = False
        """Whether there was ever a configuration without mistakes."""
        self._in_force = Configuration()
        self._dirty: dict[ObjectKey, float] = {}
        """Services to consider, and since when."""
        self._everything = True
        self._changed = asyncio.Event()
        self._endpoints = EndpointIndex()
        self._recorder = Recorder(client, component="metallb-speaker", instance=options.node_name)
        self._metrics = SpeakerMetrics.make()
        self._dialect = BgpDialect(
            restart=_restart(options),
            written=self._metrics.announced,
            changed=self._session_changed,
            again=self._reconsider,
            listeners=listeners,
            drain_seconds=options.drain_seconds,
        )
        self._announcer = Announcer(
            self._dialect, self._recorder, node=options.node_name, lb_class=options.lb_class
        )
        self._services: Reflector[Service] = Reflector(
            client, SERVICES, decode_service, on_change=self._service_changed
        )
        self._slices: Reflector[EndpointSlice] = Reflector(
            client, ENDPOINT_SLICES, decode_endpoint_slice, on_change=self._slice_changed
        )
        self._nodes: Reflector[Node] = Reflector(
            client,
            NODES,
            decode_node,
            on_change=self._node_changed,
            fields=f"metadata.name={options.node_name}",
        )
        self._configuration = ConfigurationWatch(
            client, namespace=options.namespace, changed=self._reconsider
        )
        self._statuses = self._writers(client)
        self._watch_metrics()

    @property
    def routes(self) -> Routes:
        """What the speaker answers over HTTP."""
        return {
            "/healthz": Response,
            "/readyz": self._ready,
            "/metrics": lambda: Response(self._metrics.registry.render(), content_type=CONTENT_TYPE),
        }

    async def run(self) -> None:
        """Announce until cancelled, then take leave of the peers."""
        async with asyncio.TaskGroup() as group:
            for reflector in self._reflectors:
                group.create_task(reflector.run(), name=f"follow {reflector.resource.plural}")
            for writer in self._statuses.values():
                group.create_task(writer.reflector.run(), name="follow own statuses")
                group.create_task(writer.run(), name="write statuses")
            group.create_task(self._recorder.run(), name="record events")
            try:
                await self._work()
            finally:
                await self._dialect.stop()

    async def _work(self) -> Never:
        for reflector in self._reflectors:
            await reflector.synced.wait()
        while True:
            self._changed.clear()
            await self.turn()
            await self._changed.wait()
            await asyncio.sleep(SETTLING)

    async def turn(self) -> None:
        """Decide about everything that changed and put it on the wire."""
        if self._everything:
            self._configure()
            self._note({*self._services.store, *self._announcer.verdicts})
        keys, self._everything, self._dirty = self._dirty, False, {}
        for number, (key, since) in enumerate(keys.items(), start=1):
            service = self._services.store.get(key)
            self._announcer.consider(key, service, self._endpoints.of(key), since=since)
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)
        self._dialect.announce()
        for resource in (SERVICE_BGP_STATUSES, BGP_SESSION_STATES):
            self._statuses[resource].note()

    @property
    def _reflectors(self) -> tuple[Reflector[Any], ...]:
        return (self._services, self._slices, self._nodes, *self._configuration.reflectors)

    def _configure(self) -> None:
        """Adopt what is right in the configuration; objects with mistakes stay as they were."""
        self._node = self._nodes.store.get(ObjectKey("", self._options.node_name), self._node)
        self._loaded = loaded = self._configuration.read(self._node)
        if not loaded.valid:
            log.warning(
                "the configuration has mistakes, what was right stays in force",
                event="configInvalid",
                error="; ".join(str(problem) for problem in loaded.problems),
            )
        self._is_configured |= loaded.valid
        self._in_force = in_force(loaded, self._in_force)
        self._dialect.adopt(
            Situation(
                configuration=self._in_force,
                node=self._node,
                ignore_exclude_label=self._options.ignore_exclude_label,
            )
        )
        self._statuses[CONFIGURATION_STATES].note()

    def _service_changed(self, change: Change[Service]) -> None:
        if change.new is not None or change.old is not None:
            self._note({change.key})

    def _slice_changed(self, change: Change[EndpointSlice]) -> None:
        self._note(self._endpoints.apply(change))

    def _node_changed(self, change: Change[Node]) -> None:
        if change.new != change.old:
            self._reconsider()

    def _note(self, keys: set[ObjectKey]) -> None:
        now = asyncio.get_running_loop().time()
        for key in keys:
            self._dirty.setdefault(key, now)
        if keys:
            self._changed.set()

    def _reconsider(self) -> None:
        self._everything = True
        self._changed.set()

    def _session_changed(self) -> None:
        self._statuses[BGP_SESSION_STATES].note()

    def _writers(self, client: Client) -> dict[Resource, StatusWriter]:
        node = self._options.node_name
        return {
            resource: StatusWriter(
                client,
                resource,
                namespace=self._options.namespace,
                labels=labels,
                reports=reports,
                owner=self._options.owner,
            )
            for resource, labels, reports in (
                (SERVICE_BGP_STATUSES, f"{NODE_LABEL}={node}", self._service_reports),
                (BGP_SESSION_STATES, f"{SESSION_NODE_LABEL}={node}", self._session_reports),
                (CONFIGURATION_STATES, f"metallb.io/node-name={node}", self._configuration_reports),
            )
        }

    def _service_reports(self) -> Iterator[Report]:
        for key, verdict in self._announcer.verdicts.items():
            yield service_report(self._options.node_name, key, verdict)

    def _session_reports(self) -> Iterator[Report]:
        for session in self._dialect.sessions.current.values():
            yield session_report(self._options.node_name, session)

    def _configuration_reports(self) -> Iterator[Report]:
        if self._loaded is None:
            return
        node = self._options.node_name
        written = self._statuses[CONFIGURATION_STATES].reflector.store.values()
        before = next((status.get("conditions") or [] for status in written), [])
        unsupported = [f"BGPPeer {name}: {why}" for name, why in self._dialect.sessions.unsupported.items()]
        yield configuration_report(
            node, self._loaded, unsupported=unsupported, before=before, now=datetime.now(UTC)
        )

    def _watch_metrics(self) -> None:
        metrics, node = self._metrics, self._options.node_name
        metrics.watch_verdicts(lambda: self._announcer.verdicts, node=node, protocol=self._dialect.protocol)
        metrics.watch_sessions(lambda: self._dialect.sessions.current)
        metrics.watch_client(
            self._reflectors,
            is_loaded=lambda: self._is_configured,
            is_stale=lambda: self._loaded is not None and not self._loaded.valid,
        )

    def _ready(self) -> Response:
        behind = [r.resource.plural for r in self._reflectors if not r.synced.is_set()]
        if behind:
            return Response(f"not yet listed: {', '.join(behind)}\n", HTTPStatus.SERVICE_UNAVAILABLE)
        return Response("announcing\n")


def _restart(options: Options) -> Restart:
    """Say what a graceful restart may claim.

    An older speaker of this node may have announced, so R is set. F is honest when the node has been up for longer
    than peers keep routes: had it rebooted while they kept ours, its data plane would have been lost meanwhile.
    """
    return Restart(time=RESTART_TIME, restarted=True, forwarding_preserved=options.uptime > RESTART_TIME)
