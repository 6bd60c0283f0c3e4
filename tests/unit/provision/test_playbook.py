"""Running playbooks: real ones, tiny, on this host."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from lab.provision import playbook
from lab.provision.events import Event, Outcome, Play, Result, Stats, Task
from lab.provision.playbook import PlayError, PlayResult, run

PLUGINS = Path(playbook.__file__).parent / "plugins"
PACKAGES = Path(playbook.__file__).parents[2]
HEAD = """
- name: Try
  hosts: all
  gather_facts: false
  tasks:
"""
QUIET = """
    - name: Do nothing
      ansible.builtin.assert: {that: true}
"""
CHANGING = """
    - name: Change
      ansible.builtin.debug: {msg: changed}
      changed_when: true
"""
SKIPPING = """
    - name: Skip
      ansible.builtin.debug: {}
      when: false
"""
IGNORING = """
    - name: Fail in vain
      ansible.builtin.fail: {msg: it may}
      ignore_errors: true
"""
FAILING = """
    - name: Fail
      ansible.builtin.fail: {msg: the pool is empty}
      when: inventory_hostname == 'two'
"""
LOOPING = """
    - name: Loop
      ansible.builtin.assert: {that: item > 1, fail_msg: "{{ item }} is too small", quiet: true}
      loop: [0, 1, 2]
"""
PAUSE = """
    - name: Pause
      ansible.builtin.pause: {seconds: 1}
"""
CALLER = """
import sys
from pathlib import Path
from lab.provision.playbook import run

here = Path(sys.argv[1])
run(here / "try.yml", inventory=here / "hosts.yml", log=here / "log", on_event=lambda _: print(flush=True))
"""
PINGING = """
    - name: Ping
      ansible.builtin.ping:
"""
SLOW = """
    - name: Sleep
      ansible.builtin.pause: {seconds: 60}
"""


@pytest.fixture
def play(tmp_path: Path):
    (tmp_path / "hosts.yml").write_text("all: {hosts: {one: {}, two: {}}}\n")

    def play(tasks: str, **options) -> PlayResult:
        file = tmp_path / "try.yml"
        file.write_text(HEAD + tasks)
        return run(file, inventory=tmp_path / "hosts.yml", log=tmp_path / "logs/run.log", **options)

    return play


def test_a_run_is_told_while_it_happens(play):
    events: list[Event] = []
    play(QUIET + CHANGING, limit="one", on_event=events.append)
    assert events[:-1] == [
        Play(name="Try"),
        Task(name="Do nothing"),
        Result(host="one", task="Do nothing", outcome=Outcome.OK),
        Task(name="Change"),
        Result(host="one", task="Change", outcome=Outcome.CHANGED),
    ]
    assert isinstance(events[-1], Stats)


def test_totals_count_what_happened_on_each_host(play):
    result = play(CHANGING + SKIPPING + IGNORING)
    assert result.changed == 2
    assert {host: (stats.ok, stats.changed, stats.skipped) for host, stats in result.hosts.items()} == {
        "one": (2, 1, 1),
        "two": (2, 1, 1),
    }


def test_a_failure_names_host_task_reason_and_log(play, tmp_path):
    with pytest.raises(PlayError) as caught:
        play(FAILING)
    assert caught.value.message == "two failed at “Fail”: the pool is empty"
    assert str(tmp_path / "logs/run.log") in caught.value.hint
    assert [(failure.host, failure.outcome) for failure in caught.value.failures] == [("two", Outcome.FAILED)]
    assert "the pool is empty" in (tmp_path / "logs/run.log").read_text()


def test_a_failure_in_a_loop_names_the_items_that_failed(play):
    with pytest.raises(PlayError, match="0 is too small; 1 is too small"):
        play(LOOPING, limit="one")


def test_a_machine_that_does_not_run_is_unreachable(play, tmp_path):
    reach = {"ansible_connection": "lab_machine", "ansible_lab_state": str(tmp_path / "state.json")}
    (tmp_path / "hosts.yml").write_text(json.dumps({"all": {"hosts": {"one": reach}}}))
    with pytest.raises(PlayError, match=r"one cannot be reached for “Ping”: .*no lab runs here") as caught:
        play(PINGING, environment={"ANSIBLE_CONNECTION_PLUGINS": str(PLUGINS / "connection")})
    assert [failure.outcome for failure in caught.value.failures] == [Outcome.UNREACHABLE]


def test_a_playbook_that_is_no_playbook_shows_what_ansible_says(play):
    with pytest.raises(PlayError, match=r"try.yml did not run to its end \(4\)"):
        play("    - no_such_module: {}\n")


def test_time_runs_out(play):
    with pytest.raises(PlayError, match=r"try.yml took longer than 2 s"):
        play(SLOW, timeout=2)


@pytest.fixture
def _listening():
    """Take SIGINT as a program in the foreground does: one that a shell put in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_listening")
def test_ctrl_c_stops_ansible_and_goes_on(play):
    def interrupt(event: Event) -> None:
        if isinstance(event, Task):
            threading.Timer(0.1, os.kill, [os.getpid(), signal.SIGINT]).start()

    with pytest.raises(KeyboardInterrupt):
        play(SLOW, on_event=interrupt)


def test_ansible_does_not_work_on_when_its_caller_was_killed(tmp_path):
    marker = tmp_path / "marker"
    (tmp_path / "try.yml").write_text(
        HEAD + QUIET + PAUSE + f"    - {{name: Mark, ansible.builtin.copy: {{content: x, dest: {marker}}}}}\n"
    )
    (tmp_path / "hosts.yml").write_text("all: {hosts: {one: {ansible_connection: local}}}\n")
    argv = [sys.executable, "-c", CALLER, str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": str(PACKAGES)}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, env=environment) as caller:
        assert caller.stdout
        caller.stdout.readline()
        ansible = int(Path(f"/proc/{caller.pid}/task/{caller.pid}/children").read_text())
        handle = os.pidfd_open(ansible)
        caller.kill()
    ended, _, _ = select.select([handle], [], [], 30)
    os.close(handle)
    assert ended
    assert not marker.exists()
