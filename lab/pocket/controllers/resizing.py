"""A new number of replicas while several revisions run, or while the Deployment is paused: each gets its share.

https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#proportional-scaling. Each ReplicaSet remembers, in
annotations, how many replicas its Deployment wanted when it was last scaled.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from lab.kube.resources import Json
from lab.pocket.controllers.replicasets import wanted
from lab.pocket.controllers.rollout import Scale, available, fenceposts, is_rolling

DESIRED: Final = "deployment.kubernetes.io/desired-replicas"
MAXIMUM: Final = "deployment.kubernetes.io/max-replicas"


def sizes(deployment: Json) -> dict[str, str]:
    """Return the annotations that tell a ReplicaSet what its Deployment wants, and how many there may be at most."""
    total = wanted(deployment)
    return {
        DESIRED: str(total),
        MAXIMUM: str(total + (fenceposts(deployment)[0] if is_rolling(deployment) else 0)),
    }


def is_resized(deployment: Json, replica_sets: Sequence[Json]) -> bool:
    """Whether the Deployment's number of replicas has changed since its ReplicaSets were scaled."""
    known = (_noted(each, DESIRED) for each in replica_sets if wanted(each))
    return any(number is not None and number != wanted(deployment) for number in known)


def resize(deployment: Json, new: Json | None, old: Sequence[Json]) -> list[Scale]:
    """Return the ReplicaSets to scale; one that keeps its size is there too when it has to note the new numbers."""
    everything = [*old, *([new] if new else [])]
    active = [each for each in everything if wanted(each)]
    if len(active) <= 1:
        one = active or ([new] if new else [*old][-1:])
        return [
            Scale(each, wanted(deployment)) for each in one if _differs(deployment, each, wanted(deployment))
        ]
    if new and _is_saturated(deployment, new):
        return [Scale(each, 0) for each in old if wanted(each)]
    if not is_rolling(deployment):
        return []
    shares = _shares(deployment, active)
    return [Scale(each, share) for each, share in shares if _differs(deployment, each, share)]


def _shares(deployment: Json, active: Sequence[Json]) -> list[tuple[Json, int]]:
    """Share out what is to be added or taken by the ReplicaSets' sizes; the largest gets what rounding leaves."""
    total = wanted(deployment)
    room = total + fenceposts(deployment)[0] if total else 0
    change = room - sum(map(wanted, active))
    newest_first = sorted(active, key=_age, reverse=change > 0)
    largest_first = sorted(newest_first, key=wanted, reverse=True)
    done, shares = 0, []
    for each in largest_first:
        fraction = math.floor(wanted(each) * room / (_noted(each, MAXIMUM) or room or 1) + 0.5) - wanted(each)
        left = change - done
        part = 0 if not change else min(fraction, left) if change > 0 else max(fraction, left)
        shares.append((each, wanted(each) + part))
        done += part
    if change:
        first, share = shares[0]
        shares[0] = (first, max(0, share + change - done))
    return shares


def _age(replica_set: Json) -> tuple[str, str]:
    return replica_set["metadata"].get("creationTimestamp", ""), replica_set["metadata"]["name"]


def _noted(replica_set: Json, name: str) -> int | None:
    text = (replica_set["metadata"].get("annotations") or {}).get(name, "")
    return int(text) if text.isdecimal() else None


def _is_saturated(deployment: Json, new: Json) -> bool:
    total = wanted(deployment)
    return _noted(new, DESIRED) == total and wanted(new) == total and available(new) == total


def _differs(deployment: Json, replica_set: Json, replicas: int) -> bool:
    annotations = replica_set["metadata"].get("annotations") or {}
    return wanted(replica_set) != replicas or not sizes(deployment).items() <= annotations.items()
