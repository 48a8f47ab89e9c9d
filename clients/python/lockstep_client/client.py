"""The client: one user's data on this device, kept in lockstep with the server.

    stopped --start--> starting --signed in--> ready --stop--> stopped
                          |                      |
                          +--the server refuses--+--> signed_out, or stopped with `error`
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, cast

from .account import Account
from .agents import Agents
from .connections import Connections, ConnectionState
from .conversations import Conversations
from .errors import LockstepError
from .lifetime import Lifetime
from .outbox import OutboxItem
from .preferences import Preferences
from .records import Records
from .rest import Rest, Token
from .shapes import JsonObject, User
from .topic import Signed, TopicClient

State = Literal["stopped", "starting", "ready", "signed_out"]


class Client:
    """One device of one user. Use it in one event loop.

    `token` is an API token or a user token, or a function that returns one. Without a token,
    `sign_in` or `register` gets a cookie, which the client keeps in memory.
    `records` are the kinds of records to follow.
    """

    def __init__(
        self,
        origin: str,
        *,
        token: Token | None = None,
        headers: Mapping[str, str] | None = None,
        records: Sequence[str] = (),
    ) -> None:
        self._rest = Rest(origin, token, headers or {})
        self._rest.signed_out = self._rejected
        self._state: State = "stopped"
        self._lifetime: Lifetime | None = None
        self._connections: Connections | None = None
        self._listeners: list[Callable[[], None]] = []
        self._is_notifying = False
        self._has_changed = asyncio.Event()
        self.user: User | None = None
        self.error: LockstepError | None = None
        """Why the client was signed out or stopped by itself."""
        self.conversations = Conversations(self._rest, self._changed)
        self.preferences = Preferences(self._rest, self._changed)
        self.agents = Agents(self._rest, self._changed)
        self.records = Records(self._rest, self._changed, records)
        self.account = Account(self._rest, self._changed, self._expelled)

    # Signing in, and other requests.

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Any request of the HTTP API. Returns its JSON. Raises LockstepError."""
        return await self._rest.call(method, path, body, query=query, headers=headers)

    async def sign_in(self, username: str, password: str) -> User:
        """Gets a cookie. Raises LockstepError: `invalid_credentials`, `second_step_required`, …"""
        return await self._enter("/auth/login", {"username": username, "password": password})

    async def register(
        self, username: str, password: str, *, invitation: str | None = None
    ) -> User:
        """Makes an account and signs in. Raises LockstepError: `username_taken`, `invalid`, …"""
        body = {"username": username, "password": password}
        if invitation is not None:
            body["invitation"] = invitation
        return await self._enter("/auth/register", body)

    async def second_step(self, ticket: str, code: str) -> User:
        """Goes on after `second_step_required`, with its ticket and a code of the app."""
        return await self._enter("/auth/second-step", {"ticket": ticket, "code": code})

    async def sign_out(self) -> None:
        """Ends the session. Nothing of the user is left on this device."""
        try:
            await self.call("POST", "/auth/logout")
        finally:
            await self._end("signed_out", None)

    async def _enter(self, path: str, body: JsonObject) -> User:
        if self._state in ("starting", "ready"):
            await self.stop()
        answer = await self.call("POST", path, body)
        if "user" not in answer:
            detail = "The operator has to approve this account first"
            raise LockstepError("invalid_credentials", detail, reason="awaiting_approval")
        return cast(User, answer["user"])

    # Running.

    async def start(self) -> User:
        """Signs in with the token or cookie, as often as it takes, and follows the user's data.

        Raises LockstepError if the server refuses, such as `unauthenticated`.
        """
        if self._state == "ready" and self.user is not None:
            return self.user
        if self._state == "starting":
            raise LockstepError("unavailable", "The client is starting already")
        self._state = "starting"
        self.error = None
        self._lifetime = lifetime = Lifetime()
        self._changed()
        attempt = 0
        while not lifetime.ended:
            try:
                me = await self.call("GET", "/users/me")
            except LockstepError as error:
                if lifetime.ended:
                    break
                if not error.retryable:
                    name: State = "signed_out" if error.code == "unauthenticated" else "stopped"
                    await self._end(name, error)
                    raise
                self.error = error
                self._changed()
                await asyncio.sleep(lifetime.delay(attempt, error.retry_after))
                attempt += 1
                continue
            if not lifetime.ended:
                return self._begin(lifetime, me)
        raise LockstepError("unavailable", "The client was stopped")

    async def stop(self) -> None:
        """Ends the connections. What the server has not confirmed is dropped: see `unsent`."""
        await self._end("stopped", None)

    async def close(self) -> None:
        """Stops the client and forgets its cookie."""
        await self.stop()
        await self._rest.close()

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def state(self) -> State:
        return self._state

    @property
    def connection(self) -> ConnectionState:
        """`live`: each change arrives at once. `polling`: no WebSocket reaches the server, and
        changes arrive every few seconds. `connecting`, `offline`: commands wait in the outbox.
        """
        if self._connections is None:
            return "connecting" if self._state == "starting" else "offline"
        return self._connections.state(len(self._topics))

    @property
    def settled(self) -> bool:
        """Nothing is known to be missing on this device, and nothing waits to be sent."""
        return all(topic.settled for topic in self._topics)

    @property
    def outbox(self) -> tuple[OutboxItem, ...]:
        """The commands of all topics that the server has not confirmed."""
        return tuple(item for topic in self._topics for item in topic.outbox)

    @property
    def unsent(self) -> int:
        """How many commands would be lost if the client stopped now."""
        return len(self.outbox)

    def reconnect(self) -> None:
        """Tries again at once, such as when the network is back."""
        if self._connections is not None:
            self._connections.nudge()

    # Following.

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Calls `listener` after anything has changed, at most once per turn of the event loop.

        Returns the function that ends this.
        """
        self._listeners.append(listener)

        def unsubscribe() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return unsubscribe

    async def until(self, holds: Callable[[], Any], *, timeout: float | None = None) -> Any:
        """Waits until `holds()` is true, and returns what it returned. Raises TimeoutError."""
        async with asyncio.timeout(timeout):
            while not (value := holds()):
                await self._has_changed.wait()
            return value

    @property
    def _topics(self) -> tuple[TopicClient, ...]:
        records = (self.records,) if self.records.kinds else ()
        return (self.conversations, self.preferences, self.agents, *records, self.account)

    def _begin(self, lifetime: Lifetime, me: JsonObject) -> User:
        user = cast(User, me["user"])
        self.user = user
        self.error = None
        self._rest.user_id = user["id"]
        self._state = "ready"
        self._connections = Connections(
            self._rest, lifetime, user["id"], changed=self._changed, rejected=self._rejected
        )
        signed = Signed(user["id"], lifetime, self._connections, self._rejected)
        session = me.get("session")
        self.account.signed_in(session["id"] if session else None)
        for topic in self._topics:
            topic.begin(signed)
        self._changed()
        return user

    def _expelled(self) -> None:
        self._rejected(LockstepError("unauthenticated", "This device was signed out"))

    def _rejected(self, error: LockstepError) -> None:
        """The server has refused this device for good (CLIENT-8)."""
        if self._state == "ready":
            self._drop("signed_out" if error.code == "unauthenticated" else "stopped", error)

    async def _end(self, state: State, error: LockstepError | None) -> None:
        lifetime = self._lifetime
        self._drop(state, error)
        if lifetime is not None:
            await lifetime.wait_ended()

    def _drop(self, state: State, error: LockstepError | None) -> None:
        lifetime, self._lifetime = self._lifetime, None
        self._connections = None
        self._rest.user_id = None
        self.user = None
        self.error = error
        self._state = state
        if lifetime is not None:
            lifetime.end()
        for topic in self._topics:
            topic.end()
        self._changed()

    def _changed(self) -> None:
        if self._is_notifying:
            return
        self._is_notifying = True
        asyncio.get_running_loop().call_soon(self._tell)

    def _tell(self) -> None:
        self._is_notifying = False
        changed, self._has_changed = self._has_changed, asyncio.Event()
        changed.set()
        for listener in list(self._listeners):
            listener()
