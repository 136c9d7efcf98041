"""The Messages dialect as upstreams speak it: answers passed on, usage read, errors.

Sources: platform.claude.com, "Streaming messages", "Errors", "Prompt caching" (usage).
"""

import msgspec
from msgspec import Raw

from tradewind.plugins.providers.base import TokenCounts
from tradewind.plugins.providers.dialects.openai import WholeBody, members_of
from tradewind.plugins.providers.dialects.refusals import (
    Told,
    broken_answer,
    busy,
    caller_error,
    failed_answer,
    read,
)
from tradewind.wire.chat import encode
from tradewind.wire.decoding import UNREADABLE
from tradewind.wire.errors import ApiError
from tradewind.wire.messages import Event, EventError, MessagesUsage
from tradewind.wire.sse import EventCutter, EventTooLarge, data_of, split_events

_decode_event = msgspec.json.Decoder(Event).decode
_decode_usage = msgspec.json.Decoder(MessagesUsage | None).decode
_EVENT_STARTS = (b"event:", b"data:", b":", b"id:", b"retry:", b"\n", b"\r\n")
# What the events that we act on have, and those of text have only when their text does.
_ACTED_ON = (b'"message_', b'"error"')
# Of a 400 that is the operator's to mend: the account has run dry.
_NO_CREDIT = "credit balance is too low"


class Tally:
    """Adds up the usage that one answer tells, in one piece or in several."""

    __slots__ = ("_from_cache", "_thought", "_to_cache", "_uncached", "_written")

    def __init__(self) -> None:
        self._uncached: int | None = None
        self._from_cache: int | None = None
        self._to_cache: int | None = None
        self._written: int | None = None
        self._thought: int | None = None

    def add(self, usage: MessagesUsage | None) -> None:
        """Take what is told now: counts are cumulative, and one left out is as it was."""
        if usage is None:
            return
        if usage.input_tokens is not None:
            self._uncached = usage.input_tokens
        if usage.cache_read_input_tokens is not None:
            self._from_cache = usage.cache_read_input_tokens
        if usage.cache_creation_input_tokens is not None:
            self._to_cache = usage.cache_creation_input_tokens
        if usage.output_tokens is not None:
            self._written = usage.output_tokens
        details = usage.output_tokens_details
        if details is not None and details.thinking_tokens is not None:
            self._thought = details.thinking_tokens

    @property
    def counts(self) -> TokenCounts:
        """Our input counts are all tokens; this dialect leaves out what the cache took part in."""
        read = self._uncached
        if read is not None:
            read += (self._from_cache or 0) + (self._to_cache or 0)
        return TokenCounts(
            read, self._from_cache, self._written, self._to_cache, reasoning_tokens=self._thought
        )


class MessagesAnswer:
    """Reads a whole answer: passed on as it is, but for the name of the model."""

    __slots__ = ("_body", "_name", "counts")

    output_events = 0

    def __init__(self, name: str | None) -> None:
        """`name` is the model's name for the client; None keeps the upstream's."""
        self._body = WholeBody()
        self._name = name
        self.counts = TokenCounts()

    def feed(self, data: bytes) -> bytes:
        self._body.add(data)
        return b""

    def finish(self) -> bytes:
        body = self._body.content()
        members = members_of(body)
        tally = Tally()
        tally.add(_usage_of(members))
        self.counts = tally.counts
        if self._name is None:
            return body
        members["model"] = Raw(encode(self._name))
        return encode(members)


class MessagesStream:
    """Reads a stream and passes whole events on; looks only at those that begin or end a message.

    `message_stop` is held back until the upstream has ended: for a client it is the end, so the
    call must be recorded first.
    """

    __slots__ = ("_cutter", "_end", "_has_begun", "_name", "_tally", "output_events")

    def __init__(self, name: str | None) -> None:
        """As MessagesAnswer."""
        self._cutter = EventCutter()
        self._name = name
        self._has_begun = False
        self._end = b""
        self._tally = Tally()
        self.output_events = 0

    @property
    def counts(self) -> TokenCounts:
        return self._tally.counts

    def feed(self, data: bytes) -> bytes:
        events = whole_events(self._cutter, data)
        if not events:
            return b""
        if not self._has_begun:
            if not events.startswith(_EVENT_STARTS):
                raise broken_answer()
            self._has_begun = True
        if self._end:
            return b""  # nothing that follows the end of the message is part of it
        self.output_events += output_events_in(events)
        # Inside a JSON string these quotes are escaped, so a text can only cost us a closer look.
        if any(mark in events for mark in _ACTED_ON):
            return b"".join(map(self._read, split_events(events)))
        return events

    def finish(self) -> bytes:
        if not self._end or self._cutter.rest().strip():
            raise broken_answer()
        return self._end

    def _read(self, event: bytes) -> bytes:
        if self._end:
            return b""
        data = data_of(event)
        if not data:
            return event
        said = decode_event(data)
        match said.type:
            case "message_start":
                if said.message is None:
                    raise broken_answer()
                self._tally.add(said.message.usage)
                return event if self._name is None else _renamed(data, self._name)
            case "message_delta":
                self._tally.add(said.usage)
            case "message_stop":
                self._end = event
                return b""
            case "error":
                raise error_in_stream(said.error)
            case _:
                pass
        return event


def whole_events(cutter: EventCutter, data: bytes) -> bytes:
    """Return the events that are whole by now. Raises ApiError 502 for one that never is."""
    try:
        return cutter.feed(data)
    except EventTooLarge:
        raise broken_answer() from None


def decode_event(data: bytes) -> Event:
    """Raises ApiError 502 for what is no event of this dialect."""
    try:
        return _decode_event(data)
    except UNREADABLE:
        raise broken_answer() from None


def output_events_in(events: bytes) -> int:
    """Return how many of these events carry a piece of text, of thinking or of a tool's input."""
    return (
        events.count(b'"text_delta"')
        + events.count(b'"thinking_delta"')
        + events.count(b'"input_json_delta"')
    )


def error_in_stream(error: EventError | None) -> ApiError:
    """Return the caller's error for an `error` event."""
    if error is None:
        return failed_answer(Told())
    if error.type in ("overloaded_error", "rate_limit_error"):
        return busy()
    return failed_answer(Told(error.message or ""))


def error_of(status: int, body: bytes) -> ApiError:
    """Return the caller's error for an upstream's error answer."""
    told = read(body)
    if _NO_CREDIT in told.message:
        return ApiError(
            502,
            f"The model's server answered with status {status}.",
            type="server_error",
            code="upstream_error",
        )
    return caller_error(status, told)


def _usage_of(members: dict[str, Raw]) -> MessagesUsage | None:
    try:
        return _decode_usage(members["usage"]) if "usage" in members else None
    except UNREADABLE:
        return None


def _renamed(data: bytes, name: str) -> bytes:
    members = members_of(data)
    message = members_of(members["message"])
    message["model"] = Raw(encode(name))
    members["message"] = Raw(encode(message))
    return b"event: message_start\ndata: %b\n\n" % encode(members)
