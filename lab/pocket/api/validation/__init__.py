"""What the API refuses to store: built-in kinds, field by field, as kube-apiserver v1.36 words it.

Objects come here decoded and defaulted (`lab.pocket.api.schema`, `.defaults`) and, for Services, with addresses and
ports allocated (`.services`). Custom resources need only their metadata checked here; their CRD says the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from lab.pocket.api.field import FieldError
from lab.pocket.api.validation import names
from lab.pocket.api.validation.metadata import finalizer_errors, metadata_errors, metadata_update_errors
from lab.pocket.api.validation.names import NameRule
from lab.pocket.api.validation.services import service_errors, service_status_errors, service_update_errors

__all__ = ["create_errors", "status_update_errors", "update_errors"]

Object = dict[str, Any]
_CREATE: dict[str, Callable[[Object], Iterable[FieldError]]] = {
    "v1/Service": service_errors,
}
_UPDATE: dict[str, Callable[[Object, Object], Iterable[FieldError]]] = {
    "v1/Service": service_update_errors,
}
_STATUS: dict[str, Callable[[Object, Object], Iterable[FieldError]]] = {
    "v1/Service": service_status_errors,
}
_CORE_RULES = ("v1/", "apps/", "discovery.k8s.io/", "networking.k8s.io/", "rbac.authorization.k8s.io/")
_NAMES: dict[str, NameRule] = {
    "rbac.authorization.k8s.io/v1/ClusterRole": names.path_segment,
    "rbac.authorization.k8s.io/v1/ClusterRoleBinding": names.path_segment,
    "rbac.authorization.k8s.io/v1/Role": names.path_segment,
    "rbac.authorization.k8s.io/v1/RoleBinding": names.path_segment,
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
