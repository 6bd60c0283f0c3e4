"""The real speaker on a node: its process, an API server for it to follow, and kubectl, in the node's namespace."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import yaml

import lab.balancer
from lab.machines.containers import base
from tests.interop.places import NODE, PATIENCE, ROUTER, wait_until

SYSTEM: Final = "metallb-system"
NODE_NAME: Final = "node1"
PASSWORD: Final = "geheim"
POOL: Final = ("198.51.100.0/24", "2001:db8:1::/64")
DRAIN_SECONDS: Final = 3
"""Longer than the default: the router is asked a few times a second, on hosts that are busy."""
_CRDS: Final = sorted((Path(lab.balancer.__file__).parent / "crds").glob("*s.yaml"))
Json = dict[str, Any]


class Cluster:
    """One node with a speaker, and Services that somebody else has given addresses to."""

    def __init__(self, namespace: str, folder: Path) -> None:
        self._enter = ["ip", "netns", "exec", namespace]
        self._folder = folder
        self._kubeconfig = folder / "api" / "admin.kubeconfig"
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start_api(self) -> None:
        server = [sys.executable, "-m", "lab.pocket", "server", "--listen", "127.0.0.1:6443"]
        self._start("api", [*server, "--data", str(self._kubeconfig.parent)])
        wait_until(lambda: self._kubectl("get", "--raw=/readyz", check=False), what="the API server answers")

    def start_speaker(self, **wishes: object) -> None:
        """Start it with flags, underscores for dashes."""
        known = {"node_name": NODE_NAME, "kubeconfig": self._kubeconfig, "drain_seconds": DRAIN_SECONDS}
        flags = {name.replace("_", "-"): value for name, value in {**known, **wishes}.items()}
        arguments = [f"--{name}={value}" for name, value in flags.items()] + ["--host=127.0.0.1", "--port=0"]
        self._start("speaker", [sys.executable, "-m", "lab.balancer", "speaker", *arguments])

    def end(self, program: str, number: signal.Signals = signal.SIGKILL) -> int:
        """End `api` or `speaker`; returns its exit code."""
        process = self._running.pop(program)
        process.send_signal(number)
        return process.wait(timeout=PATIENCE)

    def tell_to_stop(self) -> None:
        self._running["speaker"].terminate()

    def exit_code(self) -> int:
        """Wait until the speaker that was told to stop has stopped."""
        return self._running.pop("speaker").wait(timeout=PATIENCE)

    def close(self) -> None:
        for program in tuple(self._running):
            self.end(program)

    def install(self, *, advertisement: Json | None = None, **peer: Any) -> None:
        """Create the CRDs, the node, a pool, a peer, a Secret for it, and an advertisement for everything."""
        self.apply(document for path in _CRDS for document in yaml.safe_load_all(path.read_text()))
        self._kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=20s")
        self.label()
        addresses = [{"type": "InternalIP", "address": address} for address in NODE.values()]
        status = {"status": {"addresses": addresses, "conditions": [{"type": "Ready", "status": "True"}]}}
        self._kubectl(
            "patch",
            "node",
            NODE_NAME,
            "--subresource=status",
            "--type=merge",
            f"--patch={json.dumps(status)}",
        )
        session = {
            "myASN": 22000,
            "peerASN": 11000,
            "peerAddress": ROUTER["4"],
            "dualStackAddressFamily": True,
        }
        self.apply(
            [
                {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM}},
                metallb("IPAddressPool", "v1beta1", addresses=list(POOL)),
                {
                    "apiVersion": "v1",
                    "kind": "Secret",
                    "metadata": {"name": "router", "namespace": SYSTEM},
                    "type": "kubernetes.io/basic-auth",
                    "stringData": {"password": PASSWORD},
                },
                metallb(
                    "BGPPeer", "v1beta2", **{k: v for k, v in {**session, **peer}.items() if v is not None}
                ),
                metallb("BGPAdvertisement", "v1beta1", **(advertisement or {})),
            ]
        )

    def label(self, **labels: str) -> None:
        """Give the node exactly these labels."""
        metadata = {"name": NODE_NAME, "labels": labels}
        self.apply([{"apiVersion": "v1", "kind": "Node", "metadata": metadata}])

    def cordon(self) -> None:
        self._kubectl("cordon", NODE_NAME)

    def serve(self, name: str, *addresses: str, policy: str = "Cluster", **conditions: bool) -> None:
        """Make a Service with these addresses and one pod on the node, ready unless `conditions` say otherwise."""
        spec = {"type": "LoadBalancer", "externalTrafficPolicy": policy, "ports": [{"port": 80}]}
        service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}
        endpoint = {
            "addresses": ["10.244.0.7"],
            "nodeName": NODE_NAME,
            "conditions": {"ready": True} | conditions,
        }
        slice_ = {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": name, "labels": {"kubernetes.io/service-name": name}},
            "addressType": "IPv4",
            "endpoints": [endpoint],
        }
        self.apply([service, slice_])
        status = {"status": {"loadBalancer": {"ingress": [{"ip": address} for address in addresses]}}}
        self._kubectl(
            "patch", "service", name, "--subresource=status", "--type=merge", f"--patch={json.dumps(status)}"
        )

    def delete(self, name: str) -> None:
        self._kubectl("delete", "service", name)

    def apply(self, objects: Iterable[Json]) -> None:
        items = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self._kubectl("apply", "--filename=-", stdin=json.dumps(items))

    def session(self) -> str:
        """Return what the speaker says of its session."""
        return self._session_state("bgpStatus")

    def last_error(self) -> str:
        return self._session_state("lastError")

    def _session_state(self, field: str) -> str:
        path = f"--output=jsonpath={{.items[*].status.{field}}}"
        return self._kubectl("get", "bgpsessionstates", f"--namespace={SYSTEM}", path)

    def _start(self, program: str, argv: list[str]) -> None:
        with (self._folder / f"{program}.log").open("ab") as log:
            self._running[program] = subprocess.Popen([*self._enter, *argv], stdout=log, stderr=log)

    def _kubectl(self, *argv: str, stdin: str = "", check: bool = True) -> str:
        cache = f"--cache-dir={self._folder / 'discovery'}"
        command = [*self._enter, _kubectl(), f"--kubeconfig={self._kubeconfig}", cache, *argv]
        done = subprocess.run(command, check=False, input=stdin, capture_output=True, text=True, timeout=30)
        assert not check or done.returncode == 0, done.stderr
        return done.stdout if done.returncode == 0 else ""


def metallb(kind: str, version: str, **spec: Any) -> Json:
    metadata = {"name": "all", "namespace": SYSTEM}
    return {"apiVersion": f"metallb.io/{version}", "kind": kind, "metadata": metadata, "spec": spec}


def _kubectl() -> str:
    found = base.find()
    own = found and found.tree / "usr/bin/kubectl"
    return str(own) if own and own.exists() else shutil.which("kubectl") or "kubectl"
