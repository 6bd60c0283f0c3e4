"""Flags and environment variables, with MetalLB's names where it has them."""

from __future__ import annotations

import argparse
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lab.kits.log import LEVELS
from lab.kube.resources import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How one controller is started."""

    namespace: str = "metallb-system"
    lb_class: str = ""
    identity: str = "controller"
    """Unique among the replicas."""
    host: str = ""
    """Address to listen on; empty: all."""
    port: int = 7472
    """0: any free one."""
    log_level: str = "info"
    kubeconfig: str = ""
    owner: Json | None = None
    """Owner reference to our pod."""


def read_options(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> Options:
    """Return the options; prints usage and exits when the arguments are wrong, as every argparse program."""
    parser = argparse.ArgumentParser(prog="lab.balancer controller", description=__doc__)
    parser.add_argument("--namespace", default=environment.get("METALLB_NAMESPACE", "metallb-system"))
    parser.add_argument(
        "--lb-class", default="", help="loadBalancerClass to serve; without: Services without one"
    )
    parser.add_argument("--host", default="", help="address for metrics and health; all by default")
    parser.add_argument("--port", type=int, default=7472, help="port for /metrics, /healthz and /readyz")
    parser.add_argument("--log-level", choices=LEVELS, default="info")
    parser.add_argument("--kubeconfig", default="", help="default: as kubectl, or the pod's service account")
    given = parser.parse_args(arguments)
    pod = environment.get("METALLB_POD_NAME", "")
    uid = environment.get("METALLB_POD_UID", "")
    owner = {"apiVersion": "v1", "kind": "Pod", "name": pod, "uid": uid} if pod and uid else None
    return Options(
        namespace=given.namespace,
        lb_class=given.lb_class,
        identity=pod or f"{socket.gethostname()}-{os.getpid()}",
        host=given.host,
        port=given.port,
        log_level=given.log_level,
        kubeconfig=given.kubeconfig,
        owner=owner,
    )
