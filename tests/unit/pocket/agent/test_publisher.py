"""Statuses are written when they change, and again when somebody else has changed them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from lab.kube.resources import ObjectKey
from lab.pocket.agent.publisher import Publisher

READY = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
UNREADY = {"phase": "Running", "conditions": [{"type": "Ready", "status": "False", "reason": "NodeNotReady"}]}


class Written:
    """Stands for the client: remembers the statuses that were written."""

    def __init__(self) -> None:
        self.statuses: list[Any] = []

    async def patch(self, _resource: Any, _name: str, body: Any, **_: Any) -> None:
        self.statuses.append(body["status"])


@pytest.mark.parametrize(
    ("shown", "writes"),
    [
        pytest.param(READY, 1, id="what was written"),
        pytest.param(UNREADY, 2, id="unready by another hand"),
        pytest.param({}, 2, id="nothing"),
    ],
)
def test_another_readiness_is_put_right(shown, writes):
    async def conversation() -> int:
        written = Written()
        publisher = Publisher(written, ObjectKey("ns", "a"), "uid", lambda: READY)  # type: ignore[arg-type]  # a stand-in
        await publisher.publish()
        publisher.shown(shown)
        await publisher.publish()
        return len(written.statuses)

    assert asyncio.run(conversation()) == writes


def test_addresses_of_before_go() -> None:
    async def conversation() -> Any:
        written = Written()
        status = {"podIP": "192.0.2.2", "podIPs": [{"ip": "192.0.2.2"}]}
        publisher = Publisher(written, ObjectKey("ns", "a"), "uid", lambda: status)  # type: ignore[arg-type]  # a stand-in
        await publisher.publish()
        return written.statuses[0]["podIPs"]

    assert asyncio.run(conversation()) == [{"ip": "192.0.2.2"}, {"$patch": "replace"}]
