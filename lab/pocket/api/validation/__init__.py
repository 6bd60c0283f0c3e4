"""What the API refuses to store: built-in kinds, field by field, as kube-apiserver v1.36 words it.

Objects come here decoded and defaulted (`lab.pocket.api.schema`, `.defaults`) and, for Services, with addresses and
ports allocated (`.services`). Custom resources need only their metadata checked here; their CRD says the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from lab.pocket.api import names
from lab.pocket.api.field import FieldError
from lab.pocket.api.names import NameRule
from lab.pocket.api.validation.config import (
    config_map_errors,
    config_map_update_errors,
    secret_errors,
    secret_update_errors,
)
from lab.pocket.api.validation.crds import crd_errors, crd_update_errors
from lab.pocket.api.validation.endpoints import (
    endpoints_errors,
    lease_errors,
    slice_errors,
    slice_update_errors,
)
from lab.pocket.api.validation.metadata import finalizer_errors, metadata_errors, metadata_update_errors
from lab.pocket.api.validation.networking import (
    ingress_class_errors,
    ingress_class_update_errors,
    ingress_errors,
    network_policy_errors,
)
from lab.pocket.api.validation.nodes import node_errors, node_status_errors, node_update_errors
from lab.pocket.api.validation.pod_statuses import pod_status_errors
from lab.pocket.api.validation.pods import pod_errors, pod_template_errors, pod_update_errors
from lab.pocket.api.validation.rbac import (
    binding_update_errors,
    cluster_role_binding_errors,
    cluster_role_errors,
    role_binding_errors,
    role_errors,
)
from lab.pocket.api.validation.services import service_errors, service_status_errors, service_update_errors
from lab.pocket.api.validation.stored import event_errors, new_event_errors, webhooks_errors
from lab.pocket.api.validation.workloads import (
    daemon_set_errors,
    daemon_set_status_errors,
    deployment_errors,
    deployment_status_errors,
    replica_set_errors,
    replica_set_status_errors,
    revision_errors,
    revision_update_errors,
    selector_update_errors,
)

__all__ = ["create_errors", "status_update_errors", "update_errors"]

Object = dict[str, Any]
Change = Callable[[Object, Object], Iterable[FieldError]]
RBAC = "rbac.authorization.k8s.io/v1"
_CREATE: dict[str, Callable[[Object], Iterable[FieldError]]] = {
    "admissionregistration.k8s.io/v1/MutatingWebhookConfiguration": webhooks_errors,
    "admissionregistration.k8s.io/v1/ValidatingWebhookConfiguration": webhooks_errors,
    "apiextensions.k8s.io/v1/CustomResourceDefinition": crd_errors,
    "apps/v1/ControllerRevision": revision_errors,
    "apps/v1/DaemonSet": daemon_set_errors,
    "apps/v1/Deployment": deployment_errors,
    "apps/v1/ReplicaSet": replica_set_errors,
    "coordination.k8s.io/v1/Lease": lease_errors,
    "discovery.k8s.io/v1/EndpointSlice": slice_errors,
    "events.k8s.io/v1/Event": new_event_errors,
    "networking.k8s.io/v1/Ingress": ingress_errors,
    "networking.k8s.io/v1/IngressClass": ingress_class_errors,
    "networking.k8s.io/v1/NetworkPolicy": network_policy_errors,
    f"{RBAC}/ClusterRole": cluster_role_errors,
    f"{RBAC}/ClusterRoleBinding": cluster_role_binding_errors,
    f"{RBAC}/Role": role_errors,
    f"{RBAC}/RoleBinding": role_binding_errors,
    "v1/ConfigMap": config_map_errors,
    "v1/Endpoints": endpoints_errors,
    "v1/Event": event_errors,
    "v1/Node": node_errors,
    "v1/Pod": pod_errors,
    "v1/PodTemplate": pod_template_errors,
    "v1/Secret": secret_errors,
    "v1/Service": service_errors,
}


def _again(rules: Callable[[Object], Iterable[FieldError]], *changes: Change) -> Change:
    """Return the rule for updates of a kind: all rules of its creation, and what may not change."""
    return lambda new, old: [*rules(new), *(error for change in changes for error in change(new, old))]


_UPDATE: dict[str, Change] = {
    **{kind: _again(rules) for kind, rules in _CREATE.items()},
    "apiextensions.k8s.io/v1/CustomResourceDefinition": crd_update_errors,
    "apps/v1/ControllerRevision": revision_update_errors,
    "apps/v1/DaemonSet": _again(daemon_set_errors, selector_update_errors),
    "apps/v1/Deployment": _again(deployment_errors, selector_update_errors),
    "apps/v1/ReplicaSet": _again(replica_set_errors, selector_update_errors),
    "discovery.k8s.io/v1/EndpointSlice": slice_update_errors,
    "networking.k8s.io/v1/IngressClass": ingress_class_update_errors,
    f"{RBAC}/ClusterRoleBinding": _again(cluster_role_binding_errors, binding_update_errors),
    f"{RBAC}/RoleBinding": _again(role_binding_errors, binding_update_errors),
    "v1/ConfigMap": config_map_update_errors,
    "v1/Node": node_update_errors,
    "v1/Pod": pod_update_errors,
    "v1/Secret": secret_update_errors,
    "v1/Service": service_update_errors,
}
_STATUS: dict[str, Change] = {
    "apps/v1/DaemonSet": daemon_set_status_errors,
    "apps/v1/Deployment": deployment_status_errors,
    "apps/v1/ReplicaSet": replica_set_status_errors,
    "v1/Node": node_status_errors,
    "v1/Pod": pod_status_errors,
    "v1/Service": service_status_errors,
}
_CORE_RULES = ("v1/", "apps/", "discovery.k8s.io/", "networking.k8s.io/", "rbac.authorization.k8s.io/")
_NAMES: dict[str, NameRule] = {
    f"{RBAC}/ClusterRole": names.path_segment,
    f"{RBAC}/ClusterRoleBinding": names.path_segment,
    f"{RBAC}/Role": names.path_segment,
    f"{RBAC}/RoleBinding": names.path_segment,
    "v1/Namespace": names.dns_label,
    "v1/Service": names.dns_label,
}


def create_errors(obj: Object, *, namespaced: bool) -> list[FieldError]:
    """Return what is wrong with a new object whose name and namespace are set."""
    kind = f"{obj['apiVersion']}/{obj['kind']}"
    rule = _NAMES.get(kind, names.dns_subdomain)
    errors = list(metadata_errors(obj["metadata"], namespaced=namespaced, rule=rule))
    if kind.startswith(_CORE_RULES):
        errors += finalizer_errors(obj["metadata"].get("finalizers", []))
    return [*errors, *_CREATE.get(kind, _nothing)(obj)]


def update_errors(new: Object, old: Object) -> list[FieldError]:
    """Return what is wrong with a new state of a stored object."""
    kind = f"{new['apiVersion']}/{new['kind']}"
    errors = list(metadata_update_errors(new["metadata"], old["metadata"]))
    return [*errors, *_UPDATE.get(kind, _nothing)(new, old)]


def status_update_errors(new: Object, old: Object) -> list[FieldError]:
    """Return what is wrong with a new status of a stored object."""
    kind = f"{new['apiVersion']}/{new['kind']}"
    errors = list(metadata_update_errors(new["metadata"], old["metadata"]))
    return [*errors, *_STATUS.get(kind, _nothing)(new, old)]


def _nothing(*_objects: Object) -> Iterable[FieldError]:
    return ()
