"""The box, built as root from a Debian mirror with an empty cache, twice: the same bytes; and what VirtualBox would import.

`make test-box` runs it: three builds, minutes. VirtualBox itself is not asked, because it is not here.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.vagrant.virtual_lab import build_box

OVF = "{http://schemas.dmtf.org/ovf/envelope/1}"
RASD = "{http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData}"

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="not run: needs root to unpack Debian's packages"),
    pytest.mark.skipif(not shutil.which("qemu-img"), reason="not run: qemu-img is not installed"),
]


def build(cache: Path, hypervisor: str) -> dict[str, Any]:
    """Build the box with the cache `cache`, and print how long that took."""
    said = build_box(cache, hypervisor)
    print(f"{hypervisor}: {said['seconds']} s, load {os.getloadavg()[0]:.1f}")
    return said


@pytest.fixture(scope="module")
def caches(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("two")


@pytest.fixture(scope="module")
def libvirt(caches: tuple[Path, Path]) -> tuple[dict[str, Any], dict[str, Any]]:
    one, two = (build(cache, "libvirt") for cache in caches)
    return one, two


@pytest.fixture(scope="module")
def unpacked(caches: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the box for VirtualBox holds."""
    directory = tmp_path_factory.mktemp("virtualbox")
    with tarfile.open(build(caches[0], "virtualbox")["file"]) as archive:
        archive.extractall(directory, filter="data")
    return directory


def test_the_same_packages_give_the_same_bytes(libvirt: tuple[dict[str, Any], dict[str, Any]]) -> None:
    one, two = (Path(box["file"]).read_bytes() for box in libvirt)
    assert one == two
    assert libvirt[0]["version"] == libvirt[1]["version"]


def test_the_disk_is_sound(libvirt: tuple[dict[str, Any], dict[str, Any]], tmp_path: Path) -> None:
    with tarfile.open(libvirt[0]["file"]) as archive:
        archive.extractall(tmp_path, filter="data")
    checked = subprocess.run(
        ["qemu-img", "check", tmp_path / "box.img"], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout


def test_virtualbox_gets_the_same_disk(
    libvirt: tuple[dict[str, Any], dict[str, Any]], unpacked: Path, tmp_path: Path
) -> None:
    with tarfile.open(libvirt[0]["file"]) as archive:
        archive.extract("box.img", tmp_path, filter="data")
    compared = subprocess.run(
        ["qemu-img", "compare", tmp_path / "box.img", unpacked / "box-disk001.vmdk"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert compared.returncode == 0, compared.stdout


def test_virtualbox_can_stream_the_disk(unpacked: Path) -> None:
    said = subprocess.check_output(["qemu-img", "info", "--output=json", unpacked / "box-disk001.vmdk"])
    details = json.loads(said)
    assert details["format"] == "vmdk"
    assert details["format-specific"]["data"]["create-type"] == "streamOptimized"


def test_the_description_names_its_files_and_their_size(unpacked: Path) -> None:
    envelope = ET.parse(unpacked / "box.ovf").getroot()  # noqa: S314  # our own
    (file,) = envelope.iter(f"{OVF}File")
    (disk,) = envelope.iter(f"{OVF}Disk")
    assert disk.get(f"{OVF}fileRef") == file.get(f"{OVF}id")
    said = json.loads(
        subprocess.check_output(["qemu-img", "info", "--output=json", unpacked / str(file.get(f"{OVF}href"))])
    )
    assert int(str(disk.get(f"{OVF}capacity"))) == said["virtual-size"]
    (drive,) = (item for item in envelope.iter(f"{OVF}Item") if item.findtext(f"{RASD}HostResource"))
    assert drive.findtext(f"{RASD}HostResource") == f"/disk/{disk.get(f'{OVF}diskId')}"
