"""What lets an agent take over the containers of the one before it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lab.pocket.agent.container import Container
from lab.pocket.agent.records import PodRecord, RunRecord, runs
from lab.pocket.agent.runtime import birth, make_streams, open_streams


def record(**fields: Any) -> RunRecord:
    base: dict[str, Any] = {
        "name": "web", "id": "1", "pid": os.getpid(), "birth": birth(os.getpid()), "restarts": 2,
        "started": "2026-11-20T12:00:00Z", "image_id": "built-in:nginx", "stop_signal": "SIGQUIT", "terminal": False,
    }  # fmt: skip
    return RunRecord(**(base | fields))


def save(directory: Path, *records: RunRecord) -> None:
    for each in records:
        place = directory / "c" / each.id
        place.mkdir(parents=True)
        each.save(place)


def test_records_are_read_back(tmp_path):
    PodRecord(["10.244.1.2"], initialized=True).save(tmp_path)
    save(tmp_path, record())
    assert PodRecord.load(tmp_path) == PodRecord(["10.244.1.2"], initialized=True)
    assert runs(tmp_path) == [(tmp_path / "c/1", record())]


@pytest.mark.parametrize("content", ["", "[]", '{"other": 1}'])
def test_what_cannot_be_read_was_never_written(tmp_path, content):
    (tmp_path / "pod.json").write_text(content)
    place = tmp_path / "c" / "1"
    place.mkdir(parents=True)
    (place / "run.json").write_text(content)
    assert PodRecord.load(tmp_path) is None
    assert runs(tmp_path) == []


class Host:
    """A pod of which the API knows that its container was ready."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.pod = {"status": {"containerStatuses": [{"name": "web", "ready": True, "started": True}]}}


@pytest.mark.parametrize(
    ("written", "alive"),
    [
        (record(), True),
        (record(birth="1"), False),
        (record(birth=""), False),
        (record(name="other"), False),
    ],
    ids=["the same process", "another with its number", "never seen", "another container"],
)
def test_a_run_is_recalled_if_its_process_is_the_same(tmp_path, written, alive):
    save(tmp_path, written)
    spec = {"name": "web", "image": "nginx"}
    container = Container(Host(tmp_path), spec, policy="Always")  # type: ignore[arg-type]  # as much of a host as it takes
    container.recall()
    state = container.state
    assert (state.running is not None, state.ready, state.started) == (alive, alive, alive)
    assert state.restarts == (2 if alive else 0)


def test_a_process_that_is_gone_has_no_birth():
    process = subprocess.Popen(["true"])
    process.wait()
    assert birth(process.pid) == ""
    assert birth(os.getpid())


def test_a_container_may_speak_while_nobody_listens(tmp_path):
    first, inside = make_streams(tmp_path, os.getuid())
    os.write(inside[0], b"one ")
    for each in first:
        os.close(each)
    os.write(inside[0], b"two")  # would be fatal to the writer of a pipe without reader
    second = open_streams(tmp_path)
    assert os.read(second[0], 100) == b"one two"
    for each in inside:
        os.close(each)
    assert os.read(second[0], 100) == b""
    for each in second:
        os.close(each)
