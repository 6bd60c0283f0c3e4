"""Services: what is allocated, what is immutable, what a type brings and takes away."""

from __future__ import annotations

import ipaddress

import pytest

from tests.contract.client import Api, Json

PORT: Json = {"port": 80, "protocol": "TCP"}


@pytest.fixture
def services(core: str) -> str:
    return f"{core}/services"


def service(name: str, **spec: object) -> Json:
    return {"metadata": {"name": name}, "spec": {"ports": [PORT], **spec}}


def test_defaults(api: Api, services: str) -> None:
    created = api.create(services, service("a", selector={"app": "x"}))
    spec = created["spec"]
    assert ipaddress.ip_address(spec["clusterIP"]).is_private
    assert spec["clusterIPs"] == [spec["clusterIP"]]
    assert spec["ports"] == [{**PORT, "targetPort": 80}]
    assert {
        key: spec[key] for key in ("type", "sessionAffinity", "ipFamilyPolicy", "internalTrafficPolicy")
    } == {
        "type": "ClusterIP",
        "sessionAffinity": "None",
        "ipFamilyPolicy": "SingleStack",
        "internalTrafficPolicy": "Cluster",
    }
    assert created["status"] == {"loadBalancer": {}}


def test_a_load_balancer_has_node_ports(api: Api, services: str) -> None:
    spec = api.create(services, service("a", type="LoadBalancer"))["spec"]
    assert 30000 <= spec["ports"][0]["nodePort"] <= 32767
    assert spec["externalTrafficPolicy"] == "Cluster"
    assert spec["allocateLoadBalancerNodePorts"] is True


def test_a_load_balancer_may_do_without_node_ports(api: Api, services: str) -> None:
    spec = api.create(services, service("a", type="LoadBalancer", allocateLoadBalancerNodePorts=False))[
        "spec"
    ]
    assert "nodePort" not in spec["ports"][0]


def test_local_traffic_gets_a_health_check_port(api: Api, services: str) -> None:
    body = service("a", type="LoadBalancer", externalTrafficPolicy="Local")
    spec = api.create(services, body)["spec"]
    assert 30000 <= spec["healthCheckNodePort"] <= 32767
    assert spec["healthCheckNodePort"] != spec["ports"][0]["nodePort"]


def test_headless_and_external_name(api: Api, services: str) -> None:
    assert api.create(services, service("a", clusterIP="None"))["spec"]["clusterIPs"] == ["None"]
    body = {"metadata": {"name": "b"}, "spec": {"type": "ExternalName", "externalName": "example.com"}}
    assert "clusterIP" not in api.create(services, body)["spec"]


def test_what_is_taken_is_refused(api: Api, services: str) -> None:
    first = api.create(services, service("a", type="NodePort"))["spec"]
    same_port = service("b", type="NodePort", ports=[{**PORT, "nodePort": first["ports"][0]["nodePort"]}])
    answer = api.send("POST", services, same_port)
    assert answer.refusal == (422, "Invalid")
    assert answer.body["message"].endswith("provided port is already allocated")
    answer = api.send("POST", services, service("c", clusterIP=first["clusterIP"]))
    assert answer.refusal == (422, "Invalid")
    assert "provided IP is already allocated" in answer.body["message"]


def test_what_is_given_back_can_be_had_again(api: Api, services: str) -> None:
    address = api.create(services, service("a"))["spec"]["clusterIP"]
    api.ok("DELETE", f"{services}/a")
    assert api.create(services, service("b", clusterIP=address))["spec"]["clusterIP"] == address


