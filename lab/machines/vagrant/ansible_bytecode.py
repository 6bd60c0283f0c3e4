"""Runs in each Python of the box: keeps the bytecode of what Python imports from zip archives, which it would not do.

Ansible sends its library with every task, as the same sources in another archive; compiling them is half of what a task
costs under emulation. Known by their hash, as sources of a hash-based .pyc are (PEP 552). Whoever may not use the cache
goes without. It imports only what every Python has loaded at its start.
"""

from __future__ import annotations

import _imp
import marshal
import os
import zipimport

DIRECTORY = "/var/cache/lab/bytecode"
SALT = 0x1AB
_compile = zipimport._compile_source  # type: ignore[attr-defined]  # noqa: SLF001  # there is no public way in
Code = type(_compile.__code__)


def compile_source(path: str, source: bytes, *, directory: str = DIRECTORY) -> object:
    """Return the code of `source`, from the cache where it is known."""
    file = f"{directory}/{_imp.source_hash(SALT, source).hex()}"
    code = _known(file)
    if code is None:
        code = _compile(path, source)
        _keep(file, marshal.dumps(code))
    return code


def _known(file: str) -> object:
    try:
        with open(file, "rb") as stream:  # noqa: PTH123  # to import pathlib would take longer than all the rest
            code = marshal.loads(stream.read())  # noqa: S302  # only root can write there
    except (OSError, EOFError, ValueError, TypeError):
        return None
    return code if isinstance(code, Code) else None


def _keep(file: str, data: bytes) -> None:
    partial = f"{file}.{os.getpid()}"
    try:
        with open(partial, "wb") as stream:  # noqa: PTH123  # likewise
            stream.write(data)
        os.replace(partial, file)  # noqa: PTH105  # likewise
    except OSError:
        return


zipimport._compile_source = compile_source  # type: ignore[attr-defined]  # noqa: SLF001  # likewise
