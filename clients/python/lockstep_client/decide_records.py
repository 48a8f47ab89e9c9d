"""Pure: how a record is written, patched and deleted. Its version counts on after a deletion, so that
no device takes an older record for a newer one.
"""

from __future__ import annotations

from typing import Final

from .decide import Context, Decide, Decision
from .errors import LockstepError
from .free_form import FREE_FORM_BYTES, equal_json, json_bytes, merge_patch
from .reduce import Held, is_record
from .shapes import JsonObject


def _put(held: Held, command: JsonObject, _context: Context) -> Decision:
    """None: the record has this data."""
    if held is not None and held["kind"] != command["kind"]:
        raise LockstepError("id_taken", "This id belongs to a record of another kind")
    record = held if is_record(held) else None
    if record is not None and equal_json(record["data"], command["data"]):
        return None
    if command.get("if_version") is not None:
        _check_version(_existing(record, command["kind"]), command)
    return _written(held, command, command["data"])


def _patch(held: Held, command: JsonObject, _context: Context) -> Decision:
    record = _existing(held, command["kind"])
    data = merge_patch(record["data"], command["data"])
    if equal_json(record["data"], data):
        return None
    _check_version(record, command)
    if json_bytes(data) > FREE_FORM_BYTES:
        detail = "The record would become too large"
        raise LockstepError("too_large", detail, limit_bytes=FREE_FORM_BYTES)
    return _written(held, command, data)


def _delete(held: Held, command: JsonObject, _context: Context) -> Decision:
    """None: the record is deleted already."""
    kind = command["kind"]
    if held is not None and not is_record(held) and held["kind"] == kind:
        return None
    record = _existing(held, kind)
    _check_version(record, command)
    version = record["version"] + 1
    return {"op": "deleted", "entity_id": record["id"], "version": version, "data": {"kind": kind}}


RECORD_COMMANDS: Final[dict[str, Decide]] = {"put": _put, "patch": _patch, "delete": _delete}


def _existing(held: Held, kind: str) -> JsonObject:
    if held is None or not is_record(held) or held["kind"] != kind:
        raise LockstepError("not_found", "There is no such record")
    return held


def _check_version(record: JsonObject, command: JsonObject) -> None:
    if_version = command.get("if_version")
    if if_version is not None and if_version != record["version"]:
        raise LockstepError("version_conflict", current=record)


def _written(held: Held, command: JsonObject, data: JsonObject) -> Decision:
    version = (held["version"] if held else 0) + 1
    content = {"kind": command["kind"], "data": data}
    return {"op": "put", "entity_id": command["id"], "version": version, "data": content}
