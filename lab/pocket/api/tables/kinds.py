"""The columns and cells of every built-in kind (pkg/printers/internalversion of Kubernetes v1.36)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from typing import Any

from lab.pocket.api.tables.ages import age
from lab.pocket.api.tables.pods import NONE, pod_cells

__all__ = ["CELLS", "COLUMNS", "Cells"]

Object = dict[str, Any]
Cells = Callable[[Object, dt.datetime], list[Any]]
_SHOWN = 3
"""Endpoints, ports and hosts shown before "+ n more..."."""


def _created(obj: Object, now: dt.datetime) -> str:
    return age(obj["metadata"].get("creationTimestamp"), now)


def _name(obj: Object) -> str:
    return str(obj["metadata"]["name"])


def format_labels(labels: Object) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items())) or NONE


def _selector(selector: Object) -> str:
    """Return a LabelSelector in string form, sorted by key."""
    terms = [(key, f"{key}={value}") for key, value in selector.get("matchLabels", {}).items()]
    for one in selector.get("matchExpressions", ()):
        key, listed = one["key"], ",".join(sorted(one.get("values", ())))
        shown = {
            "In": f"{key} in ({listed})",
            "NotIn": f"{key} notin ({listed})",
            "Exists": key,
            "DoesNotExist": f"!{key}",
        }
        terms.append((key, shown.get(one["operator"], "")))
    return ",".join(text for _, text in sorted(terms)) or NONE


def _template(obj: Object) -> list[str]:
    containers = obj["spec"]["template"]["spec"].get("containers", [])
    names, images = (",".join(one.get(field, "") for one in containers) for field in ("name", "image"))
    return [names, images, _selector(obj["spec"].get("selector", {}))]


def _more(items: list[str], empty: str = "") -> str:
    shown = ",".join(items[:_SHOWN])
    return f"{shown} + {len(items) - _SHOWN} more..." if len(items) > _SHOWN else shown or empty


def _service(obj: Object, now: dt.datetime) -> list[Any]:
    spec = obj["spec"]
    ports = [
        f"{port['port']}{':' + str(port['nodePort']) if port.get('nodePort') else ''}/{port['protocol']}"
        for port in spec.get("ports", ())
    ]
    address = (spec.get("clusterIPs") or [NONE])[0]
    return [
        _name(obj), spec["type"], address, _external_ip(obj), ",".join(ports) or NONE, _created(obj, now),
        format_labels(spec.get("selector", {})),
    ]  # fmt: skip


def _external_ip(obj: Object) -> str:
    spec = obj["spec"]
    if spec["type"] == "ExternalName":
        return str(spec.get("externalName", ""))
    fixed = spec.get("externalIPs", [])
    if spec["type"] != "LoadBalancer":
        return ",".join(fixed) or NONE
    return ",".join([*_ingress_addresses(obj), *fixed]) or "<pending>"


def _ingress_addresses(obj: Object) -> list[str]:
    ingresses = obj.get("status", {}).get("loadBalancer", {}).get("ingress", [])
    return sorted({one.get("ip") or one.get("hostname") or "" for one in ingresses} - {""})


def _endpoints(obj: Object, now: dt.datetime) -> list[Any]:
    found: list[str] = []
    for subset in obj.get("subsets") or ():
        addresses = [one["ip"] for one in subset.get("addresses", ())]
        ports = [port["port"] for port in subset.get("ports", ())]
        found += [_host_port(ip, port) for port in ports for ip in addresses] if ports else addresses
    return [_name(obj), _more(found) if obj.get("subsets") else NONE, _created(obj, now)]


def _host_port(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _endpoint_slice(obj: Object, now: dt.datetime) -> list[Any]:
    ports = [str(port.get("port", port.get("name", "*"))) for port in obj.get("ports") or ()]
    addresses = [ip for endpoint in obj.get("endpoints") or () for ip in endpoint.get("addresses", ())]
    return [
        _name(obj),
        obj["addressType"],
        _more(ports, "<unset>"),
        _more(addresses, "<unset>"),
        _created(obj, now),
    ]


def _node(obj: Object, now: dt.datetime) -> list[Any]:
    status = obj.get("status", {})
    info, addresses = status.get("nodeInfo", {}), status.get("addresses", [])
    internal, external = (
        next((one["address"] for one in addresses if one.get("type") == kind), NONE)
        for kind in ("InternalIP", "ExternalIP")
    )
    kernel = info.get("kernelVersion") or "<unknown>"
    if info.get("architecture"):
        kernel += f" ({info['architecture']})"
    return [
        _name(obj), _node_status(obj), _roles(obj), _created(obj, now), info.get("kubeletVersion", ""), internal, external,
        info.get("osImage") or "<unknown>", kernel, info.get("containerRuntimeVersion") or "<unknown>",
    ]  # fmt: skip


def _node_status(obj: Object) -> str:
    ready = [
        one.get("status") == "True"
        for one in obj.get("status", {}).get("conditions", ())
        if one.get("type") == "Ready"
    ]
    word = {True: "Ready", False: "NotReady", None: "Unknown"}[ready[-1] if ready else None]
    return f"{word},SchedulingDisabled" if obj.get("spec", {}).get("unschedulable") else word


def _roles(obj: Object) -> str:
    labels = obj["metadata"].get("labels", {})
    roles = {
        key.removeprefix("node-role.kubernetes.io/")
        for key in labels
        if key.startswith("node-role.kubernetes.io/")
    }
    roles.add(labels.get("kubernetes.io/role", ""))
    return ",".join(sorted(roles - {""})) or NONE


def _event(obj: Object, now: dt.datetime) -> list[Any]:
    first = age(obj.get("firstTimestamp") or obj.get("eventTime"), now)
    last = age(obj["lastTimestamp"], now) if obj.get("lastTimestamp") else first
    count = obj.get("count") or 1
    if obj.get("series"):
        last, count = age(obj["series"].get("lastObservedTime"), now), obj["series"].get("count", 0)
    about, source = obj.get("involvedObject", {}), obj.get("source", {})
    target = "/".join(part for part in (about.get("kind", "").lower(), about.get("name")) if part)
    component = source.get("component") or obj.get("reportingComponent", "")
    host = source.get("host") or obj.get("reportingInstance", "")
    return [
        last, obj.get("type", ""), obj.get("reason", ""), target, about.get("fieldPath", ""),
        f"{component}, {host}" if host else component, obj.get("message", "").strip(), first, count, _name(obj),
    ]  # fmt: skip


def _new_event(obj: Object, now: dt.datetime) -> list[Any]:
    """Return an events.k8s.io/v1 Event's cells: the same event under newer names."""
    older = {
        "involvedObject": "regarding", "message": "note", "source": "deprecatedSource", "count": "deprecatedCount",
        "firstTimestamp": "deprecatedFirstTimestamp", "lastTimestamp": "deprecatedLastTimestamp",
        "reportingComponent": "reportingController",
    }  # fmt: skip
    return _event(obj | {old: obj[new] for old, new in older.items() if new in obj}, now)


