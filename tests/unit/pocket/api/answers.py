"""What a real kube-apiserver v1.36 answered (scripts/record_kubernetes_answers.py), to compare with."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from lab.pocket.api.field import FieldError

VECTORS = Path(__file__).resolve().parents[3] / "vectors/kubernetes"
Case = dict[str, Any]


def load(name: str) -> dict[str, Any]:
    vectors: dict[str, Any] = json.loads((VECTORS / f"{name}.json").read_text())
    return vectors


def cases(name: str) -> list[Any]:
    """Return pytest parameters, one a case."""
    return [pytest.param(case, id=case["name"]) for case in load(name)["cases"]]


def causes(errors: Iterable[FieldError]) -> list[dict[str, str]]:
    """Return errors as the recorded answers hold them: sorted, since Go walks maps at random."""
    return sorted((error.cause() for error in errors), key=lambda cause: (cause["field"], cause["message"]))
