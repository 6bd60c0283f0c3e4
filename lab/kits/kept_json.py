"""JSON that is kept: orjson hands out each result in the room that it was written in, 4 KiB and more for a few words."""

from __future__ import annotations

from typing import Any

import orjson


def encode_to_keep(value: Any, option: int = 0) -> bytes:
    """Return the JSON in no more room than it needs; raises orjson.JSONEncodeError."""
    return bytes(memoryview(orjson.dumps(value, option=option)))
