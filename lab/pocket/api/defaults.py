"""What the API writes into fields that a client left open, for every built-in kind.

Defaults belong to types, not to kinds: a container gets the same ones in a pod and in any template. So one walk over
the object, guided by its schema, applies what the table says of each type it meets.
Source: `SetDefaults_*` of kube-apiserver v1.36, and the answers in tests/vectors/kubernetes/defaults.json.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import Any

from lab.pocket.api import values
from lab.pocket.api.schema.model import Node, Schema

__all__ = ["apply"]

Object = dict[str, Any]
RBAC = "rbac.authorization.k8s.io"


def apply(obj: Object, schema: Schema) -> None:
    """Write the defaults of a built-in kind into `obj`, which `schema.process` returned; `obj` is changed."""
    _walk(obj, schema.root)


def _walk(value: Any, node: Node) -> None:
    if isinstance(value, dict):
        name = node.get("x-name", "")
        for field, default in _VALUES.get(name, {}).items():
            if value.get(field) in (None, ""):  # a tuple: the value may be unhashable
                value[field] = values.copy(default)
        rule = _RULES.get(name)
        if rule is not None:
            rule(value)
        _walk_members(value, node)
    elif isinstance(value, list):
        items = node.get("items", {})
        for item in value:
            _walk(item, items)


def _walk_members(value: Object, node: Node) -> None:
    rest = node.get("additionalProperties", {})
    properties = node.get("properties", {})
    for field, item in value.items():
        if (
            isinstance(item, dict | list) and field != "metadata"
        ):  # often the largest part, and without defaults
            _walk(item, properties.get(field, rest))


def _pod(pod: Object) -> None:
    spec = pod["spec"]
    spec.setdefault("enableServiceLinks", True)
    if spec.get("terminationGracePeriodSeconds", 0) < 0:
        spec["terminationGracePeriodSeconds"] = 1
    for container in [*(spec.get("containers") or ()), *spec.get("initContainers", ())]:
        resources = container.get("resources", {})
        if "limits" in resources:
            resources["requests"] = resources["limits"] | resources.get("requests", {})
        if spec.get("hostNetwork"):
            for port in container.get("ports", ()):
                if port["containerPort"]:
                    port.setdefault("hostPort", port["containerPort"])


def _pod_spec(spec: Object) -> None:
    """Keep the deprecated name of the service account beside the new one, as Kubernetes does."""
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if account:
        spec["serviceAccountName"] = spec["serviceAccount"] = account


def _container(container: Object) -> None:
    container.setdefault("imagePullPolicy", _pull_policy(container.get("image", "")))


def _image_volume(source: Object) -> None:
    source.setdefault("pullPolicy", _pull_policy(source.get("reference", "")))


def _pull_policy(image: str) -> str:
    """Return Always for the tag `latest`, said or meant, else IfNotPresent."""
    if "@" in image:
        return "IfNotPresent"
    tag = image.rpartition("/")[2].partition(":")[2]
    return "Always" if tag in {"", "latest"} else "IfNotPresent"


def _volume(volume: Object) -> None:
    if volume.keys() <= {"name"}:
        volume["emptyDir"] = {}


def _service(service: Object) -> None:
    spec = service["spec"]
    kind = spec["type"] = spec.get("type", "ClusterIP")
    _session_affinity(spec)
    for port in spec.get("ports", ()):
        if port.get("targetPort") in {None, 0, ""}:
            port["targetPort"] = port["port"]
    reachable = kind in {"NodePort", "LoadBalancer"} or (kind == "ClusterIP" and spec.get("externalIPs"))
    if reachable:
        spec.setdefault("externalTrafficPolicy", "Cluster")
    if kind != "ExternalName":
        spec.setdefault("internalTrafficPolicy", "Cluster")
    if kind == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)
        for ingress in service.get("status", {}).get("loadBalancer", {}).get("ingress", ()):
            if ingress.get("ip"):
                ingress.setdefault("ipMode", "VIP")


def _session_affinity(spec: Object) -> None:
    affinity = spec.setdefault("sessionAffinity", "None")
    if affinity == "None":
        spec.pop("sessionAffinityConfig", None)
    elif affinity == "ClientIP":
        config = spec.get("sessionAffinityConfig") or {}
        if (config.get("clientIP") or {}).get("timeoutSeconds") is None:
            spec["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": 10800}}


def _secret(secret: Object) -> None:
    """Move the write-only `stringData` into `data`."""
    plain = secret.pop("stringData", {})
    if plain:
        encoded = {name: b64encode(text.encode()).decode() for name, text in plain.items()}
        secret["data"] = secret.get("data", {}) | encoded


def _pod_status(status: Object) -> None:
    """Keep the first address under its old name too, whichever of the two a client set."""
    if status.get("podIP") and not status.get("podIPs"):
        status["podIPs"] = [{"ip": status["podIP"]}]
    elif status.get("podIPs") and status["podIPs"][0].get("ip"):
        status["podIP"] = status["podIPs"][0]["ip"]


def _node_spec(spec: Object) -> None:
    if spec.get("podCIDR") and not spec.get("podCIDRs"):
        spec["podCIDRs"] = [spec["podCIDR"]]
    elif spec.get("podCIDRs") and spec["podCIDRs"][0]:
        spec["podCIDR"] = spec["podCIDRs"][0]


def _namespace(namespace: Object) -> None:
    name = namespace.get("metadata", {}).get("name")
    if name:
        namespace["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = name


def _node_status(status: Object) -> None:
    if "capacity" in status and "allocatable" not in status:
        status["allocatable"] = dict(status["capacity"])


def _deployment(deployment: Object) -> None:
    strategy = deployment["spec"].setdefault("strategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        strategy["rollingUpdate"] = {"maxUnavailable": "25%", "maxSurge": "25%"} | strategy.get(
            "rollingUpdate", {}
        )


def _daemon_set(daemon_set: Object) -> None:
    strategy = daemon_set["spec"].setdefault("updateStrategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        strategy["rollingUpdate"] = {"maxUnavailable": 1, "maxSurge": 0} | strategy.get("rollingUpdate", {})


def _network_policy_spec(spec: Object) -> None:
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]


def _subject(subject: Object) -> None:
    if subject.get("kind") in {"User", "Group"}:
        subject.setdefault("apiGroup", RBAC)


def _role_binding(binding: Object) -> None:
    reference = binding.setdefault("roleRef", {})
    reference["apiGroup"] = reference.get("apiGroup") or RBAC


def _lease_spec(spec: Object) -> None:
    """Drop the fields of coordinated leader election, a feature that is off by default."""
    for name in ("strategy", "preferredHolder"):
        spec.pop(name, None)


def _custom_resource_definition(definition: Object) -> None:
    spec = definition["spec"]
    names = spec.setdefault("names", {})
    kind = names.get("kind", "")
    if kind:
        names.setdefault("singular", kind.lower())
        names.setdefault("listKind", f"{kind}List")
    spec.setdefault("conversion", {"strategy": "None"})
    stored = [version["name"] for version in spec.get("versions") or () if version.get("storage")]
    if not definition["status"].get("storedVersions"):
        definition["status"]["storedVersions"] = stored[:1] or None


CORE, ADMISSION = "io.k8s.api.core.v1.", "io.k8s.api.admissionregistration.v1."
NETWORKING, RBAC_TYPES = "io.k8s.api.networking.v1.", "io.k8s.api.rbac.v1."
COORDINATION = "io.k8s.api.coordination.v1."
EXTENSIONS = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1."
_WEBHOOK = {
    "failurePolicy": "Fail",
    "matchPolicy": "Equivalent",
    "namespaceSelector": {},
    "objectSelector": {},
    "timeoutSeconds": 10,
}
_MATCHING = {"matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {}}
_TERMINATION = {"terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"}
_VALUES: dict[str, Object] = {
    ADMISSION + "MatchResources": _MATCHING,
    ADMISSION + "MutatingWebhook": {**_WEBHOOK, "reinvocationPolicy": "Never"},
    ADMISSION + "NamedRuleWithOperations": {"scope": "*"},
    ADMISSION + "RuleWithOperations": {"scope": "*"},
    ADMISSION + "ServiceReference": {"port": 443},
    ADMISSION + "ValidatingAdmissionPolicySpec": {"failurePolicy": "Fail"},
    ADMISSION + "ValidatingWebhook": _WEBHOOK,
    CORE + "ConfigMapVolumeSource": {"defaultMode": 0o644},
    CORE + "Container": _TERMINATION,
    CORE + "ContainerPort": {"protocol": "TCP"},
    CORE + "DownwardAPIVolumeSource": {"defaultMode": 0o644},
    CORE + "EndpointPort": {"protocol": "TCP"},
    CORE + "EphemeralContainer": _TERMINATION,
    CORE + "FileKeySelector": {"optional": False},
    CORE + "GRPCAction": {"service": ""},
    CORE + "HTTPGetAction": {"path": "/", "scheme": "HTTP"},
    CORE + "HostPathVolumeSource": {"type": ""},
    CORE + "NamespaceStatus": {"phase": "Active"},
    CORE + "ObjectFieldSelector": {"apiVersion": "v1"},
    CORE + "PodSpec": {
        "dnsPolicy": "ClusterFirst",
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "terminationGracePeriodSeconds": 30,
    },
    CORE + "Probe": {"failureThreshold": 3, "periodSeconds": 10, "successThreshold": 1, "timeoutSeconds": 1},
    CORE + "ProjectedVolumeSource": {"defaultMode": 0o644},
    CORE + "Secret": {"type": "Opaque"},
    CORE + "SecretVolumeSource": {"defaultMode": 0o644},
    CORE + "ServiceAccountTokenProjection": {"expirationSeconds": 3600},
    CORE + "ServicePort": {"protocol": "TCP"},
    EXTENSIONS + "ServiceReference": {"port": 443},
    NETWORKING + "IngressClassParametersReference": {"scope": "Cluster"},
    NETWORKING + "NetworkPolicyPort": {"protocol": "TCP"},
    "io.k8s.api.apps.v1.DaemonSetSpec": {"revisionHistoryLimit": 10},
    "io.k8s.api.apps.v1.DeploymentSpec": {
        "replicas": 1,
        "revisionHistoryLimit": 10,
        "progressDeadlineSeconds": 600,
    },
    "io.k8s.api.apps.v1.ReplicaSetSpec": {"replicas": 1},
    "io.k8s.api.authentication.v1.TokenRequestSpec": {"expirationSeconds": 3600},
    "io.k8s.api.discovery.v1.EndpointPort": {"name": "", "protocol": "TCP"},
    "io.k8s.api.scheduling.v1.PriorityClass": {"preemptionPolicy": "PreemptLowerPriority"},
}
_RULES: dict[str, Callable[[Object], None]] = {
    COORDINATION + "LeaseSpec": _lease_spec,
    CORE + "Container": _container,
    CORE + "EphemeralContainer": _container,
    CORE + "ImageVolumeSource": _image_volume,
    CORE + "Namespace": _namespace,
    CORE + "NodeSpec": _node_spec,
    CORE + "NodeStatus": _node_status,
    CORE + "Pod": _pod,
    CORE + "PodSpec": _pod_spec,
    CORE + "PodStatus": _pod_status,
    CORE + "Secret": _secret,
    CORE + "Service": _service,
    CORE + "Volume": _volume,
    EXTENSIONS + "CustomResourceDefinition": _custom_resource_definition,
    NETWORKING + "NetworkPolicySpec": _network_policy_spec,
    RBAC_TYPES + "ClusterRoleBinding": _role_binding,
    RBAC_TYPES + "RoleBinding": _role_binding,
    RBAC_TYPES + "Subject": _subject,
    "io.k8s.api.apps.v1.DaemonSet": _daemon_set,
    "io.k8s.api.apps.v1.Deployment": _deployment,
}
