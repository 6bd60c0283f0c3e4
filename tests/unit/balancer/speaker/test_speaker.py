"""The speaker as a whole: what it hears from the API, and what the router then has."""

from __future__ import annotations

import re

import pytest

from lab.balancer.service import EXCLUDE_LABEL
from lab.links.bgp_tcp import Listener
from lab.wire.bgp import GRACEFUL_SHUTDOWN, Cause, Community, MessageType
from tests.unit.balancer.speaker.speaker_run import METALLB, NODE, NS, ROUTER, Cluster, calling, in_cluster


def test_a_service_becomes_a_route_and_goes_again() -> None:
    async def test(cluster: Cluster) -> None:
        await cluster.configure(advertisement={"communities": ["1111:2222"]})
        await cluster.service("web", "10.20.30.1")
        async with cluster.speaker():
            await cluster.until_routed("10.20.30.1/32")
            attributes = cluster.router.rib["10.20.30.1/32"]
            assert attributes.communities == {Community(1111, 2222)}
            assert [list(s.asns) for s in attributes.as_path] == [[22000]]
            await cluster.service("api", "10.20.30.2")
            await cluster.until_routed("10.20.30.1/32", "10.20.30.2/32")
            await cluster.delete_service("web")
            await cluster.until_routed("10.20.30.2/32")
            await cluster.service("api", "")
            await cluster.until_routed()
            assert cluster.router.established == 1

    in_cluster(test)


def test_local_traffic_follows_the_pods() -> None:
    async def test(cluster: Cluster) -> None:
        await cluster.configure()
        await cluster.service("web", "10.20.30.1", pods=("other",), externalTrafficPolicy="Local")
        await cluster.service("api", "10.20.30.2")
        async with cluster.speaker():
            await cluster.until_routed("10.20.30.2/32")
            await cluster.endpoints("web", NODE, "other")
            await cluster.until_routed("10.20.30.1/32", "10.20.30.2/32")
            await cluster.endpoints("web", "other")
            await cluster.until_routed("10.20.30.2/32")

    in_cluster(test)


def test_advertisements_change_without_losing_the_session() -> None:
    async def test(cluster: Cluster) -> None:
        await cluster.configure()
        await cluster.service("web", "10.20.30.1")
        async with cluster.speaker():
            await cluster.until_routed("10.20.30.1/32")
            await cluster.advertise(aggregationLength=24)
            await cluster.until_routed("10.20.30.0/24")
            await cluster.advertise(nodeSelectors=[{"matchLabels": {"rack": "7"}}])
            await cluster.until_routed()
            await cluster.node(rack="7")
            await cluster.until_routed("10.20.30.1/32")
            assert cluster.router.established == 1

    in_cluster(test)


def test_mistakes_leave_what_was_right_in_force() -> None:
    async def test(cluster: Cluster) -> None:
        await cluster.configure()
        await cluster.service("web", "10.20.30.1")
        async with cluster.speaker():
            await cluster.until_routed("10.20.30.1/32")
            await cluster.advertise(communities=["no-such-alias"])
            await cluster.until(lambda: cluster.statuses("configurationstates")[0]["result"] == "Invalid")
            await cluster.service("api", "10.20.30.2")
            await cluster.until_routed("10.20.30.1/32", "10.20.30.2/32")
            other = {"peers": ["router"], "aggregationLength": 24}
            await cluster.put(f"{METALLB}/bgpadvertisements", "other", NS, spec=other)
            await cluster.until_routed("10.20.30.1/32", "10.20.30.2/32", "10.20.30.0/24")
            await cluster.advertise()
            await cluster.until(lambda: cluster.statuses("configurationstates")[0]["result"] == "Valid")

    in_cluster(test)


def test_a_start_with_mistakes_uses_what_is_right() -> None:
    async def test(cluster: Cluster) -> None:
        await cluster.configure()
        await cluster.service("web", "10.20.30.1")
        await cluster.peer("broken", peerAddress="10.0.0.9", bfdProfile="no-such-profile")
        async with cluster.speaker() as speaker:
            await cluster.until_routed("10.20.30.1/32")
            assert list(speaker._dialect.sessions.current) == ["router"]
            assert "metallb_k8s_client_config_loaded_bool 0" in speaker.routes["/metrics"]().body
            await cluster.peer("broken", peerAddress="10.0.0.9")
            await cluster.until(lambda: len(speaker._dialect.sessions.current) == 2)
            assert cluster.router.established == 1

    in_cluster(test)


