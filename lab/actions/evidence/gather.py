"""Read the facts, all machines at once.

kubectl on the control plane, BIRD and the kernel on the router, service rules on the workers, and what the client sees.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from lab.actions.cluster import read
from lab.actions.evidence.facts import Facts, Json, Session
from lab.actions.steps import Context
from lab.errors import LabError, UsageError
from lab.topology.model import Machine
from lab.topology.naming import peer_name

BALANCER = "metallb-system"
SPEAKER = {"component": "speaker"}
NO_SERVICE = "none has type LoadBalancer; on the client: k expose deploy NAME --type=LoadBalancer --port=80"
REQUESTS = 30
RETRANSMISSION, ANSWER = 1.7, 0.3
"""Seconds that a question may take: for a packet that is lost, and for the work."""
TIMEOUT = 60.0
"""Seconds, on a machine container."""
NO_ANSWER = "000"
"""curl's code of a question that nobody answered."""
NEXT_HOP = re.compile(r"\bvia ([0-9a-f.:]+)")
RULES = """
iptables-save 2>/dev/null
ip6tables-save 2>/dev/null
nft list tables 2>/dev/null | grep -Ev '^table ip6? (filter|nat|mangle|raw|security)$' | while read -r _ family table; do
    nft list table "$family" "$table"
done
"""

REFUSES = re.compile(r"^-A .* -j (DROP|REJECT)\b|^:(INPUT|FORWARD|OUTPUT) DROP\b|^\s.*\b(drop|reject)\b")
OWN_CHAINS = re.compile(r"KUBE|CNI")
KINDS = "services,pods,nodes"
PEERS = "bgppeers.metallb.io"


def read_objects(context: Context) -> list[Json]:
    """Return what the cluster has of Services, pods, nodes and BGP peers; nothing when it does not answer.

    In one call: kubectl takes longer to start than the API server to answer.
    """
    # Without a load balancer nobody knows what a peer is, and kubectl refuses the whole question.
    return _items(context, f"{KINDS},{PEERS}") or _items(context, KINDS)


def find_service(objects: Iterable[Json], wanted: str) -> Json:
    """Return the Service that `wanted` names: as NAMESPACE/NAME, as NAME in `default`, or by its external address.

    Raises UsageError when there is none.
    """
    listed = _of_kind(objects, "Service")
    for service in listed:
        name = name_of(service)
        addresses = [
            entry.get("ip") for entry in service.get("status", {}).get("loadBalancer", {}).get("ingress", [])
        ]
        if wanted in (name, name.removeprefix("default/"), *addresses):
            found: Json = service
            return found
    others = ", ".join(name_of(s) for s in listed if s["spec"].get("type") == "LoadBalancer")
    raise UsageError(
        f"no Service has the name or the external address {wanted}",
        hint=f"there are: {others}" if others else NO_SERVICE,
    )


def name_of(thing: Json) -> str:
    """Return NAMESPACE/NAME of an object of the cluster."""
    return f"{thing['metadata']['namespace']}/{thing['metadata']['name']}"


def gather(context: Context, name: str, objects: Sequence[Json]) -> Facts:
    """Return the facts about the Service NAMESPACE/NAME, which may be missing among the cluster's `objects`."""
    service = next((found for found in _of_kind(objects, "Service") if name_of(found) == name), None)
    known = Facts(name=name, service=service)
    address = known.addresses[0] if known.addresses else ""
    with ThreadPoolExecutor(max_workers=8) as pool:
        router = pool.submit(_router, context, address)
        machines = (context.topology.router, context.topology.client, *context.topology.workers)
        filters = {machine.name: pool.submit(_filter, context, machine) for machine in machines}
        client = pool.submit(_client, context, address, _port(service))
        saved = {machine: found.result() for machine, found in filters.items()}
        return Facts(
            name=name,
            service=service,
            **_cluster(objects, known),
            **router.result(),
            **client.result(),
            rules={w.name: _knows(saved[w.name], address) for w in context.topology.workers},
            drops={machine: found for machine, rules in saved.items() if (found := _drops(rules))},
        )


def _cluster(objects: Sequence[Json], known: Facts) -> dict[str, Any]:
    pods = _of_kind(objects, "Pod")
    namespace = known.name.partition("/")[0]
    selector = (known.service or {}).get("spec", {}).get("selector") or {}
    peers = _of_kind(objects, "BGPPeer")
    return {
        "pods": tuple(_selected(pods, namespace, selector)) if selector else (),
        "nodes": tuple(_of_kind(objects, "Node")),
        "peers": tuple(peer for peer in peers if peer["metadata"]["namespace"] == BALANCER),
        "speakers": {
            pod["spec"].get("nodeName", ""): _all_ready(pod) for pod in _selected(pods, BALANCER, SPEAKER)
        },
    }


def _selected(pods: Iterable[Json], namespace: str, selector: Mapping[str, str]) -> Iterator[Json]:
    """Yield the pods of the namespace whose labels the selector matches."""
    for pod in pods:
        labels = pod["metadata"].get("labels") or {}
        if pod["metadata"]["namespace"] == namespace and selector.items() <= labels.items():
            yield pod


