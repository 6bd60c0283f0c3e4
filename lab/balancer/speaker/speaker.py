"""The speaker of one node: follows Services, endpoints, the node and the configuration, and lets its dialect announce.

Changes are collected for a moment and handled in one turn, so that a thousand Services cost a few messages and not a
thousand. While the API server is away everything stays announced as it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final, Never

from lab.balancer.config import Loaded
from lab.balancer.model import Configuration
from lab.balancer.service import (
    EndpointSlice,
    Node,
    Service,
    decode_announced_service,
    decode_endpoint_slice,
    decode_node,
)
from lab.balancer.speaker.announcer import Announcer
from lab.balancer.speaker.bgp_dialect import BgpDialect
from lab.balancer.speaker.board import Board
from lab.balancer.speaker.configuration import ConfigurationWatch, in_force
from lab.balancer.speaker.decide import Situation
from lab.balancer.speaker.endpoints import EndpointIndex
from lab.balancer.speaker.metrics import SpeakerMetrics
from lab.balancer.speaker.options import RESTART_TIME, Options
from lab.balancer.speaker.session_metrics import watch_sessions
from lab.kits.http_server import Response, Routes
from lab.kits.log import Log
from lab.kits.lull import Lull
from lab.kits.metrics import CONTENT_TYPE
from lab.kube.client import Client
from lab.kube.events import Recorder
from lab.kube.resources import ENDPOINT_SLICES, NODES, SERVICES, ObjectKey
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
        self._lull = Lull()
        self._endpoints = EndpointIndex()
        self._recorder = Recorder(
            client, component="metallb-speaker", instance=options.node_name, lull=self._lull
        )
        self._metrics = SpeakerMetrics.make()
        self._board = Board(
            client,
            options,
            verdicts=lambda: self._announcer.verdicts,
            sessions=lambda: self._dialect.sessions,
            lull=self._lull,
        )
        self._dialect = self._bgp(listeners)
        self._announcer = Announcer(
            self._dialect, self._recorder, node=options.node_name, lb_class=options.lb_class
        )
        self._follow(client)
        self._watch_metrics()

    def _follow(self, client: Client) -> None:
        self._services: Reflector[Service] = Reflector(
            client, SERVICES, decode_announced_service, on_change=self._service_changed
        )
        self._slices: Reflector[EndpointSlice] = Reflector(
            client, ENDPOINT_SLICES, decode_endpoint_slice, on_change=self._slice_changed
        )
        self._nodes: Reflector[Node] = Reflector(
            client,
            NODES,
            decode_node,
            on_change=self._node_changed,
            fields=f"metadata.name={self._options.node_name}",
        )
        self._configuration = ConfigurationWatch(
            client, namespace=self._options.namespace, changed=self._reconsider
        )

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
            group.create_task(self._board.follow(), name="follow statuses")
            group.create_task(self._recorder.run(), name="record events")
            try:
                await self._begin()
                group.create_task(self._board.write(), name="write statuses")
                await self._work()
            finally:
                await self._dialect.stop()

    async def _begin(self) -> None:
        """Call the peers as soon as they are known, and have routes for them when everything is known."""
        for reflector in (self._nodes, *self._configuration.reflectors):
            await reflector.synced.wait()
        self._configure()
        for reflector in (self._services, self._slices):
            await reflector.synced.wait()
        await self.turn()

    async def _work(self) -> Never:
        while True:
            await self._changed.wait()
            await asyncio.sleep(SETTLING)
            self._changed.clear()
            await self.turn()

    async def turn(self) -> None:
        """Decide about everything that changed and put it on the wire."""
        whole, self._everything = self._everything, False
        if whole:
            self._configure()
            self._note({*self._services.store, *self._announcer.verdicts})
        keys, self._dirty = self._dirty, {}
        for number, (key, since) in enumerate(keys.items(), start=1):
            service = self._services.store.get(key)
            if self._announcer.consider(key, service, self._endpoints.of(key), since=since):
                self._board.service_changed(key)
            if number % AT_ONCE == 0:
                if not whole:
                    self._dialect.announce()
                await asyncio.sleep(0)
        self._dialect.announce()
        self._board.sessions_changed()

    @property
    def _reflectors(self) -> tuple[Reflector[Any], ...]:
        return (self._services, self._slices, self._nodes, *self._configuration.reflectors)

    def _configure(self) -> None:
        """Adopt what is right in the configuration; objects with mistakes stay as they were."""
        known = self._nodes.store.get(ObjectKey("", self._options.node_name))
        self._node = known or replace(self._node, deleted=True)
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
        self._board.configuration_changed(loaded)

    def _service_changed(self, change: Change[Service]) -> None:
        self._note({change.key})

    def _slice_changed(self, change: Change[EndpointSlice]) -> None:
        self._note(self._endpoints.apply(change))

    def _node_changed(self, change: Change[Node]) -> None:
        if change.new != change.old:
            self._reconsider()

    def _note(self, keys: Iterable[ObjectKey]) -> None:
        """Have Services considered; those without an address matter only if they had one."""
        now = asyncio.get_running_loop().time()
        for key in keys:
            service = self._services.store.get(key)
            if (service and service.ingress) or key in self._announcer.verdicts:
                self._dirty.setdefault(key, now)
        if self._dirty:
            self._lull.disturb()
            self._changed.set()

    def _reconsider(self) -> None:
        self._everything = True
        self._changed.set()

    def _bgp(self, listeners: Sequence[Listener]) -> BgpDialect:
        return BgpDialect(
            restart=_restart(self._options),
            written=self._metrics.announced,
            changed=self._board.sessions_changed,
            again=self._reconsider,
            listeners=listeners,
            drain_seconds=self._options.drain_seconds,
        )

    def _watch_metrics(self) -> None:
        metrics, node = self._metrics, self._options.node_name
        metrics.watch_verdicts(lambda: self._announcer.verdicts, node=node, protocol=self._dialect.protocol)
        watch_sessions(metrics.registry, lambda: self._dialect.sessions.current)
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
