"""Request bodies: read with bounds, decoded from JSON, YAML or Kubernetes protobuf."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from aiohttp import web
from yaml import YAMLError

from lab.pocket.api import protobuf, yaml
from lab.pocket.api.errors import ProtobufError
from lab.pocket.apiserver.errors import MAX_BODY, bad_request, timeout, too_large, unsupported_media_type
from lab.pocket.store import Object

JSON, YAML, PROTOBUF = "application/json", "application/yaml", "application/vnd.kubernetes.protobuf"
BODY_SECONDS = 60  # a client that takes longer to send 3 MiB holds a connection for nothing


async def read(request: web.BaseRequest) -> bytes:
    """Read a whole body.

    Raises:
        StatusError: 413 beyond the size limit, 504 when it does not arrive in time.

    """
    if (request.content_length or 0) > MAX_BODY:
        raise too_large()
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > MAX_BODY:
                    raise too_large()
    except TimeoutError as error:
        raise timeout("the request body did not arrive in time") from error
    return bytes(body)


async def read_object(request: web.BaseRequest) -> Object:
    """Read and decode an object.

    Raises:
        StatusError: 400 for a body that is no object, 415 for a format that is not known.

    """
    body = await read(request)
    media_type = request.content_type if "Content-Type" in request.headers else JSON
    value = decode(body, media_type)
    if not isinstance(value, dict):
        raise bad_request(
            f"couldn't get version/kind; json parse error: expected an object, got {body[:40]!r}"
        )
    if not isinstance(value.setdefault("metadata", {}) or {}, dict):
        raise bad_request("the object provided is unrecognized: metadata must be an object")
    value["metadata"] = value["metadata"] or {}
    return value


def decode(body: bytes, media_type: str) -> Any:
    """Decode a body by its media type."""
    if media_type in {JSON, "application/octet-stream"}:
        return from_json(body)
    if media_type == YAML:
        return from_yaml(body)
    if media_type == PROTOBUF:
        return from_protobuf(body)
    raise unsupported_media_type((JSON, YAML, PROTOBUF))


def from_json(body: bytes) -> Any:
    try:
        value = orjson.loads(body)
        orjson.dumps(value)  # it reads deeper nesting than it writes
    except (orjson.JSONDecodeError, TypeError) as error:
        raise bad_request(f"couldn't get version/kind; json parse error: {error}") from error
    return value


def from_yaml(body: bytes) -> Any:
    """Decode YAML to what JSON could say, and nothing more."""
    try:
        return yaml.load(body)
    except (YAMLError, TypeError, ValueError, RecursionError) as error:
        raise bad_request(f"error converting YAML to JSON: {error}") from error


def from_protobuf(body: bytes) -> Object:
    try:
        return protobuf.decode(body)
    except ProtobufError as error:
        raise bad_request(error.message) from error
