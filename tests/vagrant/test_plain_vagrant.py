"""The lab by Vagrant's own verbs alone, for those who know nothing of `lab`: up, ssh, destroy. `make test-plain-vagrant`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.vagrant.virtual_lab import VirtualLab, write_lab


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualLab]:
    lab = VirtualLab(write_lab(tmp_path_factory.mktemp("vms")))
    yield lab
    lab("down", check=False)


def test_up_makes_and_proves_the_lab(lab: VirtualLab) -> None:
    said = lab.vagrant("up")
    assert "30 of 30" in said
    assert "lab vms is up" in said


def test_ssh_enters_the_client_as_the_tutorials_do(lab: VirtualLab) -> None:
    assert lab.vagrant("ssh", "client", "--command", "id -un; hostname").split() == ["vagrant", "client"]
    said = lab.vagrant("ssh", "client", "--command", "kubectl get nodes --output=name")
    assert said.split() == ["node/k8s-master", "node/k8s-worker1", "node/k8s-worker2"]


def test_lab_and_vagrant_act_on_the_same_machines(lab: VirtualLab) -> None:
    assert all(machine["healthy"] and machine["configured"] for machine in lab.machines().values())


def test_destroy_leaves_nothing(lab: VirtualLab) -> None:
    lab.vagrant("destroy", "--force")
    assert {machine["state"] for machine in lab.machines().values()} == {"absent"}
    assert lab.left() == {}
