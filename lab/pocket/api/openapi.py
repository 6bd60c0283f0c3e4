"""OpenAPI 3.0 documents, one a group and version: what kubectl apply, edit and explain read.

kubectl looks for the `fieldValidation` parameter of a kind's patch operation, finds a resource's kind by its path, and
takes fields and their descriptions from the component that carries the kind's name.
Source: https://kubernetes.io/docs/concepts/overview/kubernetes-api/#openapi-v3 and KEP-2896.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from lab.pocket.api.schema.data import descriptions, kinds, raw_definitions
from lab.pocket.api.schema.model import Node

__all__ = ["Served", "document", "fingerprint", "item_paths"]

Object = dict[str, Any]
META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_PREFIX = "#/components/schemas/"
_OWN_FLAGS = ("x-always", "x-pointer", "x-go", "x-either")
_ANYTHING: dict[str, Node] = {
    "int-or-string": {"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]},
    "quantity": {"oneOf": [{"type": "string"}, {"type": "number"}]},
}
_ACTIONS = {
    "create": ("post", "post"),
    "delete": ("delete", "delete"),
    "deletecollection": ("delete", "deletecollection"),
    "get": ("get", "get"),
    "list": ("get", "list"),
    "patch": ("patch", "patch"),
    "update": ("put", "put"),
}
_COLLECTION = {"create", "deletecollection", "list"}
_WRITE_PARAMETERS = ("dryRun", "fieldManager", "fieldValidation")
_LIST_PARAMETERS = (
    "allowWatchBookmarks", "continue", "fieldSelector", "labelSelector", "limit", "resourceVersion",
    "resourceVersionMatch", "sendInitialEvents", "timeoutSeconds", "watch",
)  # fmt: skip
_PATCH_TYPES = (
    "application/apply-patch+yaml", "application/json-patch+json", "application/merge-patch+json",
    "application/strategic-merge-patch+json",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A resource, or a subresource as `pods/log`, that the document describes."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool
    verbs: Sequence[str]
    kind_group: str | None = None
    """The kind's own group and version where they are not the resource's (`Scale` of autoscaling/v1)."""
    kind_version: str = ""
    schema: Node | None = None
    """A CRD version's `openAPIV3Schema`; None for a built-in kind."""

    @property
    def gvk(self) -> dict[str, str]:
        group = self.group if self.kind_group is None else self.kind_group
        return {"group": group, "version": self.kind_version or self.version, "kind": self.kind}

    @property
    def component(self) -> str:
        """The name of the kind's schema among the components, or "" when it has none."""
        gvk = self.gvk
        if self.schema is not None:
            return ".".join([*reversed(gvk["group"].split(".")), gvk["version"], gvk["kind"]])
        return kinds().get("/".join(part for part in (gvk["group"], gvk["version"], gvk["kind"]) if part), "")


def fingerprint(resources: Iterable[Served]) -> str:
    """Return a text that changes whenever the document does, without making it: the hash in the document's URL."""
    seen = [[one.plural, one.kind, one.namespaced, list(one.verbs), one.gvk, one.schema] for one in resources]
    return hashlib.sha256(orjson.dumps(seen, option=orjson.OPT_SORT_KEYS)).hexdigest().upper()


def document(resources: Sequence[Served], *, version: str) -> Object:
    """Return the document of one group and version; `version` is the server's, as `v1.36.2`."""
    paths: Object = {}
    for resource in resources:
        for path, item in item_paths(resource):
            paths.setdefault(path, {}).update(item)
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": version},
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": _components(resources)},
    }


def item_paths(resource: Served) -> Iterator[tuple[str, Object]]:
    """Yield a path and, with its parameters, one operation there; a path comes as often as it has operations."""
    for path, item in _operations(resource):
        yield path, {"parameters": _path_parameters(path), **item}


def _operations(resource: Served) -> Iterator[tuple[str, Object]]:
    root = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    plural, _, subresource = resource.plural.partition("/")
    scope = f"{root}/namespaces/{{namespace}}/{plural}" if resource.namespaced else f"{root}/{plural}"
    below = f"/{subresource}" if subresource else ""
    named = f"{scope}/{{name}}{below}"
    collection = named if subresource else scope
    for verb in resource.verbs:
        if verb in _ACTIONS:
            method, action = _ACTIONS[verb]
            path = collection if verb in _COLLECTION else named
            yield path, {method: _operation(resource, verb, action)}
    if resource.namespaced and not subresource and "list" in resource.verbs:
        yield f"{root}/{plural}", {"get": _operation(resource, "list", "list")}


