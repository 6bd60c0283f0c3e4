"""What the server serves, as data: built-in resources and, at once after they are created, custom ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from lab.pocket.api.schema import Schema, from_crd
from lab.pocket.apiserver.errors import About
from lab.pocket.store import Object, Row, Store

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
STATUS_VERBS = ("get", "patch", "update")
ANYTHING = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
CRDS = "customresourcedefinitions.apiextensions.k8s.io"


@dataclass(frozen=True, slots=True)
class Subresource:
    """A path below an object; `group` and `version` are given where its kind is not of the resource's own."""

    name: str
    kind: str
    verbs: tuple[str, ...] = STATUS_VERBS
    group: str | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One plural name in one group and version."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    subresources: tuple[Subresource, ...] = ()
    fields: tuple[str, ...] = ()  # field selectors beside metadata.name and metadata.namespace
    singular: str = ""
    custom: Object | None = field(default=None, compare=False)  # the CRD's spec.versions[] entry
    schema: Schema | None = field(default=None, compare=False)  # custom resources: what objects go through
    storage_version: str = ""  # custom resources: the version whose apiVersion is stored
    list_kind: str = ""

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """The name under which all versions are stored and authorized: `services`, `deployments.apps`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def stored_api_version(self) -> str:
        """The apiVersion that stored objects carry, whichever version they came in."""
        return f"{self.group}/{self.storage_version}" if self.storage_version else self.api_version

    @property
    def singular_name(self) -> str:
        return self.singular or self.kind.lower()

    @property
    def list_name(self) -> str:
        return self.list_kind or f"{self.kind}List"

    @property
    def stored(self) -> bool:
        return "get" in self.verbs

    def about(self, name: str = "") -> About:
        """Name an object of this resource in a refusal."""
        return About(self.plural, name, self.group)

    def about_kind(self, name: str) -> About:
        """Name an invalid object of this resource."""
        return About(self.kind, name, self.group)

    def subresource(self, name: str) -> Subresource | None:
        return next((sub for sub in self.subresources if sub.name == name), None)


class Registry:
    """All resources served now. Custom ones follow the store's CRDs; look up, do not keep."""

    def __init__(self, builtin: Iterable[Resource], store: Store) -> None:
        self._builtin = tuple(builtin)
        self._store = store
        self._revision = -1
        self._resources: dict[tuple[str, str, str], Resource] = {}
        self._known: dict[Row, tuple[Resource, ...]] = {}  # what each CRD serves, read once a revision of it

    @property
    def revision(self) -> int:
        """Changes whenever what is served changes."""
        return self._store.resource_revision(CRDS)

    def get(self, group: str, version: str, plural: str) -> Resource | None:
        return self._current().get((group, version, plural))

    def all(self) -> Iterator[Resource]:
        yield from self._current().values()

    def of_kind(self, api_version: str, kind: str) -> Resource | None:
        """Find the resource of an object by its apiVersion and kind."""
        return next((r for r in self.all() if r.kind == kind and r.api_version == api_version), None)

    def groups(self) -> dict[str, list[str]]:
        """Return the versions served of each group, preferred first; the core group is ""."""
        found: dict[str, list[str]] = {}
        for resource in self.all():
            versions = found.setdefault(resource.group, [])
            if resource.version not in versions:
                versions.append(resource.version)
        return {group: sorted(versions, key=version_priority) for group, versions in found.items()}

    def _current(self) -> dict[tuple[str, str, str], Resource]:
        if self._revision != self.revision:
            self._revision = self.revision
            served = [*self._builtin, *self._custom()]
            self._resources = {(r.group, r.version, r.plural): r for r in reversed(served)}
            self._resources = dict(reversed(self._resources.items()))
        return self._resources

    def _custom(self) -> Iterator[Resource]:
        known, self._known = self._known, {}
        for row in self._store.rows(CRDS):
            self._known[row] = known.get(row) or tuple(_of_definition(row.decoded()))
            yield from self._known[row]


def version_priority(version: str) -> tuple[int, int, int, str]:
    """Sort versions as Kubernetes does: v2 before v1 before v1beta2 before v1alpha1, then other names."""
    digits, stage, number = _parse_version(version)
    if digits < 0:
        return (3, 0, 0, version)
    return ({"": 0, "beta": 1, "alpha": 2}[stage], -digits, -number, version)


def _parse_version(version: str) -> tuple[int, str, int]:
    for stage in ("alpha", "beta"):
        major, separator, minor = version[1:].partition(stage)
        if separator and major.isdecimal() and minor.isdecimal():
            return int(major), stage, int(minor)
    return (int(version[1:]), "", 0) if version[:1] == "v" and version[1:].isdecimal() else (-1, "", 0)


def _of_definition(crd: Object) -> Iterator[Resource]:
    conditions = (crd.get("status") or {}).get("conditions") or ()
    if any((c.get("type"), c.get("status")) == ("Established", "True") for c in conditions):
        yield from custom_resources(crd)


def custom_resources(crd: Object) -> Iterator[Resource]:
    """Yield what a CustomResourceDefinition serves, one resource a version."""
    spec = crd["spec"]
    names: dict[str, Any] = {**spec["names"], **(crd["status"].get("acceptedNames") or {})}
    storage = next(v["name"] for v in spec["versions"] if v.get("storage"))
    for version in spec["versions"]:
        if version.get("served"):
            yield Resource(
                group=spec["group"],
                version=version["name"],
                plural=names["plural"],
                kind=names["kind"],
                namespaced=spec["scope"] == "Namespaced",
                short_names=tuple(names.get("shortNames", ())),
                categories=tuple(names.get("categories", ())),
                singular=names.get("singular", ""),
                list_kind=names.get("listKind", ""),
                subresources=tuple(_custom_subresources(version, names["kind"])),
                fields=tuple(f["jsonPath"].removeprefix(".") for f in version.get("selectableFields") or ()),
                custom=version,
                schema=from_crd((version.get("schema") or {}).get("openAPIV3Schema") or ANYTHING),
                storage_version=storage,
            )


def _custom_subresources(version: Object, kind: str) -> Iterator[Subresource]:
    subresources = version.get("subresources") or {}
    if "status" in subresources:
        yield Subresource("status", kind)
    if subresources.get("scale"):
        yield Subresource("scale", "Scale", group="autoscaling", version="v1")
