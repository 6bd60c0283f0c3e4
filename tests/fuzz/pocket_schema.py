"""Requests made of the schemas themselves: `python -m tests.fuzz.pocket_schema --requests 100000` prints JSON.

Objects of every kind, nearly right: made of fields that exist, with values of the right type, odd ones and wrong ones; and
recorded objects that a kube-apiserver took (tests/vectors/kubernetes) with a few places changed. They are created,
changed in every way, listed as tables and deleted. Never a 500, never a refusal that is no Status, bounded memory.
"""

from __future__ import annotations

import argparse
import http.client
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import orjson

from lab.pocket.api import schema
from lab.pocket.apiserver.builtin import BUILTIN
from lab.pocket.apiserver.registry import Resource, Subresource
from tests.fuzz.pocket_process import PocketProcess

Json = dict[str, Any]
NAMES = ("a", "b", "c", "d", "e", "default", "widgets.lab.io", "things.lab.io", "A_b", "")
TEXTS = (
    *(
        "",
        "a",
        "web",
        "default",
        "10.0.0.1",
        "fd00::1",
        "10.0.0.0/8",
        "1",
        "80",
        "http",
        "TCP",
        "100m",
        "1Gi",
        "-5",
    ),
    *(
        "2026-01-01T00:00:00Z",
        "a/b",
        "a.b/c",
        "ClusterIP",
        "LoadBalancer",
        "Always",
        "Exists",
        "In",
        "é",
        "x" * 300,
    ),
    *("25%", "self.a == 1", "self.all(x, x)", "string", "object", "array", "integer", "v1", "\u0000", "{}"),
)
PATCHES = ("merge-patch+json", "strategic-merge-patch+json", "json-patch+json", "apply-patch+yaml")
QUERIES: tuple[Json, ...] = (
    *({}, {}, {"dryRun": "All"}, {"fieldValidation": "Strict"}, {"fieldManager": "f", "force": "true"}),
    *({"limit": "1"}, {"propagationPolicy": "Foreground"}, {"gracePeriodSeconds": "0"}),
)
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
DEPTH = 7
WRONG = 0.01  # the share of values that are of another type than the schema says
RECORDED = 0.7  # the share of objects that begin as recorded ones
MOST_MIB = 400.0


VECTORS = Path(__file__).resolve().parents[1] / "vectors/kubernetes"


def vectors(file: str) -> Json:
    found: Json = orjson.loads((VECTORS / f"{file}.json").read_bytes())
    return found


def recorded() -> dict[str, list[Json]]:
    """Return the bodies that a kube-apiserver took, by "apiVersion/kind"."""
    found: dict[str, list[Json]] = {}
    for file in ("defaults", "validation", "services", "structural_schemas", "custom_resources"):
        for case in vectors(file)["cases"]:
            body, code = case.get("body"), (case.get("answer") or {}).get("code", 0)
            if isinstance(body, dict) and code in {200, 201} and "kind" in body:
                found.setdefault(f"{body['apiVersion']}/{body['kind']}", []).append(body)
    return found


