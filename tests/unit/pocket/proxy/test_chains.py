"""The rules of one service port. Expected names are those of real clusters and of kube-proxy's own documentation."""

from __future__ import annotations

import pytest

from lab.pocket.proxy.chains import Chain, Node, chain_name, endpoint_chain, service_rules
from lab.pocket.proxy.model import Endpoint, PortName, ServicePort

NODE = Node("10.0.0.51", "10.244.0.0/16")
NGINX = PortName("default", "nginx")
SVC, SVL, EXT, FW = (f"KUBE-{kind}-2CMXP7HKUVJN7L6M" for kind in ("SVC", "SVL", "EXT", "FW"))
HERE = Endpoint("10.244.1.2", 80, local=True)
NONE_LOCAL = '-m comment --comment "default/nginx has no local endpoints"'
THERE = Endpoint("10.244.2.2", 80)


def port(**fields: object) -> ServicePort:
    base = {"name": NGINX, "protocol": "tcp", "cluster_ip": "10.99.239.22", "port": 80}
    return ServicePort(**(base | fields))  # type: ignore[arg-type]


def rules(service: ServicePort, *endpoints: Endpoint, node: Node = NODE) -> dict[str, tuple[str, ...]]:
    return {f"{c.table}/{c.name}": r for c, r in service_rules(service, endpoints, node).items()}


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (("default/nginx", "tcp"), "2CMXP7HKUVJN7L6M"),
        (("default/kubernetes:https", "tcp"), "NPX46M4PTMTKRN6Y"),
        (("kube-system/kube-dns:dns", "udp"), "TCOU7JCQXEZGVUNU"),
        (("ns4/svc4:p80", "tcp", "10.180.0.5:80"), "C6EBXVWJJZMIWKLZ"),
        (("default/nginx:", "tcp"), "4N57TFCL4MD7ZTDA"),  # what kube-proxy 1.8 hashed
    ],
)
def test_names_are_hashed_as_kube_proxy_does(parts, expected):
    assert chain_name("KUBE-SVC-", *parts) == f"KUBE-SVC-{expected}"


def test_a_cluster_ip_is_balanced_over_all_endpoints():
    found = rules(port(), HERE, THERE)
    match = '-m comment --comment "default/nginx cluster IP" -m tcp -p tcp -d 10.99.239.22 --dport 80'
    even = "-m statistic --mode random --probability 0.5000000000"
    here, there = endpoint_chain(port(), HERE), endpoint_chain(port(), THERE)
    assert found == {
        "nat/KUBE-SERVICES": (f"{match} -j {SVC}",),
        f"nat/{SVC}": (
            f"{match} ! -s 10.244.0.0/16 -j KUBE-MARK-MASQ",
            f'-m comment --comment "default/nginx -> 10.244.1.2:80" {even} -j {here}',
            f'-m comment --comment "default/nginx -> 10.244.2.2:80" -j {there}',
        ),
        f"nat/{here}": (
            "-m comment --comment default/nginx -s 10.244.1.2 -j KUBE-MARK-MASQ",
            "-m comment --comment default/nginx -m tcp -p tcp -j DNAT --to-destination 10.244.1.2:80",
        ),
        f"nat/{there}": (
            "-m comment --comment default/nginx -s 10.244.2.2 -j KUBE-MARK-MASQ",
            "-m comment --comment default/nginx -m tcp -p tcp -j DNAT --to-destination 10.244.2.2:80",
        ),
    }


def test_odds_are_even_over_three():
    found = rules(port(), HERE, THERE, Endpoint("10.244.3.2", 80))[f"nat/{SVC}"]
    assert [word for rule in found for word in rule.split() if word.startswith("0.")] == [
        "0.3333333333",
        "0.5000000000",
    ]


@pytest.mark.parametrize(
    ("fields", "chain", "words"),
    [
        (
            {"external_ips": ("10.22.0.0",)},
            "nat/KUBE-SERVICES",
            '"default/nginx external IP" -m tcp -p tcp -d 10.22.0.0',
        ),
        (
            {"load_balancer_ips": ("172.16.254.1",)},
            "nat/KUBE-SERVICES",
            '"default/nginx loadbalancer IP" -m tcp -p tcp -d 172.16.254.1',
        ),
        ({"node_port": 30916}, "nat/KUBE-NODEPORTS", "--comment default/nginx -m tcp -p tcp --dport 30916"),
    ],
)
def test_external_traffic_is_masqueraded_and_balanced(fields, chain, words):
    found = rules(port(**fields), HERE)
    assert any(words in rule and rule.endswith(f"-j {EXT}") for rule in found[chain])
    assert found[f"nat/{EXT}"] == (
        '-m comment --comment "masquerade traffic for default/nginx external destinations" -j KUBE-MARK-MASQ',
        f"-j {SVC}",
    )


def test_policy_local_keeps_the_source_address_and_short_circuits_pods():
    found = rules(port(node_port=30916, external_local=True), HERE, THERE)
    of = "traffic for default/nginx external destinations"
    assert found[f"nat/{EXT}"] == (
        f'-m comment --comment "pod {of}" -s 10.244.0.0/16 -j {SVC}',
        f'-m comment --comment "masquerade LOCAL {of}" -m addrtype --src-type LOCAL -j KUBE-MARK-MASQ',
        f'-m comment --comment "route LOCAL {of}" -m addrtype --src-type LOCAL -j {SVC}',
        f"-j {SVL}",
    )
    assert found[f"nat/{SVL}"] == (
        f'-m comment --comment "default/nginx -> 10.244.1.2:80" -j {endpoint_chain(port(), HERE)}',
    )
    assert len(found[f"nat/{SVC}"]) == 3


