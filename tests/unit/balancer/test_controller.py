"""The controller as a whole: from objects in the API to objects in the API."""

from __future__ import annotations

from typing import Any

import pytest

from lab.balancer.conditions import ADDRESS_ASSIGNED
from tests.unit.balancer.controller_run import METALLB, NS, Cluster, in_cluster, services_path

POOL_ANNOTATION = "metallb.io/ip-allocated-from-pool"


def test_a_service_gets_address_annotation_condition_and_event() -> None:
    async def test(cluster: Cluster) -> None:
        await cluster.pool("first", "192.0.2.0/30")
        async with cluster.controller():
            await cluster.service("web")
            await cluster.until(lambda: cluster.of("web")["metadata"]["annotations"])
            await cluster.until(cluster.events)
            assert cluster.address("web") == "192.0.2.0"
            assert cluster.of("web")["metadata"]["annotations"] == {POOL_ANNOTATION: "first"}
            condition = cluster.condition("web")
            assert condition.pop("lastTransitionTime").endswith("Z")
            assert condition == {
                "type": ADDRESS_ASSIGNED,
                "status": "True",
                "reason": "Assigned",
                "message": "assigned from pool first",
            }
            assert cluster.events() == ["web IPAllocated"]

    in_cluster(test)


def test_what_was_a_load_balancer_is_cleaned() -> None:
    async def test(cluster: Cluster) -> None:
        await cluster.pool("first", "192.0.2.0/30")
        async with cluster.controller():
            await cluster.service("web")
            await cluster.until(lambda: cluster.of("web")["metadata"]["annotations"])
            await cluster.service(
                "web",
                type="ClusterIP",
                metadata={"annotations": {POOL_ANNOTATION: "first", "other": "stays"}},
            )
            await cluster.until(lambda: cluster.of("web")["metadata"]["annotations"] == {"other": "stays"})
            assert cluster.address("web") == ""
            assert cluster.of("web")["status"]["conditions"] == []
            await cluster.until(lambda: cluster.events() == ["web IPAllocated", "web ClearAssignment"])

    in_cluster(test)


@pytest.mark.parametrize("how", ["deleted", "ClusterIP", "another class"])
def test_a_freed_address_goes_to_the_oldest_that_waits(how: str) -> None:
    async def test(cluster: Cluster) -> None:
        await cluster.pool("only", "192.0.2.7/32")
        async with cluster.controller():
            await cluster.service("holder", created="2026-01-01T00:00:00Z")
            await cluster.until(lambda: cluster.address("holder"))
            for name, day in (("a", 3), ("b", 2), ("c", 4)):
                await cluster.service(name, created=f"2026-01-0{day}T00:00:00Z")
                await cluster.until_pending(name)
            message = "no available IPs: pool only has no free address left"
            assert cluster.condition("a")["message"] == message
            if how == "deleted":
                await cluster.api.remove(services_path("holder"))
            elif how == "ClusterIP":
                await cluster.service("holder", type="ClusterIP")
            else:
                await cluster.service("holder", loadBalancerClass="other")
            await cluster.until(lambda: cluster.address("b"))
            await cluster.until(lambda: cluster.condition("b")["status"] == "True")
            assert [cluster.address(name) for name in "abc"] == ["", "192.0.2.7", ""]

    in_cluster(test)


def test_a_pending_service_is_told_of_once_per_transition() -> None:
    async def test(cluster: Cluster) -> None:
        await cluster.pool("mine", "192.0.2.7/32", serviceAllocation={"namespaces": ["x"]})
        async with cluster.controller():
            await cluster.service("web")
            await cluster.until(lambda: cluster.condition("web").get("reason") == "AllocationFailed")
            assert "pool mine is kept for other namespaces" in cluster.condition("web")["message"]
            for number in range(3):
                await cluster.service("web", metadata={"labels": {"n": str(number)}})
            await cluster.service("last")
            await cluster.until(lambda: "last AllocationFailed" in cluster.events())
            assert cluster.events() == ["web AllocationFailed", "last AllocationFailed"]

    in_cluster(test)


