"""Image archives into the stores of the cluster's nodes, whichever kind of node they are."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from lab.actions.cluster import nodes
from lab.actions.steps import Context
from lab.errors import HostError, MachineError
from lab.kits.shell import run
from lab.topology.model import Machine

PROGRAMS: Final = "/usr/lib/lab"
TIMEOUT: Final = 600.0
LOAD: Final = f"""\
file=$(mktemp) && trap 'rm -f "$file"' EXIT && cat > "$file" || exit
if [ -d {PROGRAMS}/lab ]; then
    PYTHONPATH={PROGRAMS} python3 -m lab.pocket image load "$file"
else
    ctr --namespace k8s.io images import "$file"
fi
"""
"""On a node of the embedded Kubernetes its own store, on one with kubelet that of containerd."""
LIST: Final = f"""\
if [ -d {PROGRAMS}/lab ]; then
    PYTHONPATH={PROGRAMS} python3 -m lab.pocket image list
else
    ctr --namespace k8s.io images list --quiet
fi
"""


def load_images(context: Context, archive: Path) -> Sequence[str]:
    """Load an OCI or docker archive on every node; return the names of its images.

    Raises HostError when the archive cannot be read and MachineError with what a node said against it.
    """
    try:
        content = archive.read_bytes()
    except OSError as error:
        raise HostError(f"cannot read {archive}: {error.strerror}") from error
    with ThreadPoolExecutor(max_workers=4) as pool:
        said = list(pool.map(lambda node: _on(context, node, LOAD, content), nodes(context)))
    return said[0].split("\n") if said[0] else []


def list_images(context: Context) -> dict[str, list[str]]:
    """Return the names of the images that were loaded, by node."""
    return {node.name: _on(context, node, LIST, b"").split() for node in nodes(context)}


def pull_image(context: Context, reference: str) -> Sequence[str]:
    """Fetch an image with skopeo and load it on every node; raises HostError without skopeo or a network."""
    if not shutil.which("skopeo"):
        raise HostError(
            "skopeo is not installed", hint="apt install skopeo, or give an archive to lab image load"
        )
    with tempfile.TemporaryDirectory() as directory:
        archive = Path(directory) / "image.tar"
        run(
            ["skopeo", "copy", f"docker://{reference}", f"docker-archive:{archive}:{reference}"],
            timeout=TIMEOUT,
        )
        return load_images(context, archive)


def _on(context: Context, node: Machine, script: str, content: bytes) -> str:
    enter = context.enter(node.name, "sh", "-c", script)
    done = subprocess.run(enter, input=content, capture_output=True, timeout=TIMEOUT, check=False)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip() or f"exit code {done.returncode}"
        raise MachineError(f"{node.name}: {said}", hint=f"lab status, then lab logs {node.name}")
    return done.stdout.decode(errors="replace").strip()
