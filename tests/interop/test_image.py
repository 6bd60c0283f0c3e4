"""The load balancer's image of the real base: read by other people's programs, and run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.actions import balancer_image
from lab.machines.containers import base
from lab.pocket.agent.archive import load
from lab.pocket.agent.images import Images
from tests.interop.places import wait_until

pytestmark = pytest.mark.root

CONTAINERD = """\
version = 2
root = "{top}/root"
state = "{top}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "{top}/containerd.sock"
[ttrpc]
address = "{top}/ttrpc.sock"
"""
IMPORT_ALL = """\
import importlib, pkgutil, lab, ssl, asyncio, yaml
names = [found.name for found in pkgutil.walk_packages(lab.__path__, "lab.")]
for name in names:
    if not name.endswith("__main__"):
        importlib.import_module(name)
print(len(names))
"""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    found = base.find()
    if found is None:
        pytest.skip("no base of machine containers was built")
    path = tmp_path_factory.mktemp("image") / "image.tar"
    path.write_bytes(balancer_image.build(found.tree))
    return path


@pytest.fixture(scope="module")
def root(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the image's root file system, unpacked as a node does, but into one directory."""
    store = Images(tmp_path_factory.mktemp("store"))
    (name,) = load(archive, store)
    whole = tmp_path_factory.mktemp("root")
    for layer in reversed(store.find(name).layers):
        shutil.copytree(layer, whole, symlinks=True, dirs_exist_ok=True)
    return whole


def said(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=120).stdout


def inside(root: Path, *argv: str) -> str:
    """Run in the image as nobody, without network, proc or devices."""
    environment = ["env", "-i", "PATH=/usr/bin", f"PYTHONPATH=/{balancer_image.PROGRAMS}"]
    own = ["unshare", "--net", "--mount", "/usr/sbin/chroot", "--userspec=65534:65534", str(root)]
    return said(*environment, *own, *argv)


def test_skopeo_reads_it(archive: Path) -> None:
    if not shutil.which("skopeo"):
        pytest.skip("there is no skopeo on this host")
    read = json.loads(said("skopeo", "inspect", f"oci-archive:{archive}"))
    assert read["Labels"]["org.opencontainers.image.title"] == "lab-balancer"
    assert len(read["Layers"]) == 2


def test_skopeo_copies_it(archive: Path, tmp_path: Path) -> None:
    """Copying checks every digest."""
    if not shutil.which("skopeo"):
        pytest.skip("there is no skopeo on this host")
    said("skopeo", "--insecure-policy", "copy", f"oci-archive:{archive}", f"dir:{tmp_path}/copy")
    manifest = json.loads((tmp_path / "copy/manifest.json").read_text())
    assert all((tmp_path / "copy" / each["digest"][7:]).exists() for each in manifest["layers"])


def test_umoci_unpacks_it(archive: Path, tmp_path: Path) -> None:
    if not shutil.which("umoci"):
        pytest.skip("there is no umoci on this host")
    with tarfile.open(archive) as tar:
        tar.extraction_filter = lambda member, _path: member  # an argument only since Python 3.11.4
        tar.extractall(tmp_path / "layout")  # noqa: S202  # our own archive
    image = f"{tmp_path}/layout:{balancer_image.reference()}"
    said("umoci", "unpack", "--image", image, str(tmp_path / "bundle"))
    process = json.loads((tmp_path / "bundle/config.json").read_text())["process"]
    assert process["args"] == ["python3", "-m", "lab.balancer"]
    assert (process["user"]["uid"], process["user"]["gid"]) == (65534, 65534)


@pytest.fixture
def ctr(tmp_path: Path) -> Iterator[list[str]]:
    """Return the command that speaks to a containerd of our own."""
    if not (shutil.which("containerd") and shutil.which("ctr")):
        pytest.skip("there is no containerd on this host")
    socket, config = tmp_path / "containerd.sock", tmp_path / "config.toml"
    config.write_text(CONTAINERD.format(top=tmp_path))
    with subprocess.Popen(
        ["containerd", "--config", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as daemon:
        try:
            wait_until(socket.exists, what="the socket of containerd")
            yield ["ctr", "--address", str(socket), "--namespace", "k8s.io"]
        finally:
            daemon.terminate()


def test_containerd_imports_it(archive: Path, ctr: list[str]) -> None:
    """As the kubelet's containerd does: by the name that the manifests have, complete and unpacked."""
    said(*ctr, "images", "import", "--snapshotter", "native", str(archive))
    (line,) = said(*ctr, "images", "check", "--snapshotter", "native").splitlines()[1:]
    assert line.startswith(f"{balancer_image.reference()} ")
    assert " complete (3/3) " in line
    assert line.split()[-1] == "true"


@pytest.mark.parametrize("program", ["controller", "speaker", "explain"])
def test_its_programs_start(root: Path, program: str) -> None:
    assert "usage:" in inside(root, "python3", "-m", "lab.balancer", program, "--help")


def test_every_module_in_it_finds_what_it_imports(root: Path) -> None:
    modules = list((root / balancer_image.PROGRAMS).rglob("*.py"))
    assert int(inside(root, "python3", "-c", IMPORT_ALL)) == len(modules) - 1  # lab/__init__.py itself


def test_nobody_has_rights_that_a_file_gives(root: Path) -> None:
    assert not [
        path
        for path in root.rglob("*")
        if not path.is_symlink() and path.stat().st_mode & 0o6002 and path.is_file()
    ]
