"""What a speaker says of the configuration (ConfigurationState): of what concerns its own node, as long as it is so."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from lab.balancer.speaker.speaker import Speaker
from tests.unit.balancer.config_objects import secret
from tests.unit.balancer.speaker.speaker_run import METALLB, NODE, NS, PEERS, Cluster, in_cluster

RACK = [{"matchLabels": {"rack": "7"}}]
STATE = f"{METALLB}/configurationstates/speaker-{NODE}"
Step = Callable[[Cluster], Awaitable[object]]


def peer(name: str = "other", **spec: Any) -> Step:
    return lambda cluster: cluster.peer(name, peerAddress="10.0.0.9", **spec)


def gone(path: str) -> Step:
    return lambda cluster: cluster.api.remove(path)


def node(**labels: str) -> Step:
    return lambda cluster: cluster.node(**labels)


def advertise(**spec: Any) -> Step:
    return lambda cluster: cluster.advertise(**spec)


def put(plural: str, name: str, **spec: Any) -> Step:
    return lambda cluster: cluster.put(f"{METALLB}/{plural}", name, NS, spec=spec)


def put_secret(name: str, type_: str) -> Step:
    path = f"/api/v1/namespaces/{NS}/secrets"
    return lambda cluster: cluster.put(path, name, NS, **secret(type_=type_))


BASIC = "kubernetes.io/basic-auth"
# What somebody does, and what the speaker then says: nothing is wrong, or a piece of what is.
Story = list[tuple[Step, str]]
STORIES: dict[str, Story] = {
    "a secret of a wrong type": [
        (put_secret("s", "Opaque"), ""),
        (peer(passwordSecret={"name": "s"}), "secret 's' is of type 'Opaque'"),
        (put_secret("s", BASIC), ""),
    ],
    "a secret of a wrong type, for another node": [
        (put_secret("s", "Opaque"), ""),
        (peer(passwordSecret={"name": "s"}, nodeSelectors=RACK), ""),
        (node(rack="7"), "secret 's' is of type 'Opaque'"),
        (node(), ""),
    ],
    "a BFD profile that comes and goes": [
        (peer(bfdProfile="quick"), "BFDProfile 'quick' not found"),
        (put("bfdprofiles", "quick"), ""),
        (gone(f"{METALLB}/bfdprofiles/quick"), "BFDProfile 'quick' not found"),
        (peer(), ""),
    ],
    "a community that comes": [
        (advertise(communities=["mine"]), "unknown community 'mine'"),
        (put("communities", "c", communities=[{"name": "mine", "value": "1:2"}]), ""),
    ],
    "an advertisement for another node": [
        (advertise(communities=["mine"], nodeSelectors=RACK), ""),
        (node(rack="7"), "unknown community 'mine'"),
    ],
    "one error behind another": [
        (peer("a", bfdProfile="x"), "BGPPeer a"),
        (
            peer("b", passwordSecret={"name": "none"}),
            "BGPPeer b: spec.passwordSecret: secret 'none' not found",
        ),
        (gone(f"{PEERS}/a"), "BGPPeer b"),
        (gone(f"{PEERS}/b"), ""),
    ],
    "two preferences on one node, after a change of its labels": [
        (advertise(localPref=100), ""),
        (put("bgpadvertisements", "more", localPref=200, nodeSelectors=RACK), ""),
        (node(rack="7"), "invalid local preference"),
    ],
    "a selector that cannot be read is everybody's": [
        (peer(nodeSelectors=[{"matchExpressions": [{"key": "a", "operator": "Near"}]}]), "operator"),
    ],
    "the state is deleted": [
        (peer(bfdProfile="quick"), "BFDProfile 'quick' not found"),
        (gone(STATE), "BFDProfile 'quick' not found"),
        (peer(), ""),
        (gone(STATE), ""),
    ],
}


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_what_a_speaker_says_of_the_configuration(story: Story) -> None:
    async def test(cluster: Cluster) -> None:
        await cluster.configure()
        async with cluster.speaker() as speaker:
            await cluster.until(lambda: STATE in cluster.api.objects)
            for step, said in story:
                heard = sum(reflector.updates for reflector in speaker._reflectors)
                await step(cluster)
                await cluster.until(lambda heard=heard: has_read(cluster, speaker, heard))  # type: ignore[misc]
                errors = "\n".join(speaker._loaded.errors) if speaker._loaded else ""
                assert said in errors
                assert bool(said) is bool(errors)
                await cluster.until(lambda errors=errors: is_told(cluster, errors))  # type: ignore[misc]

    in_cluster(test)


def has_read(cluster: Cluster, speaker: Speaker, heard: int) -> bool:
    """Whether the speaker has heard of a change and read the configuration again, if it was one of it."""
    news = sum(reflector.updates for reflector in speaker._reflectors) > heard
    return STATE not in cluster.api.objects or (news and not speaker._everything)


def is_told(cluster: Cluster, errors: str) -> bool:
    status = cluster.api.objects[STATE]["status"]
    return bool(status["result"] == ("Invalid" if errors else "Valid") and status["errorSummary"] == errors)
