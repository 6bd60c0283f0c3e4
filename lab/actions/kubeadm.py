"""The steps that make a cluster with kubeadm: the playbook that comes after the machines are configured, in two parts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from lab.actions import proved
from lab.actions.cluster import nodes, ready_nodes
from lab.actions.configure import environment, tell
from lab.actions.steps import Context, Step
from lab.kits.files import write_atomically
from lab.provision import playbook
from lab.topology.model import Distribution

PARTS = {"control plane": "control_plane", "join workers": "worker:client"}
"""The steps that form a cluster, each with the machines that it is about."""


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

    def __init__(self, title: str) -> None:
        self.title = title
        self._limit = PARTS[title]

    def plan(self, context: Context) -> Sequence[str]:
        return [] if self._is_done(context) else [f"run kubernetes.yml on {self._limit}"]

    def run(self, context: Context) -> None:
        if self._is_done(context):
            return
        proved.doubt(context)
        for name in ("kubernetes", "install_lb"):
            playbook.run(
                context.playbooks / f"{name}.yml",
                inventory=context.playbooks / "inventory",
                limit=self._limit,
                log=context.generated / f"{name}.log",
                environment=environment(context),
                on_event=lambda event: tell(context, event),
            )
        write_atomically(_record(context, self.title), _wanted(context))

    def _is_done(self, context: Context) -> bool:
        """Whether the playbooks made this very cluster before, and all of its nodes are ready."""
        return _is_recorded(context, self.title) and ready_nodes(context) >= {
            node.name for node in nodes(context)
        }


def is_formed(context: Context) -> bool:
    """Tell whether the playbooks made this very cluster before, and there is something of it; its nodes are not asked."""
    return context.provider.status().exists and all(_is_recorded(context, title) for title in PARTS)


def _is_recorded(context: Context, title: str) -> bool:
    record = _record(context, title)
    return record.exists() and record.read_text() == _wanted(context)


def _record(context: Context, title: str) -> Path:
    return context.generated / f"cluster-{title.replace(' ', '-')}"


def _wanted(context: Context) -> str:
    """Return a digest of everything that the cluster depends on."""
    configurations = context.fingerprints
    return hashlib.sha256(json.dumps(configurations, sort_keys=True).encode()).hexdigest()
