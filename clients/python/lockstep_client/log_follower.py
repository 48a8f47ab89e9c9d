"""Follows one topic's log: it passes on each change once, in the order of `seq`, without a gap.

It knows nothing of what the changes mean (CLIENT-1, CLIENT-3, CLIENT-7).

    load over HTTP --> holds everything up to its cursor
      change with seq = cursor + 1 .......... passes it on
      change further ahead, or a head ....... keeps it and requests the range in between
      change not ahead ...................... ignores it
      other epoch, reset, fruitless ranges .. loads again
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from .errors import ConnectionLost, LockstepError
from .lifetime import Lifetime
from .shapes import Cursor, JsonObject

RANGE_MAX: Final = 500
MAX_KEPT: Final = 2_000
"""Changes that are kept while they can't be passed on. Further ones are requested later."""
MAX_FRUITLESS: Final = 4
"""After so many ranges without the changes that should be in them, the state is loaded."""


@dataclass(frozen=True)
class LogFollowerDeps:
    load: Callable[[], Awaitable[Cursor]]
    """Replaces the state with the server's. Raises LockstepError."""
    apply: Callable[[Sequence[JsonObject]], None]
    """Takes the next changes of the log."""
    range: Callable[[int, int], Awaitable[JsonObject]]
    """Requests changes; both ends are included. Raises ConnectionLost and LockstepError."""
    connected: Callable[[], bool]
    loaded: Callable[[Cursor | None], None]
    """The state was loaded; with the cursor until then."""
    caught_up: Callable[[], None]
    """No range is being requested any more."""
    failed: Callable[[LockstepError], bool]
    """The load has failed. False: loading again won't help."""


