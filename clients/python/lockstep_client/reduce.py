"""Pure: state + change -> state. A change whose version isn't above the held one changes nothing.

A state is never changed in place. A purged conversation leaves `{id, user_id, version, purged}`,
a deleted run `{id, version, deleted}`, and a deleted record that with its `kind`: their versions
keep late changes out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from .free_form import merge_patch
from .parts import extend_message, parts_of, put_part, recomposed, whole
from .shapes import JsonObject
from .text import extend

Held = JsonObject | None

KNOWN_OPS: Final = {
    "conversations": {
        "created",
        "updated",
        "extended",
        "part",
        "finished",
        "deleted",
        "restored",
        "purged",
        "closed",
    },
    "preferences": {"updated", "closed"},
    "agents": {"created", "extended", "finished", "deleted", "closed"},
    "records": {"put", "deleted", "closed"},
    "account": {
        "session_created",
        "session_revoked",
        "renamed",
        "password_changed",
        "security_changed",
        "closed",
    },
}
NO_PREFERENCES: Final[JsonObject] = {"preferences": {}, "version": 1}


def is_known(topic: str, change: JsonObject) -> bool:
    """Whether this version knows the op. After another one the entity has to be loaded."""
    return change["topic"] == topic and change["op"] in KNOWN_OPS.get(topic, ())


def is_conversation(held: Held) -> bool:
    return held is not None and "purged" not in held


def is_run(held: Held) -> bool:
    return held is not None and "deleted" not in held


def reduce_conversation(held: Held, change: JsonObject) -> Held:
    """A change of a conversation that isn't held leaves it unheld, unless it carries the whole."""
    version, data, op = change["version"], change.get("data"), change["op"]
    if held is not None and version <= held["version"]:
        return held
    if not is_known("conversations", change):
        is_passed = held is not None and is_conversation(held) and data
        return {**(held or {}), "version": version} if is_passed else held
    if op == "purged":
        user_id = held["user_id"] if held else ""
        return {"id": change["entity_id"], "user_id": user_id, "version": version, "purged": True}
    if change.get("stripped") or data is None:
        return held
    if op == "created":
        return {**data, "messages": [whole(message) for message in data["messages"]]}
    if op == "restored":
        if held is None or not is_conversation(held):
            return {**data, "messages": [], "has_more": data["message_count"] > 0}
        return {**held, **data, "version": version}
    if held is None or not is_conversation(held):
        return held
    return {**held, **_changed_fields(held, change, data), "version": version}


def _changed_fields(held: JsonObject, change: JsonObject, data: JsonObject) -> JsonObject:
    op, at = change["op"], change["at"]
    if op == "updated":
        fields = {k: v for k, v in data.items() if k not in ("messages", "removed_messages")}
        messages, removed = data.get("messages") or [], data.get("removed_messages") or []
        if not messages and not removed:
            return fields
        merged = _merge_messages(held, [whole(message) for message in messages])
        return {**fields, **_after_removal(held, merged, set(removed))}
    if op == "deleted":
        return {"deleted_at": data["deleted_at"]}
    if op == "closed":
        return {}
    message = _find(held["messages"], data["message_id"])
    if op == "finished":
        fields = {"preview": data["preview"], "updated_at": data["updated_at"]}
        if message is None:
            return {"messages": held["messages"], **fields}
        ended = {
            **message,
            "status": data["status"],
            "metadata": data["metadata"],
            "version": message["version"] + 1,
            "updated_at": data["updated_at"],
        }
        return {"messages": _replaced(held["messages"], whole(ended)), **fields}
    if message is None:
        return {"messages": held["messages"]}
    if op == "extended":
        written = extend_message(message, data["offset"], data["text"], data.get("part_id"))
    else:
        written = recomposed(message, put_part(parts_of(message), data["part"]))
    written = {**written, "version": message["version"] + 1, "updated_at": at}
    return {"messages": _replaced(held["messages"], written)}


def _find(messages: Sequence[JsonObject], message_id: str) -> Held:
    return next((message for message in messages if message["id"] == message_id), None)


def _replaced(messages: Sequence[JsonObject], message: JsonObject) -> list[JsonObject]:
    return [message if other["id"] == message["id"] else other for other in messages]


def last_position(conversation: JsonObject) -> int:
    """The highest position that was used; deleted messages keep theirs."""
    return int(conversation["message_count"] + conversation.get("removed_count", 0))