def test_peers_may_call() -> None:
    async def test(cluster: Cluster) -> None:
        await cluster.configure(peerPort=1)  # nobody listens there
        await cluster.service("web", "10.20.30.1")
        listener = Listener(ROUTER, 0)
        await listener.start()
        async with cluster.speaker(listeners=[listener]), calling(listener.port) as caller:
            await cluster.until(lambda: set(caller.rib) == {"10.20.30.1/32"})
        listener.close()

    in_cluster(test)


def test_a_peer_that_changes_gets_a_new_session() -> None:
    async def test(cluster: Cluster) -> None:
        await cluster.configure()
        await cluster.service("web", "10.20.30.1")
        async with cluster.speaker():
            await cluster.until_routed("10.20.30.1/32")
            await cluster.peer(holdTime="30s")
            await cluster.until(lambda: cluster.router.established == 2)
            await cluster.until_routed("10.20.30.1/32")
            assert str(cluster.router.ended[0].notification) == "cease: other configuration change"
            await cluster.peer(nodeSelectors=[{"matchLabels": {"rack": "7"}}])
            await cluster.until(lambda: len(cluster.router.ended) == 2)
            assert str(cluster.router.ended[1].notification) == "cease: peer de configured"

    in_cluster(test)


def test_a_node_taken_out_of_service_says_so_first() -> None:
    async def test(cluster: Cluster) -> None:
        await cluster.configure()
        await cluster.service("web", "10.20.30.1")
        async with cluster.speaker():
            await cluster.until_routed("10.20.30.1/32")
            await cluster.node(**{EXCLUDE_LABEL: ""})
            await cluster.until_routed()
            marked = cluster.router.history[-2]["10.20.30.1/32"].communities
            assert GRACEFUL_SHUTDOWN in marked
            await cluster.node()
            await cluster.until_routed("10.20.30.1/32")
            assert GRACEFUL_SHUTDOWN not in cluster.router.rib["10.20.30.1/32"].communities

    in_cluster(test)


def test_stopping_drains_and_says_goodbye() -> None:
    async def test(cluster: Cluster) -> None:
        await cluster.configure()
        await cluster.service("web", "10.20.30.1")
        async with cluster.speaker():
            await cluster.until_routed("10.20.30.1/32")
        await cluster.until(lambda: cluster.router.ended)
        assert GRACEFUL_SHUTDOWN in cluster.router.history[-1]["10.20.30.1/32"].communities
        assert "the speaker of this node stops" in str(cluster.router.ended[0].notification)

    in_cluster(test)


def test_with_graceful_restart_the_speaker_goes_silently() -> None:
    async def test(cluster: Cluster) -> None:
        await cluster.configure(enableGracefulRestart=True)
        await cluster.service("web", "10.20.30.1")
        async with cluster.speaker():
            await cluster.until_routed("10.20.30.1/32")
        await cluster.until(lambda: cluster.router.ended)
        assert (cluster.router.ended[0].cause, cluster.router.ended[0].notification) == (
            Cause.CONNECTION_FAILED,
            None,
        )

    in_cluster(test)


