"""`lockstep_client` as the conformance kit asks for it: lines of JSON in, lines of JSON out."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from lockstep_client import Client, LockstepError, new_id
from lockstep_client.decide import (
    CONVERSATION_COMMANDS,
    Context,
    decide_preferences,
    decide_run,
    decide_run_delete,
)
from lockstep_client.decide_records import RECORD_COMMANDS
from lockstep_client.reduce import (
    reduce_account,
    reduce_conversation,
    reduce_preferences,
    reduce_record,
    reduce_run,
)

REDUCERS: dict[str, Any] = {
    "conversations": reduce_conversation,
    "preferences": reduce_preferences,
    "agents": reduce_run,
    "account": reduce_account,
    "records": reduce_record,
}
DECISIONS: dict[str, dict[str, Any]] = {
    "conversations": CONVERSATION_COMMANDS,
    "preferences": {"update": decide_preferences},
    "agents": {"run": decide_run, "delete": decide_run_delete},
    "records": RECORD_COMMANDS,
}
devices: dict[str, Client] = {}
work: set[asyncio.Task[Any]] = set()


def begin(coroutine: Any) -> None:
    """Lets something go on by itself; a refusal is seen in the device's state."""

    async def run() -> None:
        try:
            await coroutine
        except LockstepError:
            return

    task = asyncio.get_running_loop().create_task(run())
    work.add(task)
    task.add_done_callback(work.discard)


def answer_to(request: dict[str, Any]) -> Any:
    action = request["do"]
    if action == "reduce":
        return REDUCERS[request["topic"]](request["state"], request["change"])
    if action == "decide":
        given = request["context"]
        context = Context(given["user_id"], given["at"], new_id)
        decide = DECISIONS[request["topic"]][request["command"]]
        return decide(request["state"], request["payload"], context)
    if action == "connect":
        client = Client(request["origin"], token=request["token"], records=["note"])
        devices[request["device"]] = client
        begin(client.start())
        return None
    if action == "disconnect":
        closed = devices.pop(request["device"], None)
        if closed is not None:
            begin(closed.close())
        return None
    client = devices[request["device"]]
    if action == "open":
        begin(client.conversations.open(request["conversation_id"]))
    elif action == "reconnect":
        client.reconnect()
    elif action == "send":
        send(client, request["topic"], request["command"], request["payload"])
    elif action == "state":
        return state_of(client, request["conversation_id"])
    return None


def send(client: Client, topic: str, command: str, payload: dict[str, Any]) -> None:
    if topic == "preferences":
        client.preferences.update(payload["patch"])
        return
    if topic == "records":
        kind, key = payload["kind"], payload["id"]
        if command == "put":
            client.records.put(kind, payload["data"], id=key)
        elif command == "patch":
            client.records.patch(kind, key, payload["data"])
        else:
            client.records.delete(kind, key)
        return
    chat = client.conversations
    fields = dict(payload)
    conversation_id = fields.pop("conversation_id")
    if command == "append":
        chat.append(conversation_id, fields["message"])
    elif command == "delete_messages":
        chat.delete_messages(conversation_id, fields["message_ids"])
    elif command == "delete":
        chat.delete(conversation_id)
    elif "messages" in fields:
        message = fields["messages"][0]
        chat.edit(conversation_id, message["id"], message["content"])
    else:
        chat.update(conversation_id, **fields)


def state_of(client: Client, conversation_id: str | None) -> dict[str, Any]:
    chat = client.conversations
    summaries = [*chat.summaries("active"), *chat.summaries("archived"), *chat.summaries("trash")]
    items = client.outbox
    return {
        "status": client.state,
        "connection": client.connection,
        "settled": client.settled,
        "conversations": [summary["id"] for summary in summaries],
        "conversation": chat.get(conversation_id) if conversation_id else None,
        "preferences": client.preferences.value,
        "records": {one["id"]: one["data"] for one in client.records.all("note")},
        "outbox": [{"mutation_id": one.mutation_id, "status": one.status} for one in items],
    }


def line_for(line: str) -> str:
    request = json.loads(line)
    try:
        return json.dumps({"id": request["id"], "result": answer_to(request)})
    except LockstepError as error:
        return json.dumps({"id": request["id"], "error": {"code": error.code}})


async def main() -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=2**24)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        print(line_for(line.decode()), flush=True)
    for client in list(devices.values()):
        await client.close()


if __name__ == "__main__":
    asyncio.run(main())
