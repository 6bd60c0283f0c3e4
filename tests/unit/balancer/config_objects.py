"""Short ways to write configuration objects in tables."""

from __future__ import annotations

import base64
from typing import Any

Json = dict[str, Any]


def item(name: str, labels: dict[str, str] | None = None, **spec: Any) -> Json:
    return {"metadata": {"name": name, "labels": labels or {}}, "spec": spec}


def pool(name: str = "p", *addresses: str, labels: dict[str, str] | None = None, **spec: Any) -> Json:
    return item(name, labels, addresses=list(addresses or ("1.2.3.0/28",)), **spec)


def peer(name: str = "r", **spec: Any) -> Json:
    spec = {"myASN": 64500, "peerASN": 64501, "peerAddress": "10.0.0.1", **spec}
    return item(name, **{key: value for key, value in spec.items() if value is not None})


def selector(**labels: str) -> Json:
    return {"matchLabels": labels}


def expression(key: str | None, operator: str | None, *values: str) -> Json:
    parts = {"key": key, "operator": operator, "values": list(values)}
    return {"matchExpressions": [{name: value for name, value in parts.items() if value}]}


def community(name: str, **communities: str) -> Json:
    entries = [{"name": alias, "value": value} for alias, value in communities.items()]
    return item(name, communities=entries)


def secret(word: str | None = "pw", type_: str = "kubernetes.io/basic-auth") -> Json:
    data = {} if word is None else {"password": base64.b64encode(word.encode()).decode()}
    return {"type": type_, "data": data}
