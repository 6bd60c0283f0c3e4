"""A pocket server as a process of its own, which can be killed at any instant."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from lab.pocket import pki

READY_SECONDS = 20


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class PocketProcess:
    """One data directory on one port; start, stop and kill as often as wanted."""

    def __init__(self, data: Path, *, port: int = 0, arguments: Sequence[str] = ()) -> None:
        self.data = data
        self.port = port or free_port()
        self.kubeconfig = data / "admin.kubeconfig"
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> float:
        """Start the server; returns the seconds until it answered."""
        command = [sys.executable, "-m", "lab.pocket", "server", "--data", str(self.data)]
        command += ["--listen", f"127.0.0.1:{self.port}", *self._arguments]
        self.data.mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        with (self.data / "server.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() - began > READY_SECONDS:
                raise RuntimeError((self.data / "server.log").read_text())
            time.sleep(0.005)
        return time.monotonic() - began

    def kill(self) -> None:
        """End the process as a power cut would, or an impatient kernel."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def resident_mib(self) -> float:
        status = Path(f"/proc/{self.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024

    def admin(self) -> ssl.SSLContext:
        """Return the client side of TLS with the administrator's certificate."""
        authority = pki.load_or_create_authority(self.data / "pki")
        identity = pki.client_certificate(authority, "admin", ("system:masters",))
        pair = pki.write_identity(self.data / "client", "admin", identity)
        context = ssl.create_default_context(cafile=str(self.data / "pki" / "ca.crt"))
        context.load_cert_chain(*pair)
        return context

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            os.kill(self._process.pid, number)
            self._process.wait(timeout=READY_SECONDS)
            self._process = None

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=0.2):
                return self.kubeconfig.exists()
        except OSError:
            return False
