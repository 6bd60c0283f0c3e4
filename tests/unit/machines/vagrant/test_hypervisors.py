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
