"""Answers of Cohere's v2 API, read into the common form.

Sources: docs.cohere.com/reference/chat, /reference/chat-stream (events), /reference/embed,
/reference/rerank; "Streaming". Its counts of billed units are what it takes money for; `tokens`
counts what the model saw, with the prompts that Cohere adds itself.
"""

from typing import Annotated, Any, TypeVar, cast

import msgspec
from msgspec import Meta, Raw

from tradewind.plugins.providers.base import TokenCounts
from tradewind.plugins.providers.dialects.chat_answers import (
    ChunkWriter,
    FinishReason,
    whole_answer,
)
from tradewind.plugins.providers.dialects.openai import WholeBody, estimated_tokens, members_of
from tradewind.plugins.providers.dialects.openai_operations import count_rerank
from tradewind.plugins.providers.dialects.refusals import Told, broken_answer, failed_answer
from tradewind.wire.chat import encode
from tradewind.wire.decoding import UNREADABLE
from tradewind.wire.errors import ApiError
from tradewind.wire.sse import DONE, EventCutter, EventTooLarge, data_of, split_events

_REASONS: dict[str, FinishReason] = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
}
_MOST_TOOL_CALLS = 1024
_T = TypeVar("_T")
# Counts are written as floating-point numbers.
_Count = Annotated[float, Meta(ge=0, le=1e12)]


class _Tokens(msgspec.Struct, frozen=True):
    input_tokens: _Count | None = None
    output_tokens: _Count | None = None


class _Usage(msgspec.Struct, frozen=True):
    billed_units: _Tokens | None = None
    tokens: _Tokens | None = None
    cached_tokens: _Count | None = None


class _Function(msgspec.Struct, frozen=True):
    name: str = ""
    arguments: str = ""


class _Call(msgspec.Struct, frozen=True):
    id: str = ""
    function: _Function = _Function()


class _Content(msgspec.Struct, frozen=True):
    text: str | None = None
    thinking: str | None = None


class _Message(msgspec.Struct, frozen=True):
    content: list[_Content] | None = None
    tool_plan: str | None = None
    tool_calls: list[_Call] | None = None
    citations: list[Raw] | None = None


class _Answer(msgspec.Struct, frozen=True):
    message: _Message
    finish_reason: str
    id: str = ""
    usage: _Usage | None = None


class _MessagePiece(msgspec.Struct, frozen=True):
    content: _Content | list[_Content] | None = None
    tool_plan: str | None = None
    tool_calls: _Call | list[_Call] | None = None
    citations: Any = None


class _Delta(msgspec.Struct, frozen=True):
    message: _MessagePiece = _MessagePiece()
    finish_reason: str | None = None
    usage: _Usage | None = None
    error: str | None = None


class _Event(msgspec.Struct, frozen=True):
    type: str
    id: str | None = None
    index: int | None = None
    delta: _Delta = _Delta()


_decode_answer = msgspec.json.Decoder(_Answer).decode
_decode_event = msgspec.json.Decoder(_Event).decode


def counts_of(usage: _Usage | None) -> TokenCounts:
    if usage is None:
        return TokenCounts()
    found = usage.billed_units
    if found is None or found.input_tokens is None:
        found = usage.tokens
    if found is None:
        return TokenCounts()
    return TokenCounts(
        _whole(found.input_tokens), _whole(usage.cached_tokens), _whole(found.output_tokens)
    )


class CohereAnswer:
    """Reads a whole answer of chat."""

    __slots__ = ("_body", "_created", "_name", "counts", "output_events")

    def __init__(self, name: str, created: int) -> None:
        self.output_events = 0
        self._body = WholeBody()
        self._name = name
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
        reason = _REASONS.get(answer.finish_reason)
        if reason is None:
            raise failed_answer(Told())
        self.counts = counts_of(answer.usage)
        message = _message_of(answer.message)
        if self.counts.output_tokens is None:
            self.output_events = estimated_tokens(encode(message).decode())
        return whole_answer(
            self._name, answer.id, self._created, message, reason=reason, counts=self.counts
        )


