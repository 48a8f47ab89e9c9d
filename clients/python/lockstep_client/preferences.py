"""Topic `preferences` as programs use it: one free-form object for all devices of the user."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .decide import Context, decide_preferences
from .entities import Action, action_by_version
from .outbox import IssuedCommand
from .reduce import NO_PREFERENCES, Held, reduce_preferences
from .rest import Rest
from .shapes import Cursor, JsonObject, Topic
from .single_entity import SingleEntityModel
from .topic import TopicClient

KEY = "preferences"


class PreferencesModel(SingleEntityModel):
    topic: Topic = "preferences"
    key = KEY

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    async def read(self) -> tuple[JsonObject, Cursor]:
        answer = await self._rest.call("GET", "/users/me/preferences")
        state = {"preferences": answer["preferences"], "version": answer["version"]}
        return state, {"epoch": answer["epoch"], "seq": answer["seq"]}

    def action_for(self, held: Held, change: JsonObject) -> Action:
        return action_by_version(held, change, is_whole=False, is_last=False, is_entity=True)

    def reduce(self, held: Held, change: JsonObject) -> Held:
        return reduce_preferences(held or NO_PREFERENCES, change)

    def version_of(self, state: JsonObject) -> float:
        return float(state["version"])


class Preferences(TopicClient):
    def __init__(self, rest: Rest, changed: Callable[[], None]) -> None:
        super().__init__(changed)
        self._preferences = PreferencesModel(rest)

    def _model(self) -> PreferencesModel:
        return self._preferences

    @property
    def value(self) -> JsonObject:
        """All preferences. `update` changes them."""
        held = self._view(KEY)
        return dict(held["preferences"]) if held else {}

    @property
    def version(self) -> int:
        """0 before the first load."""
        held = self._view(KEY)
        return int(held["version"]) if held else 0

    def get(self, key: str, default: Any = None) -> Any:
        return self.value.get(key, default)

    def set(self, key: str, value: Any) -> IssuedCommand:
        """Sets one preference; None removes it."""
        return self.update({key: value})

    def update(self, patch: JsonObject, *, if_version: int | None = None) -> IssuedCommand:
        """Merges a patch (RFC 7396). `if_version` must be the present version."""
        payload: JsonObject = {"patch": patch}
        if if_version is not None:
            payload["if_version"] = if_version
        return self._send("update", payload, KEY, predict=_predict, overwriting={"patch": patch})


def _predict(held: Held, payload: JsonObject, context: Context) -> Held:
    present = held or NO_PREFERENCES
    decision = decide_preferences(present, payload, context)
    if decision is None:
        return present
    return reduce_preferences(present, {"topic": "preferences", "at": context.at, **decision})
