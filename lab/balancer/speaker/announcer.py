"""What this node says about each Service, and the telling of every change: once, when it happens."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from lab.balancer.reasons import NotAnnounced
from lab.balancer.service import Endpoint, Service
from lab.balancer.speaker.dialect import Dialect, Verdict
from lab.kits.log import Log
from lab.kube.events import EventType, Recorder
from lab.kube.resources import ObjectKey

log = Log(__name__)


class Announcer:
    """Lets a dialect decide about Services, and remembers and tells what it decided."""

    def __init__(self, dialect: Dialect, recorder: Recorder, *, node: str, lb_class: str) -> None:
        self._dialect = dialect
        self._recorder = recorder
        self._node = node
        self._lb_class = lb_class
        self._verdicts: dict[ObjectKey, Verdict] = {}

    @property
    def verdicts(self) -> Mapping[ObjectKey, Verdict]:
        """Of all Services that are ours and have an address."""
        return self._verdicts

    def consider(
        self, key: ObjectKey, service: Service | None, endpoints: Collection[Endpoint], *, since: float
    ) -> bool:
        """Decide about a Service as it is now, which changed at `since`; None when it is gone.

        Returns whether this node has something else to say about it.
        """
        before = self._verdicts.pop(key, None)
        if service is None or service.load_balancer_class != self._lb_class:
            self._dialect.forget(key)
            self._tell_withdrawn(key, before, NotAnnounced.SERVICE_DELETED)
            return before is not None
        verdict = self._dialect.consider(service, endpoints, since=since)
        if service.ingress and service.type == "LoadBalancer":
            self._verdicts[key] = verdict
        if verdict.reason is not None:
            self._tell_withdrawn(key, before, verdict.reason)
        elif before is None or before.addresses != verdict.addresses:
            self._tell_announced(service, verdict)
        return self._verdicts.get(key) != before

    def _tell_announced(self, service: Service, verdict: Verdict) -> None:
        log.info(
            "service has IP, announcing",
            event="serviceAnnounced",
            service=str(service.key),
            ips=[str(address) for address in verdict.addresses],
            protocol=self._dialect.protocol,
        )
        reference = {
            "apiVersion": "v1",
            "kind": "Service",
            "namespace": service.key.namespace,
            "name": service.key.name,
            "uid": service.uid,
        }
        message = f'announcing from node "{self._node}" with protocol "{self._dialect.protocol}"'
        self._recorder.record(reference, type=EventType.NORMAL, reason="nodeAssigned", message=message)

    def _tell_withdrawn(self, key: ObjectKey, before: Verdict | None, reason: NotAnnounced) -> None:
        if before is None or not before.addresses:
            return
        log.info(
            "withdrawing service announcement",
            event="serviceWithdrawn",
            service=str(key),
            ips=[str(address) for address in before.addresses],
            protocol=self._dialect.protocol,
            reason=reason.value,
        )
