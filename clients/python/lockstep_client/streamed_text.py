"""Streamed text that the log doesn't have yet, by the message, part or run that it belongs to.

A piece may get lost, come twice or come out of order. So only text that follows the durable text
without a gap is shown, and durable text always wins.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from .parts import parts_of, put_part, recomposed
from .shapes import JsonObject
from .text import utf16_from, utf16_length, utf16_up_to

MAX_STREAMS: Final = 32
MAX_EARLY: Final = 200


@dataclass
class _Stream:
    run_id: str
    # `text` begins here.
    offset: int
    text: str = ""
    # Pieces that begin after the end of `text`.
    early: list[tuple[int, str]] = field(default_factory=list)

    @property
    def end(self) -> int:
        return self.offset + utf16_length(self.text)


class StreamedText:
    def __init__(self) -> None:
        self._streams: dict[tuple[str, str | None], _Stream] = {}

    def add(self, key: tuple[str, str | None], delta: JsonObject, durable: str) -> None:
        """Takes a piece. `durable` is the text that the log has."""
        stream = self._current(key, delta["run_id"], utf16_length(durable))
        offset = delta["offset"]
        if delta.get("thinking_ms") is not None and key[1] is None:
            # What was shown from here on was thinking.
            if offset < stream.end:
                stream.text = utf16_up_to(stream.text, max(0, offset - stream.offset))
                stream.early.clear()
            return
        if len(stream.early) < MAX_EARLY:
            stream.early.append((offset, delta["text"]))
        still_early: list[tuple[int, str]] = []
        for at, text in sorted(stream.early):
            if at > stream.end:
                still_early.append((at, text))
            elif at + utf16_length(text) > stream.end:
                stream.text += utf16_from(text, stream.end - at)
        stream.early = still_early

    def append(self, key: tuple[str, str | None], durable: str) -> str:
        """`durable`, followed by the streamed text."""
        stream = self._streams.get(key)
        length = utf16_length(durable)
        if stream is None or stream.offset > length or stream.end <= length:
            return durable
        return durable + utf16_from(stream.text, length - stream.offset)

    def end(self, entity_id: str) -> None:
        """The log has the whole text."""
        for key in [key for key in self._streams if key[0] == entity_id]:
            del self._streams[key]

    def clear(self) -> None:
        self._streams.clear()

    def shown(self, message: JsonObject) -> JsonObject:
        """A message that is being written, with what the log doesn't have of it yet."""
        content = self.append((message["id"], None), message["content"])
        streamed = [key[1] for key in self._streams if key[0] == message["id"] and key[1]]
        if not streamed and not message.get("parts"):
            return {**message, "content": content}
        parts = parts_of(message)
        for part_id in streamed:
            part = next((one for one in parts if one["id"] == part_id), None)
            # only reasoning is streamed before the log has its part
            part = part or {"id": part_id, "type": "reasoning", "text": ""}
            if part["type"] in ("text", "reasoning"):
                text = self.append((message["id"], part_id), part["text"])
                parts = put_part(parts, {**part, "text": text})
        added = utf16_from(content, utf16_length(message["content"]))
        if added != "":
            last = parts[-1] if parts else None
            if last is not None and last["type"] == "text":
                parts = put_part(parts, {**last, "text": last["text"] + added})
            else:
                unused = f"text-{len(parts) + 1}"
                parts = [*parts, {"id": unused, "type": "text", "text": added}]
        return recomposed(message, parts)

    def _current(self, key: tuple[str, str | None], run_id: str, durable: int) -> _Stream:
        """The stream of this run. It begins again at the end of the durable text if it must."""
        known = self._streams.get(key)
        is_same_run = known is not None and known.run_id == run_id
        if known is not None and is_same_run and known.offset <= durable <= known.end:
            return known
        early = known.early if known is not None and is_same_run else []
        self._streams.pop(key, None)
        self._streams[key] = stream = _Stream(run_id, durable, "", early)
        if len(self._streams) > MAX_STREAMS:
            del self._streams[next(iter(self._streams))]
        return stream
