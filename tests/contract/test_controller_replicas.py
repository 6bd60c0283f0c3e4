"""Several replicas of our controllers: one works at a time, and another takes over."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.contract.client import Api, eventually
from tests.fuzz.pocket_process import PocketProcess

LEASE = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/lab-controllers"


@pytest.fixture
def server(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[PocketProcess]:
    if request.config.getoption("--kubeconfig"):
        pytest.skip("not run: a given cluster has controllers of its own")
    server = PocketProcess(tmp_path)
    server.start()
    yield server
    server.stop()


@contextmanager
def replica(server: PocketProcess, identity: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "lab.pocket", "controllers", "--kubeconfig", str(server.kubeconfig)]
    with (server.data / f"{identity}.log").open("wb") as log:
        process = subprocess.Popen([*command, "--identity", identity], stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.kill()
            process.wait(timeout=20)


def holder(api: Api) -> str:
    lease = api.send("GET", LEASE).body
    return str(lease.get("spec", {}).get("holderIdentity", ""))


def has_account(api: Api, namespace: str) -> bool:
    """Whether the namespace's account is there, which the controllers bring back."""
    return api.send("GET", f"/api/v1/namespaces/{namespace}/serviceaccounts/default").code == 200


def test_one_works_and_the_next_takes_over(server: PocketProcess) -> None:
    api = Api(server.kubeconfig)
    with ExitStack() as stack:
        first = stack.enter_context(replica(server, "first"))
        eventually(lambda: holder(api) == "first", "the first leads")
        stack.enter_context(replica(server, "second"))
        first.terminate()  # gives the Lease back
        assert first.wait(timeout=20) == 0
        eventually(lambda: holder(api) == "second", "the second leads")
        api.ok("DELETE", "/api/v1/namespaces/default/serviceaccounts/default")
        eventually(lambda: has_account(api, "default"), "the account again")