def _operation(resource: Served, verb: str, action: str) -> Object:
    name = resource.component
    schema = {"$ref": _PREFIX + name} if name else {"type": "object"}
    operation: Object = {
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": resource.gvk,
        "parameters": [_query(name) for name in _parameters(verb)],
        "responses": {"200": {"description": "OK", **_content(["application/json"], _answer(verb, schema))}},
    }
    if verb in {"create", "update"}:
        operation["requestBody"] = {"required": True, **_content(["application/json"], schema)}
    elif verb == "patch":
        types = [kind for kind in _PATCH_TYPES if resource.schema is None or "strategic" not in kind]
        operation["requestBody"] = {"required": True, **_content(types, {"$ref": f"{_PREFIX}{META}Patch"})}
    elif verb in {"delete", "deletecollection"}:
        operation["requestBody"] = _content(["application/json"], {"$ref": f"{_PREFIX}{META}DeleteOptions"})
    return operation


def _answer(verb: str, schema: Node) -> Node:
    if verb == "list":
        return {"type": "object", "properties": {"items": {"type": "array", "items": schema}}}
    return {"$ref": f"{_PREFIX}{META}Status"} if verb in {"delete", "deletecollection"} else schema


def _content(types: Iterable[str], schema: Node) -> Object:
    return {"content": {kind: {"schema": schema} for kind in types}}


def _parameters(verb: str) -> tuple[str, ...]:
    if verb in {"create", "update"}:
        return _WRITE_PARAMETERS
    if verb == "patch":
        return (*_WRITE_PARAMETERS, "force")
    if verb in {"list", "deletecollection"}:
        return _LIST_PARAMETERS
    return ("dryRun", "gracePeriodSeconds", "propagationPolicy") if verb == "delete" else ()


def _query(name: str) -> Object:
    return {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}


def _path_parameters(path: str) -> list[Object]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "uniqueItems": True}}
        for name in ("namespace", "name")
        if f"{{{name}}}" in path
    ]


def _components(resources: Sequence[Served]) -> dict[str, Node]:
    prose, known = descriptions(), raw_definitions()
    named = {one.component: one for one in resources if one.component}
    made = {name: _custom(one) for name, one in named.items() if one.schema is not None}
    made[f"{META}Patch"] = {"type": "object", "description": "Patch is the request body of a patch."}
    waiting = [f"{META}{name}" for name in ("DeleteOptions", "ObjectMeta", "Status")]
    waiting += [name for name in named if name not in made]
    while waiting:
        name = waiting.pop()
        if name not in made:
            made[name] = _published(known[name], prose.get(name, {}))
            waiting += _references(known[name])
    for name, one in named.items():
        made[name]["x-kubernetes-group-version-kind"] = [one.gvk]
    return dict(sorted(made.items()))


def _custom(resource: Served) -> Node:
    """Return a custom kind's schema with the fields that every object has."""
    schema = dict(resource.schema or {})
    own: dict[str, Node] = {
        name: {"type": "string", "description": text}
        for name, text in descriptions()[f"{META}Status"].items()
        if name in _TYPE
    }
    own["metadata"] = {
        "allOf": [{"$ref": f"{_PREFIX}{META}ObjectMeta"}],
        "description": "Standard object's metadata.",
    }
    return {**schema, "type": "object", "properties": {**schema.get("properties", {}), **own}}


_TYPE = ("apiVersion", "kind")


def _published(node: Node, prose: dict[str, str]) -> Node:
    special = _ANYTHING.get(
        "int-or-string" if node.get("x-kubernetes-int-or-string") else node.get("format", "")
    )
    made = dict(special or _property(node))
    if "properties" in node:
        made["properties"] = {
            name: _described(_property(child), prose.get(name, ""))
            for name, child in node["properties"].items()
        }
    return _described(made, prose.get("", ""))


def _described(node: Node, text: str) -> Node:
    return {**node, "description": text} if text else node


def _property(node: Node) -> Node:
    """Return a node without this project's own flags, its references in the form of OpenAPI 3.0."""
    made = {name: value for name, value in node.items() if name not in {*_OWN_FLAGS, "properties", "$ref"}}
    if made.get("format") == "micro-time":
        made["format"] = "date-time"
    for inner in ("items", "additionalProperties"):
        if isinstance(made.get(inner), dict):
            made[inner] = _property(made[inner])
    if "$ref" in node:
        made["allOf"] = [{"$ref": _PREFIX + node["$ref"]}]
    return made


def _references(node: Node) -> list[str]:
    found = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
    inner = [
        *node.get("properties", {}).values(),
        *(node[k] for k in ("items", "additionalProperties") if k in node),
    ]
    for child in inner:
        found += _references(child)
    return found
