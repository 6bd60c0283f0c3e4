"""What controllers make of objects: rollouts, endpoints, garbage collection, namespaces. Needs no node."""

from __future__ import annotations

import re

import pytest

from tests.contract.client import MERGE, Api, Json, eventually
from tests.contract.conftest import Kubectl

POD_SPEC: Json = {"schedulerName": "nobody", "containers": [{"name": "c", "image": "example.com/one"}]}


class Workload:
    """A deployment `web` and what belongs to it."""

    def __init__(self, api: Api, namespace: str) -> None:
        self.api = api
        self.apps = f"/apis/apps/v1/namespaces/{namespace}"
        self.core = f"/api/v1/namespaces/{namespace}"
        self.path = f"{self.apps}/deployments/web"

    def create(self, replicas: int) -> Json:
        template = {"metadata": {"labels": {"app": "web"}}, "spec": POD_SPEC}
        spec = {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template}
        created: Json = self.api.create(
            f"{self.apps}/deployments", {"metadata": {"name": "web"}, "spec": spec}
        )
        return created

    def replica_sets(self) -> list[Json]:
        listed: list[Json] = self.api.get(f"{self.apps}/replicasets", labelSelector="app=web")["items"]
        return listed

    def pods(self) -> list[Json]:
        listed: list[Json] = self.api.get(f"{self.core}/pods", labelSelector="app=web")["items"]
        return [pod for pod in listed if "deletionTimestamp" not in pod["metadata"]]


@pytest.fixture
def workload(api: Api, namespace: str) -> Workload:
    return Workload(api, namespace)


def test_a_deployment_owns_a_replica_set_that_owns_pods(workload: Workload) -> None:
    deployment = workload.create(2)
    eventually(lambda: len(workload.pods()) == 2, "two pods")
    (replica_set,) = workload.replica_sets()
    owner = replica_set["metadata"]["ownerReferences"][0]
    assert (owner["kind"], owner["uid"], owner["controller"]) == (
        "Deployment",
        deployment["metadata"]["uid"],
        True,
    )
    digest = replica_set["metadata"]["labels"]["pod-template-hash"]
    assert replica_set["metadata"]["name"] == f"web-{digest}"
    for pod in workload.pods():
        assert pod["metadata"]["labels"]["pod-template-hash"] == digest
        assert pod["metadata"]["ownerReferences"][0]["uid"] == replica_set["metadata"]["uid"]
        assert pod["metadata"]["name"].startswith(f"web-{digest}-")


def test_scaling_adds_and_removes_pods(workload: Workload) -> None:
    workload.create(1)
    eventually(lambda: len(workload.pods()) == 1, "one pod")
    workload.api.patch(f"{workload.path}/scale", {"spec": {"replicas": 3}})
    eventually(lambda: len(workload.pods()) == 3, "three pods")
    workload.api.patch(f"{workload.path}/scale", {"spec": {"replicas": 0}})
    eventually(lambda: not workload.pods(), "no pods")


def test_a_new_template_is_a_new_revision_and_can_be_undone(workload: Workload, kubectl: Kubectl) -> None:
    workload.create(0)
    eventually(workload.replica_sets, "a replica set")
    kubectl("set", "image", "deployment/web", "c=example.com/two")
    eventually(lambda: len(workload.replica_sets()) == 2, "a second replica set")
    eventually(lambda: "2" in kubectl("rollout", "history", "deployment/web"), "a second revision")
    assert kubectl("rollout", "undo", "deployment/web") == "deployment.apps/web rolled back\n"
    assert kubectl("get", "deployment", "web", "-o", "jsonpath={..image}") == "example.com/one"
    assert "successfully rolled out" in kubectl("rollout", "status", "deployment/web", "--timeout=20s")


def test_what_is_owned_goes_with_its_owner(workload: Workload) -> None:
    workload.create(1)
    eventually(workload.pods, "a pod")
    workload.api.ok("DELETE", workload.path, {"propagationPolicy": "Background"})
    eventually(lambda: not workload.replica_sets() and not workload.pods(), "everything gone")


def test_orphans_stay(workload: Workload) -> None:
    workload.create(0)
    eventually(workload.replica_sets, "a replica set")
    workload.api.ok("DELETE", workload.path, {"propagationPolicy": "Orphan"})
    eventually(lambda: workload.api.send("GET", workload.path).code == 404, "the deployment gone")
    (replica_set,) = workload.replica_sets()
    assert not replica_set["metadata"].get("ownerReferences")


def test_the_owner_waits_for_its_own_in_the_foreground(workload: Workload) -> None:
    workload.create(1)
    eventually(workload.pods, "a pod")
    deleted = workload.api.ok("DELETE", workload.path, {"propagationPolicy": "Foreground"})
    assert "foregroundDeletion" in deleted["metadata"]["finalizers"]
    eventually(lambda: workload.api.send("GET", workload.path).code == 404, "the deployment gone")
    assert not workload.replica_sets()


