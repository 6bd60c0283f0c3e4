"""A plain HTTP client of a cluster, so that a test sees what is on the wire and nothing else."""

from __future__ import annotations

import base64
import contextlib
import http.client
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

import orjson
import yaml

from lab.kube.config import from_kubeconfig

SECONDS = 20.0
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
Json = dict[str, Any]
T = TypeVar("T")


def eventually(look: Callable[[], T], what: str) -> T:
    """Look until there is something to see."""
    deadline = time.monotonic() + SECONDS
    while not (seen := look()):
        assert time.monotonic() < deadline, f"{what}: not in time"
        time.sleep(0.05)
    return seen


@dataclass(frozen=True)
class Answer:
    """What came back; `body` is decoded when it is JSON."""

    code: int
    body: Any
    headers: dict[str, str]

    @property
    def refusal(self) -> tuple[int, str]:
        """The code and reason of a Status."""
        return self.code, self.body.get("reason", "")


class Api:
    """Requests with one identity: that of the kubeconfig, or of a bearer token."""

    def __init__(self, kubeconfig: Path, *, token: str | None = None) -> None:
        self._config = from_kubeconfig(kubeconfig)
        self._tls = self._config.tls if token is None else _authority_only(kubeconfig)
        self._kubeconfig = kubeconfig
        self._token = token

    def with_token(self, token: str) -> Api:
        """Return a client that is known by a token alone; "" is anonymous."""
        return Api(self._kubeconfig, token=token)

    def send(
        self, method: str, path: str, body: Any = None, *, headers: Json | None = None, **query: Any
    ) -> Answer:
        connection, response = self._open(method, path, body, headers or {}, query)
        with contextlib.closing(connection):
            raw = response.read()
        is_json = (
            "json" in response.headers.get("Content-Type", "") or raw[:1] == b"{"
        )  # OpenAPI's index is "text"
        content = orjson.loads(raw) if is_json and raw else raw.decode()
        return Answer(response.status, content, {k.lower(): v for k, v in response.headers.items()})

    def ok(
        self, method: str, path: str, body: Any = None, *, headers: Json | None = None, **query: Any
    ) -> Any:
        """Send a request that must be granted; returns the body."""
        answer = self.send(method, path, body, headers=headers, **query)
        assert answer.code in {200, 201, 202}, answer
        return answer.body

    def get(self, path: str, **query: Any) -> Any:
        return self.ok("GET", path, **query)

    def create(self, path: str, body: Json, **query: Any) -> Any:
        return self.ok("POST", path, body, **query)

    def patch(self, path: str, body: Any, kind: str = MERGE, **query: Any) -> Any:
        return self.ok("PATCH", path, body, headers={"Content-Type": kind}, **query)

    @contextlib.contextmanager
    def watch(self, path: str, **query: Any) -> Iterator[Iterator[Json]]:
        """Open a watch; the value yields its events and fails when none comes in time."""
        connection, response = self._open("GET", path, None, {}, {"watch": "true", **query})
        with contextlib.closing(connection):
            assert response.status == 200, response.read()
            yield (orjson.loads(line) for line in response)

    def _open(
        self, method: str, path: str, body: Any, headers: Json, query: Json
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        config = self._config
        connection = http.client.HTTPSConnection(config.host, config.port, context=self._tls, timeout=SECONDS)
        data = body if isinstance(body, bytes | None) else orjson.dumps(body)
        sent = {"Accept": "application/json", "User-Agent": "contract/1"}
        if data is not None:
            sent["Content-Type"] = "application/json"
        token = config.token() if self._token is None else self._token
        if token:
            sent["Authorization"] = f"Bearer {token}"
        target = f"{path}?{urlencode(query)}" if query else path
        connection.request(method, target, data, sent | headers)
        return connection, connection.getresponse()


def authority_of(kubeconfig: Path) -> str:
    """Return the certificate of the cluster's authority."""
    cluster = yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"]
    return base64.b64decode(cluster["certificate-authority-data"]).decode()


def _authority_only(kubeconfig: Path) -> ssl.SSLContext:
    """Return a TLS context that trusts the cluster's authority and shows no certificate."""
    return ssl.create_default_context(cadata=authority_of(kubeconfig))
