"""list: selectors, pages, revisions, tables."""

from __future__ import annotations

import pytest

from tests.contract.client import Api, Json


def names(listed: Json) -> list[str]:
    return [item["metadata"]["name"] for item in listed["items"]]


@pytest.fixture
def filled(api: Api, core: str) -> str:
    """Six config maps a..f: tier front for a, b, c; back for d, e; none for f."""
    tiers = {"a": "front", "b": "front", "c": "front", "d": "back", "e": "back"}
    for name in "abcdef":
        labels = {"tier": tiers[name]} if name in tiers else {}
        api.create(f"{core}/configmaps", {"metadata": {"name": name, "labels": {**labels, "suite": "lists"}}})
    return f"{core}/configmaps"


def test_a_list_has_its_kind_its_revision_and_its_order(api: Api, filled: str) -> None:
    listed = api.get(filled, labelSelector="suite=lists")
    assert (listed["kind"], listed["apiVersion"]) == ("ConfigMapList", "v1")
    assert int(listed["metadata"]["resourceVersion"]) > 0
    assert names(listed) == list("abcdef")


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("tier=front", "abc"),
        ("tier==back", "de"),
        ("tier!=front", "def"),
        ("tier", "abcde"),
        ("!tier", "f"),
        ("tier in (front,back)", "abcde"),
        ("tier notin (front)", "def"),
        ("tier=front,suite=lists", "abc"),
        ("tier=none", ""),
    ],
)
def test_label_selectors(api: Api, filled: str, selector: str, expected: str) -> None:
    listed = api.get(filled, labelSelector=f"suite=lists,{selector}")
    assert names(listed) == list(expected)


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("metadata.name=b", "b"),
        ("metadata.name!=b", "acdef"),
        ("metadata.name=b,metadata.name!=b", ""),
        ("metadata.namespace=elsewhere", ""),
    ],
)
def test_field_selectors(api: Api, filled: str, selector: str, expected: str) -> None:
    assert names(api.get(filled, fieldSelector=selector, labelSelector="suite=lists")) == list(expected)


@pytest.mark.parametrize(
    "query",
    [
        {"labelSelector": "a b"},
        {"labelSelector": "a in ("},
        {"fieldSelector": "data.x=1"},
        {"fieldSelector": "nonsense"},
        {"limit": "x"},
        {"continue": "nonsense"},
        {"resourceVersion": "x"},
    ],
)
def test_what_cannot_be_understood_is_a_bad_request(api: Api, filled: str, query: Json) -> None:
    assert api.send("GET", filled, **query).code == 400


def test_a_negative_limit_is_none(api: Api, filled: str) -> None:
    assert "continue" not in api.get(filled, limit=-1, labelSelector="suite=lists")["metadata"]


def test_pages_show_one_moment(api: Api, filled: str) -> None:
    first = api.get(filled, limit=2, labelSelector="suite=lists")
    assert names(first) == ["a", "b"]
    api.ok("DELETE", f"{filled}/c")
    api.create(filled, {"metadata": {"name": "bb", "labels": {"suite": "lists"}}})
    second = api.get(
        filled, limit=10, labelSelector="suite=lists", **{"continue": first["metadata"]["continue"]}
    )
    assert names(second) == ["c", "d", "e", "f"]
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    assert not second["metadata"].get("continue")


def test_pages_say_how_much_is_left(api: Api, core: str) -> None:
    for name in "abc":
        api.create(f"{core}/secrets", {"metadata": {"name": name}})
    total = len(api.get(f"{core}/secrets")["items"])
    first = api.get(f"{core}/secrets", limit=1)
    assert first["metadata"]["remainingItemCount"] == total - 1


def test_a_list_not_older_than_a_revision(api: Api, filled: str) -> None:
    revision = api.get(filled)["metadata"]["resourceVersion"]
    listed = api.get(filled, resourceVersion=revision, resourceVersionMatch="NotOlderThan")
    assert int(listed["metadata"]["resourceVersion"]) >= int(revision)


def test_a_list_at_exactly_a_revision(api: Api, filled: str) -> None:
    revision = api.get(filled)["metadata"]["resourceVersion"]
    api.ok("DELETE", f"{filled}/a")
    listed = api.get(
        filled, resourceVersion=revision, resourceVersionMatch="Exact", labelSelector="suite=lists"
    )
    assert names(listed) == list("abcdef")
    assert listed["metadata"]["resourceVersion"] == revision


def test_all_namespaces_at_once(api: Api, filled: str) -> None:
    listed = api.get("/api/v1/configmaps", labelSelector="suite=lists")
    assert set("abcdef") <= set(names(listed))


def test_metadata_alone(api: Api, filled: str) -> None:
    accept = {"Accept": "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"}
    listed = api.ok("GET", filled, headers=accept, fieldSelector="metadata.name=a")
    assert listed["kind"] == "PartialObjectMetadataList"
    assert listed["items"][0]["kind"] == "PartialObjectMetadata"
    assert "data" not in listed["items"][0]


def test_endpoints_are_deprecated(api: Api, core: str) -> None:
    warning = api.send("GET", f"{core}/endpoints").headers["warning"]
    assert warning == '299 - "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"'
