"""A message and its parts.

The invariant: `content` is the joined text of the `text` parts, `metadata.thinking` that of the
`reasoning` parts, and a message of one text has no `parts`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, Literal

from .free_form import json_bytes
from .shapes import JsonObject
from .text import byte_length, extend, utf16_from, utf16_length

MESSAGE_BYTES: Final = 256 * 1024
ENCRYPTED_BYTES: Final = 350 * 1024
"""An encrypted text may be longer than a plain one."""
PARTS_BYTES: Final = 2 * 1024 * 1024
_ENCRYPTED: Final = re.compile(r"enc1\.(?:[A-Za-z0-9_-]{4}){9,}[A-Za-z0-9_-]{2,4}")
TextType = Literal["text", "reasoning"]


def _joined(parts: Sequence[JsonObject], kind: TextType) -> str:
    return "".join(part.get("text", "") for part in parts if part["type"] == kind)


def content_of(parts: Sequence[JsonObject]) -> str:
    return _joined(parts, "text")


def thinking_of(parts: Sequence[JsonObject]) -> str:
    return _joined(parts, "reasoning")


def parts_of(message: JsonObject) -> list[JsonObject]:
    """The parts of a message, also of one that has only a text."""
    if message.get("parts"):
        return list(message["parts"])
    thinking, ms = message["metadata"].get("thinking"), message["metadata"].get("thinking_ms")
    made: list[JsonObject] = []
    if isinstance(thinking, str) and thinking != "":
        part: JsonObject = {"id": "reasoning", "type": "reasoning", "text": thinking}
        if _is_count(ms):
            part["ms"] = ms
        made.append(part)
    if message["content"] != "":
        made.append({"id": "text", "type": "text", "text": message["content"]})
    return made


def _is_count(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return value == int(value) and 0 <= value < 2**53


def compose(metadata: JsonObject, parts: Sequence[JsonObject]) -> JsonObject:
    """The fields of a message with these parts, and with this metadata apart from its thinking."""
    thinking = thinking_of(parts)
    composed: JsonObject = {
        "content": content_of(parts),
        "metadata": _with_thinking(metadata, thinking),
    }
    if len(parts) > 1 or any(part["type"] != "text" for part in parts):
        composed["parts"] = list(parts)
    return composed


def _with_thinking(metadata: JsonObject, thinking: str) -> JsonObject:
    former = metadata.get("thinking")
    if thinking == ("" if former is None else former):
        return metadata
    rest = {key: value for key, value in metadata.items() if key != "thinking"}
    if thinking != "":
        return {**rest, "thinking": thinking}
    return rest if isinstance(former, str) else metadata


def whole(message: JsonObject) -> JsonObject:
    """The message with the parts that it has by its metadata."""
    thinking = (message.get("metadata") or {}).get("thinking")
    if message.get("parts") or not isinstance(thinking, str) or thinking == "":
        return message
    return recomposed(message, parts_of(message))


def recomposed(message: JsonObject, parts: Sequence[JsonObject]) -> JsonObject:
    """The message with these parts instead of its own."""
    rest = {key: value for key, value in message.items() if key != "parts"}
    return {**rest, **compose(message["metadata"], parts)}


def put_part(parts: Sequence[JsonObject], part: JsonObject) -> list[JsonObject]:
    """Adds a part, or replaces the one with its id."""
    if all(other["id"] != part["id"] for other in parts):
        return [*parts, part]
    return [part if other["id"] == part["id"] else other for other in parts]


def replace_texts(parts: Sequence[JsonObject], kind: TextType, text: str) -> list[JsonObject]:
    """One text instead of all `text` parts, or of all `reasoning` parts."""
    first = next((at for at, part in enumerate(parts) if part["type"] == kind), None)
    others = [part for part in parts if part["type"] != kind]
    if text == "":
        return others
    if first is not None:
        at, part_id = first, parts[first]["id"]
    else:
        at, part_id = (len(others) if kind == "text" else 0), _unused_id(others, kind)
    others.insert(at, {"id": part_id, "type": kind, "text": text})
    return others


def _unused_id(parts: Sequence[JsonObject], kind: str) -> str:
    ids = {part["id"] for part in parts}
    part_id, number = kind, 2
    while part_id in ids:
        part_id, number = f"{kind}-{number}", number + 1
    return part_id


def extend_message(
    message: JsonObject, offset: int, text: str, part_id: str | None = None
) -> JsonObject:
    """A piece without a part goes on after the text of the message."""
    parts = message.get("parts")
    if not parts:
        return {**message, "content": extend(message["content"], offset, text)}
    if part_id is not None:
        return recomposed(message, [_extended(part, part_id, offset, text) for part in parts])
    length = utf16_length(message["content"])
    added = utf16_from(text, length - offset) if offset <= length else ""
    if added == "":
        return message
    last = next((part for part in reversed(parts) if part["type"] == "text"), None)
    if last is None:
        return recomposed(message, replace_texts(parts, "text", added))
    return recomposed(message, put_part(parts, {**last, "text": last["text"] + added}))


def _extended(part: JsonObject, part_id: str, offset: int, text: str) -> JsonObject:
    if part["id"] != part_id or part["type"] not in ("text", "reasoning"):
        return part
    return {**part, "text": extend(part["text"], offset, text)}


def _fits(text: str) -> bool:
    if byte_length(text) <= MESSAGE_BYTES:
        return True
    return len(text) <= ENCRYPTED_BYTES and _ENCRYPTED.fullmatch(text) is not None


def exceeded_by(message: JsonObject) -> int | None:
    """The limit that a message exceeds, in bytes."""
    parts = message.get("parts") or []
    texts = [message["content"], message["metadata"].get("thinking")]
    texts += [part.get("text") for part in parts]
    for text in texts:
        if isinstance(text, str) and not _fits(text):
            return MESSAGE_BYTES
    return PARTS_BYTES if parts and json_bytes(parts) > PARTS_BYTES else None
