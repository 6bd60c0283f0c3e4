"""What machine containers keep in the cache: bases, which are large, and converged layers, which are small.

A running lab stands on both. Damaged ones are replaced, and deleted only when no lab is there any more.
"""

from __future__ import annotations

from lab.kits.files import content_digest, shape_digest
from lab.machines.cache import Shelf, cache_directory
from lab.machines.containers.paths import RUN


def bases() -> Shelf:
    return Shelf(cache_directory() / "bases", digest=shape_digest, in_use=_some_lab_is_there)


def layers() -> Shelf:
    return Shelf(cache_directory() / "layers", digest=content_digest, in_use=_some_lab_is_there)


def _some_lab_is_there() -> bool:
    return any(RUN.glob("*/state.json"))
