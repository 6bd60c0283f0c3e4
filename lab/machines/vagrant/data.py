"""What the host adds to the data for the Vagrantfile: the box, KVM or emulation, where files go, who is to leave."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from lab.errors import HostError, MachineError
from lab.machines.vagrant import box
from lab.machines.vagrant.paths import VagrantPaths
from lab.machines.vagrant.reach import Reach
from lab.machines.vagrant.recipe import NAME, version
from lab.render import vagrant as rendered
from lab.topology.model import Acceleration, Hypervisor, Topology
from lab.topology.model import Vagrant as Settings

KVM: Final = "/dev/kvm"
KVM_CREATE_VM: Final = 0xAE01
MODULES: Final = Path("/sys/module")
PROCESSORS: Final = ("kvm_intel", "kvm_amd")
"""The modules by which KVM lends a machine the processor itself. Others, as kvm_pvm, run only kernels made for them."""


def kvm_works(modules: Path = MODULES) -> bool:
    """Tell whether KVM runs any machine here: neither the device nor an empty machine made by it proves that."""
    if not any((modules / name).exists() for name in PROCESSORS):
        return False
    try:
        device = os.open(KVM, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        os.close(fcntl.ioctl(device, KVM_CREATE_VM, 0))
    except OSError:
        return False
    finally:
        os.close(device)
    return True


def accelerated(settings: Settings) -> bool:
    """Tell whether libvirt's machines are to use KVM. Raises HostError when lab.yml wants it and it is not there."""
    if settings.acceleration is Acceleration.EMULATION:
        return False
    works = kvm_works()
    if settings.acceleration is Acceleration.KVM and not works:
        raise HostError(f"lab.yml asks for KVM, and {KVM} does not work here", hint="`acceleration: auto`")
    return works


def data(topology: Topology, paths: VagrantPaths) -> dict[str, Any]:
    """Return all that the Vagrantfile loops over."""
    settings = topology.vagrant
    names = {machine.name for machine in topology.machines}
    departed = [name for name in paths.identities(settings.provider) if name not in names]
    for directory in (paths.reach, paths.consoles):
        directory.mkdir(parents=True, exist_ok=True)
    setting = rendered.Setting(
        **_box(settings),
        kvm=settings.provider is Hypervisor.LIBVIRT and accelerated(settings),
        file=str(paths.file),
        reach=str(paths.reach),
        consoles=str(paths.consoles),
        departed=departed,
        farewells=dict(_farewells(topology, paths)),
    )
    return rendered.vagrant(topology, setting)


def _farewells(topology: Topology, paths: VagrantPaths) -> Iterator[tuple[str, list[list[str]]]]:
    """Yield the machines that `lab` may keep connections to, with what ends them."""
    for machine in topology.machines:
        with suppress(MachineError):  # it never came up
            reach = Reach.read(paths.reach / f"{machine.name}.json", root=topology.vagrant.box is None)
            yield machine.name, reach.farewells()


def _box(settings: Settings) -> dict[str, Any]:
    if settings.box is not None:
        return {
            "box": settings.box,
            "box_version": settings.box_version,
            "box_checksum": settings.box_checksum,
            "own_box": False,
        }
    own = box.find(settings.provider)
    return {
        "box": NAME,
        "box_version": version(),
        "box_url": own and own.catalogue.as_uri(),
        "box_checksum": own and own.checksum,
        "own_box": True,
    }
