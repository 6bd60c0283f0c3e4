"""Containers of a pod: names, ports, environment, mounts, probes, resources."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

from lab.pocket.api import field, names, quantity
from lab.pocket.api.field import FieldError
from lab.pocket.api.validation.rules import checked, named, non_negative, one_of, within

__all__ = ["container_errors", "containers_errors", "field_reference_errors"]

Object = dict[str, Any]
_PROTOCOLS = ("SCTP", "TCP", "UDP")
_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_RESTART_POLICIES = ("Always", "OnFailure", "Never")
_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc", "sleep")
_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
_RESOURCES = ("cpu", "ephemeral-storage", "memory")
_MEASURES = tuple(f"{kind}.{name}" for kind in ("limits", "requests") for name in _RESOURCES)
_FIELDS = {
    "metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName",
    "spec.serviceAccountName", "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs",
}  # fmt: skip
_MAX_INT = 2**31 - 1


def containers_errors(spec: Object, volumes: Collection[str], path: str) -> Iterator[FieldError]:
    """Yield what is wrong with the containers and init containers of a pod spec at `path`."""
    containers, initial = spec.get("containers") or [], spec.get("initContainers", [])
    if not containers:
        yield field.required(f"{path}.containers")
    taken: set[str] = set()
    for index, container in enumerate(containers):
        where = f"{path}.containers[{index}]"
        yield from container_errors(container, volumes, where)
        yield from _unique_name(container, taken, where)
    for index, container in enumerate(initial):
        where = f"{path}.initContainers[{index}]"
        yield from container_errors(container, volumes, where)
        yield from _unique_name(container, taken, where)
        yield from _initial(container, where)
    yield from _host_ports(spec, f"{path}.containers")


def _unique_name(container: Object, taken: set[str], path: str) -> Iterator[FieldError]:
    name = container.get("name", "")
    if name and name in taken:
        yield field.duplicate(f"{path}.name", name)
    taken.add(name)


def _initial(container: Object, path: str) -> Iterator[FieldError]:
    if container.get("restartPolicy") != "Always":
        for name in ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe"):
            if name in container:
                yield field.forbidden(
                    f"{path}.{name}", "may not be set for init containers without restartPolicy=Always"
                )


def container_errors(container: Object, volumes: Collection[str], path: str) -> Iterator[FieldError]:
    """Yield what is wrong with one container; `volumes` are the names that it may mount."""
    yield from named(container.get("name", ""), names.dns_label, f"{path}.name")
    image = container.get("image", "")
    if not image:
        yield field.required(f"{path}.image")
    elif image != image.strip():
        yield field.invalid(f"{path}.image", image, "must not have leading or trailing whitespace")
    policy = container.get("terminationMessagePolicy")
    yield from one_of(policy, ("File", "FallbackToLogsOnError"), f"{path}.terminationMessagePolicy")
    yield from one_of(container.get("imagePullPolicy"), _PULL_POLICIES, f"{path}.imagePullPolicy")
    if "restartPolicy" in container:
        yield from one_of(container["restartPolicy"], _RESTART_POLICIES, f"{path}.restartPolicy")
    yield from _ports(container.get("ports", []), f"{path}.ports")
    yield from _environment(container, path)
    yield from _mounts(container.get("volumeMounts", []), volumes, f"{path}.volumeMounts")
    yield from _probes(container, path)
    yield from _resources(container.get("resources", {}), f"{path}.resources")
    yield from _security(container.get("securityContext", {}), f"{path}.securityContext")


def _ports(ports: list[Object], path: str) -> Iterator[FieldError]:
    taken: set[str] = set()
    for index, port in enumerate(ports):
        where, name, number = f"{path}[{index}]", port.get("name", ""), port.get("containerPort", 0)
        if name:
            wrong = list(checked(name, names.port_name, f"{where}.name"))
            yield from wrong
            if name in taken and not wrong:
                yield field.duplicate(f"{where}.name", name)
            taken.add(name)
        if number:
            yield from checked(number, names.port_number, f"{where}.containerPort")
        else:
            yield field.required(f"{where}.containerPort")
        if port.get("hostPort"):
            yield from checked(port["hostPort"], names.port_number, f"{where}.hostPort")
        yield from one_of(port.get("protocol"), _PROTOCOLS, f"{where}.protocol")


def _host_ports(spec: Object, path: str) -> Iterator[FieldError]:
    taken: set[str] = set()
    for number, container in enumerate(spec.get("containers") or ()):
        for index, port in enumerate(container.get("ports", ())):
            where, host = f"{path}[{number}].ports[{index}].hostPort", port.get("hostPort")
            if not host:
                continue
            key = f"{port.get('protocol', '')}/{port.get('hostIP', '')}/{host}"
            if key in taken:
                yield field.duplicate(where, key)
            taken.add(key)
            if spec.get("hostNetwork") and host != port.get("containerPort"):
                yield field.invalid(where, host, "must match `containerPort` when `hostNetwork` is true")


def _environment(container: Object, path: str) -> Iterator[FieldError]:
    for index, variable in enumerate(container.get("env", ())):
        where = f"{path}.env[{index}]"
        yield from named(variable.get("name", ""), names.relaxed_env_name, f"{where}.name")
        if "valueFrom" in variable:
            yield from _source(variable, f"{where}.valueFrom")
    for index, entry in enumerate(container.get("envFrom", ())):
        where = f"{path}.envFrom[{index}]"
        if entry.get("prefix"):
            yield from checked(entry["prefix"], names.relaxed_env_name, f"{where}.prefix")
        given = [name for name in ("configMapRef", "secretRef") if name in entry]
        if not given:
            yield field.invalid(f"{path}.envFrom", "", "must specify one of: `configMapRef` or `secretRef`")
        elif len(given) > 1:
            yield field.invalid(f"{path}.envFrom", "", "may not have more than one field specified at a time")
        for name in given:
            if not entry[name].get("name"):
                yield field.required(f"{where}.{name}.name")


def _source(variable: Object, path: str) -> Iterator[FieldError]:
    source = variable["valueFrom"]
    given = [name for name in _SOURCES if name in source]
    if not given:
        listed = f"{', '.join(f'`{name}`' for name in _SOURCES[:-1])} or `{_SOURCES[-1]}`"
        yield field.invalid(path, "", f"must specify one of: {listed}")
    elif len(given) > 1:
        yield field.invalid(path, "", "may not have more than one field specified at a time")
    elif variable.get("value"):
        yield field.invalid(path, "", "may not be specified when `value` is not empty")
    if "fieldRef" in source:
        yield from field_reference_errors(source["fieldRef"], f"{path}.fieldRef")
    if "resourceFieldRef" in source:
        resource = source["resourceFieldRef"].get("resource", "")
        yield from one_of(resource, _MEASURES, f"{path}.resourceFieldRef.resource")
    for name in {"configMapKeyRef", "secretKeyRef"} & source.keys():
        yield from checked(source[name].get("name", ""), names.dns_subdomain, f"{path}.{name}.name")
        yield from named(source[name].get("key", ""), names.config_map_key, f"{path}.{name}.key")


def field_reference_errors(reference: Object, path: str) -> Iterator[FieldError]:
    """Yield what is wrong with a reference to a field of the pod itself."""
    text = reference.get("fieldPath", "")
    name, _, key = text.partition("['")
    if not text:
        yield field.required(f"{path}.fieldPath")
    elif name not in _FIELDS:
        yield field.invalid(
            f"{path}.fieldPath", text, f"error converting fieldPath: field label not supported: {text}"
        )
    elif key:
        yield from checked(key.removesuffix("']"), names.qualified_name, path)


def _mounts(mounts: list[Object], volumes: Collection[str], path: str) -> Iterator[FieldError]:
    taken: set[str] = set()
    for index, mount in enumerate(mounts):
        where, name, target = f"{path}[{index}]", mount.get("name", ""), mount.get("mountPath", "")
        if not name:
            yield field.required(f"{where}.name")
        if name not in volumes:
            yield field.not_found(f"{where}.name", name)
        if not target:
            yield field.required(f"{where}.mountPath")
        if target in taken:
            yield field.invalid(f"{where}.mountPath", target, "must be unique")
        taken.add(target)
        inner = mount.get("subPath", "")
        if inner.startswith("/"):
            yield field.invalid(f"{path}.subPath", inner, "must be a relative path")
        if ".." in inner.split("/"):
            yield field.invalid(f"{path}.subPath", inner, "must not contain '..'")


def _probes(container: Object, path: str) -> Iterator[FieldError]:
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        probe = container.get(name)
        if probe is None:
            continue
        where = f"{path}.{name}"
        yield from _handler(probe, where)
        for number in (
            "initialDelaySeconds",
            "timeoutSeconds",
            "periodSeconds",
            "successThreshold",
            "failureThreshold",
        ):
            yield from non_negative(probe.get(number), f"{where}.{number}")
        if name != "readinessProbe" and probe.get("successThreshold", 1) != 1:
            yield field.invalid(f"{where}.successThreshold", probe["successThreshold"], "must be 1")
    for name, handler in container.get("lifecycle", {}).items():
        if isinstance(handler, dict):
            yield from _handler(handler, f"{path}.lifecycle.{name}")


def _handler(handler: Object, path: str) -> Iterator[FieldError]:
    given = [name for name in _HANDLERS if name in handler]
    if not given:
        yield field.required(path, "must specify a handler type")
    for name in given[1:]:
        yield field.forbidden(f"{path}.{name}", "may not specify more than 1 handler type")
    if not given:
        return
    kind, action = given[0], handler[given[0]]
    if kind == "exec":
        if not action.get("command"):
            yield field.required(f"{path}.exec.command")
    elif kind in {"httpGet", "tcpSocket", "grpc"}:
        port = action.get("port", 0)
        yield from checked(
            port, names.port_name if isinstance(port, str) else names.port_number, f"{path}.{kind}.port"
        )
        if kind == "httpGet":
            yield from one_of(action.get("scheme"), ("HTTP", "HTTPS"), f"{path}.httpGet.scheme")


def _resources(resources: Object, path: str) -> Iterator[FieldError]:
    limits, requests = resources.get("limits", {}), resources.get("requests", {})
    for kind, amounts in (("limits", limits), ("requests", requests)):
        for name, amount in amounts.items():
            yield from _amount(name, amount, f"{path}.{kind}[{name}]")
    for name, amount in requests.items():
        limit = limits.get(name)
        if limit is None:
            if not _overcommits(name):
                yield field.required(f"{path}.limits", "Limit must be set for non overcommitable resources")
        elif not _overcommits(name) and quantity.parse(amount) != quantity.parse(limit):
            yield field.invalid(f"{path}.requests", amount, f"must be equal to {name} limit of {limit}")
        elif quantity.parse(amount) > quantity.parse(limit):
            yield field.invalid(
                f"{path}.requests", amount, f"must be less than or equal to {name} limit of {limit}"
            )


def _overcommits(name: str) -> bool:
    return "/" not in name and not name.startswith("hugepages-")


def _amount(name: str, amount: str, path: str) -> Iterator[FieldError]:
    if "/" in name:
        yield from checked(name, names.qualified_name, path)
        if quantity.parse(amount) % 1:
            yield field.invalid(path, amount, "must be an integer")
    elif name not in _RESOURCES and not name.startswith("hugepages-"):
        yield field.invalid(path, name, "must be a standard resource type or fully qualified")
        yield field.invalid(path, name, "must be a standard resource for containers")
    if quantity.parse(amount) < 0:
        yield field.invalid(path, amount, "must be greater than or equal to 0")


def _security(context: Object, path: str) -> Iterator[FieldError]:
    for name in ("runAsUser", "runAsGroup"):
        yield from within(context.get(name), 0, _MAX_INT, f"{path}.{name}")
    if context.get("allowPrivilegeEscalation") is False:
        if context.get("privileged"):
            detail = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
            yield field.invalid(path, context, detail)
        if any(
            re.fullmatch("(CAP_)?SYS_ADMIN", name) for name in context.get("capabilities", {}).get("add", ())
        ):
            detail = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
            yield field.invalid(path, context, detail)
