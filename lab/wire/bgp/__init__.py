"""BGP-4 (RFC 4271) without I/O.

`Session` is the door; `messages` and the codecs below it can be used alone. RFC 4271 (base), 1997 and 8092
(communities), 2918 (route refresh), 4486 and 9003 (Cease and its text), 4724 (graceful restart), 4760 (multiprotocol),
5492 (capabilities), 6286 (identifiers), 6608 (state machine errors), 6793 (four-octet ASNs), 7606 (malformed
UPDATEs), 8326 (graceful shutdown), 9687 (send hold timer).
"""

from __future__ import annotations

from lab.wire.bgp.adj_rib_out import Path
from lab.wire.bgp.attributes import GRACEFUL_SHUTDOWN, Community, LargeCommunity
from lab.wire.bgp.config import DynamicAsn, Negotiated, Restart, SessionConfig
from lab.wire.bgp.constants import Address, Asn, Cease, Family, MessageType, Prefix
from lab.wire.bgp.events import (
    Cause,
    Close,
    Connect,
    Direction,
    Ended,
    Established,
    Output,
    RoutesSent,
    Send,
    StateChanged,
    UpdateReceived,
)
from lab.wire.bgp.fsm import State
from lab.wire.bgp.notification import MessageError, Notification
from lab.wire.bgp.session import Session

__all__ = [
    "GRACEFUL_SHUTDOWN",
    "Address",
    "Asn",
    "Cause",
    "Cease",
    "Close",
    "Community",
    "Connect",
    "Direction",
    "DynamicAsn",
    "Ended",
    "Established",
    "Family",
    "LargeCommunity",
    "MessageError",
    "MessageType",
    "Negotiated",
    "Notification",
    "Output",
    "Path",
    "Prefix",
    "Restart",
    "RoutesSent",
    "Send",
    "Session",
    "SessionConfig",
    "State",
    "StateChanged",
    "UpdateReceived",
]
