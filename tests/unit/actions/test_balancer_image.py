from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import yaml

from lab.actions import balancer_image
from lab.errors import HostError
from lab.pocket.agent.archive import load
from lab.pocket.agent.images import Image, Images
from lab.provision.code import PACKAGE

REFERENCE = "localhost/lab-balancer:0.1.0"
FILES = {
    "base-files": ("usr/lib/os-release", "usr/share/common-licenses/BSD", "usr/share/lintian/x", "usr/share/doc/a/readme"),
    "python3": ("usr/bin/python3.13", "usr/share/doc/python3/copyright", "usr/lib/x86_64-linux-gnu/gconv/BIG5.so"),
    "python3-orjson": ("usr/lib/python3/dist-packages/orjson.so",),
    "python3-yaml": ("usr/lib/python3/dist-packages/yaml.py",),
    "dpkg": ("usr/bin/dpkg",),
    "nginx": ("usr/sbin/nginx",),
}  # fmt: skip
NEWEST = 1_700_000_000


def debian(root: Path) -> Path:
    """Make a root file system with the packages above; nginx is not asked for, dpkg only by a script."""
    information = root / "var/lib/dpkg/info"
    information.mkdir(parents=True)
    stanzas = []
    for package, names in FILES.items():
        stanzas.append(f"Package: {package}\nStatus: install ok installed\nArchitecture: amd64\n")
        stanzas[-1] += "Pre-Depends: dpkg\n" if package == "python3" else ""
        for name in names:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(name)
            os.utime(root / name, (NEWEST, NEWEST))
        (information / f"{package}.list").write_text("".join(f"/{name}\n" for name in ("usr", *names)))
    (root / "usr/lib/python3/dist-packages/__pycache__").mkdir()
    (root / "usr/lib/python3/dist-packages/__pycache__/yaml.pyc").touch()
    (root / "var/lib/dpkg/status").write_text("\n".join(stanzas))
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return debian(tmp_path / "root")


@pytest.fixture
def image(root: Path, tmp_path: Path) -> Image:
    """The image as a node's store has it."""
    (tmp_path / "image.tar").write_bytes(balancer_image.build(root))
    (tmp_path / "store").mkdir()
    store = Images(tmp_path / "store")
    assert load(tmp_path / "image.tar", store) == [REFERENCE]
    return store.find("localhost/lab-balancer:0.1.0")


def files(layer: Path) -> set[str]:
    return {str(path.relative_to(layer)) for path in layer.rglob("*") if not path.is_dir()}


def test_the_manifests_find_it() -> None:
    assert balancer_image.reference() == REFERENCE
    programs = PACKAGE / "balancer/manifests"
    for name in ("controller.yaml", "speaker.yaml"):
        (container,) = yaml.safe_load((programs / name).read_text())["spec"]["template"]["spec"]["containers"]
        assert container["image"] == "lab-balancer"  # the kustomization gives it the name above
        assert "command" not in container  # the image's entry point


def test_a_node_takes_it(image: Image) -> None:
    assert image.entrypoint == ("python3", "-m", "lab.balancer")
    assert image.environment["PYTHONPATH"] == "/usr/lib/lab"
    assert image.user == "65534:65534"
    assert len(image.layers) == 2


def test_it_has_packages_without_documents_and_caches(image: Image) -> None:
    _, system = image.layers
    assert files(system) == {
        *("etc/group", "etc/nsswitch.conf", "etc/passwd", "var/lib/dpkg/status", "usr/lib/os-release"),
        *("usr/share/common-licenses/BSD", "usr/share/doc/python3/copyright", "usr/bin/python3.13"),
        *("usr/lib/python3/dist-packages/orjson.so", "usr/lib/python3/dist-packages/yaml.py"),
    }
    stanzas = (system / "var/lib/dpkg/status").read_text()
    named = [line.partition(" ")[2] for line in stanzas.splitlines() if line.startswith("Package:")]
    assert named == ["base-files", "python3", "python3-orjson", "python3-yaml"]


def test_it_has_the_balancer_and_what_that_imports_alone(image: Image) -> None:
    programs, _ = image.layers
    found = files(programs)
    assert {name.split("/")[4] for name in found} == {
        *("__init__.py", "errors.py", "balancer", "kits", "kube", "links", "wire"),
    }
    assert {Path(name).suffix for name in found} == {".py", ".yaml"}


def test_the_same_bytes_from_a_root_installed_elsewhere_and_later(root: Path, tmp_path: Path) -> None:
    again = debian(tmp_path / "again")
    for directory in (path for path in again.rglob("*") if path.is_dir()):
        os.utime(directory, (1, 1))
    assert balancer_image.build(again) == balancer_image.build(root)


def test_another_file_makes_another_image(root: Path) -> None:
    before = balancer_image.build(root)
    (root / "usr/bin/python3.13").write_text("another")
    os.utime(root / "usr/bin/python3.13", (NEWEST, NEWEST))
    assert balancer_image.build(root) != before


def test_it_is_as_old_as_its_newest_file(root: Path) -> None:
    archive = balancer_image.build(root)
    assert json.dumps("2023-11-14T22:13:20Z").encode() in archive


def test_a_root_without_python(root: Path) -> None:
    status = root / "var/lib/dpkg/status"
    status.write_text(status.read_text().replace("Package: python3-orjson", "Package: other"))
    with pytest.raises(HostError, match="python3-orjson is not installed"):
        balancer_image.build(root)
