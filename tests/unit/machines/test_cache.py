from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.errors import HostError
from lab.kits.files import content_digest
from lab.machines.cache import PARTIAL, Entry, Shelf


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "layers", digest=content_digest)


def _fill(tree: Path) -> None:
    tree.mkdir()
    (tree / "file").write_text("content")


def test_what_was_made_is_found(shelf: Shelf) -> None:
    assert shelf.get("a") is None
    entry = shelf.make("a", _fill)
    assert shelf.get("a") == entry
    assert (entry.tree / "file").read_text() == "content"


def _flip(entry: Entry) -> None:
    (entry.tree / "file").write_text("c0ntent")


def _truncate_manifest(entry: Entry) -> None:
    entry.manifest.write_text("{")


def _lose_manifest(entry: Entry) -> None:
    entry.manifest.unlink()


def _lose_file(entry: Entry) -> None:
    (entry.tree / "file").unlink()


@pytest.mark.parametrize("damage", [_flip, _truncate_manifest, _lose_manifest, _lose_file])
def test_a_damaged_entry_is_dropped_and_can_be_made_again(
    shelf: Shelf, damage: Callable[[Entry], None]
) -> None:
    damage(shelf.make("a", _fill))
    assert shelf.get("a") is None
    assert not shelf.entry("a").path.exists()
    shelf.make("a", _fill)
    assert shelf.get("a")


def test_a_failed_build_leaves_nothing(shelf: Shelf) -> None:
    def fail(tree: Path) -> None:
        tree.mkdir()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(HostError, match="no space left"):
        shelf.make("a", fail)
    assert [path.name for path in shelf.directory.iterdir()] == [".lock"]


def test_leftovers_of_killed_makers_are_swept(shelf: Shelf) -> None:
    leftover = shelf.directory / f"{PARTIAL}a"
    leftover.mkdir(parents=True)
    shelf.make("c", _fill)
    assert not leftover.exists()


def test_what_another_process_made_meanwhile_is_taken(shelf: Shelf) -> None:
    entry = shelf.make("a", _fill)

    def never(tree: Path) -> None:
        raise AssertionError(tree)

    assert shelf.make("a", never) == entry


def test_what_nobody_used_for_a_month_goes_when_something_new_comes(shelf: Shelf) -> None:
    for name in ("old", "used"):
        os.utime(shelf.make(name, _fill).path, (0, 0))
    assert shelf.get("used")
    shelf.make("new", _fill)
    assert [shelf.entry(name).path.exists() for name in ("old", "used", "new")] == [False, True, True]


def test_nothing_old_goes_while_a_lab_may_stand_on_it(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, digest=content_digest, in_use=lambda: True)
    os.utime(shelf.make("old", _fill).path, (0, 0))
    shelf.make("new", _fill)
    assert shelf.entry("old").path.exists()
