"""Completions as llama-server streams them, with the usage of all choices added up.

Measured on build b10434: the usage stands in the last event of each choice, beside it, and covers
that choice alone; a whole answer has the usage of one of them. Choices of several prompts are
numbered through. Progress tells the tokens of one prompt before the first token.
"""

from typing import Any

import msgspec

from tradewind.plugins.providers.base import TokenCounts
from tradewind.plugins.providers.dialects.openai import (
    MOST_ANSWER_BYTES,
    broken_answer,
    counts_of,
    usage_object,
)
from tradewind.wire.chat import WireUsage, encode
from tradewind.wire.decoding import UNREADABLE
from tradewind.wire.sse import (
    DONE,
    EventCutter,
    EventTooLarge,
    cut_done,
    data_of,
    event_of,
    split_events,
)


class _Choice(msgspec.Struct, frozen=True):
    index: int = 0
    text: str = ""
    finish_reason: str | None = None


class _Progress(msgspec.Struct, frozen=True):
    total: int
    cache: int


class _Event(msgspec.Struct, frozen=True):
    choices: list[_Choice] = []
    id: str = ""
    created: int = 0
    system_fingerprint: str | None = None
    usage: WireUsage | None = None
    prompt_progress: _Progress | None = None


_decode = msgspec.json.Decoder(_Event | None).decode


class LlamaCompletions:
    """Reads the stream; hands out events, or the whole at the end."""

    __slots__ = (
        "_cached",
        "_choices",
        "_cutter",
        "_head",
        "_is_done",
        "_is_stream",
        "_parts",
        "_prompts",
        "_read",
        "_reasons",
        "_shows_usage",
        "_size",
        "_written",
        "counts",
        "output_events",
    )

    def __init__(
        self, name: str, *, choices: int, prompts: int, is_stream: bool, shows_usage: bool
    ) -> None:
        """`choices` are of each prompt."""
        self._cutter = EventCutter()
        self._choices = choices
        self._prompts = prompts
        self._is_stream = is_stream
        self._shows_usage = shows_usage
        self._head: dict[str, Any] = {"object": "text_completion", "model": name}
        self._parts: dict[int, list[str]] = {}
        self._reasons: dict[int, str] = {}
        self._read: dict[int, int] = {}
        self._cached: dict[int, int] = {}
        self._written: dict[int, int] = {}
        self._size = 0
        self._is_done = False
        self.counts = TokenCounts()
        self.output_events = 0

    def feed(self, data: bytes) -> bytes:
        self._size += len(data)
        if self._size > MOST_ANSWER_BYTES:
            raise broken_answer()
        try:
            events, is_done = cut_done(self._cutter.feed(data))
        except EventTooLarge:
            raise broken_answer() from None
        self._is_done = self._is_done or is_done
        return b"".join(map(self._take, split_events(events)))

    def finish(self) -> bytes:
        if self._cutter.rest().strip() or not self._is_done:
            raise broken_answer()
        if not self._is_stream:
            return self._whole()
        if self._shows_usage:
            usage = usage_object(self.counts)
            return event_of(encode({**self._head, "choices": [], "usage": usage})) + DONE
        return DONE

    def _take(self, raw: bytes) -> bytes:
        data = data_of(raw)
        if not data:
            return b""  # a comment
        if b'"error":{' in data and data.startswith(b'{"error"'):
            raise broken_answer()
        try:
            event = _decode(data)
        except UNREADABLE:
            raise broken_answer() from None
        if event is None:
            return b""
        self._head |= {
            "id": event.id,
            "created": event.created,
            "system_fingerprint": event.system_fingerprint,
        }
        written = b""
        for choice in event.choices:
            if not 0 <= choice.index < self._choices * self._prompts:
                raise broken_answer()
            self._count(choice.index, event)
            written += self._add(choice)
        return written

    def _count(self, index: int, event: _Event) -> None:
        prompt = index // self._choices
        progress = event.prompt_progress
        if progress is not None:
            self._read[prompt], self._cached[prompt] = progress.total, progress.cache
        elif event.usage is not None:
            said = counts_of(event.usage)
            self._read[prompt] = said.input_tokens or 0
            self._cached[prompt] = said.cached_input_tokens or 0
            self._written[index] = said.output_tokens or 0
        else:
            return
        self.counts = TokenCounts(
            sum(self._read.values()),
            sum(self._cached.values()),
            sum(self._written.values()) if self._written else None,
        )

    def _add(self, choice: _Choice) -> bytes:
        index = choice.index
        if choice.text:
            self.output_events += 1
        if choice.finish_reason is not None:
            self._reasons[index] = choice.finish_reason
        if not self._is_stream:
            self._parts.setdefault(index, []).append(choice.text)
            return b""
        if not choice.text and choice.finish_reason is None:
            return b""
        shown = {
            "index": index,
            "text": choice.text,
            "logprobs": None,
            "finish_reason": choice.finish_reason,
        }
        return event_of(encode({**self._head, "choices": [shown]}))

    def _whole(self) -> bytes:
        if not self._parts:
            raise broken_answer()
        choices = [
            {
                "index": index,
                "text": "".join(self._parts[index]),
                "logprobs": None,
                "finish_reason": self._reasons.get(index),
            }
            for index in sorted(self._parts)
        ]
        return encode({**self._head, "choices": choices, "usage": usage_object(self.counts)})
