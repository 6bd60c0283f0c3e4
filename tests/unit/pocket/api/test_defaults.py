"""Built-in kinds are decoded and defaulted as kube-apiserver does it, field by field."""

from __future__ import annotations

from typing import Any

import pytest

from lab.pocket.api import defaults, pods, schema, values
from tests.unit.pocket.api.answers import Case, cases

CLUSTER_ADDRESSES = ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy")  # lab.pocket.api.services


def completed(body: dict[str, Any]) -> schema.Processed:
    group, _, version = body["apiVersion"].rpartition("/")
    kind = schema.builtin(group, version, body["kind"])
    assert kind is not None
    processed = schema.process(body, kind)
    if not processed.malformed:
        defaults.apply(processed.object, kind)
    return processed


def admitted(obj: dict[str, Any]) -> dict[str, Any]:
    """Do what the server's strategies and admission do on creation and what the pure defaults leave to them."""
    spec = obj.get("spec")
    if obj["kind"] == "Pod":
        pods.add_tolerations(obj)
        pods.add_priority(obj)
        obj["status"] = {"phase": "Pending", "qosClass": pods.qos_class(obj)}
    elif obj["kind"] == "Namespace":
        obj["spec"] = {"finalizers": ["kubernetes"]}
    elif obj["kind"] == "Node":
        obj["spec"]["taints"] = [{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]
    elif obj["kind"] == "DaemonSet":
        obj["metadata"]["annotations"] = {"deprecated.daemonset.template.generation": "1"}
    elif obj["kind"] == "Service" and isinstance(spec, dict):
        obj["spec"] = {name: value for name, value in spec.items() if name not in CLUSTER_ADDRESSES}
    elif obj["kind"] == "SelfSubjectAccessReview":
        obj["status"] = {"allowed": True, "reason": "RBAC: allowed by …"}
    return obj


@pytest.mark.parametrize("case", cases("defaults"))
def test_as_a_real_server(case: Case) -> None:
    before = values.copy(case["body"])
    processed, answer = completed(case["body"]), case["answer"]
    assert case["body"] == before
    if "object" not in answer:
        assert processed.malformed
        assert answer["message"].endswith(processed.malformed)
        return
    expected = admitted(answer["object"])
    if "namespace" not in case["body"]["metadata"]:
        expected["metadata"].pop("namespace", None)
    assert admitted(processed.object) == expected
    unknown = [text for text in answer.get("warnings", []) if text.startswith("unknown field")]
    assert sorted(f'unknown field "{path}"' for path in processed.unknown_fields) == unknown


@pytest.mark.parametrize("case", cases("defaults"))
def test_a_second_time_changes_nothing(case: Case) -> None:
    first = completed(case["body"])
    if not first.malformed:
        assert completed(first.object).object == first.object


def pod(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "a"}, {"name": "b"}], **spec}}


def resources(requests: dict[str, str], limits: dict[str, str]) -> dict[str, Any]:
    return {"name": "a", "resources": {"requests": requests, "limits": limits}}


BOTH = {"cpu": "1", "memory": "1Gi"}


@pytest.mark.parametrize(
    ("containers", "qos"),
    [
        ([{"name": "a"}], "BestEffort"),
        ([resources({}, {"ephemeral-storage": "1"})], "BestEffort"),
        ([resources({"cpu": "0"}, {})], "BestEffort"),
        ([resources({"cpu": "1"}, {})], "Burstable"),
        ([resources(BOTH, BOTH)], "Guaranteed"),
        ([resources({"cpu": "1000m", "memory": "1024Mi"}, BOTH)], "Guaranteed"),
        ([resources(BOTH, {**BOTH, "cpu": "2"})], "Burstable"),
        ([resources(BOTH, BOTH), {"name": "b"}], "Burstable"),
    ],
)
def test_qos_class(containers: list[dict[str, Any]], qos: str) -> None:
    assert pods.qos_class(pod(containers=containers)) == qos


def test_every_container_gets_the_token_unless_it_mounts_something_there() -> None:
    mine = {"name": "mine", "mountPath": pods.TOKEN_PATH}
    made = pod(containers=[{"name": "a"}, {"name": "b", "volumeMounts": [mine]}])
    pods.add_service_account_token(made, "abcde")
    assert made["spec"]["serviceAccountName"] == made["spec"]["serviceAccount"] == "default"
    assert [volume["name"] for volume in made["spec"]["volumes"]] == ["kube-api-access-abcde"]
    assert made["spec"]["containers"][0]["volumeMounts"][0]["readOnly"] is True
    assert made["spec"]["containers"][1]["volumeMounts"] == [mine]


def test_a_pod_may_refuse_the_token() -> None:
    made = pod(automountServiceAccountToken=False, serviceAccountName="s")
    pods.add_service_account_token(made, "abcde")
    assert "volumes" not in made["spec"]


@pytest.mark.parametrize(
    ("given", "keys"),
    [
        ([], ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"]),
        ([{"operator": "Exists"}], [None]),
        ([{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}], ["node.kubernetes.io/not-ready"] * 2 + ["node.kubernetes.io/unreachable"]),
    ],
)  # fmt: skip
def test_tolerations_of_lost_nodes(given: list[dict[str, Any]], keys: list[str | None]) -> None:
    made = pod(tolerations=given)
    pods.add_tolerations(made)
    assert [toleration.get("key") for toleration in made["spec"]["tolerations"]] == keys


@pytest.mark.parametrize(
    ("group", "kind", "status"),
    [
        ("", "Service", {"loadBalancer": {}}),
        ("", "ConfigMap", None),
        ("apps", "Deployment", {}),
        ("apps", "ReplicaSet", {"replicas": 0}),
        ("networking.k8s.io", "Ingress", {"loadBalancer": {}}),
    ],
)
def test_a_status_that_nobody_set(group: str, kind: str, status: Any) -> None:
    found = schema.builtin(group, "v1", kind)
    assert found is not None
    assert schema.unset(found, "status") == status
