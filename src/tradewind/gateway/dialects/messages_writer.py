"""Writes an answer in the common form as a Messages answer, whole or as events.

Order of events ("Streaming messages", platform.claude.com): one `message_start`; content blocks,
each with its start, deltas and stop, one after the other with growing indexes; `message_delta`;
`message_stop`. `ping` may come anywhere behind the start. The common form knows no such order: text
and reasoning may alternate, and pieces of parallel tool calls may arrive by turns. So pieces are
queued by the block they belong to: the first block of the queue goes out as it comes, the others
wait until it is known to be complete.
"""

import secrets
from collections import deque
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw
from msgspec.structs import replace

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
from tradewind.wire.messages import EMPTY, UNSIGNED, event_of, input_of, is_object, tool_id
from tradewind.wire.sse import data_of, split_events

_MOST_TOOL_CALLS = 256
# How often a tool call is looked at to be complete before it just waits for the end: each look
# reads all its arguments again.
_MOST_LOOKS = 16
_STOP_REASONS = {"length": "max_tokens", "content_filter": "refusal"}
_PING = event_of("ping", {"type": "ping"})
_MESSAGE_STOP = event_of("message_stop", {"type": "message_stop"})
_DELTAS = {
    "text": b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,'
    b'"delta":{"type":"text_delta","text":%b}}\n\n',
    "thinking": b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,'
    b'"delta":{"type":"thinking_delta","thinking":%b}}\n\n',
    "tool_use": b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,'
    b'"delta":{"type":"input_json_delta","partial_json":%b}}\n\n',
}


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


class _Choice(msgspec.Struct):
    index: int = 0
    delta: _Message | None = None
    message: _Message | None = None
    finish_reason: str | None = None
    stop_reason: str | int | None = None
    """Of hosts that tell which stop sequence it was (vLLM)."""


class _Chunk(msgspec.Struct):
    """A whole answer too, which differs in its choices only."""

    choices: list[_Choice] | None = None
    error: Raw = EMPTY


_decode_chunk = msgspec.json.Decoder(_Chunk).decode


class _Block:
    """A content block that is being written or waits for its turn."""

    __slots__ = ("arguments", "id", "is_closed", "is_open", "kind", "looks", "name", "pending")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.id = ""
        self.name = ""
        self.is_open = False
        self.is_closed = False
        self.looks = 0
        self.pending: list[str] = []
        self.arguments: list[str] = []

    def is_complete(self) -> bool:
        """Tell whether nothing of it can follow, given that another block has begun."""
        if self.kind != "tool_use":
            return True
        if self.looks >= _MOST_LOOKS or not self.arguments[-1:] or not self.is_open:
            return False
        if not self.arguments[-1].rstrip().endswith("}"):
            return False
        self.looks += 1
        return is_object("".join(self.arguments))


