"""Whatever the file holds, `load` returns a Topology or raises InvalidTopologyError, and every mistake is complete."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lab.render.diagram import svg
from lab.render.inventory import inventory
from lab.topology.loader import load
from lab.topology.mistakes import InvalidTopologyError
from lab.topology.model import Topology

ROOT = Path(__file__).resolve().parents[3]
SOURCES = [path.read_text() for path in (ROOT / "lab.yml", ROOT / "labs/dual-stack.yml")]
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.ip_addresses().map(str),
    st.ip_addresses(network="10.0.0.0/28").map(str),
    st.sampled_from(["10.0.0.0/24", "0.0.0.0/0", "::/0", "10.0.0.0/31", "fd00:10::/127", "10.0.0.255/32"]),
    st.lists(st.sampled_from(["10.0.0.0/24", "fd00:10::/64", "10.0.0.51", "fd00:10::51", 1000]), max_size=3),
    st.dictionaries(st.text(max_size=5), st.none(), max_size=2),
    st.sampled_from([0, 1, 2, 1000, 65535, 4294967295, "router", "client", "k8s-worker1"]),
)


def outcome(path: Path) -> Topology | InvalidTopologyError:
    try:
        return load(path)
    except InvalidTopologyError as error:
        return error


def check(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    result = outcome(path)
    if isinstance(result, Topology):
        assert inventory(result)
        assert svg(result)
        return
    assert result.mistakes
    assert all(mistake.line >= 1 and mistake.column >= 1 for mistake in result.mistakes)
    assert all(mistake.reason and mistake.instead for mistake in result.mistakes)
    assert all(line.isprintable() for line in result.lines())


def changed(document: Any, seed: random.Random, value: Any) -> Any:
    """Return `document` with something in it replaced, removed or renamed."""
    if not isinstance(document, dict | list) or not document or seed.random() < 0.15:
        return value
    key = seed.choice(list(document)) if isinstance(document, dict) else seed.randrange(len(document))
    copy = document.copy()
    choice = seed.random()
    if choice < 0.1:
        del copy[key]
    elif choice < 0.2 and isinstance(copy, dict):
        copy[f"{key}x"] = copy.pop(key)
    else:
        copy[key] = changed(copy[key], seed, value)
    return copy


@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=300))
@example(data=b'"\\ud800": 1')
@example(data=b'name: "\\UFFFFFFFF"')
@example(data=b"%YAML 99999999999999999999999999.1\n---\na: 1")
@example(data=b"name: &a [*a]")
@example(data=b"? {a: b}\n: c")
@example(data=b"networks: {[]: 1}")
@example(data="name: lab\x85count: \u2028".encode())
def test_any_bytes(tmp_path_factory, data: bytes) -> None:
    check(tmp_path_factory.getbasetemp() / "any.yml", data)


@settings(max_examples=150, deadline=None)
@given(text=st.text(alphabet="ab:-[]{}&*!|>'\"%@`#?,\n\t 019.", max_size=60))
def test_any_punctuation(tmp_path_factory, text: str) -> None:
    check(tmp_path_factory.getbasetemp() / "any.yml", text.encode())


@settings(max_examples=300, deadline=None)
@given(
    source=st.sampled_from(SOURCES),
    seed=st.randoms(use_true_random=False),
    values=st.lists(VALUES, max_size=3),
)
def test_a_lab_with_changes(tmp_path_factory, source: str, seed: random.Random, values: list[Any]) -> None:
    document = yaml.safe_load(source)
    for value in values:
        document = changed(document, seed, value)
    data = yaml.safe_dump(document, allow_unicode=True, sort_keys=False).encode()
    check(tmp_path_factory.getbasetemp() / "any.yml", data)


@settings(max_examples=200, deadline=None)
@given(
    source=st.sampled_from(SOURCES),
    start=st.integers(0, 900),
    cut=st.integers(0, 20),
    text=st.text(max_size=5),
)
def test_a_lab_with_typing_errors(tmp_path_factory, source: str, start: int, cut: int, text: str) -> None:
    typed = source[:start] + text + source[start + cut :]
    check(tmp_path_factory.getbasetemp() / "any.yml", typed.encode("utf-8", "surrogatepass"))
