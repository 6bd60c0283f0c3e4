"""Sessions over real sockets on the loopback device."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address, ip_address, ip_network
from typing import Any

import pytest

from lab.links.bgp_socket import Endpoint
from lab.links.bgp_tcp import Listener, Pump
from lab.wire.bgp import (
    Asn,
    Cause,
    Ended,
    Established,
    Family,
    Output,
    Path,
    Restart,
    Session,
    SessionConfig,
    UpdateReceived,
)

ADDRESS = {1: "127.0.0.1", 2: "127.0.0.2"}
PATIENCE = 10.0


@dataclass
class Told:
    outputs: list[Output] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def __call__(self, output: Output) -> None:
        self.outputs.append(output)
        self._news.set()

    async def wait_for(self, matches: Callable[[Output], bool]) -> Any:
        async with asyncio.timeout(PATIENCE):
            while True:
                found = [output for output in self.outputs if matches(output)]
                if found:
                    return found[0]
                self._news.clear()
                await self._news.wait()

    async def wait_established(self) -> Any:
        return await self.wait_for(lambda told: isinstance(told, Established))

    async def wait_ended(self) -> Any:
        return await self.wait_for(lambda told: isinstance(told, Ended))


def session(number: int, **wishes: Any) -> Session:
    config: dict[str, Any] = {
        "local_asn": Asn(64500 + number),
        "peer_asn": Asn(64503 - number),
        "router_id": IPv4Address(f"192.0.2.{number}"),
        "families": frozenset(Family),
    }
    return Session(SessionConfig(**(config | wishes)), jitter=lambda: 1.0)


@dataclass
class Pair:
    caller: Pump
    callee: Pump
    caller_told: Told
    callee_told: Told
    listener: Listener


@asynccontextmanager
async def pair(
    *,
    caller: dict[str, Any] | None = None,
    callee: dict[str, Any] | None = None,
    caller_endpoint: dict[str, Any] | None = None,
    callee_endpoint: dict[str, Any] | None = None,
    addresses: dict[int, str] = ADDRESS,
) -> AsyncIterator[Pair]:
    mine, theirs = ip_address(addresses[1]), ip_address(addresses[2])
    listener = Listener(theirs, 0)
    out: dict[str, Any] = {"address": theirs, "port": listener.port, "source": mine} | (caller_endpoint or {})
    back: dict[str, Any] = {"address": mine} | (callee_endpoint or {})
    told = Told(), Told()
    left = Pump(session(1, **(caller or {})), Endpoint(**out), on_event=told[0])
    right = Pump(session(2, passive=True, **(callee or {})), Endpoint(**back), on_event=told[1])
    listener.add(right)
    await listener.start()
    try:
        right.start()
        left.start()
        yield Pair(left, right, *told, listener)
    finally:
        await left.stop()
        await right.stop()
        listener.close()


def run(scenario) -> None:
    async def limited() -> None:
        async with asyncio.timeout(2 * PATIENCE):
            await scenario()

    asyncio.run(limited())


def test_a_session_carries_routes() -> None:
    async def scenario() -> None:
        async with pair() as both:
            both.caller.announce({ip_network("198.51.100.1/32"): Path()})
            update = await both.callee_told.wait_for(
                lambda told: isinstance(told, UpdateReceived) and bool(told.update.announced)
            )
            assert update.update.announced == (ip_network("198.51.100.1/32"),)
            assert update.update.attributes.next_hop == IPv4Address("127.0.0.1")

    run(scenario)


def test_ipv6_transport() -> None:
    async def scenario() -> None:
        async with pair(addresses={1: "::1", 2: "::1"}) as both:
            up = await both.caller_told.wait_established()
            assert up.families == {Family.IPV6}

    run(scenario)


def test_the_last_words_reach_the_peer() -> None:
    async def scenario() -> None:
        async with pair() as both:
            await both.callee_told.wait_established()
            await both.caller_told.wait_established()
            await both.caller.stop(text="bye")
            ended = await both.callee_told.wait_ended()
            assert str(ended.notification) == "cease: administrative shutdown: bye"

    run(scenario)


def test_a_restart_is_silent() -> None:
    async def scenario() -> None:
        restart = {"graceful_restart": Restart()}
        async with pair(caller=restart, callee=restart) as both:
            await both.callee_told.wait_established()
            await both.caller_told.wait_established()
            await both.caller.stop(for_restart=True)
            ended = await both.callee_told.wait_ended()
            assert (ended.cause, ended.notification) == (Cause.CONNECTION_FAILED, None)

    run(scenario)


def test_a_refused_connection_is_told() -> None:
    async def scenario() -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            endpoint = Endpoint(address=ip_address("127.0.0.1"), port=unused.getsockname()[1])
            told = Told()
            pump = Pump(session(1), endpoint, on_event=told)
            pump.start()
            ended = await told.wait_ended()
            await pump.stop()
        assert (ended.cause, ended.detail) == (Cause.CONNECTION_FAILED, "Connection refused")

    run(scenario)


def test_a_source_that_this_host_does_not_have_is_told() -> None:
    async def scenario() -> None:
        endpoint = Endpoint(address=ip_address("127.0.0.1"), source=ip_address("192.0.2.77"))
        told = Told()
        pump = Pump(session(1), endpoint, on_event=told)
        pump.start()
        ended = await told.wait_ended()
        await pump.stop()
        assert "assign requested address" in ended.detail

    run(scenario)


@pytest.mark.parametrize("hops", [1, 254])
def test_ttl_security_lets_neighbours_in(hops: int) -> None:
    async def scenario() -> None:
        guarded = {"security_hops": hops}
        async with pair(caller_endpoint=guarded, callee_endpoint=guarded) as both:
            await both.caller_told.wait_established()

    run(scenario)


def test_ttl_security_keeps_distant_packets_out() -> None:
    """The callee sends with a TTL of 64, which is what a packet from 191 hops away would have."""

    async def scenario() -> None:
        async with pair(caller_endpoint={"security_hops": 1}) as both:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await both.caller_told.wait_established()

    run(scenario)


def has_md5() -> bool:
    """Whether this kernel signs segments."""
    from lab.links.bgp_socket import sign

    with socket.socket() as probe:
        try:
            sign(probe, ip_address("127.0.0.1"), "secret")
        except OSError:
            return False
    return True


needs_md5 = pytest.mark.skipif(not has_md5(), reason="this kernel has no TCP MD5 signatures")


@needs_md5
@pytest.mark.parametrize("addresses", [ADDRESS, {1: "::1", 2: "::1"}], ids=["ipv4", "ipv6"])
def test_equal_passwords_agree(addresses) -> None:
    async def scenario() -> None:
        key = {"password": "s3cret"}
        async with pair(caller_endpoint=key, callee_endpoint=key, addresses=addresses) as both:
            await both.caller_told.wait_established()

    run(scenario)


@needs_md5
@pytest.mark.parametrize(("ours", "theirs"), [("s3cret", "wrong"), ("s3cret", ""), ("", "s3cret")])
def test_other_passwords_do_not(ours: str, theirs: str) -> None:
    async def scenario() -> None:
        async with pair(
            caller_endpoint={"password": ours},
            callee_endpoint={"password": theirs},
            caller={"connect_retry_time": 0.3},
        ) as both:
            ended = await both.caller_told.wait_ended()
            assert ended.cause is Cause.CONNECTION_FAILED

    run(scenario)


async def stranger(both: Pair, data: bytes, source: str = ADDRESS[1]) -> bytes:
    """Connect to the listener, say `data`, and return what comes back until the end."""
    reader, writer = await asyncio.open_connection(ADDRESS[2], both.listener.port, local_addr=(source, 0))
    writer.write(data)
    heard = b""
    try:
        heard = await reader.read()
    except ConnectionResetError:
        pass
    finally:
        writer.close()
    return heard


def test_strangers_are_turned_away() -> None:
    async def scenario() -> None:
        async with pair() as both:
            await both.callee_told.wait_established()
            assert await stranger(both, b"", "127.0.0.3") == b""
            assert await stranger(both, b"") == b""
            assert both.callee.session.announced == 0
            assert not [told for told in both.callee_told.outputs if isinstance(told, Ended)]

    run(scenario)


def test_garbage_is_answered_and_ends_one_session() -> None:
    async def scenario() -> None:
        listener = Listener(ip_address(ADDRESS[2]), 0)
        told = Told()
        pump = Pump(session(2, passive=True), Endpoint(address=ip_address(ADDRESS[1])), on_event=told)
        listener.add(pump)
        await listener.start()
        pump.start()
        heard = await stranger(Pair(pump, pump, told, told, listener), b"GET / HTTP/1.1\r\n\r\n\r\n")
        assert heard[-2:] == bytes((1, 1))
        assert (await told.wait_ended()).cause is Cause.NOTIFICATION_SENT
        await pump.stop()
        listener.close()

    run(scenario)


def test_a_flood_leaves_most_of_the_time_to_others() -> None:
    """Whatever was spent on a peer's bytes is followed by three times as much rest."""

    async def scenario() -> None:
        async with pair() as both:
            await both.callee_told.wait_established()
            await both.caller_told.wait_established()
            (wire,) = both.callee._wires.values()
            wire.rest(0.5)
            assert not wire.transport.is_reading()
            assert wire._resting is not None
            assert wire._resting.when() - asyncio.get_running_loop().time() > 1.0

    run(scenario)


@pytest.mark.parametrize(
    "change", [{"password": "x" * 81}, {"ttl": 0}, {"ttl": 256}, {"security_hops": 255}], ids=str
)
def test_endpoints_have_bounds(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Endpoint(address=ip_address("127.0.0.1"), **change)
