"""The client's rule of protocol/SPEC.md, on a line that loses, doubles, reorders, cuts and rewrites."""

from __future__ import annotations

import asyncio
import random
import unittest
from typing import Any

from lockstep_client import Client
from support import LockstepTest, contents, event_of, frame_of, titles


class Rules(LockstepTest):
    async def two_devices(self) -> tuple[Client, Any, Client, str]:
        """A device behind a line, the line, another device, and a conversation open on both."""
        line = await self.proxy()
        device = await self.register(line.url)
        other = await self.sign_in()
        conversation_id = device.conversations.create(title="Shared").id
        await self.settled(device)
        await device.conversations.open(conversation_id)
        await other.conversations.open(conversation_id)
        return device, line, other, conversation_id

    async def test_client_1_a_lost_change_is_requested(self) -> None:
        device, line, other, conversation_id = await self.two_devices()
        lost: list[Any] = []

        def lose_first(frame: str) -> list[str]:
            event = event_of(frame)
            if event and event[:2] == ("conversations", "change") and not lost:
                lost.append(event[2])
                return []
            return [frame]

        line.down = lose_first
        for text in ("one", "two"):
            await other.conversations.append(conversation_id, {"role": "user", "content": text})
        await self.until(device, lambda: contents(device, conversation_id) == ["one", "two"])
        self.assertEqual(len(lost), 1)
        await self.agrees(device, conversation_id)

    async def test_client_1_doubled_and_reordered_changes_apply_once_and_in_order(self) -> None:
        device, line, other, conversation_id = await self.two_devices()
        seed = random.randrange(2**32)
        print(f"seed {seed}")
        chance = random.Random(seed)
        late: list[str] = []

        def disturb(frame: str) -> list[str]:
            event = event_of(frame)
            if not event or event[1] not in ("change", "head"):
                return [frame]
            passed = [frame] * chance.choice([0, 1, 1, 2]) + (late if chance.random() < 0.5 else [])
            if passed and passed[-1:] == late[-1:]:
                late.clear()
            if chance.random() < 0.3:
                late.append(frame)
            return passed

        line.down = disturb
        expected = [f"message {number}" for number in range(40)]
        for text in expected:
            await other.conversations.append(conversation_id, {"role": "user", "content": text})
        line.down = lambda frame: [frame]
        await other.conversations.update(conversation_id, title="Last")
        await self.until(device, lambda: titles(device) == ["Last"])
        await self.until(device, lambda: contents(device, conversation_id) == expected)
        await self.agrees(device, conversation_id)

    async def test_client_2_an_unknown_op_and_a_jump_of_the_version_load_the_entity(self) -> None:
        for field, value in (("op", "of_the_future"), ("version", 40)):
            with self.subTest(field):
                await self._loads_after(field, value)

    async def _loads_after(self, field: str, value: Any) -> None:
        self.username += field
        device, line, other, conversation_id = await self.two_devices()
        done: list[bool] = []

        def rewrite(frame: str) -> list[str]:
            event = event_of(frame)
            if event and event[:2] == ("conversations", "change") and not done:
                done.append(True)
                version = 2 if field == "op" else 1
                if field == "version":
                    # the change before this one never existed for the device
                    held = device.conversations.get(conversation_id)
                    assert held is not None
                    version = held["version"] + 2
                change = {**event[2], field: value if field == "op" else version}
                return [frame_of("conversations", "change", change)]
            return [frame]

        line.down = rewrite
        before = len(line.requests)
        await other.conversations.append(conversation_id, {"role": "user", "content": "new"})
        await other.conversations.append(conversation_id, {"role": "user", "content": "newer"})
        await self.until(device, lambda: contents(device, conversation_id) == ["new", "newer"])
        loads = [line for line in line.requests[before:] if f"/conversations/{conversation_id}" in line]
        self.assertGreaterEqual(len(loads), 1)
        await self.agrees(device, conversation_id)

    async def test_client_2_an_entity_that_is_not_held_is_loaded(self) -> None:
        other = await self.register()
        unseen = other.conversations.create(title="In the archive")
        await other.conversations.update(unseen.id, archived=True)
        device = await self.sign_in()
        self.assertEqual(titles(device, "archived"), [])
        await other.conversations.update(unseen.id, pinned=True)
        await self.until(device, lambda: titles(device, "archived") == ["In the archive"])
        held = device.conversations.summaries("archived")[0]
        self.assertEqual((held["pinned"], held["version"]), (True, 3))

    async def test_client_3_changes_that_arrive_during_a_load_are_applied_after_it(self) -> None:
        device, line, other, conversation_id = await self.two_devices()
        device.conversations.close(conversation_id)
        release = line.held[f"GET /conversations/{conversation_id}"] = asyncio.Event()
        opening = asyncio.create_task(device.conversations.open(conversation_id))
        await asyncio.sleep(0)
        start = device.conversations.cursor
        assert start is not None
        goal = start["seq"] + 2
        await other.conversations.append(conversation_id, {"role": "user", "content": "meanwhile"})
        await other.conversations.append(conversation_id, {"role": "user", "content": "and again"})
        await self.until(device, lambda: reached(device, goal))
        release.set()
        await opening
        await self.until(
            device, lambda: contents(device, conversation_id) == ["meanwhile", "and again"]
        )
        await self.agrees(device, conversation_id)

    async def test_client_4_a_command_shows_before_its_ack_and_is_rebased_on_each_change(self) -> None:
        device, line, other, conversation_id = await self.two_devices()
        line.is_open = False
        line.cut()
        await self.until(device, lambda: device.connection != "live")
        mine = device.conversations.append(conversation_id, {"role": "user", "content": "mine"})
        device.conversations.update(conversation_id, title="Mine")
        self.assertEqual(contents(device, conversation_id), ["mine"])
        self.assertEqual(titles(device), ["Mine"])
        self.assertEqual(device.conversations.delivery(conversation_id, mine.id), "queued")
        await other.conversations.append(conversation_id, {"role": "user", "content": "theirs"})
        line.is_open = True
        device.reconnect()
        self.assertTrue((await mine).ok)
        await self.settled(device, other)
        for client in (device, other):
            self.assertEqual(contents(client, conversation_id), ["theirs", "mine"])
            self.assertEqual(titles(client), ["Mine"])

    async def test_client_5_an_own_change_shows_once_before_and_after_its_ack(self) -> None:
        device, line, _, conversation_id = await self.two_devices()
        for late in ("ack", "change"):
            kept: list[str] = []
            has_kept, ends = asyncio.Event(), asyncio.Event()

            def hold(frame: str) -> list[str]:
                event = event_of(frame)
                is_change = event is not None and event[1] == "change"
                is_late = is_change if late == "change" else frame.startswith("43/conversations")
                if is_late and not ends.is_set():
                    kept.append(frame)
                    has_kept.set()
                    return []
                passed = [frame, *kept]
                kept.clear()
                return passed

            line.down = hold
            sent = device.conversations.append(conversation_id, {"role": "user", "content": late})
            await has_kept.wait()
            self.assertEqual(contents(device, conversation_id).count(late), 1)
            ends.set()
            # what was kept arrives with the next frame
            await device.conversations.update(conversation_id, pinned=late == "ack")
            self.assertTrue((await sent).ok)
            line.down = lambda frame: [frame]
            await self.settled(device)
            self.assertEqual(contents(device, conversation_id).count(late), 1)
        await self.agrees(device, conversation_id)

    async def test_client_6_a_command_keeps_its_mutation_id_through_every_retry(self) -> None:
        device, line, other, conversation_id = await self.two_devices()
        sent: list[str] = []

        def lose_twice(frame: str) -> list[str]:
            event = event_of(frame)
            if not event or event[1] != "append":
                return [frame]
            sent.append(event[2]["mutation_id"])
            if len(sent) > 2:
                return [frame]
            line.cut()
            return []

        line.up = lose_twice
        issued = device.conversations.append(conversation_id, {"role": "user", "content": "once"})
        self.assertTrue((await issued).ok)
        await self.settled(device)
        self.assertEqual(sent, [issued.mutation_id] * 3)
        await other.conversations.update(conversation_id, title="Last")
        await self.until(device, lambda: titles(device) == ["Last"])
        self.assertEqual(contents(other, conversation_id), ["once"])
        await self.agrees(device, conversation_id)

    async def test_client_7_a_reset_and_another_epoch_load_the_topic_again(self) -> None:
        device, line, other, conversation_id = await self.two_devices()
        for kind in ("reset", "epoch"):
            done: list[bool] = []

            def rewrite(frame: str) -> list[str]:
                event = event_of(frame)
                if not event or event[0] != "conversations" or done:
                    return [frame]
                if kind == "reset" and event[1] == "sync":
                    done.append(True)
                    return [frame_of("conversations", "sync", {**event[2], "reset": True})]
                if kind == "epoch" and event[1] == "change":
                    done.append(True)
                    change = {**event[2], "epoch": "another"}
                    return [frame_of("conversations", "change", change)]
                return [frame]

            before = len(line.requests)
            line.down = rewrite
            if kind == "reset":
                line.cut()
            await other.conversations.append(conversation_id, {"role": "user", "content": kind})
            await self.until(device, lambda: kind in contents(device, conversation_id))
            lists = [text for text in line.requests[before:] if "GET /conversations?" in text]
            self.assertEqual((done, len(lists)), ([True], 1))
            line.down = lambda frame: [frame]
            await self.settled(device)
            await self.agrees(device, conversation_id)

    async def test_client_8_a_revoked_session_and_another_user_drop_state_and_outbox(self) -> None:
        device, line, other, _ = await self.two_devices()
        line.up = lambda frame: [] if '"create"' in frame else [frame]
        waiting = device.conversations.create(title="Never sent")
        own = next(one for one in device.account.sessions if one["current"])
        await other.account.revoke(own["id"])
        await self.until(device, lambda: device.state == "signed_out")
        self.assertEqual((await waiting).reason, "dropped")
        self.assertEqual((titles(device), device.outbox, device.user), ([], (), None))

        stranger = await self.client()
        await stranger.register(f"{self.username}-b", "another good pass phrase")
        tokens = [(await other.call("POST", "/users/me/tokens", {"name": "a"}))["token"]]
        program = await self.client(line.url, token=lambda: tokens[-1])
        await program.start()
        await self.until(program, lambda: program.connection == "live" and titles(program))
        made = await stranger.call("POST", "/users/me/tokens", {"name": "b"})
        tokens.append(made["token"])
        line.cut()
        await self.until(program, lambda: program.state == "signed_out")
        self.assertEqual(titles(program), [])
        self.assertEqual(program.error and program.error.code, "unauthenticated")

    async def test_client_9_without_a_websocket_it_works_over_http_and_says_so(self) -> None:
        line = await self.proxy()
        line.passes_sockets = False
        other = await self.register()
        device = await self.sign_in(line.url)
        self.assertEqual(device.connection, "polling")
        sent = device.conversations.create(title="Over HTTP")
        self.assertTrue((await sent).ok)
        await self.until(other, lambda: titles(other) == ["Over HTTP"])
        await other.conversations.update(sent.id, title="From the other")
        await self.until(device, lambda: titles(device) == ["From the other"])
        line.passes_sockets = True
        await self.until(device, lambda: device.connection == "live")
        await other.conversations.update(sent.id, title="Live")
        await self.until(device, lambda: titles(device) == ["Live"])


def reached(client: Client, seq: int) -> bool:
    cursor = client.conversations.cursor
    return cursor is not None and cursor["seq"] >= seq


if __name__ == "__main__":
    unittest.main()
