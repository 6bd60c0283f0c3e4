"""The difference between a Service and what was decided for it, as patches. None where there is no difference.

Both patches carry the resourceVersion that the decision was made on: if the Service changed since, the API refuses
them, and the decision is made anew.
"""

from __future__ import annotations

from datetime import datetime

from lab.balancer.conditions import ADDRESS_ASSIGNED, Condition, without
from lab.balancer.controller.converge import Outcome, Verdict
from lab.balancer.service import ALLOCATED_FROM, Service
from lab.kube.resources import Json


def status_patch(service: Service, outcome: Outcome, *, now: datetime) -> Json | None:
    """Return a merge patch for subresource status."""
    if outcome.verdict is Verdict.NOT_OURS:
        return None
    conditions = _conditions(service, outcome, now)
    status: Json = {}
    if service.ingress != outcome.ingress:
        status["loadBalancer"] = {"ingress": [{"ip": address} for address in outcome.ingress] or None}
    if conditions is not None:
        status["conditions"] = conditions
    return _patch(service, {"status": status}) if status else None


def annotation_patch(service: Service, outcome: Outcome) -> Json | None:
    """Return a merge patch for the Service itself: the annotation that names its pool."""
    if outcome.verdict is Verdict.NOT_OURS or service.annotations.get(ALLOCATED_FROM, "") == outcome.pool:
        return None
    return _patch(service, {"metadata": {"annotations": {ALLOCATED_FROM: outcome.pool or None}}})


def _conditions(service: Service, outcome: Outcome, now: datetime) -> list[Json] | None:
    """Return the Service's conditions with ours among them as decided; None when they are so already."""
    if outcome.reason:
        condition = Condition(ADDRESS_ASSIGNED, outcome.satisfied, outcome.reason, outcome.message)
        return (
            None if condition.is_in(service.conditions) else condition.put_into(service.conditions, now=now)
        )
    remaining = without(service.conditions, ADDRESS_ASSIGNED)
    return None if len(remaining) == len(service.conditions) else remaining


def _patch(service: Service, content: Json) -> Json:
    metadata = {**content.get("metadata", {}), "resourceVersion": service.resource_version}
    return {**content, "metadata": metadata}
