"""One container's life: started, probed, ended, started again."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

from lab.kits.log import Log
from lab.kube.events import EventType
from lab.kube.resources import Json
from lab.pocket.agent import probes
from lab.pocket.agent.errors import ContainerError
from lab.pocket.agent.images import Image
from lab.pocket.agent.output import Output
from lab.pocket.agent.probing import ProbeKind, Schedule, Verdict
from lab.pocket.agent.records import RunRecord, runs
from lab.pocket.agent.runtime import Runtime, Stdio, birth, discard, mount_root, open_streams, signal_name
from lab.pocket.agent.status import ContainerState, Ended, parse, timestamp

log = Log(__name__)
FIRST_DELAY: Final = 10.0
LONGEST_DELAY: Final = 300.0
FORGIVEN_AFTER: Final = 600.0
"""Seconds of running after which a container's earlier ends are forgotten."""
EAGER: Final = 0.1
"""Seconds before a probe that has not succeeded yet is asked for the second time."""
MESSAGE_LIMIT: Final = 4096
ATTEMPT_AGAIN: Final = (2.0, 5.0, 10.0, 20.0, 40.0, 60.0)
"""Seconds between attempts to start a container that cannot be started."""


class Host(Protocol):
    """What a container needs of its pod."""

    pod: Json
    runtime: Runtime
    directory: Path
    log_directory: Path

    @property
    def ip(self) -> str: ...

    @property
    def ending(self) -> bool:
        """Whether the pod is being deleted, rather than left to the next agent."""

    async def find_image(self, container: Json) -> Image:
        """Raises ContainerError."""

    async def specify(self, container: Json, image: Image, root: Path, place: Path) -> Json:
        """Return the OCI runtime configuration; raises ContainerError."""

    def changed(self) -> None:
        """Publish the pod's status soon."""

    def note(self, container: Json, reason: str, message: str, kind: EventType = EventType.NORMAL) -> None:
        """Record an Event."""


@dataclass(slots=True)
class Run:
    """One run of a container."""

    id: str
    pid: int
    place: Path
    output: Output
    stop_signal: str
    gone: asyncio.Event = field(default_factory=asyncio.Event)


