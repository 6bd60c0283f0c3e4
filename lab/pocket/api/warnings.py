"""What the API stores and advises against: sentences for the Warning header (pkg/api/*/warnings of Kubernetes v1.36)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["warnings_about"]

Object = dict[str, Any]
_CLASS = "kubernetes.io/ingress.class"
_HINTS = "service.kubernetes.io/topology-aware-hints"
_OLD_LABELS = {
    "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
    "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
    "failure-domain.beta.kubernetes.io/region": 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
    "failure-domain.beta.kubernetes.io/zone": 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
}


def warnings_about(obj: Object) -> list[str]:
    """Return the warnings that a create or an update of this object is answered with."""
    rule = _RULES.get(f"{obj['apiVersion']}/{obj['kind']}")
    return list(rule(obj)) if rule else []


def _service(service: Object) -> Iterator[str]:
    spec = service["spec"]
    if _HINTS in service["metadata"].get("annotations", {}):
        yield f"annotation {_HINTS} is deprecated, please use service.kubernetes.io/topology-mode instead"
    if spec.get("externalIPs"):
        yield "spec.externalIPs is deprecated and may no longer be implemented in some clusters"
    if spec.get("clusterIP") == "None":
        if spec.get("loadBalancerIP"):
            yield "spec.loadBalancerIP is ignored for headless services"
        if spec.get("externalIPs"):
            yield "spec.externalIPs is ignored for headless services"
        if spec.get("sessionAffinity", "None") != "None":
            yield "spec.SessionAffinity is ignored for headless services"


def _ingress(ingress: Object) -> Iterator[str]:
    if _CLASS in ingress["metadata"].get("annotations", {}):
        yield f"annotation \"{_CLASS}\" is deprecated, please use 'spec.ingressClassName' instead"


def _endpoints(_endpoints: Object) -> Iterator[str]:
    yield "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"


def _pod(pod: Object) -> Iterator[str]:
    yield from _pod_spec(pod["spec"], "spec")


def _template(workload: Object) -> Iterator[str]:
    yield from _pod_spec(workload["spec"]["template"]["spec"], "spec.template.spec")


def _pod_spec(spec: Object, path: str) -> Iterator[str]:
    for label in sorted(spec.get("nodeSelector", {}).keys() & _OLD_LABELS.keys()):
        yield f"{path}.nodeSelector[{label}]: {_OLD_LABELS[label]}"
    yield from _repeated(
        [one.get("ip", "") for one in spec.get("hostAliases", ())], f"{path}.hostAliases", "ip"
    )
    secrets = [one.get("name", "") for one in spec.get("imagePullSecrets", ())]
    for index, name in enumerate(secrets):
        if not name:
            yield f'{path}.imagePullSecrets[{index}].name: invalid empty name ""'
    yield from _repeated(secrets, f"{path}.imagePullSecrets", "name")
    for kind in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(kind) or ()):
            yield from _environment(container, f"{path}.{kind}[{index}]")
            yield from _ports(container, f"{path}.{kind}[{index}]")
    if (spec.get("terminationGracePeriodSeconds") or 0) < 0:
        where = f"{path}.terminationGracePeriodSeconds"
        yield f"{where}: must be >= 0; negative values are invalid and will be treated as 1"


def _repeated(values: list[str], path: str, field: str) -> Iterator[str]:
    for index, value in enumerate(values):
        if value and value in values[:index]:
            yield f'{path}[{index}].{field}: duplicate {field} "{value}"'


def _environment(container: Object, path: str) -> Iterator[str]:
    seen: set[str] = set()
    for index, variable in enumerate(container.get("env", ())):
        name = variable.get("name", "")
        if name in seen:
            yield f'{path}.env[{index}]: hides previous definition of "{name}", which may be dropped when using apply'
        seen.add(name)


def _ports(container: Object, path: str) -> Iterator[str]:
    seen: dict[tuple[Any, ...], int] = {}
    for index, port in enumerate(container.get("ports", ())):
        key = tuple(port.get(name) for name in ("containerPort", "hostPort", "hostIP", "protocol"))
        if key in seen:
            yield f"{path}.ports[{index}]: duplicate port definition with {path}.ports[{seen[key]}]"
        seen.setdefault(key, index)


_RULES: dict[str, Callable[[Object], Iterator[str]]] = {
    "apps/v1/DaemonSet": _template,
    "apps/v1/Deployment": _template,
    "apps/v1/ReplicaSet": _template,
    "networking.k8s.io/v1/Ingress": _ingress,
    "v1/Endpoints": _endpoints,
    "v1/Pod": _pod,
    "v1/Service": _service,
}
