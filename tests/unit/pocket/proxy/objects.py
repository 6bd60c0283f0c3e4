"""Services and EndpointSlices for tests."""

from __future__ import annotations

from typing import Any

from lab.kube.resources import Json


def service(name: str = "default/nginx", /, **spec: Any) -> Json:
    namespace, _, short = name.partition("/")
    status = {"loadBalancer": {"ingress": [{"ip": ip} for ip in spec.pop("lb", ())]}}
    port = {"port": 80, "protocol": "TCP"} | {k: spec.pop(k) for k in ("nodePort",) if k in spec}
    base = {"type": "ClusterIP", "clusterIPs": ["10.99.239.22"], "ports": [port]}
    return {"metadata": {"namespace": namespace, "name": short}, "spec": base | spec, "status": status}


def endpoint(ip: str, node: str = "worker1", **conditions: bool) -> Json:
    return {"addresses": [ip], "nodeName": node, "conditions": {"ready": True} | conditions}


def endpoint_slice(*endpoints: Json, **fields: object) -> Json:
    kind = "IPv6" if endpoints and ":" in endpoints[0]["addresses"][0] else "IPv4"
    ports = [{"name": "", "port": 80, "protocol": "TCP"}]
    return {"addressType": kind, "endpoints": list(endpoints), "ports": ports} | fields
