"""API objects → one validated `Configuration`, or the list of everything that is wrong with them.

The rules are those that MetalLB enforces with webhooks; here nothing stands between a user and the API: schemas and CEL
rules in the CRDs refuse what one object shows, and what needs several objects is found here and told in their status.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lab.balancer.config.advertisements import read_bgp_advertisements, read_l2_advertisements
from lab.balancer.config.communities import read_communities
from lab.balancer.config.peers import read_bfd_profiles, read_peers
from lab.balancer.config.pools import read_pools
from lab.balancer.config.problems import Problem, Severity
from lab.balancer.model import Configuration
from lab.kube.resources import Json

__all__ = ["Loaded", "Objects", "Problem", "Severity", "load"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Objects:
    """Everything that the configuration is made from. Absent: not known, so not judged by."""

    pools: Sequence[Json] = ()
    l2_advertisements: Sequence[Json] = ()
    bgp_advertisements: Sequence[Json] = ()
    peers: Sequence[Json] = ()
    bfd_profiles: Sequence[Json] = ()
    communities: Sequence[Json] = ()
    namespaces: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Name → labels."""
    nodes: Mapping[str, Mapping[str, str]] | None = None
    """Name → labels."""
    secrets: Mapping[str, Json] | None = None
    """Those of our namespace, by name; None for a component that may not read them."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration made of what is right, and what is wrong. Use it only when it is valid."""

    configuration: Configuration
    problems: tuple[Problem, ...]

    @property
    def valid(self) -> bool:
        return all(problem.severity is Severity.WARNING for problem in self.problems)

    @property
    def errors(self) -> tuple[str, ...]:
        """What keeps an object from being used."""
        return tuple(str(problem) for problem in self.problems if problem.severity is not Severity.WARNING)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is used, but probably not as meant."""
        return tuple(str(problem) for problem in self.problems if problem.severity is Severity.WARNING)

    @property
    def pools_valid(self) -> bool:
        """Whether the pools may be used, whatever is wrong with peers and advertisements."""
        return not any(
            problem.kind == "IPAddressPool" and problem.severity is not Severity.WARNING
            for problem in self.problems
        )


def load(objects: Objects) -> Loaded:
    """Read all objects. The order of the objects, and of the fields in them, does not matter."""
    problems: list[Problem] = []
    pools = read_pools(objects.pools, objects.namespaces, problems)
    aliases = read_communities(objects.communities, problems)
    profiles = read_bfd_profiles(objects.bfd_profiles, problems)
    peers = read_peers(
        objects.peers, profiles=profiles, secrets=objects.secrets, nodes=objects.nodes, problems=problems
    )
    configuration = Configuration(
        pools={name: source.pool for name, source in pools.items()},
        l2_advertisements=read_l2_advertisements(objects.l2_advertisements, pools, problems),
        bgp_advertisements=read_bgp_advertisements(
            objects.bgp_advertisements,
            pools=pools,
            peers=peers,
            aliases=aliases,
            nodes=objects.nodes,
            problems=problems,
        ),
        peers=peers,
        bfd_profiles=profiles,
    )
    return Loaded(configuration, tuple(problems))
