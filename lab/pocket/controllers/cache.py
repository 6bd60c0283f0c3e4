"""What the watches have shown, with our own writes taken over at once.

A controller that reads a cache which does not know its last write would repeat it, and create a pod twice. So every
object that the API returns goes into the cache, and what a watch brings later counts only if it is newer
(resourceVersions of one resource are comparable numbers: KEP-5504).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, Self

from lab.kube.resources import Json, ObjectKey, Resource

SERVICE_NAME: Final = "kubernetes.io/service-name"
"""Label of EndpointSlices."""
NOTHING: Mapping[ObjectKey, Json] = MappingProxyType({})


class Cache:
    """Objects by resource, by the uid of the controller that owns them, and by Service. They are shared: do not change them."""

    def __init__(self) -> None:
        self._objects: dict[Resource, dict[ObjectKey, Json]] = defaultdict(dict)
        self._owned: dict[str, dict[tuple[Resource, ObjectKey], Json]] = defaultdict(dict)
        self._of_service: dict[tuple[Resource, ObjectKey], dict[ObjectKey, Json]] = defaultdict(dict)
        self._deleted: set[str] = set()

    @classmethod
    def of(cls, objects: Iterable[tuple[Resource, Json]]) -> Self:
        """Return a cache of the given objects."""
        cache = cls()
        for resource, item in objects:
            cache.put(resource, item)
        return cache

    def all(self, resource: Resource) -> Mapping[ObjectKey, Json]:
        """Return the known objects of a resource: a live view."""
        return MappingProxyType(self._objects[resource]) if resource in self._objects else NOTHING

    def get(self, resource: Resource, name: str, *, namespace: str = "") -> Json | None:
        return self.all(resource).get(ObjectKey(namespace, name))

    def within(self, resource: Resource, namespace: str) -> list[Json]:
        """Return the known objects of a resource in one namespace."""
        return [item for key, item in self.all(resource).items() if key.namespace == namespace]

    def owned(self, resource: Resource, uid: str) -> list[Json]:
        """Return the objects of a resource that the object with this uid controls."""
        return [item for (kind, _), item in self._owned.get(uid, {}).items() if kind == resource]

    def of_service(self, resource: Resource, service: ObjectKey) -> list[Json]:
        """Return the objects of a resource whose label names the Service."""
        return list(self._of_service.get((resource, service), {}).values())

    def put(self, resource: Resource, item: Json) -> bool:
        """Take over an object; False when a newer state of it, or its deletion, is known already."""
        key = ObjectKey.of(item)
        known = self._objects[resource].get(key)
        if item["metadata"].get("uid") in self._deleted or (known and _older(item, known)):
            return False
        if known:
            self._forget(resource, key, known)
        self._objects[resource][key] = item
        if uid := controller_uid(item):
            self._owned[uid][resource, key] = item
        if service := _service_of(item):
            self._of_service[resource, service][key] = item
        return True

    def remove(self, resource: Resource, key: ObjectKey, *, uid: str = "", confirmed: bool = True) -> None:
        """Forget an object. Until a watch has `confirmed` that, older events about it will not bring it back."""
        known = self._objects[resource].get(key)
        if known and uid in {"", known["metadata"].get("uid")}:
            del self._objects[resource][key]
            self._forget(resource, key, known)
        if confirmed:
            self._deleted.discard(uid)
        elif uid:
            self._deleted.add(uid)

    def _forget(self, resource: Resource, key: ObjectKey, item: Json) -> None:
        uid = controller_uid(item)
        if uid in self._owned:
            self._owned[uid].pop((resource, key), None)
            if not self._owned[uid]:
                del self._owned[uid]
        service = _service_of(item)
        if service and (resource, service) in self._of_service:
            self._of_service[resource, service].pop(key, None)
            if not self._of_service[resource, service]:
                del self._of_service[resource, service]


def controller_uid(item: Json) -> str:
    """Return the uid of the owner that controls the object, or an empty string."""
    for owner in item["metadata"].get("ownerReferences") or ():
        if owner.get("controller"):
            uid: str = owner["uid"]
            return uid
    return ""


def _service_of(item: Json) -> ObjectKey | None:
    name = (item["metadata"].get("labels") or {}).get(SERVICE_NAME)
    return ObjectKey(item["metadata"].get("namespace", ""), name) if name else None


def _older(item: Json, known: Json) -> bool:
    new, old = (each["metadata"].get("resourceVersion", "") for each in (item, known))
    return bool(new.isdecimal() and old.isdecimal() and int(new) < int(old))
