"""The part of an object that is the same for all kinds: `metadata`."""

from __future__ import annotations

import secrets
import time
import uuid
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from lab.pocket.apiserver.errors import About, bad_request, conflict, modified
from lab.pocket.store import Object

NAME_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"  # no vowels, no look-alikes: generated names spell nothing
SUFFIX = 5
LONGEST_PREFIX = 63 - SUFFIX
KEPT = (
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "name",
    "namespace",
)
TYPES: dict[str, type | tuple[type, ...]] = {
    "name": str,
    "generateName": str,
    "namespace": str,
    "uid": str,
    "resourceVersion": str,
    "labels": dict,
    "annotations": dict,
    "finalizers": list,
    "ownerReferences": list,
    "managedFields": list,
}


def now() -> str:
    """Return this moment as Kubernetes writes it."""
    return _second(int(time.time()))


@lru_cache(maxsize=1)
def _second(number: int) -> str:
    return timestamp(datetime.fromtimestamp(number, UTC))


def timestamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def check_types(metadata: dict[str, Any], about: About) -> None:
    """Drop nulls, and refuse what no kind of object can have as metadata."""
    for key in [key for key, value in metadata.items() if value is None]:
        del metadata[key]
    for key, expected in TYPES.items():
        if key in metadata and not isinstance(metadata[key], expected):
            raise _malformed(about, key)
    for key in ("labels", "annotations"):
        if not all(isinstance(value, str) for value in metadata.get(key, {}).values()):
            raise _malformed(about, key)
    if not all(isinstance(value, str) for value in metadata.get("finalizers", ())):
        raise _malformed(about, "finalizers")
    if not all(isinstance(value, dict) for value in metadata.get("ownerReferences", ())):
        raise _malformed(about, "ownerReferences")


def _malformed(about: About, key: str) -> Exception:
    return bad_request(f"{about.kind} cannot be handled: metadata.{key} has the wrong type")


def generate_name(prefix: str) -> str:
    return prefix[:LONGEST_PREFIX] + "".join(secrets.choice(NAME_ALPHABET) for _ in range(SUFFIX))


def begin(obj: Object, *, generation: bool) -> None:
    """Set what the server sets when an object is created."""
    metadata = obj["metadata"]
    for key in (
        "resourceVersion",
        "selfLink",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
    ):
        metadata.pop(key, None)
    metadata["uid"] = str(uuid.uuid4())
    metadata["creationTimestamp"] = now()
    if generation:
        metadata["generation"] = 1


def carry_over(new: Object, old: Object, about: About) -> None:
    """Check a new state against the stored one, and keep what clients cannot change.

    Raises:
        StatusError: 409, when `new` was built on another state or on another object of that name.

    """
    ours, theirs = old["metadata"], new["metadata"]
    if theirs.get("uid", ours["uid"]) != ours["uid"]:
        raise conflict(
            about,
            f"Precondition failed: UID in precondition: {theirs['uid']}, UID in object meta: {ours['uid']}",
        )
    if theirs.get("resourceVersion") not in {None, "", "0", ours["resourceVersion"]}:
        raise modified(about)
    theirs.pop("selfLink", None)
    for key in KEPT:
        if key in ours:
            theirs[key] = ours[key]
        else:
            theirs.pop(key, None)
    theirs["resourceVersion"] = ours["resourceVersion"]


def bump_generation(new: Object, old: Object, *, whole: bool, annotations: bool) -> None:
    """Count a change of what is desired: of the spec, with `whole` of all but metadata, perhaps of annotations."""
    ignored = {"metadata"} if whole else {"metadata", "status"}
    desired = {key: value for key, value in new.items() if key not in ignored}
    before = {key: value for key, value in old.items() if key not in ignored}
    noted = annotations and (
        (new["metadata"].get("annotations") or {}) != (old["metadata"].get("annotations") or {})
    )
    if desired != before or noted:
        new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
