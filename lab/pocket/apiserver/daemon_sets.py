"""The count of a DaemonSet's templates, which Kubernetes keeps in an annotation since the field for it went.

Source: `deprecated.daemonset.template.generation` of apps/v1 (registry/apps/daemonset, conversion of apps/v1).
"""

from __future__ import annotations

from lab.pocket.apiserver.state import Call
from lab.pocket.store import Object

ANNOTATION = "deprecated.daemonset.template.generation"
MOST = 18  # digits of an int64


def begin(_call: Call, daemon_set: Object) -> None:
    """Count a new DaemonSet's template as the first, unless the client says which one it is."""
    _write(daemon_set, max(_count(daemon_set), 1))


def count_template(_call: Call, new: Object, old: Object) -> None:
    """Count a changed template; what the client says of it does not matter."""
    _write(new, max(_count(old), 1) + (new["spec"]["template"] != old["spec"]["template"]))


def _count(daemon_set: Object) -> int:
    text = daemon_set["metadata"].get("annotations", {}).get(ANNOTATION, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < MOST else 0


def _write(daemon_set: Object, count: int) -> None:
    metadata = daemon_set["metadata"]
    metadata["annotations"] = {**metadata.get("annotations", {}), ANNOTATION: str(count)}
