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
ANSWER_PATIENCE = 2.0
"""Seconds, on a machine container."""
TIMEOUT = 60.0
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


def find_service(context: Context, wanted: str) -> Json:
    """Return the Service that `wanted` names: as NAMESPACE/NAME, as NAME in `default`, or by its external address.

    Raises UsageError when there is none.
    """
    listed = read(context, "services", "--all-namespaces", "--output=json").get("items", [])
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


def gather_by_name(context: Context, name: str) -> Facts:
    """Return the facts about the Service NAMESPACE/NAME."""
    namespace, _, bare = name.partition("/")
    service = read(context, "service", bare, f"--namespace={namespace}", "--output=json") or None
    return gather(context, name, service)


def gather(context: Context, name: str, service: Json | None, *, requests: int = REQUESTS) -> Facts:
    """Return the facts about the Service called `name`, if there is one."""
    namespace = name.partition("/")[0]
    known = Facts(name=name, service=service)
    address = known.addresses[0] if known.addresses else ""
    with ThreadPoolExecutor(max_workers=8) as pool:
        cluster = pool.submit(_cluster, context, namespace, service)
        router = pool.submit(_router, context, address)
        machines = (context.topology.router, context.topology.client, *context.topology.workers)
        filters = {machine.name: pool.submit(_filter, context, machine) for machine in machines}
        client = pool.submit(_client, context, address, _port(service), requests)
        saved = {machine: found.result() for machine, found in filters.items()}
        return Facts(
            name=name,
            service=service,
            **cluster.result(),
            **router.result(),
            **client.result(),
            rules={w.name: _knows(saved[w.name], address) for w in context.topology.workers},
            drops={machine: found for machine, rules in saved.items() if (found := _drops(rules))},
        )


def _cluster(context: Context, namespace: str, service: Json | None) -> dict[str, Any]:
    # As few calls as can be: kubectl takes longer to start than the API server to answer.
    found = _items(context, "nodes,pods", "--all-namespaces")
    pods = [item for item in found if item["kind"] == "Pod"]
    selector = (service or {}).get("spec", {}).get("selector") or {}
    return {
        "pods": tuple(_selected(pods, namespace, selector)) if selector else (),
        "nodes": tuple(item for item in found if item["kind"] == "Node"),
        "peers": tuple(_items(context, "bgppeers.metallb.io", f"--namespace={BALANCER}")),
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


def _client(context: Context, address: str, port: int, requests: int) -> dict[str, Any]:
    if not address:
        return {}
    client, family = context.topology.client, "-6" if ":" in address else "-4"
    route = json.loads(_run(context, client, ["ip", family, "-json", "route", "get", address]) or "[]")
    url = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    patience = ANSWER_PATIENCE * context.provider.slowness
    said = _run(context, client, _questions(url, requests, patience)).splitlines()
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


def _items(context: Context, *argv: str) -> list[Json]:
    items: list[Json] = read(context, *argv, "--output=json").get("items", [])
    return items


def _all_ready(pod: Json) -> bool:
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    return bool(statuses) and all(status.get("ready") for status in statuses)


def _run(context: Context, machine: Machine, argv: Sequence[str]) -> str:
    """Return what the command says on the machine; nothing when the machine or the command fails."""
    try:
        enter = context.provider.enter(machine.name, argv, user="root", terminal=False)
        timeout = TIMEOUT * context.provider.slowness
        return subprocess.run(enter, capture_output=True, text=True, timeout=timeout, check=False).stdout
    except (LabError, subprocess.TimeoutExpired):
        return ""
