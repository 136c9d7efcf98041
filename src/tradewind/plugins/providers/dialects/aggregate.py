"""Puts a stream of chat events together into one whole answer."""

from collections.abc import Callable
from typing import Any

import msgspec

from tradewind.plugins.providers.base import Reader, TokenCounts
from tradewind.plugins.providers.dialects.openai import (
    MOST_ANSWER_BYTES,
    broken_answer,
    usage_object,
)
from tradewind.wire.chat import encode
from tradewind.wire.decoding import UNREADABLE
from tradewind.wire.sse import DONE, data_of, event_of, split_events


class Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class ToolCall(msgspec.Struct, omit_defaults=True):
    """A call, or a piece of one in a stream, where `index` tells which it belongs to."""

    id: str | None = None
    type: str = ""
    function: Function = msgspec.field(default_factory=Function)
    index: int | None = None


class LogProbs(msgspec.Struct):
    content: list[msgspec.Raw] | None = None


class Message(msgspec.Struct):
    """A message, or a piece of one in a stream."""

    role: str | None = None
    content: str | None = None
    reasoning_content: str | msgspec.UnsetType | None = msgspec.UNSET
    tool_calls: list[ToolCall] | msgspec.UnsetType | None = msgspec.UNSET


class Choice(msgspec.Struct):
    """One whole choice of an answer."""

    index: int
    message: Message
    logprobs: LogProbs | None = None
    finish_reason: str | None = None


class AggregatedAnswer:
    """Reads a stream through another reader, hands out the whole at the end.

    `finish` may change each choice before it goes out. With `as_stream` the whole goes out as
    events.
    """

    __slots__ = ("_as_stream", "_choices", "_finish", "_head", "_shows_usage", "_size", "_stream")

    def __init__(
        self,
        stream: Reader,
        *,
        as_stream: bool,
        shows_usage: bool,
        finish: Callable[[Choice], None] | None,
    ) -> None:
        self._stream = stream
        self._as_stream = as_stream
        self._shows_usage = shows_usage
        self._finish = finish
        self._head: dict[str, Any] = {}
        self._choices: dict[int, Choice] = {}
        self._size = 0

    @property
    def counts(self) -> TokenCounts:
        return self._stream.counts

    @property
    def output_events(self) -> int:
        return self._stream.output_events

    def feed(self, data: bytes) -> bytes:
        self._size += len(data)
        if self._size > MOST_ANSWER_BYTES:
            raise broken_answer()
        for event in split_events(self._stream.feed(data)):
            # Comments have no data: hosts send them so that a waiting client hears something.
            if data := data_of(event):
                self._add(data)
        return b""

    def finish(self) -> bytes:
        self._stream.finish()
        choices = [self._choices[index] for index in sorted(self._choices)]
        if not choices:
            raise broken_answer()
        for choice in choices:
            if self._finish is not None:
                self._finish(choice)
        return self._events(choices) if self._as_stream else self._whole(choices)

    def _add(self, data: bytes) -> None:
        try:
            event = msgspec.json.decode(data, type=_Event)
        except UNREADABLE:
            raise broken_answer() from None
        if not self._head:
            self._head = {
                "id": event.id,
                "created": event.created,
                "model": event.model,
                "system_fingerprint": event.system_fingerprint,
            }
        for piece in event.choices:
            choice = self._choices.setdefault(
                piece.index, Choice(piece.index, Message(role="assistant"))
            )
            _add_piece(choice, piece)

    def _whole(self, choices: list[Choice]) -> bytes:
        usage = usage_object(self.counts)
        return encode(
            {**self._head, "object": "chat.completion", "choices": choices, "usage": usage}
        )

    def _events(self, choices: list[Choice]) -> bytes:
        head = {**self._head, "object": "chat.completion.chunk"}
        events: list[dict[str, Any]] = []
        for choice in choices:
            for index, call in enumerate(choice.message.tool_calls or ()):
                call.index = index
            whole = _Piece(choice.index, choice.message, choice.logprobs)
            ending = _Piece(choice.index, Message(), None, choice.finish_reason)
            events += [{**head, "choices": [whole]}, {**head, "choices": [ending]}]
        if self._shows_usage:
            events.append({**head, "choices": [], "usage": usage_object(self.counts)})
        return b"".join(event_of(encode(event)) for event in events) + DONE


class _Piece(msgspec.Struct):
    index: int
    delta: Message = msgspec.field(default_factory=Message)
    logprobs: LogProbs | None = None
    finish_reason: str | None = None


class _Event(msgspec.Struct):
    id: str = ""
    created: int = 0
    model: str = ""
    system_fingerprint: str | None = None
    choices: list[_Piece] = msgspec.field(default_factory=list[_Piece])


def _add_piece(choice: Choice, piece: _Piece) -> None:
    message, delta = choice.message, piece.delta
    if delta.content is not None:
        message.content = (message.content or "") + delta.content
    if delta.reasoning_content:
        message.reasoning_content = (message.reasoning_content or "") + delta.reasoning_content
    for call in delta.tool_calls or ():
        message.tool_calls = message.tool_calls or []
        _add_tool_call(message.tool_calls, call)
    if piece.logprobs is not None:
        former = choice.logprobs.content if choice.logprobs is not None else None
        choice.logprobs = LogProbs([*(former or ()), *(piece.logprobs.content or ())])
    choice.finish_reason = piece.finish_reason or choice.finish_reason


def _add_tool_call(calls: list[ToolCall], piece: ToolCall) -> None:
    index = piece.index or 0
    if not 0 <= index <= len(calls):
        raise broken_answer()
    if index == len(calls):
        calls.append(ToolCall(id="", type="function", function=Function("", "")))
    call = calls[index]
    call.id = (call.id or "") + (piece.id or "")
    call.function.name = (call.function.name or "") + (piece.function.name or "")
    call.function.arguments = (call.function.arguments or "") + (piece.function.arguments or "")
