"""Counters, gauges and histograms in the text format that Prometheus reads.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, TypeVar

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds of a histogram of durations."""

Labels = tuple[tuple[str, str], ...]
Sample = tuple[Mapping[str, str], float]


M = TypeVar("M", bound="Counter | Histogram | Collected")


class Registry:
    """The metrics of one process, in the order in which they were made."""

    def __init__(self) -> None:
        self._metrics: list[Counter | Histogram | Collected] = []

    def counter(self, name: str, text: str) -> Counter:
        return self._add(Counter(name, text))

    def gauge(self, name: str, text: str) -> Gauge:
        return self._add(Gauge(name, text))

    def histogram(self, name: str, text: str, bounds: Iterable[float] = SECONDS) -> Histogram:
        return self._add(Histogram(name, text, bounds))

    def collected(
        self, name: str, text: str, collect: Callable[[], Iterable[Sample]], *, kind: str = "gauge"
    ) -> Collected:
        """Add a metric that is read from the program's state when somebody asks, so that it cannot be stale."""
        return self._add(Collected(name, text, collect, kind))

    def _add(self, metric: M) -> M:
        self._metrics.append(metric)
        return metric

    def render(self) -> str:
        """Return everything as text."""
        return "".join(line + "\n" for metric in self._metrics for line in metric.lines())


class Counter:
    """A number for each set of labels, which only grows."""

    kind = "counter"

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self._values: dict[Labels, float] = {}

    def add(self, amount: float = 1, **labels: str) -> None:
        key = tuple(labels.items())
        self._values[key] = self._values.get(key, 0) + amount

    def lines(self) -> Iterator[str]:
        yield from _header(self.name, self.text, self.kind)
        for labels, value in self._values.items() or [((), 0.0)]:
            yield f"{self.name}{_labels(labels)} {_number(value)}"


class Gauge(Counter):
    """A number for each set of labels."""

    kind = "gauge"

    def set(self, value: float, **labels: str) -> None:
        self._values[tuple(labels.items())] = value


class Collected:
    """A metric whose values are read when they are asked for."""

    def __init__(self, name: str, text: str, collect: Callable[[], Iterable[Sample]], kind: str) -> None:
        self.name = name
        self.text = text
        self.kind = kind
        self._collect = collect

    def lines(self) -> Iterator[str]:
        yield from _header(self.name, self.text, self.kind)
        for labels, value in self._collect():
            yield f"{self.name}{_labels(tuple(labels.items()))} {_number(value)}"


class Histogram:
    """How often a value was at most each of some bounds."""

    def __init__(self, name: str, text: str, bounds: Iterable[float]) -> None:
        self.name = name
        self.text = text
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def lines(self) -> Iterator[str]:
        yield from _header(self.name, self.text, "histogram")
        total = 0
        for bound, count in zip((*map(_number, self._bounds), "+Inf"), self._counts, strict=True):
            total += count
            yield f'{self.name}_bucket{{le="{bound}"}} {total}'
        yield f"{self.name}_sum {_number(self._sum)}"
        yield f"{self.name}_count {total}"


def _header(name: str, text: str, kind: str) -> Iterator[str]:
    escaped = text.replace("\\", "\\\\").replace("\n", "\\n")
    yield f"# HELP {name} {escaped}"
    yield f"# TYPE {name} {kind}"


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escape(value)}"' for name, value in labels) + "}"


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
