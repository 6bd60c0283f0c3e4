"""What a new pod must have before it is stored: an account that is there, a priority, tolerations, a QoS class."""

from __future__ import annotations

from lab.pocket.api import pods
from lab.pocket.apiserver import metadata
from lab.pocket.apiserver.errors import forbidden
from lab.pocket.apiserver.state import Call, shared
from lab.pocket.store import Key, Object

PRIORITIES = {"": 0, "system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}


def admit(call: Call, pod: Object) -> None:
    """Complete a new pod.

    Raises:
        StatusError: 403, when its ServiceAccount or its priority class is not there.

    """
    spec = pod["spec"]
    spec["containers"] = spec.get("containers") or []
    priority = PRIORITIES.get(spec.get("priorityClassName", ""))
    if priority is None:
        raise forbidden(call.about, f"no PriorityClass with name {spec['priorityClassName']} was found")
    pods.add_priority(pod, value=priority)
    pods.add_tolerations(pod)
    _add_account(call, pod)
    pod["status"] = {"phase": "Pending", "qosClass": pods.qos_class(pod)}


def admit_update(call: Call, pod: Object, _old: Object) -> None:
    """Complete a changed pod: an update cannot take the default tolerations away."""
    if not call.info.subresource and call.resource.qualified == "pods":
        pods.add_tolerations(pod)


def _add_account(call: Call, pod: Object) -> None:
    spec = pod["spec"]
    name = spec.setdefault("serviceAccountName", spec.get("serviceAccount") or "default")
    row = call.store.latest(Key("serviceaccounts", call.info.namespace, name))
    if row is None:
        why = f'error looking up service account {call.info.namespace}/{name}: serviceaccount "{name}" not found'
        raise forbidden(call.about, why)
    account = shared(row)
    if account.get("imagePullSecrets") and not spec.get("imagePullSecrets"):
        spec["imagePullSecrets"] = [*account["imagePullSecrets"]]
    wanted = spec.get("automountServiceAccountToken")
    if wanted is None and account.get("automountServiceAccountToken") is False:
        spec["automountServiceAccountToken"] = False  # only while the token is considered
    pods.add_service_account_token(pod, metadata.generate_name(""))
    if wanted is None:
        spec.pop("automountServiceAccountToken", None)
