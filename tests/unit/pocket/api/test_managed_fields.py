"""Server-side apply, played against recorded scenarios of a real server: objects, owners, conflicts."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lab.pocket.api import defaults, managed_fields, merge_patch, schema, values
from lab.pocket.api.errors import ApplyConflictError, ApplyError
from lab.pocket.api.managed_fields import Writer
from lab.pocket.api.managed_fields.paths import from_fields_v1, to_fields_v1
from tests.unit.pocket.api.answers import load

Object = dict[str, Any]
VECTORS = load("apply")
CRD = schema.from_crd(VECTORS["setup"][0]["body"]["spec"]["versions"][0]["schema"]["openAPIV3Schema"])
KEPT = ("name", "namespace", "managedFields", "resourceVersion")


def schema_of(obj: Object) -> schema.Schema:
    group, _, version = obj["apiVersion"].rpartition("/")
    return schema.builtin(group, version, obj["kind"]) or CRD


def completed(obj: Object, kind: schema.Schema) -> tuple[Object, bool]:
    processed = schema.process(obj, kind)
    assert not processed.malformed
    if kind.native:
        defaults.apply(processed.object, kind)
    return processed.object, bool(processed.errors)


class Server:
    """As much of a server as the scenarios need: one object, written in Kubernetes' order of steps."""

    def __init__(self) -> None:
        self.object: Object | None = None
        self.steps = 0

    def ask(self, step: Object) -> str:
        """Do one request; returns "" or why it was refused."""
        self.steps += 1
        url, query = urlsplit(step["path"]).path, parse_qs(urlsplit(step["path"]).query)
        subresource = "status" if url.endswith("/status") else ""
        kind = schema_of(self.object or step["body"])
        api_version = (self.object or step["body"])["apiVersion"]
        other = (
            [("f:spec",)]
            if subresource
            else [("f:status",)]
            if kind is CRD or api_version == "apps/v1"
            else []
        )
        if subresource and kind is CRD:
            other += [("f:metadata",)]
        writer = Writer(
            manager=query["fieldManager"][0], api_version=api_version, now=f"2026-01-01T00:00:{self.steps:02}Z",
            subresource=subresource, ignored=tuple(other),
        )  # fmt: skip
        if step.get("type") == "application/apply-patch+yaml":
            force = query["force"] == ["true"]
            new = managed_fields.apply(self.object, values.copy(step["body"]), kind, writer, force=force)
            new, refused = completed(new, kind)
            if refused or self._nameless(new):
                return "invalid"
        else:
            new = merge_patch.apply(self.object or {}, step["body"])
            new, _ = completed(new, kind)
            self._keep(new, subresource)
            new = managed_fields.track(self.object, new, kind, writer)
        self._keep(new, subresource)
        self.object = new
        return ""

    def _keep(self, new: Object, subresource: str) -> None:
        for name in {"spec", "data"} if subresource else {"status"}:
            new.pop(name, None)
            if self.object and name in self.object:
                new[name] = self.object[name]
            elif name == "status" and new["kind"] == "Deployment":
                new[name] = {}

    @staticmethod
    def _nameless(new: Object) -> bool:
        containers = new.get("spec", {}).get("template", {}).get("spec", {}).get("containers", [])
        return any(not container["name"] for container in containers)


@pytest.mark.parametrize("scenario", [pytest.param(one, id=one["name"]) for one in VECTORS["scenarios"]])
def test_scenario(scenario: Object) -> None:
    server = Server()
    for number, step in enumerate(scenario["steps"]):
        answer, before = step["answer"], values.copy(server.object)
        if answer["code"] == 409:
            with pytest.raises(ApplyConflictError) as caught:
                server.ask(step)
            assert caught.value.message == answer["message"], number
            assert [conflict.cause() for conflict in caught.value.conflicts] == answer["causes"]
        elif answer["code"] == 400:
            with pytest.raises(ApplyError, match=answer["message"]):
                server.ask(step)
        elif answer["code"] == 422:
            assert server.ask(step) == "invalid"
        else:
            server.ask(step)
            compare(server.object, answer, number)
            continue
        assert server.object == before