class Maker:
    """Makes objects of schemas at random."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311  # no secret

    def value(self, node: Json, depth: int = 0) -> Any:
        pick = self.random.random
        if pick() < WRONG:
            return self.random.choice([None, True, 0, -1, 2**40, 1.5, "", "x", [], {}, [{}], {"a": "b"}])
        if node.get("x-kubernetes-int-or-string"):
            return self.random.choice([0, 80, "http", "50%", ""])
        kinds: dict[str, Callable[[Json, int], Any]] = {
            "object": self._object,
            "array": self._array,
            "string": lambda _node, _depth: self.random.choice(TEXTS),
            "integer": lambda _node, _depth: self.random.choice(
                [0, 1, 2, 80, 65535, 70000, -1, 2**31, 2**63 - 1]
            ),
            "number": lambda _node, _depth: self.random.choice([0, 1.5, -1]),
            "boolean": lambda _node, _depth: pick() < 0.5,
        }
        return kinds.get(node.get("type", "object"), self._object)(node, depth)

    def changed(self, value: Any, chance: float = 0.03) -> Any:
        """Return a copy of a value with a few places changed: dropped, doubled, replaced."""
        if self.random.random() < chance:
            return self.random.choice(
                [None, "", "a", 0, 1, -1, 65536, True, [], {}, [value], value, {"a": value}]
            )
        if isinstance(value, dict):
            kept = {name: item for name, item in value.items() if self.random.random() > chance}
            return {name: self.changed(item, chance) for name, item in kept.items()}
        if isinstance(value, list):
            doubled = [item for item in value for _ in range(1 + (self.random.random() < chance))]
            return [self.changed(item, chance) for item in doubled]
        return value

    def _object(self, node: Json, depth: int) -> Any:
        properties, rest = node.get("properties") or {}, node.get("additionalProperties")
        if depth > DEPTH:
            return {}
        if not properties and isinstance(rest, dict):
            return {
                self.random.choice(TEXTS): self.value(rest, depth + 1)
                for _ in range(self.random.randrange(3))
            }
        often = 0.8 if depth == 0 else 0.35
        required = set(node.get("required") or ())
        chosen = [name for name in properties if name in required or self.random.random() < often]
        return {name: self.value(properties[name], depth + 1) for name in chosen[:12]}

    def _array(self, node: Json, depth: int) -> Any:
        count = 0 if depth > DEPTH else self.random.choice([0, 1, 1, 2, 3])
        return [self.value(node.get("items") or {}, depth + 1) for _ in range(count)]


THINGS = Resource(
    group="lab.io",
    version="v1",
    plural="things",
    kind="Thing",
    subresources=(Subresource("status", "Thing"),),
)
RESOURCES = (*BUILTIN, *[THINGS] * 6)


class Fuzzer:
    """Sends requests over one connection, and another when the server closes it."""

    def __init__(self, server: PocketProcess, seed: int) -> None:
        self._server = server
        self._maker = Maker(seed)
        self._random = self._maker.random
        self._recorded = recorded()
        self._tls = server.admin()
        self._connection: http.client.HTTPSConnection | None = None
        self.answers: Counter[int] = Counter()

    def close(self) -> None:
        if self._connection:
            self._connection.close()

    def step(self) -> None:
        """Make one request about one resource; raises AssertionError when the answer is not one of Kubernetes."""
        resource = self._random.choice(RESOURCES)
        name = self._random.choice(NAMES)
        obj = self._object(resource, name)
        subresource = self._random.choice(["", "", "", *(each.name for each in resource.subresources)])
        if subresource in {"exec", "attach", "portforward", "log"}:
            subresource = ""
        method = self._random.choice(["POST", "POST", "PUT", "PATCH", "PATCH", "GET", "DELETE", "LIST"])
        target = self._path(
            resource, "" if method in {"POST", "LIST"} and not subresource else name or "a", subresource
        )
        kind = f"application/{self._random.choice(PATCHES)}" if method == "PATCH" else "application/json"
        body = None if method in {"GET", "LIST", "DELETE"} else self._body(obj, kind)
        query = self._random.choice(QUERIES)
        accept = self._random.choice(["application/json", TABLE])
        verb = "GET" if method == "LIST" else method
        self.send(verb, f"{target}?{urlencode(query)}", body, {"Content-Type": kind, "Accept": accept})

    def _object(self, resource: Resource, name: str) -> Json:
        known = self._recorded.get(f"{resource.api_version}/{resource.kind}")
        if known and self._random.random() < RECORDED:
            made = self._maker.changed(self._random.choice(known))
        else:
            found = schema.builtin(resource.group, resource.version, resource.kind)
            made = self._maker.value(found.root if found else {})
        obj: Json = made if isinstance(made, dict) else {}
        metadata = obj.get("metadata") if isinstance(obj.get("metadata"), dict) else {}
        obj["metadata"] = {
            **(metadata or {}),
            "name": name,
            "namespace": "default" if resource.namespaced else "",
        }
        if self._random.random() < 0.7:
            for field in ("resourceVersion", "uid", "ownerReferences", "managedFields", "finalizers"):
                obj["metadata"].pop(field, None)
        return {**obj, "apiVersion": resource.api_version, "kind": resource.kind}

    def _body(self, obj: Json, kind: str) -> bytes:
        if kind.endswith("json-patch+json"):
            operations = ("add", "remove", "replace", "test", "move", "copy")
            paths = ("/metadata/labels", "/spec", "/spec/ports/0", "/status", "/data/a", "/metadata/name", "")
            patch = [
                {
                    "op": self._random.choice(operations),
                    "path": self._random.choice(paths),
                    "from": "/spec",
                    "value": obj.get("spec"),
                }
                for _ in range(self._random.randrange(1, 3))
            ]
            return orjson.dumps(patch)
        return orjson.dumps(obj)

    def _path(self, resource: Resource, name: str, subresource: str) -> str:
        scope = ["namespaces", "default"] if resource.namespaced else []
        parts = ["apis" if resource.group else "api", resource.api_version, *scope, resource.plural]
        return quote("/" + "/".join([*parts, *(each for each in (name, subresource) if each)]))

    def send(self, method: str, target: str, body: bytes | None, headers: dict[str, str]) -> None:
        if self._connection is None:
            self._connection = http.client.HTTPSConnection(
                "127.0.0.1", self._server.port, context=self._tls, timeout=20
            )
        self._connection.request(method, target, body, headers)
        response = self._connection.getresponse()
        content = response.read()
        if response.will_close:
            self._connection.close()
            self._connection = None
        self.answers[response.status] += 1
        said = (method, target, headers, body, content)
        assert response.status < 500, said
        assert b"Traceback" not in content, said
        if response.status >= 400 and response.status not in {404, 405}:
            assert orjson.loads(content)["kind"] == "Status", said


@contextmanager
def stopping(server: PocketProcess) -> Iterator[None]:
    try:
        yield
    finally:
        server.stop()


def run(directory: Path, *, requests: int, seed: int) -> Json:
    """Send requests to a server of their own; returns what was counted."""
    server = PocketProcess(directory)
    server.start()
    with closing(Fuzzer(server, seed)) as fuzzer, stopping(server):
        for request in vectors("custom_resources")["setup"]:
            fuzzer.send(
                "POST", request["path"], orjson.dumps(request["body"]), {"Content-Type": "application/json"}
            )
        for _ in range(requests):
            fuzzer.step()
        mib = server.resident_mib()
        assert mib < MOST_MIB, f"the server takes {mib:.0f} MiB"
    answers = {str(code): count for code, count in sorted(fuzzer.answers.items())}
    return {"requests": requests, "seed": seed, "answers": answers, "mib": round(mib, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        counted = run(Path(directory), requests=options.requests, seed=options.seed)
    sys.stdout.buffer.write(orjson.dumps(counted, option=orjson.OPT_APPEND_NEWLINE))


if __name__ == "__main__":
    main()
