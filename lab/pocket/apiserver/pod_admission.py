"""What a pod gets on its way in, beside its defaults: an account and its token, tolerations, a priority, a QoS class.

Kubernetes: the admission plugins ServiceAccount, DefaultTolerationSeconds and Priority, and `GetPodQOS`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from lab.pocket.api import quantity
from lab.pocket.apiserver import metadata
from lab.pocket.apiserver.errors import forbidden
from lab.pocket.apiserver.state import Call, shared
from lab.pocket.store import Key, Object

ROOT_CA = "kube-root-ca.crt"
TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105  where it is, not what it is
TOKEN_SECONDS = 3607
TOLERATION_SECONDS = 300
PRIORITIES = {"": 0, "system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
MEASURED = ("cpu", "memory")


def admit(call: Call, pod: Object) -> None:
    """Complete a new pod.

    Raises:
        StatusError: 403, when its ServiceAccount or its priority class is not there.

    """
    spec = pod["spec"]
    _tolerate_lost_nodes(spec)
    _set_priority(call, spec)
    _set_account(call, spec)
    pod["status"] = {"phase": "Pending", "qosClass": qos_class(spec)}


def qos_class(spec: Object) -> str:
    """Return Guaranteed, Burstable or BestEffort, as the containers' requests and limits say."""
    every = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    limits = [_amounts(container, "limits") for container in every]
    requests = [_amounts(container, "requests") for container in every]
    if not any(limits) and not any(requests):
        return "BestEffort"
    equal = all(request == limit for request, limit in zip(requests, limits, strict=True))
    complete = all(set(limit) == set(MEASURED) for limit in limits)
    return "Guaranteed" if equal and complete else "Burstable"


def _amounts(container: Object, key: str) -> dict[str, Any]:
    given = (container.get("resources") or {}).get(key) or {}
    amounts = {name: quantity.parse(given[name]) for name in MEASURED if name in given}
    return {name: amount for name, amount in amounts.items() if amount}


def _tolerate_lost_nodes(spec: Object) -> None:
    tolerations = spec.setdefault("tolerations", [])
    for condition in ("not-ready", "unreachable"):
        key = f"node.kubernetes.io/{condition}"
        if not any(_tolerates(toleration, key) for toleration in tolerations):
            toleration = {"key": key, "operator": "Exists", "effect": "NoExecute"}
            tolerations.append({**toleration, "tolerationSeconds": TOLERATION_SECONDS})


def _tolerates(toleration: Object, key: str) -> bool:
    return toleration.get("key", "") in {"", key} and toleration.get("effect", "") in {"", "NoExecute"}


def _set_priority(call: Call, spec: Object) -> None:
    name = spec.get("priorityClassName", "")
    if name not in PRIORITIES:
        raise forbidden(call.about, f"no PriorityClass with name {name} was found")
    spec["priority"] = PRIORITIES[name]
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")


def _set_account(call: Call, spec: Object) -> None:
    name: str = spec.get("serviceAccountName") or spec.get("serviceAccount") or "default"
    spec["serviceAccountName"] = spec["serviceAccount"] = name
    row = call.store.latest(Key("serviceaccounts", call.info.namespace, name))
    if row is None:
        why = f'error looking up service account {call.info.namespace}/{name}: serviceaccount "{name}" not found'
        raise forbidden(call.about, why)
    account = shared(row)
    if account.get("imagePullSecrets") and not spec.get("imagePullSecrets"):
        spec["imagePullSecrets"] = [*account["imagePullSecrets"]]
    wanted = spec.get("automountServiceAccountToken", account.get("automountServiceAccountToken", True))
    if wanted:
        _mount_token(spec)


def _mount_token(spec: Object) -> None:
    lacking = [container for container in _containers(spec) if not _has_token(container)]
    if not lacking:
        return
    name = metadata.generate_name("kube-api-access-")
    for container in lacking:
        mount = {"name": name, "readOnly": True, "mountPath": TOKEN_PATH}
        container.setdefault("volumeMounts", []).append(mount)
    field = {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
    sources = [
        {"serviceAccountToken": {"expirationSeconds": TOKEN_SECONDS, "path": "token"}},
        {"configMap": {"name": ROOT_CA, "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [field]}},
    ]
    spec.setdefault("volumes", []).append(
        {"name": name, "projected": {"sources": sources, "defaultMode": 420}}
    )


def _containers(spec: Object) -> Iterator[Object]:
    yield from spec.get("initContainers") or ()
    yield from spec.get("containers") or ()


def _has_token(container: Object) -> bool:
    mounts: Iterable[Object] = container.get("volumeMounts") or ()
    return any(mount.get("mountPath") == TOKEN_PATH for mount in mounts)
