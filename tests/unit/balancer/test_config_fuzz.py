"""Whatever JSON an object holds (a CRD may have been changed, a ConfigMap has no schema): problems, never exceptions."""

from __future__ import annotations

import string
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.balancer.config import Objects, load
from lab.balancer.config.legacy import LegacyError, convert
from tests.unit.balancer.test_crds import spec_of

QUICK = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SCALARS = st.none() | st.booleans() | st.integers() | st.text(string.printable, max_size=12)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)
NEARLY = {
    "addresses": st.lists(
        st.sampled_from(["10.0.0.0/24", "10.0.0.5-10.0.0.9", "::/0", "x"]) | ANYTHING, max_size=3
    ),
    "nodeSelectors": st.lists(
        st.fixed_dictionaries({}, optional={"matchLabels": ANYTHING, "matchExpressions": ANYTHING})
        | ANYTHING,
        max_size=2,
    ),
    "serviceAllocation": st.fixed_dictionaries(
        {},
        optional={
            "priority": SCALARS,
            "namespaces": ANYTHING,
            "namespaceSelectors": ANYTHING,
            "serviceSelectors": ANYTHING,
        },
    ),
    "communities": st.lists(
        st.fixed_dictionaries({}, optional={"name": SCALARS, "value": SCALARS}) | ANYTHING, max_size=3
    ),
    "preferredNodeSelectors": st.lists(
        st.fixed_dictionaries({}, optional={"weight": SCALARS, "preference": ANYTHING}) | ANYTHING, max_size=2
    ),
}
KINDS = {
    "pools": "ipaddresspools",
    "l2_advertisements": "l2advertisements",
    "bgp_advertisements": "bgpadvertisements",
    "peers": "bgppeers",
    "bfd_profiles": "bfdprofiles",
    "communities": "communities",
}


def items(plural: str) -> st.SearchStrategy[list[dict[str, Any]]]:
    fields = {name: NEARLY.get(name, ANYTHING) | ANYTHING for name in spec_of(plural)}
    specs = st.fixed_dictionaries({}, optional=fields) | ANYTHING
    return st.lists(
        st.builds(
            lambda name, spec: {"metadata": {"name": name}, "spec": spec}, st.sampled_from("abc"), specs
        ),
        max_size=2,
        unique_by=lambda item: str(item["metadata"]["name"]),
    )


@pytest.mark.parametrize("field", KINDS)
@QUICK
@given(data=st.data())
def test_any_object_gives_a_configuration_and_problems(field: str, data: st.DataObject) -> None:
    objects: Any = data.draw(items(KINDS[field]))
    loaded = load(replace(Objects(), **{field: objects}))
    assert all(problem.message for problem in loaded.problems)


def converted(document: object) -> str:
    """Return what was said about a document that cannot be converted, or nothing."""
    try:
        convert(document, namespace="ns")
    except LegacyError as error:
        return error.message
    return ""


@QUICK
@given(ANYTHING)
def test_only_a_mapping_can_be_converted(document: object) -> None:
    assert bool(converted(document)) or isinstance(document, dict)


SECTION = st.lists(
    st.dictionaries(
        st.sampled_from(["name", "protocol", "addresses", "bgp-advertisements", "node-selectors", "my-asn"]),
        ANYTHING | st.sampled_from(["bgp", "layer2"]),
    )
    | ANYTHING,
    max_size=2,
)
SECTIONS = ("peers", "address-pools", "bfd-profiles", "bgp-communities")


@QUICK
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(SECTIONS, SECTION | ANYTHING)))
def test_any_sections_are_converted_or_refused_with_a_place(document: dict[str, Any]) -> None:
    said = converted(document)
    assert not said or said.startswith(SECTIONS)
