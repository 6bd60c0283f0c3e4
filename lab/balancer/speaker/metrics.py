"""The speaker's metrics, under MetalLB's names, read from the program's state when somebody asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lab.balancer.speaker.dialect import Verdict
from lab.kits.metrics import Histogram, Registry, Sample
from lab.kube.resources import ObjectKey
from lab.kube.watch import Reflector

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
