"""Topic `records` as programs use it: the free-form objects of the kinds that a program follows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, cast

from .decide import Context
from .decide_records import RECORD_COMMANDS
from .entities import Action, action_by_version
from .errors import LockstepError
from .ids import new_id
from .outbox import IssuedCommand, Predict
from .reduce import Held, is_record, reduce_record
from .rest import Rest, with_parts
from .shapes import Cursor, Delivery, JsonObject, Record, Topic
from .topic import TopicClient

LIST_PAGE: Final = 200


class RecordModel:
    topic: Topic = "records"

    def __init__(self, rest: Rest, kinds: Sequence[str]) -> None:
        self._rest = rest
        self.kinds = tuple(kinds)

    async def load_all(self, put: Callable[[str, JsonObject], None]) -> Cursor:
        first: Cursor | None = None
        for kind in self.kinds:
            cursor: str | None = None
            is_last = False
            while not is_last:
                page = await self._page(kind, cursor)
                first = first or {"epoch": page["epoch"], "seq": page["seq"]}
                for record in page["items"]:
                    put(record["id"], record)
                cursor = page["next_cursor"]
                is_last = cursor is None
        if first is None:
            raise LockstepError("internal", "No kind of record is followed")
        return first

    async def _page(self, kind: str, cursor: str | None) -> JsonObject:
        query = {"limit": LIST_PAGE, "cursor": cursor}
        path = with_parts("/records/{}", kind)
        return cast(JsonObject, await self._rest.call("GET", path, query=query))

    async def load_one(self, key: str, held: Held) -> tuple[JsonObject, str | None]:
        for kind in [held["kind"]] if held and held["kind"] else self.kinds:
            try:
                return await self._rest.call("GET", with_parts("/records/{}/{}", kind, key)), None
            except LockstepError as error:
                if error.code != "not_found":
                    raise
        raise LockstepError("not_found", "There is no such record")

    def key_of(self, change: JsonObject) -> str:
        return str(change["entity_id"])

    def action_for(self, held: Held, change: JsonObject) -> Action:
        kind = (change.get("data") or {}).get("kind")
        # Without its content, a change of a record that isn't held is followed by the deletion.
        is_passed = held is None and bool(change.get("stripped"))
        if is_passed if kind is None else kind not in self.kinds:
            return "ignore"
        return action_by_version(
            held,
            change,
            is_whole=change["op"] == "put",
            is_last=change["op"] == "deleted",
            is_entity=is_record(held),
        )

    def reduce(self, held: Held, change: JsonObject) -> Held:
        return reduce_record(held, change)

    def version_of(self, state: JsonObject) -> float:
        return float(state["version"])

    def tombstone(self, key: str, version: float) -> Held:
        if version <= 0:
            return None
        return {"id": key, "kind": "", "version": int(version), "deleted": True}

    def trim(self, key: str, state: JsonObject) -> JsonObject:
        return state


class Records(TopicClient):
    """Those of the kinds that the client was made with. All of them are held and live."""

    def __init__(self, rest: Rest, changed: Callable[[], None], kinds: Sequence[str]) -> None:
        super().__init__(changed)
        self._records = RecordModel(rest, kinds)

    def _model(self) -> RecordModel:
        return self._records

    @property
    def kinds(self) -> tuple[str, ...]:
        return self._records.kinds

    def all(self, kind: str) -> list[Record]:
        """Ordered by id: by the millisecond of their creation if the client made the ids."""
        found = (self.get(kind, key) for key in sorted(self._keys()))
        return [record for record in found if record is not None]

    def get(self, kind: str, id: str) -> Record | None:
        record = self._view(id)
        if record is None or not is_record(record) or record["kind"] != kind:
            return None
        return cast(Record, record)

    def delivery(self, id: str) -> Delivery:
        """The worst status of the commands that are pending for a record."""
        return self._worst(item for item in self.outbox if item.entity_id == id)

    def put(
        self, kind: str, data: JsonObject, *, id: str | None = None, if_version: int | None = None
    ) -> IssuedCommand:
        """Writes a whole record. Without `id` it is a new one. `if_version` must be the present
        version.
        """
        return self._write("put", kind, id or new_id(), {"data": data}, if_version)

    def patch(
        self, kind: str, id: str, patch: JsonObject, *, if_version: int | None = None
    ) -> IssuedCommand:
        """Merges a patch (RFC 7396): what others write in other fields at the same time stays."""
        return self._write("patch", kind, id, {"data": patch}, if_version)

    def delete(self, kind: str, id: str, *, if_version: int | None = None) -> IssuedCommand:
        return self._write("delete", kind, id, {}, if_version)

    def _write(
        self, name: str, kind: str, id: str, fields: JsonObject, if_version: int | None
    ) -> IssuedCommand:
        if kind not in self.kinds:
            raise LockstepError("invalid", f"Make the client with records=[{kind!r}] to write it")
        always: JsonObject = {"kind": kind, "id": id, **fields}
        payload = always if if_version is None else {**always, "if_version": if_version}
        return self._send(name, payload, id, predict=_predicting(name), overwriting=always)


def _predicting(name: str) -> Predict:
    def predict(held: Held, payload: JsonObject, context: Context) -> Held:
        decision = RECORD_COMMANDS[name](held, payload, context)
        if decision is None:
            return held
        return reduce_record(held, {"topic": "records", "at": context.at, **decision})

    return predict
