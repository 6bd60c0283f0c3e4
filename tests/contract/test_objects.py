"""get, create, update and their refusals: metadata, names, conflicts, dry runs, validation of fields."""

from __future__ import annotations

import re

import pytest

from tests.contract.client import MERGE, Api, Json, eventually


def config_map(name: str, **data: str) -> Json:
    return {"metadata": {"name": name}, "data": data}


def test_create_sets_what_only_the_server_knows(api: Api, core: str, namespace: str) -> None:
    created = api.create(f"{core}/configmaps", config_map("a", key="value"))
    metadata = created["metadata"]
    assert (created["kind"], created["apiVersion"]) == ("ConfigMap", "v1")
    assert (metadata["name"], metadata["namespace"]) == ("a", namespace)
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", metadata["uid"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", metadata["creationTimestamp"])
    assert int(metadata["resourceVersion"]) > 0
    assert api.get(f"{core}/configmaps/a") == created


def test_names_can_be_generated(api: Api, core: str) -> None:
    created = api.create(f"{core}/configmaps", {"metadata": {"generateName": "gen-"}})
    assert re.fullmatch(r"gen-[a-z0-9]{5}", created["metadata"]["name"])
    assert created["metadata"]["generateName"] == "gen-"


def test_a_dry_run_writes_nothing(api: Api, core: str) -> None:
    created = api.create(f"{core}/configmaps", config_map("dry"), dryRun="All")
    assert created["metadata"]["uid"]
    assert api.send("GET", f"{core}/configmaps/dry").refusal == (404, "NotFound")


def test_a_second_object_of_a_name_is_refused(api: Api, core: str) -> None:
    api.create(f"{core}/configmaps", config_map("a"))
    answer = api.send("POST", f"{core}/configmaps", config_map("a"))
    assert answer.refusal == (409, "AlreadyExists")
    assert answer.body["message"] == 'configmaps "a" already exists'
    assert answer.body["details"] == {"name": "a", "kind": "configmaps"}


def test_what_is_not_there(api: Api, core: str) -> None:
    answer = api.send("GET", f"{core}/configmaps/none")
    assert answer.body == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": 'configmaps "none" not found',
        "reason": "NotFound",
        "details": {"name": "none", "kind": "configmaps"},
        "code": 404,
    }


def test_groups_are_named_in_refusals(api: Api, namespace: str) -> None:
    answer = api.send("GET", f"/apis/apps/v1/namespaces/{namespace}/deployments/none")
    assert answer.body["message"] == 'deployments.apps "none" not found'
    assert answer.body["details"] == {"name": "none", "group": "apps", "kind": "deployments"}


@pytest.mark.parametrize("path", ["/api/v1/nonsense", "/apis/nonsense.io/v1/things", "/api/v2/pods"])
def test_unknown_resources_are_not_there(api: Api, path: str) -> None:
    assert api.send("GET", path).code == 404


