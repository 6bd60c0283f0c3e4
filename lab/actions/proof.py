"""The last steps of `lab up`: the load balancer runs, a sample is deployed, and the client gets its answer.

The sample lives in a namespace of its own and is removed when it has proved its point, so that the first Service of
the user gets the first external address, as in the tutorials.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from lab.actions.cluster import PATIENCE, JoinNodes, kubectl, read, serves, wait
from lab.actions.evidence.gather import BALANCER, gather, read_objects
from lab.actions.evidence.judge import Hop, judge
from lab.actions.machines import can_be_made_anew, create
from lab.actions.proved import doubt, is_proved, need_not_be_repeated, note
from lab.actions.steps import Context
from lab.errors import CheckError, ProvisionError
from lab.kits.shell import CommandError
from lab.topology.model import MachineName

SAMPLE = "lab-sample"
ADDONS = "/etc/kubernetes/addons"
REPLICAS = 3
NO_ADDRESS = "address"
"""The hop at which a lab that is in use may fail: its own Services have all addresses."""
TIMERS, WORK = 27.0, 3.0
"""Seconds until something is done about a way that worked before."""
DELETE_TIMEOUT = 60.0
ROLLOUT_TIMEOUT = 120.0
"""Seconds, on machine containers."""
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
    """Bring the load balancer's objects back to what `install_lb.yml` made them, and wait until it runs."""

    title = "install load balancer"

    def plan(self, context: Context) -> Sequence[str]:
        lines = [] if _balancer_runs(context) else ["start the controller and a speaker on each node"]
        if serves(context) and (differing := _applied(context, "--dry-run=server")):
            lines.append(f"apply again: {', '.join(differing)}")
        return lines

    def run(self, context: Context) -> None:
        if _applied(context):
            doubt(context)
        wait(
            context,
            partial(_balancer_runs, context),
            f"the load balancer does not become ready: kubectl -n {BALANCER} get pods",
            context.topology.control_plane,
        )


class DeploySample:
    """Deploy a web server behind a Service of type LoadBalancer, and wait for its pods and its address."""

    title = "deploy the sample"

    def __init__(self, *, always: bool = False) -> None:
        self._always = always

    def plan(self, context: Context) -> Sequence[str]:
        return [] if is_proved(context) else ["three pods of nginx, for as long as it takes to prove"]

    def run(self, context: Context) -> None:
        if not self._always and need_not_be_repeated(context):
            context.report.note("proved before, nothing was touched since")
            return
        objects = "\n".join(map(json.dumps, MANIFEST))
        try:
            try:
                kubectl(context, "apply", "--filename=-", stdin=objects)
            except CommandError:  # the last one may be on its way out
                gone = f"--timeout={context.patience(DELETE_TIMEOUT):g}s"
                kubectl(context, "wait", "--for=delete", f"namespace/{SAMPLE}", gone)
                kubectl(context, "apply", "--filename=-", stdin=objects)
            ready = f"--timeout={context.patience(ROLLOUT_TIMEOUT):g}s"
            kubectl(context, "rollout", "status", "deployment/nginx", f"--namespace={SAMPLE}", ready)
        except CommandError as error:
            raise ProvisionError(f"the sample cannot be deployed: {error.message}") from error


class Prove:
    """Follow the way from the client to the sample's pods, hop by hop; then the sample goes.

    In a lab that was proved before, machines that stand in the way are made anew, each once.
    """

    title = "prove"

    def __init__(self, *, always: bool = False) -> None:
        self._always = always
        self.hops: list[Hop] = []

    def plan(self, context: Context) -> Sequence[str]:
        return [] if is_proved(context) else ["ask the sample from the client, then remove it"]

    def run(self, context: Context) -> None:
        if not self._always and need_not_be_repeated(context):
            context.report.note("lab up --prove asks again")
            return
        try:
            self._prove(context)
        finally:
            kubectl(context, "delete", "namespace", SAMPLE, "--wait=false")
        broken = _broken(self.hops)
        if broken and broken.name == NO_ADDRESS and is_proved(context):
            context.report.notice(f"not proved again: {broken.detail}")
            return
        if broken:
            raise CheckError(f"{broken.name}: {broken.detail}", hint=broken.cure)
        note(context)

    def _prove(self, context: Context) -> None:
        if is_proved(context):
            self.hops = self._follow(context, context.patience(WORK, timers=TIMERS))
            self._make_way(context)
        broken = _broken(self.hops)
        if not self.hops or (broken and broken.name != NO_ADDRESS):
            self.hops = self._follow(context, context.patience(PATIENCE))

    def _make_way(self, context: Context) -> None:
        """Make anew, once each, the machines that are to blame."""
        made_anew: set[MachineName] = set()
        while broken := _broken(self.hops):
            suspects = [name for name in broken.suspects if name not in made_anew]
            if not suspects or not can_be_made_anew(context, suspects):
                return
            because = f"{broken.name} ({broken.detail})"
            context.report.notice(f"made anew, because of {because}: {', '.join(suspects)}")
            create(context, fresh=suspects)
            JoinNodes().run(context)
            made_anew.update(suspects)
            self.hops = self._follow(context, context.patience(WORK, timers=TIMERS))

    @staticmethod
    def _follow(context: Context, within: float) -> list[Hop]:
        """Return the hops, once they are in order or have had so many seconds to become so."""
        found: list[Hop] = []

        def in_order() -> bool:
            nonlocal found
            found = judge(gather(context, f"{SAMPLE}/nginx", read_objects(context)), context.topology)
            broken = _broken(found)
            context.report.detail(f"not yet: {broken.name}: {broken.detail}" if broken else "")
            return broken is None

        with suppress(CheckError):
            wait(context, in_order, "the sample does not answer", context.topology.client, within=within)
        return found


def _broken(hops: Sequence[Hop]) -> Hop | None:
    return next((hop for hop in hops if not hop.ok), None)


def _applied(context: Context, *options: str) -> list[str]:
    """Apply what `install_lb.yml` wrote on the control plane; return the objects that were, or would be, changed.

    Without schemas from the server, which kubectl needs for nothing here, it takes a quarter of the time.
    """
    quick = ("--validate=false", "--openapi-patch=false")
    try:
        said = kubectl(context, "apply", *quick, *options, f"--filename={ADDONS}")
    except CommandError as error:
        raise ProvisionError(f"the load balancer cannot be installed: {error.message}") from error
    return [line.split()[0] for line in said.splitlines() if " unchanged" not in line]


def _balancer_runs(context: Context) -> bool:
    workloads = read(context, "deployments,daemonsets", f"--namespace={BALANCER}", "--output=json")
    found = {item["kind"]: item.get("status", {}) for item in workloads.get("items", [])}
    deployment, daemons = found.get("Deployment", {}), found.get("DaemonSet", {})
    wanted = daemons.get("desiredNumberScheduled", 0)
    return bool(deployment.get("readyReplicas")) and wanted > 0 and daemons.get("numberReady") == wanted
