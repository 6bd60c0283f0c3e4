"""What one side wants of a session, the OPEN that says so, and what both sides agree upon."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Address

from lab.wire.bgp.capabilities import (
    Capability,
    FourOctetAsn,
    GracefulRestart,
    RestartFamily,
    RouteRefreshCapability,
    encode_capability,
    multi_protocol,
)
from lab.wire.bgp.constants import Address, Asn, Family, OpenError
from lab.wire.bgp.messages import Dialect
from lab.wire.bgp.notification import OpenMessageError
from lab.wire.bgp.open import Open

_SHORTEST_HOLD_TIME = 3
_LONGEST_RESTART_TIME = 4095


class DynamicAsn(Enum):
    """A peer whose ASN is taken from its OPEN: any other than ours, or ours."""

    EXTERNAL = "external"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """Our side of a graceful restart (RFC 4724)."""

    time: int = 120
    """Seconds that the peer keeps our routes without a session."""
    restarted: bool = False
    """This process is new and an older one may have announced: the R bit of the first OPEN."""
    forwarding_preserved: bool = True
    """The data plane went on forwarding meanwhile: the F bit. False after a reboot of the node."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionConfig:
    """One session as its owner wants it. Times are seconds. Raises ValueError on values outside their bounds."""

    local_asn: Asn
    peer_asn: Asn | DynamicAsn
    router_id: IPv4Address
    families: frozenset[Family] = frozenset({Family.IPV4})
    hold_time: int = 90
    keepalive_time: int | None = None
    """Default: a third of the negotiated hold time."""
    connect_retry_time: float = 10.0
    """The longest wait between two attempts to connect; the first waits are shorter."""
    idle_hold_time: float = 60.0
    """The longest time to stay away from a peer whose sessions keep failing."""
    passive: bool = False
    """Never connect; only accept."""
    graceful_restart: Restart | None = None
    next_hops: Mapping[Family, Address] = field(default_factory=dict)
    """Own addresses to announce as next hops; the session's local address is the default for its family."""

    def __post_init__(self) -> None:
        if self.hold_time != 0 and not _SHORTEST_HOLD_TIME <= self.hold_time <= 0xFFFF:
            raise ValueError(f"hold time {self.hold_time}: 0, or 3 to 65535 seconds")
        if self.keepalive_time is not None and self.keepalive_time > self.hold_time:
            raise ValueError(f"keepalive time {self.keepalive_time} exceeds hold time {self.hold_time}")
        if self.graceful_restart and not 0 <= self.graceful_restart.time <= _LONGEST_RESTART_TIME:
            raise ValueError(f"restart time {self.graceful_restart.time}: 0 to 4095 seconds")
        if not self.families:
            raise ValueError("a session carries at least one family")
        if int(self.router_id) == 0:
            raise ValueError("the router id is 0.0.0.0")

    @property
    def external(self) -> bool:
        """Whether the peer is in another AS."""
        return self.peer_asn not in {self.local_asn, DynamicAsn.INTERNAL}

    def accepts(self, asn: Asn) -> bool:
        if isinstance(self.peer_asn, DynamicAsn):
            return (asn != self.local_asn) == self.external
        return asn == self.peer_asn


def open_message(config: SessionConfig, *, first: bool) -> Open:
    """Write the OPEN that `config` asks for.

    `first` says that no session has been established since the process started: only then may the R bit say
    "restarted". F is set later too, because losing a session stops nobody from forwarding (RFC 4724, section 3).
    """
    families = sorted(config.families, key=lambda family: family.value)
    capabilities: list[Capability] = [multi_protocol(family) for family in families]
    capabilities += [RouteRefreshCapability(), FourOctetAsn(config.local_asn)]
    restart = config.graceful_restart
    if restart is not None:
        preserved = restart.forwarding_preserved or not first
        kept = tuple(RestartFamily(f.afi, f.safi, preserved) for f in families)
        capabilities.append(GracefulRestart(restart.restarted and first, restart.time, kept))
    return Open(config.local_asn, config.hold_time, config.router_id, tuple(capabilities))


@dataclass(frozen=True, slots=True, kw_only=True)
class Negotiated:
    """What two OPENs agree upon."""

    peer: Open
    hold_time: int
    keepalive_time: float
    families: frozenset[Family]
    dialect: Dialect

    @property
    def end_of_rib(self) -> bool:
        """Whether the peer waits for the end of our initial routes (RFC 4724, section 4)."""
        return self.peer.graceful_restart is not None


def negotiate(config: SessionConfig, peer: Open) -> Negotiated:
    """Compare the peer's OPEN with what we want. Raises OpenMessageError (RFC 4271, section 6.2)."""
    if not config.accepts(peer.asn):
        raise OpenMessageError(
            OpenError.BAD_PEER_AS, f"the peer says AS {peer.asn}", data=peer.asn.to_bytes(4)
        )
    if peer.router_id == config.router_id and peer.asn == config.local_asn:  # RFC 6286, section 2.2
        raise OpenMessageError(
            OpenError.BAD_BGP_IDENTIFIER, "the peer has our identifier", data=peer.router_id.packed
        )
    families = config.families & peer.families
    if not families:
        wanted = b"".join(encode_capability(multi_protocol(family)) for family in config.families)
        raise OpenMessageError(OpenError.UNSUPPORTED_CAPABILITY, "no family in common", data=wanted)
    hold_time = min(config.hold_time, peer.hold_time)
    keepalive = hold_time / 3
    if config.keepalive_time:
        keepalive = min(keepalive, config.keepalive_time)
    return Negotiated(
        peer=peer,
        hold_time=hold_time,
        keepalive_time=keepalive,
        families=families,
        dialect=Dialect(four_octet=peer.four_octet_asn, external=config.external),
    )
