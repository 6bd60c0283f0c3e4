"""What all Services of this node want announced, by prefix, and which prefixes have to be looked at again.

Services may share an address, and addresses an aggregate; each prefix is one route a peer, with the communities of all
announcements of it. A change costs as much as the prefixes that it touches, however many others there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import reduce

from lab.balancer.model import PeerName, Prefix
from lab.balancer.speaker.advertisements import Announcement
from lab.kube.resources import ObjectKey
from lab.wire.bgp import GRACEFUL_SHUTDOWN, Path

Changes = Mapping[Prefix, Path | None]
"""The path of each prefix that may have changed; None: it is not to be announced."""


class Table:
    def __init__(self) -> None:
        self._wanted: dict[ObjectKey, tuple[Announcement, ...]] = {}
        self._owners: dict[Prefix, tuple[ObjectKey, ...]] = {}
        self._touched: set[Prefix] = set()

    def of(self, key: ObjectKey) -> tuple[Announcement, ...]:
        """Return what a Service wants announced."""
        return self._wanted.get(key, ())

    def want(self, key: ObjectKey, wanted: tuple[Announcement, ...]) -> None:
        """Note what a Service wants announced from now on; nothing, when it is gone."""
        before = self._wanted.get(key, ())
        if wanted == before:
            return
        if wanted:
            self._wanted[key] = wanted
        else:
            del self._wanted[key]
        known = {announcement.prefix for announcement in before}
        new = {announcement.prefix for announcement in wanted}
        for prefix in known - new:
            self._leave(prefix, key)
        for prefix in new - known:
            self._owners[prefix] = (*self._owners.get(prefix, ()), key)
        self._touched |= known | new

    def changes(self, peers: Iterable[PeerName]) -> Mapping[PeerName, Changes]:
        """Return what may have changed since the last call, for each peer."""
        touched, self._touched = self._touched, set()
        return {peer: {prefix: self._path(prefix, peer) for prefix in touched} for peer in peers}

    def routes(self, peers: Iterable[PeerName]) -> Mapping[PeerName, Mapping[Prefix, Path]]:
        """Return all routes of each peer."""
        return {peer: dict(self._routes(peer)) for peer in peers}

    def _routes(self, peer: PeerName) -> Iterator[tuple[Prefix, Path]]:
        for prefix in self._owners:
            path = self._path(prefix, peer)
            if path is not None:
                yield prefix, path

    def _path(self, prefix: Prefix, peer: PeerName) -> Path | None:
        """Join the announcements of a prefix that a peer is to get; it drains when all of them do."""
        found = [
            announcement
            for key in self._owners.get(prefix, ())
            for announcement in self._wanted[key]
            if announcement.prefix == prefix and announcement.is_for(peer)
        ]
        if not found:
            return None
        path = reduce(merge, (announcement.path for announcement in found))
        if all(announcement.draining for announcement in found):
            return replace(path, communities=path.communities | {GRACEFUL_SHUTDOWN})
        return path

    def _leave(self, prefix: Prefix, key: ObjectKey) -> None:
        rest = tuple(owner for owner in self._owners[prefix] if owner != key)
        if rest:
            self._owners[prefix] = rest
        else:
            del self._owners[prefix]


def merge(one: Path, other: Path) -> Path:
    """Join two paths of one prefix: all communities, and the higher preference."""
    if one == other:
        return one
    preferences = [path.local_pref for path in (one, other) if path.local_pref is not None]
    return Path(
        local_pref=max(preferences, default=None),
        communities=one.communities | other.communities,
        large_communities=one.large_communities | other.large_communities,
    )
