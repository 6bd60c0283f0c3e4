"""As whom a container runs: from its security context, else from its image and the image's /etc/passwd."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from lab.kube.resources import Json
from lab.pocket.agent.errors import ConfigError

DEFAULT_CAPABILITIES: Final = frozenset({
    "CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL",
    "CAP_NET_BIND_SERVICE", "CAP_NET_RAW", "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT",
})  # fmt: skip
"""What containerd leaves to a container, less CAP_MKNOD: there are no device rules that would bound it."""


@dataclass(frozen=True, slots=True)
class Identity:
    """User, group and further groups of a process, by number."""

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()


def security(pod: Json, container: Json) -> Mapping[str, Any]:
    """Return the container's security context over the pod's."""
    own: Mapping[str, Any] = container.get("securityContext") or {}
    return {**(pod["spec"].get("securityContext") or {}), **own}


def identity(pod: Json, container: Json, *, image_user: str, passwd: str, group: str) -> Identity:
    """Return as whom to run; raises ConfigError when the image has no such user, or root is not allowed."""
    context = security(pod, container)
    uid, gid = _image_identity(image_user, passwd, group)
    uid = context.get("runAsUser", uid)
    gid = context.get("runAsGroup", _primary_group(uid, passwd) if "runAsUser" in context else gid)
    if context.get("runAsNonRoot") and uid == 0:
        raise ConfigError("container has runAsNonRoot and image will run as root")
    groups = [*(context.get("supplementalGroups") or ()), *_groups_of(uid, passwd, group)]
    if context.get("fsGroup") is not None:
        groups.append(context["fsGroup"])
    return Identity(uid, gid, tuple(dict.fromkeys(groups)))


def _image_identity(text: str, passwd: str, group: str) -> tuple[int, int]:
    if not text:
        return 0, 0
    user, colon, own_group = text.partition(":")
    uid = int(user) if user.isdecimal() else _lookup(user, passwd, 2)
    if not colon:
        return uid, _primary_group(uid, passwd)
    return uid, int(own_group) if own_group.isdecimal() else _lookup(own_group, group, 2)


def _lookup(name: str, table: str, column: int) -> int:
    for line in table.splitlines():
        fields = line.split(":")
        if fields[0] == name and len(fields) > column:
            return int(fields[column])
    raise ConfigError(f"unable to find user or group {name}: no matching entries in the image's files")


def _primary_group(uid: int, passwd: str) -> int:
    rows = (line.split(":") for line in passwd.splitlines())
    return next((int(row[3]) for row in rows if len(row) > 3 and row[2] == str(uid)), 0)


def _groups_of(uid: int, passwd: str, group: str) -> list[int]:
    rows = (line.split(":") for line in passwd.splitlines())
    name = next((row[0] for row in rows if len(row) > 2 and row[2] == str(uid)), None)
    members = (line.split(":") for line in group.splitlines())
    return [int(row[2]) for row in members if len(row) > 3 and name in row[3].split(",")]


def capabilities(context: Mapping[str, Any], available: frozenset[str]) -> frozenset[str]:
    """Return what a container may do. A privileged one may do what the machine may."""
    if context.get("privileged"):
        return available
    change: Mapping[str, list[str]] = context.get("capabilities") or {}
    added, dropped = ({_capability(each) for each in change.get(kind) or ()} for kind in ("add", "drop"))
    base = frozenset[str]() if "CAP_ALL" in dropped else DEFAULT_CAPABILITIES - dropped
    return (available if "CAP_ALL" in added else base | added) & available


def _capability(name: str) -> str:
    upper = name.upper()
    return upper if upper.startswith("CAP_") else f"CAP_{upper}"
