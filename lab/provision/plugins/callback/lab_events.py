"""Tells the program that started Ansible what happens, as lines of JSON on a descriptor that it inherits.

Ansible's own output stays what it is: this plugin stands beside the one that writes to the terminal.
"""

from __future__ import annotations

import os
import signal
from typing import Any

from ansible.plugins.callback import CallbackBase

from lab.provision.events import Event, HostStats, Outcome, Play, Result, Stats, Task, Wrote, encode

DOCUMENTATION = """
    name: lab_events
    type: aggregate
    short_description: events of the run as lines of JSON
    description:
      - Writes plays, tasks, results and totals to the file descriptor that LAB_EVENT_FD names.
"""


class CallbackModule(CallbackBase):  # type: ignore[misc]  # Ansible has no types
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "lab_events"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._descriptor = int(os.environ["LAB_EVENT_FD"])
        self._items: dict[tuple[str, str], list[str]] = {}
        """Why items of a loop failed, by host and task: the result of the whole loop does not say."""

    def _tell(self, event: Event) -> None:
        try:
            os.write(self._descriptor, encode(event).encode() + b"\n")
        except BrokenPipeError:
            # Whoever started this run is gone: stop as on Ctrl-C, between tasks, instead of working on unseen.
            os.kill(os.getpid(), signal.SIGINT)

    def _tell_result(self, result: Any, outcome: Outcome, message: str = "") -> None:
        host, task = result.host.get_name(), result.task.get_name()
        self._tell(Result(host=host, task=task, outcome=outcome, message=message))

    def v2_playbook_on_play_start(self, play: Any) -> None:
        self._tell(Play(name=play.get_name()))

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:  # noqa: FBT001  # Ansible calls it so
        del is_conditional
        self._tell(Task(name=task.get_name()))

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        self._tell(Task(name=task.get_name()))

    def v2_runner_on_ok(self, result: Any) -> None:
        if paths := () if result.task.delegate_to else written(result.task.action, result.result):
            self._tell(Wrote(host=result.host.get_name(), paths=paths))
        self._tell_result(result, Outcome.CHANGED if result.is_changed() else Outcome.OK)

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._tell_result(result, Outcome.SKIPPED)

    def v2_runner_item_on_failed(self, result: Any) -> None:
        self._items.setdefault(_key(result), []).append(why(result.result))

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:  # noqa: FBT001, FBT002  # likewise
        outcome = Outcome.IGNORED if ignore_errors else Outcome.FAILED
        of_items = "; ".join(self._items.pop(_key(result), []))
        self._tell_result(result, outcome, of_items or why(result.result))

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._tell_result(result, Outcome.UNREACHABLE, why(result.result))

    def v2_playbook_on_stats(self, stats: Any) -> None:
        self._tell(Stats(hosts={host: _counts(stats.summarize(host)) for host in sorted(stats.processed)}))


def _key(result: Any) -> tuple[str, str]:
    return result.host.get_name(), result.task.get_name()


def _counts(summary: dict[str, int]) -> HostStats:
    return HostStats(
        ok=summary["ok"],
        changed=summary["changed"],
        failures=summary["failures"],
        unreachable=summary["unreachable"],
        skipped=summary["skipped"],
    )


WRITERS = frozenset({"copy", "template", "unarchive"})


def written(action: str, result: dict[str, Any]) -> tuple[str, ...]:
    """Return the files whose content a task decided, over all items of its loop."""
    if action.rpartition(".")[2] not in WRITERS:
        return ()
    found: list[str] = []
    for item in result.get("results", [result]):
        if item.get("skipped"):
            continue
        target = str(item.get("dest") or item.get("path") or "")
        inside = [f"{target}/{name}" for name in item.get("files", ()) if not name.endswith("/")]
        found += inside or [target]
    return tuple(path for path in found if path)


def why(result: dict[str, Any]) -> str:
    """Return the reason of a failure: the module's message, and what its command wrote to standard error."""
    parts = [str(result.get("msg", "")), str(result.get("stderr", "") or result.get("module_stderr", ""))]
    return "\n".join(part.strip() for part in parts if part.strip())
