"""What an interrupted Vagrant, or a lost `.lab/`, leaves in libvirt is swept: domains that run or not, disks, networks."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.machines.vagrant.libvirt import Libvirt
from tests.vagrant.virtual_lab import VIRSH, VirtualLab, write_lab

NETWORK = "lab-swept-management"
DOMAINS = ("lab-swept-client", "lab-swept-router", "lab-swept-more-client")
KINDS = {"list": "domains", "vol-list default": "disks", "net-list": "networks"}


def virsh(*words: str) -> str:
    return subprocess.run([*VIRSH, *words], capture_output=True, text=True, timeout=60, check=True).stdout


def define(verb: str, xml: str, directory: Path) -> None:
    file = directory / "described.xml"
    file.write_text(xml)
    virsh(verb, str(file))


def ours() -> dict[str, set[str]]:
    """Return what libvirt has of the labs of this test."""
    found = {}
    for question, kind in KINDS.items():
        options = [] if kind == "disks" else ["--all", "--name"]
        words = virsh(*question.split(), *options).split()
        found[kind] = {word for word in words if word.startswith("lab-swept")}
    return found


@pytest.fixture(autouse=True)
def _left(tmp_path: Path) -> Iterator[None]:
    """Make what one lab was left with, and a machine of a lab whose name begins alike."""
    if "default" not in virsh("pool-list", "--name"):
        (tmp_path / "pool").mkdir()
        virsh("pool-create-as", "default", "dir", "--target", str(tmp_path / "pool"))
    for name in DOMAINS:
        machine = f"<name>{name}</name><memory>65536</memory><os><type>hvm</type></os>"
        define("define", f"<domain type='qemu'>{machine}</domain>", tmp_path)
        virsh("vol-create-as", "default", f"{name}.img", "1M")
    virsh("start", DOMAINS[0])
    define("net-define", f"<network><name>{NETWORK}</name></network>", tmp_path)
    virsh("net-start", NETWORK)
    yield
    Libvirt().sweep(DOMAINS, [NETWORK])
    if str(tmp_path) in virsh("pool-dumpxml", "default"):
        virsh("pool-destroy", "default")


def test_sweep_removes_what_it_is_told_and_nothing_else() -> None:
    Libvirt().sweep(DOMAINS[:2], [NETWORK])
    assert ours() == {"domains": {DOMAINS[2]}, "disks": {f"{DOMAINS[2]}.img"}, "networks": set()}


def test_lab_down_finds_what_is_recorded_nowhere(tmp_path: Path) -> None:
    VirtualLab(write_lab(tmp_path / "lost", name="swept"))("down", "--provider", "vagrant")
    assert ours() == {"domains": {DOMAINS[2]}, "disks": {f"{DOMAINS[2]}.img"}, "networks": set()}


def test_there_may_be_nothing_to_sweep() -> None:
    Libvirt().sweep([], [])
    assert {kind: len(names) for kind, names in ours().items()} == {"domains": 3, "disks": 3, "networks": 1}
