"""IPAddressPool objects → pools of disjoint prefixes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network, summarize_address_range

from lab.balancer.config.problems import Problem, Reader
from lab.balancer.model import Address, Pool, PoolName, Prefix, ServiceAllocation
from lab.kube.resources import Json


@dataclass(frozen=True, slots=True)
class PoolSource:
    """A pool, with what only the validation of advertisements needs of its object."""

    pool: Pool
    labels: Mapping[str, str]
    entries: tuple[tuple[Prefix, ...], ...]
    """The prefixes of each entry of spec.addresses."""


def read_pools(
    items: Iterable[Json], namespaces: Mapping[str, Mapping[str, str]], problems: list[Problem]
) -> dict[PoolName, PoolSource]:
    """Return the pools by name. `namespaces` maps the names of all namespaces to their labels."""
    readers = sorted((Reader("IPAddressPool", item, problems) for item in items), key=lambda r: r.name)
    pools = {PoolName(reader.name): _read(reader, namespaces) for reader in readers}
    _report_overlaps(readers, pools)
    return pools


def parse_entry(text: str) -> tuple[Prefix, ...]:
    """Return the prefixes of "10.0.0.0/24" or "10.0.0.1-10.0.0.9"; raises ValueError."""
    if "-" not in text:
        if "/" not in text:
            raise ValueError(f"invalid CIDR {text!r}")
        try:
            return (ip_network(text.strip(), strict=False),)
        except ValueError as error:
            raise ValueError(f"invalid CIDR {text!r}") from error
    first, last = (_end(part, text) for part in text.split("-", 1))
    if first.version != last.version or int(first) > int(last):
        raise ValueError(f"invalid IP range {text!r}: the first address must come before the last one")
    return tuple(summarize_address_range(first, last))


def _end(part: str, text: str) -> Address:
    try:
        return ip_address(part.strip())
    except ValueError as error:
        raise ValueError(f"invalid IP range {text!r}: {part.strip()!r} is not an address") from error


def _read(reader: Reader, namespaces: Mapping[str, Mapping[str, str]]) -> PoolSource:
    entries = []
    for index, text in enumerate(reader.entries("addresses")):
        try:
            entries.append(parse_entry(str(text)))
        except ValueError as error:
            hint = "write a prefix (192.168.1.0/24, fd00::/120) or a range (192.168.1.10-192.168.1.20)"
            reader.report(f"addresses[{index}]", str(error), hint)
    if not reader.spec.get("addresses"):
        reader.report(
            "addresses", "pool has no prefixes defined", "write at least one, such as 192.168.1.0/24"
        )
    pool = Pool(
        name=PoolName(reader.name),
        prefixes=tuple(prefix for entry in entries for prefix in entry),
        auto_assign=reader.flag("autoAssign", default=True),
        avoid_buggy_ips=reader.flag("avoidBuggyIPs"),
        allocation=_allocation(reader, namespaces),
    )
    return PoolSource(pool, reader.labels, tuple(entries))


def _allocation(reader: Reader, namespaces: Mapping[str, Mapping[str, str]]) -> ServiceAllocation | None:
    raw = reader.spec.get("serviceAllocation")
    if not isinstance(raw, dict):
        return None
    names = reader.names("namespaces", raw)
    selectors = reader.selectors("namespaceSelectors", raw)
    selected = {
        name for name, labels in namespaces.items() if any(selector.matches(labels) for selector in selectors)
    }
    priority = raw.get("priority")
    return ServiceAllocation(
        priority=priority if isinstance(priority, int) else 0,
        namespaces=frozenset(names) | selected,
        namespaced=bool(names or selectors),
        service_selectors=reader.selectors("serviceSelectors", raw),
    )


def _report_overlaps(readers: Iterable[Reader], pools: Mapping[PoolName, PoolSource]) -> None:
    """Report each prefix that shares addresses with one before it, in the order of addresses."""
    owned = [
        (prefix.version, int(prefix.network_address), prefix, reader)
        for reader in readers
        for prefix in pools[PoolName(reader.name)].pool.prefixes
    ]
    owned.sort(key=lambda item: item[:2])
    widest = None
    for version, first, prefix, reader in owned:
        if widest and widest[0] == version and first <= int(widest[2].broadcast_address):
            other = f'"{widest[2]}"' + (f" of pool {widest[3].name}" if widest[3] is not reader else "")
            reader.report(
                "addresses",
                f'CIDR "{prefix}" in pool "{reader.name}" overlaps with already defined CIDR {other}',
                "remove it from one of the two",
            )
        if not widest or (version, int(prefix.broadcast_address)) > (
            widest[0],
            int(widest[2].broadcast_address),
        ):
            widest = (version, first, prefix, reader)
