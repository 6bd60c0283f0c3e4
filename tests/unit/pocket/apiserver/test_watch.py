"""watch: what is sent first, where it resumes, what selectors hide, and how it ends."""

from __future__ import annotations

from typing import Any

from lab.pocket.store import Limits
from tests.unit.pocket.apiserver.conversation import Client, converse

SECRETS = "/api/v1/namespaces/default/secrets"


def secret(name: str, **labels: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "labels": labels}}


def seen(event: dict[str, Any]) -> tuple[str, str]:
    return event["type"], event["object"]["metadata"]["name"]


async def put_labels(client: Client, name: str, **labels: str | None) -> None:
    patch = {"metadata": {"labels": labels}}
    await client.ok("PATCH", f"{SECRETS}/{name}", patch, Content_Type="application/merge-patch+json")


def test_without_a_revision_current_objects_come_first(tmp_path):
    async def talk(client: Client) -> None:
        await client.ok("POST", SECRETS, secret("a"))
        async with client.watch(f"{SECRETS}?watch=true") as following:
            assert seen(await following()) == ("ADDED", "a")
            await client.ok("DELETE", f"{SECRETS}/a")
            assert seen(await following()) == ("DELETED", "a")

    converse(tmp_path, talk)


def test_it_resumes_from_a_revision_across_a_restart(tmp_path):
    revision = ""

    async def before(client: Client) -> None:
        nonlocal revision
        revision = (await client.ok("GET", SECRETS))["metadata"]["resourceVersion"]
        for name in "ab":
            await client.ok("POST", SECRETS, secret(name))

    async def after(client: Client) -> None:
        async with client.watch(f"{SECRETS}?watch=1&resourceVersion={revision}") as following:
            assert [seen(await following()) for _ in "ab"] == [("ADDED", "a"), ("ADDED", "b")]

    converse(tmp_path, before, after)


def test_objects_enter_and_leave_the_view_of_a_selector(tmp_path):
    async def talk(client: Client) -> None:
        listed = await client.ok("GET", SECRETS)
        path = f"{SECRETS}?watch=true&labelSelector=shown&resourceVersion={listed['metadata']['resourceVersion']}"
        async with client.watch(path) as following:
            await client.ok("POST", SECRETS, secret("a"))
            await put_labels(client, "a", shown="1")
            await put_labels(client, "a", shown="2")
            await put_labels(client, "a", shown=None)
            await client.ok("DELETE", f"{SECRETS}/a")
            await client.ok("POST", SECRETS, secret("b", shown="1"))
            events = [await following() for _ in range(4)]
            assert [seen(e) for e in events] == [
                ("ADDED", "a"),
                ("MODIFIED", "a"),
                ("DELETED", "a"),
                ("ADDED", "b"),
            ]
            left = events[2]["object"]["metadata"]
            assert left["labels"] == {"shown": "2"}
            assert int(left["resourceVersion"]) > int(events[1]["object"]["metadata"]["resourceVersion"])

    converse(tmp_path, talk)


def test_initial_events_end_with_a_bookmark(tmp_path):
    async def talk(client: Client) -> None:
        await client.ok("POST", SECRETS, secret("a"))
        options = (
            "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
        )
        async with client.watch(f"{SECRETS}?{options}") as following:
            assert seen(await following()) == ("ADDED", "a")
            bookmark = await following()
            assert bookmark["type"] == "BOOKMARK"
            assert bookmark["object"]["kind"] == "Secret"
            assert bookmark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}

    converse(tmp_path, talk)


def test_too_old_a_revision_is_gone(tmp_path):
    async def talk(client: Client) -> None:
        for number in range(200):
            await client.ok("POST", SECRETS, secret(f"n{number}"))
        async with client.watch(f"{SECRETS}?watch=true&resourceVersion=1") as following:
            event = await following()
            assert event["type"] == "ERROR"
            assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")
            assert event["object"]["message"].startswith("too old resource version: 1 (")
            assert await following() is None

    converse(tmp_path, talk, limits=Limits(events=100, bytes=1 << 20))


def test_it_ends_after_its_timeout_with_a_last_bookmark(tmp_path):
    async def talk(client: Client) -> None:
        options = "watch=true&resourceVersion=1&timeoutSeconds=1&allowWatchBookmarks=true"
        async with client.watch(f"{SECRETS}?{options}") as following:
            assert (await following())["type"] == "BOOKMARK"
            assert await following() is None

    converse(tmp_path, talk)


def test_rows_of_a_table_come_one_by_one(tmp_path):
    async def talk(client: Client) -> None:
        await client.ok("POST", SECRETS, secret("a"))
        accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
        client.session.headers["Accept"] = accept
        async with client.watch(f"{SECRETS}?watch=true") as following:
            event = await following()
            assert event["object"]["kind"] == "Table"
            assert event["object"]["rows"][0]["cells"][0] == "a"

    converse(tmp_path, talk)


def test_options_that_exclude_each_other_are_refused(tmp_path):
    async def talk(client: Client) -> None:
        answer = await client.send("GET", f"{SECRETS}?watch=true&sendInitialEvents=true")
        assert answer.code == 422
        assert answer.body["details"]["causes"][0]["field"] == "resourceVersionMatch"

    converse(tmp_path, talk)


def test_watchers_share_what_is_encoded_only_if_they_see_the_same(tmp_path):
    everywhere, elsewhere = "/api/v1/secrets", "/api/v1/namespaces/kube-public/secrets"

    async def talk(client: Client) -> None:
        since = (await client.ok("GET", SECRETS))["metadata"]["resourceVersion"]
        query = f"watch=true&resourceVersion={since}"
        async with (
            client.watch(f"{SECRETS}?{query}") as first,
            client.watch(f"{SECRETS}?{query}") as second,
            client.watch(f"{everywhere}?{query}") as third,
            client.watch(f"{elsewhere}?{query}") as fourth,
        ):
            await client.ok("POST", SECRETS, secret("a"))
            await client.ok("POST", elsewhere, secret("b"))
            assert [seen(await following()) for following in (first, second, third)] == [("ADDED", "a")] * 3
            assert [seen(await following()) for following in (third, fourth)] == [("ADDED", "b")] * 2

    converse(tmp_path, talk)
