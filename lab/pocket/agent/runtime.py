"""Containers, through crun: root file systems, processes, their ends.

The agent is the subreaper of the containers' first processes, so that it learns how they end; a pidfd tells when.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import shutil
import signal
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Never

import orjson

from lab.kits.shell import CommandError, run
from lab.kube.resources import Json
from lab.pocket.agent.errors import ContainerError
from lab.pocket.agent.images import Image

PR_SET_CHILD_SUBREAPER: Final = 36
START_TIMEOUT: Final = 30.0
STREAMS: Final = ("stdout", "stderr")
REAP: Final = 30.0
"""Seconds between looks for dead children that nobody waits for."""


@dataclass(frozen=True, slots=True)
class Stdio:
    """Our ends of a container's streams, as file descriptors. With a terminal all three are its master."""

    stdin: int | None
    stdout: int
    stderr: int | None


@dataclass(frozen=True, slots=True)
class Process:
    """A container's first process."""

    pid: int
    stdio: Stdio


class Runtime:
    """crun with its state in a directory of ours."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._global = ["crun", f"--root={state}", "--cgroup-manager=cgroupfs"]

    def become_subreaper(self) -> None:
        """Make orphaned processes below this one its children; raises OSError."""
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")

    async def start(self, container: str, bundle: Path, spec: Json, *, stdin: bool) -> Process:
        """Create and start a container; raises ContainerError with what crun said."""
        (bundle / "config.json").write_bytes(orjson.dumps(spec))
        if spec["process"]["terminal"]:
            return await self._start_terminal(container, bundle)
        outside, inside = make_streams(bundle, spec["process"]["user"]["uid"])
        feed = os.pipe() if stdin else None
        try:
            source = feed[0] if feed else asyncio.subprocess.DEVNULL
            await self._crun_run(container, bundle, [], stdin=source, stdout=inside[0], stderr=inside[1])
        except BaseException:
            for each in (*outside, *(feed[1:] if feed else ())):
                os.close(each)
            raise
        finally:
            for each in (*inside, *(feed[:1] if feed else ())):
                os.close(each)
        stdio = Stdio(feed[1] if feed else None, *outside)
        return Process(int((bundle / "pid").read_text()), stdio)

    async def _start_terminal(self, container: str, bundle: Path) -> Process:
        path = self._state.parent / f"{os.urandom(6).hex()}.tty"
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
            server.bind(str(path))
            server.listen(1)
            server.settimeout(START_TIMEOUT)
            try:
                nowhere = asyncio.subprocess.DEVNULL
                options = [f"--console-socket={path}"]
                await self._crun_run(
                    container, bundle, options, stdin=nowhere, stdout=nowhere, stderr=nowhere
                )
                master = await asyncio.to_thread(_receive_descriptor, server)
            finally:
                path.unlink()
        return Process(int((bundle / "pid").read_text()), Stdio(master, master, None))

    async def _crun_run(
        self, container: str, bundle: Path, options: Sequence[str], *, stdin: int, stdout: int, stderr: int
    ) -> None:
        said = bundle / "crun.log"
        argv = [
            *self._global, f"--log={said}", "run", "--detach", "--no-new-keyring", f"--bundle={bundle}",
            f"--pid-file={bundle / 'pid'}", *options, container,
        ]  # fmt: skip
        process = await asyncio.create_subprocess_exec(*argv, stdin=stdin, stdout=stdout, stderr=stderr)
        async with asyncio.timeout(START_TIMEOUT):
            code = await process.wait()
        if code:
            lines = said.read_text().strip().splitlines() if said.exists() else []
            raise ContainerError(
                f"failed to create the container: {lines[-1] if lines else f'crun returned {code}'}"
            )

    async def wait(self, pid: int) -> int:
        """Return how a process ended: its exit code, or 128 + the signal's number."""
        descriptor = os.pidfd_open(pid)
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(descriptor, ended.set)
        try:
            await ended.wait()
            return _exit_code(descriptor)
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)

    async def kill(self, container: str, name: str) -> None:
        """Send a signal to a container's first process, which may be gone."""
        await self._quietly("kill", container, name)

    async def delete(self, container: str) -> None:
        """Forget a container, killing what is left of it."""
        await self._quietly("delete", "--force", container)

    def exec_command(self, container: str, command: Sequence[str], *, tty: bool = False) -> list[str]:
        """Return what to execute for a further process in a container."""
        return [*self._global, "exec", *(["--tty"] if tty else []), container, *command]

    async def reap_forever(self) -> Never:
        """Bury the strays that a subreaper inherits: processes of exec whose client left.

        Children that someone waits for are gone by the second look.
        """
        before: set[int] = set()
        while True:
            await asyncio.sleep(REAP)
            dead = _dead_children()
            _bury(dead & before)
            before = dead

    def containers(self) -> list[str]:
        """Return the ids of all containers that crun knows."""
        found = orjson.loads(run([*self._global, "list", "--format=json"]) or "[]")
        return [each["id"] for each in found or ()]

    async def _quietly(self, *arguments: str) -> None:
        process = await asyncio.create_subprocess_exec(
            *self._global, *arguments, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
        async with asyncio.timeout(START_TIMEOUT):
            await process.wait()


def _dead_children() -> set[int]:
    """Return the children of this process that have ended and that nobody has waited for."""
    found = set()
    for path in Path("/proc/self/task").glob("*/children"):
        for pid in path.read_text().split():
            stat = Path("/proc", pid, "stat")
            with suppress(OSError):
                if stat.read_text().rpartition(")")[2].split()[0] == "Z":
                    found.add(int(pid))
    return found


def _bury(children: set[int]) -> None:
    for pid in children:
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def _exit_code(pidfd: int) -> int:
    """Return how a process that has ended did so; 255 when someone else was told."""
    try:
        result = os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOHANG)
    except ChildProcessError:
        return 255
    if result is None:
        return 255
    return result.si_status if result.si_code == os.CLD_EXITED else 128 + result.si_status


