"""Quantities: the canonical forms of k8s.io/apimachinery, and that canonical forms are stable."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.pocket.api import quantity
from lab.pocket.api.errors import QuantityError


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("0", "0"), ("0Mi", "0"), ("1", "1"), ("1000m", "1"), ("1500m", "1500m"), ("0.5", "500m"), (".5", "500m"),
        ("2000", "2k"), ("1e3", "1e3"), ("100e1", "1e3"), ("1E", "1E"), ("1Ei", "1Ei"), ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"), ("1000Ki", "1000Ki"), ("1Ki", "1Ki"), ("0.1Ki", "102400m"), ("1023", "1023"),
        ("-1024Ki", "-1Mi"), ("+1", "1"), ("1n", "1n"), ("0.1n", "1n"), ("1u", "1u"), ("128974848", "128974848"),
        ("129e6", "129e6"), ("123Mi", "123Mi"), ("1.", "1"), ("1.0001Ki", "1024102400u"),
    ],
)  # fmt: skip
def test_canonical(written: str, stored: str) -> None:
    assert quantity.canonical(written) == stored
    assert quantity.canonical(stored) == stored


@pytest.mark.parametrize(
    "text", ["", "x", "1 Gi", "1GiB", "1.2.3", "--1", "1e", "Gi", "1" * 200, "1e9999", "１"]
)
def test_refuses(text: str) -> None:
    with pytest.raises(QuantityError, match="must match the regular expression"):
        quantity.parse(text)


@given(st.decimals("-1e12", "1e12", places=3), st.sampled_from(["", "m", "k", "Mi", "Ki", "G", "e2", "e-1"]))
def test_canonical_keeps_the_value(number: object, suffix: str) -> None:
    text = f"{number:f}{suffix}"
    canonical = quantity.canonical(text)
    assert quantity.parse(canonical) == quantity.parse(text)
    again = quantity.canonical(canonical)  # `3000`, from `2.9296875Ki`, is `3k` from then on
    assert quantity.canonical(again) == again
