from __future__ import annotations

import pytest

from lab.kits.shell import CommandError, run


def test_output_and_input() -> None:
    assert run(["cat"], stdin="hello") == "hello"


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["no-such-program-here"], r"no-such-program-here is not installed"),
        (["sh", "-c", "echo out; echo why >&2; exit 3"], r"failed \(3\): why"),
        (["sh", "-c", "echo only out; exit 1"], r"failed \(1\): only out"),
        (["false"], r"it said nothing"),
    ],
)
def test_failures_quote_the_program(argv: list[str], words: str) -> None:
    with pytest.raises(CommandError, match=words):
        run(argv)


def test_a_program_that_hangs_is_ended() -> None:
    with pytest.raises(CommandError, match=r"did not finish within 0\.1 s"):
        run(["sleep", "5"], timeout=0.1)
