"""What a cluster of kubeadm lacks is named, all of it at once: a whole directory, and what is taken away from it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from lab.kits import oci
from lab.provision.artefacts import FILLED_BY_HAND, Lock, describe
from lab.provision.kubeadm_files import COMPANIONS, NETWORKS, PROGRAMS, RELEASED, lacking
from lab.topology.loader import load
from lab.topology.model import Kubernetes, PodNetwork
from tests.unit.topologies import ROOT

KUBERNETES = load(ROOT / "labs/kubeadm.yml").kubernetes
FLANNEL = "ghcr.io/flannel-io/flannel:v0.28.1"
IMAGES = (
    *(f"registry.k8s.io/{name}:v{KUBERNETES.version}" for name in RELEASED),
    *(f"registry.k8s.io/{name}:1.2.3" for name in COMPANIONS),
    FLANNEL,
)
MANIFEST = f"""\
spec:
  containers:
    - name: kube-flannel
      image: {FLANNEL}
  initContainers:
    - image: "{FLANNEL}@sha256:{64 * "0"}"
"""


def archive(*names: str) -> bytes:
    manifest = json.dumps([{"RepoTags": [name]} for name in names]).encode()
    return oci.tar({"manifest.json": oci.file(manifest)}, mtime=0)


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """A directory with everything that labs/kubeadm.yml takes."""
    files = {path: path.encode() for path in PROGRAMS} | {
        "manifests/flannel.yaml": MANIFEST.encode(),
        "images/kubernetes.tar": archive(*IMAGES[:-1]),
        "images/flannel.tar": archive(FLANNEL),
    }
    for path, content in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    return tmp_path


def locked(directory: Path, *, without: str = "") -> Lock:
    return Lock(tuple(a for a in describe(directory, FILLED_BY_HAND) if not without or without not in a.path))


def missing(
    lock: Lock, directory: Path, kubernetes: Kubernetes = KUBERNETES, *, online: bool = False
) -> list[str]:
    return [f"{d.path}: {d.fault}" for d in lacking(kubernetes, lock, directory, online=online)]


def test_a_filled_directory_lacks_nothing(filled: Path) -> None:
    assert missing(locked(filled), filled) == []


def test_an_empty_lock_lacks_everything(tmp_path: Path) -> None:
    found = missing(Lock(()), tmp_path)
    assert {line for line in found if line.startswith("bin/")} == {
        f"{path}: not in the lock" for path in PROGRAMS
    }
    assert "manifests/flannel.yaml: not in the lock" in found
    assert "registry.k8s.io/kube-proxy:v1.37.2: missing" in found
    assert "registry.k8s.io/etcd:TAG: missing" in found


def test_machines_with_a_way_out_fetch_programs_and_images_themselves(tmp_path: Path) -> None:
    assert missing(Lock(()), tmp_path, online=True) == ["manifests/flannel.yaml: not in the lock"]


@pytest.mark.parametrize("online", [True, False])
def test_programs_are_all_from_the_bundle_or_none(filled: Path, online: bool) -> None:
    assert missing(locked(filled, without="containerd"), filled, online=online) == [
        "bin/containerd: not in the lock",
        "bin/containerd-shim-runc-v2: not in the lock",
    ]


DAMAGE: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "a program is gone": (lambda top: (top / "bin/runc").unlink(), ["bin/runc: missing"]),
    "a program is another": (lambda top: (top / "bin/runc").write_text("x"), ["bin/runc: wrong"]),
    "an archive is gone": (
        lambda top: (top / "images/flannel.tar").unlink(),
        [f"{FLANNEL}: missing", "images/flannel.tar: missing"],
    ),
    "a file that nobody asked for": (lambda top: (top / "bin/nerdctl").write_text("x"), []),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_what_differs_from_the_lock_is_named(name: str, filled: Path) -> None:
    damage, expected = DAMAGE[name]
    lock = locked(filled)
    damage(filled)
    assert missing(lock, filled) == expected


CONTENT = {
    "an image of another release": (archive(*(name.replace("1.37.2", "1.37.1") for name in IMAGES)), 4),
    "an image of another name": (archive(*IMAGES[1:]), 1),
    "no archive": (b"x", len(IMAGES) - 1 + 1),
}


@pytest.mark.parametrize("name", CONTENT)
def test_images_that_no_archive_has_are_named_one_by_one(name: str, filled: Path) -> None:
    content, count = CONTENT[name]
    (filled / "images/kubernetes.tar").write_bytes(content)
    assert len(missing(locked(filled), filled)) == count


def test_images_of_the_default_registry_may_leave_its_name_out(filled: Path) -> None:
    (filled / "manifests/flannel.yaml").write_text("image: docker.io/library/net:1\n")
    (filled / "images/net.tar").write_bytes(archive("net:1"))
    assert missing(locked(filled), filled) == []


def test_a_chart_has_any_version(filled: Path) -> None:
    cilium = replace(KUBERNETES, pod_network=PodNetwork.CILIUM)
    assert missing(locked(filled), filled, cilium) == [
        "bin/helm: not in the lock",
        "charts/cilium-*.tgz: not in the lock",
    ]
    (filled / "charts").mkdir()
    for path in ("bin/helm", "charts/cilium-1.19.2.tgz"):
        (filled / path).write_text("x")
    assert missing(locked(filled), filled, cilium) == []


def test_the_roles_ask_the_lock_for_the_same() -> None:
    asked = yaml.safe_load((ROOT / "roles/validate/vars/main.yml").read_text())
    assert {f"bin/{name}" for name in re.findall(r"'([a-z0-9-]+)'", asked["__validate_programs"])} == set(
        PROGRAMS
    )
    networks = re.sub(r"VERSION", "*", asked["__validate_network"].strip("{} "))
    assert yaml.safe_load(f"{{{networks.split('}')[0]}}}") == {
        network.value: list(files) for network, files in NETWORKS.items()
    }
