"""What the lab's own box is made of: Debian's packages, the files that make a root bootable under a hypervisor, fixed times.

Everything that decides the box's bytes is data here, and its hash is the box's version.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from lab.machines import debian
from lab.topology.model import Hypervisor

NAME: Final = "lab/debian13"
EPOCH: Final = 1754697600
"""2025-08-09, the release of Debian 13: no file of the box is younger."""
USER: Final = "vagrant"
DISK_BYTES: Final = 8 << 30
"""What the machine sees; the box is as large as its contents."""
ROOT_UUID: Final = "0b5d1ab0-0000-4000-8000-000000000013"
DISK_ID: Final = 0x1AB01AB0

PACKAGES: Final = (
    *debian.PACKAGES,
    *(
        "linux-image-cloud-amd64",
        "initramfs-tools",
        "zstd",
        "kmod",
        "grub-pc-bin",
        "grub-common",
        "e2fsprogs",
    ),
    "openssh-server",
)

EMULATED_CPU: Final = "QEMU Virtual CPU"
"""What Linux calls the processor that QEMU plays in software, for the model that the lab asks for."""
FIXED_ADDRESSES: Final = f"""#!/bin/sh
[ "$1" = prereqs ] && exit
while read -r line; do
    case $line in *"{EMULATED_CPU}"*) echo 0 > /proc/sys/kernel/randomize_va_space; break ;; esac
done < /proc/cpuinfo
"""
"""QEMU keeps what it translated by address: where each process has others, it translates each program at each start."""

INITRAMFS: Final = {
    "etc/initramfs-tools/conf.d/lab": "MODULES=list\nCOMPRESS=zstd\nCOMPRESSLEVEL=3\nFSTYPE=ext4\nRESUME=none\n",
    # What the disk may hang on: virtio under libvirt, SATA under VirtualBox.
    "usr/share/initramfs-tools/modules.d/lab": "virtio_pci\nvirtio_blk\nahci\nsd_mod\next4\n",
    # With its modules named, the disk is there without udev.
    "etc/initramfs-tools/scripts/init-top/udev": "#!/bin/sh\n",
    "etc/initramfs-tools/scripts/init-bottom/udev": "#!/bin/sh\n",
    "etc/initramfs-tools/scripts/init-top/lab": FIXED_ADDRESSES,
    "etc/initramfs-tools/hooks/zz-lab": (
        '#!/bin/sh\n[ "$1" = prereqs ] || rm -rf "$DESTDIR/usr/lib/udev" "$DESTDIR/usr/bin/udevadm"\n'
    ),
}
"""There before the kernel is installed, whose installation builds the initramfs."""

KERNEL_OPTIONS: Final = (
    "rw net.ifnames=0 console=ttyS0,115200 mitigations=off audit=0 nowatchdog systemd.show_status=auto"
)
GRUB_MODULES: Final = (
    "biosdisk",
    "part_msdos",
    "ext2",
    "linux",
    "normal",
    "serial",
    "terminal",
    "echo",
    "boot",
)


def _beside(name: str) -> str:
    return Path(__file__).with_name(name).read_text()


FILES: Final = {
    "etc/hostname": "debian\n",
    "etc/hosts": "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n",
    "etc/fstab": f"UUID={ROOT_UUID} / ext4 noatime,errors=remount-ro 0 0\n",
    "etc/resolv.conf": "",
    "etc/machine-id": "",
    "etc/locale.conf": "LANG=C.UTF-8\n",
    # As young as /usr: no machine has anything to bring up to date at its first boot.
    "etc/.updated": "",
    "var/.updated": "",
    "boot/grub/grub.cfg": (
        "serial --unit=0 --speed=115200\n"
        "terminal_output serial\n"
        f"linux /vmlinuz root=UUID={ROOT_UUID} {KERNEL_OPTIONS}\n"
        "initrd /initrd.img\n"
        "boot\n"
    ),
    # The interface that Vagrant comes in through. The others are the lab's.
    "etc/netplan/01-management.yaml": (
        "network:\n"
        "  version: 2\n"
        "  renderer: networkd\n"
        "  ethernets:\n"
        "    eth0: {dhcp4: true, dhcp-identifier: mac, link-local: [], accept-ra: false}\n"
    ),
    "etc/ssh/sshd_config.d/lab.conf": (
        "HostKey /etc/ssh/ssh_host_ed25519_key\nUseDNS no\nGSSAPIAuthentication no\nPasswordAuthentication no\n"
    ),
    # Each machine makes its own key at its first boot.
    "etc/systemd/system/ssh.service.d/lab.conf": (
        "[Service]\n"
        "ExecStartPre=\n"
        "ExecStartPre=/bin/sh -c 'test -s /etc/ssh/ssh_host_ed25519_key ||"
        ' ssh-keygen -q -t ed25519 -N "" -f /etc/ssh/ssh_host_ed25519_key\'\n'
    ),
    # Disks and networks are all that udev is asked about; what the networks need is loaded without asking.
    "etc/systemd/system/systemd-udev-trigger.service.d/lab.conf": (
        "[Service]\n"
        "ExecStart=\n"
        "ExecStart=-udevadm trigger --action=add --subsystem-match=net --subsystem-match=block\n"
    ),
    "etc/modules-load.d/lab.conf": "virtio_net\n",
    "etc/systemd/journald.conf.d/lab.conf": "[Journal]\nStorage=volatile\nRuntimeMaxUse=16M\n",
    "usr/lib/python3/dist-packages/ansible_bytecode.py": _beside("ansible_bytecode.py"),
    "usr/lib/python3/dist-packages/ansible_bytecode.pth": "import ansible_bytecode\n",
    "usr/lib/tmpfiles.d/ansible-bytecode.conf": "d /var/cache/lab/bytecode 0700 root root\n",
    f"etc/sudoers.d/{USER}": f"{USER} ALL=(ALL) NOPASSWD: ALL\n",
}
MODES: Final = {"etc/netplan/01-management.yaml": 0o600, f"etc/sudoers.d/{USER}": 0o440}

MASKED_UNITS: Final = (
    *("systemd-networkd-wait-online.service", "systemd-logind.service", "systemd-binfmt.service"),
    *("systemd-pstore.service", "systemd-update-utmp.service", "e2scrub_reap.service"),
    *("getty.target", "getty@tty1.service", "proc-sys-fs-binfmt_misc.automount"),
    *("sys-kernel-debug.mount", "sys-kernel-tracing.mount", "dev-hugepages.mount", "dev-mqueue.mount"),
    *("grub-common.service", "systemd-networkd-persistent-storage.service", "systemd-journal-flush.service"),
    *("systemd-udev-load-credentials.service", "systemd-network-generator.service"),
    *(f"modprobe@{module}.service" for module in ("loop", "dm_mod", "drm", "efi_pstore", "fuse", "configfs")),
)
"""Units that a machine of the lab has no use for: without them it boots in half the time under emulation."""
MASKED_GENERATORS: Final = (
    *("systemd-gpt-auto-generator", "systemd-hibernate-resume-generator", "systemd-rc-local-generator"),
    *("systemd-ssh-generator", "systemd-sysv-generator", "systemd-system-update-generator"),
    *(
        "systemd-tpm2-generator",
        "systemd-getty-generator",
        "systemd-debug-generator",
        "systemd-run-generator",
    ),
)
"""Programs that make units at each boot and each reload, for what a machine of the lab does not have."""
ENABLED_UNITS: Final = ("systemd-networkd.service", "ssh.service")


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How a hypervisor wants the disk."""

    hypervisor: Hypervisor
    format: str
    """qemu-img's name of the disk's format."""
    options: str
    disk: str
    """The disk's name in the box."""


