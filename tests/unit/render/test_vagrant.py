from __future__ import annotations

from dataclasses import replace

import pytest

from lab.render.vagrant import Setting, vagrant
from lab.topology.model import Hypervisor
from tests.unit.topologies import default_lab

SETTING = Setting(box="lab/debian13", box_version="1", file="/lab.yml", reach="/r", consoles="/c")


def test_virtualbox_gets_internal_networks_and_its_own_spelling_of_mac_addresses() -> None:
    topology = default_lab()
    settings = replace(topology.vagrant, provider=Hypervisor.VIRTUALBOX)
    data = vagrant(replace(topology, vagrant=settings), SETTING)
    near, far = data["machines"][0]["networks"]
    assert (near["virtualbox__intnet"], far["virtualbox__intnet"]) == (
        "lab-lab-k8s-network",
        "lab-lab-client-network",
    )
    mac = topology.router.interfaces[0].mac
    assert near["mac"] == mac.replace(":", "").upper()
    assert not any(key.startswith("libvirt__") for key in near)


@pytest.mark.parametrize(("kvm", "driver"), [(True, "kvm"), (False, "qemu")])
def test_libvirt_is_told_whether_the_processor_is_real(kvm: bool, driver: str) -> None:
    data = vagrant(default_lab(), replace(SETTING, kvm=kvm))
    assert {machine["libvirt"]["driver"] for machine in data["machines"]} == {driver}


def test_machines_of_a_public_box_have_a_way_out_and_keys_of_their_own() -> None:
    data = vagrant(default_lab(), replace(SETTING, own_box=False))
    assert data["insert_key"]
    assert {m["libvirt"]["management_network_mode"] for m in data["machines"]} == {"nat"}


def test_no_name_of_an_interface_is_assumed() -> None:
    for machine in vagrant(default_lab(), SETTING)["machines"]:
        macs = [options["mac"] for options in machine["networks"]]
        assert all(f"$(device {mac}):" in machine["script"] for mac in macs)
        assert "eth" not in machine["script"].replace("ethernets", "")
