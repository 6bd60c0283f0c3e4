"""What a request asks for, read from its method, path and query alone (Kubernetes: RequestInfo)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lab.pocket.apiserver import selection
from lab.pocket.apiserver.errors import StatusError

WITH_NAME = {
    "GET": "get",
    "HEAD": "get",
    "POST": "create",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
}
WITHOUT_NAME = WITH_NAME | {"GET": "list", "HEAD": "list", "DELETE": "deletecollection"}
NAMESPACE_SUBRESOURCES = {"status", "finalize"}
TRUE = {"1", "t", "T", "true", "TRUE", "True", ""}


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """For a resource: its coordinates, `path` empty. For anything else: only `verb` (lower case) and `path`."""

    verb: str
    path: str = ""
    group: str = ""
    version: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    selected_node: str = ""
    """The node whose pods alone are listed (`fieldSelector=spec.nodeName=x`)."""

    @property
    def full_resource(self) -> str:
        """The resource as RBAC names it, with its subresource."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


def parse(method: str, path: str, query: Mapping[str, str]) -> RequestInfo:
    """Read a request line; whether the resource exists is not asked here."""
    segments = path.strip("/").split("/")
    if "" in segments:
        return RequestInfo(method.lower(), path=path)
    if segments[0] == "api" and len(segments) > 2:
        return _resource(method, "", segments[1], segments[2:], query)
    if segments[0] == "apis" and len(segments) > 3:
        return _resource(method, segments[1], segments[2], segments[3:], query)
    return RequestInfo(method.lower(), path=path)


def _resource(
    method: str, group: str, version: str, rest: list[str], query: Mapping[str, str]
) -> RequestInfo:
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 1:
        namespace = rest[1]
        if len(rest) > 2 and rest[2] not in NAMESPACE_SUBRESOURCES:
            rest = rest[2:]
    resource, name, subresource = (*rest, "", "")[:3]
    subresource = "/".join([subresource, *rest[3:]]).strip("/")
    selected_node = ""
    verb = (WITH_NAME if name else WITHOUT_NAME).get(method, method.lower())
    if verb == "list":
        name, selected_node = _selected(query)
        if query.get("watch", "false") in TRUE:
            verb = "watch"
    return RequestInfo(verb, "", group, version, resource, namespace, name, subresource, selected_node)


def _selected(query: Mapping[str, str]) -> tuple[str, str]:
    """Return x for a list of `metadata.name=x`, which is authorized as that object, and n for `spec.nodeName=n`."""
    field_selector = query.get("fieldSelector", "")
    if not field_selector.startswith("metadata.name=") and "spec.nodeName=" not in field_selector:
        return "", ""
    try:
        found = selection.parse("", field_selector, supported=("spec.nodeName",))
    except StatusError:  # the list itself will say what is wrong
        return "", ""
    return found.name, found.node
