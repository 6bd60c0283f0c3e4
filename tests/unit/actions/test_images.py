from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from lab.actions import images
from lab.errors import HostError, MachineError
from tests.unit.topologies import default_lab


class Nodes:
    """A lab whose machines answer with what `argv` says, here."""

    topology = default_lab()

    def __init__(self, *argv: str) -> None:
        self.argv = argv
        self.entered: list[str] = []

    def enter(self, name: str, *argv: str) -> Sequence[str]:
        self.entered.append(name)
        return self.argv


def lab(*argv: str) -> Any:
    return Nodes(*argv)


def test_an_archive_goes_to_every_node_of_the_cluster(tmp_path: Path) -> None:
    archive = tmp_path / "image.tar"
    archive.write_text("shop/app:v1\nshop/app:v2")
    nodes = lab("cat")
    assert images.load_images(nodes, archive) == ["shop/app:v1", "shop/app:v2"]
    assert sorted(nodes.entered) == ["k8s-master", "k8s-worker1", "k8s-worker2", "k8s-worker3"]


def test_what_a_node_says_against_it_is_passed_on(tmp_path: Path) -> None:
    archive = tmp_path / "image.tar"
    archive.write_text("")
    with pytest.raises(MachineError, match="k8s-master: no archive"):
        images.load_images(lab("sh", "-c", "echo no archive >&2; exit 1"), archive)


def test_an_archive_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="cannot read"):
        images.load_images(lab("cat"), tmp_path / "none")


def test_what_each_node_has() -> None:
    found = images.list_images(lab("echo", "shop/app:v1"))
    assert found["k8s-worker1"] == ["shop/app:v1"]


def test_without_skopeo_nothing_is_pulled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(HostError, match="skopeo is not installed"):
        images.pull_image(lab("cat"), "nginx")
