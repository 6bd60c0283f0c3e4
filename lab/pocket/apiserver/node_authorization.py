"""What a node's agent may do: read what its own pods refer to, write its own Node, Lease and pods.

https://kubernetes.io/docs/reference/access-authn-authz/node/ (with AuthorizeNodeWithSelectors). Where a request does not
name its object yet, `node_restriction` looks at the object.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from lab.pocket.apiserver.authorization import compiled
from lab.pocket.apiserver.rbac_defaults import NODE
from lab.pocket.apiserver.request import RequestInfo
from lab.pocket.apiserver.users import User
from lab.pocket.store import Object, Row, Store

GROUP: Final = "system:nodes"
PREFIX: Final = "system:node:"
LEASE_NAMESPACE: Final = "kube-node-lease"
READ: Final = frozenset({"get", "list", "watch"})
RULES: Final = tuple(map(compiled, NODE))


class Reference(NamedTuple):
    """What a pod refers to, or the pod itself."""

    resource: str
    namespace: str
    name: str


class Decision(NamedTuple):
    """Whether a request is allowed, and if not, why; an empty reason is no opinion."""

    allowed: bool
    reason: str = ""


ALLOWED, NO_OPINION = Decision(allowed=True), Decision(allowed=False)
Rule = Callable[["NodeAuthorizer", str, RequestInfo], Decision]


def node_of(user: User) -> str:
    """Return the name of the node that a user is, "" when it is none."""
    if GROUP in user.groups and user.name.startswith(PREFIX):
        return user.name.removeprefix(PREFIX)
    return ""


class NodeAuthorizer:
    """Follows which node each pod is on and what the pod refers to."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._revision = -1
        self._known: dict[Row, tuple[str, tuple[Reference, ...]]] = {}
        self._nodes: Mapping[Reference, set[str]] = {}

    def decide(self, user: User, info: RequestInfo) -> Decision:
        """Decide a request of a node; others are none of this authorizer's business."""
        node = node_of(user)
        if not node:
            return NO_OPINION
        rule = _DIVIDED.get((info.group, info.resource)) if not info.path else None
        if rule:
            return rule(self, node, info)
        return ALLOWED if any(each.allows(info) for each in RULES) else NO_OPINION

    def related(self, node: str, info: RequestInfo) -> Decision:
        """Decide by whether a pod on the node refers to the object."""
        if not info.name:
            return Decision(allowed=False, reason="No Object name found")
        self._follow()
        reference = Reference(info.resource, info.namespace, info.name)
        if node in self._nodes.get(reference, ()):
            return ALLOWED
        why = f"no relationship found between node '{node}' and this object"
        return Decision(allowed=False, reason=why)

    def _follow(self) -> None:
        revision = self._store.resource_revision("pods")
        if revision == self._revision:
            return
        self._revision = revision
        known, self._known = self._known, {}
        nodes: dict[Reference, set[str]] = defaultdict(set)
        for row in self._store.rows("pods"):
            node, references = self._known[row] = known.get(row) or _read(row)
            if node:
                for reference in references:
                    nodes[reference].add(node)
        self._nodes = nodes


def _read(row: Row) -> tuple[str, tuple[Reference, ...]]:
    pod = row.decoded()
    return pod["spec"].get("nodeName", ""), tuple(references(pod))


def references(pod: Object) -> Iterator[Reference]:
    """Yield the pod itself and the objects that its node has to read for it."""
    namespace, spec = pod["metadata"]["namespace"], pod["spec"]
    yield Reference("pods", namespace, pod["metadata"]["name"])
    if spec.get("serviceAccountName"):
        yield Reference("serviceaccounts", namespace, spec["serviceAccountName"])
    for each in spec.get("imagePullSecrets") or ():
        yield Reference("secrets", namespace, each.get("name", ""))
    for resource, source in (*_volume_sources(spec), *_environment_sources(spec)):
        name = source.get("secretName") or source.get("name")
        if name:
            yield Reference(resource, namespace, name)


def _volume_sources(spec: Object) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for volume in spec.get("volumes") or ():
        for source in (volume, *((volume.get("projected") or {}).get("sources") or ())):
            yield "secrets", source.get("secret") or {}
            yield "configmaps", source.get("configMap") or {}


def _environment_sources(spec: Object) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(kind) or ():
            for source in container.get("envFrom") or ():
                yield "secrets", source.get("secretRef") or {}
                yield "configmaps", source.get("configMapRef") or {}
            for variable in container.get("env") or ():
                source = variable.get("valueFrom") or {}
                yield "secrets", source.get("secretKeyRef") or {}
                yield "configmaps", source.get("configMapKeyRef") or {}


def _refused(reason: str) -> Decision:
    return Decision(allowed=False, reason=reason)


def _readable(authorizer: NodeAuthorizer, node: str, info: RequestInfo) -> Decision:
    if info.verb not in READ:
        return _refused("can only read resources of this type")
    if info.subresource:
        return _refused("cannot read subresource")
    if not info.namespace:
        return _refused("can only read namespaced object of this type")
    return authorizer.related(node, info)


def _account(authorizer: NodeAuthorizer, node: str, info: RequestInfo) -> Decision:
    if info.verb == "get" and not info.subresource:
        return _readable(authorizer, node, info)
    if info.verb != "create" or not info.name:
        return _refused("can only create tokens for individual service accounts")
    if info.subresource != "token":
        return _refused("can only create token subresource of serviceaccount")
    return authorizer.related(node, info)


def _lease(_authorizer: NodeAuthorizer, node: str, info: RequestInfo) -> Decision:
    if info.verb not in {"get", "create", "update", "patch", "delete"}:
        return _refused("can only get, create, update, patch, or delete a node lease")
    if info.namespace != LEASE_NAMESPACE:
        return _refused(f'can only access leases in the "{LEASE_NAMESPACE}" system namespace')
    if info.verb != "create" and info.name != node:
        return _refused("can only access node lease with the same name as the requesting node")
    return ALLOWED


def _node(_authorizer: NodeAuthorizer, node: str, info: RequestInfo) -> Decision:
    if info.subresource:
        writes = info.subresource == "status" and info.verb in {"update", "patch"}
        return ALLOWED if writes else NO_OPINION
    if info.verb in {"create", "update", "patch"}:
        return ALLOWED
    if info.verb not in READ:
        return NO_OPINION
    if info.name == node:
        return ALLOWED
    what = f"'{info.name}'" if info.name else "all nodes"
    return _refused(f"node '{node}' cannot read {what}, only its own Node object")


POD_WRITES: Final = frozenset({
    ("", "create"), ("", "delete"), ("status", "update"), ("status", "patch"), ("eviction", "create"),
})  # fmt: skip


def _pod(authorizer: NodeAuthorizer, node: str, info: RequestInfo) -> Decision:
    if (info.subresource, info.verb) in POD_WRITES:
        return ALLOWED
    if info.subresource or info.verb not in READ:
        return NO_OPINION
    if info.verb != "get" and info.selected_node == node:
        return ALLOWED
    if info.verb == "get" or info.name:
        return authorizer.related(node, info)
    return _refused("can only list/watch pods with spec.nodeName field selector")


_DIVIDED: Final[Mapping[tuple[str, str], Rule]] = {
    ("", "configmaps"): _readable,
    ("", "nodes"): _node,
    ("", "pods"): _pod,
    ("", "secrets"): _readable,
    ("", "serviceaccounts"): _account,
    ("coordination.k8s.io", "leases"): _lease,
}
