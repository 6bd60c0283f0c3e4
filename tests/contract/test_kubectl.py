"""kubectl as it is found on the machine: what people type, and what it prints."""

from __future__ import annotations

import re

from tests.contract.conftest import Kubectl

MANIFEST = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: red}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: LoadBalancer, selector: {app: web}, ports: [{port: 80}]}
"""


def test_apply_creates_then_says_unchanged_then_configures(kubectl: Kubectl) -> None:
    assert kubectl("apply", "-f", "-", stdin=MANIFEST) == "configmap/settings created\nservice/web created\n"
    assert (
        kubectl("apply", "-f", "-", stdin=MANIFEST) == "configmap/settings unchanged\nservice/web unchanged\n"
    )
    changed = MANIFEST.replace("red", "blue").replace("port: 80", "port: 81")
    assert (
        kubectl("apply", "-f", "-", stdin=changed)
        == "configmap/settings configured\nservice/web configured\n"
    )
    assert kubectl("get", "cm", "settings", "-o", "jsonpath={.data.colour}") == "blue"
    assert kubectl("diff", "-f", "-", stdin=changed) == ""


def test_a_list_that_get_wrote_can_be_applied(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=MANIFEST)
    written = kubectl("get", "configmaps,services", "-o", "yaml")
    assert "kind: List" in written
    assert "service/web" in kubectl("apply", "-f", "-", stdin=written)


def test_create_expose_scale_label_delete(kubectl: Kubectl) -> None:
    assert (
        kubectl("create", "deployment", "web", "--image=nginx", "--replicas=0")
        == "deployment.apps/web created\n"
    )
    assert (
        kubectl("expose", "deployment", "web", "--port=80", "--type=LoadBalancer") == "service/web exposed\n"
    )
    assert kubectl("scale", "deployment", "web", "--replicas=0") == "deployment.apps/web scaled\n"
    assert kubectl("label", "deployment", "web", "tier=front") == "deployment.apps/web labeled\n"
    assert kubectl("annotate", "svc", "web", "why=test") == "service/web annotated\n"
    assert kubectl("set", "image", "deployment/web", "nginx=nginx:2") == "deployment.apps/web image updated\n"
    assert kubectl("get", "deploy", "web", "-o", "jsonpath={..image}") == "nginx:2"
    assert kubectl("delete", "svc", "web").startswith('service "web" deleted')


def test_get_prints_a_table(kubectl: Kubectl) -> None:
    kubectl("create", "service", "loadbalancer", "web", "--tcp=80:8080")
    head, row = kubectl("get", "svc", "web").splitlines()
    assert head.split() == ["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE"]
    assert re.fullmatch(r"web\s+LoadBalancer\s+\S+\s+<pending>\s+80:3\d{4}/TCP\s+\d+s", row)


def test_refusals_read_as_usual(kubectl: Kubectl) -> None:
    assert (
        kubectl("get", "pod", "none", fails=True) == 'Error from server (NotFound): pods "none" not found\n'
    )
    kubectl("create", "cm", "a")
    error = kubectl("create", "cm", "a", fails=True)
    assert error == 'error: failed to create configmap: configmaps "a" already exists\n'
    assert (
        kubectl("get", "nonsense", fails=True)
        == 'error: the server doesn\'t have a resource type "nonsense"\n'
    )


def test_unknown_fields_are_refused(kubectl: Kubectl) -> None:
    manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndatum: {}\n"
    assert 'unknown field "datum"' in kubectl("apply", "-f", "-", stdin=manifest, fails=True)


def test_explain_and_api_resources(kubectl: Kubectl) -> None:
    text = kubectl("explain", "service.spec.loadBalancerClass")
    assert "FIELD: loadBalancerClass <string>" in text
    lines = kubectl("api-resources", "--namespaced=true", "-o", "name").split()
    assert {"services", "deployments.apps", "endpointslices.discovery.k8s.io"} <= set(lines)


def test_describe(kubectl: Kubectl) -> None:
    kubectl("create", "service", "loadbalancer", "web", "--tcp=80:8080")
    text = kubectl("describe", "svc", "web")
    assert re.search(r"^Type:\s+LoadBalancer$", text, re.MULTILINE)
    assert re.search(r"^Events:\s+<none>$", text, re.MULTILINE)


def test_auth(kubectl: Kubectl, namespace: str) -> None:
    assert kubectl("auth", "can-i", "create", "pods") == "yes\n"
    account = f"system:serviceaccount:{namespace}:default"
    assert kubectl("auth", "can-i", "create", "pods", f"--as={account}", fails=True) == ""
    kubectl("create", "rolebinding", "editors", "--clusterrole=edit", f"--serviceaccount={namespace}:default")
    assert kubectl("auth", "can-i", "create", "pods", f"--as={account}") == "yes\n"
    token = kubectl("create", "token", "default").strip()
    assert len(token.split(".")) == 3


def test_edit_replaces_what_the_editor_wrote(kubectl: Kubectl, monkeypatch) -> None:
    kubectl("create", "cm", "a", "--from-literal=k=old")
    monkeypatch.setenv("KUBE_EDITOR", "sed -i s/old/new/")
    assert kubectl("edit", "cm", "a") == "configmap/a edited\n"
    assert kubectl("get", "cm", "a", "-o", "jsonpath={.data.k}") == "new"


def test_wait_for_deletion(kubectl: Kubectl) -> None:
    kubectl("create", "cm", "a")
    assert kubectl("delete", "cm", "a", "--wait=true").startswith('configmap "a" deleted')
    kubectl("wait", "--for=delete", "cm/a", "--timeout=5s")
