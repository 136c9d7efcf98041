"""Answers in the Gemini dialect, read into the common form (OpenAI v1 chat).

Parts marked as thoughts become `reasoning_content`, `functionCall` parts `tool_calls`. A signature
goes along as `extra_content.google.thought_signature`, where Google's own OpenAI layer has it
("Thought signatures", ai.google.dev, under "OpenAI compatibility"), so that a client that keeps
what it does not know sends it back. Parts that we do not know are left out.
"""

import secrets
import time
from typing import Any

from tradewind.plugins.providers.base import TokenCounts
from tradewind.plugins.providers.dialects.gemini import (
    ChunkReader,
    counts_of,
    decode_answer,
    has_content,
    tokens_in,
)
from tradewind.plugins.providers.dialects.openai import WholeBody, usage_object
from tradewind.plugins.providers.dialects.refusals import Told, broken_answer, failed_answer
from tradewind.wire.chat import encode
from tradewind.wire.gemini import (
    Answer,
    AnswerPart,
    Candidate,
    LogprobsResult,
    TokenLogprob,
    is_unset,
)
from tradewind.wire.sse import DONE, data_of, event_of

_MOST_CHOICES = 128
_MOST_TOOL_CALLS = 1024
_FINISH_REASONS = {
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "LANGUAGE": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "ESCALATION": "content_filter",
}
# The model failed to say what it meant to. An answer with nothing in it would hide that.
_FAILED = frozenset(
    {
        "MALFORMED_FUNCTION_CALL",
        "MALFORMED_RESPONSE",
        "MISSING_THOUGHT_SIGNATURE",
        "TOO_MANY_TOOL_CALLS",
        "UNEXPECTED_TOOL_CALL",
    }
)


class GeminiAnswerAsChat:
    """Reads a whole answer."""

    __slots__ = ("_body", "_name", "counts", "output_events")

    def __init__(self, name: str) -> None:
        """`name` is the model's name for the client."""
        self._body = WholeBody()
        self._name = name
        self.counts = TokenCounts()
        self.output_events = 0

    def feed(self, data: bytes) -> bytes:
        self._body.add(data)
        return b""

    def finish(self) -> bytes:
        answer = decode_answer(self._body.content())
        self.counts = counts_of(answer.usage_metadata)
        answer_id = _answer_id(answer)
        candidates = answer.candidates
        if self.counts.output_tokens is None:
            self.output_events = sum(map(tokens_in, candidates or ()))
        if not candidates:
            if answer.prompt_feedback is None:
                raise broken_answer()
            choices = [_blocked()]
        else:
            if not has_content(answer) and any(
                candidate.finish_reason in _FAILED for candidate in candidates
            ):
                raise failed_answer(Told())
            choices = [_choice(candidate, answer_id) for candidate in candidates]
        return encode(
            {
                "id": answer_id,
                "object": "chat.completion",
                "created": int(time.time()),
                "model": self._name,
                "choices": choices,
                "usage": usage_object(self.counts),
            }
        )


class _StreamedChoice:
    __slots__ = ("calls", "finish_reason")

    def __init__(self) -> None:
        self.calls = 0
        self.finish_reason: str | None = None


