"""ConfigMaps and Secrets: keys, sizes, types, and those that may not change."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from typing import Any

import orjson

from lab.pocket.api import field, names
from lab.pocket.api.field import FieldError
from lab.pocket.api.validation.metadata import immutable
from lab.pocket.api.validation.rules import checked

__all__ = ["config_map_errors", "config_map_update_errors", "secret_errors", "secret_update_errors"]

Object = dict[str, Any]
_LARGEST = 1024 * 1024
_FROZEN = "field is immutable when `immutable` is set"
_REQUIRED = {
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}
_JSON = {"kubernetes.io/dockercfg": ".dockercfg", "kubernetes.io/dockerconfigjson": ".dockerconfigjson"}
_ACCOUNT = "kubernetes.io/service-account.name"


def config_map_errors(config_map: Object) -> Iterator[FieldError]:
    data, binary = config_map.get("data", {}), config_map.get("binaryData", {})
    for key in data:
        yield from checked(key, names.config_map_key, f"data[{key}]")
        if key in binary:
            yield field.invalid(f"data[{key}]", key, "duplicate of key present in binaryData")
    for key in binary:
        yield from checked(key, names.config_map_key, f"binaryData[{key}]")
    if sum(len(text.encode()) for text in data.values()) + sum(map(_size, binary.values())) > _LARGEST:
        yield field.too_long("[]", _LARGEST)


def _size(encoded: str | None) -> int:
    encoded = encoded or ""
    return len(encoded) * 3 // 4 - encoded.count("=", -2)


def config_map_update_errors(new: Object, old: Object) -> Iterator[FieldError]:
    yield from _frozen(new, old, ("data", "binaryData"))
    yield from config_map_errors(new)


def _frozen(new: Object, old: Object, fields: tuple[str, ...]) -> Iterator[FieldError]:
    if not old.get("immutable"):
        return
    if not new.get("immutable"):
        yield field.forbidden("immutable", _FROZEN)
    for name in fields:
        if new.get(name, {}) != old.get(name, {}):
            yield field.forbidden(name, _FROZEN)


def secret_errors(secret: Object) -> Iterator[FieldError]:
    data, kind = secret.get("data", {}), secret.get("type", "")
    for key in data:
        yield from checked(key, names.config_map_key, f"data[{key}]")
    if sum(map(_size, data.values())) > _LARGEST:
        yield field.too_long("data", _LARGEST)
    yield from _by_type(secret, data, kind)


def _by_type(secret: Object, data: Object, kind: str) -> Iterator[FieldError]:
    for key in _REQUIRED.get(kind, ()):
        if (key not in data and kind != "kubernetes.io/ssh-auth") or (
            not data.get(key) and kind == "kubernetes.io/ssh-auth"
        ):
            yield field.required(f"data[{key}]")
    if kind == "kubernetes.io/basic-auth" and not {"username", "password"} & data.keys():
        yield field.required("data[username]")
        yield field.required("data[password]")
    if kind in _JSON:
        yield from _json(data.get(_JSON[kind]), f"data[{_JSON[kind]}]")
    account = secret["metadata"].get("annotations", {}).get(_ACCOUNT)
    if kind == "kubernetes.io/service-account-token" and not account:
        yield field.required(f"metadata.annotations[{_ACCOUNT}]")


def _json(encoded: str | None, path: str) -> Iterator[FieldError]:
    if encoded is None:
        yield field.required(path)
        return
    try:
        orjson.loads(b64decode(encoded))
    except orjson.JSONDecodeError as error:
        yield field.invalid(path, "<secret contents redacted>", str(error))


def secret_update_errors(new: Object, old: Object) -> Iterator[FieldError]:
    yield from immutable(new.get("type"), old.get("type"), "type")
    yield from _frozen(new, old, ("data",))
    yield from secret_errors(new)
