"""The official Python client, unmodified: typed calls, watches, the dynamic client, leader election."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the package's own
    from kubernetes import client, config, dynamic, watch
    from kubernetes.client.rest import ApiException
    from kubernetes.leaderelection import electionconfig, leaderelection
    from kubernetes.leaderelection.resourcelock.configmaplock import ConfigMapLock

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@pytest.fixture
def connection(kubeconfig: Path) -> Iterator[Any]:
    with config.new_client_from_config(str(kubeconfig)) as made:
        yield made


def test_typed_calls(connection: Any, namespace: str) -> None:
    core = client.CoreV1Api(connection)
    spec = client.V1ServiceSpec(type="LoadBalancer", ports=[client.V1ServicePort(port=80)])
    body = client.V1Service(metadata=client.V1ObjectMeta(name="web"), spec=spec)
    created = core.create_namespaced_service(namespace, body)
    assert created.spec.cluster_ip
    created.metadata.labels = {"a": "b"}
    assert core.replace_namespaced_service("web", namespace, created).metadata.labels == {"a": "b"}
    patched = core.patch_namespaced_service("web", namespace, {"metadata": {"labels": {"c": "d"}}})
    assert patched.metadata.labels == {"a": "b", "c": "d"}
    assert [item.metadata.name for item in core.list_namespaced_service(namespace).items] == ["web"]
    core.delete_namespaced_service("web", namespace)
    with pytest.raises(ApiException) as refused:
        core.read_namespaced_service("web", namespace)
    assert refused.value.status == 404


def test_watch(connection: Any, namespace: str) -> None:
    core = client.CoreV1Api(connection)
    revision = core.list_namespaced_secret(namespace).metadata.resource_version
    for name in ("a", "b"):
        core.create_namespaced_secret(namespace, client.V1Secret(metadata=client.V1ObjectMeta(name=name)))
    stream = watch.Watch().stream(
        core.list_namespaced_secret, namespace, resource_version=revision, timeout_seconds=2
    )
    assert [(event["type"], event["object"].metadata.name) for event in stream] == [
        ("ADDED", "a"),
        ("ADDED", "b"),
    ]


def test_dynamic_client(connection: Any, namespace: str, tmp_path: Path) -> None:
    dynamic_client = dynamic.DynamicClient(connection, cache_file=str(tmp_path / "discovery"))
    maps = dynamic_client.resources.get(api_version="v1", kind="ConfigMap")
    body = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "a"}, "data": {"k": "1"}}
    maps.create(body=body, namespace=namespace)
    body["data"] = {"k": "2"}
    applied = maps.server_side_apply(body=body, namespace=namespace, field_manager="me", force_conflicts=True)
    assert applied.data.k == "2"
    maps.delete(name="a", namespace=namespace)


def test_leader_election(kubeconfig: Path, namespace: str) -> None:
    config.load_kube_config(str(kubeconfig))

    def candidate(name: str) -> Any:
        lock = ConfigMapLock("leader", namespace, name)
        settings = electionconfig.Config(
            lock,
            lease_duration=30,
            renew_deadline=20,
            retry_period=1,
            onstarted_leading=print,
            onstopped_leading=print,
        )
        return leaderelection.LeaderElection(settings)

    first, second = candidate("first"), candidate("second")
    assert first.try_acquire_or_renew()
    assert not second.try_acquire_or_renew()
    assert first.try_acquire_or_renew()
