"""Writes an answer in the common form as a Responses object, or as its events.

Source: platform.openai.com, API reference, "Responses", "Streaming events". Clients know one item
at a time, so items go out one after the other: what belongs to a later one (a host may mix the
pieces of several calls) waits until the earlier one has ended.
"""

import time
from typing import Any

import msgspec
from msgspec import Raw

from tradewind.gateway.dialects.responses_items import CallItem, Item, MessageItem, ReasoningItem
from tradewind.plugins.providers.base import TokenCounts
from tradewind.plugins.providers.dialects.openai import MOST_ANSWER_BYTES, broken_answer
from tradewind.wire.decoding import UNREADABLE
from tradewind.wire.errors import ApiError
from tradewind.wire.responses import (
    IncompleteDetails,
    InputDetails,
    OutputDetails,
    ResponseFailure,
    ResponseObject,
    ResponseUsage,
)
from tradewind.wire.sse import data_of, split_events

_MOST_ITEMS = 1024
_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
_FAILURE_CODES = {400: "invalid_prompt", 402: "rate_limit_exceeded", 429: "rate_limit_exceeded"}
"""By our status; the reference has no others that we could mean."""

_NULL = Raw(b"null")

_encode = msgspec.json.Encoder().encode


class _Function(msgspec.Struct, frozen=True):
    name: str | None = None
    arguments: str | None = None


class _Call(msgspec.Struct, frozen=True):
    index: int | None = None
    id: str | None = None
    function: _Function = _Function()


class _LogProbs(msgspec.Struct, frozen=True):
    content: list[dict[str, Any]] | None = None


class _Message(msgspec.Struct, frozen=True):
    """A message, or a piece of one in a stream."""

    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    """The other name of reasoning_content; hosts that write both write the same."""
    tool_calls: list[_Call] | None = None


class _Choice(msgspec.Struct, frozen=True):
    index: int = 0
    delta: _Message | None = None
    message: _Message | None = None
    logprobs: _LogProbs | None = None
    finish_reason: str | None = None


class _Answer(msgspec.Struct, frozen=True):
    """A whole answer, or one event of a stream."""

    choices: list[_Choice] = []
    service_tier: str | None = None
    error: Raw = _NULL
    """Not `Raw | None`: that takes nothing but null."""


_decode = msgspec.json.Decoder(_Answer).decode


