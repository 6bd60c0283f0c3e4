"""What is particular to a kind when its objects are created, updated and deleted (Kubernetes: registry strategies)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from lab.pocket.api import schema, validation
from lab.pocket.api.errors import AllocationError, InvalidError
from lab.pocket.api.field import FieldError
from lab.pocket.api.warnings import warnings_about
from lab.pocket.apiserver import (
    authorization,
    crds,
    daemon_sets,
    escalation,
    metadata,
    namespaces,
    node_restriction,
    pod_admission,
)
from lab.pocket.apiserver.errors import StatusError, forbidden, refuse
from lab.pocket.apiserver.processing import schema_of
from lab.pocket.apiserver.registry import CRDS, Resource
from lab.pocket.apiserver.state import Call
from lab.pocket.store import Change, Object

POD_GRACE_SECONDS = 30
COUNTED = {  # resources whose metadata.generation counts changes of what is desired
    "customresourcedefinitions",
    "daemonsets",
    "deployments",
    "endpointslices",
    "ingressclasses",
    "ingresses",
    "mutatingwebhookconfigurations",
    "networkpolicies",
    "pods",
    "replicasets",
    "validatingwebhookconfigurations",
}
COUNTED_WITH_ANNOTATIONS = {"deployments.apps"}
STATUS_ON_CREATE = {"nodes"}  # an agent registers its node together with its status
NOT_READY = ("node.kubernetes.io/not-ready", "NoSchedule")
PROTECTED_NAMESPACES = {"default", "kube-public", "kube-system"}
Hook = Callable[[Call, Object], None]
UpdateHook = Callable[[Call, Object, Object], None]  # the call, the new state, the old one


def has_generation(resource: Resource) -> bool:
    return resource.custom is not None or resource.plural in COUNTED


def prepare_create(call: Call, obj: Object) -> None:
    """Bring a new object into the form in which it is stored."""
    if call.resource.subresource("status") and call.resource.plural not in STATUS_ON_CREATE:
        _unset(call.resource, obj, "status")
    node_restriction.check_create(call, obj)
    hook = _ON_CREATE.get(call.resource.qualified)
    if hook:
        hook(call, obj)
    _validate(call, validation.create_errors(obj, namespaced=call.resource.namespaced))
    call.warnings += warnings_about(obj)


def prepare_update(call: Call, new: Object, old: Object) -> None:
    """Bring a new state into the form in which it is stored: who may change what depends on the subresource."""
    binding = call.info.subresource == "binding" or call.resource.qualified == "bindings"
    if binding or call.info.subresource == "finalize":
        pass  # changes spec and status at once, and nothing else
    elif call.info.subresource == "status":
        _keep_all_but_status(call.resource, new, old)
    elif call.resource.subresource("status"):
        _keep(new, old, "status")
    node_restriction.check_update(call, new, old)
    hook = _ON_UPDATE.get(call.resource.qualified)
    if hook:
        hook(call, new, old)
    if call.info.subresource == "status":
        _validate(call, validation.status_update_errors(new, old))
    elif not binding:  # the one change of a pod that no update may make
        _validate(call, validation.update_errors(new, old))
        call.warnings += warnings_about(new)
    if has_generation(call.resource) and not binding and call.info.subresource != "status":
        whole = call.resource.custom is not None and call.resource.subresource("status") is None
        annotations = call.resource.qualified in COUNTED_WITH_ANNOTATIONS
        metadata.bump_generation(new, old, whole=whole, annotations=annotations)


def _validate(call: Call, errors: Iterable[FieldError]) -> None:
    refuse(call.resource.about_kind(call.info.name), errors)


def companions(call: Call) -> list[Change]:
    """Return what is written together with a new object."""
    if call.resource.qualified == "namespaces":
        return namespaces.companions(call.info.name, call.state.settings.authority_pem)
    return []


def is_gone(obj: Object, *, deleting: bool = False) -> bool:
    """Tell whether nothing holds an object being deleted any longer."""
    meta = obj["metadata"]
    if not deleting and ("deletionTimestamp" not in meta or meta.get("deletionGracePeriodSeconds")):
        return False
    held_by_namespace = obj["kind"] == "Namespace" and (obj.get("spec") or {}).get("finalizers")
    return not meta.get("finalizers") and not held_by_namespace


def check_delete(call: Call, obj: Object) -> None:
    """Refuse to delete what the cluster cannot be without, or what is not the user's to delete."""
    node_restriction.check_delete(call, obj)
    if call.resource.qualified == "namespaces" and obj["metadata"]["name"] in PROTECTED_NAMESPACES:
        raise forbidden(call.about, "this namespace may not be deleted")


