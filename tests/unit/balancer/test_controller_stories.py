"""Who has which address as things happen one after another: the stories of MetalLB's end-to-end tests of assignment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from lab.balancer.controller.controller import Controller
from tests.unit.balancer.controller_run import Cluster, in_cluster, services_path
from tests.unit.kube.fake_api import FakeApi

Step = Callable[[Cluster], Awaitable[object]]
Story = list[tuple[Step, dict[str, str]]]
"""What somebody does, and the addresses that the Services have then."""
SHARED = {"metallb.io/allow-shared-ip": "key"}
DUAL_IPS = ["10.96.0.9", "fd00:96::9"]


def service(
    name: str, *, port: int = 80, app: str = "web", annotations: dict[str, str] | None = None, **spec: Any
) -> Step:
    wanted = {"ports": [{"port": port}], "selector": {"app": app}} | spec
    metadata = {"annotations": annotations or {}}
    return lambda cluster: cluster.service(name, metadata=metadata, **wanted)


def dual(name: str, policy: str, first: str = "10.96.0.9", **wishes: Any) -> Step:
    ips = sorted(DUAL_IPS, key=lambda ip: ip != first)
    return service(name, clusterIP=first, clusterIPs=ips, ipFamilyPolicy=policy, **wishes)


def deleted(name: str) -> Step:
    return lambda cluster: cluster.api.remove(services_path(name))


def pool(name: str, *addresses: str, **spec: Any) -> Step:
    return lambda cluster: cluster.pool(name, *addresses, **spec)


def no_pool(name: str) -> Step:
    return lambda cluster: cluster.delete_pool(name)


def namespace(**labels: str) -> Step:
    item = {"metadata": {"name": "default", "labels": labels}}
    return lambda cluster: cluster.api.put("/api/v1/namespaces/default", item)


ONLY, OTHER = "192.0.2.7", "198.51.100.7"
PREFER, REQUIRE = "PreferDualStack", "RequireDualStack"
STORIES: dict[str, Story] = {
    "an address is shared once the policies allow it": [
        (pool("p", f"{ONLY}/32"), {}),
        (service("a", annotations=SHARED, externalTrafficPolicy="Local"), {"a": ONLY}),
        (
            service("b", port=81, app="api", annotations=SHARED, externalTrafficPolicy="Local"),
            {"a": ONLY, "b": ""},
        ),
        (service("a", annotations=SHARED), {"a": ONLY, "b": ""}),
        (service("b", port=81, app="api", annotations=SHARED), {"a": ONLY, "b": ONLY}),
    ],
    "an address is shared once the selectors are equal": [
        (pool("p", f"{ONLY}/32"), {}),
        (service("a", annotations=SHARED, externalTrafficPolicy="Local"), {"a": ONLY}),
        (
            service("b", port=81, app="api", annotations=SHARED, externalTrafficPolicy="Local"),
            {"a": ONLY, "b": ""},
        ),
        (
            service("a", app="api", annotations=SHARED, externalTrafficPolicy="Local"),
            {"a": ONLY, "b": ONLY},
        ),
    ],
    "an address is shared once the ports differ": [
        (pool("p", f"{ONLY}/32"), {}),
        (service("a", annotations=SHARED), {"a": ONLY}),
        (service("b", annotations=SHARED), {"a": ONLY, "b": ""}),
        (service("a", port=81, annotations=SHARED), {"a": ONLY, "b": ONLY}),
        (deleted("a"), {"b": ONLY}),
    ],
    "all pools go and one returns": [
        (pool("p", f"{ONLY}/32"), {}),
        (service("a"), {"a": ONLY}),
        (no_pool("p"), {"a": ""}),
        (pool("q", f"{OTHER}/32"), {"a": OTHER}),
    ],
    "a pool goes and another one is there": [
        (pool("p", f"{ONLY}/32"), {}),
        (service("a"), {"a": ONLY}),
        (pool("q", f"{OTHER}/32"), {"a": ONLY}),
        (no_pool("p"), {"a": OTHER}),
    ],
    "a pool that does not assign by itself": [
        (pool("p", f"{ONLY}/32", autoAssign=False), {}),
        (service("a"), {"a": ""}),
        (service("a", annotations={"metallb.io/address-pool": "p"}), {"a": ONLY}),
        (pool("p", f"{ONLY}/32"), {"a": ONLY}),
        (service("a"), {"a": ONLY}),
    ],
    "a wish for another address": [
        (pool("p", "192.0.2.0/29"), {}),
        (service("a"), {"a": "192.0.2.0"}),
        (service("a", annotations={"metallb.io/loadBalancerIPs": "192.0.2.5"}), {"a": "192.0.2.5"}),
        (service("b", loadBalancerIP="192.0.2.5"), {"a": "192.0.2.5", "b": ""}),
        (service("a"), {"a": "192.0.2.5", "b": ""}),
        (
            service("a", annotations={"metallb.io/loadBalancerIPs": "192.0.2.6"}),
            {"a": "192.0.2.6", "b": "192.0.2.5"},
        ),
    ],
    "a pool for namespaces with a label": [
        (namespace(), {}),
        (
            pool("p", f"{ONLY}/32", serviceAllocation={"namespaceSelectors": [{"matchLabels": {"a": "b"}}]}),
            {},
        ),
        (service("a"), {"a": ""}),
        (namespace(a="b"), {"a": ONLY}),
        (namespace(), {"a": ""}),
    ],
    "a label takes a Service to its own pool": [
        (pool("p", f"{ONLY}/32", serviceAllocation={"serviceSelectors": [{"matchLabels": {"a": "b"}}]}), {}),
        (service("a"), {"a": ""}),
        (lambda cluster: cluster.service("a", metadata={"labels": {"a": "b"}}), {"a": ONLY}),
        (service("a"), {"a": ""}),
    ],
    "dual stack is preferred, and the pool gets the second family later": [
        (pool("p", f"{ONLY}/32"), {}),
        (dual("a", PREFER), {"a": ONLY}),
        (pool("p", f"{ONLY}/32", "fd00::7/128"), {"a": f"{ONLY},fd00::7"}),
    ],
    "dual stack is preferred, and another pool has both families later": [
        (pool("p", f"{ONLY}/32"), {}),
        (dual("a", PREFER), {"a": ONLY}),
        (pool("q", f"{OTHER}/32", "fd00::7/128"), {"a": ONLY}),
    ],
    "a dual pool becomes single and another dual one is there": [
        (pool("p", f"{ONLY}/32", "fd00::7/128"), {}),
        (pool("q", f"{OTHER}/32", "fd01::7/128"), {}),
        (dual("a", PREFER), {"a": f"{ONLY},fd00::7"}),
        (pool("p", f"{ONLY}/32"), {"a": f"{OTHER},fd01::7"}),
    ],
    "dual stack is preferred, then required, then preferred": [
        (pool("p", f"{ONLY}/32"), {}),
        (dual("a", PREFER), {"a": ONLY}),
        (dual("a", REQUIRE), {"a": ""}),
        (dual("a", PREFER), {"a": ONLY}),
        (pool("p", f"{ONLY}/32", "fd00::7/128"), {"a": f"{ONLY},fd00::7"}),
        (dual("a", REQUIRE), {"a": f"{ONLY},fd00::7"}),
        (dual("a", PREFER), {"a": f"{ONLY},fd00::7"}),
    ],
    "IPv6 comes first where the Service says so": [
        (pool("p", f"{ONLY}/32"), {}),
        (pool("q", "fd00::7/128"), {}),
        (dual("a", PREFER, first="fd00:96::9"), {"a": "fd00::7"}),
    ],
    "two families become one": [
        (pool("p", f"{ONLY}/32", "fd00::7/128"), {}),
        (dual("a", REQUIRE), {"a": f"{ONLY},fd00::7"}),
        (service("a", ipFamilyPolicy="SingleStack"), {"a": ONLY}),
    ],
}


def has(cluster: Cluster, expected: dict[str, str]) -> bool:
    return all(cluster.address(name) == address for name, address in expected.items())


def has_seen_all(controller: Controller, api: FakeApi) -> bool:
    """Whether the controller knows every object as it is, and has nothing left to do."""
    return not len(controller._reconciler.queue) and all(
        set(reflector._versions.values())
        == {
            item["metadata"]["resourceVersion"]
            for path, item in api.objects.items()
            if path.split("/")[-2] == reflector.resource.plural
        }
        for reflector in controller._reflectors
    )


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_who_has_which_address(story: Story) -> None:
    async def test(cluster: Cluster) -> None:
        async with cluster.controller() as controller:
            for number, (step, expected) in enumerate(story):
                await step(cluster)
                await cluster.until(lambda: has_seen_all(controller, cluster.api))
                try:
                    async with asyncio.timeout(3):
                        await cluster.until(lambda expected=expected: has(cluster, expected))  # type: ignore[misc]
                except TimeoutError:
                    pytest.fail(f"step {number}: {[cluster.address(n) for n in expected]}, not {expected}")
            await cluster.service("last", metadata={"annotations": {"metallb.io/address-pool": "none"}})
            await cluster.until_pending("last")
            await cluster.until(lambda: not len(controller._reconciler.queue))
            assert has(cluster, story[-1][1])

    in_cluster(test, seconds=20)
