"""The built-in resources, in the order in which discovery lists them. Data only."""

from __future__ import annotations

from functools import partial
from typing import Any

from lab.pocket.apiserver.registry import ALL_VERBS, Resource, Subresource

CREATE = ("create",)
GET = ("get",)
CONNECT = ("create", "get")


def _status(kind: str) -> Subresource:
    return Subresource("status", kind)


SCALE = Subresource("scale", "Scale", group="autoscaling", version="v1")
EVENT_FIELDS = (
    *(
        f"involvedObject.{f}"
        for f in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
    ),
    "reason",
    "reportingComponent",
    "source",
    "type",
)
POD_FIELDS = (
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "spec.hostNetwork",
    "status.phase",
    "status.podIP",
    "status.nominatedNodeName",
)
POD_SUBRESOURCES = (
    Subresource("attach", "PodAttachOptions", CONNECT),
    Subresource("binding", "Binding", CREATE),
    Subresource("eviction", "Eviction", CREATE, group="policy", version="v1"),
    Subresource("exec", "PodExecOptions", CONNECT),
    Subresource("log", "Pod", GET),
    Subresource("portforward", "PodPortForwardOptions", CONNECT),
    _status("Pod"),
)


def _resource(group: str, plural: str, kind: str, short: str = "", **more: Any) -> Resource:
    names = tuple(short.split())
    return Resource(group=group, version="v1", plural=plural, kind=kind, short_names=names, **more)


_core = partial(_resource, "")

CORE = (
    _core("bindings", "Binding", verbs=CREATE),
    _core("configmaps", "ConfigMap", "cm"),
    _core("endpoints", "Endpoints", "ep", singular="endpoints"),
    _core("events", "Event", "ev", fields=EVENT_FIELDS),
    _core(
        "namespaces",
        "Namespace",
        "ns",
        namespaced=False,
        verbs=tuple(verb for verb in ALL_VERBS if verb != "deletecollection"),
        subresources=(Subresource("finalize", "Namespace", ("update",)), _status("Namespace")),
        fields=("status.phase",),
    ),
    _core(
        "nodes",
        "Node",
        "no",
        namespaced=False,
        subresources=(_status("Node"),),
        fields=("spec.unschedulable",),
    ),
    _core("pods", "Pod", "po", categories=("all",), subresources=POD_SUBRESOURCES, fields=POD_FIELDS),
    _core("secrets", "Secret", fields=("type",)),
    _core(
        "serviceaccounts",
        "ServiceAccount",
        "sa",
        subresources=(
            Subresource("token", "TokenRequest", CREATE, group="authentication.k8s.io", version="v1"),
        ),
    ),
    _core(
        "services",
        "Service",
        "svc",
        categories=("all",),
        subresources=(_status("Service"),),
        fields=("spec.clusterIP", "spec.type"),
    ),
)

APPS = (
    _resource("apps", "controllerrevisions", "ControllerRevision"),
    _resource(
        "apps", "daemonsets", "DaemonSet", "ds", categories=("all",), subresources=(_status("DaemonSet"),)
    ),
    _resource(
        "apps",
        "deployments",
        "Deployment",
        "deploy",
        categories=("all",),
        subresources=(SCALE, _status("Deployment")),
    ),
    _resource(
        "apps",
        "replicasets",
        "ReplicaSet",
        "rs",
        categories=("all",),
        subresources=(SCALE, _status("ReplicaSet")),
        fields=("status.replicas",),
    ),
)

AUTHENTICATION = tuple(
    _resource("authentication.k8s.io", kind.lower() + "s", kind, namespaced=False, verbs=CREATE)
    for kind in ("SelfSubjectReview", "TokenReview")
)

AUTHORIZATION = tuple(
    _resource(
        "authorization.k8s.io", kind.lower() + "s", kind, namespaced=kind.startswith("Local"), verbs=CREATE
    )
    for kind in (
        "LocalSubjectAccessReview",
        "SelfSubjectAccessReview",
        "SelfSubjectRulesReview",
        "SubjectAccessReview",
    )
)

NETWORKING = (
    _resource("networking.k8s.io", "ingressclasses", "IngressClass", namespaced=False),
    _resource("networking.k8s.io", "ingresses", "Ingress", "ing", subresources=(_status("Ingress"),)),
    _resource("networking.k8s.io", "networkpolicies", "NetworkPolicy", "netpol"),
)

RBAC = (
    _resource("rbac.authorization.k8s.io", "clusterrolebindings", "ClusterRoleBinding", namespaced=False),
    _resource("rbac.authorization.k8s.io", "clusterroles", "ClusterRole", namespaced=False),
    _resource("rbac.authorization.k8s.io", "rolebindings", "RoleBinding"),
    _resource("rbac.authorization.k8s.io", "roles", "Role"),
)

EXTENSIONS = (
    _resource(
        "apiextensions.k8s.io",
        "customresourcedefinitions",
        "CustomResourceDefinition",
        "crd crds",
        namespaced=False,
        categories=("api-extensions",),
        subresources=(_status("CustomResourceDefinition"),),
    ),
    *(
        _resource(
            "admissionregistration.k8s.io",
            plural,
            kind,
            namespaced=False,
            categories=("api-extensions",),
        )
        for plural, kind in (
            ("mutatingwebhookconfigurations", "MutatingWebhookConfiguration"),
            ("validatingwebhookconfigurations", "ValidatingWebhookConfiguration"),
        )
    ),
)

BUILTIN = (
    *CORE,
    *EXTENSIONS[:1],
    *APPS,
    *AUTHENTICATION,
    *AUTHORIZATION,
    *NETWORKING,
    *RBAC,
    *EXTENSIONS[1:],
    _resource("coordination.k8s.io", "leases", "Lease"),
    _resource("discovery.k8s.io", "endpointslices", "EndpointSlice"),
)