class LogFollower:
    def __init__(self, deps: LogFollowerDeps, lifetime: Lifetime) -> None:
        self._deps = deps
        self._lifetime = lifetime
        self._kept: dict[int, JsonObject] = {}
        self._cursor: Cursor | None = None
        self._is_loading = False
        self._is_catching_up = False
        # Counts the loads. An answer to a request from before a load is worthless.
        self._loads = 0
        # The server has announced that it will send everything up to this `seq`.
        self._announced = -1
        self._head = 0
        self._heard_epoch: str | None = None

    @property
    def cursor(self) -> Cursor | None:
        """Every change up to here was passed on."""
        return self._cursor

    @property
    def since(self) -> Cursor | None:
        """Where a new connection starts. None during a load, which will replace the state."""
        return None if self._is_loading else self._cursor

    @property
    def settled(self) -> bool:
        """Nothing is known to be missing."""
        if self._cursor is None or self._is_loading or self._is_catching_up:
            return False
        return max(self._announced + 1, self._head) <= self._cursor["seq"]

    def reload(self) -> None:
        """Loads over HTTP, as often as it takes. Changes that arrive meanwhile are kept."""
        if self._is_loading or self._lifetime.ended:
            return
        self._is_loading = True
        self._announced = -1
        self._head = 0
        self._lifetime.spawn(self._reload())

    async def _reload(self) -> None:
        attempt = 0
        while not self._lifetime.ended:
            self._heard_epoch = None
            before = self._cursor
            try:
                loaded = await self._deps.load()
            except LockstepError as error:
                if not self._deps.failed(error):
                    return
                await asyncio.sleep(self._lifetime.delay(attempt, error.retry_after))
                attempt += 1
                continue
            if self._lifetime.ended:
                return
            self._cursor = loaded
            self._loads += 1
            # Since the response was made, the socket may have told of a restart of the log.
            if self._heard_epoch is None or self._heard_epoch == loaded["epoch"]:
                self._is_loading = False
                self._deps.loaded(before)
                self._pass_on()
                self._catch_up()
                return
            await asyncio.sleep(self._lifetime.delay(attempt))
            attempt += 1

    def on_sync(self, sync: JsonObject) -> None:
        if not self._is_same_log(sync["epoch"]):
            return
        if sync["reset"]:
            self.reload()
            return
        if sync["more"]:
            self._announced = max(self._announced, sync["to"])
        self._accept(sync["changes"], sync["to"])

    def on_change(self, change: JsonObject) -> None:
        # Like a `head`, a change is only sent after the last part of a `sync`.
        self._announced = -1
        if self._is_same_log(change["epoch"]):
            self._accept([change], change["seq"])
        else:
            self._keep(change)

    def on_head(self, head: JsonObject) -> None:
        self._announced = -1
        if self._is_same_log(head["epoch"]):
            self._accept([], head["seq"])

    def expect(self, seq: int) -> None:
        """The change with this `seq` exists: requests it if it isn't here."""
        self._accept([], seq)

    def connection_lost(self) -> None:
        """What the server has announced won't come over this connection."""
        self._announced = -1

    def connected(self) -> None:
        """Requests can be sent again."""
        self._catch_up()

    def _is_same_log(self, epoch: str) -> bool:
        """False if the log was restarted: what is held belongs to another log."""
        self._heard_epoch = epoch
        if self._is_loading or self._cursor is None or self._cursor["epoch"] == epoch:
            return True
        self.reload()
        return False

    def _keep(self, change: JsonObject) -> None:
        held = self._cursor["seq"] if self._cursor else 0
        if (self._is_loading or change["seq"] > held) and len(self._kept) < MAX_KEPT:
            self._kept[change["seq"]] = change

    def _accept(self, changes: Sequence[JsonObject], head: int) -> None:
        for change in changes:
            self._keep(change)
        self._head = max(self._head, head)
        self._pass_on()
        self._catch_up()

    def _pass_on(self) -> None:
        """Passes on the kept changes that are next."""
        if self._is_loading or self._cursor is None:
            return
        epoch, last = self._cursor["epoch"], self._cursor["seq"]
        ready: list[JsonObject] = []
        while (change := self._kept.get(last + 1)) is not None and change["epoch"] == epoch:
            ready.append(change)
            last += 1
        self._kept = {
            seq: change
            for seq, change in self._kept.items()
            if seq > last and change["epoch"] == epoch
        }
        if ready:
            self._cursor = {"epoch": epoch, "seq": last}
            self._deps.apply(ready)

    def _is_behind(self) -> bool:
        return self._cursor is not None and self._head > self._cursor["seq"]

    def _catch_up(self) -> None:
        """Requests ranges until nothing is missing up to the head."""
        if self._is_catching_up or self._is_loading or self._lifetime.ended:
            return
        if self._is_behind() and self._deps.connected() and not self._is_announced():
            self._is_catching_up = True
            self._lifetime.spawn(self._request_missing())

    def _is_announced(self) -> bool:
        """The changes are on their way. A request would only bring them twice."""
        return self._cursor is not None and self._announced >= self._cursor["seq"]

    async def _request_missing(self) -> None:
        fruitless = 0
        try:
            while not self._lifetime.ended and not self._is_loading and self._is_behind():
                # The next connection starts with everything after the cursor.
                if not self._deps.connected() or self._is_announced() or self._cursor is None:
                    break
                first = self._cursor["seq"] + 1
                answered = await self._request_range(first, min(self._head, first + RANGE_MAX - 1))
                if self._lifetime.ended or self._is_loading:
                    break
                if self._cursor["seq"] >= first:
                    fruitless = 0
                    continue
                fruitless += 1 if answered else 0
                if fruitless >= MAX_FRUITLESS:
                    self.reload()
                else:
                    await asyncio.sleep(self._lifetime.delay(fruitless))
        finally:
            self._is_catching_up = False
            self._deps.caught_up()

    async def _request_range(self, first: int, last: int) -> bool:
        """False if no answer came."""
        loads = self._loads
        try:
            answer: dict[str, Any] = await self._deps.range(first, last)
        except (ConnectionLost, LockstepError):
            return False
        if self._lifetime.ended or self._is_loading or self._loads != loads:
            return False
        epoch = self._cursor["epoch"] if self._cursor else None
        changes = answer["changes"]
        if answer["reset"] or any(change["epoch"] != epoch for change in changes):
            self.reload()
        elif answer["more"]:
            self._accept(changes, last + 1)
        else:
            self._accept(changes, changes[-1]["seq"] if changes else 0)
        return True
