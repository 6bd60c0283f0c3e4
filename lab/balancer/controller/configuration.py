"""Follows the configuration objects, adopts pools that are right, and tells what is wrong with the others.

What is wrong changes nothing but the words: the last good pools stay in force until better ones are there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Never

from lab.balancer.config import Loaded, Objects, load
from lab.balancer.model import Pool
from lab.balancer.resources import (
    BFD_PROFILES,
    BGP_ADVERTISEMENTS,
    BGP_PEERS,
    COMMUNITIES,
    CONFIGURATION,
    IP_ADDRESS_POOLS,
    L2_ADVERTISEMENTS,
)
from lab.kits.log import Log
from lab.kube.client import Client
from lab.kube.resources import NAMESPACES, NODES, Json, Resource
from lab.kube.watch import Change, Reflector, without_managed_fields

log = Log(__name__)
SETTLING: Final = 0.02
"""Seconds to wait after a change, because changes come in flocks (kubectl apply of a directory)."""


def labels_of(item: Json) -> Mapping[str, str]:
    labels: Mapping[str, str] = item["metadata"].get("labels") or {}
    return labels


class ConfigurationWatch:
    """Watch caches of everything that the configuration is made from."""

    def __init__(self, client: Client, *, namespace: str) -> None:
        self._changed = asyncio.Event()
        self._configuration = {
            resource: Reflector(
                client, resource, without_managed_fields, on_change=self._note, namespace=namespace
            )
            for resource in CONFIGURATION
        }
        self._namespaces = Reflector(client, NAMESPACES, labels_of, on_change=self._note_labels)
        self._nodes = Reflector(client, NODES, labels_of, on_change=self._note_labels)
        self.loaded: Loaded | None = None
        """The latest reading, right or wrong."""
        self.adopted = False
        """Whether good pools were ever read."""

    @property
    def reflectors(self) -> tuple[Reflector[Any], ...]:
        return (*self._configuration.values(), self._namespaces, self._nodes)

    def objects(self, resource: Resource) -> list[Json]:
        return list(self._configuration[resource].store.values())

    def _note(self, _: Change[Json]) -> None:
        self._changed.set()

    def _note_labels(self, change: Change[Mapping[str, str]]) -> None:
        """Nodes report all the time that they are well; only their labels matter here."""
        if change.new != change.old:
            self._changed.set()

    def read(self) -> Loaded:
        """Read the present objects."""
        return load(
            Objects(
                pools=self.objects(IP_ADDRESS_POOLS),
                l2_advertisements=self.objects(L2_ADVERTISEMENTS),
                bgp_advertisements=self.objects(BGP_ADVERTISEMENTS),
                peers=self.objects(BGP_PEERS),
                bfd_profiles=self.objects(BFD_PROFILES),
                communities=self.objects(COMMUNITIES),
                namespaces={key.name: labels for key, labels in self._namespaces.store.items()},
                nodes={key.name: labels for key, labels in self._nodes.store.items()},
            )
        )

    async def run(self, adopt: Callable[[Iterable[Pool]], None], told: Callable[[Loaded], None]) -> Never:
        """Call `adopt` with pools that are right and new, and `told` with every reading, until cancelled."""
        for reflector in self.reflectors:
            await reflector.synced.wait()
        current: tuple[Pool, ...] | None = None
        while True:
            self._changed.clear()
            self.loaded = loaded = self.read()
            pools = tuple(loaded.configuration.pools.values())
            if loaded.pools_valid and pools != current:
                current = pools
                self.adopted = True
                adopt(pools)
                log.info("configuration loaded", event="configLoaded", pools=len(pools))
            told(loaded)
            await self._changed.wait()
            await asyncio.sleep(SETTLING)
