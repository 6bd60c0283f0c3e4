"""Services from the request to what is stored, or to the refusal, as a real dual-stack kube-apiserver does it."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest

from lab.pocket.api import defaults, merge_patch, schema, services, validation, values
from lab.pocket.api.errors import AllocationError, InvalidError
from tests.unit.pocket.api.answers import Case, causes, load

VECTORS = load("services")
SERVICE = schema.builtin("", "v1", "Service")
assert SERVICE is not None
POOLS = services.Pools(networks=(ip_network("10.96.0.0/16"), ip_network("fd00:10:96::/112")))
Object = dict[str, Any]


def completed(obj: Object) -> Object:
    assert SERVICE is not None
    processed = schema.process(obj, SERVICE)
    assert not processed.malformed
    defaults.apply(processed.object, SERVICE)
    processed.object |= {"apiVersion": "v1", "kind": "Service"}
    processed.object["metadata"].setdefault("namespace", "default")
    return processed.object


def stored(obj: Object) -> Object:
    made = completed(obj)
    services.allocate(made, None, pools=POOLS, used=[])
    made["metadata"] |= {"resourceVersion": "1", "uid": "u"}
    return made


STORED = {request["body"]["metadata"]["name"]: stored(request["body"]) for request in VECTORS["setup"]}
EVERYTHING = services.Used(
    set().union(*(services.holdings(service).addresses for service in STORED.values())),
    set().union(*(services.holdings(service).node_ports for service in STORED.values())),
)


def created(body: Object) -> Object:
    new = completed(body)
    if "generateName" in new["metadata"]:
        new["metadata"]["name"] = f"{new['metadata']['generateName']}abcde"
    new["status"] = {"loadBalancer": {}}
    services.allocate(new, None, pools=POOLS, used=[EVERYTHING])
    if errors := validation.create_errors(new, namespaced=True):
        raise InvalidError(errors)
    return new


def updated(old: Object, patch: Object) -> Object:
    new = completed(merge_patch.apply(old, patch))
    new["status"] = old["status"]
    services.drop_type_dependent(new, old)
    services.allocate(new, old, pools=POOLS, used=[EVERYTHING])
    if errors := validation.update_errors(new, old):
        raise InvalidError(errors)
    return new


def status_updated(old: Object, patch: Object) -> Object:
    new = {**completed(merge_patch.apply(old, patch)), "spec": old["spec"]}
    if errors := validation.status_update_errors(new, old):
        raise InvalidError(errors)
    return new


def answered(case: Case) -> Object:
    name, _, subresource = case["path"].partition("/services")[2].strip("/").partition("/")
    if not name:
        return created(case["body"])
    return (status_updated if subresource else updated)(STORED[name], case["body"])


def without_luck(obj: Object, given: str) -> Object:
    """Replace what was allocated at random, in this object and not in what was `given`, by a word."""
    spec = obj["spec"] = values.copy(obj["spec"])
    obj["metadata"] = {"name": obj["metadata"]["name"]}
    if spec.get("clusterIPs"):
        spec["clusterIPs"] = [
            ip if ip in given or ip == "None" else f"IPv{4 + 2 * (':' in ip)}" for ip in spec["clusterIPs"]
        ]
        spec["clusterIP"] = spec["clusterIPs"][0]
    for entry in [spec, *spec.get("ports", ())]:
        for name in {"nodePort", "healthCheckNodePort"} & entry.keys():
            entry[name] = entry[name] if str(entry[name]) in given else "allocated"
    return obj


def params() -> list[Any]:
    return [pytest.param(case, id=case["name"]) for case in VECTORS["cases"]]


@pytest.mark.parametrize("case", params())
def test_as_a_real_server(case: Case) -> None:
    given = f"{case['body']} {STORED.get(case['path'].split('/')[6] if case['path'].count('/') > 5 else '')}"
    answer = case["answer"]
    if answer["code"] < 300:
        assert without_luck(answered(case), given) == without_luck(answer["object"], given)
        return
    with pytest.raises((InvalidError, AllocationError)) as caught:
        answered(case)
    if isinstance(caught.value, InvalidError):
        assert causes(caught.value.errors) == answer["causes"]
    else:
        assert answer["message"] == f"Internal error occurred: {caught.value.message}"


def test_a_bad_prefix_makes_two_errors() -> None:
    with pytest.raises(InvalidError) as caught:
        created({"metadata": {"generateName": "A_"}, "spec": {"ports": [{"port": 80}]}})
    assert [error.path for error in caught.value.errors] == ["metadata.generateName", "metadata.name"]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            {"clusterIP": "10.97.0.1"},
            "failed to allocate IP 10.97.0.1: the provided network does not match the current range",
        ),
        ({"clusterIP": "10.96.8.1"}, "provided IP is already allocated"),
        ({"clusterIP": "10.96.0.0"}, "the provided network does not match"),
        (
            {"type": "NodePort", "ports": [{"port": 1, "nodePort": 80}]},
            "The range of valid ports is 30000-32767",
        ),
        (
            {"type": "NodePort", "ports": [{"port": 1, "nodePort": 30182}]},
            "provided port is already allocated",
        ),
    ],
)
def test_what_is_taken_or_out_of_range(spec: Object, message: str) -> None:
    with pytest.raises(InvalidError) as caught:
        created({"metadata": {"name": "x"}, "spec": {"ports": [{"port": 80}], **spec}})
    assert message in caught.value.message


def small(**spec: Any) -> Object:
    return completed(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "x"},
            "spec": {"ports": [{"port": 80}], **spec},
        }
    )


def test_every_address_and_port_is_given_once_and_then_none_is_left() -> None:
    pools = services.Pools(networks=(ip_network("192.0.2.0/28"),), node_ports=range(30000, 30020))
    used = services.Used()
    for _ in range(14):
        one = small(type="NodePort")
        services.allocate(one, None, pools=pools, used=[used])
        held = services.holdings(one)
        assert not held.addresses & used.addresses
        assert not held.node_ports & used.node_ports
        used.addresses |= held.addresses
        used.node_ports |= held.node_ports
    with pytest.raises(AllocationError, match="is full"):
        services.allocate(small(), None, pools=pools, used=[used])
    used.node_ports |= set(pools.node_ports)
    with pytest.raises(AllocationError, match="nodePort"):
        services.allocate(
            small(type="NodePort", clusterIP="192.0.2.1"),
            None,
            pools=pools,
            used=[services.Used(set(), used.node_ports)],
        )


def test_a_single_stack_cluster_refuses_two_families() -> None:
    pools = services.Pools(networks=(ip_network("10.96.0.0/16"),))
    with pytest.raises(InvalidError, match="this cluster is not configured for dual-stack services"):
        services.allocate(small(ipFamilyPolicy="RequireDualStack"), None, pools=pools, used=[])
    with pytest.raises(InvalidError, match="not configured on this cluster"):
        services.allocate(small(ipFamilies=["IPv6"]), None, pools=pools, used=[])
    one = small(ipFamilyPolicy="PreferDualStack")
    services.allocate(one, None, pools=pools, used=[])
    assert one["spec"]["ipFamilies"] == ["IPv4"]
