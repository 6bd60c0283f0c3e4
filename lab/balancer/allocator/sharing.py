"""Who uses which address, and who may use it together with others.

Services may share an address when they have the same sharing key (annotation allow-shared-ip), send traffic to the same
pods if that matters (externalTrafficPolicy: Local), and have no port in common.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lab.balancer.model import Address, PoolName
from lab.balancer.service import Port, Service
from lab.errors import LabError
from lab.kube.resources import ObjectKey


class SharingError(LabError):
    """Another Service uses the address and does not share it with this one."""


@dataclass(slots=True)
class Use:
    """An address in use."""

    pool: PoolName
    sharing_key: str
    backend_key: str
    services: dict[ObjectKey, frozenset[Port]] = field(default_factory=dict)
    ports: dict[Port, ObjectKey] = field(default_factory=dict)

    def is_alone(self, key: ObjectKey) -> bool:
        """Whether nobody but the Service uses it."""
        return len(self.services) == (key in self.services)

    def add(self, service: Service) -> None:
        self.services[service.key] = service.ports
        self.ports |= dict.fromkeys(service.ports, service.key)

    def remove(self, key: ObjectKey) -> None:
        for port in self.services.pop(key):
            self.ports.pop(port, None)


class Uses:
    """Every address in use. Addresses are added after `check` and not otherwise."""

    def __init__(self) -> None:
        self._uses: dict[Address, Use] = {}
        self._shared: dict[str, dict[Address, None]] = {}

    def __contains__(self, address: Address) -> bool:
        return address in self._uses

    def __len__(self) -> int:
        return len(self._uses)

    def sharers(self, address: Address) -> tuple[ObjectKey, ...]:
        """Return the Services that use the address, in the order in which they came."""
        use = self._uses.get(address)
        return tuple(use.services) if use else ()

    def shared_in(self, pool: PoolName, sharing_key: str) -> tuple[Address, ...]:
        """Return the addresses of the pool that are in use under a sharing key."""
        addresses = self._shared.get(sharing_key, ()) if sharing_key else ()
        return tuple(address for address in addresses if self._uses[address].pool == pool)

    def check(self, service: Service, address: Address) -> None:
        """Raise SharingError, with MetalLB's words, when the Service may not use the address."""
        use = self._uses.get(address)
        if not use or use.is_alone(service.key):
            return
        if not use.sharing_key:
            raise SharingError("existing service does not allow sharing")
        if not service.sharing_key:
            raise SharingError("new service does not allow sharing")
        if service.sharing_key != use.sharing_key:
            raise SharingError(_other_key(service, use))
        if service.backend_key != use.backend_key:
            raise SharingError(
                f'backend key "{service.backend_key}" does not match existing sharing key "{use.backend_key}"'
            )
        for port in sorted(service.ports):
            if use.ports.get(port, service.key) != service.key:
                raise SharingError(f'port {port} is already in use on "{address}"')

    def add(self, service: Service, address: Address, pool: PoolName) -> bool:
        """Note that the Service uses the address; True when nobody did before."""
        use = self._uses.get(address)
        if use is None:
            use = self._uses[address] = Use(pool, service.sharing_key, service.backend_key)
            if service.sharing_key:
                self._shared.setdefault(service.sharing_key, {})[address] = None
            use.add(service)
            return True
        use.add(service)
        return False

    def remove(self, key: ObjectKey, address: Address) -> bool:
        """Note that the Service no longer uses the address; True when nobody does now."""
        use = self._uses[address]
        use.remove(key)
        if use.services:
            return False
        del self._uses[address]
        if use.sharing_key:
            addresses = self._shared[use.sharing_key]
            del addresses[address]
            if not addresses:
                del self._shared[use.sharing_key]
        return True


def _other_key(service: Service, use: Use) -> str:
    if service.key not in use.services:
        return f'sharing key "{service.sharing_key}" does not match existing sharing key "{use.sharing_key}"'
    others = ",".join(str(key) for key in use.services if key != service.key)
    return f'can\'t change sharing key for "{service.key}", address also in use by {others}'
