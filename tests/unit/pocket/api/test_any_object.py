"""Whatever a client sends, of whatever kind, ends in an object or in errors, never in an exception."""

from __future__ import annotations

import datetime as dt
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.pocket.api import defaults, managed_fields, openapi, schema, tables, validation, values
from lab.pocket.api.schema.model import Node

KINDS = sorted(schema.kinds())
NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
WORDS = (
    "", "a", "A_", "a.b/c", "10.0.0.1", "fd00::1", "10.0.0.0/8", "None", "50%", "-1", "é", "x" * 300, "RollingUpdate", "IPv4",
    "In", "Exists", "ClusterIP", "NodePort", "LoadBalancer", "ExternalName", "Webhook", "TCP", ".spec.a", "kubernetes.io/tls",
)  # fmt: skip
NUMBERS = (-1, 0, 1, 80, 65536, 2**31 - 1)


class Client:
    """Makes objects that fit a schema and make no sense."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def value(self, node: Node, depth: int = 0) -> Any:
        if self._rng.random() < 0.05:
            return self._rng.choice([None, None, None, {}, [], "x", 1, True])
        if "properties" in node:
            share = 0.5 if depth < 3 else 0.12
            names = [name for name in node["properties"] if self._rng.random() < share]
            return {name: self.value(node["properties"][name], depth + 1) for name in names}
        if "x-either" in node:
            return self._rng.choice([True, ["a"], {"type": "string"}, {}])
        if "items" in node:
            return [self.value(node["items"], depth + 1) for _ in range(self._rng.choice((0, 1, 1, 2)))]
        if "additionalProperties" in node:
            names = self._rng.sample(WORDS, self._rng.choice((0, 1, 2)))
            return {name: self.value(node["additionalProperties"], depth + 1) for name in names}
        return self._scalar(node)

    def _scalar(self, node: Node) -> Any:
        form, kind = node.get("format"), node.get("type")
        if form == "quantity":
            return self._rng.choice(["1", "-1", "1Gi", "500m"])
        if form in {"date-time", "micro-time"}:
            return "2026-01-01T00:00:00.000000Z"
        if form == "byte":
            return self._rng.choice(["", "YQ==", "e30="])
        if node.get("x-kubernetes-int-or-string"):
            return self._rng.choice([*WORDS, *NUMBERS])
        if node.get("x-kubernetes-preserve-unknown-fields"):
            return self._rng.choice([{}, {"a": [1]}])
        return {"integer": self._rng.choice(NUMBERS), "number": 1.5, "boolean": self._rng.random() < 0.5}.get(
            str(kind), self._rng.choice(WORDS)
        )


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32))
def test_nothing_makes_it_fall_over(name: str, seed: int) -> None:
    group, _, rest = name.rpartition("/")[0].rpartition("/")
    kind = schema.builtin(group, rest, name.rpartition("/")[2])
    assert kind is not None
    client = Client(random.Random(seed))  # noqa: S311  # reproducible, not secret
    sent = client.value(kind.root)
    sent = {
        **(sent if isinstance(sent, dict) else {}),
        "apiVersion": name.rpartition("/")[0],
        "kind": name.rpartition("/")[2],
    }
    before = values.copy(sent)
    processed = schema.process(sent, kind)
    assert sent == before
    if processed.malformed:
        return
    made = processed.object
    made.setdefault("metadata", {})
    defaults.apply(made, kind)
    again = schema.process(made, kind)
    assert again.object == made
    errors = validation.create_errors(made, namespaced=True)
    assert all(error.cause()["message"] for error in errors)
    assert isinstance(validation.update_errors(made, values.copy(made)), list)
    assert isinstance(validation.status_update_errors(made, values.copy(made)), list)
    if not errors:
        tables.row(made, kind=made["kind"], now=NOW)


@pytest.mark.parametrize("name", ["v1/Service", "v1/Pod", "apps/v1/Deployment"])
@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32))
def test_owners_of_any_object(name: str, seed: int) -> None:
    group, _, rest = name.rpartition("/")[0].rpartition("/")
    kind = schema.builtin(group, rest, name.rpartition("/")[2])
    assert kind is not None
    client = Client(random.Random(seed))  # noqa: S311  # reproducible, not secret
    sent = client.value(kind.root)
    processed = schema.process(sent if isinstance(sent, dict) else {}, kind)
    if processed.malformed:
        return
    made = {**processed.object, "apiVersion": name.rpartition("/")[0], "kind": name.rpartition("/")[2]}
    made.setdefault("metadata", {}).pop("managedFields", None)
    writer = managed_fields.Writer(manager="m", api_version=made["apiVersion"], now="2026-01-01T00:00:00Z")
    tracked = managed_fields.track(None, made, kind, writer)
    assert managed_fields.track(tracked, tracked, kind, writer) == tracked


def test_every_kind_has_a_published_schema() -> None:
    for name in KINDS:
        version, _, kind = name.rpartition("/")
        group, _, number = version.rpartition("/")
        served = openapi.Served(
            group=group, version=number, plural="x", kind=kind, namespaced=True, verbs=("get",)
        )
        assert served.component