def grace_period(resource: Resource, obj: Object, asked: int | None) -> int:
    """Return the seconds that an object has to end by itself; only a pod on a node has any."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    if resource.qualified != "pods" or not spec.get("nodeName"):
        return 0
    if status.get("phase") in {"Succeeded", "Failed"}:
        return 0
    if asked is not None:
        return asked
    return int(spec.get("terminationGracePeriodSeconds", POD_GRACE_SECONDS))


def mark_deleting(resource: Resource, obj: Object) -> None:
    """Show in an object's status that it is being deleted."""
    if resource.qualified == "namespaces":
        obj.setdefault("status", {})["phase"] = "Terminating"
    if resource.qualified == CRDS:
        crds.terminate(obj)


def _keep_all_but_status(resource: Resource, new: Object, old: Object) -> None:
    for name in (new.keys() | old.keys()) - {"status", "metadata"}:
        _keep(new, old, name)
    if resource.custom is not None:
        managed = new["metadata"].get("managedFields")
        new["metadata"] = dict(old["metadata"])
        if managed:
            new["metadata"]["managedFields"] = managed


def _keep(new: Object, old: Object, name: str) -> None:
    if name in old:
        new[name] = old[name]
    else:
        new.pop(name, None)


def _unset(resource: Resource, obj: Object, name: str) -> None:
    """Bring a field into the state that it has when nobody set it."""
    empty = schema.unset(schema_of(resource), name)
    if empty is None:
        obj.pop(name, None)
    else:
        obj[name] = empty


def _create_namespace(_call: Call, obj: Object) -> None:
    namespaces.begin(obj)


def _update_namespace(call: Call, obj: Object, old: Object) -> None:
    namespaces.label(obj)
    if call.info.subresource != "finalize":
        _keep(obj, old, "spec")  # its finalizers have a subresource of their own


def _create_node(_call: Call, node: Object) -> None:
    """Let no pod onto a node before the node controller saw that it is ready (admission plug-in TaintNodesByCondition)."""
    taints = node["spec"].get("taints") or []
    if not any((taint["key"], taint["effect"]) == NOT_READY for taint in taints):
        node["spec"]["taints"] = [*taints, {"key": NOT_READY[0], "effect": NOT_READY[1]}]


def _create_service(call: Call, obj: Object) -> None:
    _allocate(call, obj, None)


def _allocate(call: Call, new: Object, old: Object | None) -> None:
    try:
        call.state.allocations.complete(new, old)
    except InvalidError as error:
        _validate(call, error.errors)
    except AllocationError as error:
        raise StatusError(500, "InternalError", f"Internal error occurred: {error}") from error


def _update_service(call: Call, new: Object, old: Object) -> None:
    if call.info.subresource != "status":
        _allocate(call, new, old)


def _create_crd(call: Call, obj: Object) -> None:
    _validate(call, crds.errors(obj))
    crds.begin(call.store, obj)


def _update_crd(call: Call, obj: Object, _old: Object) -> None:
    """Check a definition; its status says again what is served, whatever a client wrote there."""
    if call.info.subresource != "status":
        _validate(call, crds.errors(obj))
    crds.accept(call.store, obj)


RBAC_HOOKS: dict[str, Hook] = {
    authorization.CLUSTER_ROLES: escalation.check_role,
    authorization.ROLES: escalation.check_role,
    authorization.CLUSTER_ROLE_BINDINGS: escalation.check_binding,
    authorization.ROLE_BINDINGS: escalation.check_binding,
}
_ON_CREATE: dict[str, Hook] = RBAC_HOOKS | {
    CRDS: _create_crd,
    "daemonsets.apps": daemon_sets.begin,
    "namespaces": _create_namespace,
    "nodes": _create_node,
    "pods": pod_admission.admit,
    "services": _create_service,
}


def _on_update(hook: Hook) -> UpdateHook:
    """Return a hook of new objects as one of updates that looks at the new state only."""
    return lambda call, new, _old: hook(call, new)


_ON_UPDATE: dict[str, UpdateHook] = {
    **{resource: _on_update(hook) for resource, hook in RBAC_HOOKS.items()},
    CRDS: _update_crd,
    "daemonsets.apps": daemon_sets.count_template,
    "namespaces": _update_namespace,
    "pods": pod_admission.admit_update,
    "services": _update_service,
}
