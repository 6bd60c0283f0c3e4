"""Which function serves which request: the server's table of contents."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from lab.pocket.apiserver.errors import method_not_allowed
from lab.pocket.apiserver.state import Call
from lab.pocket.apiserver.subresources import pods, reviews, scale, tokens
from lab.pocket.apiserver.verbs import creating, deleting, patching, reading, updating, watching

Handler = Callable[[Call], Awaitable[web.StreamResponse]]

VERBS: dict[str, Handler] = {
    "get": reading.get,
    "list": reading.list_,
    "watch": watching.watch,
    "create": creating.create,
    "update": updating.update,
    "patch": patching.patch,
    "delete": deleting.delete,
    "deletecollection": deleting.delete_collection,
}
ON_COLLECTION, ON_OBJECT = {"create", "deletecollection"}, {"get", "update", "patch", "delete"}
STATUS: dict[str, Handler] = {"get": reading.get, "update": updating.update, "patch": patching.patch}
SCALE: dict[str, Handler] = {"get": scale.get, "update": scale.update, "patch": scale.patch}
SPECIAL: dict[tuple[str, str], Handler] = {  # (resource, subresource)
    ("bindings", ""): pods.bind,
    ("namespaces", "finalize"): updating.update,
    ("pods", "attach"): pods.stream,
    ("pods", "binding"): pods.bind,
    ("pods", "eviction"): pods.evict,
    ("pods", "exec"): pods.stream,
    ("pods", "log"): pods.stream,
    ("pods", "portforward"): pods.stream,
    ("serviceaccounts", "token"): tokens.create,
    ("selfsubjectreviews.authentication.k8s.io", ""): reviews.self_subject,
    ("tokenreviews.authentication.k8s.io", ""): reviews.token,
    ("localsubjectaccessreviews.authorization.k8s.io", ""): reviews.subject_access,
    ("selfsubjectaccessreviews.authorization.k8s.io", ""): reviews.self_subject_access,
    ("selfsubjectrulesreviews.authorization.k8s.io", ""): reviews.self_subject_rules,
    ("subjectaccessreviews.authorization.k8s.io", ""): reviews.subject_access,
}


def find(call: Call) -> Handler | None:
    """Return the function for a call: None where nothing is served.

    Raises:
        StatusError: 405, when the resource is served but not this verb of it.

    """
    info, resource = call.info, call.resource
    served = resource.subresource(info.subresource) if info.subresource else resource
    if served is None:
        return None
    misplaced = info.verb in ON_COLLECTION if info.name else info.verb in ON_OBJECT
    misplaced = misplaced or (resource.namespaced and not info.namespace and info.verb in ON_COLLECTION)
    if info.verb not in served.verbs or (misplaced and not info.subresource):
        raise method_not_allowed()
    special = SPECIAL.get((resource.qualified, info.subresource))
    if special:
        return special
    return {"": VERBS, "status": STATUS, "scale": SCALE}[info.subresource][info.verb]