def test_statuses_events_and_metrics_tell_what_happens() -> None:
    async def test(cluster: Cluster) -> None:
        await cluster.configure()
        await cluster.service("web", "10.20.30.1")
        await cluster.service("idle", "10.20.30.2", pods=())
        async with cluster.speaker() as speaker:
            told = {"web", "idle"}
            await cluster.until(
                lambda: {s["serviceName"] for s in cluster.statuses("servicebgpstatuses")} == told
            )
            await cluster.until(cluster.events)
            await cluster.until(lambda: cluster.statuses("bgpsessionstates")[0]["bgpStatus"] == "Established")
            by_name = {status["serviceName"]: status for status in cluster.statuses("servicebgpstatuses")}
            assert by_name["web"] == {
                "node": NODE,
                "serviceName": "web",
                "serviceNamespace": "default",
                "peers": ["router"],
            }
            assert by_name["idle"]["notAnnounced"][0]["reason"] == "noEndpoints"
            assert cluster.events() == [f'web nodeAssigned announcing from node "{NODE}" with protocol "bgp"']
            text = speaker.routes["/metrics"]().body
            peer = f'peer="127.0.0.1:{cluster.router.port}"'
            for line in (
                f"metallb_bgp_session_up{{{peer}}} 1",
                f"metallb_bgp_announced_prefixes_total{{{peer}}} 1",
                f'metallb_speaker_announced{{service="default/web",protocol="bgp",node="{NODE}",ip="10.20.30.1"}} 1',
                "metallb_bgp_announcement_seconds_count 1",
                "metallb_k8s_client_config_loaded_bool 1",
            ):
                assert line in text
            assert speaker.routes["/readyz"]().body == "announcing\n"
            await cluster.delete_service("idle")
            await cluster.until(lambda: len(cluster.statuses("servicebgpstatuses")) == 1)

    in_cluster(test)


PEER, PEER_AND_VRF = {"peer"}, {"peer", "vrf"}
# Names and labels that dashboards for MetalLB and frr-k8s ask for.
METRICS = {
    "metallb_speaker_announced": {"service", "protocol", "node", "ip"},
    "metallb_bgp_session_up": PEER,
    "metallb_bgp_updates_total": PEER,
    "metallb_bgp_announced_prefixes_total": PEER,
    "metallb_bgp_pending_prefixes_total": PEER,
    "metallb_k8s_client_updates_total": set[str](),
    "metallb_k8s_client_update_errors_total": set[str](),
    "metallb_k8s_client_config_loaded_bool": set[str](),
    "metallb_k8s_client_config_stale_bool": set[str](),
    "frrk8s_bgp_session_up": PEER_AND_VRF,
    "frrk8s_bgp_updates_total": PEER_AND_VRF,
    "frrk8s_bgp_updates_total_received": PEER_AND_VRF,
    "frrk8s_bgp_announced_prefixes_total": PEER_AND_VRF,
    "frrk8s_bgp_received_prefixes_total": PEER_AND_VRF,
    "frrk8s_bgp_opens_sent": PEER_AND_VRF,
    "frrk8s_bgp_opens_received": PEER_AND_VRF,
    "frrk8s_bgp_notifications_sent": PEER_AND_VRF,
    "frrk8s_bgp_keepalives_sent": PEER_AND_VRF,
    "frrk8s_bgp_keepalives_received": PEER_AND_VRF,
    "frrk8s_bgp_route_refresh_sent": PEER_AND_VRF,
    "frrk8s_bgp_total_sent": PEER_AND_VRF,
    "frrk8s_bgp_total_received": PEER_AND_VRF,
}


def test_metrics_have_the_names_and_labels_of_metallb() -> None:
    async def test(cluster: Cluster) -> None:
        await cluster.configure()
        await cluster.service("web", "10.20.30.1")
        async with cluster.speaker() as speaker:
            await cluster.until_routed("10.20.30.1/32")
            told = speaker.routes["/metrics"]().body
            found = {
                name: set(re.findall(r'(\w+)="', labels or ""))
                for name, labels in re.findall(r"^(\w+)(\{.*\})? ", told, re.MULTILINE)
            }
            assert METRICS.items() <= found.items()
            others = [name for name in found if name not in METRICS]
            assert all(name.startswith("metallb_bgp_announcement_seconds_") for name in others)
            peer = f'{{peer="127.0.0.1:{cluster.router.port}",vrf="default"}}'
            for line in ("opens_sent", "opens_received", "keepalives_sent", "keepalives_received"):
                assert f"frrk8s_bgp_{line}{peer} 1" in told.splitlines()

    in_cluster(test)


