"""Runs a playbook in a process of its own and tells what happens while it does.

Ansible's familiar output goes to a log file. What a program wants to know comes as typed events over a pipe, from the
callback plugin `lab_events`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from lab.errors import ProvisionError
from lab.provision.events import Event, HostStats, Outcome, Result, Stats, decode

__all__ = ["PlayError", "PlayResult", "run"]

PACKAGES: Final = Path(__file__).resolve().parents[2]
CALLBACKS: Final = Path(__file__).resolve().parent / "plugins" / "callback"
STOP_TIMEOUT: Final = 5.0
"""Seconds that Ansible gets to stop politely."""
LOG_LINES: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayResult:
    """What a successful run did."""

    hosts: Mapping[str, HostStats]

    @property
    def changed(self) -> int:
        """How many tasks changed something, over all hosts."""
        return sum(host.changed for host in self.hosts.values())


class PlayError(ProvisionError):
    """A run that failed, with every task that did."""

    def __init__(self, message: str, *, log: Path, failures: tuple[Result, ...] = ()) -> None:
        super().__init__(message, hint=f"all that Ansible said is in {log}")
        self.failures = failures


def run(
    playbook: Path,
    *,
    inventory: Path,
    log: Path,
    limit: str = "",
    skip_tags: str = "",
    check: bool = False,
    environment: Mapping[str, str] | None = None,
    on_event: Callable[[Event], None] = lambda _: None,
    timeout: float = 3600.0,
) -> PlayResult:
    """Run `playbook` on the machines of `inventory`, or only on those that match `limit`, without what has `skip_tags`.

    `check` runs dry; `environment` is added to this process' own; `on_event` hears every event at once; `timeout` is in
    seconds. Raises PlayError when a task fails, a machine cannot be reached, the playbook is wrong or time is up.
    On Ctrl-C Ansible is stopped before the KeyboardInterrupt goes on its way.
    """
    argv = [sys.executable, "-m", "ansible.cli.playbook", f"--inventory={inventory}", str(playbook)]
    argv += [f"--limit={limit}"] if limit else []
    argv += [f"--skip-tags={skip_tags}"] if skip_tags else []
    argv += ["--check", "--diff"] if check else []
    log.parent.mkdir(parents=True, exist_ok=True)
    heard: list[Event] = []
    deadline = time.monotonic() + timeout
    with log.open("wb") as output, _started(argv, playbook.parent, output, environment or {}) as ansible:
        watchdog = threading.Timer(timeout, _stop, [ansible.process])
        watchdog.start()
        try:
            for line in ansible.events:
                heard.append(decode(line))
                on_event(heard[-1])
            code = ansible.process.wait()
        finally:
            watchdog.cancel()
    if time.monotonic() > deadline:
        raise PlayError(f"{playbook.name} took longer than {timeout:g} s", log=log)
    return _verdict(playbook, code, heard, log)


@dataclass(frozen=True, slots=True)
class _Ansible:
    process: subprocess.Popen[bytes]
    events: IO[bytes]


@contextmanager
def _started(
    argv: Sequence[str], directory: Path, output: IO[bytes], environment: Mapping[str, str]
) -> Iterator[_Ansible]:
    """Start Ansible with a pipe for its events; it does not outlive the context."""
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb") as events:
        try:
            process = subprocess.Popen(
                argv,
                cwd=directory,
                env={**os.environ, **_environment(directory, write_end), **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[write_end],
                start_new_session=True,  # Ctrl-C reaches this process alone, which stops Ansible in its own way
            )
        finally:
            os.close(write_end)
        try:
            yield _Ansible(process, events)
        finally:
            _stop(process)


def _environment(directory: Path, descriptor: int) -> dict[str, str]:
    variables = {
        "LAB_EVENT_FD": str(descriptor),
        "ANSIBLE_CALLBACK_PLUGINS": str(CALLBACKS),
        "ANSIBLE_CALLBACKS_ENABLED": "lab_events",
        "ANSIBLE_STDOUT_CALLBACK": "default",
        "ANSIBLE_NOCOLOR": "1",
        "LC_ALL": "C.UTF-8",  # Ansible refuses any other encoding
        # the plugins load this very package
        "PYTHONPATH": os.pathsep.join(filter(None, [str(PACKAGES), os.environ.get("PYTHONPATH")])),
    }
    config = directory / "ansible.cfg"
    if config.exists():  # named, because Ansible ignores one in a directory that others may write to
        variables["ANSIBLE_CONFIG"] = str(config)
    return variables


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End Ansible and everything it started: politely, then not."""
    for number in (signal.SIGINT, signal.SIGKILL):
        if process.poll() is not None:
            return
        os.killpg(process.pid, number)
        try:
            process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            continue


def _verdict(playbook: Path, code: int, heard: Sequence[Event], log: Path) -> PlayResult:
    failures = tuple(
        event
        for event in heard
        if isinstance(event, Result) and event.outcome in {Outcome.FAILED, Outcome.UNREACHABLE}
    )
    stats = next((event for event in heard if isinstance(event, Stats)), None)
    if code == 0 and stats is not None:
        return PlayResult(hosts=stats.hosts)
    if not failures:
        said = "\n".join(log.read_text(errors="replace").strip().splitlines()[-LOG_LINES:])
        raise PlayError(f"{playbook.name} did not run to its end ({code}):\n{said}", log=log)
    raise PlayError("\n".join(_described(failure) for failure in failures), log=log, failures=failures)


def _described(failure: Result) -> str:
    verb = "cannot be reached for" if failure.outcome is Outcome.UNREACHABLE else "failed at"
    return f"{failure.host} {verb} “{failure.task}”: {failure.message or 'no reason given'}"
