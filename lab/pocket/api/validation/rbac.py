"""Roles and bindings (pkg/apis/rbac/validation of Kubernetes v1.36)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lab.pocket.api import field, names
from lab.pocket.api.field import FieldError
from lab.pocket.api.validation.metadata import label_selector
from lab.pocket.api.validation.rules import checked, named

__all__ = [
    "binding_update_errors", "cluster_role_binding_errors", "cluster_role_errors", "role_binding_errors", "role_errors",
]  # fmt: skip

Object = dict[str, Any]
GROUP = "rbac.authorization.k8s.io"
_GROUPS = {"ServiceAccount": "", "User": GROUP, "Group": GROUP}


def role_errors(role: Object) -> Iterator[FieldError]:
    yield from _rules(role, namespaced=True)


def cluster_role_errors(role: Object) -> Iterator[FieldError]:
    yield from _rules(role, namespaced=False)
    aggregation = role.get("aggregationRule")
    if aggregation is None:
        return
    path, selectors = "aggregationRule.clusterRoleSelectors", aggregation.get("clusterRoleSelectors", [])
    if not selectors:
        yield field.required(path, "at least one clusterRoleSelector required if aggregationRule is non-nil")
    for index, selector in enumerate(selectors):
        yield from label_selector(selector, f"{path}[{index}]")


def _rules(role: Object, *, namespaced: bool) -> Iterator[FieldError]:
    for index, rule in enumerate(role.get("rules") or ()):
        path, urls = f"rules[{index}]", rule.get("nonResourceURLs", [])
        if not rule.get("verbs"):
            yield field.required(f"{path}.verbs", "verbs must contain at least one value")
        if urls:
            if namespaced:
                detail = "namespaced rules cannot apply to non-resource URLs"
                yield field.invalid(f"{path}.nonResourceURLs", urls, detail)
            if rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames"):
                detail = "rules cannot apply to both regular resources and non-resource URLs"
                yield field.invalid(f"{path}.nonResourceURLs", urls, detail)
            continue
        if not rule.get("apiGroups"):
            yield field.required(f"{path}.apiGroups", "resource rules must supply at least one api group")
        if not rule.get("resources"):
            yield field.required(f"{path}.resources", "resource rules must supply at least one resource")


def role_binding_errors(binding: Object) -> Iterator[FieldError]:
    yield from _binding(binding, ("Role", "ClusterRole"), namespaced=True)


def cluster_role_binding_errors(binding: Object) -> Iterator[FieldError]:
    yield from _binding(binding, ("ClusterRole",), namespaced=False)


def _binding(binding: Object, kinds: tuple[str, ...], *, namespaced: bool) -> Iterator[FieldError]:
    reference = binding["roleRef"]
    if reference.get("apiGroup") != GROUP:
        yield field.not_supported("roleRef.apiGroup", reference.get("apiGroup"), (GROUP,))
    if reference.get("kind") not in kinds:
        yield field.not_supported("roleRef.kind", reference.get("kind", ""), kinds)
    yield from named(reference.get("name", ""), names.path_segment, "roleRef.name")
    for index, subject in enumerate(binding.get("subjects") or ()):
        yield from _subject(subject, f"subjects[{index}]", namespaced=namespaced)


def _subject(subject: Object, path: str, *, namespaced: bool) -> Iterator[FieldError]:
    kind, name = subject.get("kind", ""), subject.get("name", "")
    if not name:
        yield field.required(f"{path}.name")
    if kind not in _GROUPS:
        yield field.not_supported(f"{path}.kind", kind, tuple(_GROUPS))
        return
    if kind == "ServiceAccount" and name:
        yield from checked(name, names.dns_subdomain, f"{path}.name")
    if subject.get("apiGroup", "") != _GROUPS[kind]:
        yield field.FieldError(
            field.Kind.NOT_SUPPORTED,
            f"{path}.apiGroup",
            subject.get("apiGroup"),
            f'supported values: "{_GROUPS[kind]}"',
        )
    if kind == "ServiceAccount" and not namespaced and not subject.get("namespace"):
        yield field.required(f"{path}.namespace")


def binding_update_errors(new: Object, old: Object) -> Iterator[FieldError]:
    """Yield an error when an update changes the role that is bound."""
    after = new["roleRef"]
    if after != old["roleRef"]:
        shown = {
            "APIGroup": after.get("apiGroup", ""),
            "Kind": after.get("kind", ""),
            "Name": after.get("name", ""),
        }
        yield field.invalid("roleRef", shown, "cannot change roleRef")
