"""Free-form objects (`metadata`, preferences): any JSON, merged by RFC 7396."""

from __future__ import annotations

import json
from typing import Any, Final

from .errors import LockstepError
from .shapes import JsonObject
from .text import byte_length

FREE_FORM_BYTES: Final = 64 * 1024


def merge_patch(target: JsonObject, patch: JsonObject) -> JsonObject:
    """RFC 7396: a patched copy. The arguments stay as they are."""
    merged = dict(target)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            inner = target.get(key)
            merged[key] = merge_patch(inner if isinstance(inner, dict) else {}, value)
        else:
            merged[key] = value
    return merged


def equal_json(a: Any, b: Any) -> bool:
    """Deep equality of JSON values. Unlike `==`, it tells `True` from 1."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(equal_json(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(equal_json, a, b))
    return bool(a == b)


def json_bytes(value: Any) -> int:
    return byte_length(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def merged_metadata(present: JsonObject, patch: JsonObject, *, of_message: bool) -> JsonObject:
    """The metadata after a patch.

    The `thinking` of a message is a text of the message, with a limit of its own.

    Raises LockstepError: `too_large`.
    """
    merged = merge_patch(present, patch)
    counted = merged
    if of_message and isinstance(merged.get("thinking"), str):
        counted = {key: value for key, value in merged.items() if key != "thinking"}
    if json_bytes(counted) > FREE_FORM_BYTES:
        detail = "The metadata would become too large"
        raise LockstepError("too_large", detail, limit_bytes=FREE_FORM_BYTES)
    return merged
