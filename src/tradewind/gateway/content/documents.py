r"""Turns a body into a redacted JSON document of bounded size. Pure.

Redaction looks at decoded strings, where an escape (`\u0040`) hides nothing, and encodes what is
left anew, so a document stays valid JSON. A string that is JSON itself, as the arguments of a tool
call are, is treated the same way inside.
"""

from typing import Any, NamedTuple, cast

import msgspec

from tradewind.gateway.content.redaction import (
    LONGEST_SECRET,
    base64_bytes,
    blob_mark,
    is_base64,
    redact,
)
from tradewind.plugins.checks.checksums import is_card_number
from tradewind.wire.decoding import UNREADABLE

MOST_BYTES = 256 * 1024
"""Of one document, encoded."""
MOST_READ_BYTES = 4 * 1024 * 1024
"""Larger bodies are not decoded: that would hold up the gateway's other thread for long."""
_MOST_DEPTH = 64
_MOST_NESTED = 3
_MOST_NUMBERS = 64
_MEDIA_TYPES = ("media_type", "mimeType", "mime_type")
_CUT = " [cut]"
_OF_A_VALUE = 4
"""Bytes that a value costs besides its own: quotes, comma, colon."""
_encode = msgspec.json.Encoder().encode


class Document(NamedTuple):
    """Redacted JSON."""

    json: bytes
    is_truncated: bool = False


def document_of(body: bytes, media_type: str) -> Document:
    """Return the document of a body as a client sent it, or got it in one piece."""
    if len(body) > MOST_READ_BYTES:
        return mark_of(media_type, len(body), is_truncated=True)
    try:
        value: Any = msgspec.json.decode(body)
    except UNREADABLE:
        if not media_type.startswith("text/"):
            return mark_of(media_type, len(body))
        value = body.decode(errors="replace")
    return document_of_value(value)


def document_of_value(value: Any, *, is_truncated: bool = False) -> Document:
    """Return the document of a decoded value."""
    redacting = _Redacting(MOST_BYTES)
    json = _encode(redacting.value(value, 0, ""))
    return Document(json, is_truncated or redacting.is_truncated)


def mark_of(media_type: str, size: int, *, is_truncated: bool = False) -> Document:
    """Return what stands for a body that is not kept itself."""
    kind = media_type.partition(";")[0].strip()[:100] or "unknown type"
    return Document(_encode(blob_mark(redact(kind), size)), is_truncated)


class _Redacting:
    """Copies one value. `room` is how many bytes may still be written."""

    def __init__(self, room: int, nested: int = 0) -> None:
        self.room = room
        self.is_truncated = False
        self._nested = nested

    def value(self, value: Any, depth: int, media_type: str) -> Any:
        """Return the copy; `media_type` is what the object around says of its data."""
        self.room -= _OF_A_VALUE
        if isinstance(value, str):
            return self._text(value, media_type)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int | float):
            return self._number(value)
        if depth >= _MOST_DEPTH:
            self.is_truncated = True
            return "[nested too deeply]"
        if isinstance(value, dict):
            return self._object(cast("dict[str, Any]", value), depth)
        assert isinstance(value, list), "JSON has no other values"
        return self._array(cast("list[Any]", value), depth)

    def _object(self, members: dict[str, Any], depth: int) -> dict[str, Any]:
        kind = next((members[name] for name in _MEDIA_TYPES if name in members), "")
        media_type = kind if isinstance(kind, str) and len(kind) <= 100 else ""
        copy: dict[str, Any] = {}
        for name, value in members.items():
            if self.room <= 0:
                self.is_truncated = True
                break
            copy[self._text(name, "")] = self.value(value, depth + 1, media_type)
        return copy

    def _array(self, items: list[Any], depth: int) -> Any:
        if len(items) > _MOST_NUMBERS and all(isinstance(item, int | float) for item in items):
            return f"[{len(items)} numbers]"  # an embedding
        copy: list[Any] = []
        for item in items:
            if self.room <= 0:
                self.is_truncated = True
                break
            copy.append(self.value(item, depth + 1, ""))
        return copy

    def _number(self, number: float) -> Any:
        # Of any length, and telling a long integer's digits takes time that grows with its square.
        is_long = isinstance(number, int) and number.bit_length() > 64
        text = "[long number]" if is_long else str(number)
        self.room -= len(text)
        if is_long:
            return text
        is_card = isinstance(number, int) and is_card_number(text)
        return "[card number]" if is_card else number

    def _text(self, text: str, media_type: str) -> str:
        if is_base64(text):
            text = blob_mark(redact(media_type) or "base64", base64_bytes(text))
        room = max(0, self.room)
        is_cut = len(text) > room
        redacted = self._nested_document(text)
        if redacted is None:
            redacted = redact(text[: room + LONGEST_SECRET] if is_cut else text)
        kept = _fit(redacted, room)
        if is_cut or len(kept) < len(redacted):
            self.is_truncated = True
            kept += _CUT
        self.room -= len(_encode(kept))
        return kept

    def _nested_document(self, text: str) -> str | None:
        """Return the redacted form of a text that is a JSON object or array, else None."""
        if self._nested >= _MOST_NESTED or text.lstrip()[:1] not in ("{", "["):
            return None
        try:
            value: Any = msgspec.json.decode(text)
        except (*UNREADABLE, UnicodeEncodeError):
            return None
        if not isinstance(value, dict | list):
            return None
        inner = _Redacting(max(0, self.room), self._nested + 1)
        copy: Any = inner.value(value, 0, "")
        self.is_truncated = self.is_truncated or inner.is_truncated
        return _encode(copy).decode()


def _fit(text: str, room: int) -> str:
    """Return the start of a text that takes no more than `room` bytes encoded."""
    text = text[:room]
    while (size := len(_encode(text))) > room + 2 and text:
        text = text[: min(len(text) - 1, len(text) * room // size)]
    return text
