"""How a Deployment's revisions share its replicas while it moves from one to the next.

https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#rolling-update-deployment
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from lab.kube.resources import Json
from lab.pocket.controllers.objects import share
from lab.pocket.controllers.replicasets import wanted


class Scale(NamedTuple):
    """A ReplicaSet and how many replicas it should have now."""

    replica_set: Json
    replicas: int


def available(replica_set: Json) -> int:
    return int((replica_set.get("status") or {}).get("availableReplicas", 0))


def lasting(replica_set: Json) -> int:
    """Return how many replicas are available and not already given up: the status follows the spec with a delay."""
    return min(available(replica_set), wanted(replica_set))


def running(replica_set: Json) -> int:
    return int((replica_set.get("status") or {}).get("replicas", 0))


def is_rolling(deployment: Json) -> bool:
    return (deployment["spec"].get("strategy") or {}).get("type") != "Recreate"


def fenceposts(deployment: Json) -> tuple[int, int]:
    """Return maxSurge and maxUnavailable as numbers. Both may not be 0, or nothing could move."""
    rolling = (deployment["spec"].get("strategy") or {}).get("rollingUpdate") or {}
    total = wanted(deployment)
    surge = share(rolling.get("maxSurge"), total, default="25%", up=True)
    unavailable = share(rolling.get("maxUnavailable"), total, default="25%", up=False)
    return surge, min(unavailable if surge or unavailable else 1, total)


def roll(deployment: Json, new: Json | None, old: Sequence[Json]) -> list[Scale]:
    """Return the next steps. `new` is None while the new ReplicaSet is yet to be created; old ones oldest first."""
    if not is_rolling(deployment):
        return _recreate(deployment, new, old)
    steps = _scale_up(deployment, new, old)
    # The replicas that were just asked for are not available yet: old ones go only in exchange for available ones.
    return steps + _scale_down(deployment, new, old, {id(step.replica_set): step.replicas for step in steps})


def first_replicas(deployment: Json, old: Sequence[Json]) -> int:
    """Return the number of replicas with which a new ReplicaSet begins."""
    if not is_rolling(deployment):
        return 0 if any(wanted(each) or running(each) for each in old) else wanted(deployment)
    surge, _ = fenceposts(deployment)
    room = wanted(deployment) + surge - sum(wanted(each) for each in old)
    return max(0, min(room, wanted(deployment)))


def _recreate(deployment: Json, new: Json | None, old: Sequence[Json]) -> list[Scale]:
    downs = [Scale(each, 0) for each in old if wanted(each)]
    if downs or new is None or any(running(each) for each in old):
        return downs
    return [Scale(new, wanted(deployment))] if wanted(new) != wanted(deployment) else []


def _scale_up(deployment: Json, new: Json | None, old: Sequence[Json]) -> list[Scale]:
    if new is None:
        return []
    target = wanted(deployment)
    if wanted(new) > target:
        return [Scale(new, target)]
    surge, _ = fenceposts(deployment)
    room = target + surge - wanted(new) - sum(wanted(each) for each in old)
    replicas = wanted(new) + max(0, min(room, target - wanted(new)))
    return [Scale(new, replicas)] if replicas != wanted(new) else []


def _scale_down(
    deployment: Json, new: Json | None, old: Sequence[Json], ups: Mapping[int, int]
) -> list[Scale]:
    _, unavailable = fenceposts(deployment)
    keep = wanted(deployment) - unavailable
    coming = ups.get(id(new), wanted(new)) if new else 0
    working = lasting(new) if new else 0
    budget = coming + sum(map(wanted, old)) - keep - (coming - working)
    replicas = {id(each): wanted(each) for each in old}
    # Pods that do not work anyway go first, oldest revision first.
    for each in old:
        broken = max(0, min(wanted(each) - lasting(each), budget))
        replicas[id(each)] -= broken
        budget -= broken
    spare = min(budget, working + sum(map(lasting, old)) - keep)
    for each in old:
        step = max(0, min(replicas[id(each)], spare))
        replicas[id(each)] -= step
        spare -= step
    return [Scale(each, replicas[id(each)]) for each in old if replicas[id(each)] != wanted(each)]
