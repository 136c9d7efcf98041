"""Writes chat answers in the common form (OpenAI v1), for dialects that are translated to it.

Source: OpenAI's API reference, "The chat completion object" and "The chat completion chunk object".
"""

from typing import Any, Literal

from tradewind.plugins.providers.base import TokenCounts
from tradewind.plugins.providers.dialects.openai import usage_object
from tradewind.wire.chat import encode
from tradewind.wire.sse import event_of

FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]


class ChunkWriter:
    """Writes the events of one streamed answer of one choice."""

    __slots__ = ("_head", "_is_begun")

    def __init__(self, name: str, created: int) -> None:
        """`name` is the model's name for the client; `created` is in Unix seconds."""
        self._head: dict[str, Any] = {
            "id": "",
            "object": "chat.completion.chunk",
            "created": created,
            "model": name,
        }
        self._is_begun = False

    def begin(self, answer_id: str) -> bytes:
        """Return the first event. Later calls return nothing."""
        if self._is_begun:
            return b""
        self._is_begun = True
        self._head["id"] = answer_id
        return self.delta({"role": "assistant", "content": ""})

    def text(self, piece: str) -> bytes:
        return self.delta({"content": piece})

    def reasoning(self, piece: str) -> bytes:
        return self.delta({"reasoning_content": piece})

    def tool_start(self, index: int, call_id: str, name: str, arguments: str = "") -> bytes:
        function = {"name": name, "arguments": arguments}
        call = {"index": index, "id": call_id, "type": "function", "function": function}
        return self.delta({"tool_calls": [call]})

    def tool_arguments(self, index: int, piece: str) -> bytes:
        return self.delta({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})

    def delta(self, delta: dict[str, Any]) -> bytes:
        return self._event([{"index": 0, "delta": delta, "finish_reason": None}])

    def finish(self, reason: FinishReason) -> bytes:
        return self._event([{"index": 0, "delta": {}, "finish_reason": reason}])

    def usage(self, counts: TokenCounts) -> bytes:
        return event_of(encode({**self._head, "choices": [], "usage": usage_object(counts)}))

    def _event(self, choices: list[dict[str, Any]]) -> bytes:
        return event_of(encode({**self._head, "choices": choices}))


def whole_answer(
    name: str,
    answer_id: str,
    created: int,
    message: dict[str, Any],
    *,
    reason: FinishReason,
    counts: TokenCounts,
) -> bytes:
    """Return a whole answer of one choice; `message` is without its role."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", **message},
        "logprobs": None,
        "finish_reason": reason,
    }
    return encode(
        {
            "id": answer_id,
            "object": "chat.completion",
            "created": created,
            "model": name,
            "choices": [choice],
            "usage": usage_object(counts),
        }
    )
