"""OpenAI's Responses as hosts speak it: whole answers and streams.

Source: platform.openai.com, API reference, "Responses" and "Streaming events". A stream has no
`[DONE]`: its last event is `response.completed`, `.incomplete` or `.failed`.
"""

import msgspec
from msgspec import Raw

from tradewind.plugins.providers.base import TokenCounts
from tradewind.plugins.providers.dialects.openai import WholeBody, broken_answer, members_of
from tradewind.plugins.providers.dialects.refusals import failed_answer
from tradewind.plugins.providers.dialects.refusals import read as read_error
from tradewind.wire.chat import encode
from tradewind.wire.decoding import UNREADABLE
from tradewind.wire.sse import EventCutter, EventTooLarge, data_of, split_events

_EVENT_STARTS = (b"data:", b":", b"event:", b"id:", b"retry:", b"\n", b"\r\n")
_DELTAS = (
    b'"response.output_text.delta"',
    b'"response.refusal.delta"',
    b'"response.function_call_arguments.delta"',
    b'"response.reasoning_text.delta"',
    b'"response.reasoning_summary_text.delta"',
)
# Only these events carry the whole object, or tell that there will be none.
_OBJECTS = (
    b'"response.created"',
    b'"response.queued"',
    b'"response.in_progress"',
    b'"response.completed"',
    b'"response.incomplete"',
    b'"response.failed"',
    b'"error"',
)
_ENDS = frozenset({"response.completed", "response.incomplete"})
_FAILURES = frozenset({"response.failed", "error"})


class _InputDetails(msgspec.Struct, frozen=True):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class _OutputDetails(msgspec.Struct, frozen=True):
    reasoning_tokens: int | None = None


class _Usage(msgspec.Struct, frozen=True):
    input_tokens: int | None = None
    input_tokens_details: _InputDetails | None = None
    output_tokens: int | None = None
    output_tokens_details: _OutputDetails | None = None


_decode_usage = msgspec.json.Decoder(_Usage | None).decode


def counts_of_response(members: dict[str, Raw]) -> TokenCounts:
    """Return the usage of a response object as counts; what cannot be read says nothing."""
    try:
        usage = _decode_usage(members.get("usage", b"null"))
    except UNREADABLE:
        usage = None
    if usage is None:
        return TokenCounts()
    read, written = usage.input_tokens_details, usage.output_tokens_details
    return TokenCounts(
        usage.input_tokens,
        read.cached_tokens if read else None,
        usage.output_tokens,
        cache_write_tokens=read.cache_write_tokens if read else None,
        reasoning_tokens=written.reasoning_tokens if written else None,
    )


class WholeResponse:
    """Reads a non-streamed answer: passed on as it is, but for the name of the model."""

    __slots__ = ("_body", "_name", "counts")

    output_events = 0

    def __init__(self, name: str | None) -> None:
        """`name` is the model's name for the client; None keeps the host's."""
        self._body = WholeBody()
        self._name = name
        self.counts = TokenCounts()

    def feed(self, data: bytes) -> bytes:
        self._body.add(data)
        return b""

    def finish(self) -> bytes:
        body = self._body.content()
        members = members_of(body)
        self.counts = counts_of_response(members)
        if bytes(members.get("status", b"null")) == b'"failed"':
            raise failed_answer(read_error(bytes(members.get("error", b"null"))))
        if self._name is None:
            return body
        members["model"] = Raw(encode(self._name))
        return encode(members)


class StreamedResponse:
    """Reads a stream of events and passes whole events on; looks only at those with the object.

    The last event is held back until the host has ended: for a client it is the end, so the call
    must be recorded first.
    """

    __slots__ = ("_cutter", "_has_begun", "_last", "_name", "counts", "output_events")

    def __init__(self, name: str | None) -> None:
        """As WholeResponse."""
        self._cutter = EventCutter()
        self._name = name
        self._has_begun = False
        self._last = b""
        self.counts = TokenCounts()
        self.output_events = 0

    def feed(self, data: bytes) -> bytes:
        try:
            events = self._cutter.feed(data)
        except EventTooLarge:
            raise broken_answer() from None
        if not events:
            return b""
        if not self._has_begun:
            if not events.startswith(_EVENT_STARTS):
                raise broken_answer()
            self._has_begun = True
        for name in _DELTAS:
            self.output_events += events.count(name)
        if any(name in events for name in _OBJECTS):
            events = b"".join(map(self._read, split_events(events)))
        return events

    def finish(self) -> bytes:
        if not self._last or self._cutter.rest().strip():
            raise broken_answer()
        return self._last

    def _read(self, event: bytes) -> bytes:
        data = data_of(event)
        if not any(name in data for name in _OBJECTS):
            return event
        members = members_of(data)
        type_ = _text(members.get("type"))
        if type_ in _FAILURES:
            if "response" in members:
                response = members_of(bytes(members["response"]))
                self.counts = counts_of_response(response)
                raise failed_answer(read_error(bytes(response.get("error", b"null"))))
            raise failed_answer(read_error(data))
        if "response" not in members or b'"%b"' % type_.encode() not in _OBJECTS:
            return event  # a text that speaks of such events
        response = members_of(bytes(members["response"]))
        if self._name is not None:
            response["model"] = Raw(encode(self._name))
            members["response"] = Raw(encode(response))
            event = b"event: %b\ndata: %b\n\n" % (type_.encode(), encode(members))
        if type_ not in _ENDS:
            return event
        self.counts = counts_of_response(response)
        self._last = event
        return b""


def _text(value: Raw | None) -> str:
    try:
        return "" if value is None else msgspec.json.decode(value, type=str)
    except UNREADABLE:
        return ""
