from __future__ import annotations

import asyncio
import struct
from typing import Any

import pytest

from lab.kube.resources import Json
from lab.pocket.dns.main import endpoint_slice
from lab.pocket.dns.main import service as kube_dns
from lab.pocket.dns.server import Resolver, resolvers
from lab.pocket.dns.zone import Zone
from lab.wire.dns import Type, encode_name


def service(name: str, namespace: str = "shop", **spec: Any) -> Json:
    ports = [{"name": "http", "port": 80, "protocol": "TCP"}]
    return {"metadata": {"name": name, "namespace": namespace}, "spec": {"ports": ports} | spec}


def piece(name: str, *endpoints: Json) -> Json:
    metadata = {"namespace": "shop", "labels": {"kubernetes.io/service-name": name}}
    return {
        "metadata": metadata,
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        "endpoints": list(endpoints),
    }


def endpoint(ip: str, hostname: str = "", *, ready: bool = True) -> Json:
    return {"addresses": [ip], "conditions": {"ready": ready}} | ({"hostname": hostname} if hostname else {})


ZONE = Zone(
    "cluster.local",
    [
        service("web", clusterIP="10.96.0.7", clusterIPs=["10.96.0.7", "fd00::7"]),
        service("db", clusterIP="None", clusterIPs=["None"]),
        service("api", type="ExternalName", externalName="api.example.com"),
        service("empty", clusterIP="None"),
    ],
    [
        piece(
            "db", endpoint("10.244.1.2", "db-0"), endpoint("10.244.2.3"), endpoint("10.244.2.9", ready=False)
        )
    ],
)
V4, V6 = Type.A, Type.AAAA


def packed(*texts: str) -> list[bytes]:
    return [bytes(map(int, text.split("."))) for text in texts]


@pytest.mark.parametrize(
    ("name", "kind", "data"),
    [
        ("web.shop.svc.cluster.local", V4, packed("10.96.0.7")),
        ("WEB.Shop.svc.CLUSTER.local", V4, packed("10.96.0.7")),
        ("web.shop.svc.cluster.local", V6, [bytes.fromhex("fd00") + b"\0" * 13 + b"\7"]),
        ("web.shop.svc.cluster.local", Type.SRV, []),
        ("db.shop.svc.cluster.local", V4, packed("10.244.1.2", "10.244.2.3")),
        ("db-0.db.shop.svc.cluster.local", V4, packed("10.244.1.2")),
        ("10-244-2-3.db.shop.svc.cluster.local", V4, packed("10.244.2.3")),
        ("api.shop.svc.cluster.local", V4, [encode_name("api.example.com")]),
        ("10-244-1-2.shop.pod.cluster.local", V4, packed("10.244.1.2")),
        (
            "_http._tcp.web.shop.svc.cluster.local",
            Type.SRV,
            [struct.pack("!HHH", 0, 100, 80) + encode_name("web.shop.svc.cluster.local")],
        ),
        ("7.0.96.10.in-addr.arpa", Type.PTR, [encode_name("web.shop.svc.cluster.local")]),
        ("2.1.244.10.in-addr.arpa", Type.PTR, [encode_name("db-0.db.shop.svc.cluster.local")]),
        ("shop.svc.cluster.local", V4, []),
        ("cluster.local", V4, []),
    ],
)
def test_names(name, kind, data):
    assert ZONE.contains(name)
    found = ZONE.find(name, kind)
    assert found.exists
    assert [each.data for each in found.records] == data


@pytest.mark.parametrize(
    "name",
    [
        "nope.shop.svc.cluster.local", "web.other.svc.cluster.local", "other.svc.cluster.local", "x.web.shop.svc.cluster.local",
        "_smtp._tcp.web.shop.svc.cluster.local", "_http._udp.web.shop.svc.cluster.local", "_http.web.shop.svc.cluster.local",
        "empty.shop.svc.cluster.local", "db-9.db.shop.svc.cluster.local", "a.db-0.db.shop.svc.cluster.local",
        "nonsense.shop.pod.cluster.local", "x.api.shop.svc.cluster.local", "foo.cluster.local",
    ],
)  # fmt: skip
def test_names_that_do_not_exist(name):
    assert ZONE.contains(name)
    assert not ZONE.find(name, V4).exists


@pytest.mark.parametrize("name", ["example.com", "notcluster.local", "9.9.9.9.in-addr.arpa"])
def test_names_of_others(name):
    assert not ZONE.contains(name)


def test_an_srv_record_of_a_headless_service_comes_with_its_addresses():
    found = ZONE.find("_http._tcp.db.shop.svc.cluster.local", Type.SRV)
    assert len(found.records) == 2
    assert {each.name for each in found.additional} == {
        "db-0.db.shop.svc.cluster.local",
        "10-244-2-3.db.shop.svc.cluster.local",
    }


def ask(name: str, *, message: bytes | None = None) -> tuple[int, int]:
    """Return the response code and the number of answers."""
    question = struct.pack("!HHHHHH", 9, 0x0100, 1, 0, 0, 0) + encode_name(name) + struct.pack("!HH", 1, 1)
    answer = asyncio.run(Resolver(lambda: ZONE, []).answer(message or question, udp=True))
    _, flags, _, answers, _, _ = struct.unpack_from("!HHHHHH", answer)
    return flags & 0xF, answers


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("web.shop.svc.cluster.local", (0, 1)),
        ("db.shop.svc.cluster.local", (0, 2)),
        ("nope.shop.svc.cluster.local", (3, 0)),
        ("example.com", (5, 0)),
    ],
)
def test_answers(name, expected):
    assert ask(name) == expected


def test_nonsense_is_answered_as_such():
    assert ask("", message=b"\0\1" + b"\xff" * 20) == (1, 0)


def test_other_resolvers_are_those_of_the_node_but_not_ourselves(tmp_path):
    (tmp_path / "resolv.conf").write_text(
        "nameserver 127.0.0.53\nnameserver 10.0.0.10\nnameserver 9.9.9.9\nsearch x\n"
    )
    assert resolvers(tmp_path / "resolv.conf", ["10.0.0.10"]) == ["9.9.9.9"]
    assert resolvers(tmp_path / "none", []) == []


def test_what_is_registered():
    assert kube_dns("10.96.0.10")["spec"]["clusterIP"] == "10.96.0.10"
    made = endpoint_slice("10.0.0.10", 53)
    assert (made["metadata"]["name"], made["addressType"]) == ("kube-dns-10-0-0-10", "IPv4")
