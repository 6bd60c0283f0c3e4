"""DaemonSet: one pod on every node that fits. https://kubernetes.io/docs/concepts/workloads/controllers/daemonset/."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from lab.kube.resources import DAEMON_SETS, NODES, PODS, Json, ObjectKey, Resource
from lab.pocket.controllers.cache import Cache
from lab.pocket.controllers.deployments import template_hash
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

HASH: Final = "controller-revision-hash"
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
    reads = (DAEMON_SETS, PODS, NODES)

    def keys(self, cache: Cache, resource: Resource, item: Json) -> Iterable[ObjectKey]:
        if resource == DAEMON_SETS:
            return [ObjectKey.of(item)]
        return list(cache.all(DAEMON_SETS)) if resource == NODES else owners_of(cache, DAEMON_SETS, item)

    def reconcile(self, cache: Cache, key: ObjectKey, now: datetime) -> Result:
        owner = cache.get(DAEMON_SETS, key.name, namespace=key.namespace)
        if owner is None or is_terminating(owner):
            return NOTHING_TO_DO
        pods, writes = claim(cache, owner, DAEMON_SETS)
        nodes = {each.name: node for each, node in sorted(cache.all(NODES).items())}
        placed: dict[str, list[Json]] = defaultdict(list)
        for pod in pods:
            placed[node_of(pod)].append(pod)
        fit = {name for name, node in nodes.items() if belongs(owner, node, running=bool(placed.get(name)))}
        writes += _place(owner, fit, placed)
        current = {name: _newest(placed[name]) for name in fit if any(map(is_active, placed[name]))}
        waits = {
            name: seconds_until_available(pod, owner["spec"].get("minReadySeconds", 0), now)
            for name, pod in current.items()
        }
        writes += _update(owner, fit, current, waits)
        writes += status_patch(DAEMON_SETS, owner, _status(owner, fit, placed, current, waits))
        return Result(writes, min((wait for wait in waits.values() if wait), default=None))


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


def _place(owner: Json, fit: set[str], placed: Mapping[str, Sequence[Json]]) -> list[Write]:
    writes: list[Write] = []
    for name in sorted(fit | placed.keys()):
        pods = placed.get(name, ())
        active = sorted(
            filter(is_active, pods), key=lambda pod: str(pod["metadata"].get("creationTimestamp"))
        )
        failed = [pod for pod in pods if is_finished(pod) and not is_terminating(pod)]
        surplus = (active[1:] if name in fit else active) + failed
        writes += [write for pod in surplus for write in deletion(pod, owner)]
        if name in fit and not pods:
            writes.append(Create(PODS, _pod(owner, name), owner, "SuccessfulCreate"))
    return writes


def _pod(owner: Json, node: str) -> Json:
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
        HASH: template_hash(owner["spec"]["template"]),
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


def _newest(pods: Sequence[Json]) -> Json:
    return max(filter(is_active, pods), key=lambda pod: str(pod["metadata"].get("creationTimestamp")))


def _is_updated(owner: Json, pod: Json) -> bool:
    return labels_of(pod).get(HASH) == template_hash(owner["spec"]["template"])


def _update(
    owner: Json, fit: set[str], current: Mapping[str, Json], waits: Mapping[str, float | None]
) -> list[Write]:
    """Delete pods of an older template, as many at once as maxUnavailable allows."""
    strategy = owner["spec"].get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        return []
    limit = share((strategy.get("rollingUpdate") or {}).get("maxUnavailable"), len(fit), default=1, up=True)
    budget = max(1, limit) - sum(waits.get(name) != 0 for name in fit)
    old = [name for name in sorted(current) if not _is_updated(owner, current[name])]
    broken = [name for name in old if waits[name] != 0]
    chosen = broken + [name for name in old if name not in broken][: max(0, budget)]
    return [write for name in chosen for write in deletion(current[name], owner)]


def _status(
    owner: Json,
    fit: set[str],
    placed: Mapping[str, Sequence[Json]],
    current: Mapping[str, Json],
    waits: Mapping[str, float | None],
) -> dict[str, Any]:
    available = sum(wait == 0 for wait in waits.values())
    return {
        "desiredNumberScheduled": len(fit),
        "currentNumberScheduled": len(current),
        "numberMisscheduled": sum(any(map(is_active, placed[name])) for name in placed.keys() - fit),
        "numberReady": sum(map(is_ready, current.values())),
        "numberAvailable": available,
        "numberUnavailable": len(fit) - available,
        "updatedNumberScheduled": sum(_is_updated(owner, pod) for pod in current.values()),
        "observedGeneration": owner["metadata"].get("generation", 1),
    }
