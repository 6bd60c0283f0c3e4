"""What `lab up` does."""

from __future__ import annotations

from lab.actions.cluster import JoinNodes, StartControlPlane
from lab.actions.configure import Configure
from lab.actions.doctor import CheckHost
from lab.actions.kubeadm import ByDistribution, FormCluster
from lab.actions.machines import CreateMachines, PrepareBase
from lab.actions.proof import DeploySample, InstallLoadBalancer, Prove
from lab.actions.reach import Reach
from lab.actions.steps import Step


def steps(*, cache: bool = True, prove: bool = False, until: str | None = None) -> list[Step]:
    """Return the steps of `lab up`, up to the one called `until`.

    Without `cache`, every machine is configured again; with `prove`, the client is asked whatever was proved before.
    """
    found = _all(cache=cache, prove=prove)
    titles = [step.title for step in found]
    return found[: titles.index(until) + 1] if until else found


def _all(*, cache: bool, prove: bool) -> list[Step]:
    return [
        CheckHost(),
        PrepareBase(),
        CreateMachines(),
        Configure(always=not cache),
        Reach(),
        ByDistribution(pocket=StartControlPlane(), kubeadm=FormCluster("control plane")),
        ByDistribution(pocket=JoinNodes(), kubeadm=FormCluster("join workers")),
        InstallLoadBalancer(),
        DeploySample(always=prove),
        Prove(always=prove),
    ]
