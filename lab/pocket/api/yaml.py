"""YAML as Kubernetes reads it: to what JSON could say, and nothing more.

sigs.k8s.io/yaml resolves plain words by YAML 1.1, `y`, `n`, `on` and `off` included, but knows no numbers of base 60
(`22:22` is a text), and leaves dates as texts. A key that is a number or a boolean becomes the text of it.
Source: https://pkg.go.dev/sigs.k8s.io/yaml (goyaml.v2, resolve).
"""

from __future__ import annotations

import re
from typing import Any

import orjson
import yaml

__all__ = ["load"]

_INT64 = 2**63
_BOOL, _INT, _FLOAT = (f"tag:yaml.org,2002:{kind}" for kind in ("bool", "int", "float"))
_REPLACED = {_BOOL, _INT, _FLOAT, "tag:yaml.org,2002:timestamp"}
_TRUE, _FALSE = ("y", "yes", "true", "on"), ("n", "no", "false", "off")


def load(text: bytes) -> Any:
    """Decode one YAML document.

    Raises:
        yaml.YAMLError, TypeError, ValueError, RecursionError: it is none, or says what JSON cannot.

    """
    document = yaml.load(text, Loader=_Loader)  # noqa: S506  a SafeLoader with less
    return orjson.loads(orjson.dumps(document, option=orjson.OPT_NON_STR_KEYS))


class _Loader(yaml.SafeLoader):
    """No aliases, which could make a small body huge."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.YAMLError("aliases are not accepted")
        return super().compose_node(parent, index)


def _bool(_loader: Any, node: Any) -> bool:
    return node.value.lower() in _TRUE


def _int(_loader: Any, node: Any) -> int:
    text = node.value.replace("_", "").lower()
    octal = re.fullmatch(r"([-+]?)0([0-7]+)", text)
    return int(f"{octal[1]}0o{octal[2]}" if octal else text, 0)


def _float(_loader: Any, node: Any) -> float:
    value = float(node.value.replace("_", ""))
    return int(value) if value.is_integer() and abs(value) < _INT64 else value


_WORDS = "|".join(form for word in (*_TRUE, *_FALSE) for form in (word, word.title(), word.upper()))
_DIGITS = "-+0123456789"
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _REPLACED]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _tag, _pattern, _first, _constructor in (
    (_BOOL, f"(?:{_WORDS})$", "yYnNtTfFoO", _bool),
    (_INT, r"[-+]?(?:0|[1-9][0-9_]*|0[oO]?[0-7_]+|0[xX][0-9a-fA-F_]+|0[bB][01_]+)$", _DIGITS, _int),
    (
        _FLOAT,
        r"[-+]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?$",
        "." + _DIGITS,
        _float,
    ),
):
    _Loader.add_implicit_resolver(_tag, re.compile(_pattern), list(_first))
    _Loader.add_constructor(_tag, _constructor)
