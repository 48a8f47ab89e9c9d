"""Topic `account` as programs use it: the name, and the devices that are signed in.

When this device's session or the account ends, the client is signed out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .decide import Context
from .entities import Action
from .outbox import IssuedCommand
from .reduce import Held, is_known, reduce_account
from .rest import Rest
from .shapes import Cursor, JsonObject, Topic
from .single_entity import SingleEntityModel
from .topic import TopicClient

KEY = "account"


class AccountModel(SingleEntityModel):
    topic: Topic = "account"
    key = KEY

    def __init__(self, rest: Rest, on_session: Callable[[JsonObject], None]) -> None:
        self._rest = rest
        self._on_session = on_session

    async def read(self) -> tuple[JsonObject, Cursor]:
        # A change that only the second response contains comes again with the log: no harm.
        me = await self._rest.call("GET", "/users/me")
        if me.get("session") is not None:  # a token has no session
            self._on_session(me["session"])
        sessions = (await self._rest.call("GET", "/users/me/sessions"))["items"]
        state = {"username": me["user"]["username"], "sessions": sessions, "closed": False}
        return state, {"epoch": me["epoch"], "seq": me["seq"]}

    def action_for(self, held: Held, change: JsonObject) -> Action:
        # Applying these changes twice changes nothing, so they need no versions.
        is_told = not change.get("stripped") and change.get("data") is not None
        return "apply" if is_told and is_known("account", change) else "load"

    def reduce(self, held: Held, change: JsonObject) -> Held:
        return reduce_account(held, change) if held is not None else None

    def version_of(self, state: JsonObject) -> float:
        return float("inf")


class Account(TopicClient):
    def __init__(
        self, rest: Rest, changed: Callable[[], None], expelled: Callable[[], None]
    ) -> None:
        super().__init__(changed)
        self._account = AccountModel(rest, self._renewed)
        self._expelled = expelled
        self._session_id: str | None = None
        self._viewing: str | None = None
        self._presence: dict[str, JsonObject] = {}

    def _model(self) -> AccountModel:
        return self._account

    def signed_in(self, session_id: str | None) -> None:
        """None: the client signs in by a token, which has no session."""
        self._session_id = session_id

    def end(self) -> None:
        self._session_id = self._viewing = None
        self._presence = {}
        super().end()

    @property
    def username(self) -> str | None:
        held = self._view(KEY)
        return held["username"] if held else None

    @property
    def sessions(self) -> list[JsonObject]:
        """The sign-ins of the user, newest first: `{id, device, created_at, online, …}`."""
        held = self._view(KEY)
        online = {presence["session_id"] for presence in self._presence.values()}
        sessions = [
            {
                **session,
                "current": session["id"] == self._session_id,
                "online": session["id"] in online or session["id"] == self._session_id,
            }
            for session in (held["sessions"] if held else [])
        ]
        return sorted(sessions, key=lambda session: str(session["created_at"]), reverse=True)

    @property
    def presence(self) -> list[JsonObject]:
        """The devices that are connected now: `{connection_id, session_id, device, viewing?}`."""
        return list(self._presence.values())

    def revoke(self, session_id: str) -> IssuedCommand:
        """Signs a device out."""
        payload = {"session_id": session_id}
        return self._send("revoke", payload, KEY, subject_id=session_id, predict=_predict)

    async def viewing(self, conversation_id: str | None) -> None:
        """Tells the user's other devices what this one shows."""
        self._viewing = conversation_id
        self._send_viewing()

    def _send_viewing(self) -> None:
        parts = self._parts
        if parts is None:
            return
        payload = {"conversation_id": self._viewing}
        connections, topic = parts.signed.connections, self._account.topic

        async def send() -> None:
            try:
                await connections.request(topic, "viewing", payload)
            except Exception:  # not logged: it is told again with the next connection
                return

        parts.signed.lifetime.spawn(send())

    def _renewed(self, session: JsonObject) -> None:
        if self._session_id is not None:
            self._session_id = session["id"]

    def _live(self) -> None:
        if self._viewing is not None:
            self._send_viewing()

    def _down(self) -> None:
        self._presence = {}

    def _event(self, name: str, payload: Any) -> None:
        if name != "presence":
            return
        if payload["online"]:
            self._presence[payload["connection_id"]] = payload
        else:
            self._presence.pop(payload["connection_id"], None)
        self._notify()

    def _applied(self, change: JsonObject) -> None:
        data = change.get("data") or {}
        if change["op"] == "session_created":
            # A change of the password gives this session a new id.
            if data.get("replaces") is not None and data["replaces"] == self._session_id:
                self._session_id = data["session"]["id"]
        is_own = self._session_id is not None and data.get("session_id") == self._session_id
        if change["op"] == "closed" or (change["op"] == "session_revoked" and is_own):
            self._expelled()


def _predict(held: Held, payload: JsonObject, _context: Context) -> Held:
    if held is None:
        return None
    left = [session for session in held["sessions"] if session["id"] != payload["session_id"]]
    return {**held, "sessions": left}
