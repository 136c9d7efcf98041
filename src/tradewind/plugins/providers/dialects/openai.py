"""The OpenAI v1 dialect as upstreams speak it: answers, streams and errors."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from tradewind.plugins.providers.base import NOTHING_TOLD, TokenCounts
from tradewind.plugins.providers.dialects.loose_json import object_or_none, objects_of
from tradewind.plugins.providers.dialects.refusals import (
    Told,
    broken_answer,
    error_of,
    failed_answer,
)
from tradewind.plugins.providers.dialects.refusals import read as read_error
from tradewind.wire.chat import WireUsage, encode, usage_of_event, usage_of_members
from tradewind.wire.decoding import UNREADABLE
from tradewind.wire.errors import ApiError
from tradewind.wire.sse import (
    DONE,
    EventCutter,
    EventTooLarge,
    cut_done,
    data_of,
    event_of,
    split_events,
)

__all__ = [
    "CHAT",
    "COMPLETIONS",
    "MOST_ANSWER_BYTES",
    "Spelling",
    "StreamedAnswer",
    "ToolIndexes",
    "WholeAnswer",
    "WholeBody",
    "broken_answer",
    "counts_of",
    "counts_of_embeddings",
    "error_in",
    "error_of",
    "estimated_tokens",
    "member",
    "members_of",
    "output_events_in",
    "renames_of",
    "usage_object",
    "written_in",
]

MOST_ANSWER_BYTES = 64 * 1024 * 1024
"""Of a whole answer: 2048 embeddings of 1536 numbers are about 40 MB."""
_EVENT_STARTS = (b"data:", b":", b"event:", b"id:", b"retry:", b"\n", b"\r\n")

_BYTES_PER_TOKEN = 4
_MOST_CHOICES = 128
_MOST_TOOL_CALLS = 1024
_NO_ERROR = (b"null", b'""', b"{}", b"false")

_decode_members = msgspec.json.Decoder(dict[str, Raw]).decode


def counts_of(usage: WireUsage | None) -> TokenCounts:
    """Return the wire's usage as counts."""
    if usage is None:
        return NOTHING_TOLD
    read, written = usage.prompt_tokens, usage.completion_tokens
    details, parts = usage.prompt_tokens_details, usage.completion_tokens_details
    cached = details.cached_tokens if details is not None else None
    if cached is None:
        hits = usage.prompt_cache_hit_tokens
        cached = usage.cached_tokens if hits is None else hits
    if details is None and parts is None:
        return TokenCounts(read, cached, written)
    reasoning = parts.reasoning_tokens if parts is not None else None
    if reasoning and usage.total_tokens == (read or 0) + (written or 0) + reasoning:
        # docs.x.ai, "Consumption and Rate Limits": xAI counts reasoning apart from the completion,
        # and in the total. The total tells it for whoever else does.
        written = (written or 0) + reasoning
    return TokenCounts(
        read,
        cached,
        written,
        details.cache_write_tokens if details is not None else None,
        reasoning,
        details.audio_tokens if details is not None else None,
        parts.audio_tokens if parts is not None else None,
    )


def counts_of_embeddings(usage: WireUsage | None) -> TokenCounts:
    """Return the usage of embeddings as counts: they write no tokens, so hosts tell none."""
    return replace(counts_of(usage), output_tokens=0)


def usage_object(counts: TokenCounts) -> dict[str, Any]:
    """Return counts as the wire's `usage`."""
    read, written = counts.input_tokens or 0, counts.output_tokens or 0
    read_details = {"cached_tokens": counts.cached_input_tokens or 0}
    if counts.cache_write_tokens is not None:
        read_details["cache_write_tokens"] = counts.cache_write_tokens
    usage: dict[str, Any] = {
        "prompt_tokens": read,
        "completion_tokens": written,
        "total_tokens": read + written,
        "prompt_tokens_details": read_details,
    }
    if counts.reasoning_tokens is not None:
        usage["completion_tokens_details"] = {"reasoning_tokens": counts.reasoning_tokens}
    return usage


@lru_cache(maxsize=1024)
def member(text: str) -> Raw:
    """Return a text as a member of a body."""
    return Raw(encode(text))


