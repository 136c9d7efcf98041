"""Answers of the OpenAI v1 operations besides chat: what they tell of tokens and other meters.

Sources: OpenAI's API reference, "Completions", "Moderations", "Images", "Audio" and their streaming
events; jina.ai/reranker and docs.cohere.com/reference/rerank for rerank, which OpenAI has not.
"""

import re
from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw
from msgspec.structs import replace

from tradewind.plugins.providers.base import TokenCounts
from tradewind.plugins.providers.dialects.openai import WholeBody, error_in, members_of
from tradewind.plugins.providers.dialects.refusals import broken_answer, failed_answer
from tradewind.wire.chat import Fields, encode
from tradewind.wire.decoding import UNREADABLE
from tradewind.wire.sse import EventCutter, EventTooLarge, cut_done, data_of, split_events

Count = Callable[[Fields], TokenCounts]
"""From the top-level members of an answer to what it counts."""

_Number = Annotated[int, Meta(ge=0)]
_Seconds = Annotated[float, Meta(ge=0, le=1e9)]


class _InputDetails(msgspec.Struct, frozen=True):
    cached_tokens: _Number | None = None
    audio_tokens: _Number | None = None


class _Usage(msgspec.Struct, frozen=True):
    """`usage` as the newer operations have it; of rerank and Mistral's audio too."""

    input_tokens: _Number | None = None
    output_tokens: _Number | None = None
    prompt_tokens: _Number | None = None
    total_tokens: _Number | None = None
    seconds: _Seconds | None = None
    prompt_audio_seconds: _Seconds | None = None
    input_token_details: _InputDetails | None = None
    input_tokens_details: _InputDetails | None = None


class _BilledUnits(msgspec.Struct, frozen=True):
    search_units: Annotated[float, Meta(ge=0, le=1e9)] | None = None
    input_tokens: Annotated[float, Meta(ge=0, le=1e9)] | None = None


class _Meta(msgspec.Struct, frozen=True):
    billed_units: _BilledUnits | None = None


_NO_USAGE = _Usage()
_decode_usage = msgspec.json.Decoder(_Usage | None).decode
_decode_meta = msgspec.json.Decoder(_Meta | None).decode
_decode_list = msgspec.json.Decoder(list[Raw] | None).decode
_decode_seconds = msgspec.json.Decoder(_Seconds | None).decode


def count_rerank(members: Fields) -> TokenCounts:
    """One request, or as many as the host bills of a long one (Cohere's search units)."""
    usage, billed = _usage(members), _billed_units(members)
    read = usage.prompt_tokens
    if read is None:
        read = usage.total_tokens
    if read is None and billed.input_tokens is not None:
        read = round(billed.input_tokens)
    requests = 1 if billed.search_units is None else round(billed.search_units)
    # A host that bills searches tells no tokens, and there are none to bill.
    return TokenCounts(
        0 if read is None and billed.search_units is not None else read,
        None,
        0,
        meters={"requests": requests},
    )


def count_moderation(members: Fields) -> TokenCounts:
    usage = _usage(members)
    read = usage.prompt_tokens if usage.input_tokens is None else usage.input_tokens
    return TokenCounts(read, None, 0, meters={"requests": 1})


def count_images(members: Fields) -> TokenCounts:
    try:
        images = _decode_list(members["data"]) if "data" in members else None
    except UNREADABLE:
        images = None
    return _counts(_usage(members), {"images": len(images or ())})


def count_transcription(members: Fields) -> TokenCounts:
    usage = _usage(members)
    seconds = usage.seconds
    if seconds is None:
        seconds = usage.prompt_audio_seconds
    if seconds is None and "duration" in members:
        try:
            seconds = _decode_seconds(members["duration"])
        except UNREADABLE:
            seconds = None
    meters = None if seconds is None else {"audio_ms": round(seconds * 1000)}
    counts = _counts(usage, meters)
    if counts.input_tokens is None and seconds is not None:
        # Such a host bills time: there are no tokens to estimate.
        return replace(counts, input_tokens=0, output_tokens=0)
    return counts


class CountedAnswer:
    """Reads a whole JSON answer: passed on as it is, but for the name of the model."""

    __slots__ = ("_body", "_count", "_finish", "_name", "counts")

    output_events = 0

    def __init__(
        self, name: str | None, count: Count, finish: Callable[[Fields], bytes] = encode
    ) -> None:
        """`name` is the model's for the client; None keeps the upstream's. `finish` makes the
        answer of its members.
        """
        self._body = WholeBody()
        self._name = name
        self._count = count
        self._finish = finish
        self.counts = TokenCounts()

    def feed(self, data: bytes) -> bytes:
        self._body.add(data)
        return b""

    def finish(self) -> bytes:
        body = self._body.content()
        members = members_of(body)
        told = error_in(body) if "error" in members else None
        if told is not None:
            raise failed_answer(told)
        self.counts = self._count(members)
        if self._name is not None and "model" in members:
            members["model"] = Raw(encode(self._name))
        return self._finish(members)


