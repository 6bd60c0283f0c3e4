"""get and list."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from bisect import bisect_right
from collections.abc import Sequence

import orjson
from aiohttp import web

from lab.pocket.apiserver import representation, selection
from lab.pocket.apiserver.errors import bad_request, expired, not_found, too_large_resource_version
from lab.pocket.apiserver.representation import Form
from lab.pocket.apiserver.selection import Selector
from lab.pocket.apiserver.state import Call, shared
from lab.pocket.store import Compacted, Key, Object, Row

TOKEN_VERSION = "meta.k8s.io/v1"  # noqa: S105  of continue tokens, which are no secret
EXPIRED = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter."
)


async def get(call: Call) -> web.StreamResponse:
    """Answer with one object."""
    row = call.store.get(call.key)
    if row is None:
        raise not_found(call.about)
    return representation.answer(call, representation.one(call, row))


async def list_(call: Call) -> web.StreamResponse:
    """Answer with a collection: one page of it, when the client asked for a limit."""
    limit, token = call.integer("limit"), call.query.get("continue", "")
    revision, start = _position(call, token)
    rows = _selected(call, revision)
    if start:
        rows = rows[bisect_right([row.key for row in rows], start) :]
    metadata: Object = {"resourceVersion": str(revision)}
    if limit and len(rows) > limit:
        metadata["continue"] = _encode_token(revision, rows[limit - 1].key)
        if not selector_of(call):  # as in Kubernetes: with a selector the rest was not counted
            metadata["remainingItemCount"] = len(rows) - limit
        rows = rows[:limit]
    if representation.of(call).form is Form.METADATA:
        raise bad_request("a list cannot be shown as one PartialObjectMetadata")
    return representation.answer(call, representation.listed(call, rows, metadata))


def selector_of(call: Call) -> Selector:
    """Parse the selectors of a request; a name in it counts as one."""
    labels, fields = call.query.get("labelSelector", ""), call.query.get("fieldSelector", "")
    return selection.parse(labels, fields, supported=call.resource.fields)


def selected(rows: Sequence[Row], selector: Selector) -> list[Row]:
    """Return the rows that a selector matches."""
    if not selector:
        return list(rows)
    if selector.name:
        rows = [row for row in rows if row.key.name == selector.name]
    return [row for row in rows if selector.matches(shared(row))]


def check_not_future(call: Call, revision: int) -> None:
    """Refuse a revision that this server has not reached."""
    if revision > call.store.revision:
        raise too_large_resource_version(revision, call.store.revision)


def _selected(call: Call, revision: int) -> list[Row]:
    namespace = call.info.namespace if call.resource.namespaced else ""
    try:
        rows = call.store.rows(call.resource.qualified, namespace=namespace, at=revision)
    except Compacted as error:
        raise expired(EXPIRED if "continue" in call.query else error.message) from error
    return selected(rows, selector_of(call))


def _position(call: Call, token: str) -> tuple[int, Key | None]:
    """Return the revision to list at and the key to go on after."""
    match = call.query.get("resourceVersionMatch", "")
    asked = call.integer("resourceVersion")
    if match not in {"", "Exact", "NotOlderThan"}:
        raise bad_request(
            f'resourceVersionMatch: Unsupported value: "{match}": supported values: "Exact", "NotOlderThan"'
        )
    if match and "resourceVersion" not in call.query:
        raise bad_request(
            "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"
        )
    if token:
        if asked:
            raise bad_request("specifying resource version is not allowed when using continue")
        return _decode_token(call, token)
    check_not_future(call, asked)
    exact = match == "Exact" or (asked and not match and call.integer("limit"))
    return (asked if exact else call.store.revision), None


def _encode_token(revision: int, key: Key) -> str:
    content = {"v": TOKEN_VERSION, "rv": revision, "start": f"{key.namespace}/{key.name}"}
    return urlsafe_b64encode(orjson.dumps(content)).rstrip(b"=").decode()


def _decode_token(call: Call, token: str) -> tuple[int, Key]:
    try:
        content = orjson.loads(urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        namespace, _, name = content["start"].partition("/")
        revision = int(content["rv"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise bad_request(f"continue key is not valid: {error}") from error
    check_not_future(call, revision)
    return revision, Key(call.resource.qualified, namespace, name)
