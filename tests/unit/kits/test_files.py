from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.kits.files import content_digest, room, shape_digest, write_atomically


def _tree(top: Path) -> Path:
    (top / "etc").mkdir(parents=True)
    (top / "etc/hostname").write_text("router\n")
    (top / "etc/link").symlink_to("hostname")
    return top


def _touch_content(top: Path) -> None:
    (top / "etc/hostname").write_text("switch\n")


def _touch_mode(top: Path) -> None:
    (top / "etc/hostname").chmod(0o755)


def _touch_link(top: Path) -> None:
    (top / "etc/link").unlink()
    (top / "etc/link").symlink_to("elsewhere")


def _remove(top: Path) -> None:
    (top / "etc/hostname").unlink()


def _add(top: Path) -> None:
    (top / "etc/extra").write_text("")


CHANGES = [_touch_content, _touch_mode, _touch_link, _remove, _add]


@pytest.mark.parametrize("digest", [content_digest, shape_digest])
@pytest.mark.parametrize("change", CHANGES)
def test_a_digest_notices(
    tmp_path: Path, digest: Callable[[Path], str], change: Callable[[Path], None]
) -> None:
    top = _tree(tmp_path / "tree")
    before = digest(top)
    assert digest(top) == before
    change(top)
    assert digest(top) != before


def test_content_does_not_depend_on_where_the_tree_is(tmp_path: Path) -> None:
    assert content_digest(_tree(tmp_path / "a")) == content_digest(_tree(tmp_path / "b"))


def test_bytecode_does_not_count(tmp_path: Path) -> None:
    top = _tree(tmp_path / "tree")
    before = content_digest(top)
    (top / "__pycache__").mkdir()
    (top / "__pycache__/x.pyc").write_bytes(b"x")
    assert content_digest(top) == before


def test_special_files_have_no_content_to_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert content_digest(tmp_path)


def test_a_replaced_file_is_whole_and_alone(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    for text in ("one", "two"):
        write_atomically(path, text, mode=0o600)
    assert path.read_text() == "two"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["state.json"]


def test_room_is_where_a_directory_will_be(tmp_path: Path) -> None:
    existing, free = room(tmp_path / "not" / "yet")
    assert existing == tmp_path
    assert free > 0
