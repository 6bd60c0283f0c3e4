"""Discovery: which groups, versions and resources there are, aggregated (KEP-3352) or document by document."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import orjson
from aiohttp import web

from lab.pocket.apiserver.registry import Registry, Resource, Subresource, version_priority
from lab.pocket.store import Object

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


def answer(registry: Registry, path: str, accept: str, address: str) -> web.Response | None:
    """Answer a discovery request; None when the path names nothing that is served."""
    segments = path.strip("/").split("/")
    aggregated = "as=APIGroupDiscoveryList" in accept and "v=v2;" in f"{accept.replace(',', ';')};"
    if len(segments) == 1 and aggregated:
        return _response(_aggregated(registry, core=segments[0] == "api"), AGGREGATED)
    document = _document(registry, segments, address)
    return None if document is None else _response(document, "application/json")


def _document(registry: Registry, segments: list[str], address: str) -> Object | None:
    match segments:
        case ["api"]:
            addresses = [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]
            return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": addresses}
        case ["apis"]:
            groups = [_group(group, versions) for group, versions in registry.groups().items() if group]
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
        case ["api", version]:
            return _resource_list(registry, "", version)
        case ["apis", group] if group in registry.groups():
            return {"kind": "APIGroup", "apiVersion": "v1", **_group(group, registry.groups()[group])}
        case ["apis", group, version] if group:
            return _resource_list(registry, group, version)
        case _:
            return None


def _group(group: str, versions: list[str]) -> Object:
    listed = [{"groupVersion": f"{group}/{version}", "version": version} for version in versions]
    return {"name": group, "versions": listed, "preferredVersion": listed[0]}


def _resource_list(registry: Registry, group: str, version: str) -> Object | None:
    resources = [r for r in registry.all() if (r.group, r.version) == (group, version)]
    if not resources:
        return None
    entries = [entry for resource in resources for entry in _entries(resource)]
    entries.sort(key=lambda entry: str(entry["name"]))
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": resources[0].api_version,
        "resources": entries,
    }


def _entries(resource: Resource) -> Iterable[Object]:
    yield {
        "name": resource.plural,
        "singularName": resource.singular_name,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": [*resource.verbs],
        **({"shortNames": [*resource.short_names]} if resource.short_names else {}),
        **({"categories": [*resource.categories]} if resource.categories else {}),
    }
    for sub in resource.subresources:
        yield {
            "name": f"{resource.plural}/{sub.name}",
            "singularName": "",
            "namespaced": resource.namespaced,
            **({"group": sub.group, "version": sub.version} if sub.group is not None else {}),
            "kind": sub.kind,
            "verbs": [*sub.verbs],
        }


def _aggregated(registry: Registry, *, core: bool) -> Object:
    groups: dict[str, dict[str, list[Object]]] = {}
    for resource in registry.all():
        if (resource.group == "") == core:
            versions = groups.setdefault(resource.group, {})
            versions.setdefault(resource.version, []).append(_aggregated_resource(resource))
    items = [
        {
            "metadata": {"creationTimestamp": None, **({"name": group} if group else {})},
            "versions": [
                {"version": version, "freshness": "Current", "resources": versions[version]}
                for version in sorted(versions, key=version_priority)
            ],
        }
        for group, versions in groups.items()
    ]
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    }


def _aggregated_resource(resource: Resource) -> Object:
    entry: Object = {
        "resource": resource.plural,
        "responseKind": _kind(resource, None),
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular_name,
        "verbs": [*resource.verbs],
    }
    if resource.short_names:
        entry["shortNames"] = [*resource.short_names]
    if resource.categories:
        entry["categories"] = [*resource.categories]
    if resource.subresources:
        entry["subresources"] = [
            {"subresource": sub.name, "responseKind": _kind(resource, sub), "verbs": [*sub.verbs]}
            for sub in resource.subresources
        ]
    return entry


def _kind(resource: Resource, sub: Subresource | None) -> Object:
    if sub is None or sub.group is None:
        return {
            "group": resource.group,
            "version": resource.version,
            "kind": sub.kind if sub else resource.kind,
        }
    return {"group": sub.group, "version": sub.version, "kind": sub.kind}


def _response(document: Object, content_type: str) -> web.Response:
    body = orjson.dumps(document)
    headers = {"Content-Type": content_type, "Vary": "Accept"}
    headers["ETag"] = f'"{hashlib.sha256(body).hexdigest().upper()}"'
    return web.Response(body=body, headers=headers)
