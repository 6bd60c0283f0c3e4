"""What kube-apiserver's admission adds to a new pod, and the class of service that follows from its resources."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from lab.pocket.api import quantity

__all__ = ["add_priority", "add_service_account_token", "add_tolerations", "qos_class"]

Object = dict[str, Any]
_TOLERATED_SECONDS = 300
_COUNTED = ("cpu", "memory")
TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105  # a path that every client knows


def add_priority(pod: Object, *, value: int = 0, preemption_policy: str = "PreemptLowerPriority") -> None:
    """Write a new pod's priority, that of its class (admission plug-in Priority)."""
    pod["spec"]["priority"] = value
    pod["spec"]["preemptionPolicy"] = preemption_policy


def add_tolerations(pod: Object) -> None:
    """Let a new pod stay for five minutes on a node that is lost (admission plug-in DefaultTolerationSeconds)."""
    tolerations = pod["spec"].get("tolerations", [])
    for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"):
        if not any(_tolerates(toleration, key) for toleration in tolerations):
            added = {
                "key": key,
                "operator": "Exists",
                "effect": "NoExecute",
                "tolerationSeconds": _TOLERATED_SECONDS,
            }
            tolerations = [*tolerations, added]
    pod["spec"]["tolerations"] = tolerations


def _tolerates(toleration: Object, key: str) -> bool:
    return toleration.get("key", "") in {"", key} and toleration.get("effect", "") in {"", "NoExecute"}


def add_service_account_token(pod: Object, suffix: str) -> None:
    """Name the service account `default` where none is named, and mount its token (admission plug-in ServiceAccount).

    `suffix`, five random letters, ends the volume's name. A pod that mounts something at the path itself keeps it.
    """
    spec = pod["spec"]
    name = spec.get("serviceAccountName") or "default"
    spec["serviceAccountName"] = spec["serviceAccount"] = name
    if spec.get("automountServiceAccountToken") is False:
        return
    volume = f"kube-api-access-{suffix}"
    mount = {"name": volume, "readOnly": True, "mountPath": TOKEN_PATH}
    lacking = [
        container
        for container in [*spec.get("initContainers", ()), *(spec.get("containers") or ())]
        if not any(have.get("mountPath") == TOKEN_PATH for have in container.get("volumeMounts", ()))
    ]
    for container in lacking:
        container.setdefault("volumeMounts", []).append(dict(mount))
    if lacking:
        spec.setdefault("volumes", []).append({"name": volume, "projected": _token_sources()})


def _token_sources() -> Object:
    namespace = {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
    return {
        "sources": [
            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [namespace]}},
        ],
        "defaultMode": 0o644,
    }


def qos_class(pod: Object) -> str:
    """Return Guaranteed, Burstable or BestEffort, from the cpu and memory of all containers."""
    spec = pod["spec"]
    containers = [
        container.get("resources", {})
        for container in [*(spec.get("containers") or ()), *spec.get("initContainers", ())]
    ]
    pairs = [(_amounts(one, "requests"), _amounts(one, "limits")) for one in containers]
    if not any(requests or limits for requests, limits in pairs):
        return "BestEffort"
    same = all(len(limits) == len(_COUNTED) and limits == requests for requests, limits in pairs)
    return "Guaranteed" if same else "Burstable"


def _amounts(resources: Object, which: str) -> dict[str, Decimal]:
    """Return what is asked for of cpu and memory; zero asks for nothing."""
    found = {
        name: quantity.parse(value) for name, value in resources.get(which, {}).items() if name in _COUNTED
    }
    return {name: amount for name, amount in found.items() if amount}
