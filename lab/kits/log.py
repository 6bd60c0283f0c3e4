"""Structured logs: one JSON object a line on standard output, for programs that run unattended.

A message is a constant sentence; what varies goes into fields, so that `event` or `service` can be searched for:
`log.info("IP address assigned", event="ipAllocated", service="default/web")`.
"""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import Any, TextIO

import orjson

LEVELS = {"all": 1, "debug": 10, "info": 20, "warn": 30, "error": 40, "none": 100}


class Log:
    """The logger of one module."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def debug(self, message: str, /, **fields: Any) -> None:
        self._logger.debug(message, extra={"fields": fields}, stacklevel=2)

    def info(self, message: str, /, **fields: Any) -> None:
        self._logger.info(message, extra={"fields": fields}, stacklevel=2)

    def warning(self, message: str, /, **fields: Any) -> None:
        self._logger.warning(message, extra={"fields": fields}, stacklevel=2)

    def error(self, message: str, /, **fields: Any) -> None:
        self._logger.error(message, extra={"fields": fields}, stacklevel=2)

    def exception(self, message: str, /, **fields: Any) -> None:
        """Log an error with the traceback of the exception that is being handled."""
        self._logger.exception(message, extra={"fields": fields}, stacklevel=2)  # noqa: LOG004 -- callers handle one


class JsonFormatter(logging.Formatter):
    """Keys `ts`, `level`, `caller`, `msg`, then the fields; a traceback as `error` if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": "warn" if record.levelno == logging.WARNING else record.levelname.lower(),
            "caller": f"{record.filename}:{record.lineno}",
            "msg": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


def start_logging(level: str, *, stream: TextIO | None = None) -> None:
    """Send every log of the process to `stream` (standard output) as JSON, from `level` (a key of LEVELS) up."""
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=LEVELS[level], handlers=[handler], force=True)
