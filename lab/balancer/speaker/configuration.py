"""Follows what the speaker's configuration is made from; what is wrong does not replace what was right."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from lab.balancer.config import Loaded, Objects, Problem, Severity, load
from lab.balancer.model import Configuration, PeerName
from lab.balancer.resources import (
    BFD_PROFILES,
    BGP_ADVERTISEMENTS,
    BGP_PEERS,
    COMMUNITIES,
    CONFIGURATION,
    IP_ADDRESS_POOLS,
    L2_ADVERTISEMENTS,
)
from lab.balancer.service import Node
from lab.kube.client import Client
from lab.kube.resources import SECRETS, Json, Resource
from lab.kube.watch import Change, Reflector

K = TypeVar("K", bound=str)
V = TypeVar("V")


def as_written(item: Json) -> Json:
    """Return what of an object its author wrote."""
    metadata = item["metadata"]
    kept = {name: metadata[name] for name in ("name", "namespace", "labels") if name in metadata}
    rest = {name: value for name, value in item.items() if name not in {"metadata", "status"}}
    return {"metadata": kept, **rest}


def in_force(loaded: Loaded, before: Configuration) -> Configuration:
    """Return what to work with: objects with mistakes stay as they were before, or stay out if they are new."""
    wrong = {(p.kind, p.name) for p in loaded.problems if p.severity is not Severity.WARNING}
    now = loaded.configuration
    return replace(
        now,
        pools=_sound("IPAddressPool", now.pools, before.pools, wrong),
        bgp_advertisements=_sound(
            "BGPAdvertisement", now.bgp_advertisements, before.bgp_advertisements, wrong
        ),
        peers=_sound("BGPPeer", now.peers, before.peers, wrong),
    )


def of_node(loaded: Loaded, node: Node) -> Loaded:
    """Leave out what is wrong with peers and advertisements for other nodes: those nodes say it."""
    return replace(loaded, problems=tuple(p for p in loaded.problems if not _is_elsewhere(p, loaded, node)))


def _is_elsewhere(problem: Problem, loaded: Loaded, node: Node) -> bool:
    if problem.path.startswith("spec.nodeSelectors"):
        return False
    match problem.kind:
        case "BGPPeer":
            return not loaded.configuration.peers[PeerName(problem.name)].on_node(node.labels)
        case "BGPAdvertisement":
            return not loaded.configuration.bgp_advertisements[problem.name].on_node(node.labels)
    return False


def _sound(
    kind: str, now: Mapping[K, V], before: Mapping[K, V], wrong: Collection[tuple[str, str]]
) -> Mapping[K, V]:
    chosen = {name: before.get(name) if (kind, name) in wrong else value for name, value in now.items()}
    return {name: value for name, value in chosen.items() if value is not None}


class ConfigurationWatch:
    """Watch caches of the configuration's objects and of the secrets beside them."""

    def __init__(self, client: Client, *, namespace: str, changed: Callable[[], None]) -> None:
        """Call `changed` when somebody wrote something else; what programs tell about it does not count."""

        def on_change(change: Change[Json]) -> None:
            if change.new != change.old:
                changed()

        self._reflectors = {
            resource: Reflector(
                client,
                resource,
                as_written,
                on_change=on_change,
                namespace=namespace,
            )
            for resource in (*CONFIGURATION, SECRETS)
        }

    @property
    def reflectors(self) -> tuple[Reflector[Any], ...]:
        return tuple(self._reflectors.values())

    def read(self, node: Node) -> Loaded:
        """Read the present objects, judged by what they mean on `node`."""
        loaded = load(
            Objects(
                pools=self._objects(IP_ADDRESS_POOLS),
                l2_advertisements=self._objects(L2_ADVERTISEMENTS),
                bgp_advertisements=self._objects(BGP_ADVERTISEMENTS),
                peers=self._objects(BGP_PEERS),
                bfd_profiles=self._objects(BFD_PROFILES),
                communities=self._objects(COMMUNITIES),
                nodes={node.name: node.labels},
                secrets={item["metadata"]["name"]: item for item in self._objects(SECRETS)},
            )
        )
        return of_node(loaded, node)

    def _objects(self, resource: Resource) -> list[Json]:
        return list(self._reflectors[resource].store.values())
