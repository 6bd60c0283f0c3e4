"""From facts to verdicts: one function a hop, in the order of the way; each names what is wrong and the cure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass

from lab.actions.evidence.facts import Facts, Json
from lab.topology.model import Machine, MachineName, Topology

EXCLUDED = "node.kubernetes.io/exclude-from-external-load-balancers"
POOL_ANNOTATION = "metallb.io/ip-allocated-from-pool"
ASSIGNED = "metallb.io/AddressAssigned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One stage of the way, and whether it is in order."""

    name: str
    ok: bool
    detail: str
    cure: str = ""
    """What to do about it; empty when it is in order."""
    suspects: tuple[MachineName, ...] = ()
    """Machines that may be to blame and hold nothing that is not elsewhere too: making them anew may help."""


def judge(facts: Facts, topology: Topology) -> list[Hop]:
    """Return every hop up to where nothing further can be known: without an address there is no way."""
    hops = [address(facts)]
    if hops[0].ok:
        hops += [hop(facts, topology) for hop in HOPS]
    return hops


def address(facts: Facts) -> Hop:
    name = "address"
    if facts.service is None:
        return _bad(name, f"there is no Service {facts.name}", "kubectl get services --all-namespaces")
    if facts.addresses:
        pool = facts.service["metadata"].get("annotations", {}).get(POOL_ANNOTATION, "?")
        return _good(name, f"{', '.join(facts.addresses)} from pool {pool}")
    kind = facts.service["spec"].get("type")
    if kind != "LoadBalancer":
        return _bad(
            name, f"{facts.name} is of type {kind}", "only Services of type LoadBalancer get an address"
        )
    conditions = (facts.service.get("status") or {}).get("conditions") or []
    said = next((c["message"] for c in conditions if c.get("type") == ASSIGNED), "")
    if not said:
        cure = "is the controller running? kubectl -n metallb-system get deployment controller"
        return _bad(name, f"{facts.name} has none, and no controller said why", cure)
    return _bad(
        name,
        f"{facts.name} has none: {said}",
        "change the Service, or the pools: kubectl -n metallb-system get ipaddresspools",
    )


def pods(facts: Facts, topology: Topology) -> Hop:
    del topology
    name = "pods"
    ready = [pod for pod in facts.pods if _is_ready(pod)]
    if ready:
        where = ", ".join(sorted({pod["spec"].get("nodeName", "?") for pod in ready}))
        return _good(name, f"{len(ready)} ready on {where}")
    if not facts.pods:
        selector = (facts.service or {})["spec"].get("selector") or {}
        text = ",".join(f"{key}={value}" for key, value in selector.items())
        cure = f"is it scaled to 0, or is the selector wrong? kubectl get pods --selector {text}"
        return _bad(name, f"no pod matches {text}", cure)
    waiting = "; ".join(f"{pod['metadata']['name']}: {_why_not_ready(pod)}" for pod in facts.pods)
    return _bad(name, f"none of {len(facts.pods)} is ready: {waiting}", "kubectl describe pod, kubectl logs")


def speakers(facts: Facts, topology: Topology) -> Hop:
    name = "speakers"
    out = [n for n in _workers(facts, topology) if EXCLUDED in n["metadata"].get("labels", {})]
    labelled = ", ".join(node["metadata"]["name"] for node in out)
    silent = [worker.name for worker in topology.workers if not facts.speakers.get(worker.name)]
    if out and len(out) == len(topology.workers):
        return _bad(name, f"labelled out: {labelled}", f"kubectl label node NAME {EXCLUDED}-")
    if silent:
        cure = "kubectl -n metallb-system get pods -l component=speaker -o wide; kubectl -n metallb-system logs POD"
        return _bad(name, f"none ready on {', '.join(silent)}", cure, suspects=silent)
    note = f"; labelled out: {labelled}" if out else ""
    return _good(name, f"{len(topology.workers)} of {len(topology.workers)} ready{note}")


def sessions(facts: Facts, topology: Topology) -> Hop:
    name = "sessions"
    down = [session for session in facts.sessions if not session.established]
    if not down:
        return _good(name, f"{', '.join(s.peer for s in facts.sessions)} Established")
    detail = "; ".join(f"{s.peer} ({s.worker}) is {s.state}{_said(s.error)}" for s in down)
    return _bad(name, detail, _why_down(facts, topology), suspects=[s.worker for s in down])


def rib(facts: Facts, topology: Topology) -> Hop:
    name = "router RIB"
    missing = _expected(facts, topology) - facts.rib
    if not missing:
        return _good(name, f"via {', '.join(sorted(facts.rib))}")
    if missing & facts.filtered:
        cure = "the router takes only single addresses of the pools in lab.yml: compare them with the IPAddressPools"
        detail = f"refused by the import filter: via {', '.join(sorted(missing & facts.filtered))}"
        return _bad(name, detail, cure, suspects=[topology.router.name])
    cure = "kubectl describe service says which nodes announce it; kubectl -n metallb-system get servicebgpstatuses"
    return _bad(name, f"no route via {', '.join(sorted(missing))}", cure, suspects=_at(missing, topology))


def kernel(facts: Facts, topology: Topology) -> Hop:
    name = "router kernel"
    if facts.kernel and facts.kernel == facts.rib:
        return _good(name, f"{len(facts.kernel)} next hops")
    detail = (
        f"RIB: {', '.join(sorted(facts.rib)) or 'none'}; kernel: {', '.join(sorted(facts.kernel)) or 'none'}"
    )
    cure = "lab exec router -- birdc show protocols all; lab up configures the router again"
    return _bad(name, detail, cure, suspects=[topology.router.name])


