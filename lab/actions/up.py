"""What `lab up` does."""

from __future__ import annotations

from lab.actions.cluster import JoinNodes, StartControlPlane
from lab.actions.configure import Configure
from lab.actions.machines import CheckHost, CreateMachines, PrepareBase
from lab.actions.proof import InstallLoadBalancer, Prove
from lab.actions.reach import Reach
from lab.actions.steps import Step


def steps(*, cache: bool = True) -> list[Step]:
    """Return the steps of `lab up`; without `cache`, every machine is configured again."""
    return [
        CheckHost(),
        PrepareBase(),
        CreateMachines(),
        Configure(always=not cache),
        Reach(),
        StartControlPlane(),
        JoinNodes(),
        InstallLoadBalancer(),
        Prove(),
    ]
