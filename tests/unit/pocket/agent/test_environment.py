from __future__ import annotations

from typing import Any

import pytest

from lab.kube.resources import Json
from lab.pocket.agent.environment import References, command_line, environment, expand, hostname
from lab.pocket.agent.errors import ConfigError

POD: Json = {
    "metadata": {"name": "web-1", "namespace": "shop", "uid": "u1", "labels": {"app": "web", "tier": "front"}, "annotations": {"note": 'say "hi"'}},
    "spec": {"nodeName": "worker1", "serviceAccountName": "robot", "containers": []},
    "status": {"podIP": "10.244.1.2", "podIPs": [{"ip": "10.244.1.2"}, {"ip": "fd00::2"}]},
}  # fmt: skip
NODE: Json = {
    "metadata": {"name": "worker1"},
    "status": {
        "addresses": [{"type": "InternalIP", "address": "10.0.0.51"}],
        "allocatable": {"cpu": "2", "memory": "4096Ki"},
    },
}
CONFIG: Json = {"kind": "ConfigMap", "data": {"colour": "blue"}, "binaryData": {"raw": "aGk="}}
SECRET: Json = {"kind": "Secret", "data": {"password": "c2VjcmV0"}}
REFERENCES = References({"settings": CONFIG}, {"login": SECRET})


def service(name: str, /, namespace: str = "shop", ip: str = "10.96.0.7", **port: Any) -> Json:
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"clusterIP": ip, "ports": [{"port": 80, "protocol": "TCP"} | port]},
    }


def variables(*entries: Json, **container: Any) -> dict[str, str]:
    services = container.pop("services", ())
    spec = {"name": "c", "env": list(entries)} | container
    return environment(POD, spec, image={"PATH": "/bin"}, services=services, node=NODE, references=REFERENCES)


def ref(kind: str, **fields: Any) -> Json:
    return {"name": "X", "valueFrom": {kind: fields}}


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ({"name": "X", "value": "plain"}, "plain"),
        ({"name": "X"}, ""),
        (ref("fieldRef", fieldPath="metadata.name"), "web-1"),
        (ref("fieldRef", fieldPath="metadata.namespace"), "shop"),
        (ref("fieldRef", fieldPath="metadata.labels['tier']"), "front"),
        (ref("fieldRef", fieldPath="metadata.annotations['none']"), ""),
        (ref("fieldRef", fieldPath="metadata.labels"), 'app="web"\ntier="front"'),
        (ref("fieldRef", fieldPath="metadata.annotations"), 'note="say \\"hi\\""'),
        (ref("fieldRef", fieldPath="spec.nodeName"), "worker1"),
        (ref("fieldRef", fieldPath="spec.serviceAccountName"), "robot"),
        (ref("fieldRef", fieldPath="status.podIP"), "10.244.1.2"),
        (ref("fieldRef", fieldPath="status.podIPs"), "10.244.1.2,fd00::2"),
        (ref("fieldRef", fieldPath="status.hostIP"), "10.0.0.51"),
        (ref("configMapKeyRef", name="settings", key="colour"), "blue"),
        (ref("configMapKeyRef", name="settings", key="raw"), "hi"),
        (ref("secretKeyRef", name="login", key="password"), "secret"),
        (ref("resourceFieldRef", resource="limits.memory", divisor="1Ki"), "2048"),
        (ref("resourceFieldRef", resource="requests.cpu", divisor="1m"), "250"),
        (ref("resourceFieldRef", resource="limits.cpu"), "2"),
    ],
)
def test_values(entry, value):
    resources = {"limits": {"memory": "2Mi"}, "requests": {"cpu": "250m"}}
    assert variables(entry, resources=resources)["X"] == value


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (ref("configMapKeyRef", name="nope", key="a"), 'configmap "nope" not found'),
        (ref("secretKeyRef", name="login", key="nope"), "couldn't find key nope in secret login"),
        (ref("fieldRef", fieldPath="spec.nope"), "no field spec.nope"),
    ],
)
def test_what_is_missing_is_named(entry, words):
    with pytest.raises(ConfigError, match=words):
        variables(entry)