def test_an_update_must_build_on_the_latest_state(api: Api, core: str) -> None:
    first = api.create(f"{core}/configmaps", config_map("a", n="1"))
    second = api.ok("PUT", f"{core}/configmaps/a", {**first, "data": {"n": "2"}})
    assert int(second["metadata"]["resourceVersion"]) > int(first["metadata"]["resourceVersion"])
    answer = api.send("PUT", f"{core}/configmaps/a", {**first, "data": {"n": "3"}})
    assert answer.refusal == (409, "Conflict")
    assert answer.body["message"] == (
        'Operation cannot be fulfilled on configmaps "a": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    assert api.get(f"{core}/configmaps/a")["data"] == {"n": "2"}


def test_an_update_without_a_version_wins(api: Api, core: str) -> None:
    api.create(f"{core}/configmaps", config_map("a", n="1"))
    assert api.ok("PUT", f"{core}/configmaps/a", config_map("a", n="2"))["data"] == {"n": "2"}


def test_an_update_that_changes_nothing_is_none(api: Api, core: str) -> None:
    created = api.create(f"{core}/configmaps", config_map("a", n="1"))
    again = api.ok("PUT", f"{core}/configmaps/a", created)
    assert again["metadata"]["resourceVersion"] == created["metadata"]["resourceVersion"]


def test_what_only_the_server_sets_cannot_be_changed(api: Api, core: str) -> None:
    created = api.create(f"{core}/configmaps", config_map("a"))
    changed = {"name": "a", "creationTimestamp": "2001-01-01T00:00:00Z", "generation": 77}
    updated = api.ok("PUT", f"{core}/configmaps/a", {"metadata": changed})
    assert updated["metadata"]["creationTimestamp"] == created["metadata"]["creationTimestamp"]
    assert updated["metadata"]["uid"] == created["metadata"]["uid"]
    assert "generation" not in updated["metadata"]


def test_an_update_of_another_object_of_that_name_is_refused(api: Api, core: str) -> None:
    api.create(f"{core}/configmaps", config_map("a"))
    body = {"metadata": {"name": "a", "uid": "00000000-0000-0000-0000-000000000000"}}
    assert api.send("PUT", f"{core}/configmaps/a", body).refusal == (409, "Conflict")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "configmaps", {"kind": "ConfigMap", "apiVersion": "v2", "metadata": {"name": "x"}}),
        ("POST", "configmaps", {"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "x"}}),
        ("POST", "configmaps", {"metadata": {"name": "x", "namespace": "other"}}),
        ("POST", "configmaps", {"metadata": {"name": "x"}, "data": {"a": 1}}),
        ("POST", "configmaps", b"{not json"),
        ("PUT", "configmaps/y", {"metadata": {"name": "x"}}),
        ("POST", "configmaps?dryRun=Some", {"metadata": {"name": "x"}}),
    ],
    ids=["api-version", "kind", "namespace", "type", "syntax", "name", "dry-run"],
)
def test_bodies_that_contradict_their_path_are_bad_requests(api, core, method, path, body) -> None:
    api.create(f"{core}/configmaps", config_map("y"))
    answer = api.send(method, f"{core}/{path}", body)
    assert answer.code in {400, 422}, answer
    assert answer.body["status"] == "Failure"


def test_a_nameless_object_is_invalid(api: Api, core: str) -> None:
    answer = api.send("POST", f"{core}/configmaps", {"metadata": {}})
    assert answer.refusal == (422, "Invalid")
    assert answer.body["details"]["causes"][0] == {
        "reason": "FieldValueRequired",
        "message": "Required value: name or generateName is required",
        "field": "metadata.name",
    }


def test_strict_validation_refuses_unknown_fields_and_warn_warns(api: Api, core: str) -> None:
    body = {"metadata": {"name": "a"}, "data": {}, "colour": "red"}
    refused = api.send("POST", f"{core}/configmaps", body, fieldValidation="Strict")
    assert refused.refusal == (400, "BadRequest")
    assert 'strict decoding error: unknown field "colour"' in refused.body["message"]
    warned = api.send("POST", f"{core}/configmaps", body)
    assert warned.code == 201
    assert warned.headers["warning"] == '299 - "unknown field \\"colour\\""'
    assert "colour" not in warned.body
    ignored = api.send("PUT", f"{core}/configmaps/a", body, fieldValidation="Ignore")
    assert "warning" not in ignored.headers


def test_nothing_can_be_created_in_a_namespace_that_is_not_there(api: Api) -> None:
    answer = api.send("POST", "/api/v1/namespaces/none-such/configmaps", config_map("a"))
    assert answer.refusal == (404, "NotFound")
    assert answer.body["message"] == 'namespaces "none-such" not found'


def test_methods_that_a_resource_does_not_have(api: Api, core: str) -> None:
    answer = api.send("POST", f"{core}/configmaps/a", config_map("a"))
    assert answer.code == 405
    assert answer.body["reason"] == "MethodNotAllowed"


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("POST", "/api/v1/configmaps", 405),
        ("GET", "/api/v1/namespaces/default/nodes", 404),
        ("GET", "/api/v1/configmaps/a", 404),
        ("PUT", "/api/v1/namespaces", 405),
        ("DELETE", "/api/v1/namespaces", 405),
    ],
)
def test_paths_that_do_not_fit_their_scope(api: Api, method: str, path: str, code: int) -> None:
    assert api.send(method, path, {} if method != "GET" else None).code == code


def test_secrets_take_plain_text(api: Api, core: str) -> None:
    created = api.create(f"{core}/secrets", {"metadata": {"name": "s"}, "stringData": {"user": "me"}})
    assert created["data"] == {"user": "bWU="}
    assert created["type"] == "Opaque"
    assert "stringData" not in created


def test_bodies_may_be_yaml(api: Api, core: str) -> None:
    body = b"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: from-yaml\ndata:\n  when: '2020-01-01'\n"
    headers = {"Content-Type": "application/yaml"}
    assert api.ok("POST", f"{core}/configmaps", body, headers=headers)["data"] == {"when": "2020-01-01"}


