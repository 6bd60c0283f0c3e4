"""Follows what the speaker's configuration is made from; the last good one stays in force."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lab.balancer.config import Loaded, Objects, load
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
from lab.kube.watch import Reflector, without_managed_fields


class ConfigurationWatch:
    """Watch caches of the configuration's objects and of the secrets beside them."""

    def __init__(self, client: Client, *, namespace: str, changed: Callable[[], None]) -> None:
        self._reflectors = {
            resource: Reflector(
                client,
                resource,
                without_managed_fields,
                on_change=lambda _: changed(),
                namespace=namespace,
            )
            for resource in (*CONFIGURATION, SECRETS)
        }

    @property
    def reflectors(self) -> tuple[Reflector[Any], ...]:
        return tuple(self._reflectors.values())

    def read(self, node: Node) -> Loaded:
        """Read the present objects, judged by what they mean on `node`."""
        return load(
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

    def _objects(self, resource: Resource) -> list[Json]:
        return list(self._reflectors[resource].store.values())
