"""patch: JSON patch, merge patch, strategic merge patch; what they refuse."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.client import JSON_PATCH, MERGE, STRATEGIC, Api, Json

CONTAINERS: list[Json] = [{"name": "a", "image": "one"}, {"name": "b", "image": "two"}]


@pytest.fixture
def deployments(namespace: str) -> str:
    return f"/apis/apps/v1/namespaces/{namespace}/deployments"


@pytest.fixture
def deployment(api: Api, deployments: str) -> str:
    """A deployment of no replicas with two containers; the value is its path."""
    template = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": CONTAINERS}}
    spec = {"replicas": 0, "selector": {"matchLabels": {"app": "x"}}, "template": template}
    api.create(deployments, {"metadata": {"name": "x", "labels": {"old": "1"}}, "spec": spec})
    return f"{deployments}/x"


def images(deployment: Json) -> dict[str, str]:
    return {c["name"]: c["image"] for c in deployment["spec"]["template"]["spec"]["containers"]}


def test_a_merge_patch_merges_objects_and_replaces_lists(api: Api, deployment: str) -> None:
    patched = api.patch(deployment, {"metadata": {"labels": {"new": "2", "old": None}}}, MERGE)
    assert patched["metadata"]["labels"] == {"new": "2"}
    only = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "three"}]}}}}
    assert images(api.patch(deployment, only, MERGE)) == {"c": "three"}


def test_a_strategic_patch_merges_lists_by_key(api: Api, deployment: str) -> None:
    change = {"spec": {"template": {"spec": {"containers": [{"name": "b", "image": "new"}]}}}}
    assert images(api.patch(deployment, change, STRATEGIC)) == {"a": "one", "b": "new"}
    gone = {"spec": {"template": {"spec": {"containers": [{"name": "a", "$patch": "delete"}]}}}}
    assert images(api.patch(deployment, gone, STRATEGIC)) == {"b": "new"}


def test_a_json_patch_does_its_operations_in_order(api: Api, deployment: str) -> None:
    operations = [
        {"op": "test", "path": "/spec/template/spec/containers/0/name", "value": "a"},
        {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "new"},
        {"op": "add", "path": "/metadata/annotations", "value": {"by": "patch"}},
    ]
    patched = api.patch(deployment, operations, JSON_PATCH)
    assert images(patched)["a"] == "new"
    assert patched["metadata"]["annotations"]["by"] == "patch"


def test_a_change_of_the_spec_is_a_new_generation(api: Api, deployment: str) -> None:
    assert api.get(deployment)["metadata"]["generation"] == 1
    assert api.patch(deployment, {"metadata": {"labels": {"x": "y"}}})["metadata"]["generation"] == 1
    assert api.patch(deployment, {"spec": {"paused": True}})["metadata"]["generation"] == 2
    noted = api.patch(deployment, {"metadata": {"annotations": {"a": "b"}}})
    assert noted["metadata"]["generation"] == 3  # of Deployments alone


@pytest.mark.parametrize(
    ("kind", "body", "code"),
    [
        (JSON_PATCH, [{"op": "remove", "path": "/spec/none"}], 422),
        (JSON_PATCH, [{"op": "test", "path": "/metadata/name", "value": "y"}], 422),
        (JSON_PATCH, {"not": "a list"}, 400),
        (MERGE, b"[", 400),
        ("application/json", {}, 415),
        (MERGE, {"metadata": {"resourceVersion": "1"}}, 409),
        (MERGE, {"metadata": {"name": "y"}}, 400),
        (MERGE, {"spec": {"selector": {"matchLabels": {"app": "y"}}}}, 422),
        (MERGE, {"spec": {"replicas": -1}}, 422),
    ],
)
def test_patches_that_do_not_apply(api: Api, deployment: str, kind: str, body: object, code: int) -> None:
    answer = api.send("PATCH", deployment, body, headers={"Content-Type": kind})
    assert answer.code == code, answer
    assert answer.body["kind"] == "Status"


def test_a_dry_run_changes_nothing(api: Api, deployment: str) -> None:
    patched = api.patch(deployment, {"spec": {"paused": True}}, dryRun="All")
    assert patched["spec"]["paused"] is True
    assert "paused" not in api.get(deployment)["spec"]


def test_status_is_patched_apart(api: Api, deployment: str) -> None:
    change = {"spec": {"paused": True}, "status": {"observedGeneration": 1}}
    patched = api.patch(f"{deployment}/status", change)
    assert patched["status"]["observedGeneration"] == 1
    assert "paused" not in patched["spec"]


def test_scale(api: Api, deployment: str) -> None:
    scale = api.get(f"{deployment}/scale")
    assert (scale["kind"], scale["spec"], scale["status"]["selector"]) == ("Scale", {}, "app=x")
    scale["metadata"].pop("resourceVersion")  # controllers write the deployment's status meanwhile
    scaled = api.ok("PUT", f"{deployment}/scale", {**scale, "spec": {"replicas": 0}})
    assert scaled["metadata"]["name"] == "x"
    answer = api.send(
        "PATCH", f"{deployment}/scale", {"spec": {"replicas": -1}}, headers={"Content-Type": MERGE}
    )
    assert answer.refusal == (422, "Invalid")


def test_a_json_patch_that_does_not_apply_is_refused_in_one_sentence(api: Api, deployment: str) -> None:
    patch = [{"op": "test", "path": "/metadata/name", "value": "y"}]
    answer = api.send("PATCH", deployment, patch, headers={"Content-Type": JSON_PATCH})
    assert answer.body["message"] == "the server rejected our request due to an error in our request"


@pytest.mark.parametrize("subresource", ["", "/scale"])
@pytest.mark.parametrize(
    "patch", [[{"op": "remove", "path": ""}], [{"op": "replace", "path": "", "value": []}]]
)
def test_a_patch_leaves_an_object(api: Api, deployment: str, subresource: str, patch: Any) -> None:
    answer = api.send("PATCH", deployment + subresource, patch, headers={"Content-Type": JSON_PATCH})
    assert answer.refusal == (422, "Invalid")
