"""What Mistral's dialect has apart from OpenAI's: names, strict messages, and content in pieces.

Source: docs.mistral.ai, API reference, "Chat Completion", "Embeddings"; "Reasoning" (thinking
chunks); mistral-common, "Tool calling and messages" (ids of tool calls).
"""

import hashlib
import re
from typing import Any

import msgspec
from msgspec import Raw

from tradewind.plugins.providers.base import Reader, TokenCounts
from tradewind.plugins.providers.dialects.loose_json import object_or_none, objects_of
from tradewind.plugins.providers.dialects.quirks import Quirks
from tradewind.wire.chat import Fields, encode
from tradewind.wire.decoding import UNREADABLE
from tradewind.wire.errors import ApiError
from tradewind.wire.sse import data_of, event_of, split_events

QUIRKS = Quirks(
    renames=(("max_completion_tokens", "max_tokens"), ("seed", "random_seed")),
    # It refuses members it does not know. These say who asks and how the answer is kept or paid,
    # never what it is.
    drops=frozenset(
        {
            "prompt_cache_retention",
            "safety_identifier",
            "store",
            "stream_options",
            "user",
            "verbosity",
        }
    ),
    takes_stream_options=False,
    knows_developer=False,
)
EMBEDDING_QUIRKS = Quirks(renames=(("dimensions", "output_dimension"),), drops=frozenset({"user"}))

_ID = re.compile(r"[a-zA-Z0-9]{9}")
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# Members of an answer that clients send back, and the dialect has no place for.
_ECHOES = ("annotations", "audio", "refusal", "reasoning", "reasoning_content", "function_call")
_IN_PIECES = re.compile(rb'"content": ?\[')


def change_messages(fields: Fields) -> None:
    """Make the messages such as the host takes. Raises ApiError 400 for what it has no form for."""
    if bytes(fields.get("tool_choice", b"")) == b'"required"':
        fields["tool_choice"] = Raw(b'"any"')
    try:
        messages = msgspec.json.decode(fields["messages"], type=list[dict[str, Any]])
    except UNREADABLE:
        raise ApiError(
            400,
            "Invalid 'messages': it is not a list of messages.",
            param="messages",
            code="invalid_value",
        ) from None
    for message in messages:
        if message.get("function_call"):
            raise ApiError(
                400,
                "This model's provider has no `function_call`; use `tool_calls`.",
                param="messages",
                code="unsupported_content",
            )
        for name in _ECHOES:
            message.pop(name, None)
        if message.get("role") != "tool":
            message.pop("name", None)
        if message.get("tool_calls") is None:
            message.pop("tool_calls", None)
        _change_ids(message)
    fields["messages"] = Raw(encode(messages))


def tool_id(text: str) -> str:
    """Return an id as the host takes it: 9 letters and digits. The same for the same text."""
    if _ID.fullmatch(text):
        return text
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    letters: list[str] = []
    for _ in range(9):
        number, place = divmod(number, len(_ALPHABET))
        letters.append(_ALPHABET[place])
    return "".join(letters)


def _change_ids(message: dict[str, Any]) -> None:
    called = message.get("tool_call_id")
    if isinstance(called, str):
        message["tool_call_id"] = tool_id(called)
    for call in objects_of(message.get("tool_calls")):
        if isinstance(call.get("id"), str):
            call["id"] = tool_id(call["id"])


class PlainContent:
    """Reads an answer through another reader, and makes content that comes in pieces (models that
    reason) the text and `reasoning_content` that clients know.
    """

    __slots__ = ("_extra", "_is_stream", "_reader")

    def __init__(self, reader: Reader, *, is_stream: bool) -> None:
        self._reader = reader
        self._is_stream = is_stream
        self._extra = 0

    @property
    def counts(self) -> TokenCounts:
        return self._reader.counts

    @property
    def output_events(self) -> int:
        return self._reader.output_events + self._extra

    def feed(self, data: bytes) -> bytes:
        events = self._reader.feed(data)
        if _IN_PIECES.search(events) is None:
            return events
        return b"".join(map(self._plain_event, split_events(events)))

    def finish(self) -> bytes:
        rest = self._reader.finish()
        if self._is_stream or _IN_PIECES.search(rest) is None:
            return rest
        return _plain(rest, "message")

    def _plain_event(self, event: bytes) -> bytes:
        if _IN_PIECES.search(event) is None:
            return event
        self._extra += 1
        return event_of(_plain(data_of(event), "delta"))


def _plain(data: bytes, place: str) -> bytes:
    try:
        answer = msgspec.json.decode(data, type=dict[str, Any])
    except UNREADABLE:
        return data
    for choice in objects_of(answer.get("choices")):
        message = object_or_none(choice.get(place))
        if message is None or not isinstance(message.get("content"), list):
            continue
        thoughts, texts = _split(message["content"])
        message["content"] = texts or None
        if thoughts:
            message["reasoning_content"] = thoughts
    return encode(answer)


def _split(pieces: Any) -> tuple[str, str]:
    """Return what was thought and what was said."""
    thoughts: list[str] = []
    texts: list[str] = []
    for piece in objects_of(pieces):
        if piece.get("type") == "thinking":
            thoughts.append(_split(piece.get("thinking"))[1])
        elif isinstance(piece.get("text"), str):
            texts.append(piece["text"])
    return "".join(thoughts), "".join(texts)
