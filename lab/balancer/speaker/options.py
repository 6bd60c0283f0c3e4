"""Flags and environment variables of the speaker, with MetalLB's names where it has them."""

from __future__ import annotations

import argparse
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from lab.kits.log import LEVELS
from lab.kube.resources import Json

RESTART_TIME: Final = 120
"""Seconds that peers keep our routes while we restart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How one speaker is started."""

    node_name: str
    namespace: str = "metallb-system"
    lb_class: str = ""
    ignore_exclude_label: bool = False
    listen_port: int = 0
    """TCP port on which peers may call; 0: none."""
    drain_seconds: float = 1.0
    host: str = ""
    """Address for metrics and health; empty: all."""
    port: int = 7473
    """0: any free one."""
    log_level: str = "info"
    kubeconfig: str = ""
    owner: Json | None = None
    """Owner reference to our pod."""
    uptime: float = 0.0
    """Seconds since the node booted; a node that booted a moment ago has not forwarded meanwhile."""


def read_options(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> Options:
    """Return the options; prints usage and exits when the arguments are wrong, as every argparse program."""
    parser = argparse.ArgumentParser(prog="lab.balancer speaker", description=__doc__)
    parser.add_argument("--node-name", default=environment.get("METALLB_NODE_NAME") or socket.gethostname())
    parser.add_argument("--namespace", default=environment.get("METALLB_NAMESPACE", "metallb-system"))
    parser.add_argument(
        "--lb-class", default="", help="loadBalancerClass to announce; without: Services without one"
    )
    parser.add_argument(
        "--ignore-exclude-lb", action="store_true", help="announce also from nodes labelled as excluded"
    )
    parser.add_argument(
        "--bgp-listen-port", type=int, default=0, help="let peers call on this TCP port; 0: never"
    )
    parser.add_argument(
        "--drain-seconds", type=float, default=1.0, help="how long routes stay with GRACEFUL_SHUTDOWN"
    )
    parser.add_argument(
        "--host", default=environment.get("METALLB_HOST", ""), help="address for metrics and health"
    )
    parser.add_argument("--port", type=int, default=7473, help="port for /metrics, /healthz and /readyz")
    parser.add_argument("--log-level", choices=LEVELS, default="info")
    parser.add_argument("--kubeconfig", default="", help="default: as kubectl, or the pod's service account")
    given = parser.parse_args(arguments)
    pod, uid = environment.get("METALLB_POD_NAME", ""), environment.get("METALLB_POD_UID", "")
    return Options(
        node_name=given.node_name,
        namespace=given.namespace,
        lb_class=given.lb_class,
        ignore_exclude_label=given.ignore_exclude_lb,
        listen_port=given.bgp_listen_port,
        drain_seconds=given.drain_seconds,
        host=given.host,
        port=given.port,
        log_level=given.log_level,
        kubeconfig=given.kubeconfig,
        owner={"apiVersion": "v1", "kind": "Pod", "name": pod, "uid": uid} if pod and uid else None,
    )
