"""One topic on this device: the confirmed state that follows the log, the outbox, and the view of
both together.

    a change of the log --> LogFollower --> Entities --> Outbox.confirm --> view
    a command of the program --> Outbox --> view (predicted) --> connection
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from .connections import Connections, TopicListener
from .entities import Entities, TopicModel
from .errors import LockstepError, error_from
from .lifetime import Lifetime
from .log_follower import LogFollower, LogFollowerDeps
from .outbox import IssuedCommand, Outbox, OutboxDeps, OutboxItem
from .reduce import Held
from .shapes import Cursor, Delivery, JsonObject

CHANGE_AFTER_ACK: Final = 2.0
"""So long after a command's ack its change may take to arrive by itself; then it is requested."""


@dataclass(frozen=True)
class Signed:
    """The time in which the client is signed in."""

    user_id: str
    lifetime: Lifetime
    connections: Connections
    rejected: Callable[[LockstepError], None]


class Parts:
    """Everything of a topic that belongs to one sign-in."""

    follower: LogFollower

    def __init__(self, topic: TopicClient, model: TopicModel, signed: Signed) -> None:
        self.signed = signed
        lifetime, connections = signed.lifetime, signed.connections
        self.first_load: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def request(name: str, payload: JsonObject) -> JsonObject:
            return await connections.request(model.topic, name, payload)

        async def request_range(first: int, last: int) -> JsonObject:
            ack = await request("range", {"from": first, "to": last})
            if not ack["ok"]:
                raise error_from(ack["error"])
            answer: JsonObject = ack["data"]
            return answer

        def connected() -> bool:
            return connections.is_live(model.topic)

        def is_other_log(epoch: str | None) -> bool:
            cursor = self.follower.cursor
            is_other = epoch is not None and cursor is not None and cursor["epoch"] != epoch
            if is_other:
                self.follower.reload()
            return is_other

        self.entities = Entities(
            model, lifetime, changed=topic._entity_changed, is_other_log=is_other_log
        )
        self.outbox = Outbox(
            model.topic,
            OutboxDeps(request, connected, topic._entity_changed, topic._acked, signed.rejected),
            lifetime,
        )
        self.follower = LogFollower(
            LogFollowerDeps(
                load=topic._load,
                apply=topic._apply,
                range=request_range,
                connected=connected,
                loaded=topic._loaded,
                caught_up=topic._notify,
                failed=topic._load_failed,
            ),
            lifetime,
        )
        self.is_open = False


