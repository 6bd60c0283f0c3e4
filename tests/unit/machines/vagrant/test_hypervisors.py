"""What virsh and VBoxManage say, read."""

from __future__ import annotations

import pytest

from lab.machines.port import State
from lab.machines.vagrant import libvirt, virtualbox
from lab.machines.vagrant.hypervisor import Domain, Seen

VIRSH = """\
machine:router
running


02:84:84:d7:ed:f2 up

02:8f:51:26:e2:1b down

machine:k8s-master
error: failed to get domain '5a1c'
error: failed to get domain '5a1c'
machine:client
shut off

02:11:22:33:44:55 default
"""

VBOX = """\
name="lab-lab-router"
VMState="paused"
macaddress1="080027AAAAAA"
cableconnected1="on"
macaddress2="028484D7EDF2"
cableconnected2="on"
macaddress3="028F5126E21B"
cableconnected3="off"
nic4="none"
"""


def test_virsh_answers_for_a_whole_lab() -> None:
    assert dict(libvirt.read(VIRSH)) == {
        "router": Seen(state=State.RUNNING, links={"02:84:84:d7:ed:f2": True, "02:8f:51:26:e2:1b": False}),
        "client": Seen(state=State.OFF, links={"02:11:22:33:44:55": True}),
    }


def test_virtualbox_answers_for_a_machine_without_vagrants_adapter() -> None:
    seen = virtualbox.read(VBOX)
    assert seen == Seen(state=State.FROZEN, links={"02:84:84:d7:ed:f2": True, "02:8f:51:26:e2:1b": False})


LISTED = {
    "list --name": "lab-a-client\nlab-a-b-client\n",
    "list --all --name --persistent": "lab-a-client\nlab-a-router\nlab-a-b-client\n\n",
    "vol-list default": " lab-VAGRANTSLASH-debian13_vagrant_box_image_13.0.1_box.img   /p/x.img\n lab-a-client.img   /p/y.img\n",
    "net-list --name": "default\nlab-a-management\n",
    "net-list --all --name": "default\nlab-a-management\nlab-a-b-management\n",
}


def test_libvirt_is_swept_of_what_has_the_names_and_of_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []

    def run(argv: list[str]) -> str:
        said.append(" ".join(argv[4:]))
        return LISTED.get(said[-1], "")

    monkeypatch.setattr(libvirt, "run", run)
    libvirt.Libvirt().sweep(["lab-a-client", "lab-a-router", "lab-a-worker"], ["lab-a-management"])
    assert sorted(set(said) - set(LISTED)) == [
        "destroy lab-a-client",
        "net-destroy lab-a-management",
        "net-undefine lab-a-management",
        "undefine --managed-save --snapshots-metadata lab-a-client",
        "undefine --managed-save --snapshots-metadata lab-a-router",
        "vol-delete --pool default lab-a-client.img",
    ]


def test_virtualbox_is_swept_of_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[list[str]] = []

    def run(argv: list[str]) -> str:
        said.append(argv)
        return '"lab-a-client" {5a1c}\n"another one" {5a1d}\n'

    monkeypatch.setattr(virtualbox, "run", run)
    virtualbox.VirtualBox().sweep(["lab-a-client", "lab-a-router"])
    assert said[1:] == [["VBoxManage", "unregistervm", "lab-a-client", "--delete"]]


def test_an_unknown_state_is_a_failure() -> None:
    assert virtualbox.read('VMState="stuck"').state is State.FAILED


def test_a_cable_is_pulled_at_its_adapter(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[list[str]] = []
    monkeypatch.setattr(virtualbox, "run", said.append)
    monkeypatch.setattr(libvirt, "run", said.append)
    domain = Domain(identity="5a1c", macs=["02:00:00:00:00:01", "02:00:00:00:00:02"])
    virtualbox.VirtualBox().plug(domain, "02:00:00:00:00:02", up=False)
    libvirt.Libvirt().plug(domain, "02:00:00:00:00:02", up=True)
    assert said[0] == ["VBoxManage", "controlvm", "5a1c", "setlinkstate3", "off"]
    assert said[1][-4:] == ["domif-setlink", "5a1c", "02:00:00:00:00:02", "up"]
