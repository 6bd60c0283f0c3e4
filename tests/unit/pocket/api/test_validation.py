"""Built-in kinds that a real server refuses are refused here, field by field and word for word."""

from __future__ import annotations

from typing import Any

import pytest

from lab.pocket.api import defaults, merge_patch, pods, schema, strategic_merge, validation, values, warnings
from tests.unit.pocket.api.answers import Case, causes, load

VECTORS = load("validation")
Object = dict[str, Any]
CLUSTER = {
    "Namespace", "Node", "IngressClass", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "PriorityClass",
    "ValidatingWebhookConfiguration",
}  # fmt: skip
ONLY_FIELDS = {
    # values shown as Go's internal structs, or sentences of Go's own parsers
    "pod security",
    "pod update command",
    "pod update node",
    "pod update hostname",
    "pod update grace",
    "secret dockerconfigjson",
    "crd two storage",
    "crd no storage",
    "crd same version",
    "crd no versions",
}
ELSEWHERE = {
    # refused by what is not validation, or by kinds that are only stored here
    "pod priority class", "pod overhead", "pod update name", "pod update namespace", "crd selectable", "node",
    "crd version name", "priority class", "pdb", "token request", "pod template", "namespace in namespace",
}  # fmt: skip


def completed(obj: Object) -> Object:
    group, _, version = obj["apiVersion"].rpartition("/")
    kind = schema.builtin(group, version, obj["kind"])
    assert kind is not None
    processed = schema.process(obj, kind)
    assert not processed.malformed
    defaults.apply(processed.object, kind)
    made = processed.object
    if made["kind"] not in CLUSTER:
        made["metadata"].setdefault("namespace", "default")
    if made["kind"] == "Pod":
        pods.add_tolerations(made)
    return made


def stored(request: Object) -> tuple[str, Object]:
    obj = completed(request["body"])
    obj["metadata"] |= {"uid": "u", "resourceVersion": "1"}
    if obj["kind"] == "CustomResourceDefinition":
        obj["status"]["conditions"] = [{"type": "Established", "status": "True"}]
    return f"{request['path']}/{obj['metadata']['name']}", obj


STORED = dict(map(stored, VECTORS["setup"]))


def errors(case: Case) -> list[dict[str, str]]:
    if case.get("method") != "PATCH":
        new = completed(case["body"])
        return causes(validation.create_errors(new, namespaced=new["kind"] not in CLUSTER))
    status = case["path"].endswith("/status")
    old = STORED[case["path"].removesuffix("/status")]
    group, _, version = old["apiVersion"].rpartition("/")
    kind = schema.builtin(group, version, old["kind"])
    assert kind is not None
    strategic = case.get("type", "").startswith("application/strategic")
    patched = (
        strategic_merge.apply(old, case["body"], kind.root)
        if strategic
        else merge_patch.apply(old, case["body"])
    )
    check = validation.status_update_errors if status else validation.update_errors
    return causes(check(completed(patched), old))


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in VECTORS["cases"]])
def test_as_a_real_server(case: Case) -> None:
    if case["name"] in ELSEWHERE:
        return
    before = values.copy(STORED)
    found, expected = errors(case), case["answer"].get("causes", [])
    if case["name"] in ONLY_FIELDS:
        for cause in [*found, *expected]:
            cause["message"] = "…"
    assert distinct(found) == distinct(expected)
    assert before == STORED


def distinct(items: list[Any]) -> list[Any]:
    """Return items without repetitions: Kubernetes checks some fields twice and says so twice."""
    return [item for index, item in enumerate(items) if item not in items[:index]]


@pytest.mark.parametrize(
    ("obj", "path"),
    [
        ({"kind": "ConfigMap", "data": {"a": "x" * 2**20, "b": "y"}}, "[]"),
        ({"kind": "ConfigMap", "binaryData": {"a": "QUFB" * 2**19}}, "[]"),
        ({"kind": "Secret", "stringData": {"a": "é" * 2**20}}, "data"),
    ],
)
def test_what_is_too_large(obj: Object, path: str) -> None:
    made = completed({"apiVersion": "v1", "metadata": {"name": "x"}, **obj})
    assert [str(error) for error in validation.create_errors(made, namespaced=True)] == [
        f"{path}: Too long: may not be more than 1048576 bytes"
    ]


CONTAINER = {
    "name": "c",
    "image": "i",
    "env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}],
    "ports": [{"containerPort": 80, "name": "a"}, {"containerPort": 80, "name": "b"}],
}


@pytest.mark.parametrize(
    ("kind", "spec", "sentences"),
    [
        ("v1/Service", {"clusterIP": "None", "sessionAffinity": "ClientIP"}, ["spec.SessionAffinity is ignored for headless services"]),
        ("v1/Service", {"externalIPs": ["192.0.2.1"]}, ["spec.externalIPs is deprecated and may no longer be implemented in some clusters"]),
        ("v1/Pod", {"containers": [CONTAINER]}, [
            'spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply',
            "spec.containers[0].ports[1]: duplicate port definition with spec.containers[0].ports[0]",
        ]),
        ("v1/Pod", {"imagePullSecrets": [{"name": ""}, {"name": "x"}, {"name": "x"}]}, [
            'spec.imagePullSecrets[0].name: invalid empty name ""', 'spec.imagePullSecrets[2].name: duplicate name "x"',
        ]),
        ("apps/v1/Deployment", {"template": {"spec": {
            "nodeSelector": {"beta.kubernetes.io/os": "linux"}, "hostAliases": [{"ip": "1.1.1.1"}, {"ip": "1.1.1.1"}],
            "terminationGracePeriodSeconds": -5,
        }}}, [
            'spec.template.spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead',
            'spec.template.spec.hostAliases[1].ip: duplicate ip "1.1.1.1"',
            "spec.template.spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1",
        ]),
        ("v1/ConfigMap", {}, []),
    ],
)  # fmt: skip
def test_warnings(kind: str, spec: Object, sentences: list[str]) -> None:
    version, _, name = kind.rpartition("/")
    obj = completed({"apiVersion": version, "kind": name, "metadata": {"name": "x"}, "spec": spec})
    obj["spec"] = {**obj.get("spec", {}), **({} if name == "Deployment" else spec)}
    assert warnings.warnings_about(obj) == sentences
