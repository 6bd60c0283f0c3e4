"""The endpoints of each Service, out of the slices that name it."""

from __future__ import annotations

from collections.abc import Collection

from lab.balancer.service import Endpoint, EndpointSlice
from lab.kube.resources import ObjectKey
from lab.kube.watch import Change


class EndpointIndex:
    def __init__(self) -> None:
        self._slices: dict[ObjectKey, dict[ObjectKey, tuple[Endpoint, ...]]] = {}

    def apply(self, change: Change[EndpointSlice]) -> set[ObjectKey]:
        """Take a change of a slice over and return the Services that it concerns."""
        concerned = set()
        if change.old is not None:
            concerned.add(change.old.service)
            slices = self._slices.get(change.old.service, {})
            slices.pop(change.key, None)
            if not slices:
                self._slices.pop(change.old.service, None)
        if change.new is not None:
            concerned.add(change.new.service)
            self._slices.setdefault(change.new.service, {})[change.key] = change.new.endpoints
        return concerned

    def of(self, service: ObjectKey) -> Collection[Endpoint]:
        """Return the endpoints of all slices; an address may be in several."""
        return [e for endpoints in self._slices.get(service, {}).values() for e in endpoints]
