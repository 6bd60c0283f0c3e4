"""What the manifests grant to the speaker is what it uses."""

from __future__ import annotations

from lab.balancer.speaker.options import read_options
from tests.unit.balancer.speaker.speaker_run import METALLB, NS, SESSIONS, Cluster, in_cluster
from tests.unit.balancer.test_manifests import Grant, documents, granted, used_by


async def make_every_request(cluster: Cluster) -> None:
    """Let the speaker do everything that it can do, on objects of its own and on leftovers of another time."""
    for path in (f"{METALLB}/servicebgpstatuses", f"{METALLB}/configurationstates", SESSIONS.rstrip("/")):
        await cluster.put(path, "leftover", NS)
    await cluster.configure()
    await cluster.service("web", "10.20.30.1")
    async with cluster.speaker():
        for plural in ("servicebgpstatuses", "configurationstates", "bgpsessionstates"):
            await cluster.until(lambda plural=plural: all(cluster.statuses(plural)))  # type: ignore[misc]
        await cluster.until(cluster.events)
        await cluster.service("web", "")
        await cluster.until_routed()
        await cluster.service("web", "10.20.30.1")  # the same event again is counted
        await cluster.until(
            lambda: [r for r in cluster.api.requests if used_by(r) == ("patch", "", "events")]
        )


def test_the_speaker_may_do_what_it_does_and_nothing_else() -> None:
    used: set[Grant] = set()

    async def test(cluster: Cluster) -> None:
        await make_every_request(cluster)
        used.update(used_by(request) for request in cluster.api.requests)

    in_cluster(test, seconds=20)
    assert used == set(granted("speaker-rbac.yaml"))


def test_the_arguments_and_the_environment_are_understood() -> None:
    (workload,) = documents("speaker.yaml")
    (container,) = workload["spec"]["template"]["spec"]["containers"]
    command, *arguments = container["args"]
    options = read_options(arguments, {entry["name"]: entry["name"] for entry in container["env"]})
    assert command == "speaker"
    assert options.port == container["ports"][0]["containerPort"]
    assert (options.namespace, options.node_name) == ("METALLB_NAMESPACE", "METALLB_NODE_NAME")
    assert options.owner is not None
    assert options.owner["uid"] == "METALLB_POD_UID"
    grace = workload["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert options.drain_seconds < grace / 2
