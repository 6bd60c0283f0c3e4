"""The proxy's command line: `python -m lab.pocket proxy --kubeconfig FILE --node-name NAME --cluster-cidr 10.244.0.0/16`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from lab.kits import unattended
from lab.kits.log import LEVELS, start_logging
from lab.kube.client import Client
from lab.kube.config import load_config
from lab.pocket.proxy.run import Proxy


def main(argv: Sequence[str]) -> None:
    """Run the proxy until a signal ends it; raises UsageError for an unusable kubeconfig."""
    parser = argparse.ArgumentParser(prog="proxy", description=__doc__)
    parser.add_argument("--kubeconfig", default="", help="how to reach the API; default: as kubectl finds it")
    parser.add_argument("--node-name", required=True, help="the Node that this proxy serves")
    parser.add_argument("--cluster-cidr", default="", help="pod ranges of the cluster, separated by commas")
    parser.add_argument("--log-level", default="info", choices=LEVELS)
    options = parser.parse_args(argv)
    start_logging(options.log_level)
    cidrs = [cidr for cidr in options.cluster_cidr.split(",") if cidr]
    client = Client(load_config(options.kubeconfig), user_agent="lab-proxy")
    proxy = Proxy(client, node_name=options.node_name, cluster_cidrs=cidrs)
    unattended.run(proxy.run())