def test_a_dry_run_takes_nothing(api: Api, services: str) -> None:
    port = api.create(services, service("a", type="NodePort"))["spec"]["ports"][0]["nodePort"]
    api.ok("DELETE", f"{services}/a")
    again = service("b", type="NodePort", ports=[{**PORT, "nodePort": port}])
    for options in ({"dryRun": "All"}, {"dryRun": "All"}, {}):
        assert api.create(services, again, **options)["spec"]["ports"][0]["nodePort"] == port


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"ports": []}, "spec.ports"),
        ({"ports": [{"port": 0}]}, "spec.ports[0].port"),
        ({"ports": [{"port": 70000}]}, "spec.ports[0].port"),
        ({"ports": [{"port": 80}, {"port": 81}]}, "spec.ports[0].name"),
        ({"type": "Nonsense"}, "spec.type"),
        ({"clusterIP": "not-an-address"}, "spec.clusterIPs[0]"),
        ({"type": "NodePort", "ports": [{"port": 80, "nodePort": 80}]}, "spec.ports[0].nodePort"),
        ({"loadBalancerClass": "example.com/x"}, "spec.loadBalancerClass"),
        ({"externalIPs": ["127.0.0.1"]}, "spec.externalIPs[0]"),
        ({"sessionAffinity": "Sometimes"}, "spec.sessionAffinity"),
    ],
)
def test_what_makes_no_sense_is_invalid(api: Api, services: str, spec: Json, field: str) -> None:
    answer = api.send("POST", services, service("a", **spec))
    assert answer.refusal == (422, "Invalid"), answer
    assert field in {cause["field"] for cause in answer.body["details"]["causes"]}


def test_an_address_is_for_life(api: Api, services: str) -> None:
    created = api.create(services, service("a"))
    changed = {"spec": {"clusterIP": "10.96.255.254", "clusterIPs": ["10.96.255.254"]}}
    headers = {"Content-Type": "application/merge-patch+json"}
    answer = api.send("PATCH", f"{services}/a", changed, headers=headers)
    assert answer.refusal == (422, "Invalid")
    assert "may not change once set" in answer.body["message"]
    assert api.get(f"{services}/a")["spec"]["clusterIP"] == created["spec"]["clusterIP"]


def test_a_class_is_for_life(api: Api, services: str) -> None:
    api.create(services, service("a", type="LoadBalancer", loadBalancerClass="example.com/a"))
    headers = {"Content-Type": "application/merge-patch+json"}
    change = {"spec": {"loadBalancerClass": "example.com/b"}}
    assert api.send("PATCH", f"{services}/a", change, headers=headers).refusal == (422, "Invalid")


def test_a_type_takes_its_things_with_it(api: Api, services: str) -> None:
    api.create(services, service("a", type="LoadBalancer", externalTrafficPolicy="Local"))
    spec = api.patch(f"{services}/a", {"spec": {"type": "ClusterIP"}})["spec"]
    assert "nodePort" not in spec["ports"][0]
    assert not {"healthCheckNodePort", "externalTrafficPolicy", "allocateLoadBalancerNodePorts"} & set(spec)


def test_ports_stay_when_a_service_is_written_again(api: Api, services: str) -> None:
    created = api.create(services, service("a", type="LoadBalancer"))
    version = created["metadata"]["resourceVersion"]
    body = service("a", type="LoadBalancer")
    body["metadata"]["resourceVersion"] = version
    again = api.ok("PUT", f"{services}/a", body)
    assert again["spec"] == created["spec"]


def test_its_status_shows_addresses_and_only_for_load_balancers(api: Api, services: str) -> None:
    api.create(services, service("a", type="LoadBalancer"))
    status = {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.7"}]}}}
    written = api.patch(f"{services}/a/status", status)
    assert written["status"]["loadBalancer"]["ingress"] == [{"ip": "192.0.2.7", "ipMode": "VIP"}]
    api.create(services, service("b"))
    headers = {"Content-Type": "application/merge-patch+json"}
    assert api.send("PATCH", f"{services}/b/status", status, headers=headers).code == 422


def test_the_cluster_has_a_service_of_its_own(api: Api) -> None:
    own = api.get("/api/v1/namespaces/default/services/kubernetes")
    assert own["spec"]["ports"][0]["port"] == 443
    slices = api.get(
        "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices",
        labelSelector="kubernetes.io/service-name=kubernetes",
    )
    assert slices["items"][0]["endpoints"]