def test_a_service_gets_an_endpoint_slice(workload: Workload) -> None:
    spec = {"selector": {"app": "web"}, "ports": [{"port": 80}]}
    workload.api.create(f"{workload.core}/services", {"metadata": {"name": "web"}, "spec": spec})
    path = workload.core.replace("/api/v1", "/apis/discovery.k8s.io/v1") + "/endpointslices"
    labels = "kubernetes.io/service-name=web"
    (made,) = eventually(lambda: workload.api.get(path, labelSelector=labels)["items"], "a slice")
    assert made["addressType"] == "IPv4"
    assert made["metadata"]["ownerReferences"][0]["kind"] == "Service"


def test_a_namespace_takes_its_objects_along(api: Api, namespace: str, core: str) -> None:
    api.create(f"{core}/configmaps", {"metadata": {"name": "a"}})
    api.ok("DELETE", f"/api/v1/namespaces/{namespace}")
    eventually(lambda: api.send("GET", f"/api/v1/namespaces/{namespace}").code == 404, "the namespace gone")
    assert api.send("GET", f"{core}/configmaps/a").code == 404


def test_every_namespace_has_its_account_and_gets_it_back(api: Api, core: str) -> None:
    path = f"{core}/serviceaccounts"
    found = eventually(lambda: api.get(path, fieldSelector="metadata.name=default")["items"], "the account")
    first = found[0]
    api.ok("DELETE", f"{core}/serviceaccounts/default")
    eventually(
        lambda: (
            api.send("GET", f"{core}/serviceaccounts/default").body.get("metadata", {}).get("uid")
            not in {None, first["metadata"]["uid"]}
        ),
        "the account again",
    )


def test_endpoints_written_by_hand_are_mirrored(api: Api, core: str) -> None:
    service = {"metadata": {"name": "outside"}, "spec": {"ports": [{"port": 80}]}}
    api.create(f"{core}/services", service)
    subset = {"addresses": [{"ip": "192.0.2.7"}], "ports": [{"port": 8080}]}
    api.create(f"{core}/endpoints", {"metadata": {"name": "outside"}, "subsets": [subset]})
    slices = core.replace("/api/v1", "/apis/discovery.k8s.io/v1") + "/endpointslices"
    labels = "kubernetes.io/service-name=outside"
    (made,) = eventually(lambda: api.get(slices, labelSelector=labels)["items"], "a slice")
    assert made["endpoints"] == [{"addresses": ["192.0.2.7"], "conditions": {"ready": True}}]
    assert made["ports"] == [{"name": "", "port": 8080, "protocol": "TCP"}]
    managed_by = made["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"]
    assert managed_by == "endpointslicemirroring-controller.k8s.io"
    api.ok("DELETE", f"{core}/endpoints/outside")
    eventually(lambda: not api.get(slices, labelSelector=labels)["items"], "no slice")


def test_a_role_with_the_label_adds_to_the_usual_ones(api: Api, namespace: str) -> None:
    roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
    rule = {"verbs": ["get"], "apiGroups": ["example.com"], "resources": [namespace]}
    labels = {"rbac.authorization.k8s.io/aggregate-to-view": "true"}
    api.create(roles, {"metadata": {"name": namespace, "labels": labels}, "rules": [rule]})
    usual = [f"{roles}/{name}" for name in ("view", "edit", "admin")]
    eventually(lambda: all(rule in api.get(path)["rules"] for path in usual), "the rule in each")
    api.ok("DELETE", f"{roles}/{namespace}")
    eventually(lambda: not any(rule in api.get(path)["rules"] for path in usual), "the rule in none")


def test_the_templates_of_a_daemon_set_are_its_history(
    workload: Workload, api: Api, namespace: str, kubectl: Kubectl
) -> None:
    template = {
        "metadata": {"labels": {"app": "speaker"}},
        "spec": POD_SPEC | {"nodeSelector": {"no": "node"}},
    }
    spec = {"selector": {"matchLabels": {"app": "speaker"}}, "template": template}
    api.create(f"{workload.apps}/daemonsets", {"metadata": {"name": "speaker"}, "spec": spec})
    revisions = f"{workload.apps}/controllerrevisions"
    (first,) = eventually(lambda: api.get(revisions)["items"], "a revision")
    assert first["revision"] == 1
    kubectl("set", "image", "daemonset/speaker", "c=example.com/two")
    eventually(lambda: len(api.get(revisions)["items"]) == 2, "a second revision")
    history = kubectl("rollout", "history", "daemonset/speaker")
    assert [line.split()[0] for line in history.splitlines() if line[:1].isdigit()] == ["1", "2"]
    one = kubectl("rollout", "history", "daemonset/speaker", "--revision=1")
    assert re.search(r"Image:\s+example.com/one\n", one)
    assert kubectl("rollout", "undo", "daemonset/speaker") == "daemonset.apps/speaker rolled back\n"
    assert kubectl("get", "daemonset", "speaker", "-o", "jsonpath={..image}") == "example.com/one"
    eventually(lambda: api.get(f"{revisions}/{first['metadata']['name']}")["revision"] == 3, "revision 3")
    table = kubectl("get", "controllerrevisions", first["metadata"]["name"])
    assert table.split()[:4] == ["NAME", "CONTROLLER", "REVISION", "AGE"]
    changed = api.send(
        "PATCH",
        f"{revisions}/{first['metadata']['name']}",
        {"data": {"x": 1}},
        headers={"Content-Type": MERGE},
    )
    assert changed.refusal == (422, "Invalid")
