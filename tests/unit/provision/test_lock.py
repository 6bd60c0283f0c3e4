"""The lock that the project ships."""

from __future__ import annotations

from pathlib import PurePosixPath

from lab.actions.artefacts import PACKAGES
from lab.cli.lock import LOCK
from lab.provision.artefacts import Kind, read_lock


def test_the_lock_has_every_package_that_the_recipes_name() -> None:
    """After a change of the recipes: `lab lock --update`."""
    pinned = {PurePosixPath(a.path).name.partition("_")[0] for a in read_lock(LOCK).of(Kind.DEB)}
    assert set(PACKAGES) - pinned == set()


def test_every_artefact_has_a_checksum_and_a_size() -> None:
    for artefact in read_lock(LOCK).artefacts:
        assert len(artefact.sha256) == 64
        assert artefact.size > 0
