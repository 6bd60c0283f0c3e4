"""Nodes."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

from lab.pocket.api import field, names, quantity
from lab.pocket.api.field import FieldError
from lab.pocket.api.validation.addresses import network_errors
from lab.pocket.api.validation.rules import checked, one_of
from lab.pocket.api.validation.scheduling import EFFECTS

__all__ = ["node_errors", "node_status_errors", "node_update_errors"]

Object = dict[str, Any]


def node_errors(node: Object) -> Iterator[FieldError]:
    spec = node["spec"]
    yield from _taints(spec.get("taints", []))
    networks = spec.get("podCIDRs", [])
    wrong = [
        error
        for index, text in enumerate(networks)
        for error in network_errors(text, f"spec.podCIDRs[{index}]")
    ]
    yield from wrong
    if not wrong and len({ip_network(text).version for text in networks}) < len(networks):
        detail = "may specify no more than one CIDR for each IP family"
        yield field.invalid("spec.podCIDRs", networks, detail)


def _taints(taints: list[Object]) -> Iterator[FieldError]:
    taken: set[tuple[str, str]] = set()
    for index, taint in enumerate(taints):
        path, key, effect = f"metadata.taints[{index}]", taint.get("key", ""), taint.get("effect", "")
        yield from checked(key, names.qualified_name, f"{path}.key")
        yield from checked(taint.get("value", ""), names.label_value, f"{path}.value")
        yield from one_of(effect, EFFECTS, f"{path}.effect")
        if (key, effect) in taken:
            shown = {"Key": key, "Value": taint.get("value", ""), "Effect": effect, "TimeAdded": None}
            detail = "taints must be unique by key and effect pair"
            yield field.FieldError(field.Kind.DUPLICATE, path, shown, detail)
        taken.add((key, effect))


def node_update_errors(new: Object, old: Object) -> Iterator[FieldError]:
    after, before = new["spec"], old["spec"]
    if before.get("podCIDRs") and after.get("podCIDRs") != before["podCIDRs"]:
        yield field.forbidden("spec.podCIDRs", 'node updates may not change podCIDR except from "" to valid')
    if before.get("providerID") and after.get("providerID") != before["providerID"]:
        yield field.forbidden(
            "spec.providerID", 'node updates may not change providerID except from "" to valid'
        )
    yield from _taints(after.get("taints", []))


def node_status_errors(new: Object, _old: Object) -> Iterator[FieldError]:
    status = new.get("status", {})
    for name in ("capacity", "allocatable"):
        for resource, amount in status.get(name, {}).items():
            if quantity.parse(amount) < 0:
                yield field.invalid(f"status.{name}.{resource}", amount, "must be greater than or equal to 0")
    addresses = status.get("addresses", [])
    for index, address in enumerate(addresses):
        if address in addresses[:index]:
            shown = {"Type": address.get("type", ""), "Address": address.get("address", "")}
            yield field.duplicate(f"status.addresses[{index}]", shown)
