"""UPDATE (RFC 4271, section 4.3), read with the error handling of RFC 7606.

+-----------------------------------------------------+
|   Withdrawn Routes Length (2 octets)                |
+-----------------------------------------------------+
|   Withdrawn Routes (variable)                       |
+-----------------------------------------------------+
|   Total Path Attribute Length (2 octets)            |
+-----------------------------------------------------+
|   Path Attributes (variable)                        |
+-----------------------------------------------------+
|   Network Layer Reachability Information (variable) |
+-----------------------------------------------------+
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from lab.wire.bgp.attribute_list import NO_ATTRIBUTES, Approach, Fault, PathAttributes
from lab.wire.bgp.attributes import MpUnreach
from lab.wire.bgp.constants import AttributeType, Family, MessageType, Prefix, UpdateError
from lab.wire.bgp.framing import frame
from lab.wire.bgp.nlri import MalformedPrefixError, decode_prefixes, encode_prefixes
from lab.wire.bgp.notification import UpdateMessageError


@dataclass(frozen=True, slots=True)
class Update:
    """Prefixes of IPv4 in the message's own fields; everything else in the multiprotocol attributes."""

    withdrawn: tuple[Prefix, ...] = ()
    attributes: PathAttributes = NO_ATTRIBUTES
    announced: tuple[Prefix, ...] = ()
    faults: tuple[Fault, ...] = ()
    """What was malformed when the message was read, and what it cost."""

    @property
    def end_of_rib(self) -> Family | None:
        """The family whose initial routes are complete (RFC 4724, section 2)."""
        if self.withdrawn or self.announced or self.faults:
            return None
        if self.attributes == NO_ATTRIBUTES:
            return Family.IPV4
        unreach = self.attributes.mp_unreach
        alone = unreach is not None and self.attributes == PathAttributes(mp_unreach=unreach)
        return unreach.family if unreach is not None and alone and not unreach.prefixes else None

    def announced_in(self, family: Family) -> tuple[Prefix, ...]:
        reach = self.attributes.mp_reach
        more = reach.prefixes if reach and reach.family is family else ()
        return (self.announced if family is Family.IPV4 else ()) + more

    def withdrawn_in(self, family: Family) -> tuple[Prefix, ...]:
        unreach = self.attributes.mp_unreach
        more = unreach.prefixes if unreach and unreach.family is family else ()
        return (self.withdrawn if family is Family.IPV4 else ()) + more

    def encode(self, *, four_octet: bool) -> bytes:
        """Return the whole message. Raises ValueError when it would exceed 4096 octets."""
        withdrawn = encode_prefixes(self.withdrawn)
        attributes = self.attributes.encode(four_octet=four_octet)
        return frame(MessageType.UPDATE, body(withdrawn, attributes, encode_prefixes(self.announced)))

    @classmethod
    def decode(cls, data: bytes, *, four_octet: bool, external: bool) -> Update:
        """Read the body; `external` says that the peer is in another AS. Raises UpdateMessageError."""
        withdrawn_end = 2 + int.from_bytes(data[:2])
        attributes_end = withdrawn_end + 2 + int.from_bytes(data[withdrawn_end : withdrawn_end + 2])
        if len(data) < withdrawn_end + 2 or len(data) < attributes_end:
            raise UpdateMessageError(UpdateError.MALFORMED_ATTRIBUTE_LIST, "a length exceeds the message")
        try:
            withdrawn = decode_prefixes(data[2:withdrawn_end], Family.IPV4)
            announced = decode_prefixes(data[attributes_end:], Family.IPV4)
        except MalformedPrefixError as error:
            raise UpdateMessageError(UpdateError.INVALID_NETWORK_FIELD, str(error)) from error
        attributes, faults = PathAttributes.decode(
            data[withdrawn_end + 2 : attributes_end], four_octet=four_octet
        )
        return _revised(cls(withdrawn, attributes, announced, faults), external=external)


def body(withdrawn: bytes, attributes: bytes, announced: bytes) -> bytes:
    return b"".join(
        (len(withdrawn).to_bytes(2), withdrawn, len(attributes).to_bytes(2), attributes, announced)
    )


def _revised(update: Update, *, external: bool) -> Update:
    """Apply RFC 7606 to a message that could be parsed: discard what may not be there, withdraw what is malformed."""
    if external and update.attributes.local_pref is not None:  # section 7.5
        fault = Fault(AttributeType.LOCAL_PREF, Approach.ATTRIBUTE_DISCARD, "from an external peer")
        attributes = replace(update.attributes, local_pref=None)
        update = replace(update, attributes=attributes, faults=(*update.faults, fault))
    faults = (*update.faults, *_missing(update, external=external))
    if all(fault.approach is Approach.ATTRIBUTE_DISCARD for fault in faults):
        return update
    return _treat_as_withdraw(replace(update, faults=faults))


def _missing(update: Update, *, external: bool) -> tuple[Fault, ...]:
    """Name the absent mandatory attributes (RFC 4271, section 5; RFC 7606, section 3d)."""
    attributes = update.attributes
    if not update.announced and attributes.mp_reach is None:
        return ()
    mandatory = {
        AttributeType.ORIGIN: attributes.origin is not None,
        AttributeType.AS_PATH: attributes.as_path is not None,
        AttributeType.NEXT_HOP: not update.announced or attributes.next_hop is not None,
        AttributeType.LOCAL_PREF: external or attributes.local_pref is not None,
    }
    return tuple(
        Fault(kind, Approach.TREAT_AS_WITHDRAW, "a mandatory attribute is missing")
        for kind, present in mandatory.items()
        if not present
    )


def _treat_as_withdraw(update: Update) -> Update:
    """Turn every announced prefix into a withdrawn one."""
    reach, unreach = update.attributes.mp_reach, update.attributes.mp_unreach
    withdrawn = update.withdrawn + update.announced
    if reach is not None and reach.family is Family.IPV4:
        withdrawn += reach.prefixes
    elif reach is not None:
        earlier = unreach.prefixes if unreach is not None and unreach.family is reach.family else ()
        unreach = MpUnreach(reach.family, earlier + reach.prefixes)
    return Update(withdrawn, PathAttributes(mp_unreach=unreach), (), update.faults)
