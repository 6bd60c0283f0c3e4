"""Finding the first process of a machine container, and refusing what is not one."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible.errors import AnsibleConnectionFailure

from lab.provision import plugins
from lab.provision.playbook import run
from lab.provision.plugins.connection.lab_machine import leader

PLUGINS = Path(plugins.__file__).parent
INSIDE = """
- name: Try
  hosts: router
  gather_facts: false
  tasks:
    - name: Count the links
      ansible.builtin.command: {argv: [ip, -oneline, link]}
      register: links
      failed_when: links.stdout_lines | length != 1
    - name: Send a file
      ansible.builtin.copy:
        content: "a file, with 'quotes'\\n"
        dest: "{{ playbook_dir }}/sent to the machine"
    - name: Fetch it
      ansible.builtin.fetch:
        src: "{{ playbook_dir }}/sent to the machine"
        dest: "{{ playbook_dir }}/fetched"
        flat: true
"""


def published(directory: Path, **machines: dict[str, object]) -> Path:
    state = directory / "state.json"
    state.write_text(json.dumps({"machines": machines}))
    return state


def test_without_a_lab_there_is_no_state(tmp_path):
    with pytest.raises(AnsibleConnectionFailure, match="no lab runs here"):
        leader(tmp_path / "state.json", "router")


@pytest.mark.parametrize(
    ("known", "reason"),
    [
        ({}, "router is absent"),
        ({"router": {"state": "off", "leader": None}}, "router is off"),
        ({"router": {"state": "running", "leader": os.getpid()}}, "router is gone, and .* is out of date"),
        ({"router": {"state": "running", "leader": 2**30}}, "router is gone, and .* is out of date"),
    ],
)
def test_a_machine_that_does_not_run_is_not_entered(tmp_path, known, reason):
    with pytest.raises(AnsibleConnectionFailure, match=reason):
        leader(published(tmp_path, **known), "router")


@pytest.fixture
def machine(tmp_path) -> Iterator[Path]:
    """A process that is the first of its namespaces, as a machine's is; returns the state file that names it."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    argv = ["unshare", "--mount", "--pid", "--uts", "--ipc", "--net", "--fork", "--kill-child"]
    with subprocess.Popen([*argv, "sh", "-c", "echo; exec sleep 60"], stdout=subprocess.PIPE) as outside:
        assert outside.stdout
        outside.stdout.readline()
        first = int(Path(f"/proc/{outside.pid}/task/{outside.pid}/children").read_text())
        yield published(tmp_path, router={"state": "running", "leader": first})
        outside.kill()


@pytest.mark.root
def test_commands_run_and_files_travel_inside_of_the_machine(machine, tmp_path):
    reach = {"ansible_connection": "lab_machine", "ansible_lab_state": str(machine)}
    (tmp_path / "hosts.yml").write_text(json.dumps({"all": {"hosts": {"router": reach}}}))
    (tmp_path / "try.yml").write_text(INSIDE)
    run(
        tmp_path / "try.yml",
        inventory=tmp_path / "hosts.yml",
        log=tmp_path / "log",
        environment={"ANSIBLE_CONNECTION_PLUGINS": str(PLUGINS / "connection"), "ANSIBLE_PIPELINING": "0"},
    )
    assert (tmp_path / "fetched").read_text() == "a file, with 'quotes'\n"