class Container:
    """Keeps one container of a pod in the state that its restart policy asks for."""

    def __init__(
        self,
        host: Host,
        container: Json,
        *,
        policy: str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Take `policy`: Always, OnFailure or Never."""
        self.spec = container
        self.state = ContainerState(container["name"], container["image"])
        self.run: Run | None = None
        self.last_output: Output | None = None
        self.started = asyncio.Event()
        """Set when it has been started and its startup probe, if any, has succeeded once."""
        self.final = False
        """Whether it shall not be started again whatever its policy says: its pod ends."""
        self._host = host
        self._policy = policy
        self._now = now
        self._ends = 0
        self._why = ""
        status = host.pod.get("status") or {}
        every = (*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ()))
        self._known: Json = next((each for each in every if each["name"] == self.state.name), {})
        """What the API knew of it when this agent first saw the pod."""

    async def supervise(self) -> None:
        """Run the container again and again; return when its policy says that it has ended for good.

        When cancelled, it is killed at once if its pod ends, and left to the next agent if not.
        """
        taken_over = await self._take_over()
        while True:
            if not taken_over:
                await self._start_until_it_works()
            taken_over = False
            began = asyncio.get_running_loop().time()
            try:
                ended = await self._until_end()
            except asyncio.CancelledError:
                await (self._clean_up() if self._host.ending else self._let_go())
                raise
            await self._clean_up()
            self.state.running, self.state.ready, self.state.started = None, False, False
            self.state.ended = ended
            if self.final or self._policy == "Never" or (self._policy == "OnFailure" and ended.code == 0):
                self._host.changed()
                return
            if asyncio.get_running_loop().time() - began > FORGIVEN_AFTER:
                self._ends = 0
            await self._back_off()

    async def stop(self, grace: float, why: str = "") -> None:
        """Ask a running container to end, and kill it when it has not after `grace` seconds.

        `why` is the reason that its status will show instead of the usual ones.
        """
        run = self.run
        if run is None:
            return
        self._why = why
        self._host.note(self.spec, "Killing", f"Stopping container {self.state.name}")
        try:
            async with asyncio.timeout(grace):
                await self._hook("preStop")
                await self._host.runtime.kill(run.id, run.stop_signal)
                await run.gone.wait()
        except TimeoutError:
            await self._host.runtime.kill(run.id, "SIGKILL")
            await run.gone.wait()

    async def _take_over(self) -> bool:
        """Continue a run that an earlier agent began; False when there is none that still runs."""
        for place, record in runs(self._host.directory):
            if record.name != self.state.name:
                continue
            self.state.restarts = record.restarts
            if not record.terminal and record.birth and birth(record.pid) == record.birth:
                self._resume(place, record)
                return True
            await discard(self._host.runtime, place, record.id)
            self.state.restarts += 1
            self.state.last = Ended(137, "ContainerStatusUnknown", parse(record.started), self._now())
        return False

    def recall(self) -> None:
        """Take the state of a run that an earlier agent began into ours, before anything is published."""
        for _, record in runs(self._host.directory):
            if record.name == self.state.name and record.birth and birth(record.pid) == record.birth:
                self._recall(record)

    def _recall(self, record: RunRecord) -> None:
        state = self.state
        state.image_id, state.container_id, state.waiting = record.image_id, f"crun://{record.id}", ""
        state.restarts, state.running = record.restarts, parse(record.started)
        state.started, state.ready = bool(self._known.get("started")), bool(self._known.get("ready"))
        if state.started:
            self.started.set()

    def _resume(self, place: Path, record: RunRecord) -> None:
        output = Output(self._log(record.restarts))
        output.follow(Stdio(None, *open_streams(place)))
        self.run, self.last_output = Run(record.id, record.pid, place, output, record.stop_signal), output
        self._recall(record)
        self._host.changed()

    def _log(self, restarts: int) -> Path:
        return self._host.log_directory / self.state.name / f"{restarts}.log"

    async def _let_go(self) -> None:
        """Stop listening to a container that shall run on."""
        if self.run:
            await self.run.output.end()

    async def _start_until_it_works(self) -> None:
        for attempt in range(1 << 30):
            try:
                await self._start()
            except ContainerError as error:
                self._failed_to_start(error)
                await asyncio.sleep(ATTEMPT_AGAIN[min(attempt, len(ATTEMPT_AGAIN) - 1)])
                if error.reason == "ErrImagePull":
                    self.state.waiting, self.state.message = (
                        "ImagePullBackOff",
                        f"Back-off pulling image: {error.message}",
                    )
                    self._host.changed()
            else:
                return

    def _failed_to_start(self, error: ContainerError) -> None:
        if self.state.message != error.message or self.state.waiting != "ImagePullBackOff":
            self._host.note(self.spec, "Failed", f"Error: {error.reason}: {error.message}", EventType.WARNING)
            self.state.ended = None
            self.state.waiting, self.state.message = error.reason, error.message
            self._host.changed()

    async def _start(self) -> None:
        probes.check_supported(self.spec)
        image = await self._host.find_image(self.spec)
        identity = os.urandom(16).hex()
        place = self._host.directory / "c" / identity
        output = Output(self._log(self.state.restarts))
        try:
            root = await asyncio.to_thread(mount_root, image, place)
            spec = await self._host.specify(self.spec, image, root, place)
            process = await self._host.runtime.start(
                identity, place, spec, stdin=bool(self.spec.get("stdin"))
            )
        except BaseException:
            await output.end()
            await discard(self._host.runtime, place, identity)
            raise
        output.follow(process.stdio)
        stop_signal = signal_name(image.stop_signal) or "SIGTERM"
        self.run, self.last_output = Run(identity, process.pid, place, output, stop_signal), output
        self._started(image)
        if self.state.running:
            RunRecord(
                name=self.state.name,
                id=identity,
                pid=process.pid,
                birth=birth(process.pid),
                restarts=self.state.restarts,
                started=timestamp(self.state.running),
                image_id=image.id,
                stop_signal=stop_signal,
                terminal=bool(self.spec.get("tty")),
            ).save(place)

    def _started(self, image: Image) -> None:
        state = self.state
        self._why = ""
        state.image_id, state.waiting, state.message = image.id, "", ""
        state.container_id = f"crun://{self.run.id if self.run else ''}"
        state.ended, state.running = None, self._now()
        state.started = "startupProbe" not in self.spec
        state.ready = state.started and "readinessProbe" not in self.spec
        if state.started:
            self.started.set()
        self._host.note(self.spec, "Started", f"Started container {state.name}")
        self._host.changed()

    async def _until_end(self) -> Ended:
        """Probe the container while it runs; return how it ended."""
        run, began = self.run, self.state.running
        if run is None:
            raise AssertionError("started before")
        watching = asyncio.create_task(self._host.runtime.wait(run.pid))
        probing = asyncio.create_task(self._probe_all())
        try:
            code = await watching
        finally:
            for task in (watching, probing):
                task.cancel()
            await asyncio.wait((watching, probing))
        reason = self._why or ("Completed" if code == 0 else "Error")
        message = self._termination_message(run)
        return Ended(code, reason, began, self._now(), message, self.state.container_id)

    def _termination_message(self, run: Run) -> str:
        path = run.place / "termination-log"
        text = path.read_text(errors="replace")[-MESSAGE_LIMIT:] if path.exists() else ""
        return text.strip()

    async def _clean_up(self) -> None:
        run = self.run
        if run:
            await self._host.runtime.kill(run.id, "SIGKILL")
            await run.output.end()
            await discard(self._host.runtime, run.place, run.id)
            self.run = None
            run.gone.set()

    async def _back_off(self) -> None:
        """Wait before the next start: not before the first, then 10 s, 20 s, … 5 minutes."""
        self._ends += 1
        delay = min(FIRST_DELAY * 2 ** (self._ends - 2), LONGEST_DELAY) if self._ends > 1 else 0.0
        self.state.last, self.state.restarts = self.state.ended, self.state.restarts + 1
        if delay:
            self.state.ended = None
            self.state.waiting = "CrashLoopBackOff"
            self.state.message = f"back-off {delay:g}s restarting failed container={self.state.name}"
            text = f"Back-off restarting failed container {self.state.name}"
            self._host.note(self.spec, "BackOff", text, EventType.WARNING)
        self._host.changed()
        await asyncio.sleep(delay)
        self.state.ended = None

    async def _probe_all(self) -> None:
        await self._hook("postStart")
        if probe := self.spec.get(ProbeKind.STARTUP.value):
            await self._probe(ProbeKind.STARTUP, probe)
        async with asyncio.TaskGroup() as group:
            for kind in (ProbeKind.LIVENESS, ProbeKind.READINESS):
                if probe := self.spec.get(kind.value):
                    group.create_task(self._probe(kind, probe))

    async def _probe(self, kind: ProbeKind, probe: Json) -> None:
        """Ask for as long as the answer matters; a startup probe once it has succeeded does not.

        Until the first success it is asked more often than its period says, because somebody waits for it; only the
        failures of its own pace count.
        """
        schedule = Schedule.of(probe)
        verdict = Verdict(kind, schedule)
        clock = asyncio.get_running_loop().time
        await asyncio.sleep(schedule.delay)
        eager, due = EAGER, clock()
        while True:
            counts = clock() >= due
            if counts:
                due = clock() + schedule.period
            success = await self._answers(kind, probe, schedule.timeout, quiet=not counts)
            changed = (success or counts) and verdict.hear(success=success)
            if changed and await self._decide(kind, healthy=bool(verdict.value)):
                return
            if success or kind is ProbeKind.LIVENESS:
                eager = schedule.period
            await asyncio.sleep(min(eager, max(0.0, due - clock())))
            eager = min(eager * 1.5, schedule.period)

    async def _answers(self, kind: ProbeKind, probe: Json, seconds: float, *, quiet: bool) -> bool:
        """Ask once; note a failure as an Event unless it shall be `quiet`."""
        try:
            await self._ask(probe, seconds)
        except probes.ProbeFailed as error:
            if not quiet:
                name = kind.value.removesuffix("Probe").capitalize()
                self._host.note(self.spec, "Unhealthy", f"{name} probe failed: {error}", EventType.WARNING)
            return False
        return True

    async def _ask(self, probe: Json, seconds: float) -> None:
        if self.run:
            await probes.ask(
                probe,
                self.spec,
                ip=self._host.ip,
                runtime=self._host.runtime,
                container_id=self.run.id,
                seconds=seconds,
            )

    async def _decide(self, kind: ProbeKind, *, healthy: bool) -> bool:
        """Act on a probe's result; return whether it need not be asked any more."""
        if kind is ProbeKind.READINESS:
            self.state.ready = healthy
            self._host.changed()
            return False
        if not healthy:
            name = kind.value.removesuffix("Probe")
            text = f"Container {self.state.name} failed {name} probe, will be restarted"
            self._host.note(self.spec, "Killing", text)
            await self.stop(float(self._host.pod["spec"].get("terminationGracePeriodSeconds") or 30), "Error")
            return True
        if kind is ProbeKind.STARTUP:
            self.state.started = True
            self.state.ready = "readinessProbe" not in self.spec
            self.started.set()
            self._host.changed()
            return True
        return False

    async def _hook(self, name: str) -> None:
        """Carry out postStart or preStop; a failure is noted and changes nothing more."""
        hook = (self.spec.get("lifecycle") or {}).get(name)
        if not hook or self.run is None:
            return
        if "sleep" in hook:
            await asyncio.sleep(hook["sleep"]["seconds"])
            return
        try:
            await self._ask(hook, 3600.0)
        except probes.ProbeFailed as error:
            reason = "FailedPostStartHook" if name == "postStart" else "FailedPreStopHook"
            self._host.note(self.spec, reason, f"{name}: {error}", EventType.WARNING)
