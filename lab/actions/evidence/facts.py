"""What is so on the way to one Service, as read on the machines. Nothing here is judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One BGP session as the router's BIRD sees it."""

    peer: str
    worker: str
    state: str
    """BIRD's words: Established, Active, Connect, Idle, …"""
    error: str = ""
    """The last error that BIRD remembers."""

    @property
    def established(self) -> bool:
        return self.state == "Established"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that `judge` looks at."""

    name: str
    """NAMESPACE/NAME of the Service."""
    service: Json | None = None
    pods: tuple[Json, ...] = ()
    """Pods that the selector matches."""
    nodes: tuple[Json, ...] = ()
    speakers: Mapping[str, bool] = field(default_factory=dict)
    """Node → whether its speaker is ready."""
    peers: tuple[Json, ...] = ()
    """BGPPeer objects."""
    sessions: tuple[Session, ...] = ()
    rib: frozenset[str] = frozenset()
    """Next hops in the router's routing table."""
    filtered: frozenset[str] = frozenset()
    """Next hops whose route the router's import filter refused."""
    kernel: frozenset[str] = frozenset()
    """Next hops in the router's kernel."""
    rules: Mapping[str, bool] = field(default_factory=dict)
    """Worker → whether its service rules know the address."""
    drops: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Machine → packet filter rules that drop, other than Kubernetes' own."""
    client_gateways: frozenset[str] = frozenset()
    """Where the client sends packets for the address."""
    answers: Mapping[str, int] = field(default_factory=dict)
    """Pod → requests that it answered."""
    unanswered: int = 0

    @property
    def addresses(self) -> list[str]:
        ingress = ((self.service or {}).get("status") or {}).get("loadBalancer", {}).get("ingress", [])
        return [entry["ip"] for entry in ingress if entry.get("ip")]

    @property
    def is_local(self) -> bool:
        """Whether only nodes with a pod of the Service announce it."""
        return bool(self.service) and (self.service or {})["spec"].get("externalTrafficPolicy") == "Local"
