"""The client as its user finds it: kubectl with alias and completion, the cluster's administrator, a home."""

from __future__ import annotations

from typing import Any

import pytest

from lab.topology.model import Topology
from tests.e2e.backend import topology_file
from tests.e2e.command_line import lab
from tests.e2e.kubectl import Kubectl
from tests.e2e.walkthroughs.terminal import terminals


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("alias k", "alias k='kubectl'\n"),
        ("complete -p k", "complete -o default -F __start_kubectl k\n"),
        ("pwd", "/home/vagrant\n"),
        ("k config current-context", "kubernetes-admin@lab\n"),
    ],
)
def test_an_interactive_shell(topology: Topology, typed: str, shown: str) -> None:
    with terminals(topology_file()) as opened:
        assert opened[topology.client.name].type(typed) == shown


def test_one_line_runs_at_home(topology: Topology) -> None:
    assert lab("ssh", topology.client.name, "--command", "pwd") == "/home/vagrant\n"


def test_the_user_may_do_everything_in_the_cluster(kubectl: Kubectl) -> None:
    assert kubectl("auth", "can-i", "*", "*", "--all-namespaces").strip() == "yes"


def test_helm(client: Any) -> None:
    if not client.exists("helm"):
        pytest.skip("not run: helm is not on the client: Debian has no package of it")
    assert client.run("helm version").rc == 0
