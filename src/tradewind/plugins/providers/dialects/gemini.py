"""The Gemini dialect as upstreams speak it: answers passed on, usage read, errors.

A stream has no mark of its end but that its last chunk with content tells why it ended; chunks of
older models all tell it. So such a chunk is held back until another one with content follows or the
upstream has ended: for a client it is the end, and the call must be recorded first.

Sources, all on ai.google.dev: "Generating content" (API reference), "Troubleshooting"; errors:
google.aip.dev/193.
"""

from typing import Any

import msgspec
from msgspec import Raw
from msgspec.structs import asdict, replace

from tradewind.plugins.providers.base import TokenCounts
from tradewind.plugins.providers.dialects.loose_json import object_or_none, objects_of
from tradewind.plugins.providers.dialects.openai import (
    MOST_ANSWER_BYTES,
    WholeBody,
    members_of,
)
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
from tradewind.wire.errors import ApiError, retry_after
from tradewind.wire.gemini import Answer, Candidate, ModalityCount, UsageMetadata, is_unset
from tradewind.wire.sse import EventCutter, EventTooLarge, data_of, event_of, split_events

_decode_answer = msgspec.json.Decoder(Answer).decode
_decode_usage = msgspec.json.Decoder(UsageMetadata | None).decode
_EVENT_STARTS = (b"event:", b"data:", b":", b"id:", b"retry:", b"\n", b"\r\n")
_CHARACTERS_PER_TOKEN = 4
# The reasons of a 400 that is the operator's to mend ("Troubleshooting"): a wrong key, a region
# that is not served, an account without billing.
_MISCONFIGURED = frozenset({"API_KEY_INVALID", "API_KEY_EXPIRED", "API_KEY_SERVICE_BLOCKED"})
_MOST_RETRY_S = 3600.0


class Tally:
    """What one answer tells of its tokens, in one piece or in several."""

    __slots__ = ("counts",)

    def __init__(self) -> None:
        self.counts = TokenCounts()

    def add(self, usage: UsageMetadata | None) -> None:
        """Take what is told now: counts are cumulative, and one left out is as it was."""
        if usage is None:
            return
        told = asdict(_counts_of(usage))
        self.counts = replace(
            self.counts, **{name: count for name, count in told.items() if count is not None}
        )


class GeminiAnswer:
    """Reads a whole answer: passed on as it is, but for the name of the model."""

    __slots__ = ("_body", "_name", "counts", "output_events")

    def __init__(self, name: str | None) -> None:
        """`name` is the model's name for the client; None keeps the upstream's."""
        self._body = WholeBody()
        self._name = name
        self.counts = TokenCounts()
        self.output_events = 0

    def feed(self, data: bytes) -> bytes:
        self._body.add(data)
        return b""

    def finish(self) -> bytes:
        body = self._body.content()
        members = members_of(body)
        if not is_unset(members.get("error", Raw())):
            raise error_in_stream(body)
        tally = Tally()
        tally.add(_usage_of(members))
        self.counts = tally.counts
        if self.counts.output_tokens is None:
            self.output_events = sum(map(tokens_in, decode_answer(body).candidates or ()))
        if self._name is None or "modelVersion" not in members:
            return body
        members["modelVersion"] = Raw(encode(self._name))
        return encode(members)


class GeminiStream:
    """Reads a stream and passes whole events on, with the model's name for the client."""

    __slots__ = ("_held", "_name", "_size", "_stream")

    def __init__(self, name: str | None) -> None:
        """As GeminiAnswer."""
        self._stream = ChunkReader()
        self._name = name
        self._held: list[bytes] = []
        self._size = 0

    @property
    def counts(self) -> TokenCounts:
        return self._stream.counts

    @property
    def output_events(self) -> int:
        return self._stream.output_events

    def feed(self, data: bytes) -> bytes:
        return b"".join(map(self._read, self._stream.events(data)))

    def finish(self) -> bytes:
        self._stream.finish()
        return b"".join(self._held)

    def _read(self, event: bytes) -> bytes:
        data = data_of(event)
        if not data:
            return event
        said = self._stream.read(data)
        if self._name is not None:
            event = _renamed(data, self._name)
        passed = b""
        if self._held and has_content(said):
            passed = b"".join(self._held)
            self._held.clear()
            self._size = 0
        if not self._held and not is_end(said):
            return passed + event
        self._held.append(event)
        self._size += len(event)
        if self._size > MOST_ANSWER_BYTES:
            raise broken_answer()
        return passed


class ChunkReader:
    """Reads the chunks of a stream, whoever they are for: what they cost and whether they ended."""

    __slots__ = ("_cutter", "_has_begun", "_is_ended", "_tally", "output_events")

    def __init__(self) -> None:
        self._cutter = EventCutter()
        self._tally = Tally()
        self._has_begun = False
        self._is_ended = False
        self.output_events = 0

    @property
    def counts(self) -> TokenCounts:
        return self._tally.counts

    def events(self, data: bytes) -> list[bytes]:
        """Return the events that are whole by now. Raises ApiError 502."""
        try:
            events = self._cutter.feed(data)
        except EventTooLarge:
            raise broken_answer() from None
        if events and not self._has_begun:
            if not events.startswith(_EVENT_STARTS):
                raise broken_answer()
            self._has_begun = True
        return list(split_events(events))

    def read(self, data: bytes) -> Answer:
        """Take the data of one event. Raises ApiError 502."""
        said = decode_answer(data)
        self._tally.add(said.usage_metadata)
        for candidate in said.candidates or ():
            self.output_events += tokens_in(candidate)
        self._is_ended = self._is_ended or is_end(said)
        return said

    def finish(self) -> None:
        """Raises ApiError 502 for a stream that did not come to its end."""
        if not self._is_ended or self._cutter.rest().strip():
            raise broken_answer()
        counts = self._tally.counts
        if self.output_events and not counts.output_tokens:
            # Zero tokens for a text that was there is no count.
            self._tally.counts = replace(counts, output_tokens=None)


