"""Pods and pod templates (pkg/apis/core/validation of Kubernetes v1.36)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from lab.pocket.api import field, names, values
from lab.pocket.api.field import FieldError
from lab.pocket.api.validation import metadata
from lab.pocket.api.validation.addresses import ip_errors
from lab.pocket.api.validation.containers import containers_errors
from lab.pocket.api.validation.rules import checked, named, one_of, within
from lab.pocket.api.validation.scheduling import affinity_errors, spread_errors, toleration_errors
from lab.pocket.api.validation.volumes import volumes_errors

__all__ = ["pod_errors", "pod_spec_errors", "pod_template_errors", "pod_update_errors", "template_errors"]

Object = dict[str, Any]
_RESTART_POLICIES = ("Always", "OnFailure", "Never")
_DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_MAX_INT = 2**31 - 1
_SYSCTL = re.compile(r"([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?")
_CHANGEABLE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def pod_errors(pod: Object) -> Iterator[FieldError]:
    """Yield what is wrong with a new pod."""
    yield from pod_spec_errors(pod["spec"], "spec")
    if pod["spec"].get("ephemeralContainers"):
        yield field.forbidden("spec.ephemeralContainers", "cannot be set on create")


def pod_template_errors(template: Object) -> Iterator[FieldError]:
    """Yield what is wrong with a PodTemplate."""
    yield from template_errors(template["template"], "template")


def template_errors(template: Object, path: str) -> Iterator[FieldError]:
    """Yield what is wrong with a template inside of a workload."""
    meta = template.get("metadata", {})
    yield from metadata.labels(meta.get("labels", {}), f"{path}.labels")
    for key in meta.get("annotations", {}):
        yield from checked(key, lambda name: names.qualified_name(name.lower()), f"{path}.annotations")
    yield from pod_spec_errors(template["spec"], f"{path}.spec")
    if template["spec"].get("ephemeralContainers"):
        detail = "ephemeral containers not allowed in pod template"
        yield field.forbidden(f"{path}.spec.ephemeralContainers", detail)


def pod_spec_errors(spec: Object, path: str) -> Iterator[FieldError]:
    """Yield what is wrong with a pod spec at `path`."""
    yield from volumes_errors(spec, path)
    volumes = {volume.get("name", "") for volume in spec.get("volumes", ())}
    yield from containers_errors(spec, volumes, path)
    yield from one_of(spec.get("restartPolicy"), _RESTART_POLICIES, f"{path}.restartPolicy")
    yield from _dns(spec, path)
    yield from metadata.labels(spec.get("nodeSelector", {}), f"{path}.nodeSelector")
    yield from _security(spec, f"{path}.securityContext")
    for name, rule in _NAMES.items():
        if spec.get(name):
            yield from checked(spec[name], rule, f"{path}.{name}")
    yield from within(spec.get("activeDeadlineSeconds"), 1, _MAX_INT, f"{path}.activeDeadlineSeconds")
    yield from toleration_errors(spec.get("tolerations", []), f"{path}.tolerations")
    yield from affinity_errors(spec.get("affinity", {}), f"{path}.affinity")
    yield from spread_errors(spec.get("topologySpreadConstraints", []), f"{path}.topologySpreadConstraints")
    for index, alias in enumerate(spec.get("hostAliases", ())):
        yield from ip_errors(alias.get("ip", ""), f"{path}.hostAliases[{index}].ip")
        for number, host in enumerate(alias.get("hostnames", ())):
            yield from checked(host, names.dns_subdomain, f"{path}.hostAliases[{index}].hostnames[{number}]")
    for index, gate in enumerate(spec.get("readinessGates", ())):
        where = f"{path}.readinessGates[{index}].conditionType"
        yield from checked(gate.get("conditionType", ""), names.qualified_name, where)


_NAMES = {
    "hostname": names.dns_label,
    "nodeName": names.dns_subdomain,
    "priorityClassName": names.dns_subdomain,
    "serviceAccountName": names.dns_subdomain,
    "subdomain": names.dns_label,
}


def _dns(spec: Object, path: str) -> Iterator[FieldError]:
    policy, config = spec.get("dnsPolicy"), spec.get("dnsConfig", {})
    yield from one_of(policy, _DNS_POLICIES, f"{path}.dnsPolicy")
    servers = config.get("nameservers", [])
    if policy == "None" and not config:
        yield field.required(f"{path}.dnsConfig", "must provide `dnsConfig` when `dnsPolicy` is None")
    elif policy == "None" and not servers:
        detail = "must provide at least one DNS nameserver when `dnsPolicy` is None"
        yield field.required(f"{path}.dnsConfig.nameservers", detail)
    if len(servers) > 3:
        yield field.invalid(f"{path}.dnsConfig.nameservers", servers, "must not have more than 3 nameservers")
    for index, server in enumerate(servers):
        yield from ip_errors(server, f"{path}.dnsConfig.nameservers[{index}]")
    for index, domain in enumerate(config.get("searches", ())):
        if domain != ".":
            yield from checked(
                domain.removesuffix("."), names.search_domain, f"{path}.dnsConfig.searches[{index}]"
            )
    for index, option in enumerate(config.get("options", ())):
        if not option.get("name"):
            yield field.required(f"{path}.dnsConfig.options[{index}]", "must not be empty")


def _security(spec: Object, path: str) -> Iterator[FieldError]:
    context = spec.get("securityContext", {})
    for name in ("fsGroup", "runAsUser", "runAsGroup"):
        yield from within(context.get(name), 0, _MAX_INT, f"{path}.{name}")
    for index, group in enumerate(context.get("supplementalGroups", ())):
        yield from within(group, 0, _MAX_INT, f"{path}.supplementalGroups[{index}]")
    if spec.get("shareProcessNamespace") and spec.get("hostPID"):
        detail = "ShareProcessNamespace and HostPID cannot both be enabled"
        yield field.invalid(f"{path}.shareProcessNamespace", True, detail)
    taken: set[str] = set()
    for index, one in enumerate(context.get("sysctls", ())):
        where, name = f"{path}.sysctls[{index}].name", one.get("name", "")
        yield from named(name, _sysctl, where)
        if name in taken:
            yield field.duplicate(where, name)
        taken.add(name)


def _sysctl(name: str) -> list[str]:
    fine = len(name) <= 253 and _SYSCTL.fullmatch(name)
    return [] if fine else [f"must have at most 253 characters and match regex ^{_SYSCTL.pattern}$"]


def pod_update_errors(new: Object, old: Object) -> Iterator[FieldError]:
    """Yield what may not change in a pod: nearly everything."""
    after, before = new["spec"], old["spec"]
    for name in ("containers", "initContainers"):
        if len(after.get(name) or ()) != len(before.get(name) or ()):
            yield field.forbidden(f"spec.{name}", "pod updates may not add or remove containers")
            return
    yield from _image_changes(after)
    yield from _deadline_changes(after, before)
    kept = [one for one in before.get("tolerations", ()) if one in after.get("tolerations", ())]
    if len(kept) < len(before.get("tolerations", ())):
        detail = "existing toleration can not be modified except its tolerationSeconds"
        if not _only_longer(after, before):
            yield field.forbidden("spec.tolerations", detail)
            return
    if not values.equal(_frozen(after), _frozen(before)):
        yield field.forbidden("spec", _CHANGEABLE)


def _only_longer(after: Object, before: Object) -> bool:
    """Say whether every toleration is still there, its seconds aside."""

    def identities(spec: Object) -> list[Object]:
        return [
            {k: v for k, v in one.items() if k != "tolerationSeconds"} for one in spec.get("tolerations", ())
        ]

    return all(one in identities(after) for one in identities(before))


def _image_changes(spec: Object) -> Iterator[FieldError]:
    for name in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(name) or ()):
            if not container.get("image"):
                yield field.required(f"spec.{name}[{index}].image")


def _deadline_changes(after: Object, before: Object) -> Iterator[FieldError]:
    path, new, old = (
        "spec.activeDeadlineSeconds",
        after.get("activeDeadlineSeconds"),
        before.get("activeDeadlineSeconds"),
    )
    yield from within(new, 1, _MAX_INT, path)
    if old is not None and new is None:
        yield field.invalid(path, new, "must not update from a positive integer to nil value")
    elif old is not None and new is not None and new > old:
        yield field.invalid(path, new, "must be less than or equal to previous value")


def _frozen(spec: Object) -> Object:
    """Return what may not change, with all that may taken out."""
    frozen = {
        name: value for name, value in spec.items() if name not in {"activeDeadlineSeconds", "tolerations"}
    }
    for name in {"containers", "initContainers"} & frozen.keys():
        frozen[name] = [{**container, "image": ""} for container in frozen[name] or ()]
    if frozen.get("terminationGracePeriodSeconds") == 1:
        frozen["terminationGracePeriodSeconds"] = -1
    return frozen
