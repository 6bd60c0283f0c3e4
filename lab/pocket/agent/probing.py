"""When the answers to a probe mean something: thresholds and delays, without asking anyone.

https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from lab.kube.resources import Json


class ProbeKind(Enum):
    """What a probe decides, by the name of its field."""

    STARTUP = "startupProbe"
    LIVENESS = "livenessProbe"
    READINESS = "readinessProbe"


@dataclass(frozen=True, slots=True)
class Schedule:
    """Seconds and counts of a probe, defaults filled in."""

    delay: float
    period: float
    timeout: float
    successes: int
    failures: int

    @classmethod
    def of(cls, probe: Json) -> Schedule:
        return cls(
            delay=probe.get("initialDelaySeconds") or 0,
            period=probe.get("periodSeconds") or 10,
            timeout=probe.get("timeoutSeconds") or 1,
            successes=probe.get("successThreshold") or 1,
            failures=probe.get("failureThreshold") or 3,
        )


class Verdict:
    """The result of a probe so far: it changes only after enough answers of one kind in a row."""

    def __init__(self, kind: ProbeKind, schedule: Schedule) -> None:
        self._schedule = schedule
        self._run = 0
        self._last: bool | None = None
        self.value: bool | None = True if kind is ProbeKind.LIVENESS else None
        """True, False, or None while it is not decided. Until then a container is alive but not ready or started."""

    def hear(self, *, success: bool) -> bool:
        """Take one answer; return whether the value changed."""
        self._run = self._run + 1 if success == self._last else 1
        self._last = success
        needed = self._schedule.successes if success else self._schedule.failures
        if self._run < needed or self.value == success:
            return False
        self.value = success
        return True
