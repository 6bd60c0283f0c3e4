"""Finding the first process of a machine container, and refusing what is not one."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from ansible.errors import AnsibleConnectionFailure

from lab.provision.plugins.connection.lab_machine import leader


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


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_the_first_process_of_a_namespace_is_a_machine(tmp_path):
    argv = ["unshare", "--pid", "--fork", "--kill-child", "sh", "-c", "echo; exec sleep 60"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as outside:
        assert outside.stdout
        outside.stdout.readline()
        first = int(Path(f"/proc/{outside.pid}/task/{outside.pid}/children").read_text())
        state = published(tmp_path, router={"state": "running", "leader": first})
        try:
            assert leader(state, "router") == first
        finally:
            outside.kill()
