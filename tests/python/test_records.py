"""Topic `records`: versions, conflicts, catch-up and the outbox are those of every other topic."""

from __future__ import annotations

import unittest
from typing import Any
from unittest.mock import patch

from lockstep_client import Client, LockstepError, new_id
from proxy import Proxy
from support import LockstepTest, event_of, frame_of

NOTES = ("note",)


class Records(LockstepTest):
    async def two_devices(self) -> tuple[Client, Proxy, Client]:
        """A device behind a line, the line, and another device."""
        line = await self.proxy()
        device = await self.register(line.url, records=NOTES)
        other = await self.sign_in(records=NOTES)
        await self.settled(device, other)
        return device, line, other

    async def holds(self, client: Client, *expected: Any) -> None:
        """The device shows these notes, and no others, as the server has them."""
        wanted = sorted(map(repr, expected))
        await self.until(client, lambda: client.settled and data_in_order(client) == wanted)
        stored = (await client.call("GET", "/records/note"))["items"]
        self.assertEqual(client.records.all("note"), stored)

    async def test_a_record_is_written_merged_and_deleted_on_every_device(self) -> None:
        phone, _, laptop = await self.two_devices()
        made = phone.records.put("note", {"title": "Garden", "done": False})
        self.assertEqual(data_of(phone), [{"title": "Garden", "done": False}])
        self.assertEqual((await made).version, 1)
        await self.until(laptop, lambda: data_of(laptop))
        patches = [
            phone.records.patch("note", made.id, {"done": True}),
            laptop.records.patch("note", made.id, {"color": "red"}),
        ]
        for issued in patches:
            self.assertTrue((await issued).ok)
        for client in (phone, laptop):
            await self.holds(client, {"title": "Garden", "done": True, "color": "red"})
        self.assertTrue((await laptop.records.delete("note", made.id)).ok)
        for client in (phone, laptop):
            await self.holds(client)
        again = phone.records.put("note", {"title": "Again"}, id=made.id)
        self.assertEqual((await again).version, 5)
        for client in (phone, laptop):
            await self.holds(client, {"title": "Again"})

    async def test_only_the_kinds_that_were_asked_for_are_held(self) -> None:
        writer = await self.register(records=["note", "folder"])
        with patch("lockstep_client.records.LIST_PAGE", 2):
            for number in range(5):
                writer.records.put("note", {"n": number}, id=new_id())
            folder = writer.records.put("folder", {"name": "Work"})
            await self.settled(writer)
            reader = await self.sign_in(records=NOTES)
            await self.holds(reader, *({"n": number} for number in range(5)))
        await writer.records.patch("folder", folder.id, {"name": "Home"})
        await writer.records.put("note", {"n": 5})
        await self.until(reader, lambda: len(data_of(reader)) == 6)
        self.assertEqual(reader.records.all("folder"), [])
        self.assertIsNone(reader.records.get("note", folder.id))
        with self.assertRaises(LockstepError) as caught:
            reader.records.put("folder", {})
        self.assertEqual(caught.exception.code, "invalid")
        nothing = await self.sign_in()
        await self.settled(nothing)
        self.assertIsNone(nothing.records.cursor)

    async def test_a_refused_command_shows_why_and_can_be_overwritten_or_discarded(self) -> None:
        device = await self.register(records=["note", "folder"])
        note = device.records.put("note", {"title": "First"})
        await note
        outcome = await device.records.put("note", {"title": "Mine"}, id=note.id, if_version=7)
        assert outcome.error is not None
        self.assertEqual(outcome.error.code, "version_conflict")
        self.assertEqual(outcome.error.problem["current"]["data"], {"title": "First"})
        self.assertEqual(data_of(device), [{"title": "First"}])
        self.assertEqual(device.records.delivery(note.id), "failed")
        device.outbox[0].retry(overwrite=True)
        await self.holds(device, {"title": "Mine"})
        self.assertEqual(device.records.delivery(note.id), "sent")

        missing = new_id()
        refused = {
            "id_taken": device.records.put("folder", {}, id=note.id),
            "not_found": device.records.patch("note", missing, {"a": 1}),
            "too_large": device.records.patch("note", note.id, {"text": "x" * 70_000}),
        }
        for code, issued in refused.items():
            outcome = await issued
            self.assertEqual(outcome.error and outcome.error.code, code)
        for item in device.outbox:
            item.discard()
        await self.holds(device, {"title": "Mine"})
        self.assertEqual((await device.records.delete("note", missing)).reason, "failed")

    async def test_client_1_lost_doubled_and_late_changes_are_made_up_for(self) -> None:
        device, line, other = await self.two_devices()
        late: list[str] = []
        count = 0

        def disturb(frame: str) -> list[str]:
            nonlocal count
            event = event_of(frame)
            if not event or event[:2] != ("records", "change"):
                return [frame]
            count += 1
            if count % 3 == 0:  # lost
                return []
            if count % 3 == 1:  # late
                late.append(frame)
                return []
            passed = [frame, frame, *late]
            late.clear()
            return passed

        line.down = disturb
        note = other.records.put("note", {"n": 0}, id=new_id())
        for number in range(1, 8):
            await other.records.patch("note", note.id, {"n": number})
        await self.holds(device, {"n": 7})
        self.assertEqual(count, 8)

    async def test_client_2_an_op_of_the_future_loads_the_record(self) -> None:
        device, line, other = await self.two_devices()
        rewritten: list[str] = []

        def rewrite(frame: str) -> list[str]:
            event = event_of(frame)
            if not event or event[:2] != ("records", "change") or rewritten:
                return [frame]
            rewritten.append(event[2]["op"])
            change = {**event[2], "op": "of_the_future", "data": {"kind": "note", "x": 1}}
            return [frame_of("records", "change", change)]

        line.down = rewrite
        await other.records.put("note", {"title": "Loaded"})
        await self.holds(device, {"title": "Loaded"})
        self.assertEqual(rewritten, ["put"])

    async def test_client_7_a_reset_and_another_epoch_load_the_records_again(self) -> None:
        device, line, other = await self.two_devices()
        await other.records.put("note", {"n": 1}, id=new_id())
        await self.holds(device, {"n": 1})
        for kind in ("reset", "epoch"):
            done: list[bool] = []

            def rewrite(frame: str) -> list[str]:
                event = event_of(frame)
                if not event or event[0] != "records" or done:
                    return [frame]
                if kind == "reset" and event[1] == "sync":
                    done.append(True)
                    return [frame_of("records", "sync", {**event[2], "reset": True, "changes": []})]
                if kind == "epoch" and event[1] == "change":
                    done.append(True)
                    return [frame_of("records", "change", {**event[2], "epoch": "another"})]
                return [frame]

            before = len(line.requests)
            line.down = rewrite
            if kind == "reset":
                line.cut()
            made = other.records.put("note", {"kind": kind})
            await self.holds(device, {"n": 1}, {"kind": kind})
            lists = [text for text in line.requests[before:] if "GET /records/note?" in text]
            self.assertEqual((done, len(lists)), ([True], 1))
            line.down = lambda frame: [frame]
            await other.records.delete("note", made.id)
            await self.holds(device, {"n": 1})

    async def test_an_offline_device_writes_and_catches_up_when_it_is_back(self) -> None:
        device, line, other = await self.two_devices()
        shared = device.records.put("note", {"title": "Shared", "a": 0})
        gone = device.records.put("note", {"title": "Gone"})
        await self.until(other, lambda: len(data_of(other)) == 2)
        line.is_open = False
        line.cut()
        await self.until(device, lambda: device.connection != "live")
        own = device.records.put("note", {"title": "Own"})
        merged = device.records.patch("note", shared.id, {"a": 1})
        # refused: the patch before it makes version 2
        conflict = device.records.delete("note", shared.id, if_version=1)
        self.assertEqual(device.records.delivery(own.id), "queued")
        shown = device.records.get("note", shared.id)
        self.assertEqual(shown and shown["data"], {"title": "Shared", "a": 1})
        await other.records.patch("note", shared.id, {"b": 1})
        await other.records.delete("note", gone.id)
        line.is_open = True
        device.reconnect()
        self.assertTrue((await own).ok and (await merged).ok)
        outcome = await conflict
        self.assertEqual(outcome.error and outcome.error.code, "version_conflict")
        device.outbox[0].discard()
        for client in (device, other):
            await self.holds(client, {"title": "Shared", "a": 1, "b": 1}, {"title": "Own"})
        await device.stop()
        self.assertEqual(data_of(device), [])


def data_in_order(client: Client) -> list[str]:
    """Ids that are made in the same millisecond are in no order."""
    return sorted(map(repr, data_of(client)))


def data_of(client: Client) -> list[Any]:
    return [record["data"] for record in client.records.all("note")]


if __name__ == "__main__":
    unittest.main()
