"""The manifests: what they grant is what is used, and the containers have no more power than they need."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import lab.balancer
from lab.balancer.controller.options import read_options
from tests.unit.balancer.controller_run import NS, Cluster, in_cluster
from tests.unit.kube.fake_api import Request

FOLDER = Path(lab.balancer.__file__).parent / "manifests"
Grant = tuple[str, str, str]
"""Verb, group, resource with its subresource."""

VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete", "GET": "get"}

EVERYTHING_OLD = """
bfd-profiles: [{name: b}]
bgp-communities: {c: "1:2"}
peers: [{my-asn: 64500, peer-asn: 64501, peer-address: 10.0.0.1}]
address-pools:
- {name: p, protocol: bgp, addresses: [192.0.2.0/32]}
- {name: q, protocol: layer2, addresses: [198.51.100.0/30], auto-assign: false}
"""


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((FOLDER / name).read_text()))


def used_by(request: Request) -> Grant:
    parts = request.path.strip("/").split("/")
    group, rest = ("", parts[2:]) if parts[0] == "api" else (parts[1], parts[3:])
    if rest[0] == "namespaces" and len(rest) > 2:
        rest = rest[2:]
    resource = "/".join([rest[0], *rest[2:]])
    verb = VERBS[request.method]
    if verb == "get" and len(rest) == 1:
        verb = "watch" if "watch" in request.query else "list"
    return verb, group, resource


def granted(name: str) -> Iterator[Grant]:
    for document in documents(name):
        for rule in document.get("rules", ()):
            for group in rule["apiGroups"]:
                for resource in rule["resources"]:
                    yield from ((verb, group, resource) for verb in rule["verbs"])


async def make_every_request(cluster: Cluster) -> None:
    """Let the controller do everything that it can do."""
    config_map = {"metadata": {"name": "config", "namespace": NS}, "data": {"config": EVERYTHING_OLD}}
    await cluster.api.put(f"/api/v1/namespaces/{NS}/configmaps/config", config_map)
    async with cluster.controller():
        await cluster.until(
            lambda: cluster.metallb("configurationstates", "controller")["status"]["result"] == "Valid"
        )
        await cluster.service("holder")
        await cluster.until_assigned("holder")
        for _ in range(2):  # the same event twice is counted
            await cluster.service("waiting")
            await cluster.until_pending("waiting")
            await cluster.service("waiting", type="ClusterIP")
            await cluster.until(lambda: not cluster.of("waiting")["status"]["conditions"])
        await cluster.until(
            lambda: "PATCH" in {r.method for r in cluster.api.requests if "/events/" in r.path}
        )
        await make_every_kind_wrong(cluster)


async def make_every_kind_wrong(cluster: Cluster) -> None:
    bad = {
        "v1beta1/ipaddresspools": {"addresses": ["x"]},
        "v1beta1/l2advertisements": {"interfaces": ["a", "a"]},
        "v1beta1/bgpadvertisements": {"aggregationLength": 99},
        "v1beta1/bfdprofiles": {"detectMultiplier": 1},
        "v1beta1/communities": {"communities": [{"name": "x", "value": "y"}]},
        "v1beta2/bgppeers": {"myASN": 0},
    }
    for where, spec in bad.items():
        version, plural = where.split("/")
        path = f"/apis/metallb.io/{version}/namespaces/{NS}/{plural}/bad"
        await cluster.api.put(path, {"metadata": {"name": "bad", "namespace": NS}, "spec": spec})
        await cluster.until(lambda path=path: cluster.api.objects[path]["status"]["conditions"])  # type: ignore[misc]


def test_the_controller_may_do_what_it_does_and_nothing_else() -> None:
    used: set[Grant] = set()

    async def test(cluster: Cluster) -> None:
        await make_every_request(cluster)
        used.update(used_by(request) for request in cluster.api.requests)

    in_cluster(test, seconds=20)
    assert used == set(granted("controller-rbac.yaml"))


def test_secrets_are_only_for_the_speaker() -> None:
    assert not [g for g in granted("controller-rbac.yaml") if g[2] == "secrets"]
    cluster_wide = [
        rule for d in documents("speaker-rbac.yaml") if d["kind"] == "ClusterRole" for rule in d["rules"]
    ]
    assert not [rule for rule in cluster_wide if "secrets" in rule["resources"]]


@pytest.mark.parametrize(("name", "capabilities"), [("controller", None), ("speaker", ["NET_BIND_SERVICE"])])
def test_containers_are_confined(name: str, capabilities: list[str] | None) -> None:
    (workload,) = documents(f"{name}.yaml")
    spec = workload["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    context = container["securityContext"]
    assert context["capabilities"].get("add") == capabilities
    assert context["capabilities"]["drop"] == ["ALL"]
    assert context["readOnlyRootFilesystem"] is True
    assert context["allowPrivilegeEscalation"] is False
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["securityContext"].get("runAsNonRoot", False) is (name == "controller")
    assert spec["serviceAccountName"] == name
    assert workload["metadata"]["namespace"] == NS


def test_the_controllers_arguments_and_environment_are_understood() -> None:
    (workload,) = documents("controller.yaml")
    (container,) = workload["spec"]["template"]["spec"]["containers"]
    command, *arguments = container["args"]
    options = read_options(arguments, {entry["name"]: entry["name"] for entry in container["env"]})
    assert command == "controller"
    assert options.port == container["ports"][0]["containerPort"]
    assert options.namespace == "METALLB_NAMESPACE"
    assert options.identity == "METALLB_POD_NAME"
    assert options.owner is not None
    assert options.owner["uid"] == "METALLB_POD_UID"


def test_everything_is_in_the_kustomization() -> None:
    listed = documents("kustomization.yaml")[0]["resources"]
    assert sorted(listed) == sorted(
        ["../crds", *(p.name for p in FOLDER.glob("*.yaml") if p.stem != "kustomization")]
    )
