"""`metadata` of every kind (k8s.io/apimachinery, api/validation)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lab.pocket.api import field, names
from lab.pocket.api.field import FieldError
from lab.pocket.api.names import NameRule

__all__ = [
    "finalizer_errors",
    "immutable",
    "label_selector",
    "labels",
    "metadata_errors",
    "metadata_update_errors",
]

Object = dict[str, Any]
_ANNOTATIONS_LIMIT = 256 * 1024
_FINALIZERS = {"foregroundDeletion", "kubernetes", "orphan"}
_IMMUTABLE = (
    "name",
    "namespace",
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
)


def metadata_errors(metadata: Object, *, namespaced: bool, rule: NameRule) -> Iterator[FieldError]:
    """Yield what is wrong with the metadata of a new object whose name has been generated already."""
    prefix, name = metadata.get("generateName", ""), metadata.get("name", "")
    if prefix:
        for sentence in names.with_prefix(rule)(prefix):
            yield field.invalid("metadata.generateName", prefix, sentence)
    if not name:
        yield field.required("metadata.name", "name or generateName is required")
    else:
        for sentence in rule(name):
            yield field.invalid("metadata.name", name, sentence)
    yield from _namespace(metadata.get("namespace", ""), namespaced=namespaced)
    yield from _common(metadata)


def metadata_update_errors(new: Object, old: Object) -> Iterator[FieldError]:
    """Yield what is wrong with the metadata of an update."""
    if old.get("deletionTimestamp"):
        added = sorted({*new.get("finalizers", ())} - {*old.get("finalizers", ())})
        if added:
            listed = ", ".join(f'"{name}"' for name in added)
            detail = f"no new finalizers can be added if the object is being deleted, found new finalizers []string{{{listed}}}"
            yield field.forbidden("metadata.finalizers", detail)
    if not new.get("resourceVersion"):
        yield field.invalid("metadata.resourceVersion", "", "must be specified for an update")
    if new.get("generation", 0) < old.get("generation", 0):
        yield field.invalid("metadata.generation", new.get("generation", 0), "must not be decremented")
    for name in _IMMUTABLE:
        yield from immutable(new.get(name), old.get(name), f"metadata.{name}")
    yield from _common(new)


def immutable(new: Any, old: Any, path: str, detail: str = "field is immutable") -> Iterator[FieldError]:
    if new != old:
        yield field.invalid(path, new, detail)


def _namespace(namespace: str, *, namespaced: bool) -> Iterator[FieldError]:
    if not namespaced:
        if namespace:
            yield field.forbidden("metadata.namespace", "not allowed on this type")
    elif not namespace:
        yield field.required("metadata.namespace")
    else:
        for sentence in names.dns_label(namespace):
            yield field.invalid("metadata.namespace", namespace, sentence)


def _common(metadata: Object) -> Iterator[FieldError]:
    yield from labels(metadata.get("labels", {}), "metadata.labels")
    yield from _annotations(metadata.get("annotations", {}))
    yield from _owners(metadata.get("ownerReferences", []))
    finalizers = metadata.get("finalizers", [])
    for name in finalizers:
        for sentence in names.qualified_name(name):
            yield field.invalid("metadata.finalizers", name, sentence)
    if {"orphan", "foregroundDeletion"} <= {*finalizers}:
        detail = "finalizer orphan and foregroundDeletion cannot be both set"
        yield field.invalid("metadata.finalizers", finalizers, detail)


def labels(values: Object, path: str) -> Iterator[FieldError]:
    """Yield what is wrong with labels, or with a map that selects by them."""
    for key, value in values.items():
        for sentence in names.qualified_name(key):
            yield field.invalid(path, key, sentence)
        for sentence in names.label_value(value):
            yield field.invalid(path, value, sentence)


def finalizer_errors(finalizers: list[str]) -> Iterator[FieldError]:
    """Yield which finalizers of a core kind are neither Kubernetes' own nor qualified by a domain."""
    for index, name in enumerate(finalizers):
        if "/" not in name and name not in _FINALIZERS:
            detail = "name is neither a standard finalizer name nor is it fully qualified"
            yield field.invalid(f"metadata.finalizers[{index}]", name, detail)


def _annotations(values: Object) -> Iterator[FieldError]:
    for key in values:
        for sentence in names.qualified_name(key.lower()):
            yield field.invalid("metadata.annotations", key, sentence)
    if sum(len(key.encode()) + len(value.encode()) for key, value in values.items()) > _ANNOTATIONS_LIMIT:
        yield field.too_long("metadata.annotations", _ANNOTATIONS_LIMIT)


def _owners(references: list[Object]) -> Iterator[FieldError]:
    path, controller = "metadata.ownerReferences", ""
    for reference in references:
        if not reference.get("apiVersion", "").rpartition("/")[2]:
            yield field.invalid(
                f"{path}.apiVersion", reference.get("apiVersion", ""), "version must not be empty"
            )
        for name in ("kind", "name", "uid"):
            if not reference.get(name):
                yield field.invalid(f"{path}.{name}", "", "must not be empty")
        if reference.get("apiVersion") == "v1" and reference.get("kind") == "Event":
            yield field.invalid(path, reference, "/v1, Kind=Event is disallowed from being an owner")
        if reference.get("controller"):
            this = f"{reference.get('kind')}/{reference.get('name')}"
            if controller:
                detail = f'Only one reference can have Controller set to true. Found "true" in references for {controller} and {this}'
                yield field.invalid(path, references, detail)
            controller = controller or this


def label_selector(selector: Object, path: str) -> Iterator[FieldError]:
    """Yield what is wrong with a meta/v1 LabelSelector."""
    yield from labels(selector.get("matchLabels", {}), f"{path}.matchLabels")
    for index, expression in enumerate(selector.get("matchExpressions", ())):
        yield from _requirement(expression, f"{path}.matchExpressions[{index}]")


def _requirement(expression: Object, path: str) -> Iterator[FieldError]:
    operator, values = expression.get("operator", ""), expression.get("values", [])
    if operator in {"In", "NotIn"}:
        if not values:
            yield field.required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'")
    elif operator in {"Exists", "DoesNotExist"}:
        if values:
            detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            yield field.forbidden(f"{path}.values", detail)
    else:
        yield field.invalid(f"{path}.operator", operator, "not a valid selector operator")
    for sentence in names.qualified_name(expression.get("key", "")):
        yield field.invalid(f"{path}.key", expression.get("key", ""), sentence)
    for index, value in enumerate(values):
        for sentence in names.label_value(value):
            yield field.invalid(f"{path}.values[{index}]", value, sentence)
