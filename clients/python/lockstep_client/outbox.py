"""The commands that the server has not confirmed.

The commands of one entity are sent in order. Each is sent again under the same `mutation_id` until
the server has answered (CLIENT-6), and it stays here until its change has arrived, so that the view
never falls back in between (CLIENT-4, CLIENT-5).

    queued --send--> sending --ack--> acked --its change arrives--> gone
      ^                |  \\
      |  no answer, or |   \\--refused for good--> failed --retry--> queued
      +--refused for now                             \\--discard--> gone
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Final, Literal

from .decide import Context
from .errors import ConnectionLost, LockstepError, error_from
from .ids import new_id
from .lifetime import Lifetime
from .reduce import Held
from .shapes import JsonObject, Topic

MAX_SENDING: Final = 16
MAX_INTERNAL_FAULTS: Final = 6
"""A command that is answered with `internal` may meet the same fault each time it is sent."""

Status = Literal["queued", "sending", "failed", "acked"]
Predict = Callable[[Held, JsonObject, Context], Held]


@dataclass(frozen=True)
class Outcome:
    """How a command ended. `reason` is `failed`, `discarded` or `dropped` (stopped, signed out)."""

    ok: bool
    seq: int | None = None
    version: int | None = None
    reason: Literal["failed", "discarded", "dropped"] | None = None
    error: LockstepError | None = None

    def check(self) -> Outcome:
        """Raises the LockstepError of a refused command, and `unavailable` for a dropped one."""
        if self.ok:
            return self
        raise self.error or LockstepError("unavailable", f"The command was {self.reason}")


class IssuedCommand:
    """What a command returns at once. Its effect shows already; `await` it for its Outcome."""

    def __init__(self, subject_id: str, mutation_id: str, outcome: asyncio.Future[Outcome]) -> None:
        self.id = subject_id
        """The conversation or the run; for `append` and `edit` the message."""
        self.mutation_id = mutation_id
        self._outcome = outcome

    def __await__(self) -> Generator[Any, None, Outcome]:
        return asyncio.shield(self._outcome).__await__()

    def done(self) -> bool:
        return self._outcome.done()


class OutboxItem:
    """A command that the server has not confirmed."""

    def __init__(
        self, outbox: Outbox, topic: Topic, name: str, payload: JsonObject, entity_id: str
    ) -> None:
        self.topic = topic
        self.command = name
        self.payload = payload
        self.entity_id = entity_id
        self.mutation_id = new_id()
        self.message_ids: tuple[str, ...] = ()
        """The messages that the command writes."""
        self.at = _now()
        self.status: Status = "queued"
        self.error: LockstepError | None = None
        """Why a failed command failed, or why a queued one has to be repeated."""
        self.shows_when_failed = False
        self._outbox = outbox
        self._predict: Predict | None = None
        self._find_ignored_edit: Callable[[Held], LockstepError | None] | None = None
        self._overwriting: JsonObject | None = None
        self._seq: int | None = None
        self._version: int | None = None
        self._attempt = 0
        self._not_before = 0.0
        self._outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    def retry(self, *, overwrite: bool = False) -> None:
        """Sends a failed command again, or a queued one now.

        `overwrite` drops the version that the command requires, as a new command.
        """
        self._outbox.retry(self, overwrite)

    def discard(self) -> None:
        """Removes a queued or failed command. One that is being sent can't be taken back."""
        self._outbox.discard(self)

    @property
    def seq(self) -> int | None:
        """From the ack."""
        return self._seq


def _now() -> str:
    now = datetime.now(timezone.utc)
    return now.strftime("%Y-%m-%dT%H:%M:%S.") + f"{now.microsecond // 1000:03d}Z"


@dataclass(frozen=True)
class OutboxDeps:
    request: Callable[[str, JsonObject], Awaitable[JsonObject]]
    """Raises ConnectionLost if nobody can tell whether the server has received the command."""
    connected: Callable[[], bool]
    changed: Callable[[str], None]
    acked: Callable[[OutboxItem], None]
    rejected: Callable[[LockstepError], None]
    """The server has refused this device for good."""


