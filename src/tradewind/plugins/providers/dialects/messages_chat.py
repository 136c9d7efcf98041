"""Answers in the Messages dialect, read into the common form (OpenAI v1 chat).

Thinking becomes `reasoning_content`, `tool_use` blocks `tool_calls`. Block types that we do not
know are left out, as the dialect asks of its readers ("Streaming messages", "Other events").
"""

import time
from typing import Any

import msgspec

from tradewind.plugins.providers.base import TokenCounts
from tradewind.plugins.providers.dialects.messages import (
    Tally,
    decode_event,
    error_in_stream,
    whole_events,
)
from tradewind.plugins.providers.dialects.openai import (
    WholeBody,
    estimated_tokens,
    usage_object,
)
from tradewind.plugins.providers.dialects.refusals import broken_answer
from tradewind.wire.chat import encode
from tradewind.wire.decoding import UNREADABLE
from tradewind.wire.messages import Answer, AnswerBlock, Event
from tradewind.wire.sse import DONE, EventCutter, data_of, event_of, split_events

_FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
_decode_answer = msgspec.json.Decoder(Answer).decode


class MessagesAnswerAsChat:
    """Reads a whole answer."""

    __slots__ = ("_body", "_name", "counts", "output_events")

    def __init__(self, name: str) -> None:
        """`name` is the model's name for the client."""
        self.output_events = 0
        self._body = WholeBody()
        self._name = name
        self.counts = TokenCounts()

    def feed(self, data: bytes) -> bytes:
        self._body.add(data)
        return b""

    def finish(self) -> bytes:
        try:
            answer = _decode_answer(self._body.content())
        except UNREADABLE:
            raise broken_answer() from None
        tally = Tally()
        tally.add(answer.usage)
        self.counts = tally.counts
        message = _message_of(answer.content)
        if self.counts.output_tokens is None:
            self.output_events = estimated_tokens(encode(message).decode())
        return encode(
            {
                "id": f"chatcmpl-{answer.id}",
                "object": "chat.completion",
                "created": int(time.time()),
                "model": self._name,
                "choices": [
                    {
                        "index": 0,
                        "message": message,
                        "logprobs": None,
                        "finish_reason": _finish_reason(answer.stop_reason),
                    }
                ],
                "usage": usage_object(self.counts),
            }
        )


