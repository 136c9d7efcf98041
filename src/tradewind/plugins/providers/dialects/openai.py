"""The OpenAI v1 dialect as upstreams speak it: answers, streams and errors."""

from typing import Any

import msgspec

from tradewind.plugins.providers.base import TokenCounts
from tradewind.wire.chat import WireUsage, usage_of_answer, usage_of_event
from tradewind.wire.errors import ApiError, retry_after
from tradewind.wire.sse import DONE, EventCutter, EventTooLarge, data_of, split_events

_encode = msgspec.json.Encoder().encode


def counts_of(usage: WireUsage | None) -> TokenCounts:
    """Return the wire's usage as counts."""
    if usage is None:
        return TokenCounts()
    details = usage.prompt_tokens_details
    return TokenCounts(
        usage.prompt_tokens, details.cached_tokens if details else None, usage.completion_tokens
    )


def usage_object(counts: TokenCounts) -> dict[str, Any]:
    """Return counts as the wire's `usage`."""
    read, written = counts.input_tokens or 0, counts.output_tokens or 0
    return {
        "prompt_tokens": read,
        "completion_tokens": written,
        "total_tokens": read + written,
        "prompt_tokens_details": {"cached_tokens": counts.cached_input_tokens or 0},
    }


def renaming(upstream_model: str, name: str) -> tuple[bytes, bytes] | None:
    """Return what to replace by what so that the answer names the model the client asked for."""
    if upstream_model == name:
        return None
    return b'"model":' + _encode(upstream_model), b'"model":' + _encode(name)


class WholeAnswer:
    """Reads a non-streamed answer: passed on as it is, but for the name of the model."""

    __slots__ = ("_parts", "_rename", "counts")

    output_events = 0

    def __init__(self, rename: tuple[bytes, bytes] | None) -> None:
        self._parts: list[bytes] = []
        self._rename = rename
        self.counts = TokenCounts()

    def feed(self, data: bytes) -> bytes:
        self._parts.append(data)
        return b""

    def finish(self) -> bytes:
        body = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self.counts = counts_of(usage_of_answer(body))
        if self._rename is not None:
            body = body.replace(*self._rename, 1)
        if not body.startswith(b"{"):
            raise broken_answer()
        return body


class StreamedAnswer:
    """Reads a stream of events and passes whole events on; looks only at events with usage.

    What one read brought is passed on in one piece: splitting and re-encoding each event would cost
    more than all else together.
    """

    __slots__ = ("_cutter", "_is_done", "_rename", "_shows_usage", "counts", "output_events")

    def __init__(self, rename: tuple[bytes, bytes] | None, *, shows_usage: bool) -> None:
        self._cutter = EventCutter()
        self._rename = rename
        self._shows_usage = shows_usage
        self._is_done = False
        self.counts = TokenCounts()
        self.output_events = 0

    def feed(self, data: bytes) -> bytes:
        try:
            events = self._cutter.feed(data)
        except EventTooLarge:
            raise broken_answer() from None
        if not events:
            return b""
        self.output_events += output_events_in(events)
        # Inside a JSON string these quotes would be escaped, so the markers cannot be content.
        if b'"usage":{' in events or b'"usage": {' in events:
            events = b"".join(map(self._read_usage, split_events(events)))
        if events.endswith(DONE):
            self._is_done = True
        if self._rename is not None:
            events = events.replace(*self._rename)
        return events

    def finish(self) -> bytes:
        if self._cutter.rest().strip():
            raise broken_answer()
        return b"" if self._is_done else DONE

    def _read_usage(self, event: bytes) -> bytes:
        said = usage_of_event(data_of(event))
        if said.usage is None:
            return event
        self.counts = counts_of(said.usage)
        return b"" if said.is_usage_only and not self._shows_usage else event


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
    except msgspec.MsgspecError:
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
