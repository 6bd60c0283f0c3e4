"""A web server behind an external IP, whose pods answer with their name and the address that they saw."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from itertools import cycle, islice
from typing import Any

from lab.topology.model import Address
from tests.e2e.eventually import SLOWNESS, wait_until
from tests.e2e.kubectl import Kubectl, Object

PATIENCE = 60.0
SERVER = 'server { listen 80; listen [::]:80; location / { return 200 "$hostname $remote_addr\\n"; } }'
START = f"echo '{SERVER}' > /etc/nginx/conf.d/default.conf; exec nginx -g 'daemon off;'"

UNPRIVILEGED, EPHEMERAL = 1024, 32768
_ports = cycle(range(UNPRIVILEGED, EPHEMERAL))
"""Below those that the kernel gives to others."""
next(islice(_ports, os.getpid() % (EPHEMERAL - UNPRIVILEGED), None))


@dataclass(frozen=True, slots=True)
class Answer:
    pod: str
    peer: str
    """Who the pod was asked by: the client, or the node that stood in for it."""


class Web:
    """A Deployment and its Service of type LoadBalancer, both called `name`."""

    def __init__(self, kubectl: Kubectl, namespace: str, name: str = "web") -> None:
        self._kubectl = kubectl
        self.namespace = namespace
        self.name = name

    def deploy(self, replicas: int, *, linger: int = 0) -> None:
        """Start the pods and wait until all are ready; `linger`: seconds that they serve on when they are to end."""
        self._kubectl.apply(self._deployment(replicas, linger))
        self.wait_for_pods(replicas)

    def scale(self, replicas: int) -> None:
        self("scale", f"deployment/{self.name}", f"--replicas={replicas}")
        self.wait_for_pods(replicas)

    def expose(self, service: str = "", *, local: bool = False, annotations: Object | None = None) -> None:
        self._kubectl.apply(self._service(service or self.name, local=local, annotations=annotations or {}))

    def address(self, service: str = "") -> Address:
        """Return the external address of the Service; waits for it."""
        found: list[str] = []

        def given() -> bool:
            path = "--output=jsonpath={.status.loadBalancer.ingress[*].ip}"
            found[:] = self("get", "service", service or self.name, path).split()
            return bool(found)

        assert wait_until(given, patience=PATIENCE), self("describe", "service", service or self.name)
        return ip_address(found[0])

    def pods(self) -> dict[str, str]:
        """Return the node of each ready pod that is to stay."""
        items = self._kubectl.json(
            "get", "pods", f"--namespace={self.namespace}", f"--selector=app={self.name}"
        )
        return {
            pod["metadata"]["name"]: pod["spec"]["nodeName"]
            for pod in items["items"]
            if "deletionTimestamp" not in pod["metadata"] and _is_ready(pod)
        }

    def wait_for_pods(self, number: int) -> None:
        assert wait_until(lambda: len(self.pods()) == number, patience=PATIENCE), self("describe", "pods")

    def __call__(self, *argv: str) -> str:
        """Run kubectl in the namespace."""
        return self._kubectl(f"--namespace={self.namespace}", *argv)

    def _metadata(self, name: str) -> Object:
        return {"name": name, "namespace": self.namespace, "labels": {"app": self.name}}

    def _deployment(self, replicas: int, linger: int) -> Object:
        container: Object = {
            "name": "nginx",
            "image": "nginx",
            "command": ["sh", "-c", START],
            "ports": [{"containerPort": 80}],
            "readinessProbe": {"httpGet": {"path": "/", "port": 80}, "periodSeconds": 1},
        }
        if linger:
            container["lifecycle"] = {"preStop": {"exec": {"command": ["sleep", str(linger)]}}}
        template = {"metadata": {"labels": {"app": self.name}}, "spec": {"containers": [container]}}
        selector = {"matchLabels": {"app": self.name}}
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": self._metadata(self.name),
            "spec": {"replicas": replicas, "selector": selector, "template": template},
        }

    def _service(self, name: str, *, local: bool, annotations: Object) -> Object:
        spec = {
            "type": "LoadBalancer",
            "externalTrafficPolicy": "Local" if local else "Cluster",
            "selector": {"app": self.name},
            "ports": [{"port": 80}],
        }
        metadata = self._metadata(name) | {"annotations": annotations}
        return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def answers(host: Any, address: Address, *, ports: Iterable[int]) -> list[Answer]:
    """Ask from each of the source ports once. An answer that does not come fails the test."""
    done = host.run(_questions(address, ports))
    assert done.rc == 0, f"answers {done.stdout.splitlines()}, then: {done.stderr}"
    return [Answer(*said.split()) for said in done.stdout.splitlines()]


def wait_for_answers(host: Any, address: Address, *, number: int, patience: float = PATIENCE) -> None:
    """Wait until so many questions in a row are answered.

    A node's speaker and its proxy learn of a Service each on its own: a route may be there before the rules are.
    """
    said = "nothing"

    def all_answered() -> bool:
        nonlocal said
        done = host.run(_questions(address, fresh_ports(number)))
        said = done.stderr
        return bool(done.rc == 0)

    assert wait_until(all_answered, patience=patience), f"{address} does not always answer: {said}"


def _questions(address: Address, ports: Iterable[int]) -> str:
    url = f"http://[{address}]/" if address.version == 6 else f"http://{address}/"
    patience = f"--max-time {5 * SLOWNESS:g}"
    # One curl for all: starting it takes longer than an answer.
    asked = " --next ".join(f"--silent --show-error {patience} --local-port {port} {url}" for port in ports)
    return f"curl --fail-early {asked}"


def fresh_ports(number: int) -> list[int]:
    """Return source ports that were not used a moment ago: TCP would refuse those (TIME_WAIT)."""
    return list(islice(_ports, number))


def entrances(said: Iterable[Answer], nodes: Iterable[Object]) -> Counter[str]:
    """Count answers by the node through which the question came in, which hid the client from the pod.

    A node shows its own address to pods elsewhere, and one of its pod range to its own pods.
    """
    return Counter(_node_of(ip_address(answer.peer), list(nodes)) for answer in said)


def _node_of(peer: Address, nodes: list[Object]) -> str:
    for node in nodes:
        own = {
            ip_address(each["address"])
            for each in node["status"]["addresses"]
            if each["type"] == "InternalIP"
        }
        ranges = [ip_network(cidr) for cidr in node["spec"].get("podCIDRs", [])]
        if peer in own or any(peer in subnet for subnet in ranges):
            return str(node["metadata"]["name"])
    return str(peer)


def _is_ready(pod: Object) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
