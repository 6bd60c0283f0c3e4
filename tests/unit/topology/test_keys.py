"""The table of keys: what an editor is told agrees with what is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from lab.render.schema import schema
from lab.topology.keys import LAB
from lab.topology.sections import Key, ListOf, Section

ROOT = Path(__file__).resolve().parents[3]
ERRORS = ROOT / "tests/golden/topology/errors"
RIGHT = [ROOT / "lab.yml", *sorted((ROOT / "labs").glob("*.yml"))]
SEEN_BY_AN_EDITOR = (
    "asn-*", "choice-*", "hold-time-*", "key-missing", "key-unknown*", "name-*", "network-name-*", "networks-three",
    "password-*", "pool-empty", "pool-range-bad", "pools-none", "section-*", "subnet-bad", "subnets-empty", "type-*",
    "workers-none",
)  # fmt: skip
ONLY_TOGETHER = {"asn-same-on-both-sides", "asn-internal-session", "type-octal-number", "type-yes-for-flag"}
VALIDATOR = jsonschema.Draft202012Validator(schema())


def keys_of(section: Section) -> list[Key[Any]]:
    below = [key.kind.item if isinstance(key.kind, ListOf) else key.kind for key in section.keys]
    return [*section.keys, *(key for kind in below if isinstance(kind, Section) for key in keys_of(kind))]


def wrong() -> list[Path]:
    paths = {path for pattern in SEEN_BY_AN_EDITOR for path in ERRORS.glob(f"{pattern}.yml")}
    return sorted(path for path in paths if path.stem not in ONLY_TOGETHER)


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("path", RIGHT, ids=lambda path: path.stem)
def test_the_schema_accepts_right_labs(path: Path) -> None:
    VALIDATOR.validate(yaml.safe_load(path.read_text()))


@pytest.mark.parametrize("path", wrong(), ids=lambda path: path.stem)
def test_the_schema_refuses_wrong_shapes_and_values(path: Path) -> None:
    assert not VALIDATOR.is_valid(yaml.safe_load(path.read_text()))


@pytest.mark.parametrize("key", keys_of(LAB), ids=lambda key: key.name)
def test_every_key_is_described_and_has_a_readable_default(key: Key[Any]) -> None:
    assert key.description.endswith(".")
    assert not (key.required and key.default is not None)
    if key.default is not None:
        jsonschema.validate(key.default, key.kind.schema())
