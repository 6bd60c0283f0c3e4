"""scale: the number of replicas of anything that has them, as an autoscaling/v1 Scale."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from lab.pocket.api import schema
from lab.pocket.apiserver import bodies, processing, representation
from lab.pocket.apiserver.errors import cause, invalid, not_found
from lab.pocket.apiserver.registry import Resource
from lab.pocket.apiserver.state import Call, shared
from lab.pocket.apiserver.verbs.creating import check_kind
from lab.pocket.apiserver.verbs.patching import check_object, check_patch_type, patched
from lab.pocket.apiserver.verbs.updating import store_new_state
from lab.pocket.store import Object

SCALE = "io.k8s.api.autoscaling.v1.Scale"
BUILTIN_PATHS = {
    "specReplicasPath": ".spec.replicas",
    "statusReplicasPath": ".status.replicas",
}


async def get(call: Call) -> web.StreamResponse:
    """Answer with the scale of an object."""
    row = call.store.get(call.key)
    if row is None:
        raise not_found(call.about)
    return representation.answer_object(call, _scale(call.resource, shared(row)))


async def update(call: Call) -> web.StreamResponse:
    """Set the number of replicas from a Scale."""
    scale = await bodies.read_object(call.request)
    return await _store(call, lambda _: scale)


async def patch(call: Call) -> web.StreamResponse:
    """Set the number of replicas from a patch of the Scale."""
    check_patch_type(call)
    kind, node = call.request.content_type, schema.definition(SCALE)
    content = bodies.from_json(await bodies.read(call.request))
    return await _store(call, lambda current: patched(kind, current, content, node))


async def _store(call: Call, change: Any) -> web.StreamResponse:
    row = call.latest()
    obj = row.decoded()
    scale = change(_scale(call.resource, obj))
    check_object(scale)
    check_kind(call, scale, kind="Scale", api_version="autoscaling/v1")
    scale = processing.process_request(call, scale)
    obj["metadata"]["resourceVersion"] = scale["metadata"].get("resourceVersion")
    _set(obj, _paths(call.resource)["specReplicasPath"], _replicas(call, scale))
    return representation.answer_object(call, _scale(call.resource, await store_new_state(call, row, obj)))


def _replicas(call: Call, scale: Object) -> int:
    replicas: int = scale["spec"].get("replicas", 0)
    if replicas < 0:
        message = f"Invalid value: {replicas}: must be greater than or equal to 0"
        raise invalid(
            type(call.about)("Scale", call.info.name, "autoscaling"),
            [cause("Invalid", "spec.replicas", message)],
        )
    return replicas


def _scale(resource: Resource, obj: Object) -> Object:
    paths, meta = _paths(resource), obj["metadata"]
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    status: Object = {"replicas": _get(obj, paths["statusReplicasPath"]) or 0}
    selector = _selector(resource, obj)
    if selector:
        status["selector"] = selector
    replicas = _get(obj, paths["specReplicasPath"])
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: meta[key] for key in kept if key in meta},
        "spec": {"replicas": replicas} if replicas else {},
        "status": status,
    }


def _selector(resource: Resource, obj: Object) -> str:
    if resource.custom:
        return str(_get(obj, _paths(resource).get("labelSelectorPath", "")) or "")
    labels = _get(obj, ".spec.selector.matchLabels") or {}
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))


def _paths(resource: Resource) -> dict[str, str]:
    if resource.custom is None:
        return BUILTIN_PATHS
    paths: dict[str, str] = resource.custom["subresources"]["scale"]
    return paths


def _get(obj: Object, path: str) -> Any:
    value: Any = obj
    for segment in path.strip(".").split("."):
        value = value.get(segment) if isinstance(value, dict) else None
    return value


def _set(obj: Object, path: str, value: int) -> None:
    *parents, last = path.strip(".").split(".")
    for segment in parents:
        obj = obj.setdefault(segment, {})
    obj[last] = value
