"""The speaker's metrics, under MetalLB's names, read from the program's state when somebody asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lab.balancer.model import PeerName
from lab.balancer.speaker.dialect import Verdict
from lab.balancer.speaker.sessions import PeerSession
from lab.kits.metrics import Histogram, Registry, Sample
from lab.kube.resources import ObjectKey
from lab.kube.watch import Reflector
from lab.wire.bgp import State

Verdicts = Mapping[ObjectKey, Verdict]


@dataclass(frozen=True, slots=True)
class SpeakerMetrics:
    """The registry, and what has to be observed where it happens."""

    registry: Registry
    announced: Histogram

    @classmethod
    def make(cls) -> SpeakerMetrics:
        registry = Registry()
        announced = registry.histogram(
            "metallb_bgp_announcement_seconds",
            "Time from the change that makes an address one to announce until the UPDATE is handed to the connection.",
        )
        return cls(registry, announced)

    def watch_verdicts(self, verdicts: Callable[[], Verdicts], *, node: str, protocol: str) -> None:
        """Add which Services this node announces."""

        def samples() -> Iterator[Sample]:
            for key, verdict in verdicts().items():
                for address in verdict.addresses:
                    labels = {"service": str(key), "protocol": protocol, "node": node, "ip": str(address)}
                    yield labels, 1.0

        self.registry.collected(
            "metallb_speaker_announced",
            "Services being announced from this node. This is desired state, it does not guarantee that the routes "
            "reached the peers.",
            samples,
        )

    def watch_sessions(self, sessions: Callable[[], Mapping[PeerName, PeerSession]]) -> None:
        """Add how the BGP sessions are doing."""
        for name, text, kind, value in (
            ("session_up", "BGP session state (1 is up, 0 is down).", "gauge", _is_up),
            ("updates_total", "Number of BGP UPDATE messages sent.", "counter", _updates),
            (
                "announced_prefixes_total",
                "Number of prefixes currently being advertised.",
                "gauge",
                _announced,
            ),
            ("pending_prefixes_total", "Number of prefixes that should be advertised.", "gauge", _pending),
        ):
            self.registry.collected(f"metallb_bgp_{name}", text, _PeerSamples(sessions, value), kind=kind)

    def watch_client(
        self,
        reflectors: tuple[Reflector[Any], ...],
        *,
        is_loaded: Callable[[], bool],
        is_stale: Callable[[], bool],
    ) -> None:
        """Add how the API server and the configuration are doing."""

        def single(value: Callable[[], float]) -> Callable[[], list[Sample]]:
            return lambda: [({}, float(value()))]

        for name, text, kind, value in (
            (
                "updates_total",
                "Number of k8s object updates that have been processed.",
                "counter",
                lambda: sum(r.updates for r in reflectors),
            ),
            (
                "update_errors_total",
                "Number of k8s object updates that failed for some reason.",
                "counter",
                lambda: sum(r.failures for r in reflectors),
            ),
            (
                "config_loaded_bool",
                "1 if the MetalLB configuration was successfully loaded at least once.",
                "gauge",
                is_loaded,
            ),
            (
                "config_stale_bool",
                "1 if running on a stale configuration, because the latest config failed to load.",
                "gauge",
                is_stale,
            ),
        ):
            self.registry.collected(f"metallb_k8s_client_{name}", text, single(value), kind=kind)


@dataclass(frozen=True, slots=True)
class _PeerSamples:
    sessions: Callable[[], Mapping[PeerName, PeerSession]]
    value: Callable[[PeerSession], float]

    def __call__(self) -> Iterator[Sample]:
        for session in self.sessions().values():
            yield {"peer": session.label}, self.value(session)


def _is_up(session: PeerSession) -> float:
    return float(session.pump.session.state is State.ESTABLISHED)


def _updates(session: PeerSession) -> float:
    return float(session.pump.session.updates_sent)


def _announced(session: PeerSession) -> float:
    return float(session.pump.session.announced)


def _pending(session: PeerSession) -> float:
    return float(session.pump.session.pending)
