"""A line over plain HTTP, for where no WebSocket reaches the server (CLIENT-9).

It behaves like a socket that receives a `sync` every few seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from .errors import ConnectionLost, LockstepError
from .rest import Rest, with_parts
from .shapes import Cursor, JsonObject
from .socket_io import OnEvent

EVERY: Final = 3.0
"""Seconds between two requests for changes."""


class PollingLine:
    def __init__(
        self, rest: Rest, on_event: OnEvent, since: Callable[[str], Cursor | None]
    ) -> None:
        self._rest = rest
        self._on_event = on_event
        self._since = since
        self._topics: dict[str, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._failed: asyncio.Future[LockstepError] = asyncio.get_running_loop().create_future()

    async def join(self, topic: str, auth: JsonObject) -> None:
        if topic in self._topics:
            return
        self._topics[topic] = asyncio.Event()
        task = asyncio.get_running_loop().create_task(self._poll(topic))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def request(self, topic: str, name: str, payload: JsonObject) -> JsonObject:
        try:
            path = with_parts("/topics/{}/commands/{}", topic, name)
            ack: JsonObject = await self._rest.call("POST", path, payload)
        except LockstepError as error:
            # Without an answer nobody knows whether the server has done it.
            if error.code == "unavailable":
                self._fail(error)
                raise ConnectionLost(error.detail) from error
            return {"ok": False, "error": error.problem}
        # Asks for changes now, so that the command's own change arrives at once.
        if name != "range" and topic in self._topics:
            self._topics[topic].set()
        return ack

    async def run(self) -> None:
        """Polls until a request fails. Raises LockstepError."""
        try:
            raise await self._failed
        finally:
            await self.close()

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()

    async def _poll(self, topic: str) -> None:
        asked = self._topics[topic]
        while True:
            asked.clear()
            try:
                path = with_parts("/topics/{}/changes", topic)
                since = self._since(topic)
                sync = await self._rest.call("GET", path, query=since)
            except LockstepError as error:
                self._fail(error)
                return
            self._on_event(topic, "sync", sync)
            if sync["more"]:
                continue
            try:
                async with asyncio.timeout(EVERY):
                    await asked.wait()
            except TimeoutError:
                pass

    def _fail(self, error: LockstepError) -> None:
        if not self._failed.done():
            self._failed.set_result(error)
