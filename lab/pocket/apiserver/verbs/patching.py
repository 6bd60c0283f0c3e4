"""patch: its kinds are told apart by the Content-Type."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from lab.pocket.api import json_patch, merge_patch, strategic_merge
from lab.pocket.api.errors import PatchError
from lab.pocket.api.schema import Node
from lab.pocket.apiserver import bodies, metadata, ownership, processing, representation
from lab.pocket.apiserver.errors import (
    StatusError,
    bad_request,
    cause,
    invalid,
    not_found,
    unsupported_media_type,
)
from lab.pocket.apiserver.state import Call
from lab.pocket.apiserver.verbs.creating import check_kind, check_namespace, create_object
from lab.pocket.apiserver.verbs.updating import store_new_state
from lab.pocket.store import Object

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
# All that Kubernetes says of a list of operations that cannot be carried out.
REJECTED = "the server rejected our request due to an error in our request"


async def patch(call: Call) -> web.StreamResponse:
    """Change an object as a patch says."""
    kind = call.request.content_type
    if kind == APPLY_PATCH:
        return await apply(call)
    check_patch_type(call)
    content = bodies.from_json(await bodies.read(call.request))
    row = call.latest()
    old = row.decoded() | {"apiVersion": call.resource.api_version}
    new = patched(kind, old, content, processing.schema_of(call.resource).root)
    check_patched(call, new)
    check_uid(call, new, old)
    new = processing.process(call, new, old=old)
    return representation.answer_object(call, await store_new_state(call, row, new))


async def apply(call: Call) -> web.StreamResponse:
    """Create or change an object so that it has what a configuration says (server-side apply)."""
    ownership.check_manager(call)
    config = bodies.from_yaml(await bodies.read(call.request))
    check_patched(call, config)
    config["metadata"]["name"] = call.info.name
    row = call.store.latest(call.key)
    if row is None:
        if call.info.subresource:
            raise not_found(call.about)
        obj = await create_object(call, ownership.apply(call, None, config), applied=True)
        return representation.answer_object(call, obj, status=201)
    old = row.decoded() | {"apiVersion": call.resource.api_version}
    check_uid(call, config, old)
    new = processing.process(call, ownership.apply(call, old, config), old=old)
    return representation.answer_object(call, await store_new_state(call, row, new, applied=True))


def patched(kind: str, document: Object, content: Any, node: Node) -> Any:
    """Return a document after a patch; `node` is its schema. Errors become those of the API."""
    try:
        if kind == JSON_PATCH:
            return json_patch.apply(document, content)
        if not isinstance(content, dict):
            raise bad_request("a merge patch must be an object")
        if kind == STRATEGIC_MERGE_PATCH:
            return strategic_merge.apply(document, content, node)
        return merge_patch.apply(document, content)
    except PatchError as error:
        if kind == JSON_PATCH and isinstance(content, list) and error.code != 413:
            raise StatusError(422, "Invalid", REJECTED) from error
        reason = {400: "BadRequest", 413: "RequestEntityTooLarge", 422: "Invalid"}[error.code]
        raise StatusError(error.code, reason, error.message) from error


def check_object(new: Any) -> None:
    """Check that a patch left an object with metadata."""
    if not isinstance(new, dict):
        raise StatusError(422, "Invalid", REJECTED)
    if not isinstance(new.get("metadata"), dict):
        raise bad_request("the patch does not leave an object with metadata")


def check_patched(call: Call, new: Any) -> None:
    """Check that a patch left an object that is still the same one."""
    check_object(new)
    metadata.check_types(new["metadata"], call.about)
    check_kind(call, new)
    check_namespace(call, new)
    if new["metadata"].get("name", call.info.name) != call.info.name:
        raise bad_request(
            f"the name of the object ({new['metadata']['name']}) does not match the name on the URL ({call.info.name})"
        )


def check_uid(call: Call, new: Object, old: Object) -> None:
    """Refuse a patch to another UID; only an update's UID is a precondition, which conflicts."""
    uid = new["metadata"].get("uid")
    if uid not in {None, "", old["metadata"]["uid"]}:
        why = f'Invalid value: "{uid}": field is immutable'
        raise invalid(call.resource.about_kind(call.info.name), [cause("Invalid", "metadata.uid", why)])


def check_patch_type(call: Call) -> None:
    """Refuse a patch of a kind that the resource does not take: custom resources have no strategic merge."""
    strategic = () if call.resource.custom else (STRATEGIC_MERGE_PATCH,)
    accepted = (JSON_PATCH, MERGE_PATCH, *strategic, APPLY_PATCH)
    if call.request.content_type not in accepted:
        raise unsupported_media_type(accepted)