def _ingress(obj: Object, now: dt.datetime) -> list[Any]:
    spec = obj["spec"]
    hosts = [rule["host"] for rule in spec.get("rules", ())[:_SHOWN] if rule.get("host")]
    extra = len(spec.get("rules", ())) - _SHOWN
    shown = ",".join(hosts) or "*"
    return [
        _name(obj), spec.get("ingressClassName", NONE), f"{shown} + {extra} more..." if hosts and extra > 0 else shown,
        ",".join(_ingress_addresses(obj)), "80, 443" if spec.get("tls") else "80", _created(obj, now),
    ]  # fmt: skip


def _ingress_class(obj: Object, now: dt.datetime) -> list[Any]:
    annotations, parameters = obj["metadata"].get("annotations", {}), obj["spec"].get("parameters")
    default = annotations.get("ingressclass.kubernetes.io/is-default-class") == "true"
    shown = NONE
    if parameters:
        group = parameters.get("apiGroup")
        shown = f"{parameters['kind']}{'.' + group if group else ''}/{parameters['name']}"
    return [
        _name(obj) + (" (default)" if default else ""),
        obj["spec"].get("controller", ""),
        shown,
        _created(obj, now),
    ]


def _workload(obj: Object, now: dt.datetime, fields: Iterable[str]) -> list[Any]:
    return [_name(obj), *(obj.get("status", {}).get(field, 0) for field in fields), _created(obj, now)]