def _merge_messages(held: JsonObject, changed: Sequence[JsonObject]) -> list[JsonObject]:
    """New and edited messages go to their positions; those before a partial window stay unheld."""
    messages = list(held["messages"])
    first = 1
    if held["has_more"]:
        first = messages[0]["position"] if messages else last_position(held) + 1
    for message in changed:
        if message["position"] < first:
            continue
        at = len(messages)
        while at > 0 and messages[at - 1]["position"] > message["position"]:
            at -= 1
        if at > 0 and messages[at - 1]["position"] == message["position"]:
            messages[at - 1] = message
        else:
            messages.insert(at, message)
    return messages


def _after_removal(held: JsonObject, messages: list[JsonObject], ids: set[str]) -> JsonObject:
    """Deletes messages. One that `messages` brings back isn't deleted any more."""
    present = {message["id"] for message in messages}
    former = [gone for gone in held.get("removed") or [] if gone["id"] not in present]
    gone = [_removed_of(message) for message in messages if message["id"] in ids]
    if not former and not gone and "removed" not in held:
        return {"messages": messages}
    return {
        "messages": [message for message in messages if message["id"] not in ids],
        "removed": sorted([*former, *gone], key=lambda removed: int(removed["position"])),
    }


def _removed_of(message: JsonObject) -> JsonObject:
    left = {key: message[key] for key in ("id", "position", "replaces")}
    left["version"] = message["version"] + 1
    if "follows" in message:
        left["follows"] = message["follows"]
    return left


def reduce_preferences(held: JsonObject, change: JsonObject) -> JsonObject:
    if change["version"] <= held["version"] or not is_known("preferences", change):
        return held
    data = change.get("data")
    if change["op"] != "updated" or not data:
        return held
    merged = merge_patch(held["preferences"], data["patch"])
    return {"preferences": merged, "version": change["version"]}


def reduce_run(held: Held, change: JsonObject) -> Held:
    version, data, op = change["version"], change.get("data"), change["op"]
    if held is not None and version <= held["version"]:
        return held
    if not is_known("agents", change):
        is_passed = held is not None and is_run(held) and data
        return {**(held or {}), "version": version} if is_passed else held
    if op == "deleted":
        return {"id": change["entity_id"], "version": version, "deleted": True}
    if change.get("stripped") or data is None:
        return held
    if op == "created":
        return dict(data)
    if held is None or not is_run(held):
        return held
    if op == "extended":
        output = extend(held["output"], data["offset"], data["text"])
        return {**held, "output": output, "status": "running", "version": version}
    if op == "finished":
        ended = {key: data[key] for key in ("status", "ended_at", "metadata")}
        return {**held, **ended, "version": version}
    return {**held, "version": version}


def is_record(held: Held) -> bool:
    return held is not None and "deleted" not in held


def reduce_record(held: Held, change: JsonObject) -> Held:
    version, data, at = change["version"], change.get("data"), change["at"]
    if held is not None and version <= held["version"]:
        return held
    if not is_known("records", change) or not data:
        return held
    key: JsonObject = {"kind": data.get("kind"), "id": change["entity_id"], "version": version}
    if change["op"] == "deleted":
        return {**key, "deleted": True}
    if change["op"] != "put":
        return held
    known = held["created_at"] if held is not None and is_record(held) else at
    return {
        **key,
        "data": data["data"],
        "created_at": data.get("created_at", known),
        "updated_at": data.get("updated_at", at),
    }


def reduce_account(held: JsonObject, change: JsonObject) -> JsonObject:
    """Applying a change of the account a second time changes nothing."""
    data, op = change.get("data"), change["op"]
    if not is_known("account", change) or data is None:
        return held
    sessions = held["sessions"]
    if op == "session_created":
        session, replaced = data["session"], data.get("replaces")
        others = [one for one in sessions if one["id"] not in (session["id"], replaced)]
        return {**held, "sessions": [*others, session]}
    if op == "session_revoked":
        left = [session for session in sessions if session["id"] != data["session_id"]]
        return {**held, "sessions": left}
    if op == "renamed":
        return {**held, "username": data["username"]}
    if op == "security_changed":
        return {**held, "security_version": change["version"]}
    return {**held, "closed": True} if op == "closed" else held
