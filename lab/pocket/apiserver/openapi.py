"""OpenAPI v3: an index of documents, one a group and version, whose URLs change with their content.

kubectl keeps a document on disk as long as its hashed URL stays in the index; so a CRD's change must change the hash.
Version 2 is one document, of patch operations alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import orjson
from aiohttp import web

from lab.pocket.api import openapi, openapi_v2
from lab.pocket.api.openapi import Served
from lab.pocket.apiserver.errors import not_acceptable
from lab.pocket.apiserver.registry import Registry, Resource

VERSION = "v1.36.2"
V2_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
V2_TYPES = {
    V2_TYPE,
    "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
}  # clients write the older one
JSON_TYPES = {"application/json", "application/*", "*/*"}
INDEX_TYPE = "text/plain; charset=utf-8"  # as kube-aggregator answers, which leaves it to be guessed
FOREVER = {"Cache-Control": "public, immutable", "Expires": "Fri, 01 Jan 2100 00:00:00 GMT"}
KEPT = 4  # documents are large and seldom read, and clients keep them


class OpenApi:
    """Documents, made when somebody reads them."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._hashes = lru_cache(maxsize=1)(self._fingerprints)
        self._v2 = lru_cache(maxsize=1)(self._v2_made)
        self._document = lru_cache(maxsize=KEPT)(self._made)

    def answer(self, path: str, accept: str) -> web.Response | None:
        """Answer a request below /openapi; None when there is no such document.

        Raises:
            StatusError: 406, when version 2 is asked for in a form that it does not have.

        """
        if path == "/openapi/v2":
            kind = _v2_type(accept)
            body = self._v2(self._registry.revision, kind)
            return web.Response(body=body, headers={"Content-Type": kind})
        hashes = self._hashes(self._registry.revision)
        if path == "/openapi/v3":
            index = {
                name: {"serverRelativeURL": f"/openapi/v3/{name}?hash={digest}"}
                for name, digest in hashes.items()
            }
            return web.Response(body=orjson.dumps({"paths": index}), headers={"Content-Type": INDEX_TYPE})
        name = path.removeprefix("/openapi/v3/")
        if name not in hashes:
            return None
        headers = {"Content-Type": "application/json", "ETag": f'"{hashes[name]}"', **FOREVER}
        return web.Response(body=self._document(name, hashes[name]), headers=headers)

    def _fingerprints(self, _revision: int) -> dict[str, str]:
        names = dict.fromkeys(_name(resource) for resource in self._registry.all())
        return {name: openapi.fingerprint(self._served(name)) for name in names}

    def _v2_made(self, _revision: int, kind: str) -> bytes:
        resources = [served for resource in self._registry.all() for served in _described(resource)]
        document = openapi_v2.document(resources, version=VERSION)
        return openapi_v2.encode(document) if kind == V2_TYPE else orjson.dumps(document)

    def _made(self, name: str, _hash: str) -> bytes:
        return orjson.dumps(openapi.document(self._served(name), version=VERSION))

    def _served(self, name: str) -> list[Served]:
        resources = [resource for resource in self._registry.all() if _name(resource) == name]
        return [served for resource in resources for served in _described(resource)]


def _v2_type(accept: str) -> str:
    for clause in accept.split(",") if accept.strip() else ["*/*"]:
        media_type = clause.partition(";")[0].strip()
        if media_type in V2_TYPES:
            return V2_TYPE
        if media_type in JSON_TYPES:
            return "application/json"
    raise not_acceptable()


def _name(resource: Resource) -> str:
    return f"apis/{resource.api_version}" if resource.group else f"api/{resource.version}"


def _described(resource: Resource) -> Iterator[Served]:
    version = resource.custom
    schema = None if version is None else (version.get("schema") or {}).get("openAPIV3Schema") or {}
    where: dict[str, Any] = {"group": resource.group, "version": resource.version}
    where["namespaced"] = resource.namespaced
    yield Served(**where, plural=resource.plural, kind=resource.kind, verbs=resource.verbs, schema=schema)
    for sub in resource.subresources:
        yield Served(
            **where,
            plural=f"{resource.plural}/{sub.name}",
            kind=sub.kind,
            verbs=sub.verbs,
            kind_group=sub.group,
            kind_version=sub.version or "",
            schema=schema if sub.group is None else None,
        )