class TopicClient:
    """What all topics have."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._notify = changed
        self._parts: Parts | None = None
        self._views: dict[str, Held] = {}

    @property
    def loaded(self) -> bool:
        """The first load is done. Stays true while reconnecting."""
        return self.cursor is not None

    @property
    def cursor(self) -> Cursor | None:
        """This device holds every change up to here; None before the first load."""
        return self._parts.follower.cursor if self._parts else None

    @property
    def settled(self) -> bool:
        """Nothing is known to be missing: nothing is unsent, nothing loads, and no gap is open."""
        if self._parts is None:
            return False
        is_sent = all(item.status == "failed" for item in self._parts.outbox.items)
        return self._parts.follower.settled and self._parts.entities.loading == 0 and is_sent

    @property
    def outbox(self) -> tuple[OutboxItem, ...]:
        """The commands that the server has not confirmed, in the order of their issue."""
        items = self._parts.outbox.items if self._parts else ()
        return tuple(item for item in items if item.status != "acked")

    # What a topic adds.

    def _model(self) -> TopicModel:
        raise NotImplementedError

    def _applied(self, change: JsonObject) -> None:
        """A change was applied."""

    def _event(self, name: str, payload: Any) -> None:
        """Another event of the server."""

    def _live(self) -> None: ...
    def _down(self) -> None: ...

    # For the client.

    def begin(self, signed: Signed) -> None:
        self._parts = Parts(self, self._model(), signed)
        self._parts.follower.reload()

    def end(self) -> None:
        """The client stops or is signed out: nothing of the user is left."""
        parts, self._parts = self._parts, None
        self._views.clear()
        if parts is not None:
            parts.outbox.drop()
            if not parts.first_load.done():
                parts.first_load.set_exception(LockstepError("unavailable", "It was stopped"))
                parts.first_load.exception()
        self._notify()

    # For the topics.

    def _need(self) -> Parts:
        if self._parts is None:
            raise LockstepError("unavailable", "Nobody is signed in: start the client first")
        return self._parts

    async def _when_loaded(self) -> Parts:
        parts = self._need()
        await asyncio.shield(parts.first_load)
        return parts

    def _is_current(self, parts: Parts, epoch: str) -> bool:
        """Whether a page that was asked for belongs to what is held now. Reloads in a new epoch."""
        cursor = self.cursor
        if parts is not self._parts or cursor is None:
            return False
        if epoch != cursor["epoch"]:
            parts.follower.reload()
            return False
        return True

    def _view(self, key: str) -> Held:
        """The entity's state after all its pending commands."""
        if self._parts is None:
            return None
        if key not in self._views:
            held = self._parts.entities.get(key)
            self._views[key] = self._parts.outbox.predict(held, key, self._parts.signed.user_id)
        return self._views[key]

    def _keys(self) -> list[str]:
        """The keys of all entities that are held or that a pending command will create."""
        if self._parts is None:
            return []
        pending = [item.entity_id for item in self._parts.outbox.items]
        return list(dict.fromkeys([*self._parts.entities.keys(), *pending]))

    @staticmethod
    def _worst(items: Iterable[OutboxItem]) -> Delivery:
        statuses = {item.status for item in items}
        worst: tuple[Delivery, ...] = ("failed", "queued", "sending")
        return next((one for one in worst if one in statuses), "sent")

    def _send(
        self, name: str, payload: JsonObject, entity_id: str, **options: Any
    ) -> IssuedCommand:
        return self._need().outbox.add(name, payload, entity_id, **options)

    def _entity_changed(self, key: str) -> None:
        self._views.pop(key, None)
        self._notify()

    def _acked(self, item: OutboxItem) -> None:
        self._remove_applied()
        parts = self._need()
        seq = item.seq or 0

        async def expect() -> None:
            await asyncio.sleep(CHANGE_AFTER_ACK)
            parts.follower.expect(seq)

        cursor = parts.follower.cursor
        if cursor is None or cursor["seq"] < seq:
            parts.signed.lifetime.spawn(expect())

    async def _load(self) -> Cursor:
        parts = self._need()
        states: dict[str, JsonObject] = {}
        acked = {item for item in parts.outbox.items if item.status == "acked"}
        cursor = await self._model().load_all(states.__setitem__)
        if self._parts is parts:
            parts.entities.replace_all(states)
            self._remove_applied(lambda item: item in acked)
        return cursor

    def _loaded(self, before: Cursor | None) -> None:
        parts = self._need()
        now = parts.follower.cursor
        # The change of an ack from another log never arrives in this one.
        is_other_log = before is not None and now is not None and before["epoch"] != now["epoch"]
        self._remove_applied(lambda _item: is_other_log)
        if not parts.first_load.done():
            parts.first_load.set_result(None)
        if not parts.is_open:
            parts.is_open = True
            follower = parts.follower

            def since() -> Cursor | None:
                return follower.since

            listener = TopicListener(since, self._received, self._became_live, self._went_down)
            parts.signed.connections.open(self._model().topic, listener)
        self._notify()

    def _load_failed(self, error: LockstepError) -> bool:
        # The refusal of another request may have ended everything before.
        parts = self._parts
        if parts is not None and error.closes:
            parts.signed.rejected(error)
        return parts is not None and not parts.signed.lifetime.ended

    def _received(self, name: str, payload: Any) -> None:
        if self._parts is None:
            return
        follower = self._parts.follower
        if name == "sync":
            follower.on_sync(payload)
        elif name == "change":
            follower.on_change(payload)
        elif name == "head":
            follower.on_head(payload)
        else:
            self._event(name, payload)
            return
        self._notify()

    def _became_live(self) -> None:
        if self._parts is not None:
            self._parts.outbox.flush()
            self._parts.follower.connected()
            self._live()

    def _went_down(self) -> None:
        if self._parts is not None:
            self._parts.follower.connection_lost()
            self._down()

    def _apply(self, changes: Sequence[JsonObject]) -> None:
        for change in changes:
            # A change may have ended the session: the account was closed, or it was signed out.
            if self._parts is None:
                return
            self._parts.entities.follow(change)
            # After the state, so that the command's effect is never gone in between.
            mutation_id = change.get("mutation_id")
            if mutation_id is not None:
                self._parts.outbox.confirm(mutation_id, change["seq"], change["version"])
            self._applied(change)
        self._remove_applied()
        self._notify()

    def _remove_applied(
        self, is_applied: Callable[[OutboxItem], bool] = lambda _item: False
    ) -> None:
        if self._parts is None:
            return
        cursor = self._parts.follower.cursor
        applied = cursor["seq"] if cursor else 0

        def is_here(item: OutboxItem) -> bool:
            return is_applied(item) or item.seq is None or item.seq <= applied

        self._parts.outbox.remove_applied(is_here, self._parts.entities.get)
