"""NOTIFICATION (RFC 4271, section 4.5) and the errors that carry one.

    0                   1                   2                   3
    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    | Error code    | Error subcode |   Data (variable)             |
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

An error that a peer causes is a `MessageError`; it carries the NOTIFICATION that answers it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from lab.errors import ProtocolError
from lab.wire.bgp.constants import (
    Cease,
    ErrorCode,
    HeaderError,
    MessageType,
    OpenError,
    StateMachineError,
    UpdateError,
)
from lab.wire.bgp.framing import frame

_SUBCODES: dict[int, type[IntEnum]] = {
    ErrorCode.MESSAGE_HEADER: HeaderError,
    ErrorCode.OPEN_MESSAGE: OpenError,
    ErrorCode.UPDATE_MESSAGE: UpdateError,
    ErrorCode.FINITE_STATE_MACHINE: StateMachineError,
    ErrorCode.CEASE: Cease,
}
_WITH_TEXT = frozenset({Cease.ADMINISTRATIVE_SHUTDOWN, Cease.ADMINISTRATIVE_RESET})
_MAX_TEXT = 255


@dataclass(frozen=True, slots=True)
class Notification:
    code: int
    subcode: int = 0
    data: bytes = b""

    @classmethod
    def cease(cls, subcode: Cease, text: str = "") -> Notification:
        """Make a Cease; where RFC 9003 has a place for a text, it holds 255 octets of UTF-8."""
        if not text or subcode not in _WITH_TEXT:
            return cls(ErrorCode.CEASE, subcode)
        octets = text.encode()[:_MAX_TEXT].decode(errors="ignore").encode()
        return cls(ErrorCode.CEASE, subcode, bytes((len(octets),)) + octets)

    @property
    def text(self) -> str:
        """The shutdown text, printable (RFC 9003, section 2); empty when there is none or it is malformed."""
        if self.code != ErrorCode.CEASE or self.subcode not in _WITH_TEXT or not self.data:
            return ""
        octets = self.data[1 : 1 + self.data[0]]
        if len(octets) < self.data[0]:
            return ""
        return "".join(c if c.isprintable() else "\ufffd" for c in octets.decode(errors="replace"))

    def __str__(self) -> str:
        code = _name(ErrorCode, self.code)
        subcodes = _SUBCODES.get(self.code)
        subcode = _name(subcodes, self.subcode) if subcodes and self.subcode else str(self.subcode or "")
        return ": ".join(part for part in (code, subcode, self.text) if part)

    def encode(self) -> bytes:
        """Return the whole message."""
        return frame(MessageType.NOTIFICATION, bytes((self.code, self.subcode)) + self.data)

    @classmethod
    def decode(cls, body: bytes) -> Notification:
        """Read the body; the framing has seen to it that code and subcode are there."""
        return cls(body[0], body[1], body[2:])


def _name(numbers: type[IntEnum], value: int) -> str:
    try:
        return numbers(value).name.lower().replace("_", " ")
    except ValueError:
        return str(value)


class MessageError(ProtocolError):
    """A peer's message is wrong; `notification` is the answer to it."""

    code: ErrorCode

    def __init__(self, subcode: int, message: str, *, data: bytes = b"") -> None:
        self.notification = Notification(self.code, subcode, data)
        super().__init__(f"{self.notification}: {message}")


class MessageHeaderError(MessageError):
    """RFC 4271, section 6.1."""

    code = ErrorCode.MESSAGE_HEADER


class OpenMessageError(MessageError):
    """RFC 4271, section 6.2."""

    code = ErrorCode.OPEN_MESSAGE


class UpdateMessageError(MessageError):
    """RFC 4271, section 6.3: what remains a reason to end a session after RFC 7606."""

    code = ErrorCode.UPDATE_MESSAGE
