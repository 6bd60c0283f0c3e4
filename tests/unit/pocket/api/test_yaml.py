"""YAML means what it means to sigs.k8s.io/yaml, which is neither YAML 1.2 nor what PyYAML makes of it."""

from __future__ import annotations

import pytest
from yaml import YAMLError

from lab.pocket.api import yaml

MEANINGS = {
    "y": True, "Y": True, "yes": True, "YES": True, "On": True, "true": True,
    "n": False, "No": False, "off": False, "False": False,
    "yEs": "yEs", "yellow": "yellow", "nginx": "nginx", '"y"': "y", "~": None, "": None,
    "12": 12, "-1": -1, "+2": 2, "1_000": 1000, "017": 15, "0o17": 15, "0x1F": 31, "0b101": 5, "09": 9,
    "1e3": 1000, "1.5": 1.5, ".5": 0.5, "1.": 1, "1.0": 1,
    "22:22": "22:22", "1:30:00": "1:30:00", "2001-01-01": "2001-01-01", "1.2.3": "1.2.3", "1Gi": "1Gi", "-": [None],
}  # fmt: skip


@pytest.mark.parametrize(("text", "meaning"), MEANINGS.items())
def test_a_plain_word_means_what_it_means_to_kubernetes(text, meaning):
    value = yaml.load(text.encode())
    assert (value, type(value)) == (meaning, type(meaning))


@pytest.mark.parametrize(
    ("text", "keys"), [("y: 1", ["true"]), ("n: 1", ["false"]), ("8080: 1", ["8080"]), ("z: 1", ["z"])]
)
def test_a_key_becomes_text(text, keys):
    assert list(yaml.load(text.encode())) == keys


@pytest.mark.parametrize(
    "text", ["a: &a 1\nb: *a", "[", "!!python/object:os.system {}", "9" * 30, "? [a]\n: 1"]
)
def test_what_json_cannot_say_is_refused(text):
    with pytest.raises((YAMLError, TypeError, ValueError)):
        yaml.load(text.encode())
