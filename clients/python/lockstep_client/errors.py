"""The errors of Lockstep's contract. Whatever goes wrong has one of these codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple


class Kind(NamedTuple):
    """One row of the contract's table of errors."""

    status: int
    title: str
    retryable: bool = False
    """The same request may succeed later, unchanged."""
    closes: bool = False
    """A client that gets this error ends its connections and forgets its state."""


CODES: Final[Mapping[str, Kind]] = {
    "unauthenticated": Kind(401, "Sign in first", closes=True),
    "invalid_credentials": Kind(401, "Username or password is wrong"),
    "second_step_required": Kind(401, "A second step is needed"),
    "forbidden_origin": Kind(403, "This page may not use this server", closes=True),
    "forbidden_scope": Kind(403, "The token does not cover this request"),
    "not_found": Kind(404, "There is no such thing"),
    "username_taken": Kind(409, "This username is taken"),
    "id_taken": Kind(409, "This id has been used before"),
    "already_replying": Kind(409, "A reply is being written already"),
    "version_conflict": Kind(409, "It was changed meanwhile"),
    "too_large": Kind(413, "It is too large"),
    "invalid": Kind(422, "The request is not valid"),
    "rate_limited": Kind(429, "Too many requests: wait a moment", retryable=True),
    "protocol_unsupported": Kind(426, "This client is too old or too new", closes=True),
    "unavailable": Kind(503, "Not available right now: try again", retryable=True),
    "internal": Kind(500, "Something broke on the server", retryable=True),
}


class LockstepError(Exception):
    """A request, a command or the engine has failed.

    `code` is a code of the contract, and `problem` has what the server has said beside it, such as
    `issues`, `current` or `limit_bytes`.
    """

    def __init__(self, code: str, detail: str | None = None, **extra: Any) -> None:
        kind = CODES[code]
        self.code = code
        self.detail = detail or kind.title
        self.problem: dict[str, Any] = {
            "type": "about:blank",
            "title": kind.title,
            "status": kind.status,
            "code": code,
            "detail": self.detail,
            **extra,
        }
        super().__init__(f"{code}: {self.detail}")

    @property
    def status(self) -> int:
        return int(self.problem["status"])

    @property
    def retryable(self) -> bool:
        return CODES[self.code].retryable

    @property
    def closes(self) -> bool:
        return CODES[self.code].closes

    @property
    def retry_after(self) -> float:
        """Seconds that the server asks to wait; 0 if it doesn't."""
        wait = self.problem.get("retry_after_ms", 0)
        return max(0.0, wait / 1000) if isinstance(wait, (int, float)) else 0.0


class ConnectionLost(Exception):
    """No answer came: the server may have handled the request, or not."""


def error_from(problem: object, status: int = 500) -> LockstepError:
    """The error that a problem of the server states.

    A body that isn't a problem, such as a proxy's error page, becomes `unavailable` or `internal`.
    """
    fields = dict(problem) if isinstance(problem, Mapping) else {}
    code = fields.pop("code", None)
    detail = fields.pop("detail", None)
    for known in ("type", "title"):
        fields.pop(known, None)
    # the session goes on under a new cookie, which this client has or is about to get
    if code == "unauthenticated" and "retry_after_ms" in fields:
        code = "unavailable"
        fields.pop("status", None)
    if code not in CODES:
        return LockstepError("unavailable" if 502 <= status <= 504 else "internal", status=status)
    return LockstepError(code, detail if isinstance(detail, str) else None, **fields)