def test_other_formats_are_refused(api: Api, core: str) -> None:
    answer = api.send("POST", f"{core}/configmaps", b"x", headers={"Content-Type": "text/plain"})
    assert answer.refusal == (415, "UnsupportedMediaType")
    answer = api.send("GET", f"{core}/configmaps", headers={"Accept": "image/png"})
    assert answer.refusal == (406, "NotAcceptable")


def test_a_body_too_large_is_refused(api: Api, core: str) -> None:
    body = config_map("big", value="x" * (4 << 20))
    assert api.send("POST", f"{core}/configmaps", body).refusal == (413, "RequestEntityTooLarge")


def test_a_pod_is_bound_to_a_node_once(api: Api, core: str) -> None:
    """`spec.nodeName` is not for updates: a Binding alone sets it, when it is not set."""
    pause = {"name": "c", "image": "registry.k8s.io/pause:3.10"}
    gated = {"containers": [pause], "schedulerName": "nobody"}
    node = core.rpartition("/")[2]  # pods of a node that nobody missed yet stay for 40 seconds
    api.create(f"{core}/pods", {"metadata": {"name": "a"}, "spec": gated})
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "a"},
        "target": {"kind": "Node", "name": node},
    }
    api.ok("POST", f"{core}/pods/a/binding", binding)
    bound = api.ok("GET", f"{core}/pods/a")
    assert bound["spec"]["nodeName"] == node
    assert {each["type"]: each["status"] for each in bound["status"]["conditions"]}["PodScheduled"] == "True"
    assert api.send("POST", f"{core}/pods/a/binding", binding).refusal == (409, "Conflict")
    api.ok("DELETE", f"{core}/pods/a", {"gracePeriodSeconds": 0})


@pytest.mark.parametrize(
    ("status", "field"),
    [
        ({"podIP": "192.0.2.1", "podIPs": [{"ip": "192.0.2.1"}, {"ip": "192.0.2.2"}]}, "status.podIPs"),
        ({"podIP": "x", "podIPs": [{"ip": "x"}]}, "status.podIPs[0]"),
        ({"hostIP": "192.0.2.1", "hostIPs": [{"ip": "192.0.2.2"}]}, "status.hostIPs[0].ip"),
        ({"qosClass": "Guaranteed"}, "status.qosClass"),
        ({"conditions": [{"type": "a b", "status": "True"}]}, "status.conditions[0].Type"),
        (
            {
                "containerStatuses": [
                    {"name": "c", "image": "i", "imageID": "", "ready": False, "restartCount": 0}
                ]
            },
            "status.containerStatuses[0].state",
        ),
    ],
)
def test_a_pods_status_is_checked(api: Api, core: str, status: Json, field: str) -> None:
    eventually(lambda: api.send("GET", f"{core}/serviceaccounts/default").code == 200, "the account")
    spec = {"schedulerName": "nobody", "restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}
    path = f"{core}/pods/p/status"
    api.create(f"{core}/pods", {"metadata": {"name": "p"}, "spec": spec})
    ended = {"terminated": {"exitCode": 0}}
    about = {"name": "c", "image": "i", "imageID": "", "ready": False, "restartCount": 0, "state": ended}
    api.patch(path, {"status": {"containerStatuses": [about]}})
    answer = api.send("PATCH", path, {"status": status}, headers={"Content-Type": MERGE})
    assert answer.refusal == (422, "Invalid"), answer
    assert [cause["field"] for cause in answer.body["details"]["causes"]] == [field]


def test_a_binding_is_no_new_generation(api: Api, core: str) -> None:
    eventually(lambda: api.send("GET", f"{core}/serviceaccounts/default").code == 200, "the account")
    spec = {"schedulerName": "nobody", "containers": [{"name": "c", "image": "i"}]}
    api.create(f"{core}/pods", {"metadata": {"name": "p"}, "spec": spec})
    target = {"kind": "Node", "name": core.rpartition("/")[2]}
    api.create(f"{core}/pods/p/binding", {"metadata": {"name": "p"}, "target": target})
    pod = api.get(f"{core}/pods/p")
    assert (pod["spec"]["nodeName"], pod["metadata"]["generation"]) == (target["name"], 1)
    api.send("DELETE", f"{core}/pods/p", gracePeriodSeconds="0")
