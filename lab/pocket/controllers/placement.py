"""Where a pod may run, and how well it would sit there.

Rules of kube-scheduler's default plugins: https://kubernetes.io/docs/concepts/scheduling-eviction/. Each filter returns
why not, in kube-scheduler's words, or an empty string.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from lab.kube.resources import Json
from lab.pocket.controllers.cache import controller_uid
from lab.pocket.controllers.objects import (
    is_finished,
    is_terminating,
    labels_of,
    quantity,
    requirement_met,
    selects,
)

HOSTNAME: Final = "kubernetes.io/hostname"


class Seat(NamedTuple):
    """A node and the pods that are on it."""

    node: Json
    pods: Sequence[Json]


def tolerates(pod: Json, taint: Mapping[str, Any]) -> bool:
    return any(toleration_matches(each, taint) for each in pod["spec"].get("tolerations") or ())


def toleration_matches(toleration: Mapping[str, Any], taint: Mapping[str, Any]) -> bool:
    if toleration.get("effect") and toleration["effect"] != taint["effect"]:
        return False
    if toleration.get("operator", "Equal") == "Exists":
        return toleration.get("key", "") in {"", taint["key"]}
    same: bool = toleration.get("key") == taint["key"] and toleration.get("value", "") == taint.get(
        "value", ""
    )
    return same


def untolerated(pod: Json, node: Json, effects: Iterable[str]) -> Mapping[str, Any] | None:
    """Return the first taint with one of the effects that the pod does not tolerate."""
    taints: Iterable[Mapping[str, Any]] = node["spec"].get("taints") or ()
    return next((each for each in taints if each["effect"] in effects and not tolerates(pod, each)), None)


def matches_node(pod: Json, node: Json) -> bool:
    """Whether nodeSelector and required node affinity let the pod onto the node."""
    labels = labels_of(node)
    if any(labels.get(key) != value for key, value in (pod["spec"].get("nodeSelector") or {}).items()):
        return False
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    return required is None or any(_term_matches(term, node) for term in required["nodeSelectorTerms"])


def _term_matches(term: Mapping[str, Any], node: Json) -> bool:
    expressions, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    name = {"metadata.name": node["metadata"]["name"]}
    return bool(expressions or fields) and (
        all(requirement_met(each, labels_of(node)) for each in expressions)
        and all(requirement_met(each, name) for each in fields)
    )


def _taints(pod: Json, seat: Seat, _: Sequence[Seat]) -> str:
    if seat.node["spec"].get("unschedulable") and not tolerates(
        pod, {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
    ):
        return "node(s) were unschedulable"
    taint = untolerated(pod, seat.node, {"NoSchedule", "NoExecute"})
    return f"node(s) had untolerated taint {{{taint['key']}: {taint.get('value', '')}}}" if taint else ""


def _affinity(pod: Json, seat: Seat, _: Sequence[Seat]) -> str:
    return "" if matches_node(pod, seat.node) else "node(s) didn't match Pod's node affinity/selector"


def _host_ports(pod: Json, seat: Seat, _: Sequence[Seat]) -> str:
    taken = {port for other in seat.pods for port in host_ports(other)}
    clash = any(_ports_clash(mine, other) for mine in host_ports(pod) for other in taken)
    return "node(s) didn't have free ports for the requested pod ports" if clash else ""


def host_ports(pod: Json) -> set[tuple[str, int, str]]:
    """Return protocol, port and address of every port that the pod takes on its node."""
    host_network = pod["spec"].get("hostNetwork")
    found = set()
    for container in pod["spec"]["containers"]:
        for port in container.get("ports") or ():
            number = port.get("hostPort") or (port["containerPort"] if host_network else 0)
            if number:
                found.add((port.get("protocol", "TCP"), number, port.get("hostIP") or "0.0.0.0"))  # noqa: S104 -- any
    return found


def _ports_clash(mine: tuple[str, int, str], other: tuple[str, int, str]) -> bool:
    anywhere = "0.0.0.0" in {mine[2], other[2]}  # noqa: S104 -- any address
    return mine[:2] == other[:2] and (anywhere or mine[2] == other[2])


def _resources(pod: Json, seat: Seat, _: Sequence[Seat]) -> str:
    room = (seat.node.get("status") or {}).get("allocatable") or {}
    if "pods" in room and len(seat.pods) >= quantity(room["pods"]):
        return "Too many pods"
    used = Counter[str]()
    for other in seat.pods:
        used.update(requests(other))
    for name, amount in requests(pod).items():
        if amount and name in room and used[name] + amount > quantity(room[name]):
            return f"Insufficient {name}"
    return ""


def requests(pod: Json) -> Counter[str]:
    """Return what a pod asks for: the sum of its containers, or of the hungriest init container if that is more."""
    total = Counter[str]()
    for container in pod["spec"]["containers"]:
        total.update(_requests(container))
    for container in pod["spec"].get("initContainers") or ():
        total |= _requests(container)
    return total


def _requests(container: Mapping[str, Any]) -> Counter[str]:
    wanted = (container.get("resources") or {}).get("requests") or {}
    return Counter({name: quantity(amount) for name, amount in wanted.items()})


def _pod_affinity(pod: Json, seat: Seat, seats: Sequence[Seat]) -> str:
    affinity = pod["spec"].get("affinity") or {}
    for kind, wants in (("podAffinity", True), ("podAntiAffinity", False)):
        terms = (affinity.get(kind) or {}).get("requiredDuringSchedulingIgnoredDuringExecution") or ()
        for term in terms:
            if _has_company(pod, term, seat, seats) != wants and not (wants and _is_first(pod, term, seats)):
                return f"node(s) didn't match pod {'affinity' if wants else 'anti-affinity'} rules"
    for other_seat in seats:
        for other in other_seat.pods:
            if _repels(other, pod, other_seat, seat):
                return "node(s) didn't satisfy existing pods anti-affinity rules"
    return ""


def _repels(other: Json, pod: Json, other_seat: Seat, seat: Seat) -> bool:
    terms = ((other["spec"].get("affinity") or {}).get("podAntiAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    ) or ()
    return any(
        _term_selects(term, other, pod) and _same_domain(term["topologyKey"], other_seat.node, seat.node)
        for term in terms
    )


def _has_company(pod: Json, term: Mapping[str, Any], seat: Seat, seats: Sequence[Seat]) -> bool:
    key = term["topologyKey"]
    near = (other for other in seats if _same_domain(key, other.node, seat.node))
    return any(_term_selects(term, pod, each) for other in near for each in other.pods)


def _is_first(pod: Json, term: Mapping[str, Any], seats: Sequence[Seat]) -> bool:
    """Whether the pod asks for company of its own kind and is the first of it: then it may sit anywhere."""
    others = any(_term_selects(term, pod, each) for seat in seats for each in seat.pods)
    return not others and _term_selects(term, pod, pod)


def _term_selects(term: Mapping[str, Any], owner: Json, pod: Json) -> bool:
    namespaces = term.get("namespaces") or [owner["metadata"]["namespace"]]
    return pod["metadata"]["namespace"] in namespaces and selects(term.get("labelSelector"), labels_of(pod))


def _same_domain(key: str, one: Json, other: Json) -> bool:
    value = labels_of(one).get(key)
    return value is not None and value == labels_of(other).get(key)


def _spread(pod: Json, seat: Seat, seats: Sequence[Seat]) -> str:
    for rule in pod["spec"].get("topologySpreadConstraints") or ():
        if rule.get("whenUnsatisfiable", "DoNotSchedule") != "DoNotSchedule":
            continue
        domain = labels_of(seat.node).get(rule["topologyKey"])
        if domain is None:
            return "node(s) didn't match pod topology spread constraints (missing required label)"
        counts = _domains(pod, rule, seats)
        if counts.get(domain, 0) + 1 - min(counts.values(), default=0) > rule.get("maxSkew", 1):
            return "node(s) didn't match pod topology spread constraints"
    return ""


def _domains(pod: Json, rule: Mapping[str, Any], seats: Sequence[Seat]) -> Counter[str]:
    """Return how many pods that the rule selects each domain holds, of nodes that the pod could choose."""
    counts = Counter[str]()
    for seat in seats:
        domain = labels_of(seat.node).get(rule["topologyKey"])
        if domain is not None and matches_node(pod, seat.node):
            counts[domain] += sum(_counts_for(rule, pod, each) for each in seat.pods)
    return counts


def _counts_for(rule: Mapping[str, Any], pod: Json, other: Json) -> bool:
    same = other["metadata"]["namespace"] == pod["metadata"]["namespace"]
    return same and not is_terminating(other) and selects(rule.get("labelSelector"), labels_of(other))


Filter = Callable[[Json, Seat, Sequence[Seat]], str]
FILTERS: Final[Sequence[Filter]] = (_taints, _affinity, _host_ports, _resources, _spread, _pod_affinity)


def obstacle(pod: Json, seat: Seat, seats: Sequence[Seat]) -> str:
    """Return why the pod cannot run on the node of `seat`, or an empty string."""
    return next(filter(None, (each(pod, seat, seats) for each in FILTERS)), "")


def attraction(pod: Json, seat: Seat, seats: Sequence[Seat]) -> tuple[float, ...]:
    """Return what to compare nodes by; the highest wins.

    First preferences and soft spreading, then few siblings of the pod, then few pods at all.
    """
    siblings = sum(_are_siblings(pod, each) for each in seat.pods)
    soft = bool(untolerated(pod, seat.node, {"PreferNoSchedule"}))
    return (-soft, _preference(pod, seat) - _soft_skew(pod, seat, seats), -siblings, -len(seat.pods))


def _are_siblings(pod: Json, other: Json) -> bool:
    uid = controller_uid(pod)
    return bool(uid) and uid == controller_uid(other) and not is_finished(other)


def _preference(pod: Json, seat: Seat) -> int:
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    preferred = affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
    return sum(int(each["weight"]) for each in preferred if _term_matches(each["preference"], seat.node))


def _soft_skew(pod: Json, seat: Seat, seats: Sequence[Seat]) -> int:
    rules = pod["spec"].get("topologySpreadConstraints") or ()
    soft = (rule for rule in rules if rule.get("whenUnsatisfiable") == "ScheduleAnyway")
    return sum(_domains(pod, rule, seats)[labels_of(seat.node).get(rule["topologyKey"], "")] for rule in soft)