def text_of_transcription(members: Fields) -> bytes:
    """Return the plain text of a JSON transcription. Raises ApiError 502."""
    try:
        return msgspec.json.decode(members["text"], type=str).encode() + b"\n"
    except (*UNREADABLE, KeyError):
        raise broken_answer() from None


# The last events of a stream tell what the whole came to.
_find_final = re.compile(
    rb'"type": ?"(?:image_generation\.completed|image_edit\.completed|speech\.audio\.done'
    rb'|transcript\.text\.done|transcription\.done)"'
).search
_find_output = re.compile(
    rb'"type": ?"(?:speech\.audio\.delta|transcript\.text\.delta|transcription\.text\.delta'
    rb'|image_generation\.partial_image|image_edit\.partial_image)"'
).search


class EventsAnswer:
    """Reads a stream of typed events (images, speech, transcriptions) and passes it on."""

    __slots__ = ("_count", "_cutter", "_has_begun", "_known", "counts")

    output_events = 0
    """What they write is no text, or is told in tokens at the end."""

    def __init__(self, count: Count, counts: TokenCounts | None = None) -> None:
        """`counts` is what is known beforehand and holds as soon as something came."""
        self._cutter = EventCutter()
        self._count = count
        self._has_begun = False
        self._known = counts
        self.counts = TokenCounts()

    def feed(self, data: bytes) -> bytes:
        try:
            events, _ = cut_done(self._cutter.feed(data))
        except EventTooLarge:
            raise broken_answer() from None
        for event in split_events(events):
            if b'"error":' in event and (told := error_in(data_of(event))) is not None:
                raise failed_answer(told)
            if _find_final(event) is not None:
                self._add(members_of(data_of(event)))
            elif self._known is not None and _find_output(event) is not None:
                self.counts = self._known
            self._has_begun = True
        return events

    def finish(self) -> bytes:
        if not self._has_begun or self._cutter.rest().strip():
            raise broken_answer()
        return b""

    def _add(self, members: Fields) -> None:
        counts = self._count(members)
        if self._known is not None:
            self.counts = counts
            return
        meters = dict(self.counts.meters or {})
        for meter, quantity in (counts.meters or {}).items():
            meters[meter] = meters.get(meter, 0) + quantity
        self.counts = replace(counts, meters=meters or None)


class PassedBytes:
    """Reads an answer that is neither JSON nor events: passed on byte for byte."""

    __slots__ = ("_finds", "_tail", "_told", "counts")

    output_events = 0
    """A chunk of sound is no token."""

    def __init__(self, told: TokenCounts, *, finds_time: bool = False) -> None:
        """`told` is what holds as soon as something came. `finds_time`: the bytes are subtitles,
        whose last time tells how long the recording was.
        """
        self._told = told
        self._finds = finds_time
        self._tail = b""
        self.counts = TokenCounts()

    def feed(self, data: bytes) -> bytes:
        self.counts = self._told
        if self._finds:
            self._tail = (self._tail + data)[-_TAIL_BYTES:]
        return data

    def finish(self) -> bytes:
        if self._finds and (times := _TIME.findall(self._tail)):
            hours, minutes, seconds, fraction = (int(number or 0) for number in times[-1])
            ms = ((hours * 60 + minutes) * 60 + seconds) * 1000 + fraction
            self.counts = replace(
                self._told, input_tokens=0, output_tokens=0, meters={"audio_ms": ms}
            )
        return b""


# SRT and WebVTT: `00:01:02,500 --> 00:01:04,000`; WebVTT may leave the hours out.
_TIME = re.compile(rb"--> (?:(\d{2,4}):)?(\d{2}):(\d{2})[.,](\d{3})")
_TAIL_BYTES = 64 * 1024


def _usage(members: Fields) -> _Usage:
    try:
        return (_decode_usage(members["usage"]) if "usage" in members else None) or _NO_USAGE
    except UNREADABLE:
        return _NO_USAGE


def _billed_units(members: Fields) -> _BilledUnits:
    try:
        meta = _decode_meta(members["meta"]) if "meta" in members else None
    except UNREADABLE:
        meta = None
    return (meta.billed_units if meta is not None else None) or _BilledUnits()


def _counts(usage: _Usage, meters: dict[str, int] | None) -> TokenCounts:
    details = usage.input_tokens_details or usage.input_token_details or _InputDetails()
    read: Any = usage.prompt_tokens if usage.input_tokens is None else usage.input_tokens
    return TokenCounts(
        read,
        details.cached_tokens,
        usage.output_tokens,
        audio_input_tokens=details.audio_tokens,
        meters=meters,
    )
