"""The main job: one command, and the client behind the router gets the pods' answers; then everything is checked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lifecycle.conftest import Lab, write_lab


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The default lab, whole."""
    lab = write_lab(tmp_path_factory.mktemp("whole"), name="whole")
    try:
        lab("up")
        yield lab
    finally:
        lab("down")


def test_every_check_passes_from_the_client_and_the_router(whole: Lab, tmp_path: Path) -> None:
    report = tmp_path / "junit.xml"
    done = whole("test", "--json", "--junit", str(report), check=False)
    checks = json.loads(done.stdout)["checks"]
    failed = [f"{check['name']}: {check['detail']}" for check in checks if check["verdict"] == "failed"]
    assert not failed, "\n\n".join(failed)
    assert [check for check in checks if check["verdict"] == "passed"]
    assert report.exists()
    assert done.returncode == 0


def test_a_second_configuration_changes_nothing(whole: Lab) -> None:
    whole("up", "--no-cache")
    for log in whole.file.parent.glob(".lab/*/*.log"):
        changed = [line for line in log.read_text().splitlines() if line.startswith("changed:")]
        assert changed == [], log


def test_another_service_is_explained_while_it_works_and_when_it_does_not(whole: Lab) -> None:
    def kubectl(line: str) -> None:
        whole.run(["ssh", "--file", str(whole.file), "client", "-c", f"kubectl {line}"])

    kubectl("create deployment web --image=nginx --replicas=2")
    kubectl("expose deployment web --type=LoadBalancer --port=80")
    kubectl("wait --for=condition=Available deployment/web --timeout=30s")
    hops = json.loads(whole.run(["explain", "web", "--json", "--file", str(whole.file)]).stdout)["hops"]
    assert [hop["name"] for hop in hops if not hop["ok"]] == []
    kubectl("scale deployment web --replicas=0")
    kubectl("wait --for=delete pod --selector=app=web --timeout=30s")
    broken = whole.run(["explain", "web", "--file", str(whole.file)], check=False)
    assert broken.returncode == 1
    assert "no pod matches app=web" in broken.stdout
    kubectl("delete deployment,service web")