def test_a_restart_moves_nothing_even_with_others_waiting() -> None:
    async def test(cluster: Cluster) -> None:
        await cluster.pool("p", "192.0.2.0/30")
        async with cluster.controller():
            for n in range(4):
                await cluster.service(f"s{n}", created=f"2026-01-01T00:00:0{n}Z")
                await cluster.until_assigned(f"s{n}")
        await cluster.api.remove(services_path("s0"))
        before = {f"s{n}": cluster.address(f"s{n}") for n in range(1, 4)}
        for n in range(5):
            await cluster.service(f"a{n}", created="2020-01-01T00:00:00Z")
        for _ in range(3):
            async with cluster.controller():
                await cluster.until(lambda: cluster.condition("a4").get("status") == "False")
                await cluster.until(lambda: cluster.address("a0"))
            assert {name: cluster.address(name) for name in before} == before
        assert cluster.address("a0") == "192.0.2.0"

    in_cluster(test)


def test_a_deleted_pool_moves_its_services_and_a_wrong_one_moves_nobody() -> None:
    async def test(cluster: Cluster) -> None:
        await cluster.pool("a", "192.0.2.0/30")
        async with cluster.controller():
            await cluster.service("web")
            await cluster.until(lambda: cluster.address("web") == "192.0.2.0")
            await cluster.pool("b", "192.0.2.0/24")
            await cluster.until(
                lambda: cluster.metallb("configurationstates", "controller")["status"]["result"] == "Invalid"
            )
            await cluster.until(lambda: cluster.events("IPAddressPool"))
            state = cluster.metallb("configurationstates", "controller")
            summary = (
                'CIDR "192.0.2.0/24" in pool "b" overlaps with already defined CIDR "192.0.2.0/30" of pool a'
            )
            assert summary in state["status"]["errorSummary"]
            assert state["status"]["conditions"][0]["reason"] == "ConfigurationError"
            assert state["metadata"]["labels"] == {"metallb.io/component-type": "controller"}
            await cluster.service("other")
            await cluster.until(lambda: cluster.address("other") == "192.0.2.1")
            await cluster.pool("b", "198.51.100.0/24")
            await cluster.until(
                lambda: cluster.metallb("configurationstates", "controller")["status"]["result"] == "Valid"
            )
            await cluster.until(lambda: len(cluster.events("IPAddressPool")) == 2)
            assert cluster.events("IPAddressPool") == ["b ConfigurationError", "b Reconciled"]
            assert cluster.metallb("ipaddresspools", "b")["status"]["conditions"][0]["status"] == "True"
            assert "conditions" not in cluster.metallb("ipaddresspools", "a")["status"]
            assert cluster.address("web") == "192.0.2.0"
            await cluster.delete_pool("a")
            await cluster.until(lambda: cluster.address("web").startswith("198."))

    in_cluster(test)


def test_counts_of_pools_are_in_their_status() -> None:
    async def test(cluster: Cluster) -> None:
        await cluster.pool("p", "192.0.2.0/30", "fd00::/64")
        async with cluster.controller():
            await cluster.service("web")
            expected = {
                "assignedIPv4": 1,
                "availableIPv4": 3,
                "assignedIPv6": 0,
                "availableIPv6": (1 << 63) - 1,
            }
            await cluster.until(lambda: cluster.metallb("ipaddresspools", "p")["status"] == expected)

    in_cluster(test)


def test_without_configuration_nothing_is_touched_and_an_empty_one_clears() -> None:
    async def test(cluster: Cluster) -> None:
        await cluster.pool("bad", "nonsense")
        await cluster.service("web")
        cluster.of("web")["status"] = {"loadBalancer": {"ingress": [{"ip": "192.0.2.9"}]}}
        async with cluster.controller():
            await cluster.until(lambda: cluster.events("IPAddressPool"))
            assert cluster.address("web") == "192.0.2.9"
            await cluster.delete_pool("bad")
            await cluster.until(lambda: cluster.address("web") == "")
            assert cluster.condition("web")["message"] == "no available IPs: there is no IPAddressPool"

    in_cluster(test)