def rules(facts: Facts, topology: Topology) -> Hop:
    del topology
    name = "service rules"
    missing = [worker for worker, known in facts.rules.items() if not known]
    if not missing:
        return _good(name, f"on {', '.join(facts.rules)}")
    cure = f"is the proxy running? lab exec {missing[0]} -- systemctl restart pocket-proxy"
    return _bad(name, f"none for the address on {', '.join(missing)}", cure, suspects=missing)


def client_route(facts: Facts, topology: Topology) -> Hop:
    name = "client route"
    network = topology.client_network.name
    router = {str(interface.ip) for interface in topology.router.interface(network).addresses}
    if facts.client_gateways and facts.client_gateways <= router:
        return _good(name, f"via {', '.join(sorted(facts.client_gateways))}")
    went = (
        f"goes via {', '.join(sorted(facts.client_gateways))}" if facts.client_gateways else "there is none"
    )
    detail = f"{went}, not via the router {', '.join(sorted(router))}"
    return _bad(name, detail, "lab up makes the client anew", suspects=[topology.client.name])


def answers(facts: Facts, topology: Topology) -> Hop:
    name = "answers"
    asked = sum(facts.answers.values()) + facts.unanswered
    by_pod = ", ".join(f"{pod} {count}" for pod, count in sorted(facts.answers.items()))
    if asked and not facts.unanswered:
        return _good(name, f"{asked} of {asked}: {by_pod}")
    dropping = "; ".join(f"{machine}: {rule}" for machine, found in facts.drops.items() for rule in found)
    detail = f"{facts.unanswered} of {asked} requests had none" + (f"; {by_pod}" if by_pod else "")
    if dropping:
        detail = f"{detail}; packet filter rules that drop: {dropping}"
        return _bad(name, detail, "remove the rule that drops it", suspects=facts.drops)
    hosts = " or host ".join(facts.addresses)
    cure = f"look for the packets: lab exec router -- tcpdump -ni any host {hosts}"
    return _bad(name, detail, cure, suspects=[topology.router.name, topology.client.name])


HOPS: tuple[Callable[[Facts, Topology], Hop], ...] = (
    pods,
    speakers,
    sessions,
    rib,
    kernel,
    rules,
    client_route,
    answers,
)


def _good(name: str, detail: str) -> Hop:
    return Hop(name=name, ok=True, detail=detail)


def _bad(name: str, detail: str, cure: str, *, suspects: Iterable[str] = ()) -> Hop:
    names = tuple(sorted({MachineName(each) for each in suspects}))
    return Hop(name=name, ok=False, detail=detail, cure=cure, suspects=names)


def _at(addresses: Collection[str], topology: Topology) -> list[MachineName]:
    """Return the workers that have these addresses on the cluster's network."""

    def has_one(worker: Machine) -> bool:
        return str(worker.address(topology.cluster_network.name)) in addresses

    return [worker.name for worker in topology.workers if has_one(worker)]


def _said(error: str) -> str:
    return f", last error: {error}" if error else ""


def _is_ready(pod: Json) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _why_not_ready(pod: Json) -> str:
    status = pod.get("status") or {}
    for container in status.get("containerStatuses") or []:
        waiting = (container.get("state") or {}).get("waiting")
        if waiting:
            return f"{waiting.get('reason', 'waiting')} {waiting.get('message', '')}".strip()
    return (
        "its readiness probe fails"
        if status.get("phase") == "Running"
        else str(status.get("phase", "unknown"))
    )


def _workers(facts: Facts, topology: Topology) -> Iterator[Json]:
    names = {worker.name for worker in topology.workers}
    return (node for node in facts.nodes if node["metadata"]["name"] in names)


def _expected(facts: Facts, topology: Topology) -> set[str]:
    """Return the workers' addresses that should be next hops."""
    out = {
        n["metadata"]["name"]
        for n in _workers(facts, topology)
        if EXCLUDED in n["metadata"].get("labels", {})
    }
    with_pod = {pod["spec"].get("nodeName") for pod in facts.pods if _is_ready(pod)}
    network = topology.cluster_network.name
    return {
        str(worker.address(network))
        for worker in topology.workers
        if worker.name not in out and (not facts.is_local or worker.name in with_pod)
    }


def _why_down(facts: Facts, topology: Topology) -> str:
    """Compare both ends of the sessions: what the BGPPeers say, and what the router was told by lab.yml."""
    bgp = topology.bgp
    for peer in facts.peers:
        spec, name = peer["spec"], peer["metadata"]["name"]
        if spec.get("myASN") != bgp.cluster_asn or spec.get("peerASN") != bgp.router_asn:
            said = f"myASN {spec.get('myASN')} and peerASN {spec.get('peerASN')}"
            return f"BGPPeer {name} has {said}; the router expects {bgp.cluster_asn} and {bgp.router_asn}"
        has_password = bool(spec.get("password") or spec.get("passwordSecret"))
        if has_password != bool(bgp.password) or (spec.get("password") or bgp.password) != bgp.password:
            return f"BGPPeer {name} and the router have different passwords: lab.yml, bgp.password"
    if not facts.peers:
        return "there is no BGPPeer: ansible-playbook install_lb.yml, or lab up"
    return "is the worker there (lab status), and its speaker? kubectl -n metallb-system logs POD"
