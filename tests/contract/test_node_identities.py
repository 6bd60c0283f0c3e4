"""What the agent of a node may do: its own Node, Lease and pods, and what those pods refer to."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from tests.contract.client import MERGE, Answer, Api, Json, eventually

NODES = "/api/v1/nodes"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"


class Agent:
    """Requests as `system:node:NAME`, by impersonation."""

    def __init__(self, api: Api, name: str) -> None:
        self._api = api
        self.name = name
        self._headers = {"Impersonate-User": f"system:node:{name}", "Impersonate-Group": "system:nodes"}

    def send(self, method: str, path: str, body: Json | None = None, **query: str) -> Answer:
        headers = self._headers | ({"Content-Type": MERGE} if method == "PATCH" else {})
        return self._api.send(method, path, body, headers=headers, **query)

    def refused(self, method: str, path: str, body: Json | None = None, **query: str) -> str:
        answer = self.send(method, path, body, **query)
        assert answer.refusal == (403, "Forbidden"), answer
        message: str = answer.body["message"]
        return message


@pytest.fixture
def agent(api: Api) -> Iterator[Agent]:
    agent = Agent(api, f"contract-{uuid.uuid4().hex[:8]}")
    made = agent.send("POST", NODES, {"metadata": {"name": agent.name, "labels": {"own": "yes"}}})
    assert made.code == 201, made
    yield agent
    api.send("DELETE", f"{NODES}/{agent.name}")
    api.send("DELETE", f"{LEASES}/{agent.name}")


@pytest.fixture
def pod(api: Api, core: str, agent: Agent) -> str:
    """The path of a pod on the agent's node that refers to the secret `told` and the config map `told`."""
    eventually(lambda: api.send("GET", f"{core}/serviceaccounts/default").code == 200, "the account")
    api.create(f"{core}/secrets", {"metadata": {"name": "told"}})
    api.create(f"{core}/secrets", {"metadata": {"name": "hidden"}})
    api.create(f"{core}/configmaps", {"metadata": {"name": "told"}})
    container = {
        "name": "c",
        "image": "example.com/one",
        "envFrom": [{"secretRef": {"name": "told"}}, {"configMapRef": {"name": "told"}}],
    }
    spec = {"nodeName": agent.name, "containers": [container], "terminationGracePeriodSeconds": 0}
    api.create(f"{core}/pods", {"metadata": {"name": "p"}, "spec": spec})
    return f"{core}/pods/p"


def test_a_node_writes_its_own_node_alone(api: Api, agent: Agent) -> None:
    own, other = f"{NODES}/{agent.name}", f"{NODES}/other-{agent.name}"
    assert agent.send("GET", own).code == 200
    assert agent.send("PATCH", f"{own}/status", {"status": {"phase": "Running"}}).code == 200
    assert agent.send("PATCH", own, {"metadata": {"labels": {"kubernetes.io/hostname": "h"}}}).code == 200
    assert "is not allowed to modify node" in agent.refused("POST", NODES, {"metadata": {"name": other[14:]}})
    assert "cannot delete resource" in agent.refused("DELETE", own)
    api.create(NODES, {"metadata": {"name": other[14:]}})
    try:
        assert "is not allowed to modify node" in agent.refused("PATCH", f"{other}/status", {"status": {}})
    finally:
        api.ok("DELETE", other)


@pytest.mark.parametrize(
    ("patch", "why"),
    [
        ({"spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]}}, "is not allowed to modify taints"),
        ({"metadata": {"labels": {"node-role.kubernetes.io/x": ""}}}, "is not allowed to modify labels"),
        (
            {"metadata": {"labels": {"node-restriction.kubernetes.io/x": ""}}},
            "is not allowed to modify labels",
        ),
    ],
)
def test_a_node_cannot_make_itself_attractive(agent: Agent, patch: Json, why: str) -> None:
    assert why in agent.refused("PATCH", f"{NODES}/{agent.name}", patch)


def test_a_node_has_one_lease(agent: Agent) -> None:
    assert agent.send("POST", LEASES, {"metadata": {"name": agent.name}, "spec": {}}).code == 201
    assert agent.send("PATCH", f"{LEASES}/{agent.name}", {"spec": {"leaseDurationSeconds": 40}}).code == 200
    agent.refused("POST", LEASES, {"metadata": {"name": f"other-{agent.name}"}, "spec": {}})
    agent.refused("GET", f"{LEASES}/other")
    agent.refused("GET", LEASES.replace("kube-node-lease", "default"))


def test_a_node_reads_what_its_pods_refer_to(agent: Agent, core: str, pod: str) -> None:
    assert agent.refused("GET", f"{core}/secrets/hidden").endswith(
        f"no relationship found between node '{agent.name}' and this object"
    )
    eventually(lambda: agent.send("GET", f"{core}/secrets/told").code == 200, "the secret")
    assert agent.send("GET", f"{core}/configmaps/told").code == 200
    assert agent.send("GET", pod).code == 200
    agent.refused("GET", f"{core}/secrets")
    agent.refused("PATCH", f"{core}/secrets/told", {"data": {}})
    agent.refused("GET", "/api/v1/pods")
    assert (
        len(agent.send("GET", "/api/v1/pods", fieldSelector=f"spec.nodeName={agent.name}").body["items"]) == 1
    )


def test_a_node_writes_the_status_of_its_own_pods(api: Api, agent: Agent, core: str, pod: str) -> None:
    assert agent.send("PATCH", f"{pod}/status", {"status": {"message": "hello"}}).code == 200
    spec = {"nodeName": "another", "containers": [{"name": "c", "image": "example.com/one"}]}
    api.create(f"{core}/pods", {"metadata": {"name": "other"}, "spec": spec})
    assert "can only update pod status" in agent.refused("PATCH", f"{core}/pods/other/status", {"status": {}})
    assert "can only delete pods" in agent.refused("DELETE", f"{core}/pods/other")
    assert agent.send("DELETE", pod).code == 200
    assert "mirror pods" in agent.refused("POST", f"{core}/pods", {"metadata": {"name": "q"}, "spec": spec})
    api.send("DELETE", f"{core}/pods/other", gracePeriodSeconds="0")


def test_a_node_gets_tokens_for_its_own_pods(api: Api, agent: Agent, core: str, pod: str) -> None:
    path = f"{core}/serviceaccounts/default/token"
    bound = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": api.get(pod)["metadata"]["uid"]}
    request = {"spec": {"boundObjectRef": bound}}
    made = eventually(lambda: agent.send("POST", path, request).body.get("status"), "a token")
    assert made["token"].count(".") == 2
    assert "not bound to a pod" in agent.refused("POST", path, {"spec": {}})
