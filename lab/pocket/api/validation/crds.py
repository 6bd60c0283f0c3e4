"""CustomResourceDefinitions (apiextensions-apiserver, pkg/apis/apiextensions/validation of Kubernetes v1.36)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lab.pocket.api import field, jsonpath, names
from lab.pocket.api.errors import JsonPathError
from lab.pocket.api.field import FieldError
from lab.pocket.api.schema.structural import structural_errors
from lab.pocket.api.validation.metadata import immutable
from lab.pocket.api.validation.rules import checked, named, one_of

__all__ = ["crd_errors", "crd_update_errors"]

Object = dict[str, Any]
_COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
_COLUMN_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
_APPROVAL = "api-approved.kubernetes.io"
_UNAPPROVED = (
    f'protected groups must have approval annotation "{_APPROVAL}", '
    "see https://github.com/kubernetes/enhancements/pull/1111"
)
_SIMPLE = "must be a simple json path starting with ."


def crd_errors(crd: Object) -> Iterator[FieldError]:
    spec = crd["spec"]
    group, plural = spec.get("group", ""), spec.get("names", {}).get("plural", "")
    expected = f"{plural}.{group}"
    if crd["metadata"].get("name") != expected:
        detail = 'must be spec.names.plural+"."+spec.group'
        yield field.invalid("metadata.name", crd["metadata"].get("name"), detail)
    yield from _group(crd, group)
    yield from one_of(spec.get("scope"), ("Cluster", "Namespaced"), "spec.scope")
    yield from _versions(spec)
    yield from _names(spec.get("names", {}))
    yield from _conversion(spec.get("conversion", {}))
    if spec.get("preserveUnknownFields"):
        detail = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
        yield field.invalid("spec.preserveUnknownFields", True, detail)
    yield from _stored(spec, crd.get("status", {}))


def crd_update_errors(new: Object, old: Object) -> Iterator[FieldError]:
    after, before = new["spec"], old["spec"]
    established = any(
        one.get("type") == "Established" and one.get("status") == "True"
        for one in old.get("status", {}).get("conditions") or ()
    )
    yield from immutable(after.get("group"), before.get("group"), "spec.group")
    yield from immutable(after["names"].get("plural"), before["names"].get("plural"), "spec.names.plural")
    if established:
        yield from immutable(after.get("scope"), before.get("scope"), "spec.scope")
        yield from immutable(after["names"].get("kind"), before["names"].get("kind"), "spec.names.kind")
    yield from (error for error in crd_errors(new) if error.path != "metadata.name")


def _group(crd: Object, group: str) -> Iterator[FieldError]:
    if not group:
        yield field.required("spec.group")
        return
    wrong = list(checked(group, names.dns_subdomain, "spec.group"))
    yield from wrong
    if not wrong and "." not in group:
        yield field.invalid("spec.group", group, "should be a domain with at least one dot")
    protected = f".{group}".endswith((".k8s.io", ".kubernetes.io"))
    if protected and not crd["metadata"].get("annotations", {}).get(_APPROVAL):
        yield field.required(f"metadata.annotations[{_APPROVAL}]", _UNAPPROVED)


def _names(given: Object) -> Iterator[FieldError]:
    for name in ("plural", "singular"):
        yield from named(given.get(name, ""), names.rfc1035_label, f"spec.names.{name}")
    for name in ("kind", "listKind"):
        yield from named(given.get(name, ""), _mixed_case, f"spec.names.{name}")
    for name in ("shortNames", "categories"):
        for index, one in enumerate(given.get(name, ())):
            yield from checked(one, names.rfc1035_label, f"spec.names.{name}[{index}]")
    if given.get("kind") and given.get("kind") == given.get("listKind"):
        yield field.invalid("spec.names.listKind", given["listKind"], "kind and listKind may not be the same")


def _mixed_case(name: str) -> list[str]:
    return [
        f"may have mixed case, but should otherwise match: {text}"
        for text in names.rfc1035_label(name.lower())
    ]


def _versions(spec: Object) -> Iterator[FieldError]:
    versions = spec.get("versions") or []
    stored = [one for one in versions if one.get("storage")]
    called = [one.get("name", "") for one in versions]
    for index, one in enumerate(versions):
        yield from checked(called[index], names.rfc1035_label, f"spec.versions[{index}].name")
        if not (one.get("schema") or {}).get("openAPIV3Schema"):
            yield field.required(f"spec.versions[{index}].schema.openAPIV3Schema")
    if len({*called}) < len(called):
        yield field.invalid("spec.versions", versions, "must contain unique version names")
    if len(stored) != 1:
        yield field.invalid(
            "spec.versions", versions, "must have exactly one version marked as storage version"
        )
    for index, one in enumerate(versions):
        schema = (one.get("schema") or {}).get("openAPIV3Schema")
        if schema:
            alike = _path(versions, "schema", index)
            path = f"{alike}.schema" if "[" in alike else f"{alike}.validation"
            yield from structural_errors(schema, f"{path}.openAPIV3Schema")
        yield from _columns(
            one.get("additionalPrinterColumns", ()), _path(versions, "additionalPrinterColumns", index)
        )
        yield from _subresources(one.get("subresources") or {}, _path(versions, "subresources", index))
        if _path(versions, "schema", index) == "spec":
            break


def _path(versions: list[Object], name: str, index: int) -> str:
    """Return where errors about a version are shown: at the top when all versions say the same."""
    same = all(one.get(name) == versions[0].get(name) for one in versions)
    return "spec" if same else f"spec.versions[{index}]"


def _columns(columns: list[Object], path: str) -> Iterator[FieldError]:
    for index, column in enumerate(columns):
        where = f"{path}.additionalPrinterColumns[{index}]"
        kind, form, target = column.get("type", ""), column.get("format", ""), column.get("jsonPath", "")
        if not column.get("name"):
            yield field.required(f"{where}.name")
        if not kind:
            yield field.required(f"{where}.type", f"must be one of {','.join(_COLUMN_TYPES)}")
        elif kind not in _COLUMN_TYPES:
            yield field.invalid(f"{where}.type", kind, f"must be one of {','.join(_COLUMN_TYPES)}")
        if form and form not in _COLUMN_FORMATS:
            yield field.invalid(f"{where}.format", form, f"must be one of {','.join(_COLUMN_FORMATS)}")
        yield from named(target, _simple_path, f"{where}.JSONPath")


def _simple_path(text: str) -> list[str]:
    if not text.startswith("."):
        return [_SIMPLE]
    try:
        jsonpath.parse(text)
    except JsonPathError as error:
        return [error.message]
    return []


def _subresources(subresources: Object, path: str) -> Iterator[FieldError]:
    scale = subresources.get("scale")
    if scale is None:
        return
    for name, under in (("specReplicasPath", ".spec"), ("statusReplicasPath", ".status")):
        where, target = f"{path}.subresources.scale.{name}", scale.get(name, "")
        if not target:
            yield field.required(where)
        elif not target.startswith("."):
            yield field.invalid(where, target, _SIMPLE)
        elif not target.startswith(f"{under}."):
            yield field.invalid(where, target, f"should be a json path under {under}")


def _conversion(conversion: Object) -> Iterator[FieldError]:
    strategy = conversion.get("strategy")
    yield from one_of(strategy, ("None", "Webhook"), "spec.conversion.strategy")
    if strategy == "Webhook":
        webhook = conversion.get("webhook") or {}
        if not webhook.get("clientConfig"):
            detail = "required when strategy is set to Webhook"
            yield field.required("spec.conversion.webhookClientConfig", detail)
        if not webhook.get("conversionReviewVersions"):
            yield field.required("spec.conversion.conversionReviewVersions")


def _stored(spec: Object, status: Object) -> Iterator[FieldError]:
    stored, path = status.get("storedVersions"), "status.storedVersions"
    if not stored:
        yield field.invalid(path, stored or None, "must have at least one stored version")
        return
    storage = next((one["name"] for one in reversed(spec.get("versions") or []) if one.get("storage")), None)
    if storage is not None and storage not in stored:
        yield field.invalid(path, stored, f"must have the storage version {storage}")
    for index, name in enumerate(stored):
        if name not in [one.get("name") for one in spec.get("versions") or ()]:
            yield field.invalid(f"{path}[{index}]", name, "must appear in spec.versions")
