from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from lab.balancer.__main__ import main
from lab.balancer.conditions import ADDRESS_ASSIGNED
from lab.balancer.explain import _ask, explain
from lab.balancer.service import Service
from lab.errors import UsageError
from lab.kube.resources import ObjectKey
from tests.unit.balancer.controller_run import METALLB, Cluster, services_path
from tests.unit.kube.fake_api import FakeApi

WEB = Service(key=ObjectKey("default", "web"))
FAILED = {
    "type": ADDRESS_ASSIGNED,
    "status": "False",
    "message": "no available IPs: pool p has no free address left",
}
DONE = {"type": ADDRESS_ASSIGNED, "status": "True", "message": "assigned from pool p"}


def announcement(node: str, **status: Any) -> dict[str, Any]:
    return {"status": {"node": node, "serviceName": "web", "serviceNamespace": "default", **status}}


def session(node: str, peer: str, state: str, error: str = "") -> dict[str, Any]:
    status = {"node": node, "peer": "10.0.0.1", "peerName": peer, "bgpStatus": state, "lastError": error}
    return {"status": status}


SESSIONS = [
    session("n1", "peer1", "Established"),
    session("n1", "peer2", "Active", "connection refused"),
    session("n1", "other", "Idle"),
    session("n2", "peer1", "Idle"),
]


@pytest.mark.parametrize(
    ("service", "announcements", "said"),
    [
        (replace(WEB, type="ClusterIP"), [], ["default/web is of type ClusterIP: only Services of type"]),
        (WEB, [], ["waits, and no controller has said anything about it"]),
        (replace(WEB, load_balancer_class="x"), [], ["waits for a controller of loadBalancerClass x"]),
        (
            replace(WEB, conditions=(FAILED,)),
            [],
            ["has no address: no available IPs: pool p has no free address left."],
        ),
        (
            replace(WEB, conditions=(DONE,), ingress=("192.0.2.1",)),
            [],
            ["has the address 192.0.2.1 (assigned from pool p).", "No node says that it announces it"],
        ),
        (
            replace(WEB, ingress=("192.0.2.1", "fd00::1")),
            [
                announcement("n2", notAnnounced=[{"reason": "noLocalEndpoints"}]),
                announcement("n1", peers=["peer1", "peer2"]),
                announcement("n3", interfaces=[{"name": "eth0"}]),
                announcement(
                    "n4", notAnnounced=[{"peer": "peer1", "reason": "other", "message": "no session"}]
                ),
                {"status": {"node": "n9", "serviceName": "other", "serviceNamespace": "default"}},
            ],
            [
                "has the address 192.0.2.1 and fd00::1.",
                "Node n1 announces it to peer1, peer2 over BGP.",
                "But node n1 has no session with peer2 (10.0.0.1), it is Active: connection refused.",
                "Node n2 does not announce it: externalTrafficPolicy is Local and no ready pod runs on this node.",
                "Node n3 announces it on eth0.",
                "Node n4 does not announce it to peer1: no session.",
            ],
        ),
    ],
)
def test_sentences(service: Service, announcements: list[Any], said: list[str]) -> None:
    sentences = list(explain(service, announcements=announcements, sessions=SESSIONS, states=[]))
    assert len(sentences) == len(said)
    for sentence, words in zip(sentences, said, strict=True):
        assert words in sentence


def test_mistakes_in_the_configuration_are_mentioned() -> None:
    states = [
        {
            "metadata": {"name": "controller"},
            "status": {"result": "Invalid", "errorSummary": "pool p: wrong"},
        },
        {"metadata": {"name": "speaker-n1"}, "status": {"result": "Valid"}},
    ]
    sentences = list(explain(WEB, announcements=[], sessions=[], states=states))
    assert sentences[1:] == ["The configuration has mistakes, says controller: pool p: wrong"]


def test_asking_an_api(tmp_path: Any) -> None:
    config = tmp_path / "config"

    async def run() -> list[str]:
        async with FakeApi().serving() as api:
            config.write_text(
                '{"current-context":"c","contexts":[{"name":"c","context":{"cluster":"c"}}],'
                f'"clusters":[{{"name":"c","cluster":{{"server":"http://127.0.0.1:{api.port}"}}}}]}}'
            )
            await Cluster(api).service("web")
            status = {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}
            await api.put(services_path("web"), {**api.objects[services_path("web")], "status": status})
            await api.put(
                f"{METALLB}/servicebgpstatuses/bgp-x",
                {
                    "metadata": {"name": "bgp-x", "namespace": "metallb-system"},
                    **announcement("n1", peers=["p"]),
                },
            )
            with pytest.raises(UsageError, match="there is no Service default/nothing"):
                await _ask("nothing", namespace="metallb-system", kubeconfig=str(config))
            return await _ask("default/web", namespace="metallb-system", kubeconfig=str(config))

    assert asyncio.run(asyncio.wait_for(run(), 10)) == [
        "default/web has the address 192.0.2.1.",
        "Node n1 announces it to p over BGP.",
    ]


def test_the_command_line(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert main(["sing"]) == 2
    assert main(["explain", "web", "--kubeconfig", str(tmp_path / "missing")]) == 2
    assert "cannot read" in capsys.readouterr().err
