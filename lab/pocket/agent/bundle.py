"""One container as an OCI runtime configuration (https://github.com/opencontainers/runtime-spec). Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lab.kube.resources import Json
from lab.pocket.agent.identity import Identity, capabilities, security

MASKED: Final = (
    "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi",
    "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware",
)  # fmt: skip
READ_ONLY: Final = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
SHARED_MEMORY: Final = "/dev/shm"  # noqa: S108 -- the container's own
PLAIN: Final = ("nosuid", "noexec", "nodev")


@dataclass(frozen=True, slots=True)
class Mount:
    """A directory or file of the node inside the container."""

    source: str
    target: str
    read_only: bool = False
    propagation: str = "rprivate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything about one container that has been decided before."""

    arguments: Sequence[str]
    variables: Mapping[str, str]
    identity: Identity
    directory: str
    hostname: str
    namespace: str
    """Path of the pod's network namespace; empty for that of the node."""
    mounts: Sequence[Mount]
    available: frozenset[str]
    """Capabilities that the node itself has."""
    controllers: frozenset[str]
    """Controllers of control groups that can be used on the node; limits of others are not enforced."""
    cgroup: str


def runtime_spec(pod: Json, container: Json, plan: Plan) -> Json:
    """Return config.json of the container's bundle, whose root file system is `rootfs`."""
    context = security(pod, container)
    privileged = bool(context.get("privileged"))
    allowed = sorted(capabilities(context, plan.available))
    user = plan.identity
    return {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": bool(container.get("tty")),
            "user": {"uid": user.uid, "gid": user.gid, "additionalGids": list(user.groups)},
            "args": list(plan.arguments),
            "env": [f"{name}={value}" for name, value in plan.variables.items()],
            "cwd": container.get("workingDir") or plan.directory or "/",
            "capabilities": dict.fromkeys(("bounding", "effective", "permitted"), allowed),
            "noNewPrivileges": context.get("allowPrivilegeEscalation") is False,
        },
        "root": {"path": "rootfs", "readonly": bool(context.get("readOnlyRootFilesystem"))},
        # A name needs a UTS namespace of its own, and that comes with the network.
        **({"hostname": plan.hostname} if plan.namespace else {}),
        "mounts": [*_system_mounts(pod, privileged=privileged), *map(_bind, plan.mounts)],
        "linux": _linux(pod, container, plan, privileged=privileged),
    }


def _bind(mount: Mount) -> Json:
    options = ["rbind", mount.propagation, "ro" if mount.read_only else "rw"]
    return {"destination": mount.target, "type": "bind", "source": mount.source, "options": options}


def _system_mounts(pod: Json, *, privileged: bool) -> list[Json]:
    access = "rw" if privileged else "ro"
    devices: list[Json] = [
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
        {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
    ]  # fmt: skip
    if privileged:
        devices = [{"destination": "/dev", "type": "bind", "source": "/dev", "options": ["rbind", "rw"]}]
    return [
        {"destination": "/proc", "type": "proc", "source": "proc", "options": list(PLAIN)},
        *devices,
        {"destination": SHARED_MEMORY, "type": "tmpfs", "source": "shm", "options": [*PLAIN, "mode=1777"]},
        {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": list(PLAIN)},
        # A namespace that is not ours to own has no sysfs of its own to mount.
        {"destination": "/sys", "type": "bind", "source": "/sys", "options": ["rbind", "ro"]}
        if pod["spec"].get("hostNetwork")
        else {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": [*PLAIN, access]},
    ]


def _linux(pod: Json, container: Json, plan: Plan, *, privileged: bool) -> Json:
    spec = pod["spec"]
    namespaces: list[Json] = [{"type": "mount"}]
    namespaces += [] if spec.get("hostPID") else [{"type": "pid"}]
    namespaces += [] if spec.get("hostIPC") else [{"type": "ipc"}]
    # The name of the host is the node's with its network.
    namespaces += [{"type": "network", "path": plan.namespace}, {"type": "uts"}] if plan.namespace else []
    sysctls = (spec.get("securityContext") or {}).get("sysctls") or ()
    return {
        "namespaces": namespaces,
        "cgroupsPath": plan.cgroup,
        "resources": _resources(container, plan.controllers),
        "sysctl": {each["name"]: each["value"] for each in sysctls},
        "maskedPaths": [] if privileged else list(MASKED),
        "readonlyPaths": [] if privileged else list(READ_ONLY),
    }


def _resources(container: Json, controllers: frozenset[str]) -> Json:
    limits: Mapping[str, Any] = (container.get("resources") or {}).get("limits") or {}
    found: Json = {}  # no device rules: machine containers may not load the BPF program that these need
    if "memory" in controllers and "memory" in limits:
        found["memory"] = {"limit": int(amount(limits["memory"]))}
    if "cpu" in controllers and "cpu" in limits:
        found["cpu"] = {"quota": int(amount(limits["cpu"]) * 100_000), "period": 100_000}
    return found


def amount(quantity: str | float) -> float:
    """Return the value of a Quantity."""
    text = str(quantity)
    for suffix, factor in SUFFIXES.items():
        if text.endswith(suffix):
            return float(text.removesuffix(suffix)) * factor
    return float(text)


SUFFIXES: Final = {
    "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40,
    "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12,
}  # fmt: skip