def _replica_set(obj: Object, now: dt.datetime) -> list[Any]:
    cells = _workload(obj, now, ("replicas", "readyReplicas"))
    return [cells[0], obj["spec"].get("replicas", 0), *cells[1:], *_template(obj)]


def _deployment(obj: Object, now: dt.datetime) -> list[Any]:
    cells = _workload(obj, now, ("readyReplicas", "updatedReplicas", "availableReplicas"))
    cells[1] = f"{cells[1]}/{obj['spec'].get('replicas', 0)}"
    names, images, selector = _template(obj)
    return [*cells, names, images, "" if selector == NONE else selector]


def _daemon_set(obj: Object, now: dt.datetime) -> list[Any]:
    fields = (
        "desiredNumberScheduled",
        "currentNumberScheduled",
        "numberReady",
        "updatedNumberScheduled",
        "numberAvailable",
    )
    cells = _workload(obj, now, fields)
    on = format_labels(obj["spec"]["template"]["spec"].get("nodeSelector", {}))
    return [*cells[:-1], on, cells[-1], *_template(obj)]


def _binding(obj: Object, now: dt.datetime) -> list[Any]:
    subjects = obj.get("subjects") or []
    named = {
        kind: ", ".join(one.get("name", "") for one in subjects if one.get("kind") == kind)
        for kind in ("User", "Group")
    }
    accounts = ", ".join(
        f"{one.get('namespace', '')}/{one.get('name', '')}"
        for one in subjects
        if one.get("kind") == "ServiceAccount"
    )
    role = f"{obj['roleRef']['kind']}/{obj['roleRef']['name']}"
    return [_name(obj), role, _created(obj, now), named["User"], named["Group"], accounts]


def _controller_revision(obj: Object, now: dt.datetime) -> list[Any]:
    owner = next((one for one in obj["metadata"].get("ownerReferences", ()) if one.get("controller")), None)
    shown = NONE
    if owner:
        group = owner["apiVersion"].rpartition("/")[0]
        shown = f"{owner['kind'].lower()}{'.' + group if group else ''}/{owner['name']}"
    return [_name(obj), shown, obj.get("revision", 0), _created(obj, now)]


def _pod_template(obj: Object, _now: dt.datetime) -> list[Any]:
    names, images, _ = _template({"spec": obj})
    return [_name(obj), names, images, format_labels(obj["template"].get("metadata", {}).get("labels", {}))]


def _policy(obj: Object, now: dt.datetime) -> list[Any]:
    kind = obj["spec"].get("paramKind")
    shown = f"{kind.get('apiVersion', '')}/{kind.get('kind', '')}" if kind else "<unset>"
    return [_name(obj), len(obj["spec"].get("validations", ())), shown, _created(obj, now)]


def _policy_binding(obj: Object, now: dt.datetime) -> list[Any]:
    reference = obj["spec"].get("paramRef") or {}
    shown = f"{reference.get('namespace') or '*'}/{reference['name']}" if reference.get("name") else "<unset>"
    return [_name(obj), obj["spec"].get("policyName", ""), shown, _created(obj, now)]


def _budget(obj: Object, now: dt.datetime) -> list[Any]:
    limits = [str(obj["spec"].get(field, "N/A")) for field in ("minAvailable", "maxUnavailable")]
    return [_name(obj), *limits, obj.get("status", {}).get("disruptionsAllowed", 0), _created(obj, now)]


def _simple(*middle: Callable[[Object], Any]) -> Cells:
    """Return cells of name, something, age."""
    return lambda obj, now: [_name(obj), *(cell(obj) for cell in middle), _created(obj, now)]


