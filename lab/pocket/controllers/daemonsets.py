"""DaemonSet: one pod on every node that fits. https://kubernetes.io/docs/concepts/workloads/controllers/daemonset/."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from lab.kube.resources import CONTROLLER_REVISIONS, DAEMON_SETS, NODES, PODS, Json, ObjectKey, Resource
from lab.pocket.controllers import history
from lab.pocket.controllers.cache import Cache
from lab.pocket.controllers.history import HASH
from lab.pocket.controllers.objects import (
    is_active,
    is_finished,
    is_ready,
    is_terminating,
    labels_of,
    seconds_until_available,
    share,
)
from lab.pocket.controllers.placement import matches_node, untolerated
from lab.pocket.controllers.replicasets import claim, deletion, owners_of, pod_from
from lab.pocket.controllers.statuses import status_patch
from lab.pocket.controllers.writes import NOTHING_TO_DO, Create, Result, Write

GENERATION: Final = "pod-template-generation"
COUNTED_IN: Final = "deprecated.daemonset.template.generation"  # by the API server, in an annotation
_KEYS: Final = {
    "not-ready": "NoExecute",
    "unreachable": "NoExecute",
    "disk-pressure": "NoSchedule",
    "memory-pressure": "NoSchedule",
    "pid-pressure": "NoSchedule",
    "unschedulable": "NoSchedule",
}
TOLERATIONS: Final = tuple(
    {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": effect}
    for key, effect in _KEYS.items()
)
NETWORK: Final = {
    "key": "node.kubernetes.io/network-unavailable",
    "operator": "Exists",
    "effect": "NoSchedule",
}


class DaemonSets:
    """Keeps one pod of each DaemonSet on each eligible node, and rolls new templates out node by node."""

    name = "daemonset-controller"
    reads = (DAEMON_SETS, PODS, NODES, CONTROLLER_REVISIONS)

    def keys(self, cache: Cache, resource: Resource, item: Json) -> Iterable[ObjectKey]:
        if resource == DAEMON_SETS:
            return [ObjectKey.of(item)]
        return list(cache.all(DAEMON_SETS)) if resource == NODES else owners_of(cache, DAEMON_SETS, item)

    def reconcile(self, cache: Cache, key: ObjectKey, now: datetime) -> Result:
        owner = cache.get(DAEMON_SETS, key.name, namespace=key.namespace)
        if owner is None or is_terminating(owner):
            return NOTHING_TO_DO
        pods, writes = claim(cache, owner, DAEMON_SETS)
        past = history.follow(cache, owner, {labels_of(pod).get(HASH, "") for pod in pods})
        nodes = {each.name: node for each, node in sorted(cache.all(NODES).items())}
        placed: dict[str, list[Json]] = defaultdict(list)
        for pod in pods:
            placed[node_of(pod)].append(pod)
        fit = {name for name, node in nodes.items() if belongs(owner, node, running=bool(placed.get(name)))}
        state = {name: OnNode.of(placed[name], past.hash, owner, now) for name in fit}
        writes += past.writes
        writes += _place(owner, past.hash, fit, placed)
        writes += _update(owner, past.hash, state)
        writes += status_patch(DAEMON_SETS, owner, _status(owner, fit, placed, state))
        waits = [wait for each in state.values() for wait in (each.new_wait, each.old_wait) if wait]
        return Result(writes, min(waits, default=None))


class OnNode(NamedTuple):
    """The pod of the present template on a node and the one of an older template, and when each is available.

    A wait is 0 for a pod that is available, None for one that is not ready.
    """

    new: Json | None
    old: Json | None
    new_wait: float | None
    old_wait: float | None

    @classmethod
    def of(cls, pods: Sequence[Json], fingerprint: str, owner: Json, now: datetime) -> OnNode:
        active = sorted(filter(is_active, pods), key=_age)
        new = next((pod for pod in reversed(active) if labels_of(pod).get(HASH) == fingerprint), None)
        old = next((pod for pod in reversed(active) if labels_of(pod).get(HASH) != fingerprint), None)
        minimum = owner["spec"].get("minReadySeconds", 0)
        waits = [seconds_until_available(pod, minimum, now) if pod else None for pod in (new, old)]
        return cls(new, old, *waits)

    @property
    def current(self) -> Json | None:
        """The pod that counts: the old one until a new one beside it is available."""
        return self.new if self.new and (self.old is None or self.new_wait == 0) else self.old

    @property
    def available(self) -> bool:
        return 0 in {self.new_wait if self.new else None, self.old_wait if self.old else None}


def _age(pod: Json) -> str:
    return str(pod["metadata"].get("creationTimestamp"))


def node_of(pod: Json) -> str:
    """Return the node that the pod is on, or the one that it was made for."""
    if pod["spec"].get("nodeName"):
        return str(pod["spec"]["nodeName"])
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    for term in required.get("nodeSelectorTerms") or ():
        for field in term.get("matchFields") or ():
            return str(field["values"][0])
    return ""


def belongs(owner: Json, node: Json, *, running: bool) -> bool:
    """Whether the node should have a pod. One that runs stays until a taint says NoExecute."""
    template = owner["spec"]["template"]["spec"]
    pod = {"spec": {**template, "tolerations": _tolerations(template)}}
    effects = {"NoExecute"} if running else {"NoExecute", "NoSchedule"}
    return matches_node(pod, node) and untolerated(pod, node, effects) is None


def _tolerations(template: Json) -> list[Mapping[str, Any]]:
    network = (NETWORK,) if template.get("hostNetwork") else ()
    return [*(template.get("tolerations") or ()), *TOLERATIONS, *network]


def _place(owner: Json, fingerprint: str, fit: set[str], placed: Mapping[str, Sequence[Json]]) -> list[Write]:
    writes: list[Write] = []
    surging = bool(_surge(owner, len(fit)))
    for name in sorted(fit | placed.keys()):
        pods = placed.get(name, ())
        active = sorted(filter(is_active, pods), key=_age)
        failed = [pod for pod in pods if is_finished(pod) and not is_terminating(pod)]
        surplus = (_doubles(active, fingerprint, surging=surging) if name in fit else active) + failed
        writes += [write for pod in surplus for write in deletion(pod, owner)]
        if name in fit and not pods:
            writes.append(_creation(owner, name, fingerprint))
    return writes


def _doubles(active: Sequence[Json], fingerprint: str, *, surging: bool) -> list[Json]:
    """Return the pods that are too many on a node: all but the oldest; in a surge, all but the oldest of either template."""
    if not surging:
        return [*active[1:]]
    new = [pod for pod in active if labels_of(pod).get(HASH) == fingerprint]
    old = [pod for pod in active if labels_of(pod).get(HASH) != fingerprint]
    return new[1:] + old[1:]


def _creation(owner: Json, node: str, fingerprint: str) -> Create:
    return Create(PODS, _pod(owner, node, fingerprint), owner, "SuccessfulCreate")


def _pod(owner: Json, node: str, fingerprint: str) -> Json:
    pod = pod_from(owner["spec"]["template"], owner, DAEMON_SETS)
    spec = owner["spec"]["template"]["spec"]
    here = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    affinity = spec.get("affinity") or {}
    node_affinity = {
        **(affinity.get("nodeAffinity") or {}),
        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [here]},
    }
    pod["metadata"]["labels"] = {
        **pod["metadata"].get("labels", {}),
        HASH: fingerprint,
    }
    count = owner["metadata"].get("annotations", {}).get(COUNTED_IN)
    if count:
        pod["metadata"]["labels"][GENERATION] = count
    pod["spec"] = {
        **spec,
        "affinity": {**affinity, "nodeAffinity": node_affinity},
        "tolerations": _tolerations(spec),
    }
    return pod


def _rolling(owner: Json) -> Mapping[str, Any]:
    return (owner["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}


def _surge(owner: Json, nodes: int) -> int:
    """Return how many nodes may have a second pod at once during an update; 0 is the usual."""
    return share(_rolling(owner).get("maxSurge"), nodes, default=0, up=True)


def _update(owner: Json, fingerprint: str, state: Mapping[str, OnNode]) -> list[Write]:
    """Replace pods of an older template, as many at once as the strategy allows."""
    if (owner["spec"].get("updateStrategy") or {}).get("type") == "OnDelete":
        return []
    surge = _surge(owner, len(state))
    if surge:
        return _update_by_surge(owner, fingerprint, state, surge)
    limit = share(_rolling(owner).get("maxUnavailable"), len(state), default=1, up=True)
    budget = max(1, limit) - sum(not each.available for each in state.values())
    old = [each for _, each in sorted(state.items()) if each.old and not each.new]
    broken = [each for each in old if not each.available]
    chosen = broken + [each for each in old if each.available][: max(0, budget)]
    return [write for each in chosen if each.old for write in deletion(each.old, owner)]


def _update_by_surge(owner: Json, fingerprint: str, state: Mapping[str, OnNode], surge: int) -> list[Write]:
    """Start the new pod beside the old one, which goes when the new one is available."""
    writes: list[Write] = []
    budget = surge - sum(bool(each.new and each.old and each.new_wait != 0) for each in state.values())
    for name, each in sorted(state.items(), key=lambda item: (item[1].old_wait == 0, item[0])):
        if each.old and each.new and each.new_wait == 0:
            writes += deletion(each.old, owner)
        elif each.old and not each.new and (each.old_wait != 0 or budget > 0):
            budget -= each.old_wait == 0
            writes.append(_creation(owner, name, fingerprint))
    return writes


def _status(
    owner: Json, fit: set[str], placed: Mapping[str, Sequence[Json]], state: Mapping[str, OnNode]
) -> dict[str, Any]:
    available = sum(each.available for each in state.values())
    current = [each.current for each in state.values() if each.current]
    return {
        "desiredNumberScheduled": len(fit),
        "currentNumberScheduled": len(current),
        "numberMisscheduled": sum(any(map(is_active, placed[name])) for name in placed.keys() - fit),
        "numberReady": sum(map(is_ready, current)),
        "numberAvailable": available,
        "numberUnavailable": len(fit) - available,
        "updatedNumberScheduled": sum(bool(each.new) for each in state.values()),
        "observedGeneration": owner["metadata"].get("generation", 1),
    }
