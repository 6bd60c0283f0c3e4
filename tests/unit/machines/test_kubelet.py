"""kubeadm in machine containers is refused, with the reason, where the host cannot run a kubelet in one."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.machines.containers import kubelet
from lab.machines.containers.host import ContainersHost
from lab.machines.port import Severity
from lab.topology.loader import load

ROOT = Path(__file__).resolve().parents[3]
ALL = "cpuset cpu io memory hugetlb pids rdma misc"


def sysfs(top: Path, *, controllers: str | None, modules: tuple[str, ...] = kubelet.MODULES) -> Path:
    (top / "fs/cgroup").mkdir(parents=True)
    if controllers is not None:
        (top / "fs/cgroup/cgroup.controllers").write_text(controllers + "\n")
    for module in modules:
        (top / "module" / module).mkdir(parents=True)
    return top


def test_a_host_with_all_controllers_and_modules_is_fit(tmp_path: Path) -> None:
    found = list(kubelet.findings(sysfs(tmp_path, controllers=ALL)))
    assert {finding.severity for finding in found} == {Severity.OK}


@pytest.mark.parametrize(
    ("controllers", "lacking"),
    [(None, "cpu, cpuset, io, memory, pids"), ("", "cpu, cpuset"), ("cpu io memory pids", "cpuset")],
    ids=["version-1", "hybrid", "one-missing"],
)
def test_missing_controllers_are_named(tmp_path: Path, controllers: str | None, lacking: str) -> None:
    groups, _ = kubelet.findings(sysfs(tmp_path, controllers=controllers))
    assert groups.severity is Severity.FAILURE
    assert lacking in groups.detail
    assert "distribution: pocket" in groups.fix


def test_missing_modules_are_named(tmp_path: Path) -> None:
    _, modules = kubelet.findings(sysfs(tmp_path, controllers=ALL, modules=("overlay",)))
    assert (modules.severity, modules.detail) == (Severity.FAILURE, "not loaded: br_netfilter")
    assert modules.fix == "modprobe --all br_netfilter"


@pytest.mark.parametrize(("lab", "asked"), [("lab.yml", False), ("labs/kubeadm.yml", True)])
def test_only_labs_of_kubeadm_are_asked(lab: str, asked: bool) -> None:
    checks = {finding.check for finding in ContainersHost(load(ROOT / lab)).findings()}
    assert ("kubeadm in containers" in checks) is asked
