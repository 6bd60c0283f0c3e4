from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.pocket.agent.logs import LONGEST, LineWriter, Selection, last_lines, read

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def log_of(tmp_path, *lines: str):
    writer, path = LineWriter("stdout"), tmp_path / "0.log"
    path.write_bytes(
        b"".join(
            writer.feed(f"{line}\n".encode(), NOW + timedelta(seconds=n)) for n, line in enumerate(lines)
        )
    )
    return path


def shown(path, **selection) -> str:
    return b"".join(read(path, Selection(**selection))).decode()


def test_the_format():
    assert LineWriter("stderr").feed(b"hello\nwor", NOW) == b"2026-11-20T12:00:00.000000000Z stderr F hello\n"


def test_a_line_without_end_is_written_when_the_stream_ends():
    writer = LineWriter("stdout")
    assert writer.feed(b"partial", NOW) == b""
    assert writer.end(NOW).endswith(b" stdout P partial\n")
    assert writer.end(NOW) == b""


@given(st.lists(st.binary(max_size=60), max_size=20))
def test_what_was_said_is_read_again_whatever_the_pieces(tmp_path_factory, pieces):
    writer, path = LineWriter("stdout"), tmp_path_factory.getbasetemp() / "any.log"
    path.write_bytes(b"".join([*(writer.feed(piece, NOW) for piece in pieces), writer.end(NOW)]))
    assert b"".join(read(path, Selection())) == b"".join(pieces)


def test_long_lines_are_cut_and_joined(tmp_path):
    long = "x" * (LONGEST * 2 + 5)
    path = log_of(tmp_path, long, "next")
    assert path.read_bytes().count(b" P ") == 2
    assert shown(path) == f"{long}\nnext\n"


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ({}, "a\nb\nc\n"),
        ({"tail": 2}, "b\nc\n"),
        ({"tail": 0}, ""),
        ({"tail": 9}, "a\nb\nc\n"),
        ({"since": NOW + timedelta(seconds=1)}, "b\nc\n"),
        ({"limit": 3}, "a\nb"),
        ({"timestamps": True, "tail": 1}, "2026-11-20T12:00:02.000000000Z c\n"),
    ],
)
def test_selections(tmp_path, selection, expected):
    assert shown(log_of(tmp_path, "a", "b", "c"), **selection) == expected


def test_the_tail_of_an_empty_log(tmp_path):
    assert last_lines(log_of(tmp_path), 5) == 0