class MessagesWriter:
    """Writes one answer."""

    __slots__ = (
        "_blocks",
        "_by_id",
        "_by_index",
        "_call_count",
        "_estimate",
        "_finish",
        "_has_begun",
        "_has_calls",
        "_index",
        "_last_call",
        "_model",
        "_reader",
        "_refused",
        "_size",
        "_stop_sequence",
        "_stops",
        "_text_block",
    )

    def __init__(
        self, model: str, reader: Reader, *, input_estimate: int, stops: Sequence[str] = ()
    ) -> None:
        """`reader` reads the answer and knows its tokens; `stops` are the request's sequences."""
        self._model = model
        self._reader = reader
        self._estimate = input_estimate
        self._stops = stops
        self._blocks: deque[_Block] = deque()
        self._by_index: dict[int, _Block] = {}
        self._by_id: dict[str, _Block] = {}
        self._last_call: _Block | None = None
        self._call_count = 0
        self._text_block: _Block | None = None
        self._index = 0
        self._size = 0
        self._has_begun = False
        self._has_calls = False
        self._refused = False
        self._finish: str | None = None
        self._stop_sequence: str | None = None

    def events(self, events: bytes) -> bytes:
        return b"".join(map(self._event, split_events(events)))

    def end(self, counts: TokenCounts) -> bytes:
        out = [b"" if self._has_begun else self._begin()]
        blocks = self._blocks
        while blocks:
            block = blocks[0]
            if not block.is_open:
                out.append(self._open(block))
            out.append(self._close(block))
        reason = self._stop_reason()
        out.append(
            event_of(
                "message_delta",
                {
                    "type": "message_delta",
                    "delta": {"stop_reason": reason, "stop_sequence": self._stop_sequence},
                    "usage": self._usage(counts),
                },
            )
        )
        out.append(_MESSAGE_STOP)
        return b"".join(out)

    def whole(self, answer: bytes, counts: TokenCounts) -> bytes:
        choice = _choice_of(answer)
        if choice is None or choice.message is None:
            raise broken_answer()
        message = choice.message
        content: list[dict[str, Any]] = []
        if thought := message.reasoning_content or message.reasoning:
            content.append({"type": "thinking", "thinking": thought, "signature": UNSIGNED})
        if text := (message.content or "") + (message.refusal or ""):
            content.append({"type": "text", "text": text})
        for call in message.tool_calls or ():
            if call.function is None or not call.function.name:
                raise broken_answer()
            content.append(
                {
                    "type": "tool_use",
                    "id": _id_of(call.id),
                    "name": call.function.name,
                    "input": input_of(call.function.arguments or ""),
                }
            )
        self._refused = bool(message.refusal)
        self._has_calls = bool(message.tool_calls)
        self._note_end(choice)
        reason = self._stop_reason()
        return encode(
            self._message(content, self._usage(counts))
            | {"stop_reason": reason, "stop_sequence": self._stop_sequence}
        )

    # Events.

    def _event(self, event: bytes) -> bytes:
        data = data_of(event)
        if not data:
            # A comment, by which a host says that it is still there: clients of this dialect expect
            # to hear that as a ping.
            return _PING if self._has_begun else self._begin() + _PING
        choice = _choice_of(data)
        begin = b"" if self._has_begun else self._begin()
        if choice is None:
            return begin
        delta = choice.delta
        out = begin
        if delta is not None:
            if thought := delta.reasoning_content or delta.reasoning:
                out += self._write_text("thinking", thought)
            if delta.content:
                out += self._write_text("text", delta.content)
            if delta.refusal:
                self._refused = True
                out += self._write_text("text", delta.refusal)
            for call in delta.tool_calls or ():
                out += self._write_call(call)
        if choice.finish_reason is not None:
            self._note_end(choice)
        return out

    def _begin(self) -> bytes:
        self._has_begun = True
        usage = self._usage(replace(self._reader.counts, output_tokens=0))
        message = self._message([], usage) | {"stop_reason": None, "stop_sequence": None}
        return event_of("message_start", {"type": "message_start", "message": message})

    def _write_text(self, kind: str, text: str) -> bytes:
        block = self._text_block
        if block is None or block.kind != kind or block is not self._blocks[-1]:
            block = self._text_block = _Block(kind)
            self._blocks.append(block)
        elif block.is_open:
            return _DELTAS[kind] % (self._index, encode(text))
        self._queue(block, text)
        return self._advance()

    def _write_call(self, call: _Call) -> bytes:
        self._has_calls = True
        function = call.function or _Function()
        block = self._block_of(call)
        if not block.name and function.name:
            block.name = function.name
        arguments = function.arguments
        if arguments:
            if block.is_closed:
                if arguments.strip():
                    raise broken_answer()  # it was complete, so this is no part of it
                return b""
            self._grow(arguments)
            block.arguments.append(arguments)
            if block.is_open:
                delta = _DELTAS["tool_use"] % (self._index, encode(arguments))
                return delta if len(self._blocks) == 1 else delta + self._advance()
            block.pending.append(arguments)
        return self._advance()

    def _block_of(self, call: _Call) -> _Block:
        """Return the block that a piece of a tool call belongs to; a new one for a new call.

        Some hosts send no index, others the same one for every call: an id tells then.
        """
        call_id = tool_id(call.id) if call.id else ""
        if call.index is None:
            block = self._by_id.get(call_id) if call_id else self._last_call
        else:
            block = self._by_index.get(call.index)
            is_named = call.function is not None and bool(call.function.name)
            if block is not None and call_id and is_named and block.id not in ("", call_id):
                block = self._by_id.get(call_id)
        if block is None:
            self._call_count += 1
            if self._call_count > _MOST_TOOL_CALLS:
                raise broken_answer()
            block = _Block("tool_use")
            self._blocks.append(block)
        if not block.id and call_id:
            block.id = call_id
            self._by_id[call_id] = block
        if call.index is not None:
            self._by_index[call.index] = block
        self._last_call = block
        return block

    def _queue(self, block: _Block, text: str) -> None:
        self._grow(text)
        block.pending.append(text)

    def _grow(self, text: str) -> None:
        self._size += len(text)
        if self._size > MOST_ANSWER_BYTES:
            raise broken_answer()

    def _advance(self) -> bytes:
        """Open and close blocks as far as is known by now."""
        blocks = self._blocks
        out: list[bytes] = []
        while blocks:
            block = blocks[0]
            if not block.is_open:
                if block.kind == "tool_use" and not block.name:
                    break
                out.append(self._open(block))
            if len(blocks) == 1 or not block.is_complete():
                break
            out.append(self._close(block))
        return b"".join(out)

    def _open(self, block: _Block) -> bytes:
        content: dict[str, Any]
        match block.kind:
            case "text":
                content = {"type": "text", "text": ""}
            case "thinking":
                content = {"type": "thinking", "thinking": "", "signature": ""}
            case _:
                if not block.name:
                    raise broken_answer()
                block.id = _id_of(block.id)
                content = {"type": "tool_use", "id": block.id, "name": block.name, "input": {}}
        block.is_open = True
        start = event_of(
            "content_block_start",
            {"type": "content_block_start", "index": self._index, "content_block": content},
        )
        if not block.pending:
            return start
        held = "".join(block.pending)
        block.pending.clear()
        return start + _DELTAS[block.kind] % (self._index, encode(held))

    def _close(self, block: _Block) -> bytes:
        assert block is self._blocks[0], "only the block that is being written can end"
        self._blocks.popleft()
        index = self._index
        self._index += 1
        block.is_open, block.is_closed = False, True
        block.arguments.clear()
        stop = event_of("content_block_stop", {"type": "content_block_stop", "index": index})
        if block.kind != "thinking":
            return stop
        delta = {"type": "signature_delta", "signature": UNSIGNED}
        return (
            event_of(
                "content_block_delta",
                {"type": "content_block_delta", "index": index, "delta": delta},
            )
            + stop
        )

    # What both kinds of answer have.

    def _note_end(self, choice: _Choice) -> None:
        if choice.finish_reason == "error":
            raise failed_answer(Told())
        self._finish = choice.finish_reason
        if choice.finish_reason == "stop" and choice.stop_reason in self._stops:
            self._stop_sequence = str(choice.stop_reason)

    def _stop_reason(self) -> str:
        """Return why the answer ended.

        The common form does not tell a natural end from a stop sequence, so that one is named only
        for hosts that say which it was. Hosts differ on the reason of calls; clients act on it.
        """
        if self._finish in _STOP_REASONS:
            return _STOP_REASONS[self._finish]
        if self._has_calls:
            return "tool_use"
        if self._refused:
            return "refusal"
        return "end_turn" if self._stop_sequence is None else "stop_sequence"

    def _message(self, content: list[dict[str, Any]], usage: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": f"msg_{secrets.token_hex(12)}",
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": content,
            "usage": usage,
        }

    def _usage(self, counts: TokenCounts) -> dict[str, Any]:
        """Return the usage; of what the host did not tell, what we count ourselves.

        This dialect's `input_tokens` leaves out what the cache read or wrote.
        """
        read = self._estimate if counts.input_tokens is None else counts.input_tokens
        cached = min(counts.cached_input_tokens or 0, read)
        kept = min(counts.cache_write_tokens or 0, read - cached)
        written = counts.output_tokens
        usage: dict[str, Any] = {
            "input_tokens": read - cached - kept,
            "cache_creation_input_tokens": kept,
            "cache_read_input_tokens": cached,
            "output_tokens": self._reader.output_events if written is None else written,
        }
        if counts.reasoning_tokens is not None:
            usage["output_tokens_details"] = {"thinking_tokens": counts.reasoning_tokens}
        return usage


def _choice_of(data: bytes) -> _Choice | None:
    """Return the first choice: this dialect has one. Raises ApiError 502."""
    try:
        chunk = _decode_chunk(data)
    except UNREADABLE:
        raise broken_answer() from None
    if bytes(chunk.error) not in (b"", b"null"):
        raise failed_answer(read(data))
    for choice in chunk.choices or ():
        if choice.index == 0:
            return choice
    return None


def _id_of(text: str | None) -> str:
    return tool_id(text or "") or f"toolu_{secrets.token_hex(12)}"
