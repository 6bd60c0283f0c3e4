from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import quoteattr

import pytest

from tests.vagrant import parity

PASSED, FAILED, SKIPPED = "", "<failure message='no'/>", "<skipped message='not run: no helm'/>"


def report(file: Path, **checks: str) -> str:
    cases = "".join(
        f"<testcase classname='tests.e2e.test_router' name={quoteattr(name)} time='1.25'>{verdict}</testcase>"
        for name, verdict in checks.items()
    )
    file.write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
    return f"{file.stem}={file}"


@pytest.mark.parametrize(
    ("other", "code", "said"),
    [
        ({"one": PASSED, "two": SKIPPED}, 0, "2 checks, the same verdicts"),
        ({"one": FAILED, "two": SKIPPED}, 1, "1 of 2 checks differ"),
        ({"one": PASSED, "two": PASSED}, 1, "1 of 2 checks differ"),
        ({"two": SKIPPED, "three": PASSED}, 1, "2 of 3 checks differ"),
    ],
)
def test_verdicts_are_compared(
    other: dict[str, str], code: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        report(tmp_path / "containers.xml", one=PASSED, two=SKIPPED),
        report(tmp_path / "vagrant.xml", **other),
    ]
    assert parity.main(words) == code
    assert capsys.readouterr().out.splitlines()[-1] == said


def test_every_check_stands_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [report(tmp_path / "a.xml", one=PASSED, two=FAILED), report(tmp_path / "b.xml", one=PASSED)]
    parity.main(words)
    assert capsys.readouterr().out.splitlines() == [
        "  check             a                   b",
        "  test_router::one  ✓ passed     1.2 s  ✓ passed     1.2 s",
        "≠ test_router::two  ✗ failed     1.2 s  absent",
        "a: 1 passed, 1 failed, 0 not run",
        "b: 1 passed, 0 failed, 0 not run",
        "1 of 2 checks differ",
    ]
