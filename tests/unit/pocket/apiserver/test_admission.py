"""What the server does to objects besides their schema, as a real kube-apiserver 1.36 does it."""

from __future__ import annotations

from typing import Any

from tests.unit.pocket.apiserver.conversation import Client, converse

POD = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "nginx"}]}}
PODS, SETS = "/api/v1/namespaces/default/pods", "/apis/apps/v1/namespaces/default/daemonsets"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
GENERATION = "deprecated.daemonset.template.generation"


def daemon_set(image: str, **annotations: str) -> Any:
    template = {
        "metadata": {"labels": {"a": "b"}},
        "spec": {"containers": [{"name": "c", "image": image}]},
    }
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    return {"metadata": {"name": "d", "annotations": annotations}, "spec": spec}


def test_a_cluster_scoped_object_loses_its_namespace(tmp_path):
    async def talk(client: Client) -> None:
        body = {"metadata": {"name": "n", "namespace": "default"}}
        assert "namespace" not in (await client.ok("POST", "/api/v1/namespaces", body))["metadata"]
        other = {"metadata": {"name": "n", "namespace": "other"}}
        assert (await client.send("POST", CONFIG_MAPS, other)).code == 400

    converse(tmp_path, talk)


def test_a_warning_survives_a_refusal(tmp_path):
    async def talk(client: Client) -> None:
        body = {"metadata": {"name": "not valid"}, "unknown": 1}
        answer = await client.send("POST", CONFIG_MAPS, body)
        assert (answer.code, answer.headers.getall("Warning")) == (
            422,
            ['299 - "unknown field \\"unknown\\""'],
        )

    converse(tmp_path, talk)


def test_another_uid_conflicts_in_an_update_and_is_invalid_in_a_patch(tmp_path):
    async def talk(client: Client) -> None:
        body = {"metadata": {"name": "a", "uid": "other"}}
        await client.ok("POST", CONFIG_MAPS, {"metadata": {"name": "a"}})
        assert (await client.send("PUT", f"{CONFIG_MAPS}/a", body)).code == 409
        kind = "application/merge-patch+json"
        patched = await client.send("PATCH", f"{CONFIG_MAPS}/a", body, Content_Type=kind)
        assert patched.code == 422
        why = 'ConfigMap "a" is invalid: metadata.uid: Invalid value: "other": field is immutable'
        assert patched.body["message"] == why

    converse(tmp_path, talk)


def test_an_update_cannot_take_default_tolerations_away(tmp_path):
    async def talk(client: Client) -> None:
        made = await client.ok("POST", PODS, POD)
        tolerations = made["spec"]["tolerations"]
        assert len(tolerations) == 2
        made["spec"]["tolerations"] = []
        updated = await client.ok("PUT", f"{PODS}/p", made)
        assert updated["spec"]["tolerations"] == tolerations

    converse(tmp_path, talk)


def test_a_new_node_is_not_ready(tmp_path):
    async def talk(client: Client) -> None:
        ours = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
        other = {"key": "a", "effect": "NoExecute"}
        for name, given, taints in (
            ("a", [], [ours]),
            ("b", [ours], [ours]),
            ("c", [other], [other, ours]),
        ):
            body = {"metadata": {"name": name}, "spec": {"taints": given}}
            assert (await client.ok("POST", "/api/v1/nodes", body))["spec"]["taints"] == taints
        free = await client.send(
            "PATCH",
            "/api/v1/nodes/a",
            {"spec": {"taints": None}},
            Content_Type="application/merge-patch+json",
        )
        assert "taints" not in free.body["spec"]

    converse(tmp_path, talk)


def test_a_daemon_set_counts_its_templates(tmp_path):
    async def talk(client: Client) -> None:
        made = await client.ok("POST", SETS, daemon_set("nginx:1", other="x"))
        assert made["metadata"]["annotations"] == {"other": "x", GENERATION: "1"}
        for image, count in (("nginx:1", "1"), ("nginx:2", "2"), ("nginx:2", "2")):
            body = daemon_set(image, **{GENERATION: "77"})
            updated = await client.ok("PUT", f"{SETS}/d", body)
            assert updated["metadata"]["annotations"] == {GENERATION: count}

    converse(tmp_path, talk)


def test_a_dry_run_hands_out_node_ports_of_the_range(tmp_path):
    async def talk(client: Client) -> None:
        spec = {"type": "NodePort", "ports": [{"port": 80}]}
        for _ in range(100):
            path = "/api/v1/namespaces/default/services?dryRun=All"
            made = await client.ok("POST", path, {"metadata": {"name": "s"}, "spec": spec})
            assert 30000 <= made["spec"]["ports"][0]["nodePort"] <= 32767

    converse(tmp_path, talk)
