"""From a root file system to a box: a disk that boots from its first sector, in the format that the hypervisor reads.

The disk is written as a file, front to back: MBR and GRUB in the first MiB, then the one partition's ext4, filled by
mke2fs. The tools that decide its bytes are those of the root file system itself, so they change only with the recipe.
"""

from __future__ import annotations

import json
import os
import re
import struct
import tarfile
from io import BytesIO
from pathlib import Path
from string import Template
from typing import Final

from lab.errors import HostError
from lab.kits.shell import run
from lab.machines.vagrant import recipe
from lab.topology.model import Hypervisor

SECTOR: Final = 512
PARTITION: Final = 2048
"""First sector of the partition; GRUB lives in the gap before it."""
BOOT_CODE: Final = 440
LINUX: Final = 0x83
ACTIVE: Final = 0x80
ANY_CHS: Final = b"\xfe\xff\xff"
"""Cylinder, head and sector where LBA is meant instead."""
FEATURES: Final = "^metadata_csum_seed,^orphan_file"
"""GRUB cannot read a file system that has these."""
TOOL_TIMEOUT: Final = 600.0

LIBVIRT_VAGRANTFILE: Final = (
    'Vagrant.configure("2") { |c| c.vm.provider(:libvirt) { |l| l.disk_bus = "virtio" } }\n'
)


def write_raw(root: Path, raw: Path) -> None:
    """Write the bootable disk of `root` to `raw`, a sparse file."""
    with raw.open("wb") as disk:
        disk.truncate(recipe.DISK_BYTES)
    _make_file_system(root, raw)
    core = _grub_core(root)
    if len(core) > (PARTITION - 1) * SECTOR:
        raise HostError("GRUB does not fit before the partition", hint="this is a defect of the box's recipe")
    boot = (root / "usr/lib/grub/i386-pc/boot.img").read_bytes()[:BOOT_CODE]
    with raw.open("r+b") as disk:
        disk.write(master_boot_record(boot))
        disk.write(core)


def master_boot_record(boot_code: bytes) -> bytes:
    """Return sector 0: `boot_code`, the disk's identifier, one active Linux partition, and the signature."""
    sectors = recipe.DISK_BYTES // SECTOR - PARTITION
    entry = struct.pack("<B3sB3sII", ACTIVE, ANY_CHS, LINUX, ANY_CHS, PARTITION, sectors)
    head = boot_code.ljust(BOOT_CODE, b"\0") + struct.pack("<IH", recipe.DISK_ID, 0)
    return (head + entry).ljust(SECTOR - 2, b"\0") + b"\x55\xaa"


def _make_file_system(root: Path, raw: Path) -> None:
    blocks = (recipe.DISK_BYTES - PARTITION * SECTOR) // 1024
    extended = (
        f"offset={PARTITION * SECTOR},hash_seed={recipe.ROOT_UUID},assume_storage_prezeroed=1,nodiscard"
    )
    argv = [*_own(root, "usr/sbin/mke2fs"), "-q", "-F", "-t", "ext4", "-L", "root", "-m", "0"]
    argv += ["-U", recipe.ROOT_UUID, "-O", FEATURES, "-E", extended, "-J", "size=16"]
    argv += ["-d", str(root), str(raw), f"{blocks}k"]
    environment = {
        **os.environ,
        "SOURCE_DATE_EPOCH": str(recipe.EPOCH),
        "MKE2FS_CONFIG": str(root / "etc/mke2fs.conf"),
    }
    run(argv, timeout=TOOL_TIMEOUT, env=environment)


def _grub_core(root: Path) -> bytes:
    core = root.parent / "core.img"
    argv = [*_own(root, "usr/bin/grub-mkimage"), f"--directory={root / 'usr/lib/grub/i386-pc'}"]
    argv += ["--format=i386-pc", "--prefix=(hd0,msdos1)/boot/grub", f"--output={core}", *recipe.GRUB_MODULES]
    run(argv)
    return core.read_bytes()


def _own(root: Path, program: str) -> list[str]:
    """Return what runs a program of `root` on this host with that root's libraries."""
    libraries = root / "usr/lib/x86_64-linux-gnu"
    return [str(libraries / "ld-linux-x86-64.so.2"), "--library-path", str(libraries), str(root / program)]


def pack(raw: Path, box: Path, form: recipe.Form) -> None:
    """Convert the disk to what `form` says and put it into `box` with what Vagrant reads beside it."""
    disk = box.with_name(form.disk)
    # One coroutine and writes in order: the same bytes every time.
    convert = ["qemu-img", "convert", "-m", "1", "-c", "-O", form.format, "-o", form.options]
    if form.format == "vmdk":
        convert.remove("-c")  # streamOptimized is compressed by itself
    run([*convert, "-f", "raw", str(raw), str(disk)], timeout=TOOL_TIMEOUT)
    if form.format == "vmdk":
        _fix_identifier(disk)
    with tarfile.open(box, "w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in _texts(form).items():
            archive.addfile(_member(name, len(content)), BytesIO(content))
        with disk.open("rb") as stream:
            archive.addfile(_member(form.disk, disk.stat().st_size), stream)
    disk.unlink()


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mtime, member.mode = size, recipe.EPOCH, 0o644
    return member


def _texts(form: recipe.Form) -> dict[str, bytes]:
    gibibytes = recipe.DISK_BYTES >> 30
    if form.hypervisor is Hypervisor.LIBVIRT:
        metadata: dict[str, object] = {"provider": "libvirt", "format": "qcow2", "virtual_size": gibibytes}
        return {"metadata.json": json.dumps(metadata).encode(), "Vagrantfile": LIBVIRT_VAGRANTFILE.encode()}
    template = Template(Path(__file__).with_name("box.ovf").read_text())
    ovf = template.substitute(disk=form.disk, capacity=recipe.DISK_BYTES)
    return {"metadata.json": b'{"provider": "virtualbox"}', "box.ovf": ovf.encode()}


def _fix_identifier(disk: Path) -> None:
    """qemu-img draws a VMDK's content identifier by lot; a fixed one of the same length takes its place."""
    with disk.open("r+b") as stream:
        head = stream.read(1 << 16)
        fixed = re.sub(rb"(?m)^CID=([0-9a-f]+)", lambda m: b"CID=" + b"13".rjust(len(m[1]), b"0"), head)
        stream.seek(0)
        stream.write(fixed)
