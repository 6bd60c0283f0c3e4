"""Each broken way: the first hop that is not in order, and what is said of it."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import pytest

from lab.actions.evidence.facts import Facts, Json, Session
from lab.actions.evidence.judge import EXCLUDED, Hop, judge
from tests.unit.topologies import default_lab

HOPS = frozenset({"10.0.0.51", "10.0.0.52", "10.0.0.53"})
WORKERS = ("k8s-worker1", "k8s-worker2", "k8s-worker3")
TWO_HOPS = HOPS - {"10.0.0.53"}
DROP = "-A FORWARD -d 172.16.254.1/32 -j DROP"


def _service(*, ingress: bool = True, message: str = "", **spec: Any) -> Json:
    conditions = [{"type": "metallb.io/AddressAssigned", "message": message}] if message else []
    return {
        "metadata": {"annotations": {"metallb.io/ip-allocated-from-pool": "my-ip-space"}},
        "spec": {"type": "LoadBalancer", "selector": {"app": "nginx"}, **spec},
        "status": {
            "conditions": conditions,
            "loadBalancer": {"ingress": [{"ip": "172.16.254.1"}] if ingress else []},
        },
    }


def _pod(node: str, *, ready: bool = True, waiting: Json | None = None) -> Json:
    return {
        "metadata": {"name": f"nginx-{node}"},
        "spec": {"nodeName": node},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "containerStatuses": [{"state": {"waiting": waiting} if waiting else {}}],
        },
    }


def _node(name: str, **labels: str) -> Json:
    return {"metadata": {"name": name, "labels": {k.replace("__", "/"): v for k, v in labels.items()}}}


def _peer(**spec: Any) -> Json:
    return {"metadata": {"name": "router"}, "spec": {"myASN": 22000, "peerASN": 11000, **spec}}


def _sessions(state: str = "Established", error: str = "") -> tuple[Session, ...]:
    states = ["Established", "Established", state]
    return tuple(
        Session(peer=f"peer{n}", worker=worker, state=s, error=error if s != "Established" else "")
        for n, (worker, s) in enumerate(zip(WORKERS, states, strict=True), 1)
    )


HEALTHY = Facts(
    name="default/nginx",
    service=_service(),
    pods=tuple(_pod(worker) for worker in WORKERS),
    nodes=tuple(_node(worker) for worker in WORKERS),
    speakers=dict.fromkeys(WORKERS, True),
    peers=(_peer(),),
    sessions=_sessions(),
    rib=HOPS,
    kernel=HOPS,
    rules=dict.fromkeys(WORKERS, True),
    client_gateways=frozenset({"172.16.0.1"}),
    answers={"nginx-a": 12, "nginx-b": 18},
)


def _first_broken(facts: Facts) -> Hop:
    return next(hop for hop in judge(facts, default_lab()) if not hop.ok)


def test_a_healthy_way_has_every_hop_in_order() -> None:
    hops = judge(HEALTHY, default_lab())
    assert [hop.name for hop in hops if not hop.ok] == []
    assert len(hops) == 9
    assert not any(hop.cure for hop in hops)


NO_POOL = "no address: pool my-ip-space has no free address left"
WRONG_POOL = "no address: there is no pool gold"
IMAGE = {"reason": "ErrImagePull", "message": "there is no image ngnix here"}
OUT = tuple({"metadata": {"name": worker, "labels": {EXCLUDED: ""}}} for worker in WORKERS)
BROKEN: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "no service": ({"service": None}, "address", "there is no Service default/nginx", "kubectl get services"),
    "not a load balancer": (
        {"service": _service(ingress=False, type="ClusterIP")},
        "address",
        "of type ClusterIP",
        "type LoadBalancer",
    ),
    "no pool left": ({"service": _service(ingress=False, message=NO_POOL)}, "address", NO_POOL, "pools"),
    "wrong pool name": ({"service": _service(ingress=False, message=WRONG_POOL)}, "address", "gold", "pools"),
    "no controller": (
        {"service": _service(ingress=False)},
        "address",
        "no controller said why",
        "deployment controller",
    ),
    "no endpoints": ({"pods": ()}, "pods", "no pod matches app=nginx", "--selector app=nginx"),
    "pod not ready": (
        {"pods": (_pod("k8s-worker1", ready=False),)},
        "pods",
        "its readiness probe fails",
        "kubectl describe pod",
    ),
    "unknown image": (
        {"pods": (_pod("k8s-worker1", ready=False, waiting=IMAGE),)},
        "pods",
        "ErrImagePull there is no image ngnix here",
        "kubectl describe pod",
    ),
    "speaker gone": (
        {"speakers": {"k8s-worker1": True, "k8s-worker2": True}},
        "speakers",
        "k8s-worker3",
        "logs POD",
    ),
    "nodes labelled out": (
        {"nodes": OUT, "rib": frozenset()},
        "speakers",
        "labelled out: k8s-worker1",
        EXCLUDED,
    ),
    "session down": (
        {"sessions": _sessions("Active", "Socket: Connection refused")},
        "sessions",
        "peer3 (k8s-worker3) is Active, last error: Socket: Connection refused",
        "lab status",
    ),
    "wrong ASN": (
        {"sessions": _sessions("Idle", "Bad peer AS"), "peers": (_peer(myASN=23000),)},
        "sessions",
        "Bad peer AS",
        "BGPPeer router has myASN 23000",
    ),
    "wrong password": (
        {"sessions": _sessions("Connect"), "peers": (_peer(password="x"),)},
        "sessions",
        "is Connect",
        "different passwords",
    ),
    "no peer": ({"sessions": _sessions("Active"), "peers": ()}, "sessions", "Active", "there is no BGPPeer"),
    "filtered on the router": (
        {"rib": frozenset(), "filtered": HOPS, "kernel": frozenset()},
        "router RIB",
        "refused by the import filter",
        "pools in lab.yml",
    ),
    "not announced by one": (
        {"rib": TWO_HOPS, "kernel": TWO_HOPS},
        "router RIB",
        "10.0.0.53",
        "servicebgpstatuses",
    ),
    "not in the kernel": ({"kernel": frozenset()}, "router kernel", "kernel: none", "lab up"),
    "service rules missing": (
        {"rules": {**HEALTHY.rules, "k8s-worker2": False}},
        "service rules",
        "k8s-worker2",
        "restart pocket-proxy",
    ),
    "no client route": ({"client_gateways": frozenset()}, "client route", "there is none", "lab up"),
    "wrong client route": (
        {"client_gateways": frozenset({"172.16.0.99"})},
        "client route",
        "172.16.0.99",
        "lab up",
    ),
    "firewall drop": (
        {"answers": {}, "unanswered": 30, "drops": {"k8s-worker1": (DROP,)}},
        "answers",
        f"k8s-worker1: {DROP}",
        "remove the rule",
    ),
    "lost somewhere": ({"answers": {"nginx-a": 10}, "unanswered": 20}, "answers", "20 of 30", "tcpdump"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_way_names_its_hop_and_the_cure(case: str) -> None:
    changes, hop, detail, cure = BROKEN[case]
    broken = _first_broken(replace(HEALTHY, **changes))
    assert broken.name == hop
    assert detail in broken.detail
    assert cure in broken.cure


SUSPECTS = {
    "no pool left": set(),
    "no endpoints": set(),
    "speaker gone": {"k8s-worker3"},
    "session down": {"k8s-worker3"},
    "filtered on the router": {"router"},
    "not announced by one": {"k8s-worker3"},
    "not in the kernel": {"router"},
    "service rules missing": {"k8s-worker2"},
    "no client route": {"client"},
    "firewall drop": {"k8s-worker1"},
    "lost somewhere": {"client", "router"},
}


@pytest.mark.parametrize("case", SUSPECTS)
def test_machines_that_may_be_made_anew_are_suspected_and_never_the_control_plane(case: str) -> None:
    assert set(_first_broken(replace(HEALTHY, **BROKEN[case][0])).suspects) == SUSPECTS[case]


@pytest.mark.parametrize("case", BROKEN)
def test_every_verdict_can_be_told_as_json(case: str) -> None:
    hops = judge(replace(HEALTHY, **BROKEN[case][0]), default_lab())
    assert json.loads(json.dumps([asdict(hop) for hop in hops]))


def test_local_traffic_wants_only_workers_with_a_pod() -> None:
    facts = replace(
        HEALTHY,
        service=_service(externalTrafficPolicy="Local"),
        pods=(_pod("k8s-worker1"),),
        rib=frozenset({"10.0.0.51"}),
        kernel=frozenset({"10.0.0.51"}),
    )
    assert all(hop.ok for hop in judge(facts, default_lab()))


def test_a_worker_that_is_labelled_out_is_not_missed() -> None:
    nodes = (*HEALTHY.nodes[:2], {"metadata": {"name": "k8s-worker3", "labels": {EXCLUDED: ""}}})
    facts = replace(HEALTHY, nodes=nodes, rib=TWO_HOPS, kernel=TWO_HOPS)
    assert all(hop.ok for hop in judge(facts, default_lab()))
