"""The step that configures: run the playbook for the machines that are not configured as lab.yml says."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from lab.actions import drift, proved
from lab.actions.steps import Context
from lab.kits.files import write_atomically
from lab.machines.port import State
from lab.provision import playbook
from lab.provision.events import Event, Play, Result, Task, Wrote
from lab.topology.model import MachineName

PLAYBOOKS = ("site", "install_lb")
LISTED = 3
CLUSTER_TAG = "cluster"
"""What site.yml does once there are keys: never part of a configuration that is kept."""


class Configure:
    """Run the playbooks where it is needed, and keep the result for the next lab that needs the same.

    A machine that booted with its captured configuration is done already, unless somebody changed what the roles wrote.
    With `always`, every machine is configured again.
    """

    title = "configure"

    def __init__(self, *, always: bool = False) -> None:
        self._always = always

    def plan(self, context: Context) -> Sequence[str]:
        lines = []
        status = context.provider.status()
        for name, fingerprint in context.fingerprints.items():
            if status.machine(name).configured == fingerprint:
                continue
            known = (
                status.machine(name).boots == 0 and context.captures and context.captures.knows(fingerprint)
            )
            lines.append(f"{name}: {'boot its kept configuration' if known else 'run the playbooks'}")
        return lines + [
            f"{name}: run the playbooks, for what was changed by hand: {_listed(changed)}"
            for name, changed in self._drifted(context).items()
        ]

    def run(self, context: Context) -> None:
        write_connections(context)
        status = context.provider.status()
        wanted = context.fingerprints
        drifted = {} if self._always else self._drifted(context)
        for name, changed in drifted.items():
            context.report.notice(f"{name} is configured again; changed by hand: {_listed(changed)}")
        pending = [
            n for n, f in wanted.items() if self._always or n in drifted or status.machine(n).configured != f
        ]
        if not pending:
            context.report.note("kept configurations, no playbook")
            return
        proved.doubt(context)
        context.report.note(f"{len(pending)} of {len(wanted)} machines, by playbooks")
        written = self._play(context, pending)
        with ThreadPoolExecutor(max_workers=8) as pool:
            list(pool.map(lambda n: _keep(context, n, written.get(n, set()), wanted[n]), pending))

    def _drifted(self, context: Context) -> Mapping[MachineName, Sequence[str]]:
        """Return what was changed by hand on the machines that run and were configured."""
        status = context.provider.status()
        configured = [
            name
            for name, fingerprint in context.fingerprints.items()
            if status.machine(name).state is State.RUNNING and status.machine(name).configured == fingerprint
        ]
        return drift.changed_by_hand(context, configured)

    @staticmethod
    def _play(context: Context, machines: Sequence[MachineName]) -> Mapping[MachineName, set[str]]:
        """Run the playbooks; return the files that they decide, machine by machine."""
        files: dict[MachineName, set[str]] = defaultdict(set)

        def hear(event: Event) -> None:
            if isinstance(event, Wrote):
                files[MachineName(event.host)] |= set(event.paths)
            tell(context, event)

        for name in PLAYBOOKS:
            playbook.run(
                context.playbooks / f"{name}.yml",
                inventory=context.playbooks / "inventory",
                limit=",".join(machines),
                skip_tags=CLUSTER_TAG,
                log=context.generated / f"{name}.log",
                environment=environment(context),
                on_event=hear,
            )
        return files


def _keep(context: Context, name: MachineName, written: Collection[str], configuration: str) -> None:
    """Note what the playbooks wrote on the machine, and keep its configuration for the next one."""
    drift.record(context, name, written)
    if context.captures and not _has_a_secret(context, name):
        context.captures.capture(name, configuration)


def _listed(changed: Sequence[str]) -> str:
    few = ", ".join(changed[:LISTED])
    return f"{few} and {len(changed) - LISTED} more" if len(changed) > LISTED else few


def _has_a_secret(context: Context, name: MachineName) -> bool:
    """Tell whether the machine's configuration contains a password, which no layer may carry."""
    ends = (context.topology.router.name, context.topology.control_plane.name)
    return bool(context.topology.bgp.password) and name in ends


def environment(context: Context) -> dict[str, str]:
    """Return what makes the playbooks work on this lab."""
    return {
        "LAB_TOPOLOGY": str(context.file),
        "LAB_CONNECTIONS": str(context.generated / "connections.json"),
        "LAB_PROGRAMS": str(context.generated / "programs.tar"),
    }


def tell(context: Context, event: Event) -> None:
    """Show what a playbook is busy with."""
    context.report.detail(_describe(event))


def _describe(event: Event) -> str:
    match event:
        case Play(name=name) | Task(name=name):
            return name
        case Result(host=host, task=task):
            return f"{task} [{host}]"
    return ""


def write_connections(context: Context) -> None:
    """Write how Ansible reaches each machine, for the inventory plugin and for runs by hand."""
    context.generated.mkdir(parents=True, exist_ok=True)
    reach = {name: dict(values) for name, values in context.provider.connections().items()}
    write_atomically(context.generated / "connections.json", json.dumps(reach, indent=2) + "\n")
