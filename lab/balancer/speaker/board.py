"""What this node says about itself in the API: its part in each Service, its sessions, its configuration.

Everything here makes way for routes, and is written one object after the other when nothing urgent is to be done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

import orjson

from lab.balancer.config import Loaded
from lab.balancer.model import PeerName
from lab.balancer.resources import BGP_SESSION_STATES, CONFIGURATION_STATES, SERVICE_BGP_STATUSES
from lab.balancer.speaker.dialect import Verdict
from lab.balancer.speaker.options import Options
from lab.balancer.speaker.reports import (
    NODE_LABEL,
    SESSION_NODE_LABEL,
    Report,
    configuration_report,
    configuration_report_name,
    service_report,
    service_report_name,
    session_report,
    session_report_name,
)
from lab.balancer.speaker.sessions import Sessions
from lab.balancer.speaker.statuses import StatusWriter
from lab.kits.lull import Lull
from lab.kube.client import Client
from lab.kube.resources import ObjectKey, Resource

LABELS: Final = {
    SERVICE_BGP_STATUSES: NODE_LABEL,
    BGP_SESSION_STATES: SESSION_NODE_LABEL,
    CONFIGURATION_STATES: "metallb.io/node-name",
}


class Board:
    """Three kinds of status objects, each with its writer."""

    def __init__(
        self,
        client: Client,
        options: Options,
        *,
        verdicts: Callable[[], Mapping[ObjectKey, Verdict]],
        sessions: Callable[[], Sessions],
        lull: Lull,
    ) -> None:
        self._node = options.node_name
        self._verdicts = verdicts
        self._sessions = sessions
        self._loaded: Loaded | None = None
        self._services: dict[str, ObjectKey] = {}
        """By the names of their status objects."""
        self._peers: dict[str, PeerName] = {}
        reports: Mapping[Resource, Callable[[str], Report | None]] = {
            SERVICE_BGP_STATUSES: self._service_report,
            BGP_SESSION_STATES: self._session_report,
            CONFIGURATION_STATES: self._configuration_report,
        }
        self._writers = {
            resource: StatusWriter(
                client,
                resource,
                namespace=options.namespace,
                labels=f"{LABELS[resource]}={self._node}",
                report=report,
                lull=lull,
                owner=options.owner,
            )
            for resource, report in reports.items()
        }

    async def follow(self) -> None:
        """Keep up with the objects that are there, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for writer in self._writers.values():
                group.create_task(writer.reflector.run(), name="follow own statuses")

    async def write(self) -> None:
        """Write until cancelled. Not before everything was decided once: what nobody speaks of is deleted."""
        async with asyncio.TaskGroup() as group:
            for resource, writer in self._writers.items():
                group.create_task(writer.run(), name=f"write {resource.plural}")

    def service_changed(self, key: ObjectKey) -> None:
        """This node has something else to say about a Service, or nothing any more."""
        name = service_report_name(self._node, key)
        if key in self._verdicts():
            self._services[name] = key
        else:
            self._services.pop(name, None)
        self._writers[SERVICE_BGP_STATUSES].note(name)

    def sessions_changed(self) -> None:
        """Sessions came, went, or are in another state."""
        before = self._peers
        self._peers = {session_report_name(self._node, peer): peer for peer in self._sessions().current}
        for name in {**before, **self._peers}:
            self._writers[BGP_SESSION_STATES].note(name)

    def configuration_changed(self, loaded: Loaded) -> None:
        """The configuration was read anew."""
        self._loaded = loaded
        self._writers[CONFIGURATION_STATES].note(configuration_report_name(self._node))

    def _service_report(self, name: str) -> Report | None:
        key = self._services.get(name)
        verdict = self._verdicts().get(key) if key else None
        return service_report(self._node, key, verdict) if key and verdict else None

    def _session_report(self, name: str) -> Report | None:
        session = self._sessions().current.get(self._peers.get(name, PeerName("")))
        return session_report(self._node, session) if session else None

    def _configuration_report(self, name: str) -> Report | None:
        if self._loaded is None or name != configuration_report_name(self._node):
            return None
        written = self._writers[CONFIGURATION_STATES].reflector.store.values()
        before = next((orjson.loads(status).get("conditions") or [] for status in written), [])
        unsupported = [f"BGPPeer {peer}: {why}" for peer, why in self._sessions().unsupported.items()]
        return configuration_report(
            self._node, self._loaded, unsupported=unsupported, before=before, now=datetime.now(UTC)
        )
