"""Topic `agents` as programs use it: runs of the server's agents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast

from .decide import Context, decide_run
from .entities import Action, action_by_version
from .errors import LockstepError
from .ids import new_id
from .outbox import IssuedCommand
from .reduce import Held, is_run, reduce_run
from .rest import Rest, with_parts
from .shapes import Cursor, JsonObject, Run, Topic
from .streamed_text import StreamedText
from .topic import TopicClient

LIST_PAGE: Final = 50


class RunModel:
    topic: Topic = "agents"

    def __init__(self, rest: Rest) -> None:
        self._rest = rest
        self.agents: list[JsonObject] = []
        # Where the next page starts; None: there is none.
        self.next_page: str | None = None

    async def load_all(self, put: Callable[[str, JsonObject], None]) -> Cursor:
        self.agents = (await self._rest.call("GET", "/agents"))["items"]
        page = await self.page(None)
        for run in page["items"]:
            put(run["id"], run)
        self.next_page = page["next_cursor"]
        return {"epoch": page["epoch"], "seq": page["seq"]}

    async def page(self, cursor: str | None) -> JsonObject:
        query = {"limit": LIST_PAGE, "cursor": cursor}
        return cast(JsonObject, await self._rest.call("GET", "/agent-runs", query=query))

    async def load_one(self, key: str, held: Held) -> tuple[JsonObject, str | None]:
        return await self._rest.call("GET", with_parts("/agent-runs/{}", key)), None

    def key_of(self, change: JsonObject) -> str:
        return str(change["entity_id"])

    def action_for(self, held: Held, change: JsonObject) -> Action:
        return action_by_version(
            held,
            change,
            is_whole=change["op"] == "created",
            is_last=change["op"] == "deleted",
            is_entity=is_run(held),
        )

    def reduce(self, held: Held, change: JsonObject) -> Held:
        return reduce_run(held, change)

    def version_of(self, state: JsonObject) -> float:
        return float(state["version"])

    def tombstone(self, key: str, version: float) -> Held:
        return {"id": key, "version": int(version), "deleted": True} if version > 0 else None

    def trim(self, key: str, state: JsonObject) -> JsonObject:
        return state


class Agents(TopicClient):
    def __init__(self, rest: Rest, changed: Callable[[], None]) -> None:
        super().__init__(changed)
        self._runs = RunModel(rest)
        self._streamed = StreamedText()

    def _model(self) -> RunModel:
        return self._runs

    def end(self) -> None:
        self._runs.agents = []
        self._runs.next_page = None
        self._streamed.clear()
        super().end()

    @property
    def agents(self) -> list[JsonObject]:
        """The agents that this server offers: `{id, name, description, model}`."""
        return list(self._runs.agents)

    @property
    def runs(self) -> list[Run]:
        """The held runs, newest first. `load_more` reads older ones."""
        shown = [run for key in self._keys() if (run := self.get(key)) is not None]
        return sorted(shown, key=lambda run: (run["started_at"], run["id"]), reverse=True)

    def get(self, run_id: str) -> Run | None:
        """A run; its output includes what the log doesn't have of it yet."""
        run = self._view(run_id)
        if run is None or not is_run(run):
            return None
        if run["ended_at"] is None:
            run = {**run, "output": self._streamed.append((run_id, None), run["output"])}
        return cast(Run, run)

    async def open(self, run_id: str) -> Run:
        """Loads a run that may not be held. Raises LockstepError."""
        parts = await self._when_loaded()
        if self._view(run_id) is None:
            await parts.entities.load(run_id)
        run = self.get(run_id)
        if run is None:
            raise LockstepError("not_found", "There is no such run")
        return run

    async def load_more(self) -> None:
        """Reads the next page of runs. Raises LockstepError."""
        parts = await self._when_loaded()
        if self._runs.next_page is None:
            return
        page = await self._runs.page(self._runs.next_page)
        if not self._is_current(parts, page["epoch"]):
            return
        self._runs.next_page = page["next_cursor"]
        for run in page["items"]:
            parts.entities.offer(run["id"], run)

    def run(
        self, agent: str, input: str, *, id: str | None = None, conversation_id: str | None = None
    ) -> IssuedCommand:
        payload: JsonObject = {"id": id or new_id(), "agent": agent, "input": input}
        if conversation_id is not None:
            payload["conversation_id"] = conversation_id
        return self._send(
            "run", payload, payload["id"], predict=_predict_run, shows_when_failed=True
        )

    def stop(self, run_id: str) -> IssuedCommand:
        return self._send("stop", {"run_id": run_id}, run_id)

    def delete(self, run_id: str) -> IssuedCommand:
        return self._send("delete", {"run_id": run_id}, run_id, predict=_predict_delete)

    def _event(self, name: str, payload: Any) -> None:
        if name != "delta" or self._parts is None:
            return
        run = self._parts.entities.get(payload["run_id"])
        if run is not None and is_run(run) and run["ended_at"] is None:
            self._streamed.add((run["id"], None), payload, run["output"])
            self._notify()

    def _applied(self, change: JsonObject) -> None:
        if change["op"] in ("finished", "deleted"):
            self._streamed.end(change["entity_id"])


def _predict_run(held: Held, payload: JsonObject, context: Context) -> Held:
    decision = decide_run(held, payload, context)
    return held if decision is None else cast(JsonObject, decision["data"])


def _predict_delete(held: Held, payload: JsonObject, _context: Context) -> Held:
    if held is None:
        return None
    return {"id": payload["run_id"], "version": held["version"] + 1, "deleted": True}
