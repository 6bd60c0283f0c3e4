#!/usr/bin/env python3
"""Write the tables of Kubernetes' built-in kinds that `lab.pocket.api` reads: schemas, descriptions, protobuf.

usage: scripts/kubernetes_types.py DEFINITIONS.json

DEFINITIONS.json is `_definitions.json` of the PyPI package kubernetes-validate (directory v1.36.0-local): Kubernetes'
own OpenAPI definitions with every x-kubernetes-* field. What they leave out (pointers, fields that are written even
when empty, protobuf numbers, inlined structs) comes from the Go types, through kubernetes_types/main.go; so this
needs Go and its module proxy. Bump the versions in kubernetes_types/go.mod together with the package's.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
DATA = HERE.parent / "lab/pocket/api/data"
KINDS = [
    "v1/Binding", "v1/ConfigMap", "v1/Endpoints", "v1/Event", "v1/Namespace", "v1/Node", "v1/Pod", "v1/PodTemplate",
    "v1/Secret", "v1/Service", "v1/ServiceAccount", "admissionregistration.k8s.io/v1/MutatingWebhookConfiguration",
    "admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy",
    "admissionregistration.k8s.io/v1/ValidatingAdmissionPolicyBinding",
    "admissionregistration.k8s.io/v1/ValidatingWebhookConfiguration",
    "apiextensions.k8s.io/v1/CustomResourceDefinition", "apps/v1/ControllerRevision", "apps/v1/DaemonSet",
    "apps/v1/Deployment", "apps/v1/ReplicaSet", "authentication.k8s.io/v1/SelfSubjectReview",
    "authentication.k8s.io/v1/TokenRequest", "authentication.k8s.io/v1/TokenReview",
    "authorization.k8s.io/v1/LocalSubjectAccessReview", "authorization.k8s.io/v1/SelfSubjectAccessReview",
    "authorization.k8s.io/v1/SelfSubjectRulesReview", "authorization.k8s.io/v1/SubjectAccessReview",
    "autoscaling/v1/Scale", "coordination.k8s.io/v1/Lease", "discovery.k8s.io/v1/EndpointSlice",
    "events.k8s.io/v1/Event", "networking.k8s.io/v1/Ingress", "networking.k8s.io/v1/IngressClass",
    "networking.k8s.io/v1/NetworkPolicy", "policy/v1/Eviction", "policy/v1/PodDisruptionBudget",
    "rbac.authorization.k8s.io/v1/ClusterRole", "rbac.authorization.k8s.io/v1/ClusterRoleBinding",
    "rbac.authorization.k8s.io/v1/Role", "rbac.authorization.k8s.io/v1/RoleBinding",
    "scheduling.k8s.io/v1/PriorityClass",
]  # fmt: skip
META = "io.k8s.apimachinery.pkg.apis.meta.v1."
KEPT = {
    "format", "required",
    "x-kubernetes-list-map-keys", "x-kubernetes-list-type", "x-kubernetes-map-type",
    "x-kubernetes-patch-merge-key", "x-kubernetes-patch-strategy",
}  # fmt: skip
SPECIAL: dict[str, dict[str, Any]] = {
    META + "Time": {"type": "string", "format": "date-time"},
    META + "MicroTime": {"type": "string", "format": "micro-time"},
    META + "FieldsV1": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    "io.k8s.apimachinery.pkg.api.resource.Quantity": {"type": "string", "format": "quantity"},
    "io.k8s.apimachinery.pkg.runtime.RawExtension": {
        "type": "object",
        "x-kubernetes-preserve-unknown-fields": True,
    },
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {"x-kubernetes-int-or-string": True},
}
EXTENSIONS = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1."
SPECIAL |= {
    f"{EXTENSIONS}JSONSchemaPropsOr{other}": {"x-either": f"{EXTENSIONS}JSONSchemaProps"}
    for other in ("Array", "Bool", "StringArray")
}
ANY = {"x-kubernetes-preserve-unknown-fields": True}


def go_types() -> dict[str, Any]:
    """Run the Go program; returns {"kinds": {"apps/v1/Deployment": definition}, "types": {definition: [field]}}."""
    command = ["go", "run", ".", *KINDS]
    out = subprocess.run(command, cwd=HERE / "kubernetes_types", check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(out.stdout)
    return found


def flat(types: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the JSON fields of a Go struct by name, those of inlined structs included."""
    fields: dict[str, Any] = {}
    for field in types[name] or []:
        if "name" in field:
            fields[field["name"]] = field
        elif field["type"] in types:
            fields |= flat(types, field["type"])
    return fields


