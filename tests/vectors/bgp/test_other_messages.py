"""Header, NOTIFICATION, KEEPALIVE and ROUTE-REFRESH as bytes."""

from __future__ import annotations

import pytest

from lab.wire.bgp.constants import Cease, MessageType
from lab.wire.bgp.messages import Dialect, Keepalive, Message, Reader, RouteRefresh, decode_message
from lab.wire.bgp.notification import MessageHeaderError, Notification
from lab.wire.bgp.update import Update

FF = "ff" * 16

MESSAGES: dict[str, tuple[Message, str]] = {
    "4271 4.4": (Keepalive(), FF + "001304"),
    "2918 3: IPv4": (RouteRefresh(1, 1), FF + "00170500010001"),
    "2918 3: IPv6": (RouteRefresh(2, 1), FF + "00170500020001"),
    "7313 4: beginning of refresh": (RouteRefresh(1, 1, 1), FF + "00170500010101"),
    "4271 4.5: hold timer expired": (Notification(4), FF + "0015030400"),
    "4486 4: rejected": (Notification.cease(Cease.CONNECTION_REJECTED), FF + "0015030605"),
    "9003 2: shutdown": (
        Notification.cease(Cease.ADMINISTRATIVE_SHUTDOWN, "bye é"),
        FF + "001c030602" + "06" + "62796520c3a9",
    ),
}


def read(octets: str):
    ((kind, body),) = Reader().bodies(bytes.fromhex(octets))
    return decode_message(kind, body, Dialect())


@pytest.mark.parametrize("name", MESSAGES)
def test_messages(name: str) -> None:
    message, octets = MESSAGES[name]
    assert not isinstance(message, Update)
    assert message.encode().hex() == octets
    assert read(octets) == message


HEADERS = {
    "marker": ("fe" + "ff" * 15 + "001304", 1, ""),
    "too short": (FF + "001204", 2, "0012"),
    "too long": (FF + "100104", 2, "1001"),
    "type 0": (FF + "001300", 3, "00"),
    "type 6": (FF + "001306", 3, "06"),
    "OPEN of 28 octets": (FF + "001c01" + "00" * 9, 2, "001c"),
    "UPDATE of 22 octets": (FF + "001602" + "00" * 3, 2, "0016"),
    "NOTIFICATION of 20 octets": (FF + "00140306", 2, "0014"),
    "KEEPALIVE of 20 octets": (FF + "00140400", 2, "0014"),
    "ROUTE-REFRESH of 24 octets": (FF + "00180500010001" + "00", 2, "0018"),
}


@pytest.mark.parametrize("name", HEADERS)
def test_bad_headers(name: str) -> None:
    octets, subcode, data = HEADERS[name]
    with pytest.raises(MessageHeaderError) as caught:
        list(Reader().bodies(bytes.fromhex(octets)))
    answer = caught.value.notification
    assert (answer.code, answer.subcode, answer.data.hex()) == (1, subcode, data)


@pytest.mark.parametrize("size", [1, 7, 18, 19, 20, 64])
def test_a_stream_may_be_cut_anywhere(size: int) -> None:
    stream = bytes.fromhex(FF + "001304" + FF + "00170500010001" + FF + "001304")
    reader = Reader()
    kinds = [
        kind
        for start in range(0, len(stream), size)
        for kind, _ in reader.bodies(stream[start : start + size])
    ]
    assert kinds == [MessageType.KEEPALIVE, MessageType.ROUTE_REFRESH, MessageType.KEEPALIVE]


TEXTS = {
    "plain": ("0602" + "03627965", "bye"),
    "reset": ("0604" + "03627965", "bye"),
    "none": ("0602", ""),
    "shorter than it says": ("0602" + "04627965", ""),
    "not UTF-8": ("0602" + "01ff", "\ufffd"),
    "control characters do not reach a log": ("0602" + "021b0a", "\ufffd\ufffd"),
    "no place for one": ("0603" + "03627965", ""),
}


@pytest.mark.parametrize("name", TEXTS)
def test_shutdown_texts(name: str) -> None:
    octets, text = TEXTS[name]
    assert Notification.decode(bytes.fromhex(octets)).text == text


def test_a_long_text_is_cut_between_characters() -> None:
    notification = Notification.cease(Cease.ADMINISTRATIVE_RESET, "é" * 200)
    assert notification.text == "é" * 127


@pytest.mark.parametrize(
    ("notification", "words"),
    [
        (Notification(2, 2), "open message: bad peer as"),
        (Notification(4), "hold timer expired"),
        (Notification(6, 2, b"\3bye"), "cease: administrative shutdown: bye"),
        (Notification(6, 99), "cease: 99"),
        (Notification(77, 5), "77: 5"),
    ],
)
def test_a_notification_in_words(notification: Notification, words: str) -> None:
    assert str(notification) == words
