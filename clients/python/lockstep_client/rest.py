"""Requests to Lockstep's HTTP API, with a token or with a cookie that is kept in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import aiohttp
from yarl import URL

from .errors import LockstepError, error_from
from .shapes import JsonObject

TOTAL_TIMEOUT: Final = 60.0
"""Seconds after which a request counts as lost."""

Token = str | Callable[[], str | Awaitable[str]]


class Rest:
    """One device's requests. `user_id` names the user whose state it holds (API-9)."""

    def __init__(self, origin: str, token: Token | None, headers: Mapping[str, str]) -> None:
        self.origin = origin.rstrip("/")
        self.user_id: str | None = None
        self.signed_out: Callable[[LockstepError], None] = lambda error: None
        self._token = token
        self._headers = dict(headers)
        self._session: aiohttp.ClientSession | None = None

    @property
    def session(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            # A jar that also keeps the cookies of an address without a name. The server's cookie
            # must come back as it is, so it isn't quoted.
            jar = aiohttp.CookieJar(unsafe=True, quote_cookie=False)
            self._session = aiohttp.ClientSession(cookie_jar=jar, headers=self._headers)
        return self._session

    async def token(self) -> str | None:
        """The token, asked anew each time: a short-lived one may have been replaced."""
        if self._token is None or isinstance(self._token, str):
            return self._token
        given = self._token()
        return given if isinstance(given, str) else await given

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Sends a request and returns the response's JSON; None if it has none.

        Raises LockstepError; `unavailable` if no answer came.
        """
        sent = dict(headers or {})
        token = await self.token()
        if token is not None:
            sent["authorization"] = f"Bearer {token}"
        user_id = self.user_id
        if user_id is not None:
            sent["lockstep-user"] = user_id
        params = {key: str(value) for key, value in (query or {}).items() if value is not None}
        try:
            async with self.session.request(
                method,
                URL(self.origin + path),
                params=params,
                json=body,
                headers=sent,
                skip_auto_headers=() if body is not None else ("Content-Type",),
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=TOTAL_TIMEOUT),
            ) as response:
                answer = await _json_of(response)
                if response.status < 300:
                    return answer
                error = error_from(answer, response.status)
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as lost:
            detail = f"{self.origin} can’t be reached: {lost or type(lost).__name__}"
            raise LockstepError("unavailable", detail) from lost
        if error.code == "unauthenticated" and user_id is not None and user_id == self.user_id:
            self.signed_out(error)
        raise error

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


async def _json_of(response: aiohttp.ClientResponse) -> Any:
    """None for what isn't JSON, such as a proxy's error page."""
    if "json" not in response.content_type:
        await response.read()
        return None
    try:
        return await response.json(content_type=None)
    except ValueError:
        return None


def with_parts(path: str, *values: str) -> str:
    """Fills `{}` of a path. Whatever the values are, they stay one segment each."""
    return path.format(*(_segment(value) for value in values))


def _segment(value: str) -> str:
    return "".join(c if c.isascii() and (c.isalnum() or c in "-_~") else _escaped(c) for c in value)


def _escaped(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))
