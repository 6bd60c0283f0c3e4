"""JSON merge patch, RFC 7386: objects merge, null removes, everything else replaces."""

from __future__ import annotations

from typing import Any

from lab.pocket.api import values

__all__ = ["apply", "diff"]


def apply(document: Any, patch: Any) -> Any:
    """Return `document` with `patch` merged in (RFC 7386, section 2); both stay as they were.

    Parts that the patch does not name are shared with `document`, not copied.
    """
    if not isinstance(patch, dict):
        return patch
    merged = dict(document) if isinstance(document, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = apply(merged.get(name), value)
    return merged


def diff(before: Any, after: Any) -> Any:
    """Return the smallest patch that turns `before` into `after`; `after` must hold no null inside objects."""
    if not (isinstance(before, dict) and isinstance(after, dict)):
        return after
    patch: dict[str, Any] = dict.fromkeys(before.keys() - after.keys())
    for name, value in after.items():
        if name not in before:
            patch[name] = value
        elif not values.equal(before[name], value):
            patch[name] = diff(before[name], value)
    return patch
