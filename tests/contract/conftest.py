"""A cluster to ask: the one of `--kubeconfig`, or a pocket server that lives as long as the tests."""

from __future__ import annotations

import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from lab.machines.containers import base
from tests.contract.client import Api, authority_of
from tests.fuzz.pocket_process import PocketProcess

Kubectl = Callable[..., str]


def pytest_addoption(parser: pytest.Parser) -> None:
    add = parser.addoption
    add("--kubeconfig", type=Path, help="the cluster to test (default: a pocket server)")
    add(
        "--controllers",
        action="store_true",
        help="run pocket's controllers beside the server of --kubeconfig",
    )
    add("--kubectl", type=Path, help="the kubectl to test with (default: that of PATH)")


@pytest.fixture(scope="session")
def kubeconfig(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    given = request.config.getoption("--kubeconfig")
    place = tmp_path_factory.mktemp("pocket")
    if given:
        with (
            running_controllers(given, place) if request.config.getoption("--controllers") else nullcontext()
        ):
            yield given
        return
    server = PocketProcess(place)
    server.start()
    with running_controllers(server.kubeconfig, place):
        yield server.kubeconfig
    server.stop()


@contextmanager
def running_controllers(kubeconfig: Path, place: Path) -> Iterator[None]:
    """Run pocket's controllers beside an API server, as a cluster has some."""
    command = [sys.executable, "-m", "lab.pocket", "controllers", "--kubeconfig", str(kubeconfig)]
    authority = place / "authority.crt"
    authority.write_text(authority_of(kubeconfig))
    command += ["--root-ca-file", str(authority)]
    with (place / "controllers.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        yield
        process.terminate()
        process.wait(timeout=20)


@pytest.fixture(scope="session")
def api(kubeconfig: Path) -> Api:
    return Api(kubeconfig)


@pytest.fixture
def namespace(api: Api) -> Iterator[str]:
    """A namespace of the test's own."""
    name = f"contract-{uuid.uuid4().hex[:8]}"
    api.create("/api/v1/namespaces", {"metadata": {"name": name}})
    yield name
    api.send("DELETE", f"/api/v1/namespaces/{name}")


@pytest.fixture
def core(namespace: str) -> str:
    """The path below which core kinds of the test's namespace live."""
    return f"/api/v1/namespaces/{namespace}"


@pytest.fixture
def kubectl(request: pytest.FixtureRequest, kubeconfig: Path, namespace: str, tmp_path: Path) -> Kubectl:
    """Run kubectl in the test's namespace, this host's or the machines'; returns what it printed, or fails with it."""
    given = request.config.getoption("--kubectl")
    program = given or shutil.which("kubectl") or _kubectl_of_the_machines()
    if program is None:
        pytest.skip("not run: no kubectl, neither on this host nor in the cache (lab up puts one there)")
    base = [
        program,
        "--kubeconfig",
        str(kubeconfig),
        "--namespace",
        namespace,
        "--cache-dir",
        str(tmp_path / "cache"),
    ]

    def run(*arguments: str, stdin: str = "", fails: bool = False) -> str:
        done = subprocess.run(
            [*base, *arguments], check=False, input=stdin, capture_output=True, text=True, timeout=60
        )
        assert (done.returncode != 0) is fails, done.stdout + done.stderr
        return done.stderr if fails else done.stdout

    return run


def _kubectl_of_the_machines() -> str | None:
    """Return the kubectl of the machine containers' base: some distributions have none of their own."""
    found = base.find()
    return str(found.tree / "usr/bin/kubectl") if found else None
