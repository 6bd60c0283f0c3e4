"""What a session asks of its owner, and what it tells."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from lab.wire.bgp.config import Negotiated
from lab.wire.bgp.constants import Family, Prefix
from lab.wire.bgp.fsm import State
from lab.wire.bgp.notification import Notification
from lab.wire.bgp.update import Update


class Direction(Enum):
    """Who opened a connection; a session has at most one of each, and soon only one."""

    OUTGOING = "outgoing"
    INCOMING = "incoming"


@dataclass(frozen=True, slots=True)
class Connect:
    """Open a connection to the peer and report `connected` or `disconnected`."""


@dataclass(frozen=True, slots=True)
class Send:
    direction: Direction
    data: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """Close the connection, or stop trying to open it, after what was sent; `disconnected` need not be reported."""

    direction: Direction


@dataclass(frozen=True, slots=True)
class StateChanged:
    state: State


@dataclass(frozen=True, slots=True)
class Established:
    negotiated: Negotiated
    families: frozenset[Family]
    """The negotiated families for which there is a next hop to announce."""


class Cause(Enum):
    """Why a connection ended."""

    STOPPED = "stopped"
    CONNECTION_FAILED = "connectionFailed"
    NOTIFICATION_RECEIVED = "notificationReceived"
    NOTIFICATION_SENT = "notificationSent"
    COLLISION = "collision"


@dataclass(frozen=True, slots=True)
class Ended:
    """A connection is over. When `state` is Established, so is the session."""

    direction: Direction
    state: State
    """The state in which it ended."""
    cause: Cause
    notification: Notification | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class RoutesSent:
    """These prefixes are in messages handed out by `Send`."""

    announced: tuple[Prefix, ...]
    withdrawn: tuple[Prefix, ...]


@dataclass(frozen=True, slots=True)
class UpdateReceived:
    update: Update


Output = Connect | Send | Close | StateChanged | Established | Ended | RoutesSent | UpdateReceived
