"""A container's environment, command and arguments.

https://kubernetes.io/docs/tasks/inject-data-application/. Pure: what containers refer to has been fetched before.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from lab.kube.resources import Json
from lab.pocket.agent.bundle import amount as quantity_value
from lab.pocket.agent.errors import ConfigError

VARIABLE: Final = re.compile(r"\$(\$|\(([-._a-zA-Z][-._a-zA-Z0-9]*)\))")


@dataclass(frozen=True, slots=True)
class References:
    """ConfigMaps and Secrets by name; those that do not exist are not in the maps."""

    config_maps: Mapping[str, Json] = field(default_factory=dict)
    secrets: Mapping[str, Json] = field(default_factory=dict)


def text_of(item: Json) -> dict[str, bytes]:
    """Return the contents of a ConfigMap or Secret."""
    if item.get("kind") == "Secret":
        return {key: base64.b64decode(value) for key, value in (item.get("data") or {}).items()}
    plain = {key: value.encode() for key, value in (item.get("data") or {}).items()}
    return plain | {key: base64.b64decode(value) for key, value in (item.get("binaryData") or {}).items()}


def environment(
    pod: Json,
    container: Json,
    *,
    image: Mapping[str, str],
    services: Iterable[Json],
    node: Json,
    references: References,
) -> dict[str, str]:
    """Return the variables of a container; raises ConfigError when a reference that is not optional is missing.

    From weakest to strongest: the image's, the Services', envFrom, env.
    """
    found = {**image, "HOSTNAME": hostname(pod), **_of_services(pod, services)}
    for source in container.get("envFrom") or ():
        found |= _from(source, references)
    own: dict[str, str] = {}
    for entry in container.get("env") or ():
        if "valueFrom" in entry:
            value = _value_from(pod, container, entry["valueFrom"], node, references)
            if value is None:
                continue
        else:
            value = expand(entry.get("value", ""), {**found, **own})
        own[entry["name"]] = value
    return found | own


def command_line(
    container: Json, *, entrypoint: Sequence[str], command: Sequence[str], variables: Mapping[str, str]
) -> list[str]:
    """Return what to execute: the container's command replaces the image's entrypoint and its command as well."""
    head = container.get("command")
    tail = container.get("args")
    words = [*(head or entrypoint), *(tail if tail is not None else () if head else command)]
    if not words:
        raise ConfigError("no command specified")
    return [expand(word, variables) for word in words]


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replace $(NAME) by its value if there is one; $$ is a dollar sign."""

    def value(match: re.Match[str]) -> str:
        if match[1] == "$":
            return "$"
        return variables.get(match[2], match[0])

    return VARIABLE.sub(value, text)


def hostname(pod: Json) -> str:
    """Return the name of the host that a pod's processes see: with the node's network, the node's."""
    spec = pod["spec"]
    if spec.get("hostNetwork"):
        return str(spec.get("nodeName", ""))
    name: str = spec.get("hostname") or pod["metadata"]["name"]
    return name[:63].rstrip("-.")


def _of_services(pod: Json, services: Iterable[Json]) -> dict[str, str]:
    """Return the variables that name the Services of the pod's namespace, and always those of the API."""
    found: dict[str, str] = {}
    for service in services:
        metadata, spec = service["metadata"], service["spec"]
        is_api = (metadata["namespace"], metadata["name"]) == ("default", "kubernetes")
        near = (
            pod["spec"].get("enableServiceLinks", True)
            and metadata["namespace"] == pod["metadata"]["namespace"]
        )
        if (is_api or near) and spec.get("clusterIP") not in {None, "", "None"} and spec.get("ports"):
            found |= _of_service(metadata["name"], spec)
    return found


