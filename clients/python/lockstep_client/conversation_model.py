"""How conversations are loaded, and how changes fold into them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

from .decide import summary_of
from .entities import Action, action_by_version
from .errors import LockstepError
from .reduce import Held, is_conversation, reduce_conversation
from .rest import Rest, with_parts
from .shapes import Cursor, JsonObject, ListState, Topic

PAGE: Final = 100
"""How many messages are read at once."""
LIST_PAGE: Final = 50


class ConversationModel:
    topic: Topic = "conversations"

    def __init__(self, rest: Rest) -> None:
        self._rest = rest
        # The conversations whose messages are held, and how often each is open.
        self.windows: dict[str, int] = {}
        # Where the next page of each list starts; None: there is none.
        self.pages: dict[ListState, str | None] = {}

    async def load_all(self, put: Callable[[str, JsonObject], None]) -> Cursor:
        cursor: Cursor | None = None
        states = list(dict.fromkeys(["active", *self.pages]))
        for state in cast(list[ListState], states):
            page = await self.page(state, None)
            cursor = cursor or {"epoch": page["epoch"], "seq": page["seq"]}
            for summary in page["items"]:
                put(summary["id"], without_messages(summary))
            self.pages[state] = page["next_cursor"]
        for key in list(self.windows):
            try:
                put(key, (await self.load_one(key, None))[0])
            except LockstepError as error:
                # One that can't be read must not keep the others from being loaded.
                if error.retryable or error.closes:
                    raise
        if cursor is None:
            raise LockstepError("internal", "The server has listed nothing")
        return cursor

    async def page(self, state: ListState, cursor: str | None) -> JsonObject:
        query = {"state": state, "limit": LIST_PAGE, "cursor": cursor}
        return cast(JsonObject, await self._rest.call("GET", "/conversations", query=query))

    async def load_one(self, key: str, held: Held) -> tuple[JsonObject, str | None]:
        known = len(held["messages"]) if held is not None and is_conversation(held) else 0
        limit = min(max(PAGE, known), 500) if key in self.windows else 1
        answer = await self.read(key, {"limit": limit})
        epoch = answer["epoch"]
        return {k: v for k, v in answer.items() if k not in ("epoch", "seq")}, epoch

    async def read(self, key: str, query: Mapping[str, Any]) -> JsonObject:
        """Reads a window, also of a conversation in the trash."""
        path = with_parts("/conversations/{}", key)
        try:
            return cast(JsonObject, await self._rest.call("GET", path, query=query))
        except LockstepError as error:
            if error.code != "not_found":
                raise
        return cast(
            JsonObject, await self._rest.call("GET", path, query={**query, "state": "trash"})
        )

    def key_of(self, change: JsonObject) -> str:
        return str(change["entity_id"])

    def action_for(self, held: Held, change: JsonObject) -> Action:
        is_whole = change["op"] == "created" or (
            change["op"] == "restored" and change["entity_id"] not in self.windows
        )
        return action_by_version(
            held,
            change,
            is_whole=is_whole,
            is_last=change["op"] == "purged",
            is_entity=is_conversation(held),
        )

    def reduce(self, held: Held, change: JsonObject) -> Held:
        return reduce_conversation(held, change)

    def version_of(self, state: JsonObject) -> float:
        return float(state["version"])

    def tombstone(self, key: str, version: float) -> Held:
        if version <= 0:
            return None
        return {"id": key, "user_id": "", "version": int(version), "purged": True}

    def trim(self, key: str, state: JsonObject) -> JsonObject:
        if not is_conversation(state) or key in self.windows:
            return state
        return without_messages(state)


def without_messages(summary: JsonObject) -> JsonObject:
    return {**summary_of(summary), "messages": [], "has_more": summary["message_count"] > 0}


def list_of(conversation: JsonObject) -> ListState:
    """The list that shows a conversation."""
    if conversation["deleted_at"] is not None:
        return "trash"
    return "archived" if conversation["archived"] else "active"


def first_position(held: Held) -> int | None:
    if held is None or not is_conversation(held) or not held["has_more"]:
        return None
    first = [*held["messages"][:1], *held.get("removed", [])[:1]]
    return int(first[0]["position"]) if first else None


def at_version(page: JsonObject, version: int, changes: Sequence[JsonObject]) -> Held:
    """The page at this version; None if not all changes up to it were seen."""
    older: Held = page
    for change in changes:
        if older is None or not is_conversation(older) or change["version"] <= older["version"]:
            continue
        if change["version"] != older["version"] + 1:
            return None
        older = reduce_conversation(older, change)
    return older if older is not None and older["version"] == version else None


def joined(older: JsonObject, held: JsonObject) -> JsonObject:
    first = held["messages"][0]["position"] if held["messages"] else float("inf")
    before = [message for message in older["messages"] if message["position"] < first]
    both = {**held, "messages": [*before, *held["messages"]], "has_more": older["has_more"]}
    if "removed" in older or "removed" in held:
        both["removed"] = [*older.get("removed", []), *held.get("removed", [])]
    return both