def test_a_peer_that_lacks_a_route_is_in_the_status() -> None:
    """By name, by what the node has, and by what the router agreed to."""

    async def test(cluster: Cluster) -> None:
        await cluster.configure(
            advertisement={"peers": ["router", "unnumbered"]}, dualStackAddressFamily=True
        )
        await cluster.peer("unnumbered", peerAddress=None, interface="eth0")
        await cluster.peer("other", peerAddress="127.0.0.9")
        await cluster.put(f"{METALLB}/ipaddresspools", "more", NS, spec={"addresses": ["fd00:20::/120"]})
        await cluster.service("web", "fd00:20::1")
        status = {"node": NODE, "serviceName": "web", "serviceNamespace": "default"}
        async with cluster.speaker():
            await cluster.until(lambda: cluster.statuses("servicebgpstatuses"))
            await cluster.until(lambda: cluster.statuses("servicebgpstatuses")[0]["peers"] == [])
            (told,) = cluster.statuses("servicebgpstatuses")
            assert told.items() >= status.items()
            assert {refusal["peer"]: refusal["reason"] for refusal in told["notAnnounced"]} == {
                "router": "addressFamilyNotCarried",
                "unnumbered": "peerNotSupported",
                "other": "peerNotSelected",
            }
            addresses = [{"type": "InternalIP", "address": a} for a in ("10.0.0.51", "fd00::51")]
            await cluster.put("/api/v1/nodes", NODE, status={"addresses": addresses})
            await cluster.until(lambda: cluster.statuses("servicebgpstatuses")[0]["peers"] == ["router"])

    in_cluster(test)


@pytest.mark.parametrize("lb_class", ["", "lab"])
def test_only_services_of_our_class_are_announced(lb_class: str) -> None:
    async def test(cluster: Cluster) -> None:
        await cluster.configure()
        await cluster.service("plain", "10.20.30.1")
        await cluster.service("classy", "10.20.30.2", loadBalancerClass="lab")
        async with cluster.speaker(lb_class=lb_class):
            await cluster.until_routed("10.20.30.2/32" if lb_class else "10.20.30.1/32")

    in_cluster(test)


def test_while_the_api_is_away_everything_stays_announced() -> None:
    async def test(cluster: Cluster) -> None:
        await cluster.configure()
        await cluster.service("web", "10.20.30.1")
        async with cluster.speaker():
            await cluster.until_routed("10.20.30.1/32")
            cluster.api.faults = [(503, {"message": "away"})] * 8
            await cluster.api.drop_connections()
            cluster.api.forget_history()
            await cluster.until(lambda: not cluster.api.faults)
            await cluster.service("api", "10.20.30.2")
            await cluster.until_routed("10.20.30.1/32", "10.20.30.2/32")
            assert all("10.20.30.1/32" in rib for rib in cluster.router.history[1:])
            assert cluster.router.established == 1

    in_cluster(test)


def test_many_services_at_once_share_messages() -> None:
    async def test(cluster: Cluster) -> None:
        await cluster.configure()
        async with cluster.speaker() as speaker:
            await cluster.until(lambda: cluster.router.established)
            for number in range(1, 101):
                await cluster.service(f"s{number}", f"10.20.30.{number}")
            await cluster.until(lambda: len(cluster.router.rib) == 100)
            (session,) = speaker._dialect.sessions.current.values()
            assert session.pump.session.sent[MessageType.UPDATE] < 100

    in_cluster(test)


def test_a_bfd_profile_is_not_ignored_without_a_word() -> None:
    async def test(cluster: Cluster) -> None:
        await cluster.put(f"{METALLB}/bfdprofiles", "quick", NS, spec={})
        await cluster.configure(bfdProfile="quick")
        async with cluster.speaker():
            await cluster.until(lambda: cluster.statuses("bgpsessionstates")[0]["bgpStatus"] == "Established")
            assert cluster.statuses("bgpsessionstates")[0]["bfdStatus"] == "NotSupported"
            await cluster.until(lambda: cluster.statuses("configurationstates")[0]["result"] == "Valid")
            (condition,) = cluster.statuses("configurationstates")[0]["conditions"]
            assert "BFD is not spoken yet" in condition["message"]

    in_cluster(test)
