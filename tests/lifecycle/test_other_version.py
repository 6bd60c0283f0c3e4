"""A lab that another version of the program left running."""

from __future__ import annotations

import json

from lab.errors import MachineError
from lab.machines.containers.paths import RunPaths
from tests.lifecycle.conftest import Lab
from tests.lifecycle.leftovers import leftovers


def test_it_is_recognised_and_can_be_removed(lab: Lab) -> None:
    lab.up()
    paths = RunPaths(lab.name)
    state = json.loads(paths.state.read_text())
    paths.state.write_text(json.dumps(state | {"version": 0}))
    refused = lab.up(check=False)
    assert refused.returncode == MachineError.exit_code
    assert "another version" in refused.stderr
    assert "lab down" in refused.stderr
    lab("down")
    assert not any(leftovers(lab.name).values())
