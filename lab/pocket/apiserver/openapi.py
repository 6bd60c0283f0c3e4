"""OpenAPI v3: an index of documents, one a group and version, whose URLs change with their content.

kubectl keeps a document on disk as long as its hashed URL stays in the index; so a CRD's change must change the hash.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

import orjson
from aiohttp import web

from lab.pocket.apiserver.registry import Registry, Resource
from lab.pocket.store import Object

FOREVER = {"Cache-Control": "public, immutable", "Expires": "Fri, 01 Jan 2100 00:00:00 GMT"}


class OpenApi:
    """Documents, kept until what is served changes."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._document = lru_cache(maxsize=64)(self._make)

    def answer(self, path: str) -> web.Response | None:
        """Answer a request below /openapi; None when there is no such document."""
        versions = self._versions()
        if path == "/openapi/v3":
            index = {
                name: {"serverRelativeURL": f"/openapi/v3/{name}?hash={self._hash(name)}"}
                for name in versions
            }
            return web.Response(body=orjson.dumps({"paths": index}), content_type="application/json")
        name = path.removeprefix("/openapi/v3/")
        if name not in versions:
            return None
        body = self._document(name, self._registry.revision)
        headers = {"Content-Type": "application/json", "ETag": f'"{self._hash(name)}"', **FOREVER}
        return web.Response(body=body, headers=headers)

    def _versions(self) -> list[str]:
        return list(dict.fromkeys(_name(resource) for resource in self._registry.all()))

    def _hash(self, name: str) -> str:
        return hashlib.sha256(self._document(name, self._registry.revision)).hexdigest().upper()

    def _make(self, name: str, _revision: int) -> bytes:
        resources = [resource for resource in self._registry.all() if _name(resource) == name]
        return orjson.dumps(document(resources))


def _name(resource: Resource) -> str:
    return f"apis/{resource.api_version}" if resource.group else f"api/{resource.version}"


def document(resources: list[Resource]) -> Object:
    """Return the OpenAPI 3.0 document of one group and version."""
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "v1.36.2+pocket"},
        "paths": {path: item for resource in resources for path, item in _paths(resource).items()},
        "components": {"schemas": {}},
    }


def _paths(resource: Resource) -> Object:
    kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    scope = "/namespaces/{namespace}" if resource.namespaced else ""
    base = f"/{_name(resource)}{scope}/{resource.plural}"
    patch = {
        "x-kubernetes-action": "patch",
        "x-kubernetes-group-version-kind": kind,
        "parameters": [
            {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
            for name in ("dryRun", "fieldManager", "fieldValidation", "force")
        ],
        "responses": {"200": {"description": "OK"}},
    }
    return {f"{base}/{{name}}": {"patch": patch}}
