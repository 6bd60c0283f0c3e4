"""Server-side apply: who owns which field, conflicts, and what becomes of fields that nobody applies any longer."""

from __future__ import annotations

import orjson
import pytest

from tests.contract.client import APPLY, MERGE, Answer, Api, Json
from tests.contract.conftest import Kubectl


def config(**data: str) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data}


@pytest.fixture
def path(core: str) -> str:
    return f"{core}/configmaps/a"


def send(api: Api, path: str, body: Json, manager: str, *, force: bool = False) -> Answer:
    headers = {"Content-Type": APPLY}
    forced = {"force": "true"} if force else {}
    return api.send("PATCH", path, orjson.dumps(body), headers=headers, fieldManager=manager, **forced)


def managers(obj: Json) -> dict[tuple[str, str], Json]:
    entries = obj["metadata"].get("managedFields", [])
    return {(entry["manager"], entry["operation"]): entry["fieldsV1"] for entry in entries}


def test_it_creates_then_changes_then_leaves_alone(api: Api, path: str) -> None:
    created = send(api, path, config(k="1"), "me")
    assert (created.code, created.body["data"]) == (201, {"k": "1"})
    assert managers(created.body) == {("me", "Apply"): {"f:data": {"f:k": {}}}}
    changed = send(api, path, config(k="2"), "me")
    assert (changed.code, changed.body["data"]) == (200, {"k": "2"})
    again = send(api, path, config(k="2"), "me")
    assert again.body["metadata"]["resourceVersion"] == changed.body["metadata"]["resourceVersion"]


def test_another_manager_s_field_is_a_conflict_unless_forced(api: Api, path: str) -> None:
    send(api, path, config(k="1"), "me")
    answer = send(api, path, config(k="2"), "you")
    assert answer.refusal == (409, "Conflict")
    assert answer.body["message"] == 'Apply failed with 1 conflict: conflict with "me": .data.k'
    assert answer.body["details"]["causes"] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "me"', "field": ".data.k"}
    ]
    forced = send(api, path, config(k="2"), "you", force=True)
    assert forced.body["data"] == {"k": "2"}
    assert ("me", "Apply") not in managers(forced.body)


def test_the_same_value_is_shared(api: Api, path: str) -> None:
    send(api, path, config(k="1"), "me")
    shared = send(api, path, config(k="1"), "you")
    assert shared.code == 200
    assert set(managers(shared.body)) == {("me", "Apply"), ("you", "Apply")}


def test_what_is_no_longer_applied_goes(api: Api, path: str) -> None:
    send(api, path, config(k="1", gone="x"), "me")
    api.patch(path, {"data": {"other": "y"}}, MERGE, fieldManager="editor")
    left = send(api, path, config(k="1"), "me").body
    assert left["data"] == {"k": "1", "other": "y"}
    assert managers(left)[("editor", "Update")] == {"f:data": {"f:other": {}}}


def test_updates_are_tracked_by_their_manager(api: Api, core: str, path: str) -> None:
    created = api.create(f"{core}/configmaps", config(k="1"), fieldManager="creator")
    entry = created["metadata"]["managedFields"][0]
    assert (entry["manager"], entry["operation"], entry["apiVersion"], entry["fieldsType"]) == (
        "creator",
        "Update",
        "v1",
        "FieldsV1",
    )
    changed = api.patch(path, {"data": {"k": "2"}}, MERGE, fieldManager="editor")
    assert managers(created) == {("creator", "Update"): {"f:data": {".": {}, "f:k": {}}}}
    assert managers(changed) == {
        ("creator", "Update"): {"f:data": {}},
        ("editor", "Update"): {"f:data": {"f:k": {}}},
    }


def test_lists_with_keys_are_owned_by_entry(api: Api, core: str) -> None:
    path = f"{core}/services/a"
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}}
    one = {"name": "one", "port": 80, "protocol": "TCP"}
    two = {"name": "two", "port": 81, "protocol": "TCP"}
    send(api, path, {**body, "spec": {"ports": [one]}}, "me")
    both = send(api, path, {**body, "spec": {"ports": [two]}}, "you")
    assert [port["name"] for port in both.body["spec"]["ports"]] == ["one", "two"]


@pytest.mark.parametrize(
    ("query", "body", "code"),
    [
        ({}, config(k="1"), 422),
        ({"fieldManager": "me"}, b"[1", 400),
        ({"fieldManager": "me"}, {**config(), "metadata": {"name": "b"}}, 400),
        (
            {"fieldManager": "me"},
            {**config(), "metadata": {"name": "a", "managedFields": [{"manager": "x"}]}},
            400,
        ),
    ],
    ids=["no-manager", "no-yaml", "other-name", "managed-fields"],
)
def test_what_cannot_be_applied(api: Api, path: str, query: Json, body: object, code: int) -> None:
    answer = api.send("PATCH", path, body, headers={"Content-Type": APPLY}, **query)
    assert answer.code == code, answer


def test_kubectl_apply_server_side(kubectl: Kubectl) -> None:
    manifest = orjson.dumps(config(k="1")).decode()
    assert kubectl("apply", "--server-side", "-f", "-", stdin=manifest) == "configmap/a serverside-applied\n"
    kubectl("patch", "cm", "a", "--type=merge", "-p", '{"data":{"k":"2"}}')
    error = kubectl("apply", "--server-side", "-f", "-", stdin=manifest, fails=True)
    assert 'conflict with "kubectl-patch" using v1: .data.k' in error
    forced = ("apply", "--server-side", "--force-conflicts", "-f", "-")
    assert kubectl(*forced, stdin=manifest) == "configmap/a serverside-applied\n"
