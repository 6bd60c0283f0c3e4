"""The balancer's controller as a process of its own, with the rights of its service account and no others."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import yaml

import lab.balancer
from lab.balancer.resources import CONFIGURATION, CONFIGURATION_STATES
from lab.kube.client import Client
from lab.kube.config import load_config
from lab.kube.errors import AlreadyExists, NotFound
from lab.kube.resources import NAMESPACES, SERVICES, Resource

FOLDER = Path(lab.balancer.__file__).parent
POD = "controller-0"
"""A restarted container has its predecessor's name, so it need not wait for the lease to expire."""
Json = dict[str, Any]
CRDS = Resource(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False
)
SERVICE_ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount")
RBAC = "rbac.authorization.k8s.io"
KINDS = {
    resource.kind: resource
    for resource in (
        CRDS,
        SERVICE_ACCOUNTS,
        Resource(RBAC, "v1", "roles", "Role"),
        Resource(RBAC, "v1", "rolebindings", "RoleBinding"),
        Resource(RBAC, "v1", "clusterroles", "ClusterRole", namespaced=False),
        Resource(RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False),
    )
}


def admin(kubeconfig: Path) -> Client:
    return Client(load_config(str(kubeconfig)), user_agent="lab-tests", timeout=30)


async def install(client: Client, namespace: str) -> str:
    """Create CRDs and roles, those of the controller in `namespace`; returns a token of its service account."""
    await create(client, NAMESPACES, {"metadata": {"name": namespace}})
    paths = [*sorted((FOLDER / "crds").glob("*s.yaml")), FOLDER / "manifests/controller-rbac.yaml"]
    for path in paths:
        for document in yaml.safe_load_all(path.read_text()):
            await create(client, KINDS[document["kind"]], _moved(document, namespace))
    await until_served(client, namespace)
    body = {"metadata": {"namespace": namespace}, "spec": {"expirationSeconds": 3600}}
    answer = await client.create(SERVICE_ACCOUNTS, body, name="controller", subresource="token")
    token: str = answer["status"]["token"]
    return token


async def create(client: Client, resource: Resource, item: Json) -> Json:
    item = {"apiVersion": resource.api_version, "kind": resource.kind, **item}
    try:
        return await client.create(resource, item)
    except AlreadyExists:
        return await client.get(
            resource, item["metadata"]["name"], namespace=item["metadata"].get("namespace", "")
        )


async def until_served(client: Client, namespace: str) -> None:
    for resource in (*CONFIGURATION, CONFIGURATION_STATES):
        while True:
            try:
                await client.list(resource, namespace=namespace)
                break
            except NotFound:
                await asyncio.sleep(0.05)


def _moved(document: Json, namespace: str) -> Json:
    """Put the object, and what refers to the namespace in it, into another namespace."""
    if document["kind"] == "CustomResourceDefinition":
        return document
    moved: Json = yaml.safe_load(json.dumps(document).replace("metallb-system", namespace))
    return moved


class BalancerProcess:
    """A program of the load balancer, as `lab.balancer PROGRAM` runs it."""

    program: ClassVar[str]
    environment: ClassVar[Mapping[str, str]] = {}

    def __init__(self, kubeconfig: Path, folder: Path, *, token: str, **flags: str) -> None:
        self._arguments = [f"--{name.replace('_', '-')}={value}" for name, value in flags.items()]
        self._log = folder / f"{self.program}.log"
        self._config = folder / f"{self.program}.kubeconfig"
        document = yaml.safe_load(kubeconfig.read_text())
        if token:
            for user in document["users"]:
                user["user"] = {"token": token}
        self._config.write_text(json.dumps(document))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "lab.balancer", self.program, f"--kubeconfig={self._config}"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--host=127.0.0.1", "--port=0", *self._arguments],
                stdout=log,
                stderr=log,
                env={**os.environ, **self.environment},
            )

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        return self._end(signal.SIGTERM)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Let the process do nothing for a while."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def log(self) -> list[Json]:
        return [json.loads(line) for line in self._log.read_text().splitlines()]

    def resident_mib(self) -> float:
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024

    def cpu_seconds(self) -> float:
        """Return the processor time used so far, which other processes on the machine do not lengthen."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _end(self, number: signal.Signals) -> int:
        if self._process is None:
            return 0
        self._process.send_signal(number)
        code = self._process.wait(timeout=20)
        self._process = None
        return code


class ControllerProcess(BalancerProcess):
    """A controller for one namespace and one loadBalancerClass, so that it disturbs nobody else's."""

    program = "controller"
    environment: ClassVar[Mapping[str, str]] = {"METALLB_POD_NAME": POD}

    def __init__(
        self, kubeconfig: Path, folder: Path, *, namespace: str, lb_class: str, token: str = ""
    ) -> None:
        super().__init__(kubeconfig, folder, token=token, namespace=namespace, lb_class=lb_class)


def balanced(name: str, namespace: str, lb_class: str, **spec: Any) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"type": "LoadBalancer", "loadBalancerClass": lb_class, "ports": [{"port": 80}], **spec},
    }


def address_of(item: Mapping[str, Any]) -> str:
    ingress = ((item.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    return ",".join(entry["ip"] for entry in ingress)


async def addresses(client: Client, namespace: str) -> dict[str, str]:
    listing = await client.list(SERVICES, namespace=namespace)
    return {item["metadata"]["name"]: address_of(item) for item in listing.items}


async def until(condition: Callable[[], Any], *, seconds: float = 20) -> Any:
    """Wait until an asynchronous condition holds; returns what it gave."""
    async with asyncio.timeout(seconds):
        while True:
            if found := await condition():
                return found
            await asyncio.sleep(0.05)
