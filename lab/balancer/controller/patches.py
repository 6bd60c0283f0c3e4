"""The difference between a Service and what was decided for it, as one patch. None where there is no difference.

It goes to subresource status, which of a Service takes the annotations too (kube-apiserver, pkg/registry/core/service:
a status update keeps the spec, and nothing else). It carries the resourceVersion that the decision was made on: if the
Service changed since, the API refuses it, and the decision is made anew.
"""

from __future__ import annotations

from datetime import datetime

from lab.balancer.conditions import ADDRESS_ASSIGNED, Condition, without
from lab.balancer.controller.converge import Outcome, Verdict
from lab.balancer.service import ALLOCATED_FROM, Service
from lab.kube.resources import Json


def service_patch(service: Service, outcome: Outcome, *, now: datetime) -> Json | None:
    """Return a merge patch for subresource status."""
    if outcome.verdict is Verdict.NOT_OURS:
        return None
    conditions = _conditions(service, outcome, now)
    status: Json = {}
    if service.ingress != outcome.ingress:
        status["loadBalancer"] = {"ingress": [{"ip": address} for address in outcome.ingress] or None}
    if conditions is not None:
        status["conditions"] = conditions
    patch: Json = {"status": status} if status else {}
    if service.annotations.get(ALLOCATED_FROM, "") != outcome.pool:
        patch["metadata"] = {"annotations": {ALLOCATED_FROM: outcome.pool or None}}
    if not patch:
        return None
    patch.setdefault("metadata", {})["resourceVersion"] = service.resource_version
    return patch


def _conditions(service: Service, outcome: Outcome, now: datetime) -> list[Json] | None:
    """Return the Service's conditions with ours among them as decided; None when they are so already."""
    if outcome.reason:
        condition = Condition(ADDRESS_ASSIGNED, outcome.satisfied, outcome.reason, outcome.message)
        return (
            None if condition.is_in(service.conditions) else condition.put_into(service.conditions, now=now)
        )
    remaining = without(service.conditions, ADDRESS_ASSIGNED)
    return None if len(remaining) == len(service.conditions) else remaining
