"""Writes an answer in the common form as a Gemini answer, whole or chunk by chunk.

A stream of this dialect is a row of answers of the same form, each with what is new ("Generating
content", under `streamGenerateContent`, ai.google.dev): text goes out as it comes, a function call
only as a whole object, and the last chunk tells why each candidate ended and what it all cost. So
calls are gathered until the end, where nothing of them can follow. Reasoning is shown only to
clients that asked for it, as the dialect promises.
"""

import secrets
from typing import Any

import msgspec
from msgspec import Raw

from tradewind.plugins.providers.base import Reader, TokenCounts
from tradewind.plugins.providers.dialects.openai import MOST_ANSWER_BYTES
from tradewind.plugins.providers.dialects.refusals import (
    Told,
    broken_answer,
    failed_answer,
    read,
)
from tradewind.wire.chat import encode
from tradewind.wire.decoding import UNREADABLE
from tradewind.wire.gemini import EMPTY, UNSIGNED
from tradewind.wire.messages import input_of
from tradewind.wire.sse import data_of, event_of, split_events

_MOST_CHOICES = 128
_MOST_TOOL_CALLS = 256
_FINISH_REASONS = {
    "stop": "STOP",
    "tool_calls": "STOP",
    "function_call": "STOP",
    "length": "MAX_TOKENS",
    "content_filter": "SAFETY",
}
_TEXT_CHUNK = (
    b'data: {"candidates":[{"content":{"parts":[{"text":%b}],"role":"model"},"index":%d}]%b}\n\n'
)


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _Call(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Message(msgspec.Struct):
    """A message, or a piece of one. Hosts differ on what they call reasoning."""

    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None


class _TokenLogprob(msgspec.Struct):
    token: str = ""
    logprob: float = 0.0
    top_logprobs: "list[_TokenLogprob] | None" = None


class _LogProbs(msgspec.Struct):
    content: list[_TokenLogprob] | None = None


class _Choice(msgspec.Struct):
    index: int = 0
    delta: _Message | None = None
    message: _Message | None = None
    finish_reason: str | None = None
    logprobs: _LogProbs | None = None


class _Chunk(msgspec.Struct):
    """A whole answer too, which differs in its choices only."""

    choices: list[_Choice] | None = None
    error: Raw = EMPTY


_decode_chunk = msgspec.json.Decoder(_Chunk).decode


class _GatheredCall:
    __slots__ = ("arguments", "id", "name")

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.arguments: list[str] = []


class _Candidate:
    """One candidate of a stream: what is gathered of it until the end."""

    __slots__ = ("_by_id", "_by_index", "_last", "calls", "finish", "refused")

    def __init__(self) -> None:
        self.calls: list[_GatheredCall] = []
        self.finish: str | None = None
        self.refused = False
        self._by_index: dict[int, _GatheredCall] = {}
        self._by_id: dict[str, _GatheredCall] = {}
        self._last: _GatheredCall | None = None

    def gather(self, piece: _Call) -> None:
        """Add a piece of a call. Raises ApiError 502 when there are too many."""
        call = self._call_of(piece)
        if piece.function is not None:
            if piece.function.name and not call.name:
                call.name = piece.function.name
            if piece.function.arguments:
                call.arguments.append(piece.function.arguments)

    def _call_of(self, piece: _Call) -> _GatheredCall:
        """Return the call that a piece belongs to; a new one for a new call.

        Some hosts send no index, others the same one for every call: an id tells then.
        """
        if piece.index is None:
            call = self._by_id.get(piece.id) if piece.id else self._last
        else:
            call = self._by_index.get(piece.index)
            is_named = piece.function is not None and bool(piece.function.name)
            if call is not None and piece.id and is_named and call.id not in ("", piece.id):
                call = self._by_id.get(piece.id)
        if call is None:
            if len(self.calls) >= _MOST_TOOL_CALLS:
                raise broken_answer()
            call = _GatheredCall()
            self.calls.append(call)
        if piece.id and not call.id:
            call.id = piece.id
            self._by_id[piece.id] = call
        if piece.index is not None:
            self._by_index[piece.index] = call
        self._last = call
        return call


class GeminiWriter:
    """Writes one answer. A stream comes out as events; `ArrayAnswer` makes an array of them."""

    __slots__ = (
        "_candidates",
        "_estimate",
        "_model",
        "_reader",
        "_response_id",
        "_shows_thoughts",
        "_size",
        "_tail",
    )

    def __init__(
        self, model: str, reader: Reader, *, input_estimate: int, shows_thoughts: bool = False
    ) -> None:
        """`reader` reads the answer and knows its tokens."""
        self._model = model
        self._reader = reader
        self._estimate = input_estimate
        self._shows_thoughts = shows_thoughts
        self._candidates: dict[int, _Candidate] = {}
        self._size = 0
        self._response_id = secrets.token_urlsafe(15)
        self._tail = b',"modelVersion":%b,"responseId":"%b"' % (
            encode(model),
            self._response_id.encode(),
        )

    def events(self, events: bytes) -> bytes:
        return b"".join(map(self._event, split_events(events)))

    def end(self, counts: TokenCounts) -> bytes:
        candidates = [
            self._ended(index, candidate)
            for index, candidate in sorted((self._candidates or {0: _Candidate()}).items())
        ]
        return event_of(encode(self._answer(candidates, counts)))

    def whole(self, answer: bytes, counts: TokenCounts) -> bytes:
        choices = _chunk_of(answer).choices
        if not choices:
            raise broken_answer()
        return encode(self._answer(list(map(self._candidate, choices)), counts))

    # Chunks.

    def _event(self, event: bytes) -> bytes:
        data = data_of(event)
        if not data:
            # A comment, by which a host says that it is still there: the official client takes
            # every line for a chunk.
            return b""
        choices = _chunk_of(data).choices
        if not choices:
            return b""
        if len(choices) == 1:
            return self._single(choices[0])
        candidates = [found for choice in choices if (found := self._piece(choice)) is not None]
        return self._chunk(candidates) if candidates else b""

    def _single(self, choice: _Choice) -> bytes:
        """As `_piece`, by a short way for what nearly all chunks are: a text."""
        delta = choice.delta
        if (
            delta is None
            or not delta.content
            or choice.logprobs is not None
            or delta.tool_calls
            or delta.reasoning_content
            or delta.reasoning
            or delta.refusal
        ):
            found = self._piece(choice)
            return b"" if found is None else self._chunk([found])
        self._note(choice)
        return _TEXT_CHUNK % (encode(delta.content), choice.index, self._tail)

    def _piece(self, choice: _Choice) -> dict[str, Any] | None:
        """Return what a chunk adds to a candidate now; None for nothing."""
        candidate = self._note(choice)
        delta = choice.delta
        if delta is None:
            return None
        for call in delta.tool_calls or ():
            self._grow(call)
            candidate.gather(call)
        if delta.refusal:
            candidate.refused = True
        parts = self._texts(delta)
        if not parts:
            return None
        return _logged(choice, {"content": _content(parts), "index": choice.index})

    def _note(self, choice: _Choice) -> _Candidate:
        candidate = self._candidates.get(choice.index)
        if candidate is None:
            if len(self._candidates) >= _MOST_CHOICES:
                raise broken_answer()
            candidate = self._candidates[choice.index] = _Candidate()
        if choice.finish_reason is not None:
            if choice.finish_reason == "error":
                raise failed_answer(Told())
            candidate.finish = choice.finish_reason
        return candidate

    def _grow(self, call: _Call) -> None:
        if call.function is not None:
            self._size += len(call.function.arguments or "")
        if self._size > MOST_ANSWER_BYTES:
            raise broken_answer()

    def _chunk(self, candidates: list[dict[str, Any]]) -> bytes:
        return b'data: {"candidates":%b%b}\n\n' % (encode(candidates), self._tail)

    def _ended(self, index: int, candidate: _Candidate) -> dict[str, Any]:
        calls = [(call.id, call.name, "".join(call.arguments)) for call in candidate.calls]
        return {
            # Clients look for parts in every candidate.
            "content": _content(_call_parts(calls) or [{"text": ""}]),
            "finishReason": _finish_reason(candidate.finish, is_refused=candidate.refused),
            "index": index,
        }

    # What both kinds of answer have.

    def _candidate(self, choice: _Choice) -> dict[str, Any]:
        message = choice.message
        if message is None:
            raise broken_answer()
        if choice.finish_reason == "error":
            raise failed_answer(Told())
        calls = [
            (call.id or "", call.function.name or "", call.function.arguments or "")
            if call.function is not None
            else ("", "", "")
            for call in message.tool_calls or ()
        ]
        parts = self._texts(message) + _call_parts(calls)
        return _logged(
            choice,
            {
                "content": _content(parts or [{"text": ""}]),
                "finishReason": _finish_reason(
                    choice.finish_reason, is_refused=bool(message.refusal)
                ),
                "index": choice.index,
            },
        )

    def _texts(self, message: _Message) -> list[dict[str, Any]]:
        parts: list[dict[str, Any]] = []
        thought = message.reasoning_content or message.reasoning
        if thought and self._shows_thoughts:
            parts.append({"text": thought, "thought": True})
        if text := (message.content or "") + (message.refusal or ""):
            parts.append({"text": text})
        return parts

    def _answer(self, candidates: list[dict[str, Any]], counts: TokenCounts) -> dict[str, Any]:
        return {
            "candidates": candidates,
            "usageMetadata": self._usage(counts),
            "modelVersion": self._model,
            "responseId": self._response_id,
        }

    def _usage(self, counts: TokenCounts) -> dict[str, Any]:
        """Return the usage; of what the host did not tell, what we count ourselves.

        This dialect counts thoughts apart from the candidates, and cached tokens in the prompt.
        """
        read = self._estimate if counts.input_tokens is None else counts.input_tokens
        written = counts.output_tokens
        if written is None:
            written = self._reader.output_events
        thoughts = min(counts.reasoning_tokens or 0, written)
        usage: dict[str, Any] = {
            "promptTokenCount": read,
            "candidatesTokenCount": written - thoughts,
            "totalTokenCount": read + written,
        }
        if counts.cached_input_tokens:
            usage["cachedContentTokenCount"] = min(counts.cached_input_tokens, read)
        if counts.reasoning_tokens is not None:
            usage["thoughtsTokenCount"] = thoughts
        return usage


def _chunk_of(data: bytes) -> _Chunk:
    """Raises ApiError 502."""
    try:
        chunk = _decode_chunk(data)
    except UNREADABLE:
        raise broken_answer() from None
    if bytes(chunk.error) not in (b"", b"null"):
        raise failed_answer(read(data))
    return chunk


def _content(parts: list[dict[str, Any]]) -> dict[str, Any]:
    return {"parts": parts, "role": "model"}


def _call_parts(calls: list[tuple[str, str, str]]) -> list[dict[str, Any]]:
    """Return the parts of calls, each of which is an id, a name and its arguments as text."""
    parts: list[dict[str, Any]] = []
    for call_id, name, arguments in calls:
        if not name:
            raise broken_answer()
        call: dict[str, Any] = {"name": name, "args": input_of(arguments)}
        if call_id:
            call["id"] = call_id
        parts.append({"functionCall": call})
    if parts:
        # A client sends it back with the call, to this target or to one of the dialect's own. The
        # first call of a turn is the one that must have it.
        parts[0]["thoughtSignature"] = UNSIGNED
    return parts


def _finish_reason(reason: str | None, *, is_refused: bool) -> str:
    if is_refused:
        return "SAFETY"
    return "STOP" if reason is None else _FINISH_REASONS.get(reason, "OTHER")


def _logged(choice: _Choice, candidate: dict[str, Any]) -> dict[str, Any]:
    """Add the probabilities of the tokens, where the host tells them."""
    if choice.logprobs is None or not choice.logprobs.content:
        return candidate
    tokens = choice.logprobs.content
    candidate["logprobsResult"] = {
        "chosenCandidates": [_token(each) for each in tokens],
        "topCandidates": [
            {"candidates": [_token(other) for other in each.top_logprobs or ()]} for each in tokens
        ],
    }
    return candidate


def _token(token: _TokenLogprob) -> dict[str, Any]:
    return {"token": token.token, "logProbability": token.logprob}
