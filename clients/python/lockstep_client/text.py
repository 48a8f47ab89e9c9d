"""Strings as the wire measures them: offsets and lengths count UTF-16 code units."""

from __future__ import annotations

from typing import Final

PREVIEW_MAX: Final = 140


def utf16_length(text: str) -> int:
    """How many UTF-16 units the text has: what JavaScript calls its length."""
    if text.isascii():
        return len(text)
    return len(text) + sum(1 for character in text if character > "\uffff")


def utf16_from(text: str, start: int) -> str:
    """The text from this unit on. A negative `start` counts from the end, as in JavaScript."""
    if text.isascii():
        return text[start:]
    units = text.encode("utf-16-le", "surrogatepass")
    at = 2 * start if start >= 0 else max(0, len(units) + 2 * start)
    return units[at:].decode("utf-16-le", "surrogatepass")


def utf16_up_to(text: str, end: int) -> str:
    """The first `end` units of the text."""
    if text.isascii():
        return text[:end]
    return text.encode("utf-16-le", "surrogatepass")[: 2 * end].decode("utf-16-le", "surrogatepass")


def byte_length(text: str) -> int:
    """Bytes of the text in UTF-8."""
    return len(text.encode("utf-8", "surrogatepass"))


def extend(content: str, offset: int, text: str) -> str:
    """`content` with `text` at `offset`.

    Only text beyond the present end is added, so a repeated piece of text changes nothing.
    """
    length = utf16_length(content)
    return content + utf16_from(text, length - offset) if offset <= length else content


def preview_in(conversation: object, content: str) -> str:
    """The preview of a conversation whose last message has this content."""
    is_encrypted = isinstance(conversation, dict) and conversation.get("encryption")
    return "" if is_encrypted else content[:PREVIEW_MAX]
