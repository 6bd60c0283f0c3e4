from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from lab.kits.log import Log, start_logging


@pytest.fixture(autouse=True)
def root_logger_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def written(level: str) -> list[dict[str, str]]:
    stream = io.StringIO()
    start_logging(level, stream=stream)
    log = Log("lab.test")
    log.debug("too much")
    log.info("IP address assigned", event="ipAllocated", ips=["1.2.3.4"])
    log.warning("hm")
    log.error("no")
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("level", "levels"),
    [("all", ["debug", "info", "warn", "error"]), ("warn", ["warn", "error"]), ("none", [])],
)
def test_a_level_and_all_above_it_are_written(level: str, levels: list[str]) -> None:
    assert [line["level"] for line in written(level)] == levels


def test_a_line_is_an_object_with_the_fields() -> None:
    line = written("info")[0]
    assert line.pop("ts").endswith("+00:00")
    assert line.pop("caller").startswith("test_log.py:")
    assert line == {"level": "info", "msg": "IP address assigned", "event": "ipAllocated", "ips": ["1.2.3.4"]}


def test_a_traceback_is_a_field() -> None:
    stream = io.StringIO()
    start_logging("info", stream=stream)
    try:
        int("why")
    except ValueError:
        logging.getLogger("x").exception("failed")
    assert "ValueError: " in json.loads(stream.getvalue())["error"]
