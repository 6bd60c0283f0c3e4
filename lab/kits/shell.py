"""Running other programs: argv lists only, always with a timeout, failures as errors that quote the program."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Mapping, Sequence

from lab.errors import HostError


class CommandError(HostError):
    """A program that `lab` called is missing, failed or took too long."""


def run(
    argv: Sequence[str],
    *,
    stdin: str | bytes = "",
    timeout: float = 30.0,
    env: Mapping[str, str] | None = None,
) -> str:
    """Run `argv`, feed it `stdin`, return its standard output.

    `timeout` is in seconds. Raises CommandError when the program is missing, fails or outlives it.
    """
    try:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        done = subprocess.run(argv, input=data, capture_output=True, check=True, timeout=timeout, env=env)
    except (FileNotFoundError, PermissionError) as error:
        # The latter: a directory of PATH may be closed to this user.
        raise CommandError(
            f"{argv[0]} is not installed", hint="lab doctor says which package has it"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise CommandError(f"{shlex.join(argv)} did not finish within {timeout:g} s") from error
    except subprocess.CalledProcessError as error:
        said = (error.stderr or error.stdout).decode(errors="replace").strip() or "it said nothing"
        raise CommandError(f"{shlex.join(argv)} failed ({error.returncode}): {said}") from error
    return done.stdout.decode(errors="replace")
