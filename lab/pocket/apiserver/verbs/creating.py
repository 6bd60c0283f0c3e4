"""create."""

from __future__ import annotations

from aiohttp import web

from lab.pocket.apiserver import bodies, metadata, ownership, processing, representation, strategies
from lab.pocket.apiserver.errors import (
    About,
    StatusError,
    already_exists,
    bad_request,
    cause,
    forbidden,
    invalid,
    not_found,
)
from lab.pocket.apiserver.state import Call, shared
from lab.pocket.store import Change, Key, Object

ATTEMPTS = 8  # at a generated name that nobody has


async def create(call: Call) -> web.StreamResponse:
    """Store a new object from the body."""
    obj = await bodies.read_object(call.request)
    check_kind(call, obj)
    obj = await create_object(call, obj)
    return representation.answer_object(call, obj, status=201)


async def create_object(call: Call, obj: Object, *, applied: bool = False) -> Object:
    """Store an object that was decoded already; returns it as stored. Sets the name of `call`.

    An object that an apply made has its managed fields already.
    """
    metadata.check_types(obj["metadata"], call.about)
    check_namespace(call, obj)
    _name(call, obj)
    obj = processing.process(call, obj)
    if not applied:
        obj = ownership.track(call, None, obj)
    _check_namespace_accepts(call)
    if call.store.latest(call.key) is not None:
        raise already_exists(call.about)
    metadata.begin(obj, generation=strategies.has_generation(call.resource))
    strategies.prepare_create(call, obj)
    obj["apiVersion"] = call.resource.stored_api_version
    if not call.dry_run:
        await call.store.write(Change(call.key, obj), *strategies.companions(call))
    return obj


def check_kind(call: Call, obj: Object, *, kind: str = "", api_version: str = "") -> None:
    """Check that a body is of the kind that its path says; absent type fields are filled in."""
    kind, api_version = kind or call.resource.kind, api_version or call.resource.api_version
    given = obj.get("kind") or kind, obj.get("apiVersion") or api_version
    if given[1] != api_version:
        raise bad_request(
            f"the API version in the data ({given[1]}) does not match the expected API version ({api_version})"
        )
    if given[0] != kind:
        raise bad_request(
            f'{given[0]} in version "{call.info.version}" cannot be handled as a {kind}: '
            f"the body is a {given[0]}, the path is for {kind} objects"
        )
    rest = {key: value for key, value in obj.items() if key not in {"kind", "apiVersion"}}
    obj.clear()
    obj.update({"kind": kind, "apiVersion": api_version}, **rest)


def check_namespace(call: Call, obj: Object) -> None:
    """Check that an object belongs into the namespace of its path; an absent namespace is filled in.

    As in Kubernetes (EnsureObjectNamespaceMatchesRequestNamespace), one of an object that belongs into none is dropped.
    """
    if not call.resource.namespaced:
        obj["metadata"].pop("namespace", None)
        return
    if obj["metadata"].get("namespace") not in {None, "", call.info.namespace}:
        raise bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    obj["metadata"]["namespace"] = call.info.namespace


def _name(call: Call, obj: Object) -> None:
    given, prefix = obj["metadata"].get("name", ""), obj["metadata"].get("generateName", "")
    if not given and not prefix:
        message = "Required value: name or generateName is required"
        raise invalid(call.resource.about_kind(""), [cause("Required", "metadata.name", message)])
    for _ in range(ATTEMPTS):
        name = given or metadata.generate_name(prefix)
        set_name(call, name)
        if given or call.store.latest(call.key) is None:
            break
    obj["metadata"] = {"name": call.info.name, **obj["metadata"]} | {"name": call.info.name}


def set_name(call: Call, name: str) -> None:
    """Name the object that a call is about, once it is known."""
    info = call.info
    call.info = type(info)(
        info.verb, "", info.group, info.version, info.resource, info.namespace, name, info.subresource
    )


def _check_namespace_accepts(call: Call) -> None:
    if not call.resource.namespaced:
        return
    name = call.info.namespace
    row = call.store.latest(Key("namespaces", "", name))
    if row is None:
        raise not_found(About("namespaces", name))
    if "deletionTimestamp" in shared(row)["metadata"]:
        raise _terminating(call, name)


def _terminating(call: Call, name: str) -> StatusError:
    why = f"unable to create new content in namespace {name} because it is being terminated"
    return forbidden(
        call.about,
        why,
        causes=[
            {
                "reason": "NamespaceTerminating",
                "message": f"namespace {name} is being terminated",
                "field": "metadata.namespace",
            }
        ],
    )
