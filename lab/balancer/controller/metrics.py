"""The controller's metrics, under MetalLB's names, read from the program's state when somebody asks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from lab.balancer.allocator import Allocator, Counts
from lab.balancer.controller.configuration import ConfigurationWatch
from lab.balancer.model import Family, PoolName
from lab.kits.metrics import Histogram, Registry, Sample
from lab.kube.watch import Reflector


@dataclass(frozen=True, slots=True)
class ControllerMetrics:
    """The registry, and what has to be observed where it happens."""

    registry: Registry
    address_written: Histogram

    @classmethod
    def make(cls) -> ControllerMetrics:
        registry = Registry()
        written = registry.histogram(
            "metallb_controller_address_assignment_seconds",
            "Time from the first sight of a Service that wants an address until the address is in its status.",
        )
        return cls(registry, written)

    def watch_allocator(self, allocator: Callable[[], Allocator]) -> None:
        """Add the counts of each pool."""
        for infix, families in (("", tuple(Family)), ("ipv4_", (Family.IPV4,)), ("ipv6_", (Family.IPV6,))):
            text = {"": "", "ipv4_": "IPv4 ", "ipv6_": "IPv6 "}[infix]
            self.registry.collected(
                f"metallb_allocator_{infix}addresses_total",
                f"Number of usable {text}addresses, per pool.",
                _PoolSamples(allocator, families, lambda counts: counts.capacity),
            )
            self.registry.collected(
                f"metallb_allocator_{infix}addresses_in_use_total",
                f"Number of {text}addresses in use, per pool.",
                _PoolSamples(allocator, families, lambda counts: counts.in_use),
            )
        self.registry.collected(
            "metallb_allocator_services_allocated_total",
            "Number of Services that have addresses, per pool.",
            lambda: [({"pool": name}, allocator().services(name)) for name in allocator().pools],
        )

    def watch_client(
        self,
        configuration: ConfigurationWatch,
        services: Reflector[Any],
        *,
        failures: Callable[[], int],
    ) -> None:
        """Add how the API server and the configuration are doing."""
        reflectors = (*configuration.reflectors, services)
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
                lambda: failures() + sum(r.failures for r in reflectors),
            ),
            (
                "config_loaded_bool",
                "1 if the MetalLB configuration was successfully loaded at least once.",
                "gauge",
                lambda: int(configuration.adopted),
            ),
            (
                "config_stale_bool",
                "1 if running on a stale configuration, because the latest config failed to load.",
                "gauge",
                lambda: int(bool(configuration.loaded and not configuration.loaded.valid)),
            ),
        ):
            self.registry.collected(f"metallb_k8s_client_{name}", text, _Single(value), kind=kind)


@dataclass(frozen=True, slots=True)
class _Single:
    value: Callable[[], float]

    def __call__(self) -> Iterable[Sample]:
        return [({}, self.value())]


@dataclass(frozen=True, slots=True)
class _PoolSamples:
    allocator: Callable[[], Allocator]
    families: tuple[Family, ...]
    number: Callable[[Counts], int]

    def __call__(self) -> Iterator[Sample]:
        allocator = self.allocator()
        for name in allocator.pools:
            yield {"pool": name}, float(self._sum(allocator, name))

    def _sum(self, allocator: Allocator, name: PoolName) -> int:
        return sum(self.number(allocator.counts(name, family)) for family in self.families)