def sessions(context: Context) -> tuple[Session, ...]:
    """Return the BGP sessions as the router's BIRD sees them; none when it does not answer."""
    said = _run(context, context.topology.router, ["birdc", "show", "protocols", "all"])
    return tuple(_sessions(said, context))


def _router(context: Context, address: str) -> dict[str, Any]:
    prefix = f"{address}/{128 if ':' in address else 32}"
    router, family = context.topology.router, "-6" if ":" in address else "-4"
    found: dict[str, Any] = {"sessions": sessions(context)}
    if not address:
        return found
    routes = json.loads(_run(context, router, ["ip", family, "-json", "route", "show", address]) or "[]")
    return {
        **found,
        "rib": _next_hops(_run(context, router, ["birdc", "show", "route", "for", prefix])),
        "filtered": _next_hops(_of(prefix, _run(context, router, ["birdc", "show", "route", "filtered"]))),
        "kernel": frozenset(
            hop["gateway"] for route in routes for hop in route.get("nexthops", [route]) if "gateway" in hop
        ),
    }


def _filter(context: Context, machine: Machine) -> Sequence[str]:
    """Return the machine's packet filter rules: of both families, and those that nft alone knows."""
    return _run(context, machine, ["sh", "-c", RULES]).splitlines()


def _knows(rules: Sequence[str], address: str) -> bool:
    """Tell whether there are service rules for the address."""
    return bool(address) and any(address in line and "KUBE-SERVICES" in line for line in rules)


def _drops(rules: Sequence[str]) -> tuple[str, ...]:
    """Return the rules that drop or reject packets, other than Kubernetes' own."""
    return tuple(line.strip() for line in rules if REFUSES.search(line) and not OWN_CHAINS.search(line))


def _client(context: Context, address: str, port: int) -> dict[str, Any]:
    if not address:
        return {}
    client, family = context.topology.client, "-6" if ":" in address else "-4"
    route = json.loads(_run(context, client, ["ip", family, "-json", "route", "get", address]) or "[]")
    url = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    patience = context.patience(ANSWER, timers=RETRANSMISSION)
    said = _run(context, client, _questions(url, REQUESTS, patience)).splitlines()
    answered = Counter(_answerer(line) for line in said if not line.startswith(NO_ANSWER))
    return {
        "client_gateways": frozenset(entry["gateway"] for entry in route if "gateway" in entry),
        "answers": dict(answered),
        "unanswered": len(said) - answered.total(),
    }


def _questions(url: str, number: int, patience: float) -> list[str]:
    """Return the command that asks so often, each time by another connection, and says what it heard.

    All at once: when nobody answers, that takes `patience` seconds and not so many times as long.
    """
    argv = ["curl", "--silent", "--output", "/dev/null", "--parallel", "--parallel-immediate"]
    argv += ["--max-time", f"{patience:g}", "--header", "Connection: close"]
    # A fragment is never sent: every question is the same.
    return [*argv, "--write-out", "%{http_code} %header{x-pod}\\n", f"http://{url}/#[1-{number}]"]


def _answerer(line: str) -> str:
    code, _, pod = line.partition(" ")
    return pod or f"HTTP {code}"


def _port(service: Json | None) -> int:
    ports = (service or {}).get("spec", {}).get("ports") or [{"port": 80}]
    return int(ports[0]["port"])


def _sessions(said: str, context: Context) -> Sequence[Session]:
    """Read `birdc show protocols all`: a header line each, details indented below it."""
    workers: Mapping[str, str] = {peer_name(n): w.name for n, w in enumerate(context.topology.workers, 1)}
    blocks = re.split(r"\n(?=\S)", said)
    found = []
    for block in blocks:
        words = block.split()
        if words and words[0] in workers:
            state = re.search(r"BGP state:\s+(\S+)", block)
            error = re.search(r"Last error:\s+(.+)", block)
            found.append(
                Session(
                    peer=words[0],
                    worker=workers[words[0]],
                    state=state[1] if state else "down",
                    error=error[1].strip() if error else "",
                )
            )
    return found


def _next_hops(said: str) -> frozenset[str]:
    return frozenset(NEXT_HOP.findall(said))


def _of(prefix: str, said: str) -> str:
    """Return what BIRD lists of `prefix`: its `for` finds no filtered routes. Further routes are indented."""
    blocks = re.split(r"\n(?=\S)", said)
    return next((block for block in blocks if block.startswith(f"{prefix} ")), "")


def _items(context: Context, kinds: str) -> list[Json]:
    items: list[Json] = read(context, kinds, "--all-namespaces", "--output=json").get("items", [])
    return items


def _of_kind(objects: Iterable[Json], kind: str) -> list[Json]:
    return [thing for thing in objects if thing["kind"] == kind]


def _all_ready(pod: Json) -> bool:
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    return bool(statuses) and all(status.get("ready") for status in statuses)


def _run(context: Context, machine: Machine, argv: Sequence[str]) -> str:
    """Return what the command says on the machine; nothing when the machine or the command fails."""
    try:
        enter, timeout = context.enter(machine.name, *argv), context.patience(TIMEOUT)
        return subprocess.run(enter, capture_output=True, text=True, timeout=timeout, check=False).stdout
    except (LabError, subprocess.TimeoutExpired):
        return ""
