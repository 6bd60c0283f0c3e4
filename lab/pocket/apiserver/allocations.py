"""The addresses and ports that Services hold, kept up with the store instead of counted anew for each of them."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_network

from lab.pocket.api import services
from lab.pocket.api.services import Pools, Used
from lab.pocket.store import Compacted, Object, Row, Store

SERVICES = "services"


class Allocations:
    """Completes Services with what the cluster allocates to them."""

    def __init__(self, store: Store, networks: tuple[str, ...], node_ports: range) -> None:
        self._store = store
        self._pools = Pools(
            networks=tuple(ip_network(network) for network in networks), node_ports=node_ports
        )
        self._used = Used()
        self._revision = -1

    def complete(self, service: Object, old: Object | None) -> None:
        """Allocate what a new Service, or a changed one, needs and does not have yet; changes `service`.

        Raises:
            InvalidError: a wish cannot be met.
            AllocationError: a pool is empty.

        """
        if old is not None:
            services.drop_type_dependent(service, old)
        services.allocate(service, old, pools=self._pools, used=self._in_use())

    def _in_use(self) -> list[Used]:
        self._follow()
        return [self._used, *map(_held, self._store.in_flight(SERVICES))]

    def _follow(self) -> None:
        try:
            events = self._store.events(SERVICES, self._revision) if self._revision >= 0 else None
        except Compacted:
            events = None
        if events is None:
            self._used = Used()
            for row in self._store.rows(SERVICES):
                self._add(_held(row))
        for event in events or ():
            if event.previous is not None:
                held = _held(event.previous)
                self._used.addresses -= held.addresses
                self._used.node_ports -= held.node_ports
            if event.type != "DELETED":
                self._add(_held(event.row))
        self._revision = self._store.revision

    def _add(self, held: Used) -> None:
        self._used.addresses |= held.addresses
        self._used.node_ports |= held.node_ports


@lru_cache(maxsize=256)
def _held(row: Row) -> Used:
    """Return what a Service holds; a row in flight is asked for by every Service that is made meanwhile."""
    return services.holdings(row.decoded())
