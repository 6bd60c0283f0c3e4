"""The IP families of a Service and its linked fields clusterIP and clusterIPs (KEP-563, dual stack)."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from lab.pocket.api.errors import InvalidError
from lab.pocket.api.field import FieldError, invalid
from lab.pocket.api.validation.addresses import cluster_ip_errors

__all__ = ["choose", "needs_addresses", "normalize"]

Object = dict[str, Any]
_POLICY, _ADDRESSES, _FAMILIES = "spec.ipFamilyPolicy", "spec.clusterIPs", "spec.ipFamilies"
_SINGLE, _PREFER, _REQUIRE = "SingleStack", "PreferDualStack", "RequireDualStack"
_OTHER = {"IPv4": "IPv6", "IPv6": "IPv4"}


def needs_addresses(service: Object) -> bool:
    return bool(service["spec"]["type"] != "ExternalName")


def normalize(service: Object, old: Object | None) -> None:
    """Bring clusterIP and clusterIPs together where an old client knows only the first of them."""
    new = service["spec"]
    if old is None:
        if new.get("clusterIP") and not new.get("clusterIPs"):
            new["clusterIPs"] = [new["clusterIP"]]
        return
    was = old["spec"]
    same = new.get("clusterIP", "") == was.get("clusterIP", "")
    if was.get("clusterIPs") and not new.get("clusterIPs") and same:
        new["clusterIPs"] = list(was["clusterIPs"])
    if not same and new.get("clusterIPs", []) == was.get("clusterIPs", []):
        if new.get("clusterIP"):
            new["clusterIPs"] = [new["clusterIP"]]
        else:
            new.pop("clusterIPs", None)


def choose(service: Object, old: Object | None, configured: list[str]) -> None:
    """Write ipFamilyPolicy and ipFamilies; `configured` are the cluster's families, the default one first.

    Raises InvalidError.
    """
    spec = service["spec"]
    if not needs_addresses(service) or (old is not None and _prefers_dual_unchanged(service, old)):
        return
    selectorless = spec.get("clusterIP") == "None" and not spec.get("selector")
    if not spec.get("ipFamilyPolicy"):
        inherited = (old or {"spec": {}})["spec"].get("ipFamilyPolicy")
        spec["ipFamilyPolicy"] = inherited or (_REQUIRE if selectorless else _SINGLE)
    _refuse(cluster_ip_errors(service, old))
    errors = _change_errors(spec, old["spec"]) if old is not None else []
    _refuse([*errors, *_single_errors(spec), *_infer(spec, configured)])
    if not selectorless:
        _refuse(_configured_errors(spec, configured))
    chosen = spec.get("ipFamilies") or [configured[0]]
    if spec["ipFamilyPolicy"] != _SINGLE and len(chosen) == 1 and (selectorless or len(configured) == 2):
        chosen = [*chosen, _OTHER[chosen[0]]]
    spec["ipFamilies"] = chosen


def _refuse(errors: list[FieldError]) -> None:
    if errors:
        raise InvalidError(errors)


def _prefers_dual_unchanged(service: Object, old: Object) -> bool:
    """Say whether the update leaves a PreferDualStack Service alone; a change of the cluster must not touch it."""
    new, was = service["spec"], old["spec"]
    return bool(
        new.get("ipFamilyPolicy") == was.get("ipFamilyPolicy", _PREFER) == _PREFER
        and new["type"] == was["type"]
        and new.get("clusterIPs") == was.get("clusterIPs")
        and new.get("ipFamilies") == was.get("ipFamilies")
    )


def _change_errors(new: Object, was: Object) -> list[FieldError]:
    """Shrink an update that asks for a single stack; refuse one that shrinks without asking."""
    errors = []
    for name, what in (("clusterIPs", "cluster IP"), ("ipFamilies", "IP family")):
        values, before = new.get(name, []), was.get(name, [])
        if new["ipFamilyPolicy"] == _SINGLE:
            if values == before and len(values) > 1:
                new[name] = values[:1]
        elif 0 < len(values) < len(before):
            detail = f"must be 'SingleStack' to release the secondary {what}"
            errors.append(invalid(_POLICY, new["ipFamilyPolicy"], detail))
    return errors


def _single_errors(spec: Object) -> list[FieldError]:
    detail = "must be 'RequireDualStack' or 'PreferDualStack' when multiple {} are specified"
    return [
        invalid(_POLICY, spec["ipFamilyPolicy"], detail.format(what))
        for name, what in (("clusterIPs", "cluster IPs"), ("ipFamilies", "IP families"))
        if spec["ipFamilyPolicy"] == _SINGLE and len(spec.get(name, [])) == 2
    ]


def _infer(spec: Object, configured: list[str]) -> list[FieldError]:
    """Append the families of addresses that have none yet."""
    addresses = spec.get("clusterIPs", [])
    errors = []
    for index, address in enumerate(addresses):
        if address == "None":
            break
        family = f"IPv{ip_address(address).version}"
        if index < len(spec.get("ipFamilies", [])):
            continue
        if family in configured:
            spec["ipFamilies"] = [*spec.get("ipFamilies", []), family]
        else:
            errors.append(
                invalid(f"{_ADDRESSES}[{index}]", addresses, f"{family} is not configured on this cluster")
            )
    return errors


def _configured_errors(spec: Object, configured: list[str]) -> list[FieldError]:
    errors = []
    if spec["ipFamilyPolicy"] == _REQUIRE and len(configured) < 2:
        detail = "this cluster is not configured for dual-stack services"
        errors.append(invalid(_POLICY, spec["ipFamilyPolicy"], detail))
    for index, family in enumerate(spec.get("ipFamilies", [])):
        if family not in configured:
            errors.append(invalid(f"{_FAMILIES}[{index}]", family, "not configured on this cluster"))
    return errors
