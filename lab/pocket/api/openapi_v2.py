"""OpenAPI 2.0, as far as current clients read it: which kinds' patches take `fieldValidation`.

kubectl and helm ask it about kinds that no v3 document has, such as List, and take it as protobuf only: gnostic's
`openapi.v2.Document`. Here are the patch operations of all resources and no definitions; what fields mean is said in v3.
Source: KEP-2885 and https://github.com/google/gnostic/blob/main/openapiv2/OpenAPIv2.proto (the field numbers).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from lab.pocket.api.openapi import Served, item_paths

__all__ = ["document", "encode"]

Object = dict[str, Any]
_SCHEMAS = {"query": (3, 6), "path": (4, 5)}  # numbers: of the parameter's message, and of `type` in it


def document(resources: Iterable[Served], *, version: str) -> Object:
    """Return the document of all groups; `version` is the server's, as `v1.36.2`."""
    paths: Object = {}
    for resource in resources:
        for path, item in item_paths(resource):
            if "patch" in item:
                named = [_plain(one) for one in item["parameters"]]
                paths[path] = {"parameters": named, "patch": _operation(item["patch"])}
    info = {"title": "Kubernetes", "version": version}
    return {"swagger": "2.0", "info": info, "paths": dict(sorted(paths.items()))}


def _operation(operation: Object) -> Object:
    extensions = {name: value for name, value in operation.items() if name.startswith("x-")}
    return {
        "consumes": list(operation["requestBody"]["content"]),
        "parameters": [_plain(one) for one in operation["parameters"]],
        "responses": {"200": {"description": "OK"}},
        **extensions,
    }


def _plain(parameter: Object) -> Object:
    """Return a parameter of version 3 as version 2 has it: with a type in place of a schema."""
    kept = {name: value for name, value in parameter.items() if name != "schema"}
    return kept | {"type": parameter["schema"]["type"]}


def encode(swagger: Object) -> bytes:
    """Return what `document` returned as protobuf."""
    info = _field(1, swagger["info"]["title"]) + _field(2, swagger["info"]["version"])
    paths = b"".join(_field(2, _named(path, _item(item))) for path, item in swagger["paths"].items())
    return _field(1, swagger["swagger"]) + _field(2, info) + _field(8, paths)


def _item(item: Object) -> bytes:
    patch = item["patch"]
    operation = b"".join(
        [
            *(_field(7, kind) for kind in patch["consumes"]),
            *(_field(8, _parameter(one)) for one in patch["parameters"]),
            _field(9, _responses(patch["responses"])),
            *(
                _field(13, _named(name, _any(value)))
                for name, value in patch.items()
                if name.startswith("x-")
            ),
        ]
    )
    return _field(8, operation) + b"".join(_field(9, _parameter(one)) for one in item["parameters"])


def _parameter(parameter: Object) -> bytes:
    """Return a ParametersItem: a Parameter that is a NonBodyParameter of its place."""
    place, kind = _SCHEMAS[parameter["in"]]
    required = b"\x08\x01" if parameter.get("required") else b""
    schema = _field(2, parameter["in"]) + _field(4, parameter["name"]) + _field(kind, parameter["type"])
    return _field(1, _field(2, _field(place, required + schema)))


def _responses(responses: Object) -> bytes:
    return b"".join(
        _field(1, _named(code, _field(1, _field(1, response["description"]))))
        for code, response in responses.items()
    )


def _any(value: Any) -> bytes:
    """Return an Any: its value as YAML, of which JSON is a part."""
    return _field(2, orjson.dumps(value))


def _named(name: str, value: bytes) -> bytes:
    return _field(1, name) + _field(2, value)


def _field(number: int, value: str | bytes) -> bytes:
    """Return a length-delimited field; its number is below 16."""
    data = value.encode() if isinstance(value, str) else value
    return bytes([number << 3 | 2]) + _varint(len(data)) + data


def _varint(number: int) -> bytes:
    low = b""
    while number > 0x7F:
        low += bytes([number & 0x7F | 0x80])
        number >>= 7
    return low + bytes([number])
