"""Strategic merge patches of a Deployment, as a real server merges them."""

from __future__ import annotations

from typing import Any

import pytest

from lab.pocket.api import defaults, schema, strategic_merge, values
from lab.pocket.api.errors import PatchError
from tests.unit.pocket.api.answers import Case, load

VECTORS = load("strategic_merge")
DEPLOYMENT = schema.builtin("apps", "v1", "Deployment")
assert DEPLOYMENT is not None


def completed(obj: dict[str, Any]) -> dict[str, Any]:
    assert DEPLOYMENT is not None
    processed = schema.process(obj, DEPLOYMENT)
    assert not processed.malformed
    defaults.apply(processed.object, DEPLOYMENT)
    return processed.object


STORED = completed(VECTORS["setup"][0]["body"])


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in VECTORS["cases"]])
def test_as_a_real_server(case: Case) -> None:
    assert DEPLOYMENT is not None
    before, answer = values.copy([STORED, case["body"]]), case["answer"]
    if answer["code"] in {400, 500}:
        with pytest.raises(PatchError):
            strategic_merge.apply(STORED, case["body"], DEPLOYMENT.root)
    elif answer["code"] == 200:
        merged = completed(strategic_merge.apply(STORED, case["body"], DEPLOYMENT.root))
        for name in ("namespace", "resourceVersion"):
            answer["object"]["metadata"].pop(name, None)
        assert merged == answer["object"]
    assert [STORED, case["body"]] == before


def test_a_list_is_replaced_as_it_is_when_a_directive_says_so():
    """What a kubelet sends for a node with an address of each family: two items of one merge key."""
    node = schema.builtin("", "v1", "Node")
    assert node is not None
    stored = {"status": {"addresses": [{"type": "InternalIP", "address": "10.0.0.9"}]}}
    both = [{"type": "InternalIP", "address": each} for each in ("10.0.0.51", "fd00::51")]
    patch = {"status": {"addresses": [*both, {"$patch": "replace"}]}}
    assert strategic_merge.apply(stored, patch, node.root) == {"status": {"addresses": both}}
