from __future__ import annotations

from typing import Any

import pytest

from lab.kube.resources import Json
from lab.pocket.agent.bundle import Mount, Plan, amount, runtime_spec
from lab.pocket.agent.errors import ConfigError
from lab.pocket.agent.identity import DEFAULT_CAPABILITIES, Identity, capabilities, identity

PASSWD = "root:x:0:0::/root:/bin/sh\nwww-data:x:33:33::/var/www:/bin/false\napp:x:1000:1001::/:/bin/sh\n"
GROUP = "root:x:0:\nadm:x:4:www-data\nstaff:x:50:app,other\n"
ALL = DEFAULT_CAPABILITIES | {"CAP_NET_ADMIN", "CAP_SYS_ADMIN"}


def spec_of(container: Json | None = None, controllers: frozenset[str] = frozenset(), **pod: Any) -> Json:
    plan = Plan(
        arguments=["nginx"], variables={"A": "1"}, identity=Identity(33, 33, (4,)), directory="/srv", hostname="web",
        namespace="" if pod.get("hostNetwork") else "/run/netns/pod-1", mounts=[Mount("/src", "/dst", read_only=True)],
        available=ALL, controllers=controllers, cgroup="/lab-pods/1/c",
    )  # fmt: skip
    return runtime_spec({"spec": pod}, {"name": "c"} | (container or {}), plan)


def kinds(spec: Json) -> set[str]:
    return {each["type"] for each in spec["linux"]["namespaces"]}


def test_process_and_mounts():
    spec = spec_of()
    process = spec["process"]
    assert (process["args"], process["env"], process["cwd"]) == (["nginx"], ["A=1"], "/srv")
    assert process["user"] == {"uid": 33, "gid": 33, "additionalGids": [4]}
    assert spec["mounts"][-1] == {
        "destination": "/dst",
        "type": "bind",
        "source": "/src",
        "options": ["rbind", "rprivate", "ro"],
    }
    assert kinds(spec) == {"mount", "pid", "ipc", "uts", "network"}


@pytest.mark.parametrize(
    ("pod", "missing"),
    [({"hostNetwork": True}, {"network", "uts"}), ({"hostPID": True}, {"pid"}), ({"hostIPC": True}, {"ipc"})],
)
def test_namespaces_that_are_shared_with_the_node(pod, missing):
    spec = spec_of(**pod)
    assert kinds(spec) == {"mount", "pid", "ipc", "uts", "network"} - missing
    assert ("hostname" in spec) == ("uts" in kinds(spec))


@pytest.mark.parametrize(
    ("context", "check"),
    [
        ({"readOnlyRootFilesystem": True}, lambda spec: spec["root"]["readonly"]),
        ({"allowPrivilegeEscalation": False}, lambda spec: spec["process"]["noNewPrivileges"]),
        ({"privileged": True}, lambda spec: not spec["linux"]["maskedPaths"]),
        ({}, lambda spec: "/proc/kcore" in spec["linux"]["maskedPaths"]),
        ({}, lambda spec: not spec["root"]["readonly"] and not spec["process"]["noNewPrivileges"]),
    ],
)
def test_security_context(context, check):
    assert check(spec_of({"securityContext": context}))


def test_limits_are_set_where_the_node_can_enforce_them():
    container = {"resources": {"limits": {"memory": "64Mi", "cpu": "500m"}}}
    assert spec_of(container)["linux"]["resources"] == {}
    assert spec_of(container, frozenset({"memory", "cpu"}))["linux"]["resources"] == {
        "memory": {"limit": 64 << 20},
        "cpu": {"quota": 50_000, "period": 100_000},
    }


@pytest.mark.parametrize(
    ("text", "value"), [("100m", 0.1), ("1", 1), ("2Ki", 2048), ("1M", 1e6), ("1e3", 1000), (2, 2)]
)
def test_quantities(text, value):
    assert amount(text) == value


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        ({}, DEFAULT_CAPABILITIES),
        ({"privileged": True}, ALL),
        ({"capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}}, {"CAP_NET_BIND_SERVICE"}),
        ({"capabilities": {"add": ["NET_ADMIN"]}}, DEFAULT_CAPABILITIES | {"CAP_NET_ADMIN"}),
        ({"capabilities": {"add": ["CAP_SYS_TIME"]}}, DEFAULT_CAPABILITIES),
        ({"capabilities": {"add": ["ALL"]}}, ALL),
        ({"capabilities": {"drop": ["CHOWN"]}}, DEFAULT_CAPABILITIES - {"CAP_CHOWN"}),
    ],
)
def test_capabilities_are_never_more_than_the_node_has(context, expected):
    assert capabilities(context, ALL) == expected


def who(image_user: str = "", pod: Json | None = None, **container: Any) -> Identity:
    spec = {"spec": {"securityContext": pod or {}}}
    return identity(spec, {"securityContext": container}, image_user=image_user, passwd=PASSWD, group=GROUP)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (who(), Identity(0, 0)),
        (who("www-data"), Identity(33, 33, (4,))),
        (who("app:staff"), Identity(1000, 50, (50,))),
        (who("1000"), Identity(1000, 1001, (50,))),
        (who("7:8"), Identity(7, 8)),
        (who("www-data", runAsUser=1000), Identity(1000, 1001, (50,))),
        (
            who(pod={"runAsUser": 5, "runAsGroup": 6, "fsGroup": 9, "supplementalGroups": [1]}),
            Identity(5, 6, (1, 9)),
        ),
        (who(pod={"runAsUser": 5}, runAsUser=7), Identity(7, 0)),
    ],
)
def test_identities(found, expected):
    assert found == expected


def test_root_is_refused_where_it_is_not_allowed():
    with pytest.raises(ConfigError, match="runAsNonRoot"):
        who(runAsNonRoot=True)
    assert who("app", runAsNonRoot=True).uid == 1000


def test_an_unknown_user_is_refused():
    with pytest.raises(ConfigError, match="nobody-here"):
        who("nobody-here")
