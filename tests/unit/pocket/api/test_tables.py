"""Tables for `kubectl get`, cell by cell as a real server makes them, and ages as client-go writes them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from lab.pocket.api import jsonpath, tables
from lab.pocket.api.errors import JsonPathError
from lab.pocket.api.tables.ages import age, duration
from tests.unit.pocket.api.answers import Case, load

VECTORS = load("tables")
NOW = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
AGES = {"Age", "Last Seen", "First Seen", "When"}
CUSTOM = {
    request["body"]["spec"]["names"]["kind"]: request["body"]["spec"]["versions"][0].get(
        "additionalPrinterColumns", []
    )
    for request in VECTORS["setup"]
    if request["path"].endswith("customresourcedefinitions")
}


def params() -> list[Any]:
    return [pytest.param(case, id=case["name"]) for case in VECTORS["cases"]]


def made(case: Case, include: str = "Metadata") -> dict[str, Any]:
    kind = case["list"]["kind"].removesuffix("List")
    return tables.table(case["list"]["items"], kind=kind, now=NOW, custom=CUSTOM.get(kind), include=include)


@pytest.mark.parametrize("case", params())
def test_columns_are_those_of_a_real_server(case: Case) -> None:
    custom = case["list"]["kind"].removesuffix("List") in CUSTOM
    shown = [
        {
            **column,
            "description": column["description"] if custom and column["name"] not in {"Name", "Age"} else "",
        }
        for column in case["table"]["columnDefinitions"]
    ]
    mine = [
        {**column, "description": "" if column["name"] in {"Name", "Age"} else column["description"]}
        for column in made(case)["columnDefinitions"]
    ]
    assert mine == shown


@pytest.mark.parametrize("case", params())
def test_cells_are_those_of_a_real_server(case: Case) -> None:
    names = [column["name"] for column in case["table"]["columnDefinitions"]]
    assert case["table"]["rows"], "a table without rows proves nothing"
    for real, mine in zip(case["table"]["rows"], made(case)["rows"], strict=True):
        assert mine.get("conditions") == real.get("conditions")
        for name, expected, found in zip(names, real["cells"], mine["cells"], strict=True):
            if name not in AGES and not str(expected).endswith("ago)"):
                assert (name, found) == (name, expected)


@pytest.mark.parametrize("include", ["Metadata", "Object", "None"])
def test_rows_hold_what_is_asked_for(include: str) -> None:
    case = VECTORS["cases"][0]
    row, item = made(case, include)["rows"][0], case["list"]["items"][0]
    partial = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": item["metadata"]}
    assert row.get("object") == {"Metadata": partial, "Object": item, "None": None}[include]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-2, "<invalid>"), (-1, "0s"), (0, "0s"), (119, "119s"), (120, "2m"), (121, "2m1s"), (599, "9m59s"), (600, "10m"),
        (10799, "179m"), (10800, "3h"), (10860, "3h1m"), (28799, "7h59m"), (28800, "8h"), (172799, "47h"), (172800, "2d"),
        (176400, "2d1h"), (691199, "7d23h"), (691200, "8d"), (63071999, "729d"), (63072000, "2y"), (63158400, "2y1d"),
        (252287999, "7y364d"), (252288000, "8y"), (10**10, "317y"),
    ],
)  # fmt: skip
def test_durations(seconds: int, shown: str) -> None:
    assert duration(seconds) == shown


@pytest.mark.parametrize(
    ("timestamp", "shown"),
    [
        (None, "<unknown>"),
        ("2026-05-31T23:59:00Z", "60s"),
        ("2026-05-31T23:59:00.5Z", "59s"),
        ("2026-06-01T02:00:00+02:00", "0s"),
        ("2026-07-01T00:00:00Z", "<invalid>"),
        ("yesterday", "<invalid>"),
        ("2026-01-01", "<invalid>"),
    ],
)
def test_ages(timestamp: str | None, shown: str) -> None:
    assert age(timestamp, NOW) == shown


OBJECT = {"a": {"b.c": 1, "l": [{"t": "x", "v": 1}, {"t": "y", "v": 2}], "s": "t"}, "n": None}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".a.s", ["t"]), ("{.a.s}", ["t"]), ("a.s", ["t"]), (".a.b\\.c", [1]), (".a['b.c']", [1]), ('.a["b.c"]', [1]),
        (".a.l[0].t", ["x"]), (".a.l[-1].t", ["y"]), (".a.l[5].t", []), (".a.l[-5].t", []), (".a.l[*].v", [1, 2]),
        ('.a.l[?(@.t=="y")].v', [2]), (".a.l[?(@.v>1)].t", ["y"]), (".a.l[?(@.v!=1)].t", ["y"]), (".a.l[?(@.q)].t", []),
        (".a.l[?(@.t>1)].t", []), (".zz.s", []), (".n", [None]), (".", [OBJECT]), (".a.s.x", []), (".a.*.zz", []),
    ],
)  # fmt: skip
def test_json_paths(path: str, found: list[Any]) -> None:
    assert jsonpath.find(path, OBJECT) == found


@pytest.mark.parametrize("path", [".a[", ".a[1:2:3]x", "..a", ".a[?(@.b==c)]", ".a[x]"])
def test_json_paths_outside_of_the_subset(path: str) -> None:
    with pytest.raises(JsonPathError):
        jsonpath.parse(path)