def test_conflicting_writes_of_others_are_survived() -> None:
    async def test(cluster: Cluster) -> None:
        await cluster.pool("p", "192.0.2.0/30")
        touched: list[str] = []

        def touch(path: str, item: dict[str, Any]) -> None:
            """Change the Service behind the controller's back, each time that it has just seen it."""
            if path == services_path("web") and len(touched) < 3:
                touched.append(path)
                cluster.api.version += 1
                item["metadata"]["resourceVersion"] = str(cluster.api.version)

        async with cluster.controller():
            cluster.api.after_write = touch
            await cluster.service("web")
            await cluster.service("web", metadata={"labels": {"a": "b"}})
            await cluster.until(lambda: cluster.address("web"))
            assert touched

    in_cluster(test)


def test_the_api_goes_away_and_comes_back() -> None:
    async def test(cluster: Cluster) -> None:
        await cluster.pool("p", "192.0.2.0/30")
        async with cluster.controller():
            await cluster.service("web")
            await cluster.until(lambda: cluster.address("web"))
            cluster.api.faults = [(503, {})] * 10
            await cluster.api.drop_connections()
            await cluster.service("second")
            await cluster.until(lambda: cluster.address("second") == "192.0.2.1")
            assert cluster.address("web") == "192.0.2.0"

    in_cluster(test)


def test_one_leads_and_the_next_one_takes_over_with_the_same_addresses() -> None:
    async def test(cluster: Cluster) -> None:
        await cluster.pool("p", "192.0.2.0/30")
        async with cluster.controller(identity="two") as standby:
            async with cluster.controller(identity="one"):
                await cluster.service("web")
                await cluster.until(lambda: cluster.address("web"))
            lease = f"/apis/coordination.k8s.io/v1/namespaces/{NS}/leases/metallb-controller"
            await cluster.until(lambda: cluster.api.objects[lease]["spec"]["holderIdentity"] == "two")
            await cluster.service("second")
            await cluster.until(lambda: cluster.address("second") == "192.0.2.1")
            assert cluster.address("web") == "192.0.2.0"
            assert standby.routes["/readyz"]().body == "leading\n"

    in_cluster(test)


def test_a_new_leader_trusts_the_api_and_not_its_cache() -> None:
    async def test(cluster: Cluster) -> None:
        lease = f"/apis/coordination.k8s.io/v1/namespaces/{NS}/leases/metallb-controller"
        spec = {
            "holderIdentity": "another",
            "leaseDurationSeconds": 1,
            "renewTime": "2026-01-01T00:00:00.000000Z",
        }
        await cluster.api.put(
            lease, {"metadata": {"name": "metallb-controller", "namespace": NS}, "spec": spec}
        )
        await cluster.pool("p", "192.0.2.0/31")
        await cluster.service("a", created="2026-01-01T00:00:00Z")
        await cluster.service("b", created="2026-01-02T00:00:00Z")
        async with cluster.controller() as standby:
            await cluster.until(lambda: standby.routes["/readyz"]().body == "standing by\n")
            given = {**cluster.of("b"), "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.0"}]}}}
            cluster.api._store(services_path("b"), given)  # written by the last leader, not seen by this one
            await cluster.until_assigned("a")
            assert (cluster.address("a"), cluster.address("b")) == ("192.0.2.1", "192.0.2.0")
            assert "b ClearAssignment" not in cluster.events()

    in_cluster(test)


def test_metrics_and_readiness() -> None:
    async def test(cluster: Cluster) -> None:
        await cluster.pool("p", "192.0.2.0/30", "fd00::/126")
        async with cluster.controller() as controller:
            assert controller.routes["/readyz"]().status == 503
            await cluster.service("web")
            await cluster.until(lambda: cluster.address("web"))
            await cluster.until(lambda: controller.routes["/readyz"]().status == 200)
            await cluster.until(lambda: "assignment_seconds_count 1" in controller.routes["/metrics"]().body)
            lines = controller.routes["/metrics"]().body.splitlines()
            for expected in (
                'metallb_allocator_addresses_total{pool="p"} 8',
                'metallb_allocator_ipv4_addresses_total{pool="p"} 4',
                'metallb_allocator_ipv6_addresses_total{pool="p"} 4',
                'metallb_allocator_addresses_in_use_total{pool="p"} 1',
                'metallb_allocator_ipv4_addresses_in_use_total{pool="p"} 1',
                'metallb_allocator_ipv6_addresses_in_use_total{pool="p"} 0',
                'metallb_allocator_services_allocated_total{pool="p"} 1',
                "metallb_k8s_client_config_loaded_bool 1",
                "metallb_k8s_client_config_stale_bool 0",
                "metallb_k8s_client_update_errors_total 0",
                "metallb_controller_address_assignment_seconds_count 1",
            ):
                assert expected in lines
            await cluster.pool("q", "192.0.2.0/30")
            await cluster.until(
                lambda: "metallb_k8s_client_config_stale_bool 1" in controller.routes["/metrics"]().body
            )

    in_cluster(test)


