"""Two network namespaces on one cable: a router's and a node's, and processes in them."""

from __future__ import annotations

import contextlib
import json
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

T = TypeVar("T")
ROUTER: Final = {"4": "10.0.0.1", "6": "fd00:10::1"}
NODE: Final = {"4": "10.0.0.51", "6": "fd00:10::51"}
PATIENCE: Final = 20.0
_MOUNT: Final = """
set -e
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2,workdir=$3" "$4"
mount -t proc proc "$4/proc"
mount --rbind /dev "$4/dev"
tree=$4
shift 4
exec chroot "$tree" "$@"
"""


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=10)


@dataclass(frozen=True)
class Cable:
    router: str
    node: str


@contextlib.contextmanager
def cable(name: str) -> Iterator[Cable]:
    """Make both namespaces and the cable; leave nothing behind."""
    ends = Cable(f"{name}-router", f"{name}-node")
    try:
        for namespace in (ends.router, ends.node):
            ip("netns", "add", namespace)
            ip("-n", namespace, "link", "set", "lo", "up")
        ip(
            "-n",
            ends.router,
            "link",
            "add",
            "eth0",
            "type",
            "veth",
            "peer",
            "name",
            "eth0",
            "netns",
            ends.node,
        )
        for namespace, addresses in ((ends.router, ROUTER), (ends.node, NODE)):
            ip("-n", namespace, "address", "add", addresses["4"] + "/24", "dev", "eth0")
            ip("-n", namespace, "address", "add", addresses["6"] + "/64", "dev", "eth0", "nodad")
            ip("-n", namespace, "link", "set", "eth0", "up")
        yield ends
    finally:
        for namespace in (ends.router, ends.node):
            subprocess.run(["ip", "netns", "delete", namespace], check=False, capture_output=True, timeout=10)


def wait_until(fact: Callable[[], T], *, what: str, seconds: float = PATIENCE) -> T:
    """Ask until the answer is true, and return it."""
    deadline = time.monotonic() + seconds
    while not (answer := fact()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds:g} s")
        time.sleep(0.1)
    return answer


class Container:
    """A process in a namespace and a root of its own; everything in it dies with it."""

    def __init__(self, stack: tuple[Path, ...], work: Path, namespace: str) -> None:
        self._stack = stack
        self._work = work
        self._namespace = namespace
        self._process: subprocess.Popen[bytes] | None = None
        for name in ("upper", "work", "merged"):
            (work / name).mkdir()

    @property
    def files(self) -> Path:
        """What the process finds changed in its root, and what it changes."""
        return self._work / "upper"

    @property
    def output(self) -> str:
        return (self._work / "output").read_text(errors="replace")

    def write(self, path: str, text: str, *, mode: int = 0o644) -> None:
        target = self.files / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(mode)

    def start(self, argv: list[str]) -> None:
        below = ":".join(map(str, self._stack))
        places = [below, str(self.files), str(self._work / "work"), str(self._work / "merged")]
        isolated = ["unshare", "--mount", "--pid", "--fork", "--kill-child=SIGKILL"]
        with (self._work / "output").open("ab") as output:
            self._process = subprocess.Popen(
                [
                    "ip",
                    "netns",
                    "exec",
                    self._namespace,
                    *isolated,
                    "sh",
                    "-c",
                    _MOUNT,
                    "start",
                    *places,
                    *argv,
                ],
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )

    def run(self, *argv: str) -> str:
        """Run a program beside the process; its output, also when it fails."""
        child = self._child()
        if not child:
            return ""
        inside = ["nsenter", f"--target={child}", "--mount", "--net", "--pid", "--root", "--wdns=/"]
        done = subprocess.run([*inside, *argv], check=False, capture_output=True, text=True, timeout=10)
        return done.stdout

    def signal(self, number: signal.Signals) -> None:
        """Signal every process of the container."""
        name = number.name.removeprefix("SIG")
        self.run("sh", "-c", f"kill -{name} -1")  # inside its PID namespace, where -1 spares the first
        subprocess.run(["kill", f"-{name}", self._child()], check=True, timeout=10)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=10)

    def _child(self) -> str:
        if self._process is None:
            return ""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        return children.read_text().strip() if children.exists() else ""


class Node:
    """`tests.interop.speaker` in the node's namespace."""

    def __init__(self, namespace: str, wishes: dict[str, Any]) -> None:
        self._process = subprocess.Popen(
            ["ip", "netns", "exec", namespace, sys.executable, "-m", "tests.interop.speaker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._heard: queue.Queue[dict[str, Any]] = queue.Queue()
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()
        self._say(wishes)

    def announce(self, routes: dict[str, dict[str, Any]]) -> None:
        self._say({"do": "announce", "routes": routes})

    def drain(self) -> None:
        self._say({"do": "drain"})

    def stop(self, text: str = "") -> None:
        self._say({"do": "stop", "text": text})
        self._process.wait(timeout=10)

    def freeze(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def wait_event(self, event: str, *, seconds: float = PATIENCE, **fields: Any) -> dict[str, Any]:
        """Return the next event of that name with those fields; earlier ones are passed over."""
        deadline = time.monotonic() + seconds
        passed: list[dict[str, Any]] = []
        while True:
            try:
                heard = self._heard.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no {event} {fields} within {seconds:g} s, but {passed}") from None
            if heard["event"] == event and all(heard[name] == value for name, value in fields.items()):
                return heard
            passed.append(heard)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(timeout=10)
        self._reader.join(timeout=10)
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()

    def _say(self, message: dict[str, Any]) -> None:
        if self._process.stdin is None:
            raise RuntimeError("the speaker has no standard input")
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()

    def _listen(self) -> None:
        for line in self._process.stdout or ():
            self._heard.put(json.loads(line))
