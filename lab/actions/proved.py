"""What is known of the last proof that the client gets its answer: of which lab it was, and whether it still stands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from lab.actions.steps import Context
from lab.kits.files import write_atomically

FILE: Final = "proved.json"
STANDS: Final = "stands"
STARTED: Final = "started"


def note(context: Context) -> None:
    """Write down that the client had its answer just now."""
    _write(context, _identity(context) | {STANDS: True, STARTED: _started(context)})


def doubt(context: Context) -> None:
    """Write down that something was mended since the proof."""
    record = _read(context)
    if record.get(STANDS):
        _write(context, record | {STANDS: False})


def forget(context: Context) -> None:
    _file(context).unlink(missing_ok=True)


def is_proved(context: Context) -> bool:
    """Tell whether the client had its answer from this very lab, configured as it is."""
    record = _read(context)
    return bool(record) and all(record.get(key) == value for key, value in _identity(context).items())


def need_not_be_repeated(context: Context) -> bool:
    """Tell whether the proof of an emulated lab stands: nothing was touched since, and there it takes the longest of all."""
    record = _read(context)
    is_slow = context.provider.slowness > 1
    untouched = bool(record.get(STANDS)) and record.get(STARTED) == _started(context)
    return is_slow and untouched and is_proved(context)


def _read(context: Context) -> dict[str, Any]:
    try:
        record: dict[str, Any] = json.loads(_file(context).read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return record


def _write(context: Context, record: dict[str, Any]) -> None:
    write_atomically(_file(context), json.dumps(record))


def _file(context: Context) -> Path:
    return context.generated / FILE


def _identity(context: Context) -> dict[str, object]:
    """Return what the proof holds for: this lab since it was made, configured so."""
    return {
        "made": context.provider.status().since,
        "configured": context.fingerprints,
    }


def _started(context: Context) -> dict[str, float]:
    """Return when each machine was started, or otherwise handled, last."""
    return {machine.name: machine.since for machine in context.provider.status().machines}
