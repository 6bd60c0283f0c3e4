"""The life of nodes: their taints, what happens to their pods when they fall silent, their pod ranges.

https://kubernetes.io/docs/concepts/architecture/nodes/#node-status and
https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/#taint-based-evictions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, Final

from lab.kube.client import PatchType
from lab.kube.resources import LEASES, NODES, PODS, Json, ObjectKey, Resource
from lab.pocket.controllers.cache import Cache
from lab.pocket.controllers.objects import condition, is_finished, is_terminating, parse_time, timestamp
from lab.pocket.controllers.placement import toleration_matches
from lab.pocket.controllers.writes import NOTHING_TO_DO, Delete, Note, Patch, Result, Write

LEASE_NAMESPACE: Final = "kube-node-lease"
NOT_READY: Final = "node.kubernetes.io/not-ready"
UNREACHABLE: Final = "node.kubernetes.io/unreachable"
UNSCHEDULABLE: Final = "node.kubernetes.io/unschedulable"
OURS: Final = frozenset({NOT_READY, UNREACHABLE, UNSCHEDULABLE})
NODE_MASKS: Final = {4: 24, 6: 64}


class NodeLifecycle:
    """Notices silent nodes, taints nodes by their conditions, and evicts pods that do not tolerate it."""

    name = "node-controller"
    reads = (NODES, LEASES, PODS)

    def __init__(self, *, grace: float = 40.0) -> None:
        """Call a node unreachable when it has not renewed its Lease for `grace` seconds."""
        self._grace = grace
        self._heard: dict[str, tuple[str, datetime]] = {}
        """By node: its latest sign of life and when, by our clock, we saw it change. Nodes' clocks may be wrong."""

    def keys(self, cache: Cache, resource: Resource, item: Json) -> Iterable[ObjectKey]:
        del cache
        if resource == LEASES:
            metadata = item["metadata"]
            return [ObjectKey("", metadata["name"])] if metadata.get("namespace") == LEASE_NAMESPACE else []
        if resource == NODES:
            return [ObjectKey.of(item)]
        return [ObjectKey("", item["spec"]["nodeName"])] if item["spec"].get("nodeName") else []

    def reconcile(self, cache: Cache, key: ObjectKey, now: datetime) -> Result:
        node = cache.get(NODES, key.name)
        if node is None:
            self._heard.pop(key.name, None)
            return NOTHING_TO_DO
        pods = [pod for pod in cache.all(PODS).values() if pod["spec"].get("nodeName") == key.name]
        silent = self._silence(cache, node, now) >= self._grace
        writes: list[Write] = []
        status = (condition(node, "Ready") or {}).get("status", "False")
        if silent and status != "Unknown":
            writes += _declare_unknown(node, now)
        status = "Unknown" if silent else status
        taints = wanted_taints(node, status, now)
        if taints != (node["spec"].get("taints") or []):
            writes.append(Patch(NODES, key, {"spec": {"taints": taints or None}}))
        if status != "True":
            writes += [write for pod in pods for write in _mark_not_ready(pod, now)]
        evictions, again = evict(pods, taints, now)
        waits = [each for each in (again, self._grace / 4) if each is not None]
        return Result([*writes, *evictions], min(waits))

    def _silence(self, cache: Cache, node: Json, now: datetime) -> float:
        """Return for how many seconds the node has given no sign of life."""
        name = node["metadata"]["name"]
        lease = cache.get(LEASES, name, namespace=LEASE_NAMESPACE)
        ready = condition(node, "Ready") or {}
        sign = f"{(lease or {}).get('spec', {}).get('renewTime')} {ready.get('lastHeartbeatTime')}"
        seen, since = self._heard.get(name, ("", now))
        if seen != sign:
            self._heard[name] = (sign, now)
            return 0.0
        return (now - since).total_seconds()


def _declare_unknown(node: Json, now: datetime) -> list[Write]:
    conditions = []
    for kind in ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure"):
        old = condition(node, kind) or {}
        conditions.append(
            {
                "type": kind,
                "status": "Unknown",
                "reason": "NodeStatusUnknown" if old else "NodeStatusNeverUpdated",
                "message": "Kubelet stopped posting node status."
                if old
                else "Kubelet never posted node status.",
                "lastHeartbeatTime": old.get("lastHeartbeatTime")
                or node["metadata"].get("creationTimestamp"),
                "lastTransitionTime": timestamp(now),
            }
        )
    name = node["metadata"]["name"]
    patch = Patch(
        NODES, ObjectKey("", name), {"status": {"conditions": conditions}}, "status", PatchType.STRATEGIC
    )
    return [patch, Note(node, "NodeNotReady", f"Node {name} status is now: NodeNotReady")]