def plain(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a property's schema without prose and without the null that kubernetes-validate adds to each type."""
    kept: dict[str, Any] = {name: value for name, value in schema.items() if name in KEPT}
    kind = schema.get("type")
    if kind is not None:
        kept["type"] = kind[0] if isinstance(kind, list) else kind
    if "$ref" in schema:
        kept["$ref"] = schema["$ref"].rsplit("/", 1)[1]
    for inner in ("items", "additionalProperties"):
        if inner in schema:
            kept[inner] = plain(schema[inner])
    return kept


def definition(source: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    schema = plain(source) or dict(ANY)
    properties = {}
    for name, value in source.get("properties", {}).items():
        flags = {f"x-{flag}": True for flag in ("always", "pointer") if fields.get(name, {}).get(flag)}
        properties[name] = plain(value) | flags
        own = fields.get(name, {}).get("go")
        if own:
            innermost(properties[name])["x-go"] = own
    return schema | ({"properties": properties} if properties else {})


def innermost(schema: dict[str, Any]) -> dict[str, Any]:
    inner = schema.get("items") or schema.get("additionalProperties")
    return innermost(inner) if inner else schema


DEFAULTS = {
    ("io.k8s.api.core.v1.ContainerPort", "protocol"): "TCP",
    ("io.k8s.api.core.v1.ServicePort", "protocol"): "TCP",
}
"""Defaults of fields that are keys of a list: server-side apply needs them to tell its entries apart."""


def prose(source: dict[str, Any]) -> dict[str, str]:
    """Return the descriptions of a definition ("") and of its properties."""
    found = {
        name: value["description"]
        for name, value in source.get("properties", {}).items()
        if "description" in value
    }
    return {"": source["description"], **found} if "description" in source else found


def references(schema: Any) -> set[str]:
    if isinstance(schema, list):
        return set().union(*map(references, schema))
    if not isinstance(schema, dict):
        return set()
    own = {schema["$ref"]} if isinstance(schema.get("$ref"), str) else set()
    return own.union(*map(references, schema.values()))


def closure(definitions: dict[str, Any], types: dict[str, Any], roots: set[str]) -> dict[str, Any]:
    """Return the schemas of `roots` and of all that they refer to, sorted by name."""
    done: dict[str, Any] = {}
    waiting = set(roots)
    while waiting:
        name = waiting.pop()
        done[name] = SPECIAL.get(name) or definition(definitions[name], flat(types, name))
        waiting |= references(done[name]) - done.keys()
    for (name, field), value in DEFAULTS.items():
        done[name]["properties"][field]["default"] = value
    return dict(sorted(done.items()))


def messages(types: dict[str, Any]) -> dict[str, Any]:
    """Return {definition: {protobuf number: [JSON name or "" for an inlined struct, type, shape]}}."""
    table = {}
    for name, fields in sorted(types.items()):
        numbered = [field for field in fields or [] if field.get("proto")]
        table[name] = {
            field["proto"]: [field.get("name", ""), field["type"], field.get("shape", "")]
            for field in numbered
        }
    return table


def write(name: str, value: Any) -> None:
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    (DATA / f"{name}.json.gz").write_bytes(gzip.compress(text, mtime=0))


def main() -> None:
    definitions = json.loads(Path(sys.argv[1]).read_text())["$defs"]
    go = go_types()
    roots = {*go["kinds"].values(), META + "DeleteOptions", META + "Status"}
    chosen = closure(definitions, go["types"], roots)
    DATA.mkdir(exist_ok=True)
    write("schemas", {"kinds": go["kinds"], "definitions": chosen})
    write("descriptions", {name: prose(definitions[name]) for name in chosen})
    write("protobuf", {"kinds": go["kinds"], "messages": messages(go["types"])})


if __name__ == "__main__":
    main()