def test_policy_local_without_local_endpoint_drops():
    found = rules(port(load_balancer_ips=("172.16.254.1",), external_local=True), THERE)
    assert found["filter/KUBE-EXTERNAL-SERVICES"] == (
        f"{NONE_LOCAL} -m tcp -p tcp -d 172.16.254.1 --dport 80 -j DROP",
    )
    assert f"nat/{SVL}" not in found
    assert not found[f"nat/{EXT}"][-1].startswith("-j")


def test_internal_policy_local():
    here = rules(port(internal_local=True), HERE, THERE)
    assert here["nat/KUBE-SERVICES"][0].endswith(f"-j {SVL}")
    assert f"nat/{SVC}" not in here
    elsewhere = rules(port(internal_local=True), THERE)
    assert elsewhere == {
        "filter/KUBE-SERVICES": (f"{NONE_LOCAL} -m tcp -p tcp -d 10.99.239.22 --dport 80 -j DROP",)
    }


def test_without_endpoints_every_way_in_is_refused():
    found = rules(port(node_port=30916, external_ips=("10.22.0.0",), load_balancer_ips=("172.16.254.1",)))
    none = '-m comment --comment "default/nginx has no endpoints"'
    assert found == {
        "filter/KUBE-SERVICES": (f"{none} -m tcp -p tcp -d 10.99.239.22 --dport 80 -j REJECT",),
        "filter/KUBE-EXTERNAL-SERVICES": (
            f"{none} -m tcp -p tcp -d 10.22.0.0 --dport 80 -j REJECT",
            f"{none} -m tcp -p tcp -d 172.16.254.1 --dport 80 -j REJECT",
            f"{none} -m addrtype --dst-type LOCAL -m tcp -p tcp --dport 30916 -j REJECT",
        ),
    }


def test_session_affinity_remembers_the_client():
    found = rules(port(affinity_seconds=10800), HERE, THERE)
    name = endpoint_chain(port(), HERE)
    assert found[f"nat/{SVC}"][1] == (
        f'-m comment --comment "default/nginx -> 10.244.1.2:80" '
        f"-m recent --name {name} --rcheck --seconds 10800 --reap -j {name}"
    )
    assert f"-m recent --name {name} --set -m tcp -p tcp -j DNAT" in found[f"nat/{name}"][1]


def test_source_ranges_fence_the_load_balancer_address_only():
    fenced = port(
        load_balancer_ips=("172.16.254.1",), source_ranges=("203.0.113.0/25", "10.0.0.0/24"), node_port=30916
    )
    found = rules(fenced, HERE)
    refused = f'-m comment --comment "default/nginx traffic not accepted by {FW}"'
    title = '-m comment --comment "default/nginx loadbalancer IP"'
    assert found["nat/KUBE-SERVICES"][1].endswith(f"-d 172.16.254.1 --dport 80 -j {FW}")
    assert found[f"nat/{FW}"] == (
        f"{title} -s 203.0.113.0/25 -j {EXT}",
        f"{title} -s 10.0.0.0/24 -j {EXT}",
        f"{title} -s 172.16.254.1 -j {EXT}",
        '-m comment --comment "other traffic to default/nginx will be dropped by KUBE-PROXY-FIREWALL"',
    )
    assert found["filter/KUBE-PROXY-FIREWALL"] == (
        f"{refused} -m tcp -p tcp -d 172.16.254.1 --dport 80 -j DROP",
    )
    assert found["nat/KUBE-NODEPORTS"][0].endswith(f"-j {EXT}")


def test_terminating_endpoints_serve_when_no_other_is_left():
    going = Endpoint("10.244.1.9", 80, ready=False, serving=True, terminating=True)
    assert len(rules(port(), HERE, going)[f"nat/{SVC}"]) == 2
    assert "10.244.1.9:80" in rules(port(), going)[f"nat/{SVC}"][1]
    gone = Endpoint("10.244.1.9", 80, ready=False, serving=False, terminating=True)
    assert "filter/KUBE-SERVICES" in rules(port(), gone)


def test_ipv6_addresses_are_bracketed_with_a_port():
    six = port(cluster_ip="fd00:10:96::a")
    found = rules(six, Endpoint("fd00:10:244::2", 80), node=Node("fd00::51", "fd00:10:244::/56"))
    chain = endpoint_chain(six, Endpoint("fd00:10:244::2", 80))
    assert found[f"nat/{chain}"][1].endswith("--to-destination [fd00:10:244::2]:80")


def test_health_check_port_is_opened():
    found = service_rules(port(health_check_node_port=32000), [HERE], NODE)
    assert found[Chain("filter", "KUBE-NODEPORTS")] == (
        '-m comment --comment "default/nginx health check node port" -m tcp -p tcp --dport 32000 -j ACCEPT',
    )


def test_large_clusters_go_without_endpoint_comments():
    found = service_rules(port(), [HERE], NODE, comments=False)
    assert found[Chain("nat", endpoint_chain(port(), HERE))][0] == "-s 10.244.1.2 -j KUBE-MARK-MASQ"