def test_a_deleted_state_is_written_again() -> None:
    async def test(cluster: Cluster) -> None:
        await cluster.pool("p", "192.0.2.0/30")
        path = f"{METALLB}/configurationstates/controller"
        async with cluster.controller():
            await cluster.until(lambda: cluster.api.objects[path]["status"])
            await cluster.api.remove(path)
            await cluster.until(lambda: cluster.api.objects[path]["status"]["result"] == "Valid")

    in_cluster(test)


LEGACY = """
peers: [{my-asn: 64500, peer-asn: 64501, peer-address: 10.0.0.1}]
address-pools: [{name: My_Pool, protocol: bgp, addresses: [192.0.2.0/30]}]
"""


def test_the_old_config_map_is_converted_once() -> None:
    async def test(cluster: Cluster) -> None:
        path = f"/api/v1/namespaces/{NS}/configmaps/config"
        await cluster.api.put(
            path, {"metadata": {"name": "config", "namespace": NS}, "data": {"config": LEGACY}}
        )
        await cluster.service("web")
        async with cluster.controller():
            await cluster.until(lambda: cluster.address("web") == "192.0.2.0")
            await cluster.until(lambda: cluster.events("ConfigMap"))
            await cluster.until(
                lambda: "metallb.io/converted" in cluster.api.objects[path]["metadata"]["annotations"]
            )
            peer = cluster.api.objects[f"/apis/metallb.io/v1beta2/namespaces/{NS}/bgppeers/peer1"]
            assert peer["spec"]["holdTime"] == "1m30s"
            assert cluster.metallb("bgpadvertisements", "bgpadvertisement1")["spec"] == {
                "ipAddressPools": ["my-pool"]
            }
            await cluster.delete_pool("my-pool")
        async with cluster.controller():
            await cluster.until(lambda: cluster.condition("web").get("status") == "False")
        assert cluster.events("ConfigMap") == ["config ConfigMapConverted"]

    in_cluster(test)


def test_what_does_nothing_yet_is_said() -> None:
    async def test(cluster: Cluster) -> None:
        await cluster.pool("p", "192.0.2.0/30")
        peers = f"/apis/metallb.io/v1beta2/namespaces/{NS}/bgppeers"
        await cluster.api.put(
            f"{METALLB}/bfdprofiles/quick", {"metadata": {"name": "quick", "namespace": NS}}
        )
        spec = {"myASN": 1, "peerASN": 2, "peerAddress": "10.0.0.1", "bfdProfile": "quick"}
        await cluster.api.put(f"{peers}/r", {"metadata": {"name": "r", "namespace": NS}, "spec": spec})
        await cluster.api.put(f"{METALLB}/l2advertisements/l2", {"metadata": {"name": "l2", "namespace": NS}})
        async with cluster.controller():
            await cluster.until(lambda: cluster.events("BGPPeer") == ["r Warning"])
            await cluster.until(lambda: cluster.events("L2Advertisement") == ["l2 Warning"])
            (condition,) = cluster.api.objects[f"{peers}/r"]["status"]["conditions"]
            assert (condition["type"], condition["status"]) == ("Valid", "True")
            assert "BFD is not spoken yet" in condition["message"]
            await cluster.until(lambda: cluster.metallb("configurationstates", "controller")["status"])
            status = cluster.metallb("configurationstates", "controller")["status"]
            assert (status["result"], status["errorSummary"]) == ("Valid", "")
            assert "BFD is not spoken yet" in status["conditions"][0]["message"]

    in_cluster(test)
