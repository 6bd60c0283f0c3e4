"""watch: order, resumption, selectors, bookmarks."""

from __future__ import annotations

from tests.contract.client import MERGE, Api, Json


def seen(event: Json) -> tuple[str, str]:
    return event["type"], event["object"]["metadata"]["name"]


def labelled(name: str, **labels: str) -> Json:
    return {"metadata": {"name": name, "labels": labels}}


def test_it_shows_changes_after_a_revision(api: Api, core: str) -> None:
    path = f"{core}/secrets"
    revision = api.get(path)["metadata"]["resourceVersion"]
    with api.watch(path, resourceVersion=revision) as events:
        created = api.create(path, labelled("a"))
        changed = api.patch(f"{path}/a", {"metadata": {"labels": {"x": "1"}}})
        api.ok("DELETE", f"{path}/a")
        added, modified, deleted = next(events), next(events), next(events)
    assert [seen(e) for e in (added, modified, deleted)] == [
        ("ADDED", "a"),
        ("MODIFIED", "a"),
        ("DELETED", "a"),
    ]
    assert added["object"] == created
    assert modified["object"] == changed
    gone = deleted["object"]["metadata"]
    assert int(gone["resourceVersion"]) > int(changed["metadata"]["resourceVersion"])


def test_past_events_are_replayed(api: Api, core: str) -> None:
    path = f"{core}/secrets"
    revision = api.get(path)["metadata"]["resourceVersion"]
    for name in "abc":
        api.create(path, labelled(name))
    with api.watch(path, resourceVersion=revision) as events:
        assert [seen(next(events)) for _ in "abc"] == [("ADDED", name) for name in "abc"]


def test_without_a_revision_it_begins_with_what_is_there(api: Api, core: str) -> None:
    api.create(f"{core}/secrets", labelled("a", mine="1"))
    with api.watch(f"{core}/secrets", labelSelector="mine") as events:
        assert seen(next(events)) == ("ADDED", "a")


def test_a_selector_makes_objects_come_and_go(api: Api, core: str) -> None:
    path = f"{core}/secrets"
    revision = api.get(path)["metadata"]["resourceVersion"]
    with api.watch(path, resourceVersion=revision, labelSelector="shown") as events:
        api.create(path, labelled("a"))
        api.patch(f"{path}/a", {"metadata": {"labels": {"shown": "1"}}}, MERGE)
        api.patch(f"{path}/a", {"metadata": {"labels": {"shown": None}}}, MERGE)
        assert [seen(next(events)) for _ in range(2)] == [("ADDED", "a"), ("DELETED", "a")]


def test_one_object_by_name(api: Api, core: str) -> None:
    path = f"{core}/secrets"
    api.create(path, labelled("a"))
    with api.watch(path, fieldSelector="metadata.name=b", resourceVersion="0") as events:
        api.create(path, labelled("b"))
        assert seen(next(events)) == ("ADDED", "b")


def test_initial_events_end_with_a_bookmark(api: Api, core: str) -> None:
    api.create(f"{core}/secrets", labelled("a", mine="1"))
    options = {
        "sendInitialEvents": "true",
        "resourceVersionMatch": "NotOlderThan",
        "allowWatchBookmarks": "true",
        "labelSelector": "mine",
    }
    with api.watch(f"{core}/secrets", **options) as events:
        assert seen(next(events)) == ("ADDED", "a")
        bookmark = next(events)
    assert bookmark["type"] == "BOOKMARK"
    assert bookmark["object"]["kind"] == "Secret"
    assert bookmark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


def test_it_ends_when_its_time_is_over(api: Api, core: str) -> None:
    revision = api.get(f"{core}/secrets")["metadata"]["resourceVersion"]
    with api.watch(f"{core}/secrets", resourceVersion=revision, timeoutSeconds=1) as events:
        assert [event for event in events if event["type"] != "BOOKMARK"] == []


def test_a_revision_that_is_too_old_is_gone(api: Api, core: str) -> None:
    """A real cluster compacts after minutes, so only the shape of the answer is asked for, if there is one."""
    with api.watch(f"{core}/secrets", resourceVersion="1", timeoutSeconds=1) as events:
        for event in events:
            if event["type"] == "ERROR":
                assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")
