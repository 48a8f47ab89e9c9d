"""The confirmed state of a topic: its entities as the server's log made them (CLIENT-2, CLIENT-3).

An entity whose state doesn't follow from the log alone is loaded. Changes that arrive during the
load are kept and applied after it, so that an older response never covers a newer change.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from .errors import LockstepError
from .lifetime import Lifetime
from .reduce import Held, is_known
from .shapes import Cursor, JsonObject, Topic

Action = Literal["ignore", "apply", "load", "end"]
"""What to do with a change that is next in the log. `end`: nothing of the entity is left then."""
MAX_LOADS_AT_ONCE: Final = 4


class TopicModel(Protocol):
    """What differs between the topics: how entities are loaded, and how changes fold into them."""

    topic: Topic

    async def load_all(self, put: Callable[[str, JsonObject], None]) -> Cursor:
        """Reads everything that the topic starts with; the cursor is the first response's."""

    async def load_one(self, key: str, held: Held) -> tuple[JsonObject, str | None]:
        """Reads one entity, and the epoch of its log if the route tells. Raises LockstepError."""

    def key_of(self, change: JsonObject) -> str: ...
    def action_for(self, held: Held, change: JsonObject) -> Action: ...
    def reduce(self, held: Held, change: JsonObject) -> Held: ...
    def version_of(self, state: JsonObject) -> float: ...
    def tombstone(self, key: str, version: float) -> Held:
        """What stands for an entity that the server doesn't have any more."""

    def trim(self, key: str, state: JsonObject) -> JsonObject:
        """The part of a state that is worth its memory."""


def action_by_version(
    held: Held, change: JsonObject, *, is_whole: bool, is_last: bool, is_entity: bool
) -> Action:
    """The client's rule for entities with versions."""
    # The account was closed, as topic `account` tells as well. There is nothing left to load.
    if change["op"] == "closed":
        return "ignore"
    if held is not None and change["version"] <= held["version"]:
        return "ignore"
    if is_last:
        return "end"
    if change.get("stripped") or change.get("data") is None:
        return "load"
    if not is_known(change["topic"], change):
        return "load"
    if is_whole:
        return "apply"
    follows = held is not None and is_entity and change["version"] == held["version"] + 1
    return "apply" if follows else "load"


@dataclass
class _Load:
    done: asyncio.Future[Held]
    # The version that made the load necessary. An older response won't do.
    min_version: float = 0
    changes: list[JsonObject] = field(default_factory=list)


class Entities:
    def __init__(
        self,
        model: TopicModel,
        lifetime: Lifetime,
        *,
        changed: Callable[[str], None],
        is_other_log: Callable[[str | None], bool],
    ) -> None:
        self._model = model
        self._lifetime = lifetime
        self._changed = changed
        self._is_other_log = is_other_log
        self._states: dict[str, JsonObject] = {}
        self._loads: dict[str, _Load] = {}
        self._slots = asyncio.Semaphore(MAX_LOADS_AT_ONCE)
        self._watchers: dict[str, list[Callable[[JsonObject | None], None]]] = {}

    @property
    def loading(self) -> int:
        """How many entities are being loaded."""
        return len(self._loads)

    def is_loading(self, key: str) -> bool:
        return key in self._loads

    def get(self, key: str) -> Held:
        return self._states.get(key)

    def keys(self) -> list[str]:
        return list(self._states)

    def replace_all(self, states: dict[str, JsonObject]) -> None:
        """The whole topic was loaded again."""
        before, loads = self._states, self._loads
        self._states, self._loads = {}, {}
        for key, state in states.items():
            self.put(key, state)
        for key in before.keys() - states.keys():
            self._changed(key)
        for key in list(self._watchers):
            self._notify(key, None)
        for key, load in loads.items():
            self._begin(key, load.done, 0)

    def put(self, key: str, state: JsonObject, change: JsonObject | None = None) -> None:
        self._states[key] = self._model.trim(key, state)
        self._changed(key)
        self._notify(key, change)

    def offer(self, key: str, state: JsonObject) -> None:
        """Takes a state from a list, unless the entity is known: the log keeps that one current."""
        if key not in self._states and key not in self._loads:
            self.put(key, state)

    def follow(self, change: JsonObject) -> None:
        """Takes the next change of the log."""
        key = self._model.key_of(change)
        load = self._loads.get(key)
        if load is not None:
            load.changes.append(change)
            load.min_version = max(load.min_version, change["version"])
        held = self._states.get(key)
        action = self._model.action_for(held, change)
        if action == "load":
            if load is None:
                self.load(key, change["version"])
            return
        if action == "ignore":
            return
        reduced = self._model.reduce(held, change)
        if action == "end":
            self._loads.pop(key, None)
        if reduced is not None:
            self.put(key, reduced, change)
        if action == "end" and load is not None:
            self._changed(key)
            _settle(load.done, reduced)

    def watch(self, key: str, watcher: Callable[[JsonObject | None], None]) -> Callable[[], None]:
        """Calls back with each change of the entity; with None if its state was replaced."""
        self._watchers.setdefault(key, []).append(watcher)

        def unwatch() -> None:
            self._watchers[key].remove(watcher)
            if not self._watchers[key]:
                del self._watchers[key]

        return unwatch

    def _notify(self, key: str, change: JsonObject | None) -> None:
        for watcher in list(self._watchers.get(key, ())):
            watcher(change)

    def load(self, key: str, min_version: float = 0) -> Awaitable[Held]:
        """Reads an entity, as often as it takes; calls during a load share it."""
        load = self._loads.get(key)
        if load is None:
            done: asyncio.Future[Held] = asyncio.get_running_loop().create_future()
            load = self._begin(key, done, min_version)
        return asyncio.shield(load.done)

    def _begin(self, key: str, done: asyncio.Future[Held], min_version: float) -> _Load:
        load = _Load(done, min_version)
        self._loads[key] = load
        self._changed(key)
        self._lifetime.spawn(self._run(key, load))
        return load

    async def _run(self, key: str, load: _Load) -> None:
        attempt = 0
        while self._is_current(key, load):
            async with self._slots:
                # The changes of a batch come together: one of them may be the entity's end.
                if not self._is_current(key, load):
                    return
                load.changes.clear()
                response = await self._read(key)
            if not self._is_current(key, load):
                return
            if response is not None:
                state, epoch = response
                if self._is_other_log(epoch) or self._finish(key, load, state):
                    return
            await asyncio.sleep(self._lifetime.delay(attempt))
            attempt += 1

    def _is_current(self, key: str, load: _Load) -> bool:
        return not self._lifetime.ended and self._loads.get(key) is load

    async def _read(self, key: str) -> tuple[Held, str | None] | None:
        """None: try again later."""
        try:
            return await self._model.load_one(key, self._states.get(key))
        except LockstepError as error:
            return None if error.retryable else (None, None)

    def _finish(self, key: str, load: _Load, response: Held) -> bool:
        """False if the response and the kept changes don't lead to the present."""
        state = response
        for change in load.changes:
            action = self._model.action_for(state, change)
            if action == "load":
                return False
            if action != "ignore":
                state = self._model.reduce(state, change)
        present = self._states.get(key)
        held_version = self._model.version_of(present) if present is not None else 0
        min_version = max(load.min_version, held_version)
        if state is None:
            state = self._model.tombstone(key, min_version)
        if state is not None and self._model.version_of(state) < min_version:
            return False
        del self._loads[key]
        if state is not None:
            self.put(key, state)
        self._changed(key)
        _settle(load.done, state)
        return True


def _settle(done: asyncio.Future[Held], state: Held) -> None:
    if not done.done():
        done.set_result(state)
