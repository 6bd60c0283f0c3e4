"""What stands against a lab on this host: all of it in one refusal, each with its fix."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.actions import kubeadm
from lab.actions.doctor import CheckHost, examine
from lab.actions.steps import Context
from lab.errors import HostError
from lab.kits.files import write_atomically
from lab.machines.port import Finding, Severity
from lab.provision.artefacts import BALANCER_VARIABLE, DIRECTORY_VARIABLE, LOCK_VARIABLE, Lock, write_lock
from lab.topology.loader import load
from lab.topology.model import Topology
from tests.unit.actions.contexts import in_memory
from tests.unit.topologies import ROOT, default_lab

KUBEADM = load(ROOT / "labs/kubeadm.yml")
FILES = {"Kubernetes' files", "load balancer's image"}


class Host:
    """A host that lacks two things."""

    def findings(self) -> Iterator[Finding]:
        yield Finding(check="python", severity=Severity.OK, detail="3.13")
        yield Finding(check="spoon", severity=Severity.FAILURE, detail="there is none", fix="buy one")
        yield Finding(check="fork", severity=Severity.FAILURE, detail="it is bent", fix="bend it back")

    def make_ready(self, say: Callable[[str], None]) -> None:
        say("ready")


@pytest.fixture(autouse=True)
def _nothing_at_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_lock(tmp_path / "lab.lock", Lock(()))
    monkeypatch.setenv(LOCK_VARIABLE, str(tmp_path / "lab.lock"))
    monkeypatch.setenv(DIRECTORY_VARIABLE, str(tmp_path / "artefacts"))
    monkeypatch.setenv(BALANCER_VARIABLE, str(tmp_path / "image.tar"))


def context(topology: Topology, project: Path) -> Context:
    return in_memory(topology, project, host=Host())


def test_a_refusal_has_every_fix(tmp_path: Path) -> None:
    with pytest.raises(HostError) as refusal:
        CheckHost().run(context(default_lab(), tmp_path))
    assert refusal.value.message.splitlines()[1:] == [
        "  spoon: there is none",
        "    fix: buy one",
        "  fork: it is bent",
        "    fix: bend it back",
    ]


def test_a_lab_of_kubeadm_is_refused_without_its_files(tmp_path: Path) -> None:
    lab = context(KUBEADM, tmp_path)
    found = {finding.check: finding for finding in examine(lab) if finding.check in FILES}
    assert {finding.severity for finding in found.values()} == {Severity.FAILURE}
    assert "not in the lock: bin/containerd, " in found["Kubernetes' files"].detail
    assert found["load balancer's image"].fix == f"lab image build --output {tmp_path / 'image.tar'}"
    with pytest.raises(HostError, match=r"manifests/flannel\.yaml"):
        CheckHost().run(lab)


def test_another_lab_is_not_asked_for_them(tmp_path: Path) -> None:
    assert not FILES & {finding.check for finding in examine(context(default_lab(), tmp_path))}


def test_a_cluster_that_was_formed_has_its_files(tmp_path: Path) -> None:
    lab = context(KUBEADM, tmp_path)
    lab.generated.mkdir(parents=True)
    lab.provider.create({})
    for title in kubeadm.PARTS:
        write_atomically(kubeadm._record(lab, title), kubeadm._wanted(lab))
    assert not FILES & {line.partition(":")[0] for line in CheckHost().plan(lab)}
    lab.provider.destroy()
    assert {line.partition(":")[0] for line in CheckHost().plan(lab)} >= FILES
