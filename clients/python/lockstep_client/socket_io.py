"""As much of Socket.IO's protocol as Lockstep speaks: texts over one WebSocket.

Each topic has a namespace, and a handshake of its own with its cursor. python-socketio sends the
same handshake to all namespaces, which is why this client doesn't use it.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any, Final

import aiohttp
from yarl import URL

from .errors import ConnectionLost, LockstepError, error_from
from .rest import Rest
from .shapes import JsonObject

# The packets of Engine.IO 4, and those of Socket.IO 5, which are its messages.
OPEN, CLOSE, PING, PONG, MESSAGE = "0", "1", "2", "3", "4"
CONNECT, DISCONNECT, EVENT, ACK, CONNECT_ERROR = "0", "1", "2", "3", "4"

OPEN_TIMEOUT: Final = 10.0
"""An attempt to open the WebSocket ends after so many seconds."""
CLOSE_TIMEOUT: Final = 1.0
"""A path that is dead doesn't answer the end of the WebSocket: seconds that its close waits."""
MAX_FRAME: Final = 16 * 1024 * 1024
_PACKET: Final = re.compile(r"(\d)(?:/([^,]*))?,?(\d*)")

OnEvent = Callable[[str, str, Any], None]
"""Takes an event of a topic: topic, name, payload."""


class SocketLine:
    """One WebSocket. It serves one connection; the next one is another object."""

    def __init__(self, rest: Rest, on_event: OnEvent) -> None:
        self._rest = rest
        self._on_event = on_event
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._acks: dict[tuple[str, int], asyncio.Future[JsonObject]] = {}
        self._last_ack = 0
        self._patience = OPEN_TIMEOUT
        self._queue: asyncio.Queue[str] = asyncio.Queue()
        self._is_over = False

    async def open(self) -> None:
        """Opens the WebSocket. Raises ConnectionLost if nothing of Lockstep answers there."""
        url = URL(self._rest.origin + "/socket.io/")
        url = url.with_scheme("wss" if url.scheme == "https" else "ws")
        try:
            async with asyncio.timeout(OPEN_TIMEOUT):
                self._socket = await self._rest.session.ws_connect(
                    url.with_query(EIO="4", transport="websocket"),
                    max_msg_size=MAX_FRAME,
                    timeout=CLOSE_TIMEOUT,
                )
                packet = await self._next()
                if not packet.startswith(OPEN):
                    raise ConnectionLost("not Socket.IO")
                opened = json.loads(packet[1:])
                self._patience = (opened["pingInterval"] + opened["pingTimeout"]) / 1000
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError, KeyError) as error:
            await self.close()
            raise ConnectionLost(f"no WebSocket: {error or type(error).__name__}") from error
        except ConnectionLost:
            await self.close()
            raise

    async def join(self, topic: str, auth: JsonObject) -> None:
        self._send(CONNECT, topic, json.dumps(auth))

    async def request(self, topic: str, name: str, payload: JsonObject) -> JsonObject:
        """Sends an event and waits for its ack. Raises ConnectionLost."""
        if self._is_over:
            raise ConnectionLost("not connected")
        self._last_ack += 1
        key = (topic, self._last_ack)
        ack: asyncio.Future[JsonObject] = asyncio.get_running_loop().create_future()
        self._acks[key] = ack
        try:
            self._send(EVENT, topic, f"{key[1]}{json.dumps([name, payload])}")
            return await ack
        finally:
            self._acks.pop(key, None)

    async def run(self) -> None:
        """Handles what the server sends until the line ends. Raises LockstepError if it refuses."""
        writer = asyncio.get_running_loop().create_task(self._write())
        try:
            while True:
                async with asyncio.timeout(self._patience):
                    packet = await self._next()
                if packet == PING:
                    self._queue.put_nowait(PONG)
                elif packet.startswith(MESSAGE):
                    self._receive(packet[1:])
                elif packet.startswith(CLOSE):
                    return
        except (ConnectionLost, TimeoutError, ValueError, LookupError):
            # The line is cut or silent, or what comes isn't the protocol.
            return
        finally:
            writer.cancel()
            await self.close()

    async def close(self) -> None:
        self._is_over = True
        for ack in self._acks.values():
            if not ack.done():
                ack.set_exception(ConnectionLost("disconnected"))
        if self._socket is not None:
            await self._socket.close()

    async def _next(self) -> str:
        if self._socket is None:
            raise ConnectionLost("not connected")
        message = await self._socket.receive()
        if message.type is not aiohttp.WSMsgType.TEXT:
            raise ConnectionLost("the WebSocket has ended")
        return str(message.data)

    async def _write(self) -> None:
        """One task writes, so that frames keep their order."""
        while self._socket is not None:
            frame = await self._queue.get()
            try:
                await self._socket.send_str(frame)
            except (ConnectionError, RuntimeError, aiohttp.ClientError):
                await self._socket.close()
                return

    def _send(self, kind: str, topic: str, content: str) -> None:
        self._queue.put_nowait(f"{MESSAGE}{kind}/{topic},{content}")

    def _receive(self, content: str) -> None:
        match = _PACKET.match(content)
        if match is None:
            raise ValueError("not a packet")
        kind, topic, number = match[1], match[2] or "", match[3]
        text = content[match.end() :]
        payload = json.loads(text) if text else None
        if kind == EVENT:
            self._on_event(topic, payload[0], payload[1] if len(payload) > 1 else None)
        elif kind == ACK:
            ack = self._acks.get((topic, int(number)))
            if ack is not None and not ack.done():
                ack.set_result(payload[0])
        elif kind == CONNECT_ERROR:
            raise _refusal(payload)
        elif kind == DISCONNECT:
            raise ConnectionLost("the server has ended the connection")


def _refusal(payload: Any) -> LockstepError:
    return error_from(payload.get("data") if isinstance(payload, dict) else None, 503)
