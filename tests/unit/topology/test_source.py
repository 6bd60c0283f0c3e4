"""Files that are no lab at all: unreadable, too large, or YAML that would grow without end."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from lab.topology.loader import load
from lab.topology.mistakes import InvalidTopologyError

MIB = 1 << 20


def reason(path: Path) -> str:
    with pytest.raises(InvalidTopologyError) as caught:
        load(path)
    (mistake,) = caught.value.mistakes
    assert mistake.instead
    return mistake.reason


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert reason(tmp_path / "lab.yml") == "cannot be read: No such file or directory"


def test_a_directory(tmp_path: Path) -> None:
    assert reason(tmp_path) == "cannot be read: Is a directory"


def test_a_large_file_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "lab.yml"
    path.write_bytes(b"name: lab\n" * MIB)
    tracemalloc.start()
    try:
        assert reason(path) == "is larger than 1 MiB"
        assert tracemalloc.get_traced_memory()[1] < 3 * MIB
    finally:
        tracemalloc.stop()


def test_an_endless_file() -> None:
    assert reason(Path("/dev/zero")) == "is larger than 1 MiB"


@pytest.mark.parametrize(
    "text",
    ["- a\n" * 200_000, "a: 1\n" * 200_000, "[" * MIB, "{" * MIB, "[" * 500 + "]" * 500, "- " * (MIB // 2)],
    ids=["list", "mapping", "open lists", "open mappings", "nested lists", "nested items"],
)
def test_too_much_yaml(tmp_path: Path, text: str) -> None:
    path = tmp_path / "lab.yml"
    path.write_text(text)
    assert reason(path) == "too much YAML for one lab"


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "lab.yml"
    path.write_bytes(b"\xef\xbb\xbf" + (Path(__file__).resolve().parents[3] / "lab.yml").read_bytes())
    assert load(path).name == "lab"
