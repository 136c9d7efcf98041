"""Answers of Amazon Bedrock's Converse, ConverseStream and Titan embeddings, read into the common
form.

Sources: docs.aws.amazon.com, Amazon Bedrock API Reference, "Converse", "ConverseStreamOutput",
"TokenUsage"; User Guide, "Prompt caching": `inputTokens` are those that were neither read from the
cache nor written to it.
"""

import base64
import struct
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw

from tradewind.plugins.providers.base import TokenCounts
from tradewind.plugins.providers.dialects.chat_answers import (
    ChunkWriter,
    FinishReason,
    whole_answer,
)
from tradewind.plugins.providers.dialects.event_stream import Malformed, Message, MessageCutter
from tradewind.plugins.providers.dialects.openai import WholeBody, estimated_tokens
from tradewind.plugins.providers.dialects.refusals import (
    Told,
    broken_answer,
    caller_error,
    failed_answer,
)
from tradewind.plugins.providers.dialects.refusals import read as read_error
from tradewind.wire.chat import encode
from tradewind.wire.decoding import UNREADABLE
from tradewind.wire.errors import ApiError
from tradewind.wire.sse import DONE

_REASONS: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
    # The model wrote what cannot be read as a call; what it wrote is what there is.
    "malformed_model_output": "stop",
    "malformed_tool_use": "stop",
}
# The status that each exception has when it comes instead of a stream.
_STATUSES = {
    "internalServerException": 500,
    "modelStreamErrorException": 424,
    "validationException": 400,
    "throttlingException": 429,
    "serviceUnavailableException": 503,
}
_MOST_TOOL_CALLS = 1024
_Count = Annotated[int, Meta(ge=0)]


class _Usage(msgspec.Struct, frozen=True, rename="camel"):
    input_tokens: _Count | None = None
    output_tokens: _Count | None = None
    cache_read_input_tokens: _Count | None = None
    cache_write_input_tokens: _Count | None = None


class _ToolUse(msgspec.Struct, frozen=True, rename="camel"):
    tool_use_id: str = ""
    name: str = ""
    input: Raw = Raw(b"{}")


class _ReasoningText(msgspec.Struct, frozen=True):
    text: str = ""


class _Reasoning(msgspec.Struct, frozen=True, rename="camel"):
    reasoning_text: _ReasoningText | None = None


class _Block(msgspec.Struct, frozen=True, rename="camel"):
    text: str | None = None
    tool_use: _ToolUse | None = None
    reasoning_content: _Reasoning | None = None


class _Message(msgspec.Struct, frozen=True):
    content: list[_Block] = []


class _Output(msgspec.Struct, frozen=True):
    message: _Message


class _Answer(msgspec.Struct, frozen=True, rename="camel"):
    output: _Output
    stop_reason: str
    usage: _Usage | None = None


class _ToolUsePiece(msgspec.Struct, frozen=True, rename="camel"):
    tool_use_id: str = ""
    name: str = ""
    input: str = ""


class _ReasoningPiece(msgspec.Struct, frozen=True):
    text: str | None = None


class _Piece(msgspec.Struct, frozen=True, rename="camel"):
    text: str | None = None
    tool_use: _ToolUsePiece | None = None
    reasoning_content: _ReasoningPiece | None = None


class _Event(msgspec.Struct, frozen=True, rename="camel"):
    content_block_index: int | None = None
    start: _Piece | None = None
    delta: _Piece | None = None
    stop_reason: str | None = None
    usage: _Usage | None = None


_decode_answer = msgspec.json.Decoder(_Answer).decode
_decode_event = msgspec.json.Decoder(_Event).decode


def counts_of(usage: _Usage | None) -> TokenCounts:
    if usage is None:
        return TokenCounts()
    fresh, cached, written = (
        usage.input_tokens,
        usage.cache_read_input_tokens,
        usage.cache_write_input_tokens,
    )
    read = None if fresh is None else fresh + (cached or 0) + (written or 0)
    return TokenCounts(read, cached, usage.output_tokens, written)


class ConverseAnswer:
    """Reads a whole answer."""

    __slots__ = ("_body", "_created", "_id", "_name", "counts", "output_events")

    def __init__(self, name: str, answer_id: str, created: int) -> None:
        """`answer_id` is ours: Converse gives its answers none."""
        self.output_events = 0
        self._body = WholeBody()
        self._name = name
        self._id = answer_id
        self._created = created
        self.counts = TokenCounts()

    def feed(self, data: bytes) -> bytes:
        self._body.add(data)
        return b""

    def finish(self) -> bytes:
        try:
            answer = _decode_answer(self._body.content())
        except UNREADABLE:
            raise broken_answer() from None
        self.counts = counts_of(answer.usage)
        message = _message_of(answer.output.message)
        if self.counts.output_tokens is None:
            self.output_events = estimated_tokens(encode(message).decode())
        return whole_answer(
            self._name,
            self._id,
            self._created,
            message,
            reason=_REASONS.get(answer.stop_reason, "stop"),
            counts=self.counts,
        )


