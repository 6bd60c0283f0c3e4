"""What verbs print, and where to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from lab.errors import UsageError


def print_json(value: Any) -> None:
    """Print `value` as indented JSON."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def write_text(text: str, file: Path | None) -> None:
    """Write `text` to `file`, or to standard output when there is none; raises UsageError."""
    if file is None:
        click.echo(text, nl=False)
        return
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{file} cannot be written: {error.strerror}", hint="choose another --output"
        ) from error
