"""What a node may not write even where it may write: the admission plug-in NodeRestriction.

https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#noderestriction
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from lab.pocket.apiserver.errors import About, forbidden, not_found
from lab.pocket.apiserver.node_authorization import LEASE_NAMESPACE, node_of, references
from lab.pocket.apiserver.state import Call, shared
from lab.pocket.store import Key, Object

MIRROR: Final = "kubernetes.io/config.mirror"
RESTRICTED: Final = "node-restriction.kubernetes.io"
KUBELET_LABELS: Final = frozenset({
    "kubernetes.io/hostname", "kubernetes.io/arch", "kubernetes.io/os", "beta.kubernetes.io/arch", "beta.kubernetes.io/os",
    "beta.kubernetes.io/instance-type", "node.kubernetes.io/instance-type", "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/region",
})  # fmt: skip
KUBELET_DOMAINS: Final = ("kubelet.kubernetes.io", "node.kubernetes.io")


def check_create(call: Call, obj: Object) -> None:
    """Refuse what a node may not create: other nodes and their leases, pods that no file of its own is behind."""
    node = node_of(call.user)
    if node:
        _refuse(call, _CREATE.get(call.resource.qualified, _nothing)(call, node, obj))


def check_update(call: Call, new: Object, old: Object) -> None:
    """Refuse what a node may not change: other nodes, its own taints and most labels, pods of others."""
    node = node_of(call.user)
    if not node:
        return
    if call.resource.qualified == "nodes":
        _refuse(call, _node_update(node, new, old))
    elif call.resource.qualified == "pods":
        _refuse(call, _pod_update(call, node, new, old))


def check_delete(call: Call, obj: Object) -> None:
    """Refuse that a node deletes or evicts pods of others."""
    node = node_of(call.user)
    if node and call.resource.qualified == "pods" and obj["spec"].get("nodeName") != node:
        name, verb = (node, "evict") if call.info.subresource == "eviction" else (f'"{node}"', "delete")
        raise forbidden(call.about, f"node {name} can only {verb} pods with spec.nodeName set to itself")


def check_token(call: Call, spec: Object) -> None:
    """Refuse tokens to a node that are not bound to a pod of its own."""
    node = node_of(call.user)
    if not node:
        return
    bound = spec.get("boundObjectRef") or {}
    if (bound.get("apiVersion"), bound.get("kind")) != ("v1", "Pod") or not bound.get("name"):
        raise forbidden(call.about, "node requested token not bound to a pod")
    if not bound.get("uid"):
        raise forbidden(call.about, "node requested token with a pod binding without a uid")
    row = call.store.latest(Key("pods", call.info.namespace, bound["name"]))
    if row is None:
        raise not_found(About("pods", bound["name"]))
    if shared(row)["spec"].get("nodeName") != node:
        raise forbidden(call.about, "node requested token bound to a pod scheduled on a different node")


def _refuse(call: Call, reasons: Iterator[str]) -> None:
    why = next(reasons, "")
    if why:
        raise forbidden(call.about, why)


def _nothing(_call: Call, _node: str, _obj: Object) -> Iterator[str]:
    yield from ()


def _lease_creation(call: Call, node: str, _lease: Object) -> Iterator[str]:
    if call.info.namespace != LEASE_NAMESPACE or call.info.name != node:
        yield f'node "{node}" can only create its own lease in the namespace "{LEASE_NAMESPACE}"'


def _node_creation(call: Call, node: str, obj: Object) -> Iterator[str]:
    if call.info.name != node:
        yield f'node "{node}" is not allowed to modify node "{call.info.name}"'
    wrong = _forbidden_labels({}, obj["metadata"].get("labels") or {})
    if wrong:
        yield f'node "{node}" is not allowed to set the following labels: {", ".join(wrong)}'


def _node_update(node: str, new: Object, old: Object) -> Iterator[str]:
    if new["metadata"]["name"] != node:
        yield f'node "{node}" is not allowed to modify node "{new["metadata"]["name"]}"'
    if (new["spec"].get("taints") or []) != (old["spec"].get("taints") or []):
        yield f'node "{node}" is not allowed to modify taints'
    if (new["metadata"].get("ownerReferences") or []) != (old["metadata"].get("ownerReferences") or []):
        yield f'node "{node}" is not allowed to modify ownerReferences'
    wrong = _forbidden_labels(old["metadata"].get("labels") or {}, new["metadata"].get("labels") or {})
    if wrong:
        yield f"is not allowed to modify labels: {', '.join(wrong)}"


def _forbidden_labels(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    changed = (key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
    return sorted(filter(_is_forbidden, changed))


def _is_forbidden(label: str) -> bool:
    domain = label.rpartition("/")[0]
    if _within(domain, RESTRICTED):
        return True
    if label in KUBELET_LABELS or any(_within(domain, each) for each in KUBELET_DOMAINS):
        return False
    return _within(domain, "kubernetes.io") or _within(domain, "k8s.io")


def _within(domain: str, parent: str) -> bool:
    return domain == parent or domain.endswith(f".{parent}")


def _pod_creation(call: Call, node: str, pod: Object) -> Iterator[str]:
    if MIRROR not in (pod["metadata"].get("annotations") or {}):
        yield f'pod does not have "{MIRROR}" annotation, node "{node}" can only create mirror pods'
    if pod["spec"].get("nodeName") != node:
        yield f'node "{node}" can only create pods with spec.nodeName set to itself'
    owners = pod["metadata"].get("ownerReferences") or []
    if len(owners) > 1:
        yield f'node "{node}" can only create pods with a single owner reference set to itself'
    if [(each.get("apiVersion"), each["kind"], each["name"]) for each in owners] != [("v1", "Node", node)]:
        yield f'node "{node}" can only create pods with an owner reference set to itself'
    yield from _mirror_owner(call, node, owners[0])
    others = [each for each in references(pod) if each.resource != "pods"]
    if others:
        yield f'node "{node}" can not create pods that reference {others[0].resource}'


def _mirror_owner(call: Call, node: str, owner: Object) -> Iterator[str]:
    if not owner.get("controller"):
        yield f'node "{node}" can only create pods with a controller owner reference set to itself'
    if owner.get("blockOwnerDeletion"):
        yield f'node "{node}" must not set blockOwnerDeletion on an owner reference'
    row = call.store.latest(Key("nodes", "", node))
    if row is None:
        raise not_found(About("nodes", node))
    uid = shared(row)["metadata"]["uid"]
    if owner.get("uid") != uid:
        yield f"node {node} UID mismatch: expected {owner.get('uid')} got {uid}"


def _pod_update(call: Call, node: str, new: Object, old: Object) -> Iterator[str]:
    if call.info.subresource != "status":
        yield f'unexpected operation "UPDATE", node "{node}" can only create and delete mirror pods'
    if old["spec"].get("nodeName") != node:
        yield f'node "{node}" can only update pod status for pods with spec.nodeName set to itself'  # noqa: S608  # no SQL
    if (new["metadata"].get("labels") or {}) != (old["metadata"].get("labels") or {}):
        yield f'node "{node}" cannot update labels through pod status'


_CREATE: Final = {
    "leases.coordination.k8s.io": _lease_creation,
    "nodes": _node_creation,
    "pods": _pod_creation,
}
