"""The OpenAI v1 dialect as upstreams speak it: answers, streams and errors."""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw

from tradewind.plugins.providers.base import TokenCounts
from tradewind.wire.chat import WireUsage, encode, usage_of_event, usage_of_members
from tradewind.wire.decoding import UNREADABLE
from tradewind.wire.errors import ApiError, retry_after
from tradewind.wire.sse import (
    DONE,
    EventCutter,
    EventTooLarge,
    cut_done,
    data_of,
    split_events,
)

MOST_ANSWER_BYTES = 64 * 1024 * 1024
"""Of a whole answer: 2048 embeddings of 1536 numbers are about 40 MB."""
_EVENT_STARTS = (b"data:", b":", b"event:", b"id:", b"retry:", b"\n", b"\r\n")

_decode_members = msgspec.json.Decoder(dict[str, Raw]).decode


def counts_of(usage: WireUsage | None) -> TokenCounts:
    """Return the wire's usage as counts."""
    if usage is None:
        return TokenCounts()
    details = usage.prompt_tokens_details
    return TokenCounts(
        usage.prompt_tokens, details.cached_tokens if details else None, usage.completion_tokens
    )


def counts_of_embeddings(usage: WireUsage | None) -> TokenCounts:
    """Return the usage of embeddings as counts: they write no tokens, so hosts tell none."""
    return counts_of(usage)._replace(output_tokens=0)


def usage_object(counts: TokenCounts) -> dict[str, Any]:
    """Return counts as the wire's `usage`."""
    read, written = counts.input_tokens or 0, counts.output_tokens or 0
    return {
        "prompt_tokens": read,
        "completion_tokens": written,
        "total_tokens": read + written,
        "prompt_tokens_details": {"cached_tokens": counts.cached_input_tokens or 0},
    }


class WholeBody:
    """Collects an answer that is read when it is complete. Bounded."""

    __slots__ = ("_parts", "_size")

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, data: bytes) -> None:
        """Raises ApiError 502 when the answer is larger than MOST_ANSWER_BYTES."""
        self._size += len(data)
        if self._size > MOST_ANSWER_BYTES:
            raise broken_answer()
        self._parts.append(data)

    def content(self) -> bytes:
        return self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)


def members_of(answer: bytes) -> dict[str, Raw]:
    """Return the top-level members of an upstream's JSON. Raises ApiError 502."""
    try:
        return _decode_members(answer)
    except UNREADABLE:
        raise broken_answer() from None


class WholeAnswer:
    """Reads a non-streamed answer: passed on as it is, but for the name of the model."""

    __slots__ = ("_body", "_count", "_name", "counts")

    output_events = 0

    def __init__(
        self, name: str | None, count: Callable[[WireUsage | None], TokenCounts] = counts_of
    ) -> None:
        """`name` is the model's name for the client; None keeps the upstream's."""
        self._body = WholeBody()
        self._name = name
        self._count = count
        self.counts = TokenCounts()

    def feed(self, data: bytes) -> bytes:
        self._body.add(data)
        return b""

    def finish(self) -> bytes:
        body = self._body.content()
        members = members_of(body)
        self.counts = self._count(usage_of_members(members))
        if self._name is None:
            return body
        members["model"] = Raw(encode(self._name))
        return encode(members)


class StreamedAnswer:
    """Reads a stream of events and passes whole events on; looks only at events with usage.

    What one read brought is passed on in one piece: splitting and re-encoding each event would cost
    more than all else together. `[DONE]` is held back until the upstream has ended: for a client it
    is the end, so the call must be recorded first.
    """

    __slots__ = ("_cutter", "_has_begun", "_renames", "_shows_usage", "counts", "output_events")

    def __init__(self, renames: tuple[tuple[bytes, bytes], ...], *, shows_usage: bool) -> None:
        """`renames` are of `renames_of`."""
        self._cutter = EventCutter()
        self._renames = renames
        self._shows_usage = shows_usage
        self._has_begun = False
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
        events, _ = cut_done(events)
        self.output_events += output_events_in(events)
        # Inside a JSON string these quotes would be escaped, so the markers cannot be content.
        if b'"usage":{' in events or b'"usage": {' in events:
            events = b"".join(map(self._read_usage, split_events(events)))
        for former, name in self._renames:
            events = events.replace(former, name)
        return events

    def finish(self) -> bytes:
        if not self._has_begun or self._cutter.rest().strip():
            raise broken_answer()
        return DONE

    def _read_usage(self, event: bytes) -> bytes:
        said = usage_of_event(data_of(event))
        if said.usage is None:
            return b"" if event == DONE else event  # some hosts tell the usage behind their end
        self.counts = counts_of(said.usage)
        return b"" if said.is_usage_only and not self._shows_usage else event


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


class _UpstreamError(msgspec.Struct, frozen=True):
    error: dict[str, Any] | str | None = None


_decode_error = msgspec.json.Decoder(_UpstreamError).decode
_NOT_THE_CALLERS_FAULT = frozenset({401, 403, 404})


def error_of(status: int, body: bytes) -> ApiError:
    """Return the caller's error for an upstream's error answer.

    A 400 of the upstream is the caller's; its 401, 403 or 404 is our configuration, so a 502.
    """
    try:
        found = _decode_error(body).error
    except UNREADABLE:
        found = None
    error = found if isinstance(found, dict) else {}
    message = str(error.get("message") or found or "")[:2000]
    if status in (429, 503):
        return ApiError(
            status,
            "The model is busy; try again shortly.",
            type="server_error",
            code="model_busy",
            headers=retry_after(1.0),
        )
    if 400 <= status < 500 and status not in _NOT_THE_CALLERS_FAULT:
        param, code = error.get("param"), error.get("code")
        return ApiError(
            status,
            message or "The model refused the request.",
            param=param if isinstance(param, str) else None,
            code=code if isinstance(code, str) else "refused_by_model",
        )
    return ApiError(
        502,
        f"The model's server answered with status {status}.",
        type="server_error",
        code="upstream_error",
    )


def broken_answer() -> ApiError:
    return ApiError(
        502,
        "The model's server sent an answer that cannot be read.",
        type="server_error",
        code="upstream_error",
    )
