"""Run as the first process of new mount, network, PID, IPC and UTS namespaces: LAB-NAME PROJECT-DIRECTORY."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import sys

from lab.machines.containers import cgroups
from lab.machines.containers.paths import RunPaths
from lab.machines.containers.supervisor.rootfs import prepare
from lab.machines.containers.supervisor.server import LONGEST_REQUEST, Supervisor


async def serve(supervisor: Supervisor, paths: RunPaths) -> None:
    asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, supervisor.reap)
    paths.control.unlink(missing_ok=True)
    server = await asyncio.start_unix_server(supervisor.answer, paths.control, limit=LONGEST_REQUEST)
    paths.control.chmod(0o600)
    supervisor.write_state()
    await server.serve_forever()


def main() -> None:
    name, project = sys.argv[1:]
    paths = RunPaths(name)
    lock = os.open(paths.supervisor_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"lab {name} has a supervisor already")
    host_pid = int(os.readlink("/proc/self"))  # noqa: PTH115  # still the host's /proc, which tells the host's PID
    cgroups.join(name, "supervisor")
    prepare(paths.filesystems, paths.host_proc)
    asyncio.run(serve(Supervisor(paths=paths, project=project, host_pid=host_pid), paths))


main()
