"""What the names of a cluster mean. Pure: Services and EndpointSlices in, records out.

NAME.NAMESPACE.svc.ZONE                   the cluster IPs; of a headless Service its ready endpoints
_PORT._PROTOCOL.NAME.NAMESPACE.svc.ZONE   SRV
HOSTNAME.NAME.NAMESPACE.svc.ZONE          an endpoint of a headless Service
10-244-1-2.NAMESPACE.pod.ZONE             a pod's address
10.0.96.10.in-addr.arpa                   back to the Service's name
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Final

from lab.kube.resources import Json
from lab.wire import dns
from lab.wire.dns import Record, Type

TTL: Final = 5
"""Seconds: CoreDNS' default for the cluster's names."""
WEIGHT: Final = 100


@dataclass(frozen=True, slots=True)
class Found:
    """The records of one name. `exists` is False when there is no such name, whatever the type."""

    records: Sequence[Record] = ()
    additional: Sequence[Record] = ()
    exists: bool = True


NOTHING: Final = Found(exists=False)


class Zone:
    """The names of one cluster at one moment."""

    def __init__(self, domain: str, services: Iterable[Json], slices: Iterable[Json]) -> None:
        """Take the cluster's domain, as `cluster.local`."""
        self.domain = domain
        self._services = {(_namespace(each), each["metadata"]["name"]): each for each in services}
        self._slices: dict[tuple[str, str], list[Json]] = {}
        for each in slices:
            name = (each["metadata"].get("labels") or {}).get("kubernetes.io/service-name", "")
            self._slices.setdefault((_namespace(each), name), []).append(each)
        self._reverse = dict(self._pointers())

    def contains(self, name: str) -> bool:
        """Whether the zone alone can say what a name means."""
        lower = name.lower()
        return lower == self.domain or lower.endswith(f".{self.domain}") or lower in self._reverse

    def find(self, name: str, kind: int) -> Found:
        """Return the records of a type that a name has."""
        lower = name.lower()
        if target := self._reverse.get(lower):
            return Found([dns.pointer(name, target, TTL)] if kind == Type.PTR else [])
        labels = lower.removesuffix(self.domain).rstrip(".").split(".")
        return self._inside(name, labels, kind)

    def _inside(self, name: str, labels: Sequence[str], kind: int) -> Found:
        match labels:
            case [""]:
                return Found([dns.authority(self.domain, TTL)] if kind == Type.SOA else [])
            case ["svc"] | ["pod"]:
                return Found()
            case [address, namespace, "pod"]:
                return self._pod(name, address, namespace, kind)
            case [namespace, "svc"]:
                return Found() if any(key[0] == namespace for key in self._services) else NOTHING
            case [*prefix, service, namespace, "svc"]:
                return self._service(name, prefix, (namespace, service), kind)
        return NOTHING

    def _pod(self, name: str, address: str, namespace: str, kind: int) -> Found:
        if not any(key[0] == namespace for key in self._services):
            return NOTHING
        for text in (address.replace("-", "."), address.replace("-", ":")):
            try:
                return Found(_of_kind([dns.address(name, ip_address(text), TTL)], kind))
            except ValueError:
                continue
        return NOTHING

    def _service(self, name: str, prefix: Sequence[str], key: tuple[str, str], kind: int) -> Found:
        service = self._services.get(key)
        if service is None:
            return NOTHING
        spec = service["spec"]
        if spec.get("type") == "ExternalName":
            return NOTHING if prefix else Found([dns.alias(name, spec["externalName"], TTL)])
        if prefix and prefix[0].startswith("_"):
            return self._ports(name, prefix, key, kind)
        if spec.get("clusterIP") == "None":
            return self._headless(name, prefix, key, kind)
        if prefix:
            return NOTHING
        addresses = [ip_address(each) for each in spec.get("clusterIPs") or [spec["clusterIP"]]]
        return Found(_of_kind([dns.address(name, each, TTL) for each in addresses], kind))

    def _headless(self, name: str, prefix: Sequence[str], key: tuple[str, str], kind: int) -> Found:
        endpoints = list(self._endpoints(key))
        if len(prefix) > 1:
            return NOTHING
        if prefix:
            endpoints = [each for each in endpoints if each[0] == prefix[0]]
        if not endpoints:
            return NOTHING
        return Found(_of_kind([dns.address(name, ip, TTL) for _, ip, _ in endpoints], kind))

    def _ports(self, name: str, prefix: Sequence[str], key: tuple[str, str], kind: int) -> Found:
        """Return the SRV records of `_http._tcp` before a Service's name."""
        if len(prefix) != 2 or not prefix[1].startswith("_"):
            return NOTHING
        base = f"{key[1]}.{key[0]}.svc.{self.domain}"
        spec = self._services[key]["spec"]
        wanted = (prefix[0][1:], prefix[1][1:].upper())
        if spec.get("clusterIP") == "None":
            targets = [(f"{host}.{base}", [ip], ports) for host, ip, ports in self._endpoints(key)]
        else:
            ips = [ip_address(each) for each in spec.get("clusterIPs") or ()]
            targets = [(base, ips, spec.get("ports") or ())]
        records = [
            dns.service(name, target, int(port["port"]), weight=WEIGHT, ttl=TTL)
            for target, _, ports in targets
            for port in ports
            if (port.get("name") or "", port.get("protocol", "TCP")) == wanted
        ]
        if not records:
            return NOTHING
        addresses = [dns.address(target, ip, TTL) for target, ips, _ in targets for ip in ips]
        return Found(records, addresses) if kind == Type.SRV else Found()

    def _endpoints(
        self, key: tuple[str, str]
    ) -> Iterator[tuple[str, IPv4Address | IPv6Address, Sequence[Mapping[str, Any]]]]:
        """Yield host name, address and ports of each ready endpoint of a Service."""
        for piece in self._slices.get(key, ()):
            for endpoint in piece.get("endpoints") or ():
                if (endpoint.get("conditions") or {}).get("ready") is False:
                    continue
                ip = ip_address(endpoint["addresses"][0])
                hostname = endpoint.get("hostname") or str(ip).replace(".", "-").replace(":", "-")
                yield hostname, ip, piece.get("ports") or ()

    def _pointers(self) -> Iterator[tuple[str, str]]:
        for key, service in self._services.items():
            base = f"{key[1]}.{key[0]}.svc.{self.domain}"
            if service["spec"].get("clusterIP") == "None":
                for hostname, ip, _ in self._endpoints(key):
                    yield ip.reverse_pointer, f"{hostname}.{base}"
            for each in service["spec"].get("clusterIPs") or ():
                if each != "None":
                    yield ip_address(each).reverse_pointer, base


def _namespace(item: Json) -> str:
    namespace: str = item["metadata"]["namespace"]
    return namespace


def _of_kind(records: Iterable[Record], kind: int) -> list[Record]:
    return [each for each in records if each.type == kind]
