"""Built-in kinds that a real server refuses are refused here, field by field and word for word."""

from __future__ import annotations

from typing import Any

import pytest

from lab.pocket.api import defaults, merge_patch, pods, schema, strategic_merge, validation, values
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
    "crd version name", "event", "event new", "webhook", "priority class", "pdb", "token request", "pod template", "namespace in namespace",
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
