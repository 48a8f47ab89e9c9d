"""The shapes of Lockstep's contract, as dictionaries with types."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

JsonObject = dict[str, Any]
Topic = Literal["conversations", "preferences", "agents", "account", "records"]
ListState = Literal["active", "archived", "trash"]
Role = Literal["user", "assistant", "system", "tool"]
Delivery = Literal["sent", "sending", "queued", "failed"]


class Cursor(TypedDict):
    """Its holder has every change up to and including `seq`."""

    epoch: str
    seq: int


class Message(TypedDict):
    id: str
    role: Role
    content: str
    parts: NotRequired[list[JsonObject]]
    position: int
    version: int
    status: Literal["complete", "streaming", "stopped", "interrupted", "failed"]
    replaces: str | None
    follows: NotRequired[str]
    created_at: str
    updated_at: str
    metadata: JsonObject


class MessageInput(TypedDict):
    id: NotRequired[str]
    role: Role
    content: NotRequired[str]
    parts: NotRequired[list[JsonObject]]
    status: NotRequired[str]
    replaces: NotRequired[str | None]
    follows: NotRequired[str | None]
    version: NotRequired[int]
    created_at: NotRequired[str]
    metadata: NotRequired[JsonObject]


class Summary(TypedDict):
    """A conversation in a list."""

    id: str
    user_id: str
    title: str
    message_count: int
    removed_count: NotRequired[int]
    preview: str
    metadata: JsonObject
    pinned: bool
    archived: bool
    created_at: str
    updated_at: str
    deleted_at: str | None
    version: int
    encryption: NotRequired[JsonObject]


class Conversation(Summary):
    """A conversation with a window of its messages, which ends with the newest."""

    messages: list[Message]
    has_more: bool
    removed: NotRequired[list[JsonObject]]


class Run(TypedDict):
    id: str
    user_id: str
    agent: str
    input: str
    output: str
    status: Literal["queued", "running", "complete", "stopped", "interrupted", "failed"]
    conversation_id: str | None
    message_id: str | None
    started_at: str
    ended_at: str | None
    metadata: JsonObject
    version: int


class Record(TypedDict):
    """A free-form object that a program keeps for its user."""

    kind: str
    id: str
    data: JsonObject
    version: int
    created_at: str
    updated_at: str


class User(TypedDict):
    id: str
    username: str
    created_at: str
    passwordless: NotRequired[bool]


class Change(TypedDict):
    """One change of a log. The form of `data` depends on `op`."""

    topic: str
    epoch: str
    seq: int
    at: str
    op: str
    entity_id: str
    version: int
    actor: JsonObject
    mutation_id: NotRequired[str]
    data: NotRequired[JsonObject]
    stripped: NotRequired[Literal[True]]
