"""What a program does with the client, against a running server."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import unittest
from pathlib import Path
from typing import Any

from lockstep_client import Client, LockstepError, new_id
from support import ORIGIN, PASSWORD, LockstepTest, contents, titles


class SigningIn(LockstepTest):
    async def test_a_cookie_signs_in_until_the_client_signs_out(self) -> None:
        device = await self.register()
        await self.refused("username_taken", (await self.client()).register(self.username, PASSWORD))
        await self.refused("invalid_credentials", (await self.client()).sign_in(self.username, "no"))
        error = await self.refused("invalid", (await self.client()).register("x", PASSWORD))
        self.assertEqual(error.problem["issues"][0]["path"], "username")
        await device.conversations.create(title="Mine")
        self.assertEqual(device.account.username, self.username)
        await device.sign_out()
        self.assertEqual((device.state, titles(device)), ("signed_out", []))
        await self.refused("unauthenticated", device.start())
        self.assertEqual(device.state, "signed_out")

    async def test_a_token_signs_in_within_its_scopes_until_it_is_revoked(self) -> None:
        owner = await self.register()
        made = await owner.call("POST", "/users/me/tokens", {"name": "Agent"})
        reader = await owner.call("POST", "/users/me/tokens", {"name": "R", "scopes": ["read"]})
        program = await self.client(token=made["token"])
        self.assertEqual((await program.start())["username"], self.username)
        created = program.conversations.create(title="By a program")
        self.assertTrue((await created).ok)
        watcher = await self.client(token=reader["token"])
        await watcher.start()
        await self.until(watcher, lambda: titles(watcher) == ["By a program"])
        outcome = await watcher.conversations.update(created.id, title="No")
        self.assertEqual(outcome.error and outcome.error.code, "forbidden_scope")
        self.assertEqual(titles(watcher), ["By a program"])
        await owner.call("DELETE", f"/users/me/tokens/{made['id']}")
        await self.until(program, lambda: program.state == "signed_out")
        self.assertEqual(titles(program), [])

    async def test_a_token_is_asked_for_anew_with_each_connection(self) -> None:
        owner = await self.register()
        names: list[str] = []
        line = await self.proxy()

        async def token() -> str:
            names.append(f"Token {len(names)}")
            made = await owner.call("POST", "/users/me/tokens", {"name": names[-1]})
            return str(made["token"])

        program = await self.client(line.url, token=token)
        await program.start()
        await self.until(program, lambda: program.connection == "live")
        asked = len(names)
        line.cut()
        await self.until(program, lambda: program.connection != "live")
        await self.until(program, lambda: program.connection == "live")
        self.assertGreater(len(names), asked)

    async def test_an_unreachable_server_is_reported_and_tried_again(self) -> None:
        line = await self.proxy()
        device = await self.client(line.url)
        await device.register(self.username, PASSWORD)
        line.is_open = False
        line.cut()
        error = await self.refused("unavailable", device.call("GET", "/users/me"))
        self.assertIn(line.url, str(error))
        starting = asyncio.create_task(device.start())
        await self.until(device, lambda: device.error)
        self.assertEqual((device.state, device.connection), ("starting", "connecting"))
        line.is_open = True
        self.assertEqual((await starting)["username"], self.username)

    async def test_stopping_at_any_moment_leaves_nothing_running(self) -> None:
        device = await self.client()
        await device.register(self.username, PASSWORD)
        starting = asyncio.create_task(device.start())
        await asyncio.sleep(0)
        await device.stop()
        await self.refused("unavailable", starting)
        await device.start()
        waiting = device.conversations.create(title="Too late")
        await device.stop()
        self.assertFalse((await waiting).ok and titles(device))
        await device.start()
        await self.settled(device)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await device.stop()
        await asyncio.sleep(0)
        self.assertEqual([task for task in others if not task.done()], [])


class Conversations(LockstepTest):
    async def test_two_devices_hold_what_the_server_has_after_every_command(self) -> None:
        phone = await self.register()
        laptop = await self.sign_in()
        chat = phone.conversations
        first = new_id()
        made = chat.create(title="Trip", messages=[{"id": first, "role": "user", "content": "Hi 👋"}])
        self.assertEqual(titles(phone), ["Trip"])
        await made
        await phone.conversations.open(made.id)
        await self.until(laptop, lambda: titles(laptop) == ["Trip"])
        await laptop.conversations.open(made.id)
        parts = [
            {"id": "t", "type": "reasoning", "text": "Hm."},
            {"id": "x", "type": "text", "text": "Yes"},
        ]
        answer = chat.append(made.id, {"role": "assistant", "parts": parts})
        several = chat.append(
            made.id, {"role": "user", "content": "a"}, {"role": "user", "content": "b"}
        )
        shown = phone.conversations.get(made.id)
        self.assertEqual(shown and shown["messages"][1]["metadata"], {"thinking": "Hm."})
        steps = [
            answer,
            several,
            chat.edit(made.id, first, "Hello 👋"),
            chat.update(made.id, pinned=True, metadata={"color": "red", "n": 1}),
            chat.update(made.id, metadata={"color": None}),
            chat.delete_messages(made.id, [several.id]),
        ]
        for step in steps:
            self.assertTrue((await step).ok)
        await self.settled(phone, laptop)
        for client in (phone, laptop):
            await self.agrees(client, made.id)
            self.assertEqual(contents(client, made.id), ["Hello 👋", "Yes", "b"])
        chat.update(made.id, archived=True)
        await self.until(laptop, lambda: titles(laptop, "archived") == ["Trip"])
        await chat.delete(made.id)
        await self.until(laptop, lambda: titles(laptop, "trash") == ["Trip"])
        await laptop.conversations.restore(made.id)
        await self.until(phone, lambda: titles(phone, "archived") == ["Trip"])
        await chat.purge(made.id)
        await self.until(laptop, lambda: laptop.conversations.get(made.id) is None)
        await self.settled(phone, laptop)
        await self.refused("not_found", laptop.conversations.open(made.id))

    async def test_a_refused_command_shows_why_and_can_be_overwritten_or_discarded(self) -> None:
        device = await self.register()
        made = device.conversations.create(title="First")
        await made
        outcome = await device.conversations.update(made.id, if_version=7, title="Second")
        assert outcome.error is not None
        self.assertEqual(outcome.error.code, "version_conflict")
        self.assertEqual(outcome.error.problem["current"]["title"], "First")
        self.assertEqual(titles(device), ["First"])
        device.outbox[0].retry(overwrite=True)
        await self.until(device, lambda: device.settled and titles(device) == ["Second"])

        await device.conversations.open(made.id)
        first = device.conversations.append(made.id, {"role": "user", "content": "one"})
        await first
        await device.conversations.edit(made.id, first.id, "two")
        await self.settled(device)
        outcome = await device.conversations.edit(made.id, first.id, "three", version=1)
        self.assertEqual(outcome.error and outcome.error.code, "version_conflict")
        self.assertEqual(device.conversations.delivery(made.id), "failed")
        device.outbox[0].discard()
        self.assertEqual(contents(device, made.id), ["two"])

        large = device.conversations.append(made.id, {"role": "user", "content": "x" * 300_000})
        outcome = await large
        self.assertEqual(outcome.error and outcome.error.code, "too_large")
        with self.assertRaises(LockstepError):
            outcome.check()

    async def test_lists_and_windows_reach_back_to_the_first(self) -> None:
        device = await self.register()
        messages = [{"role": "user", "content": f"m{number}"} for number in range(150)]
        made = await device.call("POST", "/conversations", {"messages": messages})
        for _ in range(52):
            await device.call("POST", "/conversations", {})
        other = await self.sign_in()
        await self.settled(other)
        self.assertTrue(other.conversations.has_more())
        await other.conversations.load_more()
        self.assertEqual((len(titles(other)), other.conversations.has_more()), (53, False))
        await other.conversations.open(made["id"])
        self.assertEqual(len(contents(other, made["id"])), 100)
        await other.conversations.load_older(made["id"])
        self.assertEqual(contents(other, made["id"]), [f"m{number}" for number in range(150)])
        await device.conversations.append(made["id"], {"role": "user", "content": "m150"})
        await self.until(other, lambda: len(contents(other, made["id"])) == 151)

    async def test_a_reply_streams_to_every_device_and_any_of_them_stops_it(self) -> None:
        device = await self.register()
        other = await self.sign_in()
        made = device.conversations.create(messages=[{"role": "user", "content": "Tell me more"}])
        await made
        await device.conversations.open(made.id)
        await other.conversations.open(made.id)
        reply = device.conversations.reply(made.id)
        self.assertTrue((await reply).ok)

        def written() -> str:
            return contents(other, made.id)[-1] if len(contents(other, made.id)) == 2 else ""

        await self.until(other, written)
        await other.conversations.stop(made.id, reply.id)
        for client in (device, other):
            await self.until(client, lambda: _status(client, made.id) not in (None, "streaming"))
            await self.agrees(client, made.id)


def blocks_of_the_readme() -> list[str]:
    page = Path(os.environ["LOCKSTEP_README"]).read_text()
    return re.findall(r"```python\n(.*?)```", page, re.DOTALL)


def function_of_the_readme(name: str) -> Any:
    names: dict[str, Any] = {}
    exec(next(block for block in blocks_of_the_readme() if f"def {name}(" in block), names)
    return names[name]


class Readme(LockstepTest):
    async def test_the_program_of_the_readme_runs(self) -> None:
        owner = await self.register()
        made = await owner.call("POST", "/users/me/tokens", {"name": "Program"})
        program = blocks_of_the_readme()[0].replace("http://127.0.0.1:3000", ORIGIN)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            program,
            env={**os.environ, "TOKEN": made["token"]},
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate()
        self.assertEqual(output.decode(), f"Hello, {self.username}\ncomplete\n")
        self.assertEqual(titles(owner), ["From a program"])

    async def test_the_functions_of_the_readme_overwrite_a_title_and_keep_a_note(self) -> None:
        owner = await self.register()
        made = owner.conversations.create(title="First")
        await made
        await function_of_the_readme("rename")(owner, made.id, "Second", 7)
        await self.until(owner, lambda: owner.settled and titles(owner) == ["Second"])
        token = (await owner.call("POST", "/users/me/tokens", {"name": "Program"}))["token"]
        notes = await function_of_the_readme("keep_a_note")(ORIGIN, token)
        self.assertEqual(notes, [{"title": "Garden", "done": True}])


def _has_ended(client: Client, run_id: str) -> bool:
    run = client.agents.get(run_id)
    return run is not None and run["ended_at"] is not None


def _status(client: Client, conversation_id: str) -> str | None:
    conversation = client.conversations.get(conversation_id)
    return conversation["messages"][-1]["status"] if conversation else None


class OtherTopics(LockstepTest):
    async def test_preferences_runs_and_sessions_follow_to_every_device(self) -> None:
        phone = await self.register()
        laptop = await self.sign_in()
        self.assertTrue((await phone.preferences.set("theme", "dark")).ok)
        await self.until(laptop, lambda: laptop.preferences.get("theme") == "dark")
        await laptop.preferences.set("theme", None)
        await self.until(phone, lambda: phone.preferences.value == {})
        outcome = await phone.preferences.update({"a": 1}, if_version=1)
        self.assertEqual(outcome.error and outcome.error.code, "version_conflict")
        phone.outbox[0].discard()

        agent = phone.agents.agents[0]["id"]
        run = phone.agents.run(agent, "Hello")
        self.assertEqual(phone.agents.runs[0]["status"], "queued")
        self.assertTrue((await run).ok)
        await self.until(laptop, lambda: [one["id"] for one in laptop.agents.runs] == [run.id])
        await laptop.agents.stop(run.id)
        await self.until(phone, lambda: _has_ended(phone, run.id))
        stored = await phone.call("GET", f"/agent-runs/{run.id}")
        await self.until(laptop, lambda: laptop.agents.get(run.id) == stored)
        await phone.agents.delete(run.id)
        await self.until(laptop, lambda: laptop.agents.runs == [])

        await laptop.account.viewing(run.id)
        await self.until(
            phone, lambda: any(one.get("viewing") == run.id for one in phone.account.presence)
        )
        self.assertEqual([one["online"] for one in phone.account.sessions], [True, True])


if __name__ == "__main__":
    unittest.main()
