"""A line between a client and the server that a test can cut, hold and rewrite.

HTTP passes as it is. Frames of the WebSocket pass through `down` (from the server) and `up` (from
the client): functions that return the texts to pass on instead of a text.
"""

from __future__ import annotations

import asyncio
import os
import struct
from collections.abc import Callable
from urllib.parse import urlsplit

Rewrite = Callable[[str], list[str]]


def as_it_is(text: str) -> list[str]:
    return [text]


class Proxy:
    def __init__(self, origin: str) -> None:
        parts = urlsplit(origin)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.down: Rewrite = as_it_is
        self.up: Rewrite = as_it_is
        self.passes_sockets = True
        self.is_open = True
        self.requests: list[str] = []
        """The first lines of all HTTP requests."""
        self.held: dict[str, asyncio.Event] = {}
        """Responses to requests with this text in their first line wait for the event."""
        self.url = ""

    async def __aenter__(self) -> Proxy:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.cut()
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Ends all connections at once."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if not self.is_open:
            writer.transport.abort()
            return
        self._writers.add(writer)
        upstream: asyncio.StreamWriter | None = None
        try:
            from_server, upstream = await asyncio.open_connection(self._host, self._port)
            self._writers.add(upstream)
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                line = head.split(b"\r\n", 1)[0].decode()
                self.requests.append(line)
                is_socket = b"upgrade: websocket" in head.lower()
                if is_socket and not self.passes_sockets:
                    writer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
                    return
                upstream.write(head + await reader.readexactly(_length(head)))
                answer = await from_server.readuntil(b"\r\n\r\n")
                if is_socket:
                    writer.write(answer)
                    await self._frames(reader, writer, from_server, upstream)
                    return
                body = await _body(from_server, answer)
                for text, event in self.held.items():
                    if text in line:
                        await event.wait()
                writer.write(answer + body)
        except (asyncio.IncompleteReadError, ConnectionError, OSError):
            return
        finally:
            for one in (writer, upstream):
                if one is not None:
                    self._writers.discard(one)
                    one.close()

    async def _frames(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        from_server: asyncio.StreamReader,
        upstream: asyncio.StreamWriter,
    ) -> None:
        ways = [
            asyncio.create_task(_pass(from_server, writer, lambda text: self.down(text), False)),
            asyncio.create_task(_pass(reader, upstream, lambda text: self.up(text), True)),
        ]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.split(b":")[1])
    return 0


async def _body(reader: asyncio.StreamReader, head: bytes) -> bytes:
    if b"transfer-encoding: chunked" not in head.lower():
        return await reader.readexactly(_length(head))
    body = b""
    while True:
        line = await reader.readuntil(b"\r\n")
        chunk = await reader.readexactly(int(line, 16) + 2)
        body += line + chunk
        if chunk == b"\r\n":
            return body


async def _pass(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, rewrite: Rewrite, masked: bool
) -> None:
    while True:
        first, second = await reader.readexactly(2)
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack(">H", await reader.readexactly(2))
        elif length == 127:
            (length,) = struct.unpack(">Q", await reader.readexactly(8))
        mask = await reader.readexactly(4) if second & 0x80 else b""
        payload = await reader.readexactly(length)
        if mask:
            payload = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
        texts = rewrite(payload.decode()) if first & 0x0F == 1 else None
        for data in [payload] if texts is None else [text.encode() for text in texts]:
            writer.write(_frame(first, data, masked))


def _frame(first: int, data: bytes, masked: bool) -> bytes:
    bit = 0x80 if masked else 0
    if len(data) < 126:
        head = struct.pack(">BB", first, bit | len(data))
    elif len(data) < 65536:
        head = struct.pack(">BBH", first, bit | 126, len(data))
    else:
        head = struct.pack(">BBQ", first, bit | 127, len(data))
    if not masked:
        return head + data
    mask = os.urandom(4)
    return head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))
