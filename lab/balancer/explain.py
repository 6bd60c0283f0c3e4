"""`python -m lab.balancer explain NAMESPACE/SERVICE`: why a Service has no address, or why nobody announces it.

Everything it says is in the API already; it only puts it into sentences.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Iterable, Iterator, Sequence

from lab.balancer.conditions import ADDRESS_ASSIGNED
from lab.balancer.reasons import NOT_ANNOUNCED_WORDS, NotAnnounced
from lab.balancer.resources import (
    BGP_SESSION_STATES,
    CONFIGURATION_STATES,
    SERVICE_BGP_STATUSES,
    SERVICE_L2_STATUSES,
)
from lab.balancer.service import Service, decode_service
from lab.errors import UsageError
from lab.kube.client import Client
from lab.kube.config import load_config
from lab.kube.errors import NotFound
from lab.kube.resources import SERVICES, Json, ObjectKey, Resource


def explain(
    service: Service, *, announcements: Iterable[Json], sessions: Iterable[Json], states: Iterable[Json]
) -> Iterator[str]:
    """Yield sentences about a Service, from the status objects of the balancer."""
    yield from _address(service)
    if service.ingress:
        yield from _announcements(service, list(announcements), list(sessions))
    for state in states:
        status = state.get("status") or {}
        if status.get("result") == "Invalid":
            yield f"The configuration has mistakes, says {state['metadata']['name']}: {status.get('errorSummary')}"


def _address(service: Service) -> Iterator[str]:
    condition = next((c for c in service.conditions if c.get("type") == ADDRESS_ASSIGNED), None)
    if service.type != "LoadBalancer":
        yield f"{service.key} is of type {service.type}: only Services of type LoadBalancer get an address."
    elif service.ingress:
        where = f" ({condition['message']})" if condition else ""
        yield f"{service.key} has the address {' and '.join(service.ingress)}{where}."
    elif service.load_balancer_class and condition is None:
        yield (
            f"{service.key} waits for a controller of loadBalancerClass {service.load_balancer_class}; "
            "ours serves it only if it was started with --lb-class of that name."
        )
    elif condition is None:
        yield (
            f"{service.key} waits, and no controller has said anything about it: is one running? "
            "Try kubectl -n metallb-system get deployment controller."
        )
    else:
        yield f"{service.key} has no address: {condition['message']}."


def _announcements(service: Service, announcements: list[Json], sessions: list[Json]) -> Iterator[str]:
    mine = [a.get("status") or {} for a in announcements]
    mine = [s for s in mine if (s.get("serviceNamespace"), s.get("serviceName")) == service.key]
    if not mine:
        yield "No node says that it announces it: are the speakers running, and is there an advertisement for its pool?"
    for status in sorted(mine, key=lambda status: str(status.get("node"))):
        yield from _of_node(status)
        yield from _broken_sessions(status, [session.get("status") or {} for session in sessions])


def _broken_sessions(status: Json, sessions: list[Json]) -> Iterator[str]:
    """Yield what keeps an announcement from its peer: it is a wish until the session stands."""
    for session in sessions:
        wanted = session.get("node") == status.get("node") and session.get("peerName") in status.get(
            "peers", ()
        )
        if wanted and session.get("bgpStatus") != "Established":
            why = f": {session['lastError']}" if session.get("lastError") else ""
            yield (
                f"But node {session['node']} has no session with {session['peerName']} ({session.get('peer')}), "
                f"it is {session.get('bgpStatus')}{why}."
            )


def _of_node(status: Json) -> Iterator[str]:
    node = status.get("node")
    if peers := status.get("peers"):
        yield f"Node {node} announces it to {', '.join(peers)} over BGP."
    elif "interfaces" in status:
        names = ", ".join(entry["name"] for entry in status["interfaces"]) or "all interfaces"
        yield f"Node {node} announces it on {names}."
    for refusal in status.get("notAnnounced") or ():
        to = f" to {refusal['peer']}" if refusal.get("peer") else ""
        yield f"Node {node} does not announce it{to}: {_words(refusal)}."


def _words(refusal: Json) -> str:
    try:
        return NOT_ANNOUNCED_WORDS[NotAnnounced(refusal["reason"])]
    except ValueError:
        return refusal.get("message") or str(refusal["reason"])


async def _ask(name: str, *, namespace: str, kubeconfig: str) -> list[str]:
    where, _, what = name.rpartition("/")
    key = ObjectKey(where or "default", what)
    async with Client(load_config(kubeconfig), user_agent="lab-balancer-explain") as client:
        try:
            service = decode_service(await client.get(SERVICES, key.name, namespace=key.namespace))
        except NotFound as error:
            raise UsageError(f"there is no Service {key}") from error
        announcements = [
            item
            for resource in (SERVICE_BGP_STATUSES, SERVICE_L2_STATUSES)
            for item in await _items(client, resource, namespace)
        ]
        sessions = await _items(client, BGP_SESSION_STATES, namespace)
        states = await _items(client, CONFIGURATION_STATES, namespace)
    return list(explain(service, announcements=announcements, sessions=sessions, states=states))


async def _items(client: Client, resource: Resource, namespace: str) -> Sequence[Json]:
    try:
        return (await client.list(resource, namespace=namespace)).items
    except NotFound:
        return ()


def main(arguments: Sequence[str]) -> int:
    """Print the sentences; returns the exit code."""
    parser = argparse.ArgumentParser(prog="lab.balancer explain", description=__doc__)
    parser.add_argument("service", metavar="NAMESPACE/SERVICE")
    parser.add_argument("--namespace", default="metallb-system", help="where the balancer runs")
    parser.add_argument("--kubeconfig", default="")
    given = parser.parse_args(arguments)
    sentences = asyncio.run(_ask(given.service, namespace=given.namespace, kubeconfig=given.kubeconfig))
    sys.stdout.write("\n".join(sentences) + "\n")
    return 0
