"""The controller's parts and who knows whom."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Never

from lab.balancer.controller.configuration import ConfigurationWatch
from lab.balancer.controller.legacy import LegacyConfiguration
from lab.balancer.controller.metrics import ControllerMetrics
from lab.balancer.controller.options import Options
from lab.balancer.controller.reconciler import Reconciler
from lab.balancer.controller.states import States
from lab.balancer.resources import CONFIGURATION_STATES
from lab.balancer.service import Service, decode_service
from lab.kits.http_server import Response, Routes
from lab.kits.lull import Lull
from lab.kits.metrics import CONTENT_TYPE
from lab.kube.client import Client
from lab.kube.events import Recorder
from lab.kube.lease import Elector
from lab.kube.resources import SERVICES, ObjectKey
from lab.kube.watch import Change, ChangeType, Reflector

LEASE = "metallb-controller"


class Controller:
    """One controller: caches that are always warm, and work that is done while it leads."""

    def __init__(self, client: Client, options: Options) -> None:
        lull = Lull()
        self._recorder = Recorder(
            client, component="metallb-controller", instance=options.identity, lull=lull
        )
        self._metrics = ControllerMetrics.make()
        self._configuration = ConfigurationWatch(client, namespace=options.namespace)
        self._reconciler = Reconciler(
            client,
            self._current_services,
            self._recorder,
            written=self._metrics.address_written,
            lull=lull,
            lb_class=options.lb_class,
            counts_changed=self._counts_changed,
        )
        self._services: Reflector[Service] = Reflector(
            client, SERVICES, decode_service, on_change=self._reconciler.changed
        )
        self._states = States(
            client,
            self._recorder,
            namespace=options.namespace,
            objects=self._configuration.objects,
            allocator=lambda: self._reconciler.allocator,
            lull=lull,
            owner=options.owner,
        )
        self._own_state: Reflector[None] = Reflector(
            client,
            CONFIGURATION_STATES,
            lambda _: None,
            on_change=self._state_changed,
            namespace=options.namespace,
            fields="metadata.name=controller",
        )
        self._legacy = LegacyConfiguration(client, self._recorder, namespace=options.namespace)
        self._elector = Elector(client, namespace=options.namespace, name=LEASE, identity=options.identity)
        self._metrics.watch_allocator(lambda: self._reconciler.allocator)
        self._metrics.watch_client(
            self._configuration, self._services, failures=lambda: self._reconciler.failures
        )

    @property
    def _reflectors(self) -> tuple[Reflector[Any], ...]:
        return (self._services, self._own_state, self._legacy.reflector, *self._configuration.reflectors)

    @property
    def routes(self) -> Routes:
        return {
            "/healthz": Response,
            "/readyz": self._ready,
            "/metrics": lambda: Response(self._metrics.registry.render(), content_type=CONTENT_TYPE),
        }

    async def run(self) -> Never:
        """Follow, stand by, and work while leading, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for reflector in self._reflectors:
                group.create_task(reflector.run())
            group.create_task(self._recorder.run())
            group.create_task(self._elector.run(self._work))
        raise AssertionError("the tasks do not end")

    async def _work(self) -> Never:
        # Whoever led before us may have written what our caches have not seen yet.
        async with asyncio.TaskGroup() as group:
            for reflector in (self._services, *self._configuration.reflectors):
                group.create_task(reflector.refresh())
        async with asyncio.TaskGroup() as group:
            group.create_task(self._configuration.run(self._reconciler.adopt, self._states.note))
            group.create_task(self._reconciler.run())
            group.create_task(self._states.run())
            group.create_task(self._legacy.run())
        raise AssertionError("the tasks do not end")

    def _current_services(self) -> Mapping[ObjectKey, Service]:
        return self._services.store

    def _counts_changed(self) -> None:
        self._states.note()

    def _state_changed(self, change: Change[None]) -> None:
        if change.type is ChangeType.DELETED:
            self._states.forgotten()

    def _ready(self) -> Response:
        behind = [r.resource.plural for r in self._reflectors if not r.synced.is_set()]
        if behind:
            text = f"not yet listed: {', '.join(behind)}\n"
            return Response(text, HTTPStatus.SERVICE_UNAVAILABLE)
        return Response("leading\n" if self._elector.leading else "standing by\n")
