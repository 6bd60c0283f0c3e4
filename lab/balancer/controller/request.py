"""What a Service asks for: addresses, a pool, IP families."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lab.balancer.model import Address, Family, PoolName, family_of
from lab.balancer.service import PREFIXES, FamilyPolicy, Service, parse_address
from lab.errors import LabError

DUAL = (Family.IPV4, Family.IPV6)


class RequestError(LabError):
    """The Service contradicts itself; its author has to change it."""


@dataclass(frozen=True, slots=True)
class Request:
    """A wish that makes sense."""

    addresses: tuple[Address, ...]
    """Exactly these; empty: any."""
    pool: PoolName | None
    """Of this pool; None: of any."""
    choices: tuple[tuple[Family, ...], ...]
    """The sets of families that would do, best first."""

    def admits(self, addresses: Sequence[Address]) -> bool:
        """Whether the families of the addresses are among the choices."""
        families = sorted(address.version for address in addresses)
        return families in [sorted(family.value for family in choice) for choice in self.choices]


def read_request(service: Service) -> Request:
    """Return the wish of a Service that has cluster IPs; raises RequestError."""
    choices = _choices(service)
    addresses = _addresses(service)
    wish = Request(addresses, PoolName(service.annotation("address-pool")) or None, choices)
    if addresses and not _fits(addresses, service):
        listed = " ".join(map(str, addresses))
        raise RequestError(
            f"requested loadBalancer IP(s) [{listed}] does not match the ipFamily of the service"
        )
    return wish


def deprecated_annotations(service: Service) -> tuple[str, ...]:
    """Return the annotations with the old prefix."""
    return tuple(sorted(name for name in service.annotations if name.startswith(PREFIXES[1])))


def _choices(service: Service) -> tuple[tuple[Family, ...], ...]:
    families = service.families
    if service.family_policy == FamilyPolicy.REQUIRE_DUAL:
        if len(families) < 2:
            raise RequestError("not enough clusterips: RequireDualStack needs one of each IP family")
        return (DUAL,)
    if len(families) < 2:
        return (families,)
    if service.family_policy == FamilyPolicy.PREFER_DUAL:
        return (DUAL, families[:1], families[1:])
    return (DUAL,)


def _fits(addresses: Sequence[Address], service: Service) -> bool:
    return sorted(a.version for a in addresses) == sorted(family.value for family in service.families)


def _addresses(service: Service) -> tuple[Address, ...]:
    field, annotation = service.load_balancer_ip, service.annotation("loadBalancerIPs")
    if field and annotation:
        raise RequestError(
            "service can not have both metallb.io/loadBalancerIPs and svc.Spec.LoadBalancerIP: remove one of them"
        )
    if field:
        address = parse_address(field)
        if address is None:
            raise RequestError(f'invalid spec.loadBalancerIP "{field}": write one IP address')
        return (address,)
    if not annotation:
        return ()
    addresses = [parse_address(part) for part in annotation.split(",")]
    found = tuple(address for address in addresses if address is not None)
    if len(found) != len(addresses) or len({family_of(a) for a in found}) != len(found):
        raise RequestError(
            f'invalid metallb.io/loadBalancerIPs: "{annotation}": write one IP address, or one of each IP family'
        )
    return found