def decode_answer(data: bytes) -> Answer:
    """Raises ApiError 502 for what is no answer of this dialect, or one that tells of a failure."""
    try:
        said = _decode_answer(data)
    except UNREADABLE:
        raise broken_answer() from None
    if not is_unset(said.error):
        raise error_in_stream(data)
    return said


def is_end(said: Answer) -> bool:
    """Tell whether a chunk may be the last one."""
    feedback = said.prompt_feedback
    if feedback is not None and feedback.block_reason:
        return True
    return any(candidate.finish_reason for candidate in said.candidates or ())


def has_content(said: Answer) -> bool:
    return any(
        part.text or part.function_call is not None
        for candidate in said.candidates or ()
        if candidate.content is not None
        for part in candidate.content.parts or ()
    )


def counts_of(usage: UsageMetadata | None) -> TokenCounts:
    return TokenCounts() if usage is None else _counts_of(usage)


def error_in_stream(data: bytes) -> ApiError:
    """Return the caller's error for a failure that is told inside an answer of status 200."""
    error = _error_object(data)
    code = error.get("code")
    if isinstance(code, int) and 400 <= code < 600:
        return error_of(code, data)
    return failed_answer(read(data))


def error_of(status: int, body: bytes) -> ApiError:
    """Return the caller's error for an upstream's error answer."""
    error = _error_object(body)
    told_status, details = error.get("status"), objects_of(error.get("details"))
    if status == 429 or told_status == "RESOURCE_EXHAUSTED":
        found = busy(429)
        if (delay_s := _retry_delay_s(details)) is not None:
            found.headers = retry_after(delay_s)
        return found
    if status == 400 and (
        told_status == "FAILED_PRECONDITION"
        or any(detail.get("reason") in _MISCONFIGURED for detail in details)
    ):
        return caller_error(403, Told())
    return caller_error(status, read(encode({"error": error}) if error else body))


def _counts_of(usage: UsageMetadata) -> TokenCounts:
    """Return the wire's usage as counts: ours of the output are all tokens, thoughts included."""
    read, thought = usage.prompt_token_count, usage.thoughts_token_count
    written = usage.candidates_token_count
    if written is not None or thought is not None:
        written = (written or 0) + (thought or 0)
    if read is not None:
        # What tools of the host put into the prompt is billed as input and told apart.
        read += usage.tool_use_prompt_token_count or 0
        if written is None and usage.total_token_count is not None:
            # A count of zero is left out on Google's wire; the total tells it from an unknown one.
            written = max(0, usage.total_token_count - read)
    return TokenCounts(
        read,
        usage.cached_content_token_count,
        written,
        None,
        thought,
        _sound_in(usage.prompt_tokens_details),
        _sound_in(usage.candidates_tokens_details),
    )


def _sound_in(details: list[ModalityCount] | None) -> int | None:
    counts = [each.token_count or 0 for each in details or () if each.modality == "AUDIO"]
    return sum(counts) if counts else None


def tokens_in(candidate: Candidate) -> int:
    """Return about how many tokens a chunk brings: here it is many, unlike in other dialects."""
    if candidate.content is None:
        return 0
    tokens = 0
    for part in candidate.content.parts or ():
        if part.text:
            tokens += max(1, len(part.text) // _CHARACTERS_PER_TOKEN)
        elif part.function_call is not None:
            tokens += max(1, len(bytes(part.function_call.args)) // _CHARACTERS_PER_TOKEN)
    return tokens


def _usage_of(members: dict[str, Raw]) -> UsageMetadata | None:
    try:
        return _decode_usage(members["usageMetadata"]) if "usageMetadata" in members else None
    except UNREADABLE:
        return None


def _renamed(data: bytes, name: str) -> bytes:
    members = members_of(data)
    if "modelVersion" not in members:
        return event_of(encode(members))
    members["modelVersion"] = Raw(encode(name))
    return event_of(encode(members))


def _error_object(body: bytes) -> dict[str, Any]:
    """Return the error that a body tells of; in an array too, as streams have it."""
    try:
        whole: Any = msgspec.json.decode(body)
    except UNREADABLE:
        return {}
    found = objects_of(whole)
    top = found[0] if found else object_or_none(whole)
    return (object_or_none(top.get("error")) if top is not None else None) or {}


def _retry_delay_s(details: list[dict[str, Any]]) -> float | None:
    """Return when to come back, of `google.rpc.RetryInfo` (`"retryDelay": "34.5s"`)."""
    for detail in details:
        delay = detail.get("retryDelay")
        if isinstance(delay, str) and delay.endswith("s"):
            try:
                seconds = float(delay[:-1])
            except ValueError:
                continue
            if 0 < seconds <= _MOST_RETRY_S:
                return seconds
    return None
