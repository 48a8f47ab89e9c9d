"""What the tests of the Python client share: people, devices, and frames as they travel."""

from __future__ import annotations

import asyncio
import json
import os
import unittest
from collections.abc import Callable
from typing import Any

from lockstep_client import Client, LockstepError, new_id
from proxy import Proxy

ORIGIN = os.environ["LOCKSTEP_ORIGIN"]
PASSWORD = "correct horse battery staple"
WITHIN = 20.0
"""What a test waits for comes within so many seconds, on a busy machine too."""


class LockstepTest(unittest.IsolatedAsyncioTestCase):
    """Each test has people of its own. What it makes is closed when it ends."""

    async def asyncSetUp(self) -> None:
        def failed(_loop: object, context: dict[str, Any]) -> None:
            self.failures_elsewhere.append(context)

        self.failures_elsewhere: list[dict[str, Any]] = []
        loop = asyncio.get_running_loop()
        loop.set_debug(False)
        loop.set_exception_handler(failed)
        self.username = f"python-{new_id()[-12:]}"

    async def asyncTearDown(self) -> None:
        self.assertEqual(self.failures_elsewhere, [])

    async def proxy(self) -> Proxy:
        return await self.enterAsyncContext(Proxy(ORIGIN))

    async def client(self, origin: str = ORIGIN, **options: Any) -> Client:
        return await self.enterAsyncContext(Client(origin, **options))

    async def register(self, origin: str = ORIGIN, **options: Any) -> Client:
        """A device of this test's person, which is new."""
        client = await self.client(origin, **options)
        await client.register(self.username, PASSWORD)
        await client.start()
        await self.until(client, lambda: client.connection == "live")
        return client

    async def sign_in(self, origin: str = ORIGIN, **options: Any) -> Client:
        """Another device of this test's person."""
        client = await self.client(origin, **options)
        await client.sign_in(self.username, PASSWORD)
        await client.start()
        await self.until(client, lambda: client.connection in ("live", "polling"))
        return client

    async def until(self, client: Client, holds: Callable[[], Any]) -> Any:
        return await client.until(holds, timeout=WITHIN)

    async def settled(self, *clients: Client) -> None:
        for client in clients:
            await self.until(client, lambda: client.connection == "live" and client.settled)

    async def agrees(self, client: Client, conversation_id: str) -> None:
        """The device holds exactly what the server has."""
        stored = await client.call("GET", f"/conversations/{conversation_id}")
        stored = {key: value for key, value in stored.items() if key not in ("epoch", "seq")}

        def is_same() -> bool:
            return bool(client.conversations.get(conversation_id) == stored)

        try:
            await self.until(client, is_same)
        except TimeoutError:
            self.assertEqual(client.conversations.get(conversation_id), stored)

    async def refused(self, code: str, work: Any) -> LockstepError:
        with self.assertRaises(LockstepError) as caught:
            await work
        self.assertEqual(caught.exception.code, code)
        return caught.exception


def event_of(frame: str) -> tuple[str, str, Any] | None:
    """Topic, name and payload of an event; None if the frame is another packet."""
    if not frame.startswith("42/"):
        return None
    topic, rest = frame[3:].split(",", 1)
    name, *payload = json.loads(rest[rest.index("[") :])
    return topic, name, payload[0] if payload else None


def frame_of(topic: str, name: str, payload: Any) -> str:
    return f"42/{topic},{json.dumps([name, payload])}"


def contents(client: Client, conversation_id: str) -> list[str]:
    conversation = client.conversations.get(conversation_id)
    return [message["content"] for message in conversation["messages"]] if conversation else []


def titles(client: Client, state: Any = "active") -> list[str]:
    return [summary["title"] for summary in client.conversations.summaries(state)]