def test_what_is_missing_and_optional_is_left_out():
    assert "X" not in variables(ref("secretKeyRef", name="nope", key="a", optional=True))


def test_later_sources_win_and_may_use_earlier_ones():
    found = variables(
        {"name": "PATH", "value": "/app:$(PATH)"},
        {"name": "URL", "value": "http://$(WEB_SERVICE_HOST)/$(UNKNOWN)/$$(PATH)"},
        envFrom=[{"prefix": "CFG_", "configMapRef": {"name": "settings"}}],
        services=[service("web")],
    )
    assert found["PATH"] == "/app:/bin"
    assert found["URL"] == "http://10.96.0.7/$(UNKNOWN)/$(PATH)"
    assert found["CFG_colour"] == "blue"
    assert found["HOSTNAME"] == "web-1"


def test_services_of_the_namespace_and_the_api_are_announced():
    services = [
        service("my-db", name="sql", port=5432),
        service("other", "elsewhere"),
        service("kubernetes", "default", ip="10.96.0.1", port=443),
        service("headless", ip="None"),
    ]
    found = {
        name: value
        for name, value in variables(services=services).items()
        if "PORT" in name or "HOST" in name
    }
    assert found == {
        "HOSTNAME": "web-1",
        "MY_DB_SERVICE_HOST": "10.96.0.7", "MY_DB_SERVICE_PORT": "5432", "MY_DB_SERVICE_PORT_SQL": "5432",
        "MY_DB_PORT": "tcp://10.96.0.7:5432", "MY_DB_PORT_5432_TCP": "tcp://10.96.0.7:5432",
        "MY_DB_PORT_5432_TCP_PROTO": "tcp", "MY_DB_PORT_5432_TCP_PORT": "5432", "MY_DB_PORT_5432_TCP_ADDR": "10.96.0.7",
        "KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443",
        "KUBERNETES_PORT": "tcp://10.96.0.1:443", "KUBERNETES_PORT_443_TCP": "tcp://10.96.0.1:443",
        "KUBERNETES_PORT_443_TCP_PROTO": "tcp", "KUBERNETES_PORT_443_TCP_PORT": "443",
        "KUBERNETES_PORT_443_TCP_ADDR": "10.96.0.1",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("container", "expected"),
    [
        ({}, ["entry", "cmd"]),
        ({"args": ["a"]}, ["entry", "a"]),
        ({"args": []}, ["entry"]),
        ({"command": ["c"]}, ["c"]),
        ({"command": ["c"], "args": ["$(X)"]}, ["c", "value"]),
    ],
)
def test_command_and_arguments_replace_those_of_the_image(container, expected):
    assert (
        command_line(container, entrypoint=["entry"], command=["cmd"], variables={"X": "value"}) == expected
    )


def test_an_image_without_command_needs_one():
    with pytest.raises(ConfigError, match="no command specified"):
        command_line({}, entrypoint=[], command=[], variables={})


@pytest.mark.parametrize(
    ("text", "expected"), [("$(A)", "1"), ("$$(A)", "$(A)"), ("$$$(A)", "$1"), ("$(B)", "$(B)"), ("$A", "$A")]
)
def test_expansion(text, expected):
    assert expand(text, {"A": "1"}) == expected


def test_long_names_are_cut_to_a_label():
    pod = {"metadata": {"name": "a" * 62 + "-" + "b" * 9}, "spec": {}}
    assert hostname(pod) == "a" * 62


def test_with_the_network_of_the_node_comes_its_name():
    pod = {"metadata": {"name": "web"}, "spec": {"hostNetwork": True, "nodeName": "worker1", "hostname": "x"}}
    assert hostname(pod) == "worker1"
