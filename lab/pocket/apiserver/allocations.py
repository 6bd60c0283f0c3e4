"""The addresses and ports that Services hold, kept up with the store instead of counted anew for each of them."""

from __future__ import annotations

from ipaddress import ip_network

from lab.pocket.api import services
from lab.pocket.api.services import Pools, Used
from lab.pocket.store import Compacted, Object, Store

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

    def _in_use(self) -> Used:
        self._follow()
        used = Used(set(self._used.addresses), set(self._used.node_ports))
        for row in self._store.in_flight(SERVICES):
            _add(used, row.decoded())
        return used

    def _follow(self) -> None:
        try:
            events = self._store.events(SERVICES, self._revision) if self._revision >= 0 else None
        except Compacted:
            events = None
        if events is None:
            self._used = Used()
            for row in self._store.rows(SERVICES):
                _add(self._used, row.decoded())
        for event in events or ():
            if event.previous is not None:
                held = services.holdings(event.previous.decoded())
                self._used.addresses -= held.addresses
                self._used.node_ports -= held.node_ports
            if event.type != "DELETED":
                _add(self._used, event.row.decoded())
        self._revision = self._store.revision


def _add(used: Used, service: Object) -> None:
    held = services.holdings(service)
    used.addresses |= held.addresses
    used.node_ports |= held.node_ports
