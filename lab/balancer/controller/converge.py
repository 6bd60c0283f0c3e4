"""What a Service should have, given the pools and all that was given before. Nothing here talks to an API.

The order of decision is MetalLB's: what the Service has stays if it is still right; else what it asks for by address,
by pool, or nothing in particular.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from lab.balancer.allocator import AllocationError, Allocator, Assignment, Refusal
from lab.balancer.controller.request import Request, RequestError, deprecated_annotations, read_request
from lab.balancer.model import Address, Family
from lab.balancer.service import ALLOCATED_FROM, FamilyPolicy, Service, parse_address
from lab.kube.events import EventType


class Verdict(StrEnum):
    """What became of a Service."""

    NOT_OURS = "notOurs"
    """Another controller's, by its loadBalancerClass."""
    NOT_WANTED = "notWanted"
    """It wants no address of us: another type, or no cluster IP."""
    ASSIGNED = "assigned"
    PARTLY_ASSIGNED = "partlyAssigned"
    """It has one address and prefers two."""
    REFUSED = "refused"
    """It asks for an address and cannot have one now."""
    INVALID = "invalid"
    """What it asks for makes no sense."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to say about a Service, once."""

    type: EventType
    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the Service should look like, and what to say about it."""

    verdict: Verdict
    ingress: tuple[str, ...] = ()
    pool: str = ""
    """The value of annotation ip-allocated-from-pool; empty: no such annotation."""
    reason: str = ""
    """Of the condition on the Service; empty: no condition."""
    message: str = ""
    notices: tuple[Notice, ...] = ()
    refusals: tuple[Refusal, ...] = ()

    @property
    def satisfied(self) -> bool:
        return self.verdict in {Verdict.ASSIGNED, Verdict.PARTLY_ASSIGNED}


@dataclass(slots=True)
class _Turn:
    """One look at one Service."""

    service: Service
    allocator: Allocator
    notices: list[Notice] = field(default_factory=list)

    def say(self, reason: str, message: str, *, kind: EventType = EventType.NORMAL) -> None:
        self.notices.append(Notice(kind, reason, message))

    def clear(self, why: str, *, kind: EventType = EventType.NORMAL) -> None:
        self.allocator.release(self.service.key)
        text = f'current IP for "{self.service.key}" not allowed by config, will attempt for new IP assignment: {why}'
        self.say("ClearAssignment", text, kind=kind)


def is_ours(service: Service, lb_class: str) -> bool:
    """Tell whether the Service is for us: the classes must be equal, and none is a class too."""
    return service.load_balancer_class == lb_class


def converge(service: Service, allocator: Allocator, *, lb_class: str = "") -> Outcome:
    """Decide about one Service and note the decision in the allocator."""
    if not is_ours(service, lb_class):
        allocator.release(service.key)
        return Outcome(
            verdict=Verdict.NOT_OURS,
            ingress=service.ingress,
            pool=service.annotations.get(ALLOCATED_FROM, ""),
        )
    turn = _Turn(service, allocator)
    if service.type != "LoadBalancer" or not service.cluster_ips:
        return _not_wanted(turn)
    for name in deprecated_annotations(service):
        turn.say("deprecatedAnnotation", f"Service uses deprecated annotation {name}")
    try:
        request = read_request(service)
    except RequestError as error:
        return _invalid(turn, error)
    try:
        assignment = _readmit(turn, request) or _allocate(turn, request)
    except AllocationError as error:
        return _refused(turn, error)
    return _complete(turn, request, assignment)


def _not_wanted(turn: _Turn) -> Outcome:
    if turn.allocator.release(turn.service.key) or turn.service.ingress:
        turn.say(
            "ClearAssignment", "the Service is not of type LoadBalancer any more, its address is free again"
        )
    return Outcome(verdict=Verdict.NOT_WANTED, notices=tuple(turn.notices))


def _invalid(turn: _Turn, error: RequestError) -> Outcome:
    """What the Service has is not touched while what it asks for makes no sense."""
    turn.say(
        "LoadBalancerFailed", f"invalid requested loadbalancer IPs: {error.message}", kind=EventType.WARNING
    )
    addresses = turn.service.addresses
    try:
        kept = turn.allocator.assign(turn.service, addresses) if addresses else None
    except AllocationError:
        kept = None
    if kept is None:
        turn.allocator.release(turn.service.key)
    return Outcome(
        verdict=Verdict.INVALID,
        ingress=_texts(kept.addresses) if kept else (),
        pool=kept.pool if kept else "",
        reason="InvalidRequest",
        message=error.message,
        notices=tuple(turn.notices),
    )


def _readmit(turn: _Turn, request: Request) -> Assignment | None:
    """Keep what the Service has, or clear it and say why.

    What it has is what its status says, or what was decided but is not in its status yet.
    """
    service, allocator = turn.service, turn.allocator
    own = allocator.assignment(service.key)
    texts = service.ingress or (_texts(own.addresses) if own else ())
    if not texts:
        return None
    addresses = tuple(address for address in map(parse_address, texts) if address is not None)
    if len(addresses) != len(texts):
        turn.clear(f"{', '.join(texts)}: not all are IP addresses")
    elif len(addresses) > 2:
        turn.clear("more than two addresses", kind=EventType.WARNING)
    elif not request.admits(addresses):
        turn.clear(f"{', '.join(texts)} has not the IP families that the Service asks for")
    elif request.addresses and set(request.addresses) != set(addresses):
        turn.clear(f"{', '.join(map(str, request.addresses))} is requested")
    else:
        return _assign_again(turn, request, addresses)
    return None


def _assign_again(turn: _Turn, request: Request, addresses: Sequence[Address]) -> Assignment | None:
    try:
        assignment = turn.allocator.assign(turn.service, addresses)
    except AllocationError as error:
        turn.clear(error.message)
        return None
    if request.pool and assignment.pool != request.pool:
        turn.clear(f'pool "{request.pool}" is requested')
        return None
    if not turn.service.ingress:
        turn.say("IPAllocated", f"Assigned IP {_quoted(assignment.addresses)}")
    return assignment


def _allocate(turn: _Turn, request: Request) -> Assignment:
    service, allocator = turn.service, turn.allocator
    if request.addresses:
        assignment = _assign_requested(turn, request)
    elif request.pool:
        assignment = allocator.allocate_from_pool(service, request.pool, request.choices)
    else:
        assignment = allocator.allocate(service, request.choices)
    turn.say("IPAllocated", f"Assigned IP {_quoted(assignment.addresses)}")
    return assignment


def _assign_requested(turn: _Turn, request: Request) -> Assignment:
    assignment = turn.allocator.assign(turn.service, request.addresses)
    if request.pool and assignment.pool != request.pool:
        turn.allocator.release(turn.service.key)
        listed = " ".join(map(str, request.addresses))
        raise AllocationError(
            f"requested loadBalancer IP(s) [{listed}] is not compatible with requested address pool {request.pool}"
        )
    return assignment


def _refused(turn: _Turn, error: AllocationError) -> Outcome:
    turn.allocator.release(turn.service.key)
    reasons = "; ".join(map(str, error.refusals)) if turn.allocator.pools else "there is no IPAddressPool"
    message = f"{error.message}: {reasons}" if reasons else error.message
    turn.say(
        "AllocationFailed",
        f'Failed to allocate IP for "{turn.service.key}": {message}',
        kind=EventType.WARNING,
    )
    return Outcome(
        verdict=Verdict.REFUSED,
        reason="AllocationFailed",
        message=message,
        notices=tuple(turn.notices),
        refusals=error.refusals,
    )


def _complete(turn: _Turn, request: Request, assignment: Assignment) -> Outcome:
    """Add a second address where one is preferred and the pool has one."""
    missing = _missing_family(turn, request, assignment)
    message = f"assigned from pool {assignment.pool}"
    if missing:
        try:
            assignment = turn.allocator.extend(turn.service, missing)
            turn.say("IPAllocated", f"Assigned additional IP {_quoted(assignment.addresses)}")
            missing = None
        except AllocationError as error:
            turn.say("AdditionalAssignFailed", error.message, kind=EventType.WARNING)
            message += f"; no free {missing} address in it for the second IP family"
    return Outcome(
        verdict=Verdict.PARTLY_ASSIGNED if missing else Verdict.ASSIGNED,
        ingress=_texts(assignment.addresses),
        pool=assignment.pool,
        reason="Assigned",
        message=message,
        notices=tuple(turn.notices),
    )


def _missing_family(turn: _Turn, request: Request, assignment: Assignment) -> Family | None:
    """Return the family that the Service prefers to have too and its pool offers."""
    prefers_two = turn.service.family_policy == FamilyPolicy.PREFER_DUAL and len(turn.service.families) == 2
    if not prefers_two or len(assignment.addresses) == 2 or request.addresses:
        return None
    (missing,) = set(Family) - {Family(assignment.addresses[0].version)}
    return missing if missing in turn.allocator.pools[assignment.pool].families else None


def _texts(addresses: Sequence[Address]) -> tuple[str, ...]:
    return tuple(map(str, addresses))


def _quoted(addresses: Sequence[Address]) -> str:
    return "[" + " ".join(f'"{address}"' for address in addresses) + "]"
