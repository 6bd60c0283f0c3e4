"""The last steps of `lab up`: the load balancer runs, a sample is deployed, and the client gets its answer.

The sample lives in a namespace of its own and is removed when it has proved its point, so that the first Service of
the user gets the first external address, as in the tutorials.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial

from lab.actions.cluster import kubectl, read, wait
from lab.actions.evidence.gather import gather
from lab.actions.evidence.judge import Hop, judge
from lab.actions.steps import Context
from lab.errors import CheckError, ProvisionError
from lab.kits.files import write_atomically
from lab.kits.shell import CommandError
from lab.provision.fingerprint import fingerprints

BALANCER = "metallb-system"
SAMPLE = "lab-sample"
REPLICAS = 3
REQUESTS = 30
MANIFEST = [
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SAMPLE}},
    {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "nginx", "namespace": SAMPLE},
        "spec": {
            "replicas": REPLICAS,
            "selector": {"matchLabels": {"app": "nginx"}},
            "template": {
                "metadata": {"labels": {"app": "nginx"}},
                "spec": {
                    "containers": [{"name": "nginx", "image": "nginx", "ports": [{"containerPort": 80}]}]
                },
            },
        },
    },
    {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "nginx", "namespace": SAMPLE},
        "spec": {"type": "LoadBalancer", "selector": {"app": "nginx"}, "ports": [{"port": 80}]},
    },
]


class InstallLoadBalancer:
    """Wait until what `install_lb.yml` put into the cluster runs."""

    title = "install load balancer"

    def plan(self, context: Context) -> Sequence[str]:
        return [] if _balancer_runs(context) else ["start the controller and a speaker on each node"]

    def run(self, context: Context) -> None:
        wait(
            partial(_balancer_runs, context),
            f"the load balancer does not become ready: kubectl -n {BALANCER} get pods",
            context.topology.control_plane,
        )


class Prove:
    """Deploy a sample and follow the way from the client to its pods, unless this very lab was proved before."""

    title = "prove"

    def __init__(self) -> None:
        self.hops: list[Hop] = []

    def plan(self, context: Context) -> Sequence[str]:
        return [] if _is_proved(context) else ["deploy the sample, ask it from the client, remove it"]

    def run(self, context: Context) -> None:
        if _is_proved(context):
            return
        _apply(context)
        try:
            self.hops = self._follow(context)
        finally:
            kubectl(context, "delete", "namespace", SAMPLE, "--wait=false")
        broken = next((hop for hop in self.hops if not hop.ok), None)
        if broken:
            raise CheckError(f"{broken.name}: {broken.detail}", hint=broken.cure)
        write_atomically(context.generated / "proved.json", json.dumps(_identity(context)))

    @staticmethod
    def _follow(context: Context) -> list[Hop]:
        """Return the hops, once they are in order or have had three minutes to become so."""
        found: list[Hop] = []

        def in_order() -> bool:
            nonlocal found
            found = judge(gather(context, f"{SAMPLE}/nginx", requests=REQUESTS), context.topology)
            broken = next((hop for hop in found if not hop.ok), None)
            context.report.detail(f"not yet: {broken.name}: {broken.detail}" if broken else "")
            return broken is None

        try:
            wait(in_order, "the sample does not answer", context.topology.client)
        except CheckError:
            return found
        return found


def _apply(context: Context) -> None:
    try:
        kubectl(context, "apply", "--filename=-", stdin="\n".join(map(json.dumps, MANIFEST)))
    except CommandError as error:
        raise ProvisionError(f"the sample cannot be deployed: {error.message}") from error


def _balancer_runs(context: Context) -> bool:
    workloads = read(context, "deployments,daemonsets", f"--namespace={BALANCER}", "--output=json")
    found = {item["kind"]: item.get("status", {}) for item in workloads.get("items", [])}
    deployment, daemons = found.get("Deployment", {}), found.get("DaemonSet", {})
    wanted = daemons.get("desiredNumberScheduled", 0)
    return bool(deployment.get("readyReplicas")) and wanted > 0 and daemons.get("numberReady") == wanted


def _identity(context: Context) -> dict[str, object]:
    """Return what the proof holds for: these machines since their boot, configured so."""
    machines = {machine.name: machine.boots for machine in context.provider.status().machines}
    return {
        "started": context.provider.status().since,
        "boots": machines,
        "configured": fingerprints(context.topology, playbooks=context.playbooks),
    }


def _is_proved(context: Context) -> bool:
    try:
        proved = json.loads((context.generated / "proved.json").read_text())
    except (FileNotFoundError, ValueError):
        return False
    return bool(proved == json.loads(json.dumps(_identity(context))))
