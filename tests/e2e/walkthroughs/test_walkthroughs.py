"""The articles, typed: each line on the machine where the article types it, what it prints compared with the article.

The data files beside this one have the lines. A line that differs from the article says what the article has, and why
that cannot be had any more; the differences are reported with the test's result.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lab.topology.loader import load
from lab.topology.model import Topology
from tests.e2e.backend import topology_file
from tests.e2e.eventually import wait_until
from tests.e2e.kubectl import Kubectl
from tests.e2e.walkthroughs.sameness import differences
from tests.e2e.walkthroughs.script import Line, filled_in, found, walkthroughs
from tests.e2e.walkthroughs.terminal import Terminals, terminals

PATIENCE = 60.0
DEFAULT_LAB = Path(__file__).resolve().parents[3] / "lab.yml"


def follow(line: Line, opened: Terminals, kept: dict[str, str]) -> None:
    """Type the line; fail when it prints something else than it should."""
    typed = filled_in(line.type, kept)
    printed = ""
    different: list[str] = []

    def same() -> bool:
        nonlocal printed, different
        printed = opened[line.machine].type(typed)
        different = [] if line.prints is None else differences(printed, line.prints, ordered=line.ordered)
        return not different

    if not wait_until(same, patience=PATIENCE if line.again else 0.0):
        pytest.fail(
            f"{line.machine}$ {typed}\nprinted:\n{printed}\nprinted | expected:\n" + "\n".join(different)
        )
    kept |= found(line.keep, printed)


def _addresses(topology: Topology) -> list[tuple[str, object]]:
    return [(machine.name, [nic.addresses for nic in machine.interfaces]) for machine in topology.machines]


@pytest.fixture
def _nothing_in_the_way(load_balancer: None, kubectl: Kubectl, topology: Topology) -> None:
    """The articles begin with an empty cluster, and with the machines and addresses of the default lab."""
    if _addresses(topology) != _addresses(load(DEFAULT_LAB)):
        pytest.skip("not run: the articles describe the machines and addresses of the default lab")
    names = kubectl("get", "deployments,services", "--output=name").split()
    if set(names) != {"service/kubernetes"}:
        pytest.skip(f"not run: the namespace default has {', '.join(names)}, and the articles begin without")


@pytest.mark.usefixtures("_nothing_in_the_way")
@pytest.mark.parametrize("name", walkthroughs())
def test_article(name: str, record_property: Callable[[str, object], None]) -> None:
    walkthrough = walkthroughs()[name]
    kept: dict[str, str] = {}
    with terminals(topology_file()) as opened:
        try:
            for line in walkthrough.lines:
                follow(line, opened, kept)
        finally:
            for line in walkthrough.cleanup:
                opened[line.machine].type(line.type)
    for line in walkthrough.lines:
        if line.because:
            record_property(f"not word for word: {line.machine}$ {line.type}", line.because)
