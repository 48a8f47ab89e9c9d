"""Lockstep's client for Python: one user's data on a device, kept in lockstep with the server."""

from .client import Client
from .errors import ConnectionLost, LockstepError
from .ids import new_id
from .outbox import IssuedCommand, Outcome, OutboxItem
from .shapes import (
    Change,
    Conversation,
    Cursor,
    JsonObject,
    Message,
    MessageInput,
    Record,
    Run,
    Summary,
    User,
)

__all__ = [
    "Change",
    "Client",
    "ConnectionLost",
    "Conversation",
    "Cursor",
    "IssuedCommand",
    "JsonObject",
    "LockstepError",
    "Message",
    "MessageInput",
    "Outcome",
    "OutboxItem",
    "Record",
    "Run",
    "Summary",
    "User",
    "new_id",
]
__version__ = "0.1.0"