class MessagesStreamAsChat:
    """Reads a stream. The end is held back until the upstream has ended, as in every reader."""

    __slots__ = (
        "_calls",
        "_cutter",
        "_has_arguments",
        "_head",
        "_is_call",
        "_is_done",
        "_name",
        "_shows_usage",
        "_stop_reason",
        "_tally",
        "output_events",
    )

    def __init__(self, name: str, *, shows_usage: bool) -> None:
        """`name` is the model's name for the client."""
        self._cutter = EventCutter()
        self._name = name
        self._shows_usage = shows_usage
        self._tally = Tally()
        self._head = b""
        self._calls = -1
        self._is_call = False
        self._has_arguments = False
        self._is_done = False
        self._stop_reason: str | None = None
        self.output_events = 0

    @property
    def counts(self) -> TokenCounts:
        return self._tally.counts

    def feed(self, data: bytes) -> bytes:
        events = whole_events(self._cutter, data)
        return b"".join(map(self._read, split_events(events))) if events else b""

    def finish(self) -> bytes:
        if not self._is_done or self._cutter.rest().strip():
            raise broken_answer()
        finish_reason = encode(_finish_reason(self._stop_reason))
        end = self._chunk(b'[{"index":0,"delta":{},"finish_reason":%b}]' % finish_reason)
        if self._shows_usage:
            usage = b'[],"usage":%b' % encode(usage_object(self.counts))
            end += self._chunk(usage)
        return end + DONE

    def _read(self, event: bytes) -> bytes:
        data = data_of(event)
        if not data or self._is_done:
            return b""
        said = decode_event(data)
        if not self._head:
            return self._begin(said)
        match said.type:
            case "content_block_delta":
                return self._delta(said)
            case "content_block_start":
                return self._start_block(said.content_block)
            case "content_block_stop":
                return self._stop_block()
            case "message_delta":
                self._tally.add(said.usage)
                if said.delta is not None and said.delta.stop_reason is not None:
                    self._stop_reason = said.delta.stop_reason
            case "message_stop":
                self._is_done = True
            case "error":
                raise error_in_stream(said.error)
            case _:
                pass  # `ping`, and what is still to be invented
        return b""

    def _begin(self, said: Event) -> bytes:
        if said.type == "ping":
            return b""
        if said.type == "error":
            raise error_in_stream(said.error)
        if said.type != "message_start" or said.message is None:
            raise broken_answer()
        self._tally.add(said.message.usage)
        self._head = (
            b'{"id":%b,"object":"chat.completion.chunk","created":%d,"model":%b,"choices":'
            % (encode(f"chatcmpl-{said.message.id}"), int(time.time()), encode(self._name))
        )
        return self._piece(b'{"role":"assistant","content":""}')

    def _delta(self, said: Event) -> bytes:
        delta = said.delta
        if delta is None:
            raise broken_answer()
        if delta.text:
            self.output_events += 1
            return self._piece(b'{"content":%b}' % encode(delta.text))
        if delta.thinking:
            self.output_events += 1
            return self._piece(b'{"reasoning_content":%b}' % encode(delta.thinking))
        if delta.partial_json and self._is_call:
            self.output_events += 1
            return self._arguments(delta.partial_json)
        return b""

    def _start_block(self, block: AnswerBlock | None) -> bytes:
        if block is None:
            raise broken_answer()
        self._is_call = block.type == "tool_use"
        if self._is_call:
            self._calls += 1
            self._has_arguments = False
            call = {
                "index": self._calls,
                "id": block.id,
                "type": "function",
                "function": {"name": block.name, "arguments": ""},
            }
            started = self._piece(b'{"tool_calls":[%b]}' % encode(call))
            given = bytes(block.input)
            # Hosts that do not stream arguments send them here; others an empty object.
            return started if given in (b"", b"{}", b"null") else started + self._arguments(given)
        if block.type == "text" and block.text:
            return self._piece(b'{"content":%b}' % encode(block.text))
        if block.type == "thinking" and block.thinking:
            return self._piece(b'{"reasoning_content":%b}' % encode(block.thinking))
        return b""

    def _stop_block(self) -> bytes:
        """Arguments are an object even where there are none: clients parse them."""
        is_bare = self._is_call and not self._has_arguments
        self._is_call = False
        return self._arguments("{}") if is_bare else b""

    def _arguments(self, text: str | bytes) -> bytes:
        self._has_arguments = True
        said = encode(text if isinstance(text, str) else text.decode())
        return self._piece(
            b'{"tool_calls":[{"index":%d,"function":{"arguments":%b}}]}' % (self._calls, said)
        )

    def _piece(self, delta: bytes) -> bytes:
        return self._chunk(b'[{"index":0,"delta":%b,"finish_reason":null}]' % delta)

    def _chunk(self, choices: bytes) -> bytes:
        return event_of(b"%b%b}" % (self._head, choices))


def _message_of(blocks: list[AnswerBlock]) -> dict[str, Any]:
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[dict[str, Any]] = []
    for block in blocks:
        match block.type:
            case "text":
                texts.append(block.text or "")
            case "thinking":
                thoughts.append(block.thinking or "")
            case "tool_use":
                arguments = bytes(block.input) or b"{}"
                function = {"name": block.name, "arguments": arguments.decode()}
                calls.append({"id": block.id, "type": "function", "function": function})
            case _:
                pass
    message: dict[str, Any] = {"role": "assistant", "content": "".join(texts), "refusal": None}
    if calls:
        message["tool_calls"] = calls
        message["content"] = message["content"] or None
    if thought := "".join(thoughts):
        message["reasoning_content"] = thought
    return message


def _finish_reason(stop_reason: str | None) -> str:
    return _FINISH_REASONS.get(stop_reason or "", "stop")
