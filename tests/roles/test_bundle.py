"""A bundle from beginning to end: pinned, gathered, verified, damaged, and a lab made of nothing but it.

Debian's packages come from the mirror, Kubernetes' files are stand-ins. Minutes: the base is built from the bundle.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from lab.machines.family import CHECKOUT
from lab.provision.artefacts import Kind
from tests.roles import bundles

TIMEOUT = 1200.0

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="not run: needs root to make machine containers"),
]


@dataclass(frozen=True)
class Desk:
    """A user with a lock, a directory of Kubernetes' files and a cache of their own."""

    top: Path

    @property
    def filled(self) -> Path:
        return self.top / "bundles/1.37.2"

    @property
    def bundle(self) -> Path:
        return self.top / "lab.bundle"

    def lab(self, *words: str, code: int = 0) -> str:
        """Run `lab WORDS`; return all that it says, to either side."""
        environment = {
            **os.environ,
            "PYTHONPATH": str(CHECKOUT),
            "LAB_LOCK": str(self.top / "lab.lock"),
            "LAB_CACHE_DIR": str(self.top / "cache"),
        }
        done = subprocess.run(
            [sys.executable, "-m", "lab.cli", *words],
            cwd=self.top,
            env=environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        said = done.stdout + done.stderr
        assert done.returncode == code, said
        return said


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    desk = Desk(tmp_path_factory.mktemp("bundle"))
    bundles.write(desk.top / "bundles", "1.37.2")
    content = yaml.safe_load((CHECKOUT / "labs/two-workers.yml").read_text()) | {
        "name": f"offline{os.getpid()}"
    }
    (desk.top / "lab.yml").write_text(yaml.safe_dump(content, sort_keys=False))
    yield desk
    desk.lab("down")


def test_a_lock_pins_what_the_mirror_has_and_what_the_user_gives(desk: Desk) -> None:
    said = json.loads(desk.lab("lock", "--update", "--from", str(desk.filled), "--json"))
    assert said["artefacts"] == {
        "bin": len(bundles.PROGRAMS),
        "deb": said["artefacts"]["deb"],
        "images": 2,
        "manifests": 1,
    }
    assert said["artefacts"]["deb"] > 200
    desk.lab("lock", "--check")


def test_what_is_missing_or_wrong_is_named_at_once_and_nothing_is_written(desk: Desk) -> None:
    kubelet, flannel = desk.filled / "bin/kubelet", desk.filled / "manifests/flannel.yaml"
    contents = kubelet.read_text(), flannel.read_text()
    kubelet.write_text("another\n")
    flannel.unlink()
    said = desk.lab("bundle", "create", str(desk.bundle), "--from", str(desk.filled), code=1)
    assert "bin/kubelet: wrong" in said
    assert "manifests/flannel.yaml: missing" in said
    assert not desk.bundle.exists()
    kubelet.write_text(contents[0])
    flannel.write_text(contents[1])


def test_a_bundle_holds_all_of_the_lock(desk: Desk) -> None:
    desk.lab("bundle", "create", str(desk.bundle), "--from", str(desk.filled))
    assert "all as in lab.lock" in desk.lab("bundle", "verify", str(desk.bundle))
    kinds = {line.split()[0] for line in desk.lab("bundle", "show", str(desk.bundle)).splitlines()}
    assert kinds == {Kind.DEB, Kind.BIN, Kind.IMAGES, Kind.MANIFESTS}


def test_a_damaged_bundle_is_not_used(desk: Desk) -> None:
    damaged = desk.top / "damaged.bundle"
    data = bytearray(desk.bundle.read_bytes())
    data[len(data) // 2] ^= 0xFF
    damaged.write_bytes(data)
    assert ": wrong" in desk.lab("bundle", "verify", str(damaged), code=1)
    assert ": wrong" in desk.lab(
        "up", "--provider", "containers", "--offline", "--bundle", str(damaged), code=2
    )
    damaged.unlink()


def test_a_lab_is_made_of_a_bundle_and_nothing_else(desk: Desk) -> None:
    assert not (desk.top / "cache").exists()
    said = desk.lab("up", "--provider", "containers", "--offline", "--bundle", str(desk.bundle))
    assert "there is no default route here" in said
    assert "30 of 30" in said
    desk.lab("exec", "client", "--", "test", "-x", "/usr/local/bin/helm")