class GeminiStreamAsChat:
    """Reads a stream. The end is held back until the upstream has ended, as in every reader."""

    __slots__ = ("_choices", "_head", "_id", "_name", "_shows_usage", "_stream")

    def __init__(self, name: str, *, shows_usage: bool) -> None:
        """`name` is the model's name for the client."""
        self._stream = ChunkReader()
        self._name = name
        self._shows_usage = shows_usage
        self._head = b""
        self._id = ""
        self._choices: dict[int, _StreamedChoice] = {}

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
        out: list[bytes] = []
        if not self._choices:  # the prompt was blocked
            out.append(self._begin(0))
            self._choices[0].finish_reason = "SAFETY"
        for index, choice in sorted(self._choices.items()):
            if choice.finish_reason in _FAILED and not self._stream.output_events:
                raise failed_answer(Told())
            reason = _finish_reason(choice.finish_reason, has_calls=choice.calls > 0)
            out.append(
                self._chunk(
                    b'[{"index":%d,"delta":{},"finish_reason":%b}]' % (index, encode(reason))
                )
            )
        if self._shows_usage:
            out.append(self._chunk(b'[],"usage":%b' % encode(usage_object(self.counts))))
        out.append(DONE)
        return b"".join(out)

    def _read(self, event: bytes) -> bytes:
        data = data_of(event)
        if not data:
            return b""
        said = self._stream.read(data)
        if not self._head:
            self._id = _answer_id(said)
            self._head = (
                b'{"id":%b,"object":"chat.completion.chunk","created":%d,"model":%b,"choices":'
                % (encode(self._id), int(time.time()), encode(self._name))
            )
        return b"".join(map(self._candidate, said.candidates or ()))

    def _candidate(self, candidate: Candidate) -> bytes:
        index = candidate.index
        out = b"" if index in self._choices else self._begin(index)
        choice = self._choices[index]
        if candidate.finish_reason:
            choice.finish_reason = candidate.finish_reason
        logprobs = candidate.logprobs_result
        parts = candidate.content.parts if candidate.content is not None else None
        for part in parts or ():
            delta = self._delta(part, choice)
            if delta:
                shown = b"" if logprobs is None else b',"logprobs":' + encode(_logprobs(logprobs))
                logprobs = None
                out += self._chunk(
                    b'[{"index":%d,"delta":%b%b,"finish_reason":null}]'
                    % (index, encode(delta), shown)
                )
        return out

    def _begin(self, index: int) -> bytes:
        if len(self._choices) >= _MOST_CHOICES:
            raise broken_answer()
        self._choices[index] = _StreamedChoice()
        return self._chunk(
            b'[{"index":%d,"delta":{"role":"assistant","content":""},"finish_reason":null}]' % index
        )

    def _delta(self, part: AnswerPart, choice: _StreamedChoice) -> dict[str, Any]:
        delta: dict[str, Any] = {}
        if part.function_call is not None:
            if choice.calls >= _MOST_TOOL_CALLS:
                raise broken_answer()
            call = _tool_call(part, self._id, choice.calls)
            delta["tool_calls"] = [{"index": choice.calls, **call}]
            choice.calls += 1
            return delta
        if part.text:
            delta["reasoning_content" if part.thought else "content"] = part.text
        if part.thought_signature and not part.thought:
            delta["extra_content"] = _signed(part.thought_signature)
        return delta

    def _chunk(self, choices: bytes) -> bytes:
        return event_of(b"%b%b}" % (self._head, choices))


def _choice(candidate: Candidate, answer_id: str) -> dict[str, Any]:
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[dict[str, Any]] = []
    signature: str | None = None
    for part in (candidate.content.parts if candidate.content is not None else None) or ():
        if part.function_call is not None:
            calls.append(_tool_call(part, answer_id, len(calls)))
            continue
        if part.text:
            (thoughts if part.thought else texts).append(part.text)
        if part.thought_signature and not part.thought:
            signature = part.thought_signature
    message: dict[str, Any] = {"role": "assistant", "content": "".join(texts), "refusal": None}
    if calls:
        message["tool_calls"] = calls
        message["content"] = message["content"] or None
    if thoughts:
        message["reasoning_content"] = "".join(thoughts)
    if signature is not None:
        message["extra_content"] = _signed(signature)
    logprobs = candidate.logprobs_result
    return {
        "index": candidate.index,
        "message": message,
        "logprobs": None if logprobs is None else _logprobs(logprobs),
        "finish_reason": _finish_reason(candidate.finish_reason, has_calls=bool(calls)),
    }


def _blocked() -> dict[str, Any]:
    return {
        "index": 0,
        "message": {"role": "assistant", "content": "", "refusal": None},
        "logprobs": None,
        "finish_reason": "content_filter",
    }


def _tool_call(part: AnswerPart, answer_id: str, number: int) -> dict[str, Any]:
    """Return a call; older models give it no id, and clients of the common form need one."""
    said = part.function_call
    assert said is not None, "asked for a part with a call"
    arguments = b"{}" if is_unset(said.args) else bytes(said.args)
    call: dict[str, Any] = {
        "id": said.id or f"call_{answer_id.removeprefix('chatcmpl-')}_{number}",
        "type": "function",
        "function": {"name": said.name, "arguments": arguments.decode()},
    }
    if part.thought_signature:
        call["extra_content"] = _signed(part.thought_signature)
    return call


def _signed(signature: str) -> dict[str, Any]:
    return {"google": {"thought_signature": signature}}


def _finish_reason(reason: str | None, *, has_calls: bool) -> str:
    found = _FINISH_REASONS.get(reason or "")
    if found is not None:
        return found
    return "tool_calls" if has_calls else "stop"


def _logprobs(found: LogprobsResult) -> dict[str, Any]:
    tops = found.top_candidates or []
    content: list[dict[str, Any]] = []
    for number, chosen in enumerate(found.chosen_candidates or ()):
        others = tops[number].candidates if number < len(tops) else None
        content.append(
            _logprob(chosen) | {"top_logprobs": [_logprob(each) for each in others or ()]}
        )
    return {"content": content, "refusal": None}


def _logprob(token: TokenLogprob) -> dict[str, Any]:
    return {"token": token.token, "logprob": token.log_probability, "bytes": None}


def _answer_id(answer: Answer) -> str:
    return f"chatcmpl-{(answer.response_id or '')[:128] or secrets.token_hex(12)}"