class Outbox:
    def __init__(self, topic: Topic, deps: OutboxDeps, lifetime: Lifetime) -> None:
        self._topic = topic
        self._deps = deps
        self._lifetime = lifetime
        self._items: list[OutboxItem] = []
        self._paused_until = 0.0
        self._wake: asyncio.TimerHandle | None = None

    @property
    def items(self) -> tuple[OutboxItem, ...]:
        """In the order in which they were issued."""
        return tuple(self._items)

    def of(self, entity_id: str) -> tuple[OutboxItem, ...]:
        return tuple(item for item in self._items if item.entity_id == entity_id)

    def add(
        self,
        name: str,
        payload: JsonObject,
        entity_id: str,
        *,
        subject_id: str | None = None,
        message_ids: tuple[str, ...] = (),
        predict: Predict | None = None,
        shows_when_failed: bool = False,
        overwriting: JsonObject | None = None,
        find_ignored_edit: Callable[[Held], LockstepError | None] | None = None,
    ) -> IssuedCommand:
        """Queues a command.

        `overwriting` is its payload without the versions that it requires. `find_ignored_edit` says
        why an edit that required a version is missing from the state, if it is.
        """
        item = OutboxItem(self, self._topic, name, payload, entity_id)
        item.message_ids = message_ids
        item.shows_when_failed = shows_when_failed
        item._predict = predict
        item._overwriting = overwriting
        item._find_ignored_edit = find_ignored_edit
        self._items.append(item)
        self._deps.changed(entity_id)
        self.flush()
        return IssuedCommand(subject_id or entity_id, item.mutation_id, item._outcome)

    def predict(self, held: Held, entity_id: str, user_id: str) -> Held:
        """The state after all pending commands of the entity."""
        state = held
        for item in self.of(entity_id):
            if item._predict is None or (item.status == "failed" and not item.shows_when_failed):
                continue
            try:
                state = item._predict(state, item.payload, Context(user_id, item.at, new_id))
            except LockstepError:
                # The server will probably refuse the command. The view waits until it does.
                continue
        return state

    def flush(self) -> None:
        """Sends the commands that may be sent now."""
        if not self._deps.connected() or self._lifetime.ended:
            return
        now = self._lifetime.elapsed()
        busy = {item.entity_id for item in self._items if item.status == "sending"}
        sending = len(busy)
        wake_at: float | None = None
        for item in list(self._items):
            if item.status != "queued" or item.entity_id in busy:
                continue
            busy.add(item.entity_id)
            due = max(item._not_before, self._paused_until)
            if due > now:
                wake_at = due if wake_at is None else min(wake_at, due)
            elif sending < MAX_SENDING:
                sending += 1
                self._update(item, "sending")
                self._lifetime.spawn(self._send(item))
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        if wake_at is not None:
            self._wake = asyncio.get_running_loop().call_later(wake_at - now, self.flush)

    def confirm(self, mutation_id: str, seq: int, version: int) -> None:
        """The change of a command has arrived."""
        for item in self._items:
            if item.mutation_id == mutation_id:
                self._remove(item, Outcome(True, seq, version))
                self.flush()
                return

    def remove_applied(
        self, is_applied: Callable[[OutboxItem], bool], state_of: Callable[[str], Held]
    ) -> None:
        """Removes the acked commands whose change is part of the held state."""
        for item in list(self._items):
            if item.status != "acked" or not is_applied(item):
                continue
            find = item._find_ignored_edit
            error = find(state_of(item.entity_id)) if find else None
            if error is not None:
                self._fail(item, error)
            else:
                self._remove(item, Outcome(True, item._seq, item._version))

    def retry(self, item: OutboxItem, overwrite: bool) -> None:
        if item not in self._items or item.status not in ("failed", "queued"):
            return
        item._attempt = 0
        item._not_before = self._paused_until = 0.0
        if overwrite:
            # It is another command then, so it gets a new id.
            item.mutation_id = new_id()
            item.payload = item.payload if item._overwriting is None else item._overwriting
            item._find_ignored_edit = None
        if item._outcome.done():
            item._outcome = asyncio.get_running_loop().create_future()
        item.error = None
        self._update(item, "queued")
        self.flush()

    def discard(self, item: OutboxItem) -> None:
        if item in self._items and item.status in ("failed", "queued"):
            self._remove(item, Outcome(False, reason="discarded"))
            self.flush()

    def drop(self) -> None:
        """The client stops or is signed out: removes all commands."""
        if self._wake is not None:
            self._wake.cancel()
        for item in self._items:
            _settle(item, Outcome(False, reason="dropped"))
        self._items.clear()

    async def _send(self, item: OutboxItem) -> None:
        mutation_id = item.mutation_id
        ack: JsonObject | None
        try:
            payload = {**item.payload, "mutation_id": mutation_id}
            ack = await self._deps.request(item.command, payload)
        except ConnectionLost:
            ack = None
        is_current = item in self._items and item.mutation_id == mutation_id
        if self._lifetime.ended or not is_current:
            return
        if ack is None:
            self._send_again(item, None, self._lifetime.delay(item._attempt))
        elif not ack["ok"]:
            self._handle_refusal(item, error_from(ack["error"]))
        else:
            item._seq, item._version = ack.get("seq"), ack.get("version")
            item.error = None
            self._update(item, "acked")
            # Whether the edit was made shows only when its change has arrived.
            if item._find_ignored_edit is None:
                _settle(item, Outcome(True, item._seq, item._version))
            self._deps.acked(item)
        self.flush()

    def _handle_refusal(self, item: OutboxItem, error: LockstepError) -> None:
        if error.closes:
            self._deps.rejected(error)
            return
        is_hopeless = error.code == "internal" and item._attempt >= MAX_INTERNAL_FAULTS
        if not error.retryable or is_hopeless:
            self._fail(item, error)
            return
        delay = self._lifetime.delay(item._attempt, error.retry_after)
        # The limit is the user's and not the command's: it would refuse the other commands too.
        if error.code == "rate_limited":
            self._paused_until = self._lifetime.elapsed() + delay
        self._send_again(item, error, delay)

    def _send_again(self, item: OutboxItem, error: LockstepError | None, delay: float) -> None:
        item._attempt += 1
        item._not_before = self._lifetime.elapsed() + delay if self._deps.connected() else 0.0
        item.error = error
        self._update(item, "queued")

    def _fail(self, item: OutboxItem, error: LockstepError) -> None:
        item.error = error
        self._update(item, "failed")
        _settle(item, Outcome(False, reason="failed", error=error))

    def _update(self, item: OutboxItem, status: Status) -> None:
        item.status = status
        self._deps.changed(item.entity_id)

    def _remove(self, item: OutboxItem, outcome: Outcome) -> None:
        self._items.remove(item)
        self._deps.changed(item.entity_id)
        _settle(item, outcome)


def _settle(item: OutboxItem, outcome: Outcome) -> None:
    if not item._outcome.done():
        item._outcome.set_result(outcome)
