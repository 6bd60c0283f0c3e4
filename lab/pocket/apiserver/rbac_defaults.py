"""The roles and bindings that every cluster starts with, after Kubernetes' bootstrap policy, for the kinds served here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lab.pocket.apiserver.authorization import GROUP
from lab.pocket.apiserver.users import AUTHENTICATED, MASTERS, SERVICE_ACCOUNTS, UNAUTHENTICATED
from lab.pocket.store import Object

READ = ("get", "list", "watch")
WRITE = ("create", "delete", "deletecollection", "patch", "update")
ALL = ("*",)
PUBLIC_PATHS = ("/healthz", "/livez", "/readyz", "/version", "/version/")
DISCOVERY_PATHS = (
    *("/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*"),
    *("/readyz", "/version", "/version/"),
)

NAMESPACED_CORE = ("configmaps", "endpoints", "events", "pods", "serviceaccounts", "services")
VIEW_CORE = (*NAMESPACED_CORE, "namespaces", "pods/log", "pods/status", "services/status")
POD_SESSIONS = ("pods/attach", "pods/exec", "pods/portforward", "pods/proxy", "services/proxy")
APPS = (
    *("daemonsets", "daemonsets/status", "deployments", "deployments/scale", "deployments/status"),
    *("replicasets", "replicasets/scale", "replicasets/status"),
)
NETWORKING = ("ingresses", "ingresses/status", "networkpolicies")


def rule(verbs: Sequence[str], group: str, resources: Sequence[str], names: Sequence[str] = ()) -> Object:
    return {"verbs": [*verbs], "apiGroups": [group], "resources": [*resources]} | (
        {"resourceNames": [*names]} if names else {}
    )


def paths(verbs: Sequence[str], urls: Sequence[str]) -> Object:
    return {"verbs": [*verbs], "nonResourceURLs": [*urls]}


VIEW = (
    rule(READ, "", VIEW_CORE),
    rule(READ, "apps", ("controllerrevisions", *APPS)),
    rule(READ, "discovery.k8s.io", ("endpointslices",)),
    rule(READ, "networking.k8s.io", NETWORKING),
)
EDIT = (
    rule(READ, "", (*POD_SESSIONS, "secrets")),
    rule(("impersonate",), "", ("serviceaccounts",)),
    rule(WRITE, "", (*NAMESPACED_CORE, *POD_SESSIONS, "secrets")),
    rule(("create",), "", ("pods/eviction", "serviceaccounts/token")),
    rule(
        WRITE, "apps", ("daemonsets", "deployments", "deployments/scale", "replicasets", "replicasets/scale")
    ),
    rule((*READ, *WRITE), "coordination.k8s.io", ("leases",)),
    rule(WRITE, "networking.k8s.io", ("ingresses", "networkpolicies")),
)
ADMIN = (
    rule(("create",), "authorization.k8s.io", ("localsubjectaccessreviews",)),
    rule((*READ, *WRITE), GROUP, ("rolebindings", "roles")),
)
NODE = (
    rule(("create",), "authentication.k8s.io", ("tokenreviews",)),
    rule(("create",), "authorization.k8s.io", ("localsubjectaccessreviews", "subjectaccessreviews")),
    rule(READ, "", ("services",)),
    rule(("create", *READ), "", ("nodes",)),
    rule(("patch", "update"), "", ("nodes/status",)),
    rule(("patch", "update"), "", ("nodes",)),
    rule(("create", "patch", "update"), "", ("events",)),
    rule(READ, "", ("pods",)),
    rule(("create", "delete"), "", ("pods",)),
    rule(("patch", "update"), "", ("pods/status",)),
    rule(("create",), "", ("pods/eviction",)),
    rule(READ, "", ("configmaps", "secrets")),
    rule(("get",), "", ("endpoints",)),
    rule(("create", "delete", "get", "patch", "update"), "coordination.k8s.io", ("leases",)),
    rule(("create",), "", ("serviceaccounts/token",)),
    rule(("get",), "", ("serviceaccounts",)),
)
POD_ROUTES = (rule(READ, "", ("nodes",)),)  # an agent leads to the pods of all nodes, unlike a kubelet
PROXIER = (
    rule(("list", "watch"), "", ("endpoints", "services")),
    rule(READ, "", ("nodes",)),
    rule(("create", "patch", "update"), "", ("events",)),
    rule(("list", "watch"), "discovery.k8s.io", ("endpointslices",)),
)
SCHEDULER = (
    rule(("create", "patch", "update"), "", ("events",)),
    rule(READ, "", ("namespaces", "nodes", "pods", "services")),
    rule(("delete",), "", ("pods",)),
    rule(("create",), "", ("bindings", "pods/binding")),
    rule(("patch", "update"), "", ("pods/status",)),
    rule(READ, "apps", ("replicasets",)),
    rule(("create", "get", "list", "update", "watch"), "coordination.k8s.io", ("leases",)),
)
BASIC_USER = (
    rule(("create",), "authorization.k8s.io", ("selfsubjectaccessreviews", "selfsubjectrulesreviews")),
    rule(("create",), "authentication.k8s.io", ("selfsubjectreviews",)),
)
ISSUER_PATHS = ("/.well-known/openid-configuration", "/openid/v1/jwks")
DELEGATOR = (
    rule(("create",), "authentication.k8s.io", ("tokenreviews",)),
    rule(("create",), "authorization.k8s.io", ("subjectaccessreviews",)),
)

CLUSTER_ROLES: dict[str, tuple[Object, ...]] = {
    "cluster-admin": (rule(ALL, "*", ALL), paths(ALL, ALL)),
    "admin": (*EDIT, *VIEW, *ADMIN),  # what the controller of aggregated roles makes of them
    "edit": (*EDIT, *VIEW),
    "view": VIEW,
    "lab:pod-routes": POD_ROUTES,
    "system:aggregate-to-admin": ADMIN,
    "system:aggregate-to-edit": EDIT,
    "system:aggregate-to-view": VIEW,
    "system:auth-delegator": DELEGATOR,
    "system:basic-user": BASIC_USER,
    "system:discovery": (paths(("get",), DISCOVERY_PATHS),),
    "system:kube-controller-manager": (rule(ALL, "*", ALL), paths(("get",), ALL)),
    "system:kube-scheduler": SCHEDULER,
    "system:node": NODE,
    "system:node-proxier": PROXIER,
    "system:public-info-viewer": (paths(("get",), PUBLIC_PATHS),),
    "system:service-account-issuer-discovery": (
        paths(("get",), [path for each in ISSUER_PATHS for path in (each, f"{each}/")]),
    ),
}
AGGREGATED = ("admin", "edit", "view")
AGGREGATED_TO = {"edit": "admin", "view": "edit"} | {
    f"system:aggregate-to-{name}": name for name in AGGREGATED
}
BINDINGS = {  # ClusterRoleBinding: (ClusterRole, subjects)
    "cluster-admin": ("cluster-admin", (("Group", MASTERS),)),
    "kubeadm:cluster-admins": ("cluster-admin", (("Group", "kubeadm:cluster-admins"),)),
    "system:basic-user": ("system:basic-user", (("Group", AUTHENTICATED),)),
    "system:discovery": ("system:discovery", (("Group", AUTHENTICATED),)),
    "system:kube-controller-manager": (
        "system:kube-controller-manager",
        (("User", "system:kube-controller-manager"),),
    ),
    "system:kube-scheduler": ("system:kube-scheduler", (("User", "system:kube-scheduler"),)),
    "lab:pod-routes": ("lab:pod-routes", (("Group", "system:nodes"),)),
    "system:node": ("system:node", ()),  # the node authorizer knows which objects
    "system:node-proxier": (
        "system:node-proxier",
        (("User", "system:kube-proxy"),),
    ),
    "system:public-info-viewer": (
        "system:public-info-viewer",
        (("Group", AUTHENTICATED), ("Group", UNAUTHENTICATED)),
    ),
    "system:service-account-issuer-discovery": (
        "system:service-account-issuer-discovery",
        (("Group", SERVICE_ACCOUNTS),),
    ),
}


def default_objects() -> Iterator[Object]:
    """Yield every default ClusterRole and ClusterRoleBinding, without server-set metadata."""
    for name, rules in CLUSTER_ROLES.items():
        role: Object = _object("ClusterRole", name) | {"rules": [*rules]}
        if name in AGGREGATED:
            role["aggregationRule"] = {"clusterRoleSelectors": [{"matchLabels": _aggregate_to(name)}]}
        if name in AGGREGATED_TO:
            role["metadata"]["labels"] |= _aggregate_to(AGGREGATED_TO[name])
        yield role
    for name, (role_name, subjects) in BINDINGS.items():
        who = [{"apiGroup": GROUP, "kind": kind, "name": subject} for kind, subject in subjects]
        yield _object("ClusterRoleBinding", name) | {
            "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": role_name},
            **({"subjects": who} if who else {}),
        }


def _aggregate_to(name: str) -> dict[str, str]:
    return {f"{GROUP}/aggregate-to-{name}": "true"}


def _object(kind: str, name: str) -> Object:
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": kind,
        "metadata": {
            "name": name,
            "annotations": {"rbac.authorization.kubernetes.io/autoupdate": "true"},
            "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"},
        },
    }
