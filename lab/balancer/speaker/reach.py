"""Which peers of this node get a Service's routes, and why others do not. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache

from lab.balancer.model import PeerName
from lab.balancer.reasons import NotAnnounced
from lab.balancer.speaker.advertisements import Announcement
from lab.wire.bgp import Family

Families = frozenset[Family]


@dataclass(frozen=True, slots=True)
class Reach:
    """The peers that get a route, and those that lack one, with the reason. A peer may be both, one for each family."""

    targets: tuple[PeerName, ...] = ()
    missed: tuple[tuple[PeerName, NotAnnounced], ...] = ()


def reach(wanted: Collection[Announcement], peers: Mapping[PeerName, Families | None]) -> Reach:
    """Compare announcements with the families that the session with each peer carries; None: there can be no session."""
    wishes = frozenset((announcement.peers, Family.of(announcement.prefix)) for announcement in wanted)
    return _reach(wishes, tuple(sorted(peers.items())))


@lru_cache(maxsize=256)
def _reach(
    wishes: frozenset[tuple[frozenset[PeerName], Family]], peers: tuple[tuple[PeerName, Families | None], ...]
) -> Reach:
    """Thousands of Services share a few answers."""
    targets, missed = [], []
    for name, carried in peers:
        asked = {family for names, family in wishes if not names or name in names}
        if not asked:
            missed.append((name, NotAnnounced.PEER_NOT_SELECTED))
        elif carried is None:
            missed.append((name, NotAnnounced.PEER_NOT_SUPPORTED))
        else:
            if asked & carried:
                targets.append(name)
            if asked - carried:
                missed.append((name, NotAnnounced.FAMILY_NOT_CARRIED))
    return Reach(tuple(targets), tuple(missed))
