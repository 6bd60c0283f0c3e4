"""delete: preconditions, finalizers, grace, collections, namespaces."""

from __future__ import annotations

from tests.contract.client import JSON_PATCH, Api, Json

PAUSE: Json = {"containers": [{"name": "c", "image": "registry.k8s.io/pause:3.10"}]}


def test_delete_answers_with_a_status(api: Api, core: str) -> None:
    created = api.create(f"{core}/configmaps", {"metadata": {"name": "a"}})
    answer = api.ok("DELETE", f"{core}/configmaps/a")
    assert (answer["kind"], answer["status"]) == ("Status", "Success")
    assert answer["details"] == {"name": "a", "kind": "configmaps", "uid": created["metadata"]["uid"]}
    assert api.send("DELETE", f"{core}/configmaps/a").refusal == (404, "NotFound")


def test_some_kinds_answer_with_the_object(api: Api, core: str) -> None:
    created = api.create(f"{core}/services", {"metadata": {"name": "a"}, "spec": {"ports": [{"port": 80}]}})
    answer = api.ok("DELETE", f"{core}/services/a")
    assert (answer["kind"], answer["metadata"]["uid"]) == ("Service", created["metadata"]["uid"])


def test_preconditions_protect_another_object_of_that_name(api: Api, core: str) -> None:
    created = api.create(f"{core}/configmaps", {"metadata": {"name": "a"}})
    for preconditions in ({"uid": "other"}, {"resourceVersion": "1"}):
        answer = api.send("DELETE", f"{core}/configmaps/a", {"preconditions": preconditions})
        assert answer.refusal == (409, "Conflict")
    api.ok("DELETE", f"{core}/configmaps/a", {"preconditions": {"uid": created["metadata"]["uid"]}})


def test_finalizers_hold_an_object_until_the_last_is_removed(api: Api, core: str) -> None:
    path = f"{core}/configmaps/a"
    api.create(f"{core}/configmaps", {"metadata": {"name": "a", "finalizers": ["example.com/hold"]}})
    held = api.ok("DELETE", path)
    assert held["metadata"]["deletionTimestamp"]
    assert held["metadata"]["deletionGracePeriodSeconds"] == 0
    again = api.ok("DELETE", path)
    assert again["metadata"]["deletionTimestamp"] == held["metadata"]["deletionTimestamp"]
    api.patch(path, [{"op": "remove", "path": "/metadata/finalizers"}], JSON_PATCH)
    assert api.send("GET", path).code == 404


def test_no_finalizer_can_be_added_while_an_object_is_deleted(api: Api, core: str) -> None:
    path = f"{core}/configmaps/a"
    api.create(f"{core}/configmaps", {"metadata": {"name": "a", "finalizers": ["example.com/hold"]}})
    api.ok("DELETE", path)
    patch = {"metadata": {"finalizers": ["example.com/hold", "example.com/more"]}}
    headers = {"Content-Type": "application/merge-patch+json"}
    answer = api.send("PATCH", path, patch, headers=headers)
    assert answer.refusal == (422, "Invalid")
    api.patch(path, {"metadata": {"finalizers": None}})


def test_foreground_and_orphan_become_finalizers(api: Api, core: str) -> None:
    for policy, finalizer in (("Foreground", "foregroundDeletion"), ("Orphan", "orphan")):
        name = policy.lower()
        hold = {"metadata": {"name": name, "finalizers": ["example.com/hold"]}}
        api.create(f"{core}/configmaps", hold)
        held = api.ok("DELETE", f"{core}/configmaps/{name}", {"propagationPolicy": policy})
        assert finalizer in held["metadata"]["finalizers"]
        api.patch(f"{core}/configmaps/{name}", {"metadata": {"finalizers": None}})


def test_a_dry_run_deletes_nothing(api: Api, core: str) -> None:
    api.create(f"{core}/configmaps", {"metadata": {"name": "a"}})
    api.ok("DELETE", f"{core}/configmaps/a", dryRun="All")
    api.get(f"{core}/configmaps/a")


def test_a_collection_by_labels(api: Api, core: str) -> None:
    for name, colour in (("a", "red"), ("b", "red"), ("c", "blue")):
        api.create(f"{core}/secrets", {"metadata": {"name": name, "labels": {"colour": colour}}})
    api.ok("DELETE", f"{core}/secrets", labelSelector="colour=red")
    left = api.get(f"{core}/secrets", labelSelector="colour")["items"]
    assert [item["metadata"]["name"] for item in left] == ["c"]


def test_a_pod_without_a_node_goes_at_once(api: Api, core: str) -> None:
    spec = PAUSE | {"schedulerName": "nobody"}
    api.create(f"{core}/pods", {"metadata": {"name": "p"}, "spec": spec})
    api.ok("DELETE", f"{core}/pods/p")
    assert api.send("GET", f"{core}/pods/p").code == 404


def test_a_pod_on_a_node_gets_its_grace(api: Api, core: str) -> None:
    spec = PAUSE | {"nodeName": "no-such-node", "terminationGracePeriodSeconds": 7}
    api.create(f"{core}/pods", {"metadata": {"name": "p"}, "spec": spec})
    deleted = api.ok("DELETE", f"{core}/pods/p")
    assert deleted["metadata"]["deletionGracePeriodSeconds"] == 7
    api.ok("DELETE", f"{core}/pods/p", {"gracePeriodSeconds": 0})
    assert api.send("GET", f"{core}/pods/p").code == 404


def test_a_namespace_says_that_it_is_terminating(api: Api, namespace: str, core: str) -> None:
    api.create(f"{core}/configmaps", {"metadata": {"name": "a", "finalizers": ["example.com/hold"]}})
    deleted = api.ok("DELETE", f"/api/v1/namespaces/{namespace}")
    assert deleted["status"]["phase"] == "Terminating"
    assert deleted["spec"]["finalizers"] == ["kubernetes"]
    answer = api.send("POST", f"{core}/configmaps", {"metadata": {"name": "late"}})
    assert answer.refusal == (403, "Forbidden")
    assert answer.body["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    api.patch(f"{core}/configmaps/a", {"metadata": {"finalizers": None}})
