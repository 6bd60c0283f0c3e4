"""Whatever is sent, the server answers with a Status and goes on: never a 500, never a traceback."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.pocket.apiserver.builtin import BUILTIN
from tests.fuzz.pocket_process import PocketProcess

EXAMPLES = 200
names = st.sampled_from(
    ["default", "kube-system", "a", "web", "none", "A_b", "a" * 300, "..", "%00", "é", "status"]
)
resources = st.sampled_from([resource.plural for resource in BUILTIN] + ["foos", "", "x/y"])
groups = "apps rbac.authorization.k8s.io apiextensions.k8s.io authorization.k8s.io authentication.k8s.io none"
groups += " discovery.k8s.io coordination.k8s.io networking.k8s.io"
prefixes = st.sampled_from(
    ["/api/v1", "/api/v2", "/api", "/apis", "", *(f"/apis/{g}/v1" for g in groups.split())]
)
subresources = st.sampled_from(
    ["", "status", "scale", "log", "exec", "binding", "eviction", "token", "finalize", "z"]
)
KNOWN = [
    "labelSelector",
    "fieldSelector",
    "limit",
    "continue",
    "resourceVersion",
    "resourceVersionMatch",
    "dryRun",
]
KNOWN += [
    "timeoutSeconds",
    "fieldValidation",
    "propagationPolicy",
    "gracePeriodSeconds",
    "fieldManager",
    "force",
]
queries = st.dictionaries(
    st.sampled_from(KNOWN),
    st.sampled_from(
        ["", "0", "1", "-1", "true", "All", "Strict", "a=b", "a in (b", "metadata.name=x", "é", "9" * 40]
    )
    | st.text(max_size=8),
    max_size=3,
)
patches = ("json-patch+json", "merge-patch+json", "strategic-merge-patch+json", "apply-patch+yaml")
plain = ("json", "yaml", "vnd.kubernetes.protobuf", "x-other")
content_types = st.sampled_from(["bad", *(f"application/{kind}" for kind in (*plain, *patches))])
accepts = st.sampled_from(
    ["", "*/*", "application/json", "text/html", "application/json;as=Table;v=v1;g=meta.k8s.io"]
)
scalars = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=6)
KEYS = """
metadata spec status name namespace labels annotations finalizers kind apiVersion ownerReferences ports containers
template selector rules data names versions schema generateName resourceVersion uid type clusterIP subjects roleRef
target op path resourceAttributes token audiences replicas openAPIV3Schema group scope storage managedFields
"""
keys = st.sampled_from(KEYS.split())
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)
objects = st.fixed_dictionaries(
    {"metadata": st.fixed_dictionaries({"name": names})},
    optional={
        "spec": documents,
        "status": documents,
        "data": documents,
        "rules": documents,
        "subjects": documents,
    },
)
bodies = (
    st.none()
    | st.binary(max_size=20)
    | (objects | documents).map(
        lambda value: (
            orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS) if _fits(value) else b"{}"
        )
    )
    | st.just(b"[" * 3000)
    | st.just(b'{"a":' * 300 + b"1" + b"}" * 300)
)
methods = st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "BREW"])


def _fits(value: Any) -> bool:
    """Tell whether a document can be written as JSON at all (64-bit numbers)."""
    try:
        orjson.dumps(value)
    except TypeError:
        return False
    return True


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PocketProcess]:
    process = PocketProcess(tmp_path_factory.mktemp("fuzz"))
    process.start()
    yield process
    process.stop()


@pytest.fixture(scope="module")
def connection(server: PocketProcess) -> Iterator[http.client.HTTPSConnection]:
    client = http.client.HTTPSConnection("127.0.0.1", server.port, context=server.admin(), timeout=10)
    yield client
    client.close()


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    method=methods,
    prefix=prefixes,
    namespace=st.none() | names,
    resource=resources,
    name=st.just("") | names,
    subresource=subresources,
    query=queries,
    content_type=content_types,
    accept=accepts,
    body=bodies,
)
def test_no_request_breaks_the_server(
    server,
    connection,
    method,
    prefix,
    namespace,
    resource,
    name,
    subresource,
    query,
    content_type,
    accept,
    body,
) -> None:
    scope = [] if namespace is None else ["namespaces", namespace]
    path = "/".join([prefix, *scope, *(part for part in (resource, name, subresource) if part)])
    target = f"{quote(path, safe='/%')}?{urlencode(query)}"
    headers = {"Content-Type": content_type, "Accept": accept}
    connection.request(method, target, body, headers)
    response = connection.getresponse()
    content = response.read()
    assert response.status != 500, content
    assert b"Traceback" not in content
    if response.status >= 400 and "json" in response.headers.get("Content-Type", ""):
        status = orjson.loads(content) if content else {"kind": "Status"}
        assert status["kind"] == "Status"


SEEDS: dict[str, dict[str, Any]] = {
    "/api/v1/namespaces/default/pods": {
        "metadata": {
            "name": "x",
            "finalizers": ["a/b"],
            "ownerReferences": [{"uid": "u"}],
            "managedFields": [{"manager": "m"}],
        },
        "spec": {
            "containers": [
                {
                    "name": "c",
                    "image": "i",
                    "resources": {"limits": {"cpu": "1"}},
                    "volumeMounts": [{"mountPath": "/a"}],
                }
            ],
            "tolerations": [{"key": "k"}],
            "serviceAccountName": "default",
            "volumes": [{"name": "v", "emptyDir": {}}],
        },
    },
    "/api/v1/namespaces/default/services": {
        "metadata": {"name": "x"},
        "spec": {
            "type": "NodePort",
            "ports": [{"port": 80, "nodePort": 30080, "targetPort": "http"}],
            "clusterIPs": [""],
            "ipFamilies": ["IPv4"],
        },
        "status": {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}},
    },
    "/apis/apps/v1/namespaces/default/deployments": {
        "metadata": {"name": "x"},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"a": "b"}},
            "strategy": {"rollingUpdate": {"maxSurge": "25%"}},
            "template": {
                "metadata": {"labels": {"a": "b"}},
                "spec": {"containers": [{"name": "c", "image": "i"}]},
            },
        },
    },
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions": {
        "metadata": {"name": "xs.e.io"},
        "spec": {
            "group": "e.io",
            "scope": "Cluster",
            "names": {"plural": "xs", "kind": "X", "shortNames": ["x"]},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {
                        "openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object"}}}
                    },
                    "additionalPrinterColumns": [{"name": "a", "type": "string", "jsonPath": ".spec"}],
                    "subresources": {
                        "status": {},
                        "scale": {"specReplicasPath": ".spec.r", "statusReplicasPath": ".status.r"},
                    },
                    "selectableFields": [{"jsonPath": ".spec.a"}],
                }
            ],
        },
    },
    "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles": {
        "metadata": {"name": "x"},
        "rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods/log"], "resourceNames": ["a"]}],
    },
    "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings": {
        "metadata": {"name": "x"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [{"kind": "ServiceAccount", "name": "a", "namespace": "b"}],
    },
    "/apis/rbac.authorization.k8s.io/v1/clusterroles": {
        "metadata": {"name": "x"},
        "aggregationRule": {
            "clusterRoleSelectors": [{"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}]
        },
        "rules": [{"verbs": ["get"], "nonResourceURLs": ["/x/*"]}],
    },
    "/api/v1/namespaces/default/secrets": {
        "metadata": {"name": "x"},
        "data": {"a": "YQ=="},
        "stringData": {"b": "c"},
    },
    "/api/v1/namespaces/kube-system/secrets": {
        "metadata": {"name": "bootstrap-token-abcdef"},
        "type": "bootstrap.kubernetes.io/token",
        "stringData": {"token-id": "abcdef", "token-secret": "0" * 16, "expiration": "x"},
    },
    "/api/v1/namespaces/default/serviceaccounts": {
        "metadata": {"name": "x"},
        "imagePullSecrets": [{"name": "s"}],
    },
    "/api/v1/namespaces/default/serviceaccounts/default/token": {
        "spec": {"audiences": ["a"], "expirationSeconds": 600, "boundObjectRef": {"kind": "Pod", "name": "x"}}
    },
    "/api/v1/namespaces/default/pods/x/binding": {
        "metadata": {"name": "x"},
        "target": {"kind": "Node", "name": "n"},
    },
    "/api/v1/namespaces/default/pods/x/eviction": {
        "metadata": {"name": "x"},
        "deleteOptions": {"gracePeriodSeconds": 1},
    },
    "/api/v1/namespaces": {
        "metadata": {"name": "x", "labels": {"a": "b"}},
        "spec": {"finalizers": ["kubernetes"]},
    },
    "/api/v1/nodes": {
        "metadata": {"name": "x"},
        "spec": {"taints": [{"key": "k", "effect": "NoExecute"}]},
        "status": {"addresses": [{"type": "InternalIP"}]},
    },
    "/apis/networking.k8s.io/v1/namespaces/default/ingresses": {
        "metadata": {"name": "x"},
        "spec": {
            "rules": [
                {
                    "host": "h",
                    "http": {
                        "paths": [{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "s"}}}]
                    },
                }
            ]
        },
    },
    "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices": {
        "metadata": {"name": "x"},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["1.2.3.4"], "conditions": {"ready": True}}],
        "ports": [{"port": 1}],
    },
    "/apis/coordination.k8s.io/v1/namespaces/default/leases": {
        "metadata": {"name": "x"},
        "spec": {"holderIdentity": "h", "renewTime": "2020-01-01T00:00:00.000000Z"},
    },
    "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews": {
        "spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}
    },
    "/apis/authorization.k8s.io/v1/subjectaccessreviews": {
        "spec": {"user": "u", "groups": ["g"], "nonResourceAttributes": {"path": "/", "verb": "get"}}
    },
    "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews": {"spec": {"namespace": "default"}},
    "/apis/authentication.k8s.io/v1/tokenreviews": {
        "spec": {"token": "abcdef.0000000000000000", "audiences": ["a"]}
    },
}
TYPES = {"PATCH": "application/merge-patch+json"}


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    members = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, inner in members:
        yield from _places(inner, (*path, key))


@st.composite
def damaged(draw: st.DrawFn) -> tuple[str, Any]:
    """A good object for a path, with one place of it replaced."""
    path = draw(st.sampled_from(sorted(SEEDS)))
    document = orjson.loads(orjson.dumps(SEEDS[path]))
    *parents, last = draw(st.sampled_from(list(_places(document))))
    target = document
    for key in parents:
        target = target[key]
    target[last] = draw(documents)
    return path, document


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(request=damaged(), method=st.sampled_from(["POST", "PUT", "PATCH", "DELETE"]))
def test_no_object_breaks_the_server(server, connection, request, method) -> None:
    path, document = request
    if not _fits(document):
        return
    target = path if method == "POST" else f"{path}/x"
    connection.request(
        method, target, orjson.dumps(document), {"Content-Type": TYPES.get(method, "application/json")}
    )
    response = connection.getresponse()
    content = response.read()
    assert response.status != 500, (method, path, document, content)


def test_the_log_has_no_traceback(server) -> None:
    assert "Traceback" not in (server.data / "server.log").read_text()