class ResponsesWriter:
    """One per answer. `draft` is the object as far as the request determines it."""

    def __init__(self, draft: ResponseObject, *, shows_summary: bool, shows_logprobs: bool) -> None:
        self._draft = draft
        self._shows_summary = shows_summary
        self._shows_logprobs = shows_logprobs
        self._suffix = draft.id.partition("_")[2]
        self._items: list[Item] = []
        self._head = 0
        """The item that goes out now; all before it have ended."""
        self._calls: dict[int, CallItem] = {}
        self._out: list[bytes] = []
        self._sequence = 0
        self._size = 0
        self._is_whole = False
        self._finish_reason: str | None = None
        self._last_event = b""
        self.final: ResponseObject | None = None
        """The object of an answer that went well, once it is complete."""

    def events(self, events: bytes) -> bytes:
        for event in split_events(events):
            # Comments have no data: hosts send them so that a waiting client hears something.
            if data := data_of(event):
                self._take(data)
        return self._taken()

    def end(self, counts: TokenCounts) -> bytes:
        self._begin()
        final = self._complete(counts)
        before = self._taken()
        self._emit_object(final)
        self._last_event = self._taken()
        return before + self._last_event

    def whole(self, answer: bytes, counts: TokenCounts) -> bytes:
        self._is_whole = True
        self._take(answer)
        self._last_event = _encode(self._complete(counts))
        return self._last_event

    def failure(self, error: ApiError) -> bytes:
        """The answer failed on its way: return the events that tell it."""
        self._begin()
        self._emit_object(failed(self._draft, error))
        return self._taken()

    def unstored(self, last: bytes) -> bytes:
        """Return the end of the answer again, saying that it could not be stored."""
        assert self.final is not None
        former, self.final = self._last_event, msgspec.structs.replace(self.final, store=False)
        if self._is_whole:
            self._last_event = _encode(self.final)
        else:
            self._sequence -= 1
            self._emit_object(self.final)
            self._last_event = self._taken()
        return last.removesuffix(former) + self._last_event

    # Taking the common form in.

    def _take(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > MOST_ANSWER_BYTES:
            raise broken_answer()
        try:
            answer = _decode(data)
        except UNREADABLE:
            raise broken_answer() from None
        if bytes(answer.error) != b"null":
            raise broken_answer()
        self._begin()
        if answer.service_tier is not None:
            self._draft = msgspec.structs.replace(self._draft, service_tier=answer.service_tier)
        for choice in answer.choices:
            if choice.index == 0:
                self._add(choice)
        self._pump()

    def _add(self, choice: _Choice) -> None:
        piece = choice.delta or choice.message or _Message()
        if reasoning := piece.reasoning_content or piece.reasoning:
            self._reasoning().add(reasoning)
        if piece.content:
            self._message().add("output_text", piece.content, self._logprobs(choice))
        if piece.refusal:
            self._message().add("refusal", piece.refusal, [])
        is_piece = choice.delta is not None
        for place, call in enumerate(piece.tool_calls or ()):
            self._add_call(call, call.index if is_piece else place)
        self._finish_reason = choice.finish_reason or self._finish_reason

    def _reasoning(self) -> ReasoningItem:
        last = self._items[-1] if self._items else None
        if not isinstance(last, ReasoningItem):
            last = ReasoningItem(*self._place("rs_"), is_summary=self._shows_summary)
            self._items.append(last)
        return last

    def _message(self) -> MessageItem:
        last = self._items[-1] if self._items else None
        if not isinstance(last, MessageItem):
            last = MessageItem(*self._place("msg_"))
            self._items.append(last)
        return last

    def _add_call(self, piece: _Call, index: int | None) -> None:
        call = self._call_of(piece, index)
        if call.has_ended:
            if (piece.function.arguments or "").strip():
                raise broken_answer()  # they were complete
            return
        call.add(piece.id, piece.function.name, piece.function.arguments)

    def _call_of(self, piece: _Call, index: int | None) -> CallItem:
        calls = self._calls
        if index is None:  # some hosts leave it out
            index = max(calls, default=0)
        call = calls.get(index)
        if call is not None and piece.id and piece.function.name and piece.id != call.call_id:
            # Some hosts number all calls 0; what they have is an id.
            call = None
        if call is None:
            id_, place = self._place("fc_")
            call = CallItem(id_, place, piece.id or f"call_{id_[3:]}")
            self._items.append(call)
            calls[index] = call
        return call

    def _place(self, prefix: str) -> tuple[str, int]:
        index = len(self._items)
        if index >= _MOST_ITEMS:
            raise broken_answer()
        return f"{prefix}{self._suffix}{index:04x}", index

    def _logprobs(self, choice: _Choice) -> list[Any]:
        if not self._shows_logprobs or choice.logprobs is None:
            return []
        return choice.logprobs.content or []

    # Giving the client's form out.

    def _pump(self) -> None:
        while self._head < len(self._items):
            item = self._items[self._head]
            item.flush(self._emit)
            if self._head == len(self._items) - 1 or not item.may_end:
                return
            self._end(item, "completed")

    def _complete(self, counts: TokenCounts) -> ResponseObject:
        if not self._items:
            self._message()  # clients look for a first item, however little was said
        reason = _INCOMPLETE.get(self._finish_reason or "")
        last = len(self._items) - 1
        while self._head <= last:
            item = self._items[self._head]
            item.flush(self._emit)
            self._end(item, "incomplete" if reason and self._head == last else "completed")
        self.final = msgspec.structs.replace(
            self._draft,
            status="incomplete" if reason else "completed",
            completed_at=None if reason else int(time.time()),
            incomplete_details=IncompleteDetails(reason) if reason else None,
            output=[item.whole() for item in self._items],
            usage=usage_of(counts),
        )
        return self.final

    def _end(self, item: Item, status: str) -> None:
        if isinstance(item, CallItem) and not item.name:
            raise broken_answer()
        item.end(self._emit, status)
        self._head += 1

    def _begin(self) -> None:
        if not self._sequence and not self._is_whole:
            for type_ in ("response.created", "response.in_progress"):
                self._emit({"type": type_, "response": self._draft})

    def _emit_object(self, response: ResponseObject) -> None:
        self._emit({"type": f"response.{response.status}", "response": response})

    def _emit(self, event: dict[str, Any]) -> None:
        if self._is_whole:
            return
        event["sequence_number"] = self._sequence
        self._sequence += 1
        self._out.append(b"event: %b\ndata: %b\n\n" % (event["type"].encode(), _encode(event)))

    def _taken(self) -> bytes:
        out, self._out = b"".join(self._out), []
        return out


def failed(draft: ResponseObject, error: ApiError) -> ResponseObject:
    """Return the object of a response that failed. It is not kept."""
    return msgspec.structs.replace(
        draft,
        status="failed",
        store=False,
        error=ResponseFailure(_FAILURE_CODES.get(error.status, "server_error"), error.told),
    )


def usage_of(counts: TokenCounts) -> ResponseUsage | None:
    """Return counts as the wire's `usage`; None where nothing is known."""
    if counts.input_tokens is None and counts.output_tokens is None:
        return None
    read, written = counts.input_tokens or 0, counts.output_tokens or 0
    return ResponseUsage(
        read,
        InputDetails(counts.cached_input_tokens or 0, counts.cache_write_tokens or 0),
        written,
        OutputDetails(counts.reasoning_tokens or 0),
        read + written,
    )