class CohereStream:
    """Reads a streamed answer of chat. It has ended well when its `message-end` came."""

    __slots__ = (
        "_calls",
        "_cutter",
        "_failure",
        "_is_ended",
        "_shows_usage",
        "_writer",
        "counts",
        "output_events",
    )

    def __init__(self, name: str, created: int, *, shows_usage: bool) -> None:
        self._cutter = EventCutter()
        self._writer = ChunkWriter(name, created)
        self._shows_usage = shows_usage
        self._calls = 0
        self._failure: ApiError | None = None
        self._is_ended = False
        self.counts = TokenCounts()
        self.output_events = 0

    def feed(self, data: bytes) -> bytes:
        if self._failure is not None:
            raise self._failure
        try:
            events = self._cutter.feed(data)
        except EventTooLarge:
            raise broken_answer() from None
        written = b""
        for event in split_events(events):
            content = data_of(event)
            if not content or content == b"[DONE]":
                continue
            try:
                written += self._read(content)
            except ApiError as error:
                if not written:
                    raise
                # What came before it in the same read is still the client's, and is billed.
                self._failure = error
                break
        return written

    def finish(self) -> bytes:
        if self._failure is not None:
            raise self._failure
        if not self._is_ended or self._cutter.rest().strip():
            raise broken_answer()
        if self._shows_usage:
            return self._writer.usage(self.counts) + DONE
        return DONE

    def _read(self, data: bytes) -> bytes:
        try:
            event = _decode_event(data)
        except UNREADABLE:
            raise broken_answer() from None
        message = event.delta.message
        match event.type:
            case "message-start":
                return self._writer.begin(event.id or "")
            case "content-start" | "content-delta":
                return self._content(message.content)
            case "tool-plan-delta":
                return self._reasoning(message.tool_plan)
            case "tool-call-start":
                return self._call(message.tool_calls)
            case "tool-call-delta":
                return self._arguments(message.tool_calls)
            case "citation-start" if message.citations is not None:
                return self._writer.delta({"citations": [message.citations]})
            case "message-end":
                return self._end(event.delta)
            case _:
                return b""

    def _content(self, content: _Content | list[_Content] | None) -> bytes:
        written = b""
        for piece in _listed(content):
            if piece.text:
                self.output_events += 1
                written += self._writer.text(piece.text)
            written += self._reasoning(piece.thinking)
        return written

    def _reasoning(self, piece: str | None) -> bytes:
        if not piece:
            return b""
        self.output_events += 1
        return self._writer.reasoning(piece)

    def _call(self, calls: _Call | list[_Call] | None) -> bytes:
        written = b""
        for call in _listed(calls):
            if self._calls == _MOST_TOOL_CALLS:
                raise broken_answer()
            self._calls += 1
            self.output_events += 1
            written += self._writer.tool_start(
                self._calls - 1, call.id, call.function.name, call.function.arguments
            )
        return written

    def _arguments(self, calls: _Call | list[_Call] | None) -> bytes:
        written = b""
        for call in _listed(calls):
            if not self._calls:
                raise broken_answer()
            if call.function.arguments:
                self.output_events += 1
                written += self._writer.tool_arguments(self._calls - 1, call.function.arguments)
        return written

    def _end(self, delta: _Delta) -> bytes:
        self.counts = counts_of(delta.usage)
        reason = _REASONS.get(delta.finish_reason or "")
        if reason is None:
            raise failed_answer(Told(delta.error or ""))
        if self._is_ended:
            return b""
        self._is_ended = True
        return self._writer.finish(reason)


class CohereEmbeddings:
    """Reads embeddings into OpenAI's list."""

    __slots__ = ("_body", "_name", "_type", "counts")

    output_events = 0

    def __init__(self, name: str, embedding_type: str) -> None:
        self._body = WholeBody()
        self._name = name
        self._type = embedding_type
        self.counts = TokenCounts()

    def feed(self, data: bytes) -> bytes:
        self._body.add(data)
        return b""

    def finish(self) -> bytes:
        try:
            answer = msgspec.json.decode(self._body.content(), type=_Embedded)
        except UNREADABLE:
            raise broken_answer() from None
        found = answer.embeddings.get(self._type)
        if found is None:
            raise broken_answer()
        billed = answer.meta.billed_units if answer.meta is not None else None
        read = _whole(billed.input_tokens) if billed is not None else None
        self.counts = TokenCounts(read, None, 0)
        return encode(
            {
                "object": "list",
                "data": [
                    {"object": "embedding", "index": index, "embedding": embedding}
                    for index, embedding in enumerate(found)
                ],
                "model": self._name,
                "usage": {"prompt_tokens": read or 0, "total_tokens": read or 0},
            }
        )


class _EmbedMeta(msgspec.Struct, frozen=True):
    billed_units: _Tokens | None = None


class _Embedded(msgspec.Struct, frozen=True):
    embeddings: dict[str, list[Raw]]
    meta: _EmbedMeta | None = None


class CohereRanking:
    """Reads a ranking; gives it the documents again when the client wants them."""

    __slots__ = ("_body", "_documents", "_name", "_searches", "counts")

    output_events = 0

    def __init__(
        self, name: str, documents: list[str] | None, *, searches: int | None = None
    ) -> None:
        """`searches` are billed by a host that does not tell them."""
        self._searches = searches
        self._body = WholeBody()
        self._name = name
        self._documents = documents
        self.counts = TokenCounts()

    def feed(self, data: bytes) -> bytes:
        self._body.add(data)
        return b""

    def finish(self) -> bytes:
        members = members_of(self._body.content())
        if self._searches is None:
            self.counts = count_rerank(members)
        else:
            self.counts = TokenCounts(0, None, 0, meters={"requests": self._searches})
        documents = self._documents
        try:
            results = msgspec.json.decode(members["results"], type=list[dict[str, Any]])
            if documents is not None:
                for result in results:
                    result["document"] = {"text": documents[result["index"]]}
        except (*UNREADABLE, KeyError, IndexError, TypeError):
            raise broken_answer() from None
        members["results"] = Raw(encode(results))
        members["model"] = Raw(encode(self._name))
        return encode({"object": "list", **members})


def _message_of(message: _Message) -> dict[str, Any]:
    texts = [piece.text for piece in message.content or () if piece.text]
    thoughts = [piece.thinking for piece in message.content or () if piece.thinking]
    if message.tool_plan:
        thoughts.append(message.tool_plan)
    found: dict[str, Any] = {"content": "".join(texts) if texts else None}
    if thoughts:
        found["reasoning_content"] = "".join(thoughts)
    if message.tool_calls:
        found["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.function.name, "arguments": call.function.arguments},
            }
            for call in message.tool_calls
        ]
    elif found["content"] is None:
        found["content"] = ""
    if message.citations:
        found["citations"] = message.citations
    return found


def _listed(value: _T | list[_T] | None) -> list[_T]:
    if value is None:
        return []
    return cast("list[_T]", value) if isinstance(value, list) else [value]


def _whole(count: float | None) -> int | None:
    return None if count is None else round(count)