def _of_service(service: str, spec: Json) -> dict[str, str]:
    prefix, ip = service.upper().replace("-", "_"), spec["clusterIP"]
    first = spec["ports"][0]
    url = f"{first.get('protocol', 'TCP').lower()}://{ip}:{first['port']}"
    found = {
        f"{prefix}_SERVICE_HOST": ip,
        f"{prefix}_SERVICE_PORT": str(first["port"]),
        f"{prefix}_PORT": url,
    }
    for port in spec["ports"]:
        protocol = port.get("protocol", "TCP")
        if port.get("name"):
            found[f"{prefix}_SERVICE_PORT_{port['name'].upper().replace('-', '_')}"] = str(port["port"])
        name = f"{prefix}_PORT_{port['port']}_{protocol}"
        found |= {
            name: f"{protocol.lower()}://{ip}:{port['port']}",
            f"{name}_PROTO": protocol.lower(),
            f"{name}_PORT": str(port["port"]),
            f"{name}_ADDR": ip,
        }
    return found


def _from(source: Json, references: References) -> dict[str, str]:
    for kind, known in (("configMapRef", references.config_maps), ("secretRef", references.secrets)):
        if reference := source.get(kind):
            item = known.get(reference["name"])
            if item is None and not reference.get("optional"):
                raise ConfigError(_missing(kind.removesuffix("Ref"), reference["name"]))
            prefix = source.get("prefix", "")
            return {
                prefix + key: value.decode(errors="replace") for key, value in text_of(item or {}).items()
            }
    return {}


def _missing(kind: str, name: str) -> str:
    return f'{kind.lower()} "{name}" not found'


def _value_from(pod: Json, container: Json, source: Json, node: Json, references: References) -> str | None:
    if reference := source.get("fieldRef"):
        return field_value(pod, reference["fieldPath"], node)
    if reference := source.get("resourceFieldRef"):
        return resource_value(container, reference, node)
    for kind, known in (("configMapKeyRef", references.config_maps), ("secretKeyRef", references.secrets)):
        if reference := source.get(kind):
            return _key(kind.removesuffix("KeyRef"), known, reference)
    raise ConfigError(f"valueFrom: nothing known in {sorted(source)}")


def _key(kind: str, known: Mapping[str, Json], reference: Json) -> str | None:
    item = known.get(reference["name"])
    value = text_of(item).get(reference["key"]) if item else None
    if value is None and not reference.get("optional"):
        if item is None:
            raise ConfigError(_missing(kind, reference["name"]))
        raise ConfigError(f"couldn't find key {reference['key']} in {kind} {reference['name']}")
    return None if value is None else value.decode(errors="replace")


def field_value(pod: Json, path: str, node: Json) -> str:
    """Return a field of the pod as the downward API writes it."""
    metadata, spec, status = pod["metadata"], pod["spec"], pod.get("status") or {}
    addresses = [
        each["address"]
        for each in (node.get("status") or {}).get("addresses") or ()
        if each["type"] == "InternalIP"
    ]
    simple = {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata["namespace"],
        "metadata.uid": metadata["uid"],
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.serviceAccountName": spec.get("serviceAccountName", "default"),
        "status.podIP": status.get("podIP", ""),
        "status.podIPs": ",".join(each["ip"] for each in status.get("podIPs") or ()),
        "status.hostIP": next(iter(addresses), ""),
        "status.hostIPs": ",".join(addresses),
    }
    if path in simple:
        return str(simple[path])
    for kind in ("labels", "annotations"):
        known: Mapping[str, str] = metadata.get(kind) or {}
        if path == f"metadata.{kind}":
            return "\n".join(f'{key}="{_escaped(value)}"' for key, value in sorted(known.items()))
        if path.startswith(f"metadata.{kind}['") and path.endswith("']"):
            return known.get(path[len(f"metadata.{kind}['") : -2], "")
    raise ConfigError(f"fieldRef: no field {path}")


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def resource_value(container: Json, reference: Json, node: Json) -> str:
    """Return a container's request or limit, rounded up to its divisor; without a limit, the node's capacity."""
    kind, _, resource = reference["resource"].partition(".")
    resources: Mapping[str, Any] = container.get("resources") or {}
    amount = (resources.get(kind) or {}).get(resource)
    if amount is None:
        room = (node.get("status") or {}).get("allocatable") or {}
        amount = room.get(resource, "0") if kind == "limits" else "0"
    divisor = reference.get("divisor") or "1"
    return str(math.ceil(quantity_value(amount) / (quantity_value(divisor) or 1)))
