"""Every golden file is what the code produces. After a change on purpose: `python -m tests.golden`, and read the difference."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.golden.produced import HERE, LABS, ROOT, WRONG, goldens, log

GOLDENS = goldens()


@pytest.mark.parametrize("path", GOLDENS, ids=lambda path: str(path.relative_to(ROOT)))
def test_golden(path: Path) -> None:
    assert GOLDENS[path]() == path.read_text()


@pytest.mark.parametrize("path", WRONG, ids=lambda path: path.stem)
def test_a_wrong_lab_has_mistakes(path: Path) -> None:
    assert log(path)


@pytest.mark.parametrize("path", LABS, ids=lambda path: path.stem)
def test_a_right_lab_has_none(path: Path) -> None:
    assert log(path) == ""


def test_no_golden_is_left_over() -> None:
    kept = {*HERE.glob("labs/*"), *HERE.glob("topology/errors/*.log"), *HERE.glob("roles/*.*.*")}
    assert kept <= set(GOLDENS)