_WIDE_TEMPLATE = ("Containers+", "Images+", "Selector+")
_SUBJECTS = ("Role", "Age", "Users+", "Groups+", "ServiceAccounts+")
COLUMNS: dict[str, tuple[str, ...]] = {
    "Pod": ("Ready", "Status", "Restarts", "Age", "IP+", "Node+", "Nominated Node+", "Readiness Gates+"),
    "PodTemplate": ("Containers", "Images", "Pod Labels"),
    "Service": ("Type", "Cluster-IP", "External-IP", "Port(s)", "Age", "Selector+"),
    "Endpoints": ("Endpoints", "Age"),
    "Node": (
        "Status", "Roles", "Age", "Version", "Internal-IP+", "External-IP+", "OS-Image+", "Kernel-Version+",
        "Container-Runtime+",
    ),
    "Event": ("Type", "Reason", "Object", "Subobject+", "Source+", "Message", "First Seen+", "Count+", "Name+"),
    "Namespace": ("Status", "Age"),
    "Secret": ("Type", "Data", "Age"),
    "ServiceAccount": ("Age",),
    "ConfigMap": ("Data", "Age"),
    "ReplicaSet": ("Desired#", "Current#", "Ready#", "Age", *_WIDE_TEMPLATE),
    "Deployment": ("Ready", "Up-to-date", "Available", "Age", *_WIDE_TEMPLATE),
    "DaemonSet": (
        "Desired#", "Current#", "Ready#", "Up-to-date#", "Available#", "Node Selector", "Age", *_WIDE_TEMPLATE,
    ),
    "ControllerRevision": ("Controller", "Revision", "Age"),
    "EndpointSlice": ("AddressType", "Ports", "Endpoints", "Age"),
    "Ingress": ("Class", "Hosts", "Address", "Ports", "Age"),
    "IngressClass": ("Controller", "Parameters", "Age"),
    "NetworkPolicy": ("Pod-Selector", "Age"),
    "RoleBinding": _SUBJECTS,
    "ClusterRoleBinding": _SUBJECTS,
    "Lease": ("Holder", "Age"),
    "MutatingWebhookConfiguration": ("Webhooks#", "Age"),
    "ValidatingWebhookConfiguration": ("Webhooks#", "Age"),
    "ValidatingAdmissionPolicy": ("Validations#", "ParamKind", "Age"),
    "ValidatingAdmissionPolicyBinding": ("PolicyName", "ParamRef", "Age"),
    "PriorityClass": ("Value#", "Global-Default?", "Age", "PreemptionPolicy"),
    "PodDisruptionBudget": ("Min Available", "Max Unavailable", "Allowed Disruptions#", "Age"),
    "Scale": ("Desired#", "Available#", "Age"),
}  # fmt: skip
"""Column names after the first, which is Name (of events: Last Seen); + only with -o wide, # integer, ? boolean."""
CELLS: dict[str, Cells] = {
    "Pod": pod_cells,
    "PodTemplate": _pod_template,
    "Service": _service,
    "Endpoints": _endpoints,
    "Node": _node,
    "Event": lambda obj, now: (_new_event if "regarding" in obj else _event)(obj, now),
    "Namespace": _simple(lambda obj: obj.get("status", {}).get("phase", "")),
    "Secret": _simple(lambda obj: obj.get("type", ""), lambda obj: len(obj.get("data") or ())),
    "ServiceAccount": _simple(),
    "ConfigMap": _simple(lambda obj: len(obj.get("data") or ()) + len(obj.get("binaryData") or ())),
    "ReplicaSet": _replica_set,
    "Deployment": _deployment,
    "DaemonSet": _daemon_set,
    "ControllerRevision": _controller_revision,
    "EndpointSlice": _endpoint_slice,
    "Ingress": _ingress,
    "IngressClass": _ingress_class,
    "NetworkPolicy": _simple(lambda obj: _selector(obj["spec"].get("podSelector", {}))),
    "RoleBinding": _binding,
    "ClusterRoleBinding": _binding,
    "Lease": _simple(lambda obj: obj.get("spec", {}).get("holderIdentity", "")),
    "MutatingWebhookConfiguration": _simple(lambda obj: len(obj.get("webhooks") or ())),
    "ValidatingWebhookConfiguration": _simple(lambda obj: len(obj.get("webhooks") or ())),
    "ValidatingAdmissionPolicy": _policy,
    "ValidatingAdmissionPolicyBinding": _policy_binding,
    "PriorityClass": lambda obj, now: [
        _name(obj), obj.get("value", 0), obj.get("globalDefault", False), _created(obj, now), obj.get("preemptionPolicy", ""),
    ],
    "PodDisruptionBudget": _budget,
    "Scale": _simple(lambda obj: obj["spec"].get("replicas", 0), lambda obj: obj["status"].get("replicas", 0)),
}  # fmt: skip
