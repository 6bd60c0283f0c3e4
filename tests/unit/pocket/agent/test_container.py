"""How a container's probes are asked: often until somebody's wait is over, and fairly."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from lab.kube.resources import Json
from lab.pocket.agent import container as module
from lab.pocket.agent.container import Container
from lab.pocket.agent.errors import ConfigError
from lab.pocket.agent.probes import ProbeFailed, check_supported
from lab.pocket.agent.probing import ProbeKind


class Host:
    """A pod that remembers what was said about it."""

    def __init__(self) -> None:
        self.directory = Path("/nowhere")
        self.pod: Json = {"spec": {}}
        self.notes: list[str] = []
        self.news = asyncio.Event()

    def changed(self) -> None:
        self.news.set()

    def note(self, container: Json, reason: str, message: str, kind: object = None) -> None:
        self.notes.append(reason)
        self.news.set()


class Probed(Container):
    """A container whose answers are scripted: False for each failure, then success for ever."""

    def __init__(self, host: Host, failures: int) -> None:
        super().__init__(host, {"name": "c", "image": "i"}, policy="Always")  # type: ignore[arg-type]  # as much of a host as it takes
        self.failures = failures
        self.asked = 0
        self.stopped = False

    async def _ask(self, probe: Json, seconds: float) -> None:
        self.asked += 1
        if self.asked <= self.failures:
            raise ProbeFailed("not yet")

    async def stop(self, grace: float, why: str = "") -> None:
        self.stopped = True
        self._host.changed()


def probe(kind: ProbeKind, failures: int, *, until: Any, **fields: Any) -> tuple[Probed, Host]:
    async def scenario() -> tuple[Probed, Host]:
        host = Host()
        probed = Probed(host, failures)
        async with asyncio.timeout(5):
            task = asyncio.create_task(probed._probe(kind, {"periodSeconds": 60, **fields}))
            while not until(probed):
                await host.news.wait()
                host.news.clear()
            task.cancel()
            await asyncio.wait((task,))
        return probed, host

    return asyncio.run(scenario())


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EAGER", 0.001)


def test_a_container_is_ready_long_before_the_first_period_has_passed():
    probed, host = probe(ProbeKind.READINESS, 5, until=lambda c: c.state.ready)
    assert probed.state.ready
    assert host.notes == ["Unhealthy"]  # only the ask that the period demands is held against it


def test_impatience_does_not_exhaust_a_startup_probe():
    probed, _ = probe(ProbeKind.STARTUP, 8, until=lambda c: c.state.started, failureThreshold=2)
    assert probed.state.started
    assert not probed.stopped


def test_a_startup_probe_that_fails_at_its_own_pace_restarts_the_container():
    probed, _ = probe(
        ProbeKind.STARTUP, 99, until=lambda c: c.stopped, failureThreshold=2, periodSeconds=0.02
    )
    assert probed.stopped


def test_a_liveness_probe_keeps_its_pace():
    probed, host = probe(
        ProbeKind.LIVENESS, 99, until=lambda c: c.stopped, failureThreshold=3, periodSeconds=0.02
    )
    assert probed.stopped
    assert host.notes.count("Unhealthy") == 3


@pytest.mark.parametrize("kind", ["startupProbe", "livenessProbe", "readinessProbe"])
def test_grpc_is_refused_by_name(kind):
    with pytest.raises(ConfigError, match=f"{kind}: only httpGet, tcpSocket and exec"):
        check_supported({kind: {"grpc": {"port": 1}}})
