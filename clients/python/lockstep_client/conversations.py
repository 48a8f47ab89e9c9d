"""Topic `conversations` as programs use it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

from .conversation_model import (
    PAGE,
    ConversationModel,
    at_version,
    first_position,
    joined,
    list_of,
    without_messages,
)
from .decide import CONVERSATION_COMMANDS, Context, summary_of
from .errors import LockstepError
from .ids import new_id
from .outbox import IssuedCommand, Predict
from .parts import parts_of
from .reduce import Held, is_conversation, reduce_conversation
from .rest import Rest
from .shapes import (
    Conversation,
    Delivery,
    JsonObject,
    ListState,
    MessageInput,
    Summary,
)
from .streamed_text import StreamedText
from .topic import TopicClient

MAX_OLDER_ATTEMPTS: Final = 5


class Conversations(TopicClient):
    def __init__(self, rest: Rest, changed: Callable[[], None]) -> None:
        super().__init__(changed)
        self._conversations = ConversationModel(rest)
        self._rest = rest
        self._streamed = StreamedText()

    def _model(self) -> ConversationModel:
        return self._conversations

    def end(self) -> None:
        self._conversations.windows.clear()
        self._conversations.pages.clear()
        self._streamed.clear()
        super().end()

    # Snapshots. Don't change them: commands do.

    def summaries(self, state: ListState = "active") -> list[Summary]:
        """The held conversations, newest `updated_at` first. `load_more` reads further ones."""
        shown = [self._view(key) for key in self._keys()]
        held = [one for one in shown if one is not None and is_conversation(one)]
        listed = [summary_of(one) for one in held if list_of(one) == state]
        listed.sort(key=lambda one: (str(one["updated_at"]), str(one["id"])), reverse=True)
        return cast(list[Summary], listed)

    def has_more(self, state: ListState = "active") -> bool:
        """The server may have older conversations: `load_more`."""
        return self._conversations.pages.get(state, "") is not None

    async def load_more(self, state: ListState = "active") -> None:
        """Reads the next page of a list. Raises LockstepError."""
        parts = await self._when_loaded()
        after = self._conversations.pages.get(state, "")
        if after is None:
            return
        page = await self._conversations.page(state, after or None)
        if not self._is_current(parts, page["epoch"]):
            return
        self._conversations.pages[state] = page["next_cursor"]
        for summary in page["items"]:
            parts.entities.offer(summary["id"], without_messages(summary))
        self._notify()

    def get(self, conversation_id: str) -> Conversation | None:
        """A conversation with the messages that are held; `open` holds the newest ones.

        A message that is being written includes what the log doesn't have of it yet.
        """
        held = self._view(conversation_id)
        if held is None or not is_conversation(held):
            return None
        messages = [
            self._streamed.shown(message) if message["status"] == "streaming" else message
            for message in held["messages"]
        ]
        return cast(Conversation, {**held, "messages": messages})

    def delivery(self, conversation_id: str, message_id: str | None = None) -> Delivery:
        """The worst status of the commands that are pending for a conversation or a message."""
        items = [item for item in self.outbox if item.entity_id == conversation_id]
        if message_id is not None:
            items = [item for item in items if message_id in item.message_ids]
        return self._worst(items)

    async def open(self, conversation_id: str) -> Conversation:
        """Loads the newest messages and keeps them up to date until `close`. Raises not_found."""
        windows = self._conversations.windows
        windows[conversation_id] = windows.get(conversation_id, 0) + 1
        parts = await self._when_loaded()
        was_loading = parts.entities.is_loading(conversation_id)
        if was_loading or not self._is_complete(conversation_id):
            await parts.entities.load(conversation_id)
        # A load that was under way may have begun before the messages were wanted.
        if was_loading and not self._is_complete(conversation_id):
            await parts.entities.load(conversation_id)
        conversation = self.get(conversation_id)
        if conversation is None:
            self.close(conversation_id)
            raise LockstepError("not_found", "There is no such conversation")
        return conversation

    def close(self, conversation_id: str) -> None:
        """The messages are no longer needed."""
        windows = self._conversations.windows
        windows[conversation_id] = windows.get(conversation_id, 1) - 1
        if windows[conversation_id] > 0:
            return
        del windows[conversation_id]
        held = self._parts.entities.get(conversation_id) if self._parts else None
        if held is not None and self._parts is not None:
            self._parts.entities.put(conversation_id, held)

    async def load_older(self, conversation_id: str) -> None:
        """Reads the messages before the window of an open conversation. Raises LockstepError.

        The page and the window may show the conversation at different versions: the changes that
        come in between bring the page to the window's.
        """
        parts = await self._when_loaded()
        for _ in range(MAX_OLDER_ATTEMPTS):
            before = first_position(parts.entities.get(conversation_id))
            if before is None:
                return
            changes: list[JsonObject] = []
            moved = asyncio.Event()

            def watch(change: JsonObject | None) -> None:
                changes.extend([change] if change is not None else [])
                moved.set()

            unwatch = parts.entities.watch(conversation_id, watch)
            try:
                page = await self._conversations.read(
                    conversation_id, {"before": before, "limit": PAGE}
                )
                page = {k: v for k, v in page.items() if k not in ("epoch", "seq")}
                held = parts.entities.get(conversation_id)
                while held is not None and held["version"] < page["version"]:
                    moved.clear()
                    await moved.wait()
                    held = parts.entities.get(conversation_id)
                older = at_version(page, held["version"], changes) if held else None
                if held and older and first_position(held) == before:
                    parts.entities.put(conversation_id, joined(older, held))
                    return
            finally:
                unwatch()
        raise LockstepError("unavailable", "The conversation changes too fast. Try again.")

    # Commands. Each shows its effect at once and is sent until the server has answered.

    def create(
        self,
        *,
        id: str | None = None,
        title: str | None = None,
        messages: Sequence[MessageInput] = (),
        metadata: JsonObject | None = None,
    ) -> IssuedCommand:
        conversation_id = id or new_id()
        payload: JsonObject = {"id": conversation_id}
        if title is not None:
            payload["title"] = title
        if messages:
            payload["messages"] = [_with_id(message) for message in messages]
        if metadata is not None:
            payload["metadata"] = metadata
        ids = tuple(message["id"] for message in payload.get("messages", []))
        return self._decided("create", payload, conversation_id, message_ids=ids, keeps=True)

    def update(
        self,
        conversation_id: str,
        *,
        if_version: int | None = None,
        title: str | None = None,
        metadata: JsonObject | None = None,
        pinned: bool | None = None,
        archived: bool | None = None,
    ) -> IssuedCommand:
        """Changes fields; `metadata` is a merge patch. `if_version` must be the present version."""
        given = {"title": title, "metadata": metadata, "pinned": pinned, "archived": archived}
        fields = {name: value for name, value in given.items() if value is not None}
        payload: JsonObject = {"conversation_id": conversation_id, **fields}
        overwriting = dict(payload)
        if if_version is not None:
            payload["if_version"] = if_version
        return self._decided("update", payload, conversation_id, overwriting=overwriting)

    def append(self, conversation_id: str, *messages: MessageInput) -> IssuedCommand:
        """Appends one message or more. Their ids make the command repeatable for ever."""
        if not messages:
            raise LockstepError("invalid", "append needs a message")
        given = [_with_id(message) for message in messages]
        ids = tuple(message["id"] for message in given)
        payload: JsonObject = {"conversation_id": conversation_id}
        if len(given) == 1:
            payload["message"] = given[0]
        else:
            payload["messages"] = given
        return self._decided(
            "append", payload, conversation_id, subject_id=ids[0], message_ids=ids, keeps=True
        )

    def edit(
        self, conversation_id: str, message_id: str, content: str, *, version: int | None = None
    ) -> IssuedCommand:
        """Replaces the text of a message. `version` must be the message's present version.

        Raises LockstepError: not_found, if the message isn't held.
        """
        held = self._view(conversation_id) or {"messages": []}
        found = [one for one in held.get("messages", []) if one["id"] == message_id]
        if not found:
            raise LockstepError("not_found", "This message is not loaded")
        message = {"id": message_id, "role": found[0]["role"], "content": content}
        overwriting = {"conversation_id": conversation_id, "messages": [message]}
        payload = overwriting
        if version is not None:
            versioned = {**message, "version": version}
            payload = {"conversation_id": conversation_id, "messages": [versioned]}

        def find_ignored_edit(held: Held) -> LockstepError | None:
            for one in (held or {}).get("messages", []):
                if one["id"] == message_id and one["content"] != content:
                    return LockstepError("version_conflict", current=one)
            return None

        return self._decided(
            "update",
            payload,
            conversation_id,
            subject_id=message_id,
            message_ids=(message_id,),
            keeps=True,
            overwriting=overwriting,
            find_ignored_edit=find_ignored_edit if version is not None else None,
        )

    def delete_messages(self, conversation_id: str, message_ids: Sequence[str]) -> IssuedCommand:
        payload = {"conversation_id": conversation_id, "message_ids": list(message_ids)}
        return self._decided("delete_messages", payload, conversation_id)

    def delete(self, conversation_id: str) -> IssuedCommand:
        """Moves the conversation to the trash."""
        return self._decided("delete", {"conversation_id": conversation_id}, conversation_id)

    def restore(self, conversation_id: str) -> IssuedCommand:
        return self._decided("restore", {"conversation_id": conversation_id}, conversation_id)

    def purge(self, conversation_id: str) -> IssuedCommand:
        """Deletes the conversation for ever."""
        return self._decided("purge", {"conversation_id": conversation_id}, conversation_id)

    def rewind(self, conversation_id: str, seq: int) -> IssuedCommand:
        payload = {"conversation_id": conversation_id, "seq": seq}
        return self._send("rewind", payload, conversation_id)

    def reply(
        self,
        conversation_id: str,
        *,
        agent: str | None = None,
        replaces: str | None = None,
        message_id: str | None = None,
    ) -> IssuedCommand:
        """Lets an agent of the server answer; `replaces` makes another version of an answer."""
        payload: JsonObject = {"conversation_id": conversation_id}
        given = {"agent": agent, "replaces": replaces, "message_id": message_id or new_id()}
        payload |= {name: value for name, value in given.items() if value is not None}
        return self._send("reply", payload, conversation_id, subject_id=payload["message_id"])

    def stop(self, conversation_id: str, message_id: str) -> IssuedCommand:
        payload = {"conversation_id": conversation_id, "message_id": message_id}
        return self._send("stop", payload, conversation_id, subject_id=message_id)

    def _decided(
        self,
        name: str,
        payload: JsonObject,
        entity_id: str,
        *,
        keeps: bool = False,
        **options: Any,
    ) -> IssuedCommand:
        """`keeps`: the effect stays visible after a refusal, so that its author can try again."""
        return self._send(
            name,
            payload,
            entity_id,
            predict=_predict_by(name),
            shows_when_failed=keeps,
            **options,
        )

    def _is_complete(self, conversation_id: str) -> bool:
        """Nothing has to be loaded: the window is here, or only this device knows it so far."""
        parts = self._need()
        if any(item.command == "create" for item in parts.outbox.of(conversation_id)):
            return True
        held = parts.entities.get(conversation_id)
        if held is None:
            return False
        return not is_conversation(held) or not held["has_more"] or len(held["messages"]) >= 50

    def _event(self, name: str, payload: Any) -> None:
        if name != "delta" or self._parts is None or payload.get("message_id") is None:
            return
        message_id, part_id = payload["message_id"], payload.get("part_id")
        held = self._parts.entities.get(payload["entity_id"])
        if held is None or payload["entity_id"] not in self._conversations.windows:
            return
        found = [one for one in held.get("messages", []) if one["id"] == message_id]
        if found and found[0]["status"] != "streaming":
            return
        durable = found[0]["content"] if found else ""
        if part_id is not None:
            parts = parts_of(found[0]) if found else []
            durable = next((one.get("text", "") for one in parts if one["id"] == part_id), "")
        self._streamed.add((message_id, part_id), payload, durable)
        self._notify()

    def _applied(self, change: JsonObject) -> None:
        if change["op"] == "finished" and change.get("data"):
            self._streamed.end(change["data"]["message_id"])


def _predict_by(name: str) -> Predict:
    def predict(held: Held, payload: JsonObject, context: Context) -> Held:
        if name == "update" and held is not None and payload.get("messages"):
            # Edits of messages before the window can't be shown.
            known = {message["id"] for message in held.get("messages", [])}
            edits = [message for message in payload["messages"] if message["id"] in known]
            payload = {**payload, "messages": edits}
        decision = CONVERSATION_COMMANDS[name](held, payload, context)
        if decision is None:
            return held
        return reduce_conversation(
            held, {"topic": "conversations", "at": context.at, **decision}
        )

    return predict


def _with_id(message: MessageInput) -> JsonObject:
    return {**message, "id": message.get("id") or new_id()}