class ConverseStream:
    """Reads a streamed answer. It has ended well when its `messageStop` came; `metadata` with the
    usage comes behind.
    """

    __slots__ = (
        "_calls",
        "_cutter",
        "_failure",
        "_id",
        "_is_ended",
        "_shows_usage",
        "_writer",
        "counts",
        "output_events",
    )

    def __init__(self, name: str, answer_id: str, created: int, *, shows_usage: bool) -> None:
        self._cutter = MessageCutter()
        self._writer = ChunkWriter(name, created)
        self._id = answer_id
        self._shows_usage = shows_usage
        self._calls: dict[int, int] = {}
        self._failure: ApiError | None = None
        self._is_ended = False
        self.counts = TokenCounts()
        self.output_events = 0

    def feed(self, data: bytes) -> bytes:
        if self._failure is not None:
            raise self._failure
        written = b""
        try:
            for message in self._cutter.feed(data):
                written += self._read(message)
        except Malformed:
            self._failure = broken_answer()
        except ApiError as error:
            self._failure = error
        if self._failure is not None and not written:
            raise self._failure
        # What came before it in the same read is still the client's, and is billed.
        return written

    def finish(self) -> bytes:
        if self._failure is not None:
            raise self._failure
        if not self._is_ended or self._cutter.rest():
            raise broken_answer()
        if self._shows_usage:
            return self._writer.usage(self.counts) + DONE
        return DONE

    def _read(self, message: Message) -> bytes:
        match message.headers.get(":message-type"):
            case "event":
                return self._event(message.headers.get(":event-type", ""), message.payload)
            case "exception":
                kind = message.headers.get(":exception-type", "")
                raise caller_error(_STATUSES.get(kind, 500), read_error(message.payload))
            case "error":
                raise failed_answer(Told())
            case _:
                raise broken_answer()

    def _event(self, kind: str, payload: bytes) -> bytes:
        try:
            event = _decode_event(payload)
        except UNREADABLE:
            raise broken_answer() from None
        begun = self._writer.begin(self._id)
        match kind:
            case "contentBlockStart":
                return begun + self._start(event)
            case "contentBlockDelta":
                return begun + self._delta(event)
            case "messageStop" if not self._is_ended:
                self._is_ended = True
                return begun + self._writer.finish(_REASONS.get(event.stop_reason or "", "stop"))
            case "metadata":
                self.counts = counts_of(event.usage)
                return begun
            case _:
                return begun

    def _start(self, event: _Event) -> bytes:
        tool = event.start.tool_use if event.start is not None else None
        if tool is None:
            return b""
        if len(self._calls) == _MOST_TOOL_CALLS:
            raise broken_answer()
        index = self._calls[event.content_block_index or 0] = len(self._calls)
        self.output_events += 1
        return self._writer.tool_start(index, tool.tool_use_id, tool.name)

    def _delta(self, event: _Event) -> bytes:
        delta = event.delta
        if delta is None:
            return b""
        if delta.text:
            self.output_events += 1
            return self._writer.text(delta.text)
        if delta.tool_use is not None:
            index = self._calls.get(event.content_block_index or 0)
            if index is None:
                raise broken_answer()
            if not delta.tool_use.input:
                return b""
            self.output_events += 1
            return self._writer.tool_arguments(index, delta.tool_use.input)
        if delta.reasoning_content is not None and delta.reasoning_content.text:
            self.output_events += 1
            return self._writer.reasoning(delta.reasoning_content.text)
        return b""


class TitanEmbedding:
    """Reads one embedding into OpenAI's list."""

    __slots__ = ("_body", "_is_base64", "_name", "counts")

    output_events = 0

    def __init__(self, name: str, *, is_base64: bool) -> None:
        self._body = WholeBody()
        self._name = name
        self._is_base64 = is_base64
        self.counts = TokenCounts()

    def feed(self, data: bytes) -> bytes:
        self._body.add(data)
        return b""

    def finish(self) -> bytes:
        try:
            answer = msgspec.json.decode(self._body.content(), type=_Embedded)
        except UNREADABLE:
            raise broken_answer() from None
        read = answer.input_text_token_count
        self.counts = TokenCounts(read, None, 0)
        found: Any = answer.embedding
        if self._is_base64:
            packed = struct.pack(f"<{len(answer.embedding)}f", *answer.embedding)
            found = base64.b64encode(packed).decode()
        return encode(
            {
                "object": "list",
                "data": [{"object": "embedding", "index": 0, "embedding": found}],
                "model": self._name,
                "usage": {"prompt_tokens": read or 0, "total_tokens": read or 0},
            }
        )


class _Embedded(msgspec.Struct, frozen=True, rename="camel"):
    embedding: list[float]
    input_text_token_count: _Count | None = None


def _message_of(message: _Message) -> dict[str, Any]:
    texts = [block.text for block in message.content if block.text]
    thoughts = [
        block.reasoning_content.reasoning_text.text
        for block in message.content
        if block.reasoning_content is not None
        and block.reasoning_content.reasoning_text is not None
    ]
    calls = [block.tool_use for block in message.content if block.tool_use is not None]
    found: dict[str, Any] = {"content": "".join(texts) if texts or not calls else None}
    if thoughts:
        found["reasoning_content"] = "".join(thoughts)
    if calls:
        found["tool_calls"] = [
            {
                "id": call.tool_use_id,
                "type": "function",
                "function": {"name": call.name, "arguments": bytes(call.input).decode()},
            }
            for call in calls
        ]
    return found
