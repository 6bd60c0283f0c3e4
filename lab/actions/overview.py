"""The lab at a glance: what its machines carry, beside the machines themselves."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from lab.actions.cluster import read
from lab.actions.evidence.facts import Json, Session
from lab.actions.evidence.gather import sessions
from lab.actions.steps import Context


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceLine:
    name: str
    """NAMESPACE/NAME."""
    addresses: tuple[str, ...]
    """External addresses; none while it waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    sessions: tuple[Session, ...] = ()
    services: tuple[ServiceLine, ...] = ()


def look(context: Context) -> Overview:
    """Ask the router for its sessions and the cluster for its Services of type LoadBalancer, both at once."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        seen = pool.submit(sessions, context)
        listed = pool.submit(read, context, "services", "--all-namespaces", "--output=json")
        items: list[Json] = listed.result().get("items", [])
        lines = tuple(_line(item) for item in items if item["spec"].get("type") == "LoadBalancer")
        return Overview(sessions=seen.result(), services=lines)


def _line(service: Json) -> ServiceLine:
    ingress = service.get("status", {}).get("loadBalancer", {}).get("ingress", [])
    name = f"{service['metadata']['namespace']}/{service['metadata']['name']}"
    return ServiceLine(name=name, addresses=tuple(entry["ip"] for entry in ingress if entry.get("ip")))
