"""A topic whose state is one entity, read at once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

from .reduce import Held
from .shapes import Cursor, JsonObject


class SingleEntityModel(ABC):
    """What the models of such topics share. `key` names the entity."""

    key: ClassVar[str]

    @abstractmethod
    async def read(self) -> tuple[JsonObject, Cursor]:
        """The entity, and the position in the log up to which it is current."""

    async def load_all(self, put: Callable[[str, JsonObject], None]) -> Cursor:
        state, cursor = await self.read()
        put(self.key, state)
        return cursor

    async def load_one(self, key: str, held: Held) -> tuple[JsonObject, str | None]:
        state, cursor = await self.read()
        return state, cursor["epoch"]

    def key_of(self, change: JsonObject) -> str:
        return self.key

    def tombstone(self, key: str, version: float) -> Held:
        return None

    def trim(self, key: str, state: JsonObject) -> JsonObject:
        return state
