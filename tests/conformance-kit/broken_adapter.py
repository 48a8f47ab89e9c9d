"""Clients that break one rule each: the kit has to catch them.

The request `break` names the rule; the next one mends it again.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

import adapter
from lockstep_client import agents, client, connections, conversation_model, entities
from lockstep_client import log_follower, outbox, parts, preferences, text
from lockstep_client.ids import new_id


def ignore_gaps(follower: Any) -> None:
    """Takes whatever arrives for the next change."""
    if follower._is_loading or follower._cursor is None:
        return
    ready = [follower._kept[seq] for seq in sorted(follower._kept)]
    follower._kept = {}
    if ready:
        last = max(follower._cursor["seq"], ready[-1]["seq"])
        follower._cursor = {**follower._cursor, "seq": last}
        follower._deps.apply(ready)


def never_load(right: Callable[..., Any]) -> Callable[..., Any]:
    def action(*args: Any, **kinds: Any) -> Any:
        found = right(*args, **kinds)
        return "apply" if found == "load" else found

    return action


def forget_changes_during_loads(self: Any, change: Any) -> None:
    if self._model.key_of(change) not in self._loads:
        follow(self, change)


def finish_with_the_response(self: Any, key: str, load: Any, response: Any) -> bool:
    """Whatever came meanwhile, the response counts."""
    del self._loads[key]
    if response is not None:
        self.put(key, response)
    self._changed(key)
    if not load.done.done():
        load.done.set_result(response)
    return True


def forget_at_the_ack(self: Any, item: Any, status: str) -> None:
    """The command's effect is gone until its change comes."""
    if status == "acked":
        self._remove(item, outbox.Outcome(True))
    else:
        update(self, item, status)


def new_mutation_id(self: Any, item: Any, error: Any, delay: float) -> None:
    item.mutation_id = new_id()
    send_again(self, item, error, delay)


def follow_any_log(self: Any, sync: Any) -> None:
    on_sync(self, {**sync, "reset": False})


follow = entities.Entities.follow
update = outbox.Outbox._update
send_again = outbox.Outbox._send_again
on_sync = log_follower.LogFollower.on_sync
rule_of_versions = never_load(entities.action_by_version)

BREAKS: dict[str, list[Any]] = {
    "reduce": [
        patch.object(text, "utf16_length", len),
        patch.object(parts, "utf16_length", len),
    ],
    "decide": [patch("lockstep_client.decide.equal_json", lambda a, b: a == b)],
    "CLIENT-1": [patch.object(log_follower.LogFollower, "_pass_on", ignore_gaps)],
    "CLIENT-2": [
        patch.object(module, "action_by_version", rule_of_versions)
        for module in (conversation_model, preferences, agents)
    ],
    "CLIENT-3": [
        patch.object(entities.Entities, "follow", forget_changes_during_loads),
        patch.object(entities.Entities, "_finish", finish_with_the_response),
    ],
    "CLIENT-4": [patch.object(outbox.Outbox, "predict", lambda self, held, *_: held)],
    "CLIENT-5": [patch.object(outbox.Outbox, "_update", forget_at_the_ack)],
    "CLIENT-6": [patch.object(outbox.Outbox, "_send_again", new_mutation_id)],
    "CLIENT-7": [patch.object(log_follower.LogFollower, "on_sync", follow_any_log)],
    "CLIENT-8": [patch.object(client.Client, "_drop", lambda self, state, error: None)],
    "CLIENT-9": [patch.object(connections, "FAILURES", 10**9)],
}


async def main() -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=2**24)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    broken = ExitStack()
    while line := await reader.readline():
        request = json.loads(line)
        if request["do"] == "break":
            broken.close()
            for one in BREAKS[request["rule"]]:
                broken.enter_context(one)
            print(json.dumps({"id": request["id"], "result": sorted(BREAKS)}), flush=True)
        else:
            print(adapter.line_for(line.decode()), flush=True)
    broken.close()


if __name__ == "__main__":
    asyncio.run(main())
