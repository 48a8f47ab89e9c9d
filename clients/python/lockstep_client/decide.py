"""Pure: state + command -> change, or None when nothing would change, or a LockstepError.

The server decides in the same way. This client shows a command's probable effect with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from .errors import LockstepError
from .free_form import FREE_FORM_BYTES, equal_json, json_bytes, merge_patch, merged_metadata
from .parts import compose, exceeded_by, parts_of, replace_texts
from .reduce import Held, is_conversation, is_run, last_position
from .shapes import JsonObject
from .text import preview_in

DEFAULT_TITLE: Final = "New conversation"
MESSAGES_PER_CONVERSATION: Final = 100_000


@dataclass(frozen=True)
class Context:
    """What a decision may know besides the state."""

    user_id: str
    at: str
    new_id: Callable[[], str]


Decision = JsonObject | None
Decide = Callable[[Held, JsonObject, Context], Decision]


def existing(held: Held) -> JsonObject:
    if held is None or not is_conversation(held):
        raise LockstepError("not_found", "There is no such conversation")
    return held


def live(held: Held) -> JsonObject:
    conversation = existing(held)
    if conversation["deleted_at"] is not None:
        raise LockstepError("not_found", "This conversation is in the trash")
    return conversation


def summary_of(conversation: JsonObject) -> JsonObject:
    """A conversation without its messages."""
    left_out = ("messages", "removed", "has_more")
    return {key: value for key, value in conversation.items() if key not in left_out}


def _next(op: str, entity: JsonObject, data: JsonObject) -> JsonObject:
    version = entity["version"] + 1
    return {"op": op, "entity_id": entity["id"], "version": version, "data": data}


def _create(held: Held, command: JsonObject, context: Context) -> Decision:
    if held is not None and is_conversation(held) and held["deleted_at"] is None:
        return None
    if held is not None:
        detail = "A conversation with this id has been deleted: use another id"
        raise LockstepError("id_taken", detail)
    conversation_id = command["id"] if command.get("id") is not None else context.new_id()
    title = command.get("title")
    blank: JsonObject = {
        "id": conversation_id,
        "user_id": context.user_id,
        "title": DEFAULT_TITLE if title is None else title,
        "message_count": 0,
        "preview": "",
        "metadata": merged_metadata({}, command.get("metadata") or {}, of_message=False),
        "pinned": False,
        "archived": False,
        "created_at": context.at,
        "updated_at": context.at,
        "deleted_at": None,
        "version": 1,
        **({"encryption": command["encryption"]} if command.get("encryption") else {}),
        "messages": [],
        "has_more": False,
    }
    messages = _merge_inputs(blank, command.get("messages") or [], context)
    last = messages[-1]["content"] if messages else ""
    created = {
        **blank,
        "messages": messages,
        "message_count": len(messages),
        "preview": preview_in(blank, last),
    }
    return {"op": "created", "entity_id": conversation_id, "version": 1, "data": created}


def _update(held: Held, command: JsonObject, context: Context) -> Decision:
    conversation = live(held)
    if_version = command.get("if_version")
    if if_version is not None and if_version != conversation["version"]:
        raise LockstepError("version_conflict")
    messages = _merge_inputs(conversation, command.get("messages") or [], context)
    fields: JsonObject = {}
    for name in ("title", "pinned", "archived"):
        if command.get(name) is not None and command[name] != conversation[name]:
            fields[name] = command[name]
    if command.get("metadata") is not None:
        present = conversation["metadata"]
        metadata = merged_metadata(present, command["metadata"], of_message=False)
        if not equal_json(metadata, present):
            fields["metadata"] = metadata
    return _updated(conversation, fields, messages, [], context)


def _updated(
    conversation: JsonObject,
    fields: JsonObject,
    messages: Sequence[JsonObject],
    removed: Sequence[JsonObject],
    context: Context,
) -> Decision:
    written = len(messages) + len(removed)
    if written == 0 and not fields:
        return None
    ids = {message["id"] for message in messages}
    back = [gone for gone in conversation.get("removed") or [] if gone["id"] in ids]
    last = last_position(conversation)
    if messages:
        last = max(last, messages[-1]["position"])
    removed_now = conversation.get("removed_count", 0) + len(removed) - len(back)
    data: JsonObject = dict(fields)
    if messages:
        data["messages"] = list(messages)
    if removed:
        data["removed_messages"] = [message["id"] for message in removed]
    data["message_count"] = last - removed_now
    if removed or back:
        data["removed_count"] = removed_now
    data["preview"] = _preview_after(conversation, messages, removed)
    is_newer = "title" in fields or written > 0
    data["updated_at"] = context.at if is_newer else conversation["updated_at"]
    return _next("updated", conversation, data)


def _preview_after(
    conversation: JsonObject, messages: Sequence[JsonObject], removed: Sequence[JsonObject]
) -> str:
    gone = {message["id"] for message in removed}
    left = [message for message in conversation["messages"] if message["id"] not in gone]
    if messages and _is_last(conversation, messages[-1], left[-1] if left else None):
        return preview_in(conversation, messages[-1]["content"])
    if not removed:
        return str(conversation["preview"])
    return preview_in(conversation, left[-1]["content"] if left else "")


def _is_last(conversation: JsonObject, message: JsonObject, last: Held) -> bool:
    if conversation.get("removed_count"):
        return bool(message["position"] >= (last["position"] if last else 0))
    return bool(message["position"] >= conversation["message_count"])


def _append(held: Held, command: JsonObject, context: Context) -> Decision:
    """The id of a message is its idempotency key: a known one was appended before."""
    conversation = live(held)
    known = {message["id"] for message in conversation["messages"]}
    one = command.get("message")
    given = [one] if one else command.get("messages") or []
    messages = [message for message in given if message.get("id") not in known]
    return _update(conversation, {"messages": messages}, context)


def _delete_messages(held: Held, command: JsonObject, context: Context) -> Decision:
    conversation = live(held)
    ids = set(command["message_ids"])
    removed = [message for message in conversation["messages"] if message["id"] in ids]
    known = {message["id"] for message in [*removed, *(conversation.get("removed") or [])]}
    if ids - known:
        raise LockstepError("not_found", "There is no such message")
    return _updated(conversation, {}, [], removed, context)


def _delete(held: Held, _command: JsonObject, context: Context) -> Decision:
    conversation = existing(held)
    if conversation["deleted_at"] is not None:
        return None
    return _next("deleted", conversation, {"deleted_at": context.at})


def _restore(held: Held, _command: JsonObject, _context: Context) -> Decision:
    conversation = existing(held)
    if conversation["deleted_at"] is None:
        return None
    version = conversation["version"] + 1
    restored = {**summary_of(conversation), "deleted_at": None, "version": version}
    return _next("restored", conversation, restored)


def _purge(held: Held, _command: JsonObject, _context: Context) -> Decision:
    return _next("purged", existing(held), {})


CONVERSATION_COMMANDS: Final[dict[str, Decide]] = {
    "create": _create,
    "update": _update,
    "append": _append,
    "delete": _delete,
    "delete_messages": _delete_messages,
    "restore": _restore,
    "purge": _purge,
}
"""The commands whose payload alone decides."""


def _invalid(path: str, message: str) -> LockstepError:
    return LockstepError("invalid", message, issues=[{"path": path, "message": message}])


def _merge_inputs(
    conversation: JsonObject, inputs: Sequence[JsonObject], context: Context
) -> list[JsonObject]:
    """Merges messages by id: the new and edited ones, by position."""
    known: dict[str, JsonObject] = {one["id"]: one for one in conversation["messages"]}
    deleted = {gone["id"] for gone in conversation.get("removed") or []}
    messages: list[JsonObject] = []
    end = position = last_position(conversation)
    for index, given in enumerate(inputs):
        if given.get("id") in deleted:
            continue
        present = known.get(given["id"]) if given.get("id") is not None else None
        if present is not None:
            edited = _edit(present, given, context)
            if edited is not None:
                messages.append(edited)
            continue
        for name in ("replaces", "follows"):
            named = given.get(name)
            if named and named not in known and named not in deleted:
                path = f"messages.{index}.{name}"
                raise _invalid(path, "must name a message of this conversation")
        if given.get("replaces") and given.get("follows"):
            path = f"messages.{index}.follows"
            raise _invalid(path, "must be absent if the message replaces another")
        position += 1
        added = _addition(given, position, context)
        known[added["id"]] = added
        messages.append(added)
    if position > max(end, MESSAGES_PER_CONVERSATION):
        most = f"a conversation has at most {MESSAGES_PER_CONVERSATION} messages"
        raise _invalid("messages", most)
    return sorted(messages, key=lambda message: int(message["position"]))


def _addition(given: JsonObject, position: int, context: Context) -> JsonObject:
    if given.get("status") == "streaming":
        raise _invalid("status", "a reply streams only when the server writes it")
    texts = _composed(None, given)
    added: JsonObject = {
        "id": given["id"] if given.get("id") is not None else context.new_id(),
        "role": given["role"],
        **texts,
        "position": position,
        "version": 1,
        "status": given.get("status") or "complete",
        "replaces": given.get("replaces"),
        "created_at": given.get("created_at") or context.at,
        "updated_at": context.at,
    }
    if given.get("follows"):
        added["follows"] = given["follows"]
    return added


def _composed(present: Held, given: JsonObject) -> JsonObject:
    """What an input makes of a message, which is None if it is new."""
    metadata = present["metadata"] if present else {}
    if given.get("metadata") is not None:
        metadata = merged_metadata(metadata, given["metadata"], of_message=True)
    parts = given.get("parts")
    result = compose(metadata, _parts_after(present, given, metadata) if parts is None else parts)
    limit_bytes = exceeded_by(result)
    if limit_bytes is not None:
        detail = "The message would become too large"
        raise LockstepError("too_large", detail, limit_bytes=limit_bytes)
    return result


def _parts_after(present: Held, given: JsonObject, metadata: JsonObject) -> list[JsonObject]:
    content = given.get("content")
    if present is None:
        return parts_of({"content": content or "", "metadata": metadata})
    parts = parts_of(present)
    if content is not None and content != present["content"]:
        parts = replace_texts(parts, "text", content)
    thinking = metadata.get("thinking")
    if thinking != present["metadata"].get("thinking"):
        text = thinking if isinstance(thinking, str) else ""
        parts = replace_texts(parts, "reasoning", text)
    return parts


def _edit(present: JsonObject, given: JsonObject, context: Context) -> Held:
    """The edited message; None for a stale or an equal copy, and while it is streaming."""
    version = given.get("version")
    if present["status"] == "streaming" or version not in (None, present["version"]):
        return None
    texts = _composed(present, given)
    former_parts = present.get("parts") or []
    has_same_texts = texts["content"] == present["content"] and equal_json(
        texts.get("parts") or [], former_parts
    )
    if version is None and has_same_texts:
        return None
    status = given.get("status") or present["status"]
    if status == "streaming":
        raise _invalid("status", "a reply streams only when the server writes it")
    is_same = has_same_texts and status == present["status"]
    if is_same and equal_json(texts["metadata"], present["metadata"]):
        return None
    rest = {key: value for key, value in present.items() if key != "parts"}
    version = present["version"] + 1
    return {**rest, **texts, "status": status, "version": version, "updated_at": context.at}


def decide_preferences(held: JsonObject, command: JsonObject, context: Context) -> Decision:
    if_version = command.get("if_version")
    if if_version is not None and if_version != held["version"]:
        raise LockstepError("version_conflict", current=held)
    merged = merge_patch(held["preferences"], command["patch"])
    if equal_json(merged, held["preferences"]):
        return None
    if json_bytes(merged) > FREE_FORM_BYTES:
        detail = "The preferences would become too large"
        raise LockstepError("too_large", detail, limit_bytes=FREE_FORM_BYTES)
    entity = {"id": context.user_id, "version": held["version"]}
    return _next("updated", entity, {"patch": command["patch"]})


def decide_run(held: Held, command: JsonObject, context: Context) -> Decision:
    """Begins a run. `model` and `message_id` are the server's; a client doesn't know them."""
    if held is not None and is_run(held):
        return None
    if held is not None:
        raise LockstepError("id_taken", "A run with this id has been deleted: use another id")
    model = {} if command.get("model") is None else {"model": command["model"]}
    run = {
        "id": command["id"],
        "user_id": context.user_id,
        "agent": command["agent"],
        "input": command["input"],
        "output": "",
        "status": "queued",
        "conversation_id": command.get("conversation_id"),
        "message_id": command.get("message_id"),
        "started_at": context.at,
        "ended_at": None,
        "metadata": model,
        "version": 1,
    }
    return {"op": "created", "entity_id": run["id"], "version": 1, "data": run}


def decide_run_delete(held: Held, _command: JsonObject, _context: Context) -> Decision:
    if held is not None and not is_run(held):
        return None
    if held is None:
        raise LockstepError("not_found", "There is no such run")
    return _next("deleted", held, {})
