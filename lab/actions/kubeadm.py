"""The steps that make a cluster with kubeadm: the playbook that comes after the machines are configured, in two parts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from lab.actions.cluster import nodes, ready_nodes
from lab.actions.configure import environment, tell
from lab.actions.steps import Context, Step
from lab.kits.files import write_atomically
from lab.provision import playbook
from lab.provision.fingerprint import fingerprints
from lab.topology.model import Distribution


class ByDistribution:
    """The same step for either Kubernetes."""

    def __init__(self, *, pocket: Step, kubeadm: Step) -> None:
        self.title = pocket.title
        self._steps = {Distribution.POCKET: pocket, Distribution.KUBEADM: kubeadm}

    def plan(self, context: Context) -> Sequence[str]:
        return self._step(context).plan(context)

    def run(self, context: Context) -> None:
        self._step(context).run(context)

    def _step(self, context: Context) -> Step:
        return self._steps[context.topology.kubernetes.distribution]


class FormCluster:
    """Initialise, upgrade or join the machines of `limit`: what they lack. Their keys never leave them."""

    def __init__(self, title: str, limit: str) -> None:
        self.title = title
        self._limit = limit

    def plan(self, context: Context) -> Sequence[str]:
        return [] if self._is_done(context) else [f"run kubernetes.yml on {self._limit}"]

    def run(self, context: Context) -> None:
        if self._is_done(context):
            return
        for name in ("kubernetes", "install_lb"):
            playbook.run(
                context.playbooks / f"{name}.yml",
                inventory=context.playbooks / "inventory",
                limit=self._limit,
                log=context.generated / f"{name}.log",
                environment=environment(context),
                on_event=lambda event: tell(context, event),
            )
        write_atomically(self._record(context), _wanted(context))

    def _is_done(self, context: Context) -> bool:
        """Whether the playbooks made this very cluster before, and all of its nodes are ready."""
        record = self._record(context)
        if not record.exists() or record.read_text() != _wanted(context):
            return False
        return ready_nodes(context) >= {node.name for node in nodes(context)}

    def _record(self, context: Context) -> Path:
        return context.generated / f"cluster-{self.title.replace(' ', '-')}"


def _wanted(context: Context) -> str:
    """Return a digest of everything that the cluster depends on."""
    configurations = fingerprints(context.topology, playbooks=context.playbooks)
    return hashlib.sha256(json.dumps(configurations, sort_keys=True).encode()).hexdigest()