def wanted_taints(node: Json, ready: str, now: datetime) -> list[Json]:
    """Return the node's taints with ours as its readiness and spec.unschedulable demand. `ready` is a status."""
    present: Sequence[Json] = node["spec"].get("taints") or ()
    key = {"True": "", "False": NOT_READY}.get(ready, UNREACHABLE)
    wanted = [(key, "NoSchedule"), (key, "NoExecute")] if key else []
    if node["spec"].get("unschedulable"):
        wanted.append((UNSCHEDULABLE, "NoSchedule"))
    kept = [each for each in present if each["key"] not in OURS or (each["key"], each["effect"]) in wanted]
    known = {(each["key"], each["effect"]) for each in kept}
    new = [
        {"key": key, "effect": effect} | ({"timeAdded": timestamp(now)} if key != UNSCHEDULABLE else {})
        for key, effect in wanted
        if (key, effect) not in known
    ]
    return [*kept, *new]


def _mark_not_ready(pod: Json, now: datetime) -> list[Write]:
    """Take the traffic from a pod whose node is not ready: nobody else is there to do it."""
    ready = condition(pod, "Ready")
    if not ready or ready["status"] != "True" or is_finished(pod):
        return []
    change = {
        "type": "Ready",
        "status": "False",
        "reason": "NodeNotReady",
        "lastTransitionTime": timestamp(now),
    }
    patch = {"status": {"conditions": [change]}}
    return [
        Patch(PODS, ObjectKey.of(pod), patch, "status", PatchType.STRATEGIC),
        Note(pod, "NodeNotReady", "Node is not ready"),
    ]


def evict(pods: Iterable[Json], taints: Sequence[Json], now: datetime) -> tuple[list[Write], float | None]:
    """Return deletions of pods whose tolerance of a NoExecute taint has ended, and in how many seconds the next ends."""
    harsh = [each for each in taints if each["effect"] == "NoExecute"]
    writes: list[Write] = []
    waits: list[float] = []
    for pod in pods if harsh else ():
        if is_terminating(pod) or is_finished(pod):
            continue
        left = min(_patience(pod, taint, now) for taint in harsh)
        if left <= 0:
            name = str(ObjectKey.of(pod))
            writes.append(Note(pod, "TaintManagerEviction", f"Marking for deletion Pod {name}"))
            writes.append(Delete(PODS, ObjectKey.of(pod), pod["metadata"]["uid"]))
        elif left != float("inf"):
            waits.append(left)
    return writes, min(waits, default=None)


def _patience(pod: Json, taint: Mapping[str, Any], now: datetime) -> float:
    """Return for how many seconds more the pod tolerates a taint."""
    tolerations = [each for each in pod["spec"].get("tolerations") or () if toleration_matches(each, taint)]
    if not tolerations:
        return 0.0
    limits = [each["tolerationSeconds"] for each in tolerations if each.get("tolerationSeconds") is not None]
    if not limits:
        return float("inf")
    added = parse_time(taint["timeAdded"]) if taint.get("timeAdded") else now
    return float(min(limits)) - (now - added).total_seconds()


class PodRanges:
    """Gives each node its part of the cluster's pod ranges."""

    name = "cidrAllocator"
    reads = (NODES,)

    def __init__(self, cluster_cidrs: Sequence[str]) -> None:
        self._cidrs = [ip_network(each) for each in cluster_cidrs]

    def keys(self, cache: Cache, resource: Resource, item: Json) -> Iterable[ObjectKey]:
        del cache, resource
        return [ObjectKey.of(item)]

    def reconcile(self, cache: Cache, key: ObjectKey, now: datetime) -> Result:
        del now
        node = cache.get(NODES, key.name)
        if node is None or node["spec"].get("podCIDR") or not self._cidrs:
            return NOTHING_TO_DO
        taken = {
            range_ for other in cache.all(NODES).values() for range_ in other["spec"].get("podCIDRs") or ()
        }
        ranges = [next((each for each in _parts(cidr) if each not in taken), "") for cidr in self._cidrs]
        if not all(ranges):
            return Result(
                [Note(node, "CIDRNotAvailable", f"Node {key.name} status is now: CIDRNotAvailable")]
            )
        return Result([Patch(NODES, key, {"spec": {"podCIDR": ranges[0], "podCIDRs": ranges}})])


def _parts(cidr: IPv4Network | IPv6Network) -> Iterator[str]:
    mask = max(cidr.prefixlen, NODE_MASKS[cidr.version])
    return map(str, cidr.subnets(new_prefix=mask))