FORMS: Final = {
    Hypervisor.LIBVIRT: Form(
        hypervisor=Hypervisor.LIBVIRT, format="qcow2", options="compression_type=zstd", disk="box.img"
    ),
    Hypervisor.VIRTUALBOX: Form(
        hypervisor=Hypervisor.VIRTUALBOX,
        format="vmdk",
        options="subformat=streamOptimized",
        disk="box-disk001.vmdk",
    ),
}


def fingerprint() -> str:
    """Return what tells the present recipe from every other, this room's code included."""
    forms = [asdict(form) for form in FORMS.values()]
    code = [_beside(name) for name in ("rootfs.py", "disk.py", "box.ovf")]
    ingredients = (
        debian.SUITE,
        debian.DPKG_OPTIONS,
        debian.DISABLED_UNITS,
        PACKAGES,
        INITRAMFS,
        FILES,
        MODES,
    )
    recipe = repr(
        (
            *ingredients,
            MASKED_UNITS,
            MASKED_GENERATORS,
            ENABLED_UNITS,
            GRUB_MODULES,
            EPOCH,
            DISK_BYTES,
            forms,
            code,
        )
    )
    return hashlib.sha256(recipe.encode()).hexdigest()


def version() -> str:
    """Return the recipe's fingerprint as Vagrant wants a version: numbers with dots."""
    return f"13.0.{int(fingerprint()[:8], 16)}"
