"""BGP as one of the ways to announce: decisions into routes, routes into sessions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final

from lab.balancer.model import PeerName, Prefix
from lab.balancer.reasons import NotAnnounced
from lab.balancer.service import Endpoint, Service
from lab.balancer.speaker.advertisements import Announcement, announcements
from lab.balancer.speaker.decide import Decision, Situation, decide
from lab.balancer.speaker.dialect import Verdict
from lab.balancer.speaker.reach import reach
from lab.balancer.speaker.sessions import Sessions
from lab.balancer.speaker.table import Table
from lab.kits.metrics import Histogram
from lab.kube.resources import ObjectKey
from lab.links.bgp_tcp import Listener
from lab.wire.bgp import Family, Restart, RoutesSent

DRAIN_SECONDS: Final = 1.0
"""How long routes stay with GRACEFUL_SHUTDOWN before they go (RFC 8326, section 4)."""


class BgpDialect:
    """See `Dialect`. Made inside a running event loop."""

    protocol = "bgp"

    def __init__(
        self,
        *,
        restart: Restart,
        written: Histogram,
        changed: Callable[[], None],
        again: Callable[[], None],
        listeners: Sequence[Listener] = (),
        drain_seconds: float = DRAIN_SECONDS,
    ) -> None:
        """Call `again` when every Service is to be considered anew, `changed` when a session's state changed.

        `written` gets the seconds from the change of a Service to the message that announces it.
        """
        self._loop = asyncio.get_running_loop()
        self._written = written
        self._again = again
        self._drain_seconds = drain_seconds
        self.sessions = Sessions(
            restart=restart, sent=self._sent, changed=changed, agreed=again, listeners=listeners
        )
        self._situation: Situation | None = None
        self._table = Table()
        self._is_complete = False
        """Whether every session has all routes, so that changes are enough."""
        self._seen: dict[Prefix, float] = {}
        self._drained_at = 0.0

    def adopt(self, situation: Situation) -> None:
        """Take over another configuration or state of the node."""
        before, self._situation = self._situation, situation
        if before is not None and situation.node_leaves and not before.node_leaves:
            self._drained_at = self._loop.time() + self._drain_seconds
            self._loop.call_at(self._drained_at, self._again)
        peers = situation.configuration.peers.values()
        here = [peer for peer in peers if peer.on_node(situation.node.labels)]
        self.sessions.reconcile(here, situation.node)
        self._is_complete = False

    def consider(self, service: Service, endpoints: Collection[Endpoint], *, since: float) -> Verdict:
        """Decide about one Service and remember what to announce for it."""
        if self._situation is None:
            return Verdict(reason=NotAnnounced.NOT_OWNER)
        decision = decide(service, endpoints, self._situation)
        self._want(service.key, self._announcements(service.key, decision), since=since)
        if decision.reason:
            return Verdict(reason=decision.reason)
        reached = reach(self._table.of(service.key), self._carried())
        return Verdict(decision.addresses, reached.targets, reached.missed)

    def forget(self, key: ObjectKey) -> None:
        """Announce nothing more for a Service that is gone."""
        self._want(key, (), since=0.0)

    def announce(self) -> None:
        """Give every session what has changed, or everything after another configuration was adopted."""
        peers = self.sessions.current
        if self._is_complete:
            self.sessions.change(self._table.changes(peers))
        else:
            self._table.changes(())
            self.sessions.announce(self._table.routes(peers))
            self._is_complete = True

    async def stop(self) -> None:
        """Take leave of all peers; silently only while the node stays in service.

        A cordoned node is taken for one that is about to be switched off: its peers must not keep its routes.
        """
        situation = self._situation
        stays = situation is None or (situation.node.stays and not situation.node_leaves)
        await self.sessions.stop(drain_seconds=self._drain_seconds, for_restart=stays)

    def targets(self) -> Mapping[str, str]:
        """Return the state of the session with each peer."""
        return {name: session.state for name, session in self.sessions.current.items()}

    def _announcements(self, key: ObjectKey, decision: Decision) -> tuple[Announcement, ...]:
        """Return what to announce; the routes of a node that is taken out of service go in two steps."""
        leaving = decision.reason in {NotAnnounced.NODE_EXCLUDED, NotAnnounced.NODE_DELETED}
        if leaving and self._loop.time() < self._drained_at:
            return tuple(replace(announcement, draining=True) for announcement in self._table.of(key))
        return announcements(decision.addresses, decision.advertisements, draining=decision.draining)

    def _want(self, key: ObjectKey, wanted: tuple[Announcement, ...], *, since: float) -> None:
        known = {announcement.prefix for announcement in self._table.of(key)}
        new = {announcement.prefix for announcement in wanted}
        self._table.want(key, wanted)
        for prefix in new - known:
            self._seen.setdefault(prefix, since)
        for prefix in known - new:
            self._seen.pop(prefix, None)

    def _sent(self, sent: RoutesSent) -> None:
        now = self._loop.time()
        for prefix in sent.announced:
            seen = self._seen.pop(prefix, None)
            if seen is not None:
                self._written.observe(now - seen)

    def _carried(self) -> dict[PeerName, frozenset[Family] | None]:
        """Return the families that each peer of this node gets; None for those that cannot be had."""
        found = {name: session.families for name, session in self.sessions.current.items()}
        return {**dict.fromkeys(self.sessions.unsupported), **found}
