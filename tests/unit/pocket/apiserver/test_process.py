"""A server's life: manifests at start, restarts, old events, addresses that are taken."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import aiohttp
import pytest

from lab.errors import HostError
from lab.pocket.apiserver import expiry
from lab.pocket.apiserver.process import running
from lab.pocket.store import Key, Row
from tests.unit.pocket.apiserver.conversation import Client, converse, identity

MANIFESTS = {
    "b.yaml": "apiVersion: ex.io/v1\nkind: Thing\nmetadata: {name: t, namespace: own}\n---\n"
    "apiVersion: v1\nkind: Nonsense\nmetadata: {name: ignored}\n",
    "c.yml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: own}\n",
    "d.json": '{"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "Secret", '
    '"metadata": {"name": "s"}, "stringData": {"a": "b"}}]}',
    "e.yaml": "not: [closed",
    "a.yaml": """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.ex.io}
spec:
  group: ex.io
  scope: Namespaced
  names: {plural: things, kind: Thing}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
""",
}


def test_manifests_are_applied_at_every_start(tmp_path):
    directory = tmp_path / "manifests"
    directory.mkdir()
    for name, text in MANIFESTS.items():
        (directory / name).write_text(text)

    async def start() -> None:
        async with asyncio.timeout(20), running(tmp_path / "data", manifests=directory) as server:
            keys = [
                Key("things.ex.io", "own", "t"),
                Key("secrets", "default", "s"),
                Key("namespaces", "", "own"),
            ]
            assert all(server.state.store.get(key) for key in keys)

    asyncio.run(start())
    asyncio.run(start())


def test_a_restart_changes_nothing(tmp_path):
    revisions = []

    async def talk(client: Client) -> None:
        revisions.append(client.server.state.store.revision)

    async def own_port(client: Client) -> None:  # the endpoints of the server follow its port
        own = client.server.state.store.get(Key("endpoints", "default", "kubernetes"))
        assert own is not None
        assert own.decoded()["subsets"][0]["ports"][0]["port"] == client.server.state.settings.port

    converse(tmp_path, talk, talk, own_port)
    assert revisions[1] - revisions[0] <= 2


def test_a_server_that_stops_ends_watches_whole(tmp_path):
    async def read_to_the_end(client: Client, opened: asyncio.Event) -> object:
        async with client.watch("/api/v1/namespaces/default/secrets?watch=1&resourceVersion=1") as following:
            opened.set()
            return await following()

    async def main() -> None:
        opened = asyncio.Event()
        async with asyncio.timeout(20), aiohttp.ClientSession() as session:
            async with running(tmp_path) as server:
                client = Client(server, session, identity(tmp_path, ("admin", ("system:masters",))))
                watching = asyncio.create_task(read_to_the_end(client, opened))
                await opened.wait()
            assert await watching is None  # aiohttp raises when the stream was cut off instead

    asyncio.run(main())


def test_an_address_that_is_taken_is_said_in_one_sentence(tmp_path):
    async def start() -> None:
        async with running(tmp_path / "a") as first:
            port = first.state.settings.port
            async with running(tmp_path / "b", port=port):
                pass

    with pytest.raises(HostError, match=r"cannot listen on 127.0.0.1:\d+: Address already in use"):
        asyncio.run(start())


@pytest.mark.parametrize(
    ("event", "old"),
    [
        (b'{"metadata":{"creationTimestamp":"2020-01-01T00:00:00Z"}}', True),
        (
            b'{"metadata":{"creationTimestamp":"2020-01-01T00:00:00Z"},"lastTimestamp":"2020-01-01T11:30:00Z"}',
            False,
        ),
        (
            b'{"metadata":{"creationTimestamp":"2020-01-01T00:00:00Z"},"eventTime":"2020-01-01T10:00:00.000001Z"}',
            True,
        ),
    ],
)
def test_events_are_old_an_hour_after_they_were_last_seen(event, old):
    row = Row(Key("events", "default", "e"), 1, event)
    assert expiry.is_old(row, datetime(2020, 1, 1, 12, tzinfo=UTC)) is old


def test_old_events_go_and_young_ones_stay(tmp_path):
    async def talk(client: Client) -> None:
        for name, moment in (("old", "2001-01-01T00:00:00Z"), ("young", None)):
            body = {
                "metadata": {"name": name},
                "involvedObject": {"namespace": "default"},
                "lastTimestamp": moment,
            }
            await client.ok("POST", "/api/v1/namespaces/default/events", body)
        await expiry.expire(client.server.state)
        events = await client.ok("GET", "/api/v1/namespaces/default/events")
        assert [item["metadata"]["name"] for item in events["items"]] == ["young"]

    converse(tmp_path, talk)


def test_two_service_networks_make_services_of_two_families(tmp_path):
    async def start() -> None:
        networks = ("10.96.0.0/16", "fd00:96::/112")
        async with (
            asyncio.timeout(20),
            running(tmp_path, networks=networks) as server,
            aiohttp.ClientSession() as session,
        ):
            client = Client(server, session, identity(tmp_path, ("admin", ("system:masters",))))
            spec = {"ipFamilyPolicy": "PreferDualStack", "ports": [{"port": 80}]}
            body = {"metadata": {"name": "a"}, "spec": spec}
            made = (await client.ok("POST", "/api/v1/namespaces/default/services", body))["spec"]
            assert made["ipFamilies"] == ["IPv4", "IPv6"]
            assert made["clusterIPs"][0].startswith("10.96.")
            assert made["clusterIPs"][1].startswith("fd00:96::")

    asyncio.run(start())