def signal_name(text: str) -> str:
    """Return a signal as crun takes it, from `SIGQUIT`, `QUIT`, `3` or nothing, which is SIGTERM."""
    if text.isdecimal():
        return signal.Signals(int(text)).name
    return text if not text or text.startswith("SIG") else f"SIG{text}"


def make_streams(bundle: Path, owner: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Make named pipes for a container's output; return our ends of stdout and stderr, then the container's.

    The container's ends can be read too, so that it may write on while no agent listens, and the next one can open
    the pipes again.
    """
    for name in STREAMS:
        os.mkfifo(bundle / name, 0o600)
        os.chown(bundle / name, owner, -1)
    outside = open_streams(bundle)
    stdout, stderr = (os.open(bundle / name, os.O_RDWR) for name in STREAMS)
    return outside, (stdout, stderr)


def open_streams(bundle: Path) -> tuple[int, int]:
    """Return our ends of a container's stdout and stderr; raises OSError."""
    stdout, stderr = (os.open(bundle / name, os.O_RDONLY | os.O_NONBLOCK) for name in STREAMS)
    return stdout, stderr


def birth(pid: int) -> str:
    """Return when a process was started, in the kernel's ticks: with its number, its identity. Empty if it is gone."""
    with suppress(OSError):
        return Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[19]
    return ""


def _receive_descriptor(server: socket.socket) -> int:
    connection, _ = server.accept()
    with connection:
        _, descriptors, _, _ = socket.recv_fds(connection, 4096, 1)
        return descriptors[0]


def mount_root(image: Image, directory: Path) -> Path:
    """Mount a fresh root file system of an image under `directory` and return where; raises ContainerError."""
    root = directory / "rootfs"
    try:
        _overlay(root, image.layers, directory / "root")
        if image.over_machine:
            _overlay(root / "usr", (image.over_machine, Path("/usr")), directory / "usr")
    except CommandError as error:
        raise ContainerError(f"failed to mount the image: {error.message}") from error
    return root


def unmount_root(directory: Path) -> None:
    """Undo `mount_root` as far as it came."""
    for path in (directory / "rootfs/usr", directory / "rootfs"):
        if path.is_mount():
            run(["umount", "--lazy", str(path)])


async def discard(runtime: Runtime, place: Path, container: str) -> None:
    """Remove what is left of a run: the container, its file system, its files."""
    await runtime.delete(container)
    await asyncio.to_thread(unmount_root, place)
    await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)


def _overlay(target: Path, layers: Sequence[Path], own: Path) -> None:
    for each in (target, own / "upper", own / "work"):
        each.mkdir(parents=True, exist_ok=True)
    lower = ":".join(map(str, layers))
    options = f"lowerdir={lower},upperdir={own / 'upper'},workdir={own / 'work'}"
    run(["mount", "-t", "overlay", "overlay", "-o", options, str(target)])