def compare(mine: Object | None, answer: Object, number: int) -> None:
    assert mine is not None
    managers = [
        {k: v for k, v in entry.items() if k != "time"} for entry in mine["metadata"].get("managedFields", [])
    ]
    assert managers == answer["managers"], f"managers after step {number}"
    assert plain(mine) == plain(answer["object"]), f"object after step {number}"


def plain(obj: Object) -> Object:
    return {**obj, "metadata": {name: value for name, value in obj["metadata"].items() if name not in KEPT}}


WRITER = Writer(manager="m", api_version="lab.io/v1", now="2026-01-01T00:00:00Z")
SPECS = st.fixed_dictionaries({}, optional={
    "set": st.lists(st.sampled_from("abc"), unique=True, max_size=3),
    "map": st.lists(st.builds(lambda n, v: {"name": n, "v": v}, st.sampled_from("xy"), st.sampled_from("12")), max_size=2, unique_by=lambda e: e["name"]),
    "list": st.lists(st.sampled_from("pq"), max_size=2),
    "scalar": st.sampled_from("st"),
    "free": st.dictionaries(st.sampled_from("kl"), st.integers(0, 2) | st.dictionaries(st.sampled_from("mn"), st.integers(0, 2), max_size=2), max_size=2),
})  # fmt: skip


def thing(spec: Object) -> Object:
    return {"apiVersion": "lab.io/v1", "kind": "Ssa", "metadata": {"name": "x"}, "spec": spec}


@settings(max_examples=40)
@given(SPECS, SPECS)
def test_applying_twice_changes_nothing_and_nothing_of_the_first_is_left_after_the_second(
    first: Object, second: Object
) -> None:
    once = managed_fields.apply(None, thing(first), CRD, WRITER)
    assume("managedFields" in once["metadata"])  # without them a second apply begins anew
    later = Writer(manager="m", api_version="lab.io/v1", now="2027-01-01T00:00:00Z")
    assert managed_fields.apply(once, thing(first), CRD, later) == once
    replaced = managed_fields.apply(once, thing(second), CRD, later)
    assert pruned(replaced.get("spec", {})) == pruned(second)


def pruned(spec: Object) -> Object:
    """Return what is not empty, and sets sorted: an applier that lets go leaves no empty maps and lists behind."""
    kept: Object = {name: value for name, value in spec.items() if value not in ({}, [])}
    for name in {"set", "map"} & kept.keys():
        kept[name] = sorted(kept[name], key=str)
    kept["free"] = {name: value for name, value in kept.get("free", {}).items() if value != {}}
    return kept


@settings(max_examples=40)
@given(SPECS, SPECS)
def test_two_appliers_never_take_from_each_other(first: Object, second: Object) -> None:
    other = Writer(manager="n", api_version="lab.io/v1", now="2027-01-01T00:00:00Z")
    once = managed_fields.apply(None, thing(first), CRD, WRITER)
    assume("managedFields" in once["metadata"])
    try:
        both = managed_fields.apply(once, thing(second), CRD, other)
    except ApplyConflictError:
        both = managed_fields.apply(once, thing(second), CRD, other, force=True)
    else:
        assert managed_fields.apply(both, thing(first), CRD, WRITER) == both
    assert managed_fields.apply(both, thing(second), CRD, other) == both


PATHS = st.frozensets(
    st.lists(st.sampled_from(["f:a", "f:b", 'k:{"n":1}', 'v:"x"', "i:0"]), min_size=1, max_size=4).map(tuple),
    max_size=6,
)


@given(PATHS)
def test_fields_v1_round_trip(paths: frozenset[tuple[str, ...]]) -> None:
    assert from_fields_v1(to_fields_v1(paths)) == paths