class WholeBody:
    """Collects an answer that is read when it is complete. Bounded."""

    __slots__ = ("_first", "_parts", "_size")

    def __init__(self) -> None:
        # Nearly all come in one piece, which needs no list.
        self._first = b""
        self._parts: list[bytes] | None = None
        self._size = 0

    def add(self, data: bytes) -> None:
        """Raises ApiError 502 when the answer is larger than MOST_ANSWER_BYTES."""
        self._size += len(data)
        if self._size > MOST_ANSWER_BYTES:
            raise broken_answer()
        if not self._first:
            self._first = data
        elif self._parts is None:
            self._parts = [self._first, data]
        else:
            self._parts.append(data)

    def content(self) -> bytes:
        return self._first if self._parts is None else b"".join(self._parts)


def members_of(answer: bytes) -> dict[str, Raw]:
    """Return the top-level members of an upstream's JSON. Raises ApiError 502."""
    try:
        return _decode_members(answer)
    except UNREADABLE:
        raise broken_answer() from None


class WholeAnswer(WholeBody):
    """Reads a non-streamed answer: passed on as it is, but for the name of the model."""

    __slots__ = ("_count", "_name", "counts", "output_events")

    def __init__(
        self, name: str | None, count: Callable[[WireUsage | None], TokenCounts] = counts_of
    ) -> None:
        """`name` is the model's name for the client; None keeps the upstream's."""
        WholeBody.__init__(self)  # five times as quick as by `super()`
        self.output_events = 0
        self._name = name
        self._count = count
        self.counts = NOTHING_TOLD

    def feed(self, data: bytes) -> bytes:
        self.add(data)
        return b""

    def finish(self) -> bytes:
        body = self.content()
        members = members_of(body)
        if (
            "error" in members
            and "choices" not in members
            and bytes(members["error"]) not in _NO_ERROR
        ):
            # Some hosts send a failure with status 200.
            raise failed_answer(read_error(body))
        counts = self.counts = self._count(usage_of_members(members))
        if not counts.output_tokens and self._count is counts_of:
            self._estimate(members)
        if self._name is None:
            return body
        members["model"] = member(self._name)
        return encode(members)

    def _estimate(self, members: dict[str, Raw]) -> None:
        """Count what was written, for a host that tells no usage, or none but zeros."""
        self.output_events = estimated_tokens(written_in(members))
        if self.output_events:
            self.counts = replace(self.counts, output_tokens=None)


