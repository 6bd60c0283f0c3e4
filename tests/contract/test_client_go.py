"""client-go, which other people's compiled controllers are made of: typed clients, informers, leader election."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.contract.client import Api, Json, eventually
from tests.fuzz.pocket_process import PocketProcess

SOURCE = Path(__file__).parent / "client_go"
BUILD_SECONDS, SECONDS = 1200, 60
STEPS = [
    *("workload", "service", "conflict", "apply", "pages", "pod", "reviews", "collection", "mapped"),
]


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build tests/contract/client_go; the first time takes minutes, then Go's cache has it."""
    if shutil.which("go") is None:
        pytest.skip("not run: no go on this machine")
    built = tmp_path_factory.mktemp("client_go") / "client_go"
    made = subprocess.run(
        ["go", "build", "-o", str(built), "."],
        cwd=SOURCE,
        env=os.environ | {"GOFLAGS": "-mod=mod"},
        check=False,
        capture_output=True,
        text=True,
        timeout=BUILD_SECONDS,
    )
    if made.returncode and "module lookup" in made.stderr:
        pytest.skip(f"not run: no Go modules here: {made.stderr.strip()}")
    assert not made.returncode, made.stderr
    return built


class Informers:
    """A running `client_go informers`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def known(self) -> dict[str, Any]:
        """Return what each informer's handlers were told."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        told: dict[str, Any] = json.loads(self._process.stdout.readline())
        return told


@contextmanager
def informers(program: Path, kubeconfig: Path, namespace: str, **environment: str) -> Iterator[Informers]:
    process = subprocess.Popen(
        [program, kubeconfig, "informers", namespace],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | environment,
    )
    with process:
        try:
            yield Informers(process)
        finally:
            process.kill()


def listed(api: Api, path: str) -> dict[str, str]:
    return {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in api.get(path)["items"]}


def expect_same(running: Informers, api: Api, path: str) -> Json:
    """Wait until both informers know just what a list says, and were never told what cannot be."""

    def same() -> Json:
        told = running.known()
        assert not any(each["wrong"] for each in told.values()), told
        alike = all(each["objects"] == listed(api, path) for each in told.values())
        return told if alike else {}

    return eventually(same, "the informers' caches")


def test_typed_clients_with_protobuf_bodies(program: Path, kubeconfig: Path, api: Api, core: str) -> None:
    eventually(lambda: api.send("GET", f"{core}/serviceaccounts/default").code == 200, "the account")
    done = subprocess.run(
        [program, kubeconfig, "typed", core.rpartition("/")[2]],
        check=False,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert (done.stdout.split(), done.stderr) == (STEPS, "")


@pytest.mark.parametrize("watch_list", ["true", "false"])
def test_informers_know_what_is_there(
    program: Path, kubeconfig: Path, api: Api, namespace: str, core: str, watch_list: str
) -> None:
    path = f"{core}/configmaps"
    api.create(path, {"metadata": {"name": "before"}})
    with informers(program, kubeconfig, namespace, KUBE_FEATURE_WatchListClient=watch_list) as running:
        expect_same(running, api, path)
        for number in range(20):
            api.create(path, {"metadata": {"name": f"a{number}"}})
            api.patch(f"{path}/before", {"data": {"n": str(number)}})
        for number in range(0, 20, 2):
            api.ok("DELETE", f"{path}/a{number}")
        expect_same(running, api, path)


@pytest.fixture
def server(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[PocketProcess]:
    """A pocket server of the test's own, which can be killed."""
    if request.config.getoption("--kubeconfig"):
        pytest.skip("not run: a given cluster is not killed")
    server = PocketProcess(tmp_path)
    server.start()
    yield server
    server.stop()


@contextmanager
def written_elsewhere(server: PocketProcess) -> Iterator[Api]:
    """Kill the server, let the block write to its store through another port, and bring it back."""
    server.kill()
    elsewhere = PocketProcess(server.data)
    server.kubeconfig.unlink()  # it names the port; a server writes it when it is ready
    elsewhere.start()
    try:
        yield Api(elsewhere.kubeconfig)
    finally:
        elsewhere.kill()
    server.kubeconfig.unlink()
    server.start()


@pytest.mark.parametrize(
    ("size", "code"),
    [
        pytest.param(10, 200, id="watches resume"),
        pytest.param(900_000, 410, id="the log has forgotten: informers list anew"),
    ],
)
def test_informers_survive_the_server(program: Path, server: PocketProcess, size: int, code: int) -> None:
    api = Api(server.kubeconfig)
    path = "/api/v1/namespaces/default/configmaps"
    for number in range(10):
        api.create(path, {"metadata": {"name": f"a{number}"}})
    with informers(program, server.kubeconfig, "default") as running:
        before = expect_same(running, api, path)
        revision = api.get(path)["metadata"]["resourceVersion"]
        with written_elsewhere(server) as other:
            for number in range(12):
                other.patch(f"{path}/a1", {"data": {"n": chr(ord("a") + number) * size}})
            other.ok("DELETE", f"{path}/a0")
            with closing_watch(other, path, revision) as status:
                assert status == code
        api.create(path, {"metadata": {"name": "after"}})
        after = expect_same(running, api, path)
    assert after["shared"]["added"] == before["shared"]["added"] + 1


@contextmanager
def closing_watch(api: Api, path: str, revision: str) -> Iterator[int]:
    """Open a watch and give the code of its answer, or of the error that is its first event."""
    with api.watch(path, resourceVersion=revision, timeoutSeconds=1) as events:
        first = next(events, {})
        yield first["object"]["code"] if first.get("type") == "ERROR" else 200


def test_one_of_two_leads(
    program: Path, kubeconfig: Path, namespace: str, spawned: Callable[[list[str]], subprocess.Popen[str]]
) -> None:
    first = spawned([str(program), str(kubeconfig), "elect", namespace, "first"])
    assert _until(first, "leads")
    second = spawned([str(program), str(kubeconfig), "elect", namespace, "second"])
    assert _until(second, "sees first")
    first.terminate()  # gives the Lease back
    assert _until(first, "stopped")
    assert _until(second, "leads")


@pytest.fixture
def spawned() -> Iterator[Callable[[list[str]], subprocess.Popen[str]]]:
    running: list[subprocess.Popen[str]] = []

    def spawn(command: list[str]) -> subprocess.Popen[str]:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        running.append(process)
        return process

    yield spawn
    for process in running:
        process.kill()
        process.communicate(timeout=SECONDS)


def _until(process: subprocess.Popen[str], line: str) -> bool:
    assert process.stdout
    return any(each.strip() == line for each in process.stdout)
