"""Namespaces, and what every one of them has from its first moment: an account for its pods and the cluster's CA."""

from __future__ import annotations

from lab.pocket.apiserver import metadata
from lab.pocket.store import Change, Key, Object

ROOT_CA = "kube-root-ca.crt"
LABEL = "kubernetes.io/metadata.name"
CA_DESCRIPTION = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the "
    "internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes "
    "clusters."
)


def begin(namespace: Object) -> None:
    """Complete a new Namespace."""
    label(namespace)
    namespace["spec"] = {"finalizers": ["kubernetes"]}
    namespace["status"] = {"phase": "Active"}


def label(namespace: Object) -> None:
    namespace["metadata"].setdefault("labels", {})[LABEL] = namespace["metadata"]["name"]


def companions(name: str, authority_pem: str) -> list[Change]:
    """Return what is written together with a new Namespace.

    In Kubernetes two controllers write it a moment later, and pods created in between are refused.
    """
    account: Object = {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "default"}}
    authority: Object = {
        "kind": "ConfigMap",
        "apiVersion": "v1",
        "metadata": {"name": ROOT_CA, "annotations": {"kubernetes.io/description": CA_DESCRIPTION}},
        "data": {"ca.crt": authority_pem},
    }
    changes = []
    for resource, obj in (("serviceaccounts", account), ("configmaps", authority)):
        obj["metadata"]["namespace"] = name
        metadata.begin(obj, generation=False)
        changes.append(Change(Key(resource, name, obj["metadata"]["name"]), obj))
    return changes
