"""The line to the server, and the one decision when to reconnect.

    connecting --first sync of all topics--> live
        ^    \\--no WebSocket, twice in a row or after a long wait--> polling
        |                                                             |
        +------the line ends, after a random delay--------------------+
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from .errors import ConnectionLost, LockstepError
from .lifetime import Lifetime
from .polling import PollingLine
from .rest import Rest
from .shapes import Cursor, JsonObject, Topic
from .socket_io import SocketLine

PROTOCOL: Final = 1
FAILURES: Final = 2
"""How many attempts in a row must fail before HTTP is used: one may fail as a node restarts."""
LONG_WAIT: Final = 5.0
"""If one attempt takes so long to fail, something swallows it, and HTTP is used at once."""
FIRST_RETURN: Final = 5.0
MAX_RETURN: Final = 60.0
"""Seconds before the first and the later attempts to return to the WebSocket."""
STEADY: Final = 5.0
"""After a line that lasted so long, the delays start from the shortest again."""
MIN_SILENCE: Final = 15.0
MAX_SILENCE: Final = 240.0
"""If an answer is awaited and nothing arrives for so long, the path is dead although nobody closed
it. A slow path is as silent while a large change travels, so each silence doubles the next one."""

ConnectionState = Literal["live", "polling", "connecting", "offline"]
Line = SocketLine | PollingLine


@dataclass(frozen=True)
class TopicListener:
    since: Callable[[], Cursor | None]
    """The cursor of the next handshake."""
    event: Callable[[str, Any], None]
    live: Callable[[], None]
    """The first `sync` has been handled: commands can be sent."""
    down: Callable[[], None]


class Connections:
    def __init__(
        self,
        rest: Rest,
        lifetime: Lifetime,
        user_id: str,
        *,
        changed: Callable[[], None],
        rejected: Callable[[LockstepError], None],
    ) -> None:
        self._rest = rest
        self._lifetime = lifetime
        self._user_id = user_id
        self._changed = changed
        self._rejected = rejected
        self._topics: dict[str, TopicListener] = {}
        self._live: set[str] = set()
        self._line: Line | None = None
        self._is_waiting = False
        self._retry_now = asyncio.Event()
        self._silence = MIN_SILENCE
        self._heard_at = 0.0
        lifetime.spawn(self._run())

    def open(self, topic: Topic, listener: TopicListener) -> None:
        """Opens a topic's connection and keeps it open until the lifetime ends."""
        self._topics[topic] = listener
        if self._line is not None:
            self._lifetime.spawn(self._join_late(self._line, topic))

    def is_live(self, topic: Topic) -> bool:
        return topic in self._live

    def state(self, expected: int) -> ConnectionState:
        """`expected`: how many topics there will be; each opens its own when it has loaded."""
        if len(self._live) == expected:
            return "polling" if isinstance(self._line, PollingLine) else "live"
        return "offline" if self._is_waiting else "connecting"

    def nudge(self) -> None:
        """Reconnects at once if the line is down."""
        self._retry_now.set()

    async def request(self, topic: Topic, name: str, payload: JsonObject) -> JsonObject:
        """Raises ConnectionLost."""
        line = self._line
        if line is None or topic not in self._live:
            raise ConnectionLost("not connected")
        answer = asyncio.ensure_future(line.request(topic, name, payload))
        since = self._lifetime.elapsed()
        try:
            while not answer.done():
                silent_at = max(since, self._heard_at) + self._silence
                left = min(silent_at, since + MAX_SILENCE) - self._lifetime.elapsed()
                if left <= 0:
                    self._silence = min(MAX_SILENCE, 2 * self._silence)
                    await line.close()
                    raise ConnectionLost("the server is silent")
                await asyncio.wait([answer], timeout=left)
            response = answer.result()
        finally:
            answer.cancel()
        if self._lifetime.elapsed() - since < MIN_SILENCE:
            self._silence = MIN_SILENCE
        return response

    async def _run(self) -> None:
        attempt = failures = returns = 0
        while not self._lifetime.ended:
            started = self._lifetime.elapsed()
            error: LockstepError | None = None
            socket = SocketLine(self._rest, self._on_event)
            try:
                await socket.open()
                failures = returns = 0
                error = await self._serve(socket)
            except ConnectionLost:
                took = self._lifetime.elapsed() - started
                failures = FAILURES if took >= LONG_WAIT else failures + 1
            if failures >= FAILURES:
                wait = min(MAX_RETURN, FIRST_RETURN * 2 ** min(returns, 10))
                returns += 1
                error = await self._serve(
                    PollingLine(self._rest, self._on_event, self._since), until=wait
                )
                if error is None:
                    continue
            if error is not None and error.closes:
                self._rejected(error)
                return
            if self._lifetime.elapsed() - started >= STEADY:
                attempt = 0
            await self._wait(self._lifetime.delay(attempt, error.retry_after if error else 0.0))
            attempt += 1

    async def _serve(self, line: Line, until: float | None = None) -> LockstepError | None:
        """Serves all topics over the line until it ends, or until it is time to try the WebSocket.

        Returns why the server has refused, if it did.
        """
        self._line = line
        self._heard_at = self._lifetime.elapsed()
        try:
            for topic in list(self._topics):
                await self._join(line, topic)
            async with asyncio.timeout(until):
                await line.run()
        except TimeoutError:
            return None
        except LockstepError as error:
            return error
        finally:
            self._line = None
            await line.close()
            self._down()
        return None

    async def _join(self, line: Line, topic: str) -> None:
        auth: JsonObject = {"protocol": PROTOCOL, "user_id": self._user_id}
        since = self._topics[topic].since()
        if since is not None:
            auth["since"] = since
        try:
            token = await self._rest.token()
        except Exception as error:  # the program's own function
            raise LockstepError("unavailable", f"There is no token: {error}") from error
        if token is not None:
            auth["token"] = token
        if line is self._line:
            await line.join(topic, auth)

    async def _join_late(self, line: Line, topic: str) -> None:
        try:
            await self._join(line, topic)
        except LockstepError:
            await line.close()  # the next line tries again

    def _since(self, topic: str) -> Cursor | None:
        return self._topics[topic].since()

    async def _wait(self, seconds: float) -> None:
        self._is_waiting = True
        self._retry_now.clear()
        self._changed()
        try:
            async with asyncio.timeout(seconds):
                await self._retry_now.wait()
        except TimeoutError:
            pass
        self._is_waiting = False
        self._changed()

    def _on_event(self, topic: str, name: str, payload: Any) -> None:
        self._heard_at = self._lifetime.elapsed()
        listener = self._topics.get(topic)
        if listener is None or self._lifetime.ended:
            return
        if name == "draining":
            self._leave_later(payload["reconnect_within_ms"] / 1000)
            return
        listener.event(name, payload)
        if name == "sync" and topic not in self._live and not self._lifetime.ended:
            self._live.add(topic)
            listener.live()
            self._changed()

    def _leave_later(self, within: float) -> None:
        """The node is about to stop. Its devices leave it within the time, and not all at once."""
        line = self._line

        async def leave() -> None:
            await asyncio.sleep(random.random() * 0.9 * within)
            if line is not None:
                await line.close()
                self._retry_now.set()

        if self._live:
            self._lifetime.spawn(leave())

    def _down(self) -> None:
        live, self._live = self._live, set()
        for topic in live:
            self._topics[topic].down()
        self._changed()
