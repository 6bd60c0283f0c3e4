from __future__ import annotations

import subprocess
import sys

import pytest

from lab.cli import VERBS, lab
from lab.errors import LabError


def _lab(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lab.cli", *argv], capture_output=True, text=True, timeout=60, check=False
    )


def test_help_names_every_verb_without_importing_them() -> None:
    script = (
        "import sys; from lab.cli import lab; lab(['--help'], standalone_mode=False); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    helped, _, modules = done.stdout.rstrip().rpartition("\n")
    assert all(verb in helped for verb in VERBS)
    assert not {"yaml", "rich", "kubernetes", "lab.cli.up", "lab.topology.loader"} & set(modules.split())


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str) -> None:
    command = lab.get_command(None, verb)  # type: ignore[arg-type]  # the context is not used
    assert command
    assert command.help
    assert "\\" not in command.help, "an escape that was meant for click"


@pytest.mark.parametrize(
    ("argv", "code"),
    [(["--help"], 0), (["upp"], 2), (["up", "--no-such-option"], 2), (["validate", "/none"], 2)],
)
def test_exit_codes(argv: list[str], code: int) -> None:
    done = _lab(*argv)
    assert done.returncode == code
    assert "Traceback" not in done.stderr


def test_every_error_has_a_documented_exit_code() -> None:
    codes = {kind.__name__: kind.exit_code for kind in LabError.__subclasses__()}
    assert set(codes.values()) <= {1, 2, 3, 4, 5, 6, 7}