def estimated_tokens(text: str) -> int:
    """Return about how many tokens a text is; at least one when there is any."""
    return -(-len(text.encode()) // _BYTES_PER_TOKEN)


def written_in(members: dict[str, Raw]) -> str:
    """Return all that was written in a whole answer of chat or completions."""
    try:
        choices = msgspec.json.decode(members.get("choices", b"[]"))
    except UNREADABLE:
        return ""
    texts: list[Any] = []
    for choice in objects_of(choices):
        message = object_or_none(choice.get("message")) or {}
        texts += [choice.get("text"), message.get("content")]
        texts += [message.get(name) for name in ("reasoning_content", "reasoning", "refusal")]
        for call in objects_of(message.get("tool_calls")):
            function = object_or_none(call.get("function")) or {}
            texts += [function.get("name"), function.get("arguments")]
    return "".join(text for text in texts if isinstance(text, str))


# What events have that need more than a look at their text. One search for all: it costs every
# event, and a search in bytes is cheaper than four `in`. Members that are null are nothing. Inside
# a JSON string these quotes would be escaped, so none of this can be content.
_find_more = re.compile(rb'"(?:error|tool_calls|reasoning|usage)": ?[^n ]').search
_find_reason = re.compile(rb'"finish_reason": ?"|\ndata: ?\[DONE\]').search


class Spelling(NamedTuple):
    """How pieces of text look in events. Two ways: most hosts write no space behind a colon,
    Python's `json.dumps` writes one.
    """

    text: bytes
    empty_text: bytes
    arguments: bytes
    reasoning: bytes


def _spelling(text: bytes, colon: bytes) -> Spelling:
    start = colon + b'"'
    text += start
    return Spelling(text, text + b'"', b'"arguments"' + start, b'"reasoning"' + start)


# `reasoning_content` ends like `content`, so both are counted by one look.
CHAT = (_spelling(b'content"', b":"), _spelling(b'content"', b": "))
"""Of chat, without and with spaces."""
COMPLETIONS = (_spelling(b'"text"', b":"), _spelling(b'"text"', b": "))


class StreamedAnswer:
    """Reads a stream of events and passes whole events on; looks only at events with usage, with
    tool calls or with an error.

    What one read brought is passed on in one piece: splitting and re-encoding each event would cost
    more than all else together. `[DONE]` is held back until the upstream has ended: for a client it
    is the end, so the call must be recorded first. Some hosts leave it out; an end without it and
    without a reason for it is a stream that somebody on the way has cut.
    """

    __slots__ = (
        "_before",
        "_cutter",
        "_failure",
        "_has_begun",
        "_has_done",
        "_last",
        "_rename",
        "_renames",
        "_shows_usage",
        "_spelling",
        "_spellings",
        "_tools",
        "counts",
        "output_events",
    )

    def __init__(
        self,
        renames: tuple[tuple[bytes, bytes], ...],
        *,
        shows_usage: bool,
        spellings: tuple[Spelling, Spelling] = CHAT,
    ) -> None:
        """`renames` are of `renames_of`."""
        self._cutter = EventCutter()
        self._renames = renames
        self._shows_usage = shows_usage
        self._spelling = spellings[0]
        self._spellings = spellings
        self._rename: tuple[bytes, bytes] | None = None
        self._has_begun = self._has_done = False
        self._last = self._before = b""
        """What the last two reads brought: the reason, and usage behind it."""
        self._tools: ToolIndexes | None = None
        self._failure: ApiError | None = None
        self.counts = NOTHING_TOLD
        self.output_events = 0

    def feed(self, data: bytes) -> bytes:
        if self._failure is not None:
            raise self._failure
        try:
            events = self._cutter.feed(data)
        except EventTooLarge:
            raise broken_answer() from None
        if not events:
            return b""
        if not self._has_begun:
            self._begin(events)
        events, is_done = cut_done(events)
        if is_done:
            self._has_done = True
        self._before, self._last = self._last, events
        if _find_more(events) is not None:
            events = self._read_more(events)
        spelling = self._spelling
        if written := events.count(spelling.text):
            self.output_events += written - events.count(spelling.empty_text)
        if self._rename is not None:
            events = events.replace(*self._rename)
        return events

    def finish(self) -> bytes:
        if self._failure is not None:
            raise self._failure
        if not self._has_begun or self._cutter.rest().strip():
            raise broken_answer()
        if not self._has_done and _find_reason(self._before + self._last) is None:
            raise broken_answer()
        if self.output_events and not self.counts.output_tokens:
            # Zero tokens for a text that was there is no count.
            self.counts = replace(self.counts, output_tokens=None)
        return DONE

    def _begin(self, events: bytes) -> None:
        """Learn from the first events how this host spells them."""
        if not events.startswith(_EVENT_STARTS):
            raise broken_answer()
        is_spaced = events.find(b'"choices": ') >= 0
        # Comments may come first, for as long as the host thinks.
        self._has_begun = is_spaced or events.find(b'"choices"') >= 0
        self._spelling = self._spellings[is_spaced]
        if self._renames:
            self._rename = self._renames[is_spaced]

    def _read_more(self, events: bytes) -> bytes:
        if b'"error":' in events:
            events = self._until_error(events)
        spelling = self._spelling
        for start in (spelling.arguments, spelling.reasoning):
            if written := events.count(start):
                self.output_events += written - events.count(start + b'"')
        if b'"tool_calls":' in events:
            events = self._with_indexes(events)
        if b'"usage":' in events:
            events = b"".join(map(self._read_usage, split_events(events)))
        return events

    def _read_usage(self, event: bytes) -> bytes:
        if b'"usage":' not in event:
            return b"" if event == DONE else event
        said = usage_of_event(data_of(event))
        if said.usage is None:
            return b"" if event == DONE else event  # some hosts tell the usage behind their end
        counts = counts_of(said.usage)
        # Usage grows while it is told. Some hosts send a second one without figures behind it.
        if (counts.output_tokens or 0) >= (self.counts.output_tokens or 0):
            self.counts = counts
        return b"" if said.is_usage_only and not self._shows_usage else event

    def _until_error(self, events: bytes) -> bytes:
        """Return the events before one that tells of an error; keep that for the next call."""
        passed: list[bytes] = []
        for event in split_events(events):
            if b'"error":' in event and (told := error_in(data_of(event))) is not None:
                self._failure = failed_answer(told)
                if not passed:
                    raise self._failure
                break
            passed.append(event)
        return b"".join(passed)

    def _with_indexes(self, events: bytes) -> bytes:
        if self._tools is None:
            self._tools = ToolIndexes()
        if self._tools.are_there(events):
            return events
        return b"".join(map(self._tools.add, split_events(events)))


class ToolIndexes:
    """Gives pieces of tool calls the index that clients put them together by, where a host leaves
    it out: a piece with an id that is new begins a call, one without goes on with the last.
    """

    __slots__ = ("_ids",)

    def __init__(self) -> None:
        self._ids: dict[int, list[str]] = {}

    @staticmethod
    def are_there(events: bytes) -> bool:
        """Tell whether every piece has its index. Cheap where all is well."""
        for event in split_events(events):
            if b'"tool_calls"' not in event:
                continue
            try:
                choices = _decode_tools(data_of(event)).choices
            except UNREADABLE:
                continue
            for choice in choices:
                if any(call.index is None for call in choice.delta.tool_calls or ()):
                    return False
        return True

    def add(self, event: bytes) -> bytes:
        try:
            members = msgspec.json.decode(data_of(event), type=dict[str, Any])
            choices = _decode_tools(data_of(event)).choices
        except UNREADABLE:
            return event
        for place, choice in enumerate(choices):
            known = self._ids.setdefault(choice.index, [])
            if len(self._ids) > _MOST_CHOICES or len(known) > _MOST_TOOL_CALLS:
                raise broken_answer()
            for number, call in enumerate(choice.delta.tool_calls or ()):
                if call.id and call.id not in known:
                    known.append(call.id)
                index = known.index(call.id) if call.id else max(0, len(known) - 1)
                pieces = members["choices"][place]["delta"]["tool_calls"]
                pieces[number] = {"index": index, **pieces[number]}
                if call.index is not None:
                    pieces[number]["index"] = call.index
        return event_of(encode(members))


class _ToolPiece(msgspec.Struct, frozen=True):
    id: str | None = None
    index: int | None = None


class _ToolDelta(msgspec.Struct, frozen=True):
    tool_calls: list[_ToolPiece] | None = None


class _ToolChoice(msgspec.Struct, frozen=True):
    index: int = 0
    delta: _ToolDelta = _ToolDelta()


class _ToolEvent(msgspec.Struct, frozen=True):
    choices: list[_ToolChoice] = []


_decode_tools = msgspec.json.Decoder(_ToolEvent).decode


class _HasError(msgspec.Struct, frozen=True):
    error: Raw = Raw(b"null")
    """Not `Raw | None`: that takes nothing but null."""


_decode_has_error = msgspec.json.Decoder(_HasError).decode


def error_in(data: bytes) -> Told | None:
    """Return what an event tells of an error, or None when it tells of none."""
    try:
        error = _decode_has_error(data).error
    except UNREADABLE:
        return None
    return None if bytes(error) in _NO_ERROR else read_error(data)


@lru_cache(maxsize=1024)
def renames_of(upstream_model: str, name: str) -> tuple[tuple[bytes, bytes], ...]:
    """Return what to replace by what in a stream so that it names the model the client asked for.

    Two spellings: most hosts write no space behind a colon, Python's `json.dumps` writes one.
    """
    if upstream_model == name:
        return ()
    former, new = encode(upstream_model), b'"model":' + encode(name)
    return (b'"model":' + former, new), (b'"model": ' + former, new)


def output_events_in(events: bytes) -> int:
    """Return how many of these events carry a piece of text or of a tool's arguments."""
    return (
        events.count(b'content":"')
        - events.count(b'content":""')
        + events.count(b'"arguments":"')
        - events.count(b'"arguments":""')
    )
