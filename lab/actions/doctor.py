"""Examine this host for what a lab needs: the generic part, and what the provider of machines asks for."""

from __future__ import annotations

import os
import shutil
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence

from lab.actions.kubeadm import is_formed
from lab.actions.steps import Context
from lab.errors import HostError
from lab.machines.port import Finding, Severity
from lab.provision.artefacts import Difference, Fault, balancer_image, directory, lock_file, read_lock
from lab.provision.kubeadm_files import lacking
from lab.topology.model import Distribution, Implementation

FILL = "fill a directory as docs/kubeadm.md says; lab lock --update --from DIRECTORY; LAB_ARTEFACTS=DIRECTORY lab up"


class CheckHost:
    """Refuse at once what cannot work, with every fix."""

    title = "check this host"

    def plan(self, context: Context) -> Sequence[str]:
        return [f"{f.check}: {f.detail}" for f in self._failures(context)]

    def run(self, context: Context) -> None:
        failures = self._failures(context)
        if failures:
            lines = (f"  {f.check}: {f.detail}\n    fix: {f.fix}" for f in failures)
            raise HostError("\n".join([f"lab {context.topology.name} cannot be made here:", *lines]))
        context.host.make_ready(context.report.notice)

    @staticmethod
    def _failures(context: Context) -> list[Finding]:
        # A cluster that was formed has its files.
        files = [] if is_formed(context) else kubernetes_files(context)
        return [f for f in (*context.host.findings(), *files) if f.severity is Severity.FAILURE]


def examine(context: Context) -> list[Finding]:
    """Return all findings, the good ones too."""
    root = [_root()] if context.needs_root else []
    return [_python(), *root, *context.host.findings(), *kubernetes_files(context)]


def kubernetes_files(context: Context) -> Iterator[Finding]:
    """Check what a cluster of kubeadm takes from elsewhere; says nothing of any other lab."""
    if context.topology.kubernetes.distribution is not Distribution.KUBEADM:
        return
    lock, top = read_lock(lock_file(context.playbooks)), directory(context.playbooks)
    differences = lacking(context.topology.kubernetes, lock, top, online=context.provider.online)
    yield Finding(
        check="Kubernetes' files",
        severity=Severity.FAILURE if differences else Severity.OK,
        detail=_grouped(differences) or f"in {top}, as in the lock",
        fix=FILL if differences else "",
    )
    if context.topology.load_balancer.implementation is Implementation.LAB:
        archive = balancer_image(context.playbooks, lock)
        yield Finding(
            check="load balancer's image",
            severity=Severity.OK if archive.exists() else Severity.FAILURE,
            detail=str(archive) if archive.exists() else f"there is no {archive}",
            fix="" if archive.exists() else f"lab image build --output {archive}",
        )


def _grouped(differences: Sequence[Difference]) -> str:
    """Return what each fault befell, in one line."""
    names: defaultdict[Fault, list[str]] = defaultdict(list)
    for difference in differences:
        names[difference.fault].append(difference.path)
    return "; ".join(f"{fault}: {', '.join(found)}" for fault, found in names.items())


def _python() -> Finding:
    found = ".".join(str(part) for part in sys.version_info[:3])
    return Finding(check="python", severity=Severity.OK, detail=found)


def _root() -> Finding:
    if os.geteuid() == 0:
        return Finding(check="root", severity=Severity.OK, detail="running as root")
    if shutil.which("sudo"):
        return Finding(
            check="root", severity=Severity.OK, detail="sudo is there and will be asked when needed"
        )
    fix = "run lab as root, or install sudo"
    return Finding(check="root", severity=Severity.FAILURE, detail="not root, and no sudo", fix=fix)
