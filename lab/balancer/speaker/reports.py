"""What the API says about this node: status objects as values. Pure; `statuses` writes them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from lab.balancer.conditions import Condition
from lab.balancer.config import Loaded
from lab.balancer.model import PeerName
from lab.balancer.reasons import NOT_ANNOUNCED_WORDS, NotAnnounced
from lab.balancer.speaker.dialect import Verdict
from lab.balancer.speaker.sessions import PeerSession
from lab.kube.resources import Json, ObjectKey

NODE_LABEL: Final = "metallb.io/node"
SESSION_NODE_LABEL: Final = "frrk8s.metallb.io/node"


@dataclass(frozen=True, slots=True)
class Report:
    """One status object: its name, its labels, and what it says."""

    name: str
    labels: dict[str, str]
    status: Json


def service_report_name(node: str, key: ObjectKey) -> str:
    return f"bgp-{_digest(node, key.namespace, key.name)}"


def session_report_name(node: str, peer: PeerName) -> str:
    return f"session-{_digest(node, peer)}"


def configuration_report_name(node: str) -> str:
    return f"speaker-{node}"


def service_report(node: str, key: ObjectKey, verdict: Verdict) -> Report:
    """Say to whom this node announces a Service, or why not (ServiceBGPStatus)."""
    status: Json = {"node": node, "serviceName": key.name, "serviceNamespace": key.namespace}
    if verdict.reason is None:
        status["peers"] = list(verdict.targets)
    refusals = [_refusal(reason, peer) for peer, reason in verdict.missed]
    if verdict.reason is not None:
        refusals.append(_refusal(verdict.reason))
    if refusals:
        status["notAnnounced"] = refusals
    labels = {
        NODE_LABEL: node,
        "metallb.io/service-name": key.name,
        "metallb.io/service-namespace": key.namespace,
    }
    return Report(service_report_name(node, key), labels, status)


def _refusal(reason: NotAnnounced, peer: str = "") -> Json:
    who = {"peer": peer} if peer else {}
    return {**who, "reason": reason.value, "message": NOT_ANNOUNCED_WORDS[reason]}


def session_report(node: str, session: PeerSession) -> Report:
    """Say how the session with a peer is doing (BGPSessionState)."""
    endpoint = session.wishes.endpoint
    status = {
        "node": node,
        "peer": str(endpoint.address),
        "peerName": session.peer.name,
        "vrf": session.peer.vrf,
        "bgpStatus": session.state,
        "bfdStatus": "NotSupported" if session.peer.bfd_profile else "N/A",
        "announcedPrefixes": session.pump.session.announced,
        "lastError": session.last_error,
    }
    labels = {
        SESSION_NODE_LABEL: node,
        "frrk8s.metallb.io/peer": str(endpoint.address).replace(":", "-").strip("-"),
    }
    return Report(session_report_name(node, session.peer.name), labels, status)


def configuration_report(
    node: str, loaded: Loaded, *, unsupported: Iterable[str], before: Iterable[Json], now: datetime
) -> Report:
    """Say whether this node uses the configuration (ConfigurationState). `before` has the conditions so far."""
    summary = "\n".join([*loaded.errors, *unsupported])
    use = "objects with mistakes stay as they were" if loaded.errors else "the configuration is in use"
    condition = Condition(
        "configReconcilerValid",
        not summary,
        "ConfigurationError" if summary else "Reconciled",
        "\n".join([use, *loaded.warnings]),
    )
    status = {
        "result": "Invalid" if summary else "Valid",
        "errorSummary": summary,
        "conditions": condition.put_into(before, now=now),
    }
    labels = {"metallb.io/component-type": "speaker", "metallb.io/node-name": node}
    return Report(configuration_report_name(node), labels, status)


def _digest(*parts: str) -> str:
    return hashlib.sha256("/".join(parts).encode()).hexdigest()[:10]
