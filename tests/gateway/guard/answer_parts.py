"""Answers in every dialect, a policy with a check that knows a few words, and a walk through the
guard with verdicts that come when the test wants them.
"""

import json
import re
from typing import ClassVar

from tests.gateway.dialects.messages_parts import ScriptedReader
from tradewind.gateway.content.answers import gather_stream
from tradewind.gateway.dialects.gemini import ArrayAnswer
from tradewind.gateway.dialects.gemini_writer import GeminiWriter
from tradewind.gateway.dialects.messages_writer import MessagesWriter
from tradewind.gateway.dialects.responses import ResponsesInbound
from tradewind.gateway.dialects.responses_writer import ResponsesWriter
from tradewind.gateway.dialects.surfaces import (
    AZURE_INFERENCE,
    AZURE_OPENAI,
    GEMINI,
    GEMINI_ARRAY,
    MESSAGES,
    OPENAI,
)
from tradewind.gateway.guard.answer_guard import AnswerGuard
from tradewind.gateway.guard.judging import NOTHING_FOUND, judge
from tradewind.gateway.guard.policies import guard_of
from tradewind.plugins.checks.base import Finding, Verdict
from tradewind.plugins.providers.base import Dialect, TokenCounts
from tradewind.snapshot.safety import Action, CheckUse, Direction, Policy, Rule, Streaming
from tradewind.wire.responses import decode_request
from tradewind.wire.sse import DONE

COUNTS = TokenCounts(12, 3, 19)
LONGEST_FINDING = 24
EVERYWHERE = frozenset(Direction)


class Words:
    """Finds `B@D` (violence 6), e-mail addresses of up to 24 characters, and `odd` (hate 2)."""

    name: ClassVar[str] = "words"
    version: ClassVar[str] = "1"
    categories: ClassVar[frozenset[str]] = frozenset({"violence", "pii", "hate"})
    directions: ClassVar[frozenset[Direction]] = EVERYWHERE
    most_characters: ClassVar[int] = 10_000
    hold_back: ClassVar[int] = LONGEST_FINDING

    def prepare(self, name, raw):
        raise AssertionError

    def examine(self, contents, options, data):
        return [Verdict("words", "1", tuple(self._found(content.text))) for content in contents]

    @staticmethod
    def _found(text):
        yield Finding("violence", 0, 0.0)
        for found in re.finditer("B@D", text):
            yield Finding("violence", 6, 0.9, found.start(), found.end())
        for found in re.finditer("odd", text):
            yield Finding("hate", 2, 0.3, found.start(), found.end())
        for found in re.finditer(r"[a-z]{2,9}@[a-z]{2,9}\.test", text):
            yield Finding("pii", 6, 1.0, found.start(), found.end(), label="EMAIL")


def policy(*, pii=Action.ANNOTATE, harm=Action.BLOCK, streaming=Streaming.BUFFERED):
    rules = tuple(
        rule
        for direction in Direction
        for rule in (Rule("violence", direction, 4, harm), Rule("pii", direction, 4, pii))
    )
    uses = (CheckUse("words", EVERYWHERE),)
    return Policy("policy_1", 3, "strict", rules, uses, streaming)


def guard_for(**members):
    guard = guard_of(["policy_1"], {"policy_1": policy(**members)}, {"words": Words()})
    assert guard is not None
    return guard


def judgement_of(guard, content):
    return judge(guard, [content], [Words().examine([content], {}, ())])


# Answers.


def chunk(text=None, *, index=0, finish=None, **delta):
    if text is not None:
        delta["content"] = text
    choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
    return {
        "id": "chatcmpl-7",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": "tw/small",
        "choices": [choice],
    }


class _EndsWith(ScriptedReader):
    def __init__(self, rest):
        super().__init__()
        self._rest = rest

    def finish(self):
        return self._rest


def sse(*events):
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)


def chat_events(texts):
    """One event for each piece of the stream, as bytes."""
    return [
        sse(chunk("", role="assistant")),
        *(sse(chunk(text)) for text in texts),
        sse(chunk(finish="stop")),
    ]


def stream_of(kind, events):
    """Return chat events as the stream of a dialect: what the reader gives, and its rest."""
    if kind in ("openai", "azure", "inference"):
        return b"".join(events), DONE
    reader = ScriptedReader(COUNTS, len(events))
    if kind == "responses":
        request, fields = decode_request(b'{"model":"tw","input":"Hi"}')
        draft = ResponsesInbound(request, fields, body_length=1).draft
        writer = ResponsesWriter(draft, shows_summary=False, shows_logprobs=False)
    elif kind == "messages":
        writer = MessagesWriter("tw/small", reader, input_estimate=5)
    else:
        writer = GeminiWriter("tw/small", reader, input_estimate=5, shows_thoughts=True)
    data, rest = b"".join(map(writer.events, events)), writer.end(COUNTS)
    if kind == "array":
        array = ArrayAnswer(_EndsWith(rest))
        return array.feed(data), array.finish()
    return data, rest


KINDS = {
    "openai": (OPENAI, Dialect.OPENAI),
    "azure": (AZURE_OPENAI, Dialect.OPENAI),
    "inference": (AZURE_INFERENCE, Dialect.OPENAI),
    "responses": (OPENAI, Dialect.RESPONSES),
    "messages": (MESSAGES, Dialect.MESSAGES),
    "gemini": (GEMINI, Dialect.GEMINI),
    "array": (GEMINI_ARRAY, Dialect.GEMINI),
}


def answer_guard(kind, guard, prompt=NOTHING_FOUND, *, is_stream=True, **members):
    surface, dialect = KINDS[kind]
    return AnswerGuard(
        surface, dialect, guard, prompt, is_stream=is_stream, tokens=lambda: COUNTS, **members
    )


class Walk:
    """Feeds an answer to a guard, and judges its contents when told to."""

    def __init__(self, answer, guard):
        self.answer = answer
        self.guard = guard
        self.asked = None
        self.contents = []
        self.judged_texts = []
        self.parts = []

    def feed(self, data):
        self._sent(self.answer.feed(data))

    def finish(self, rest):
        self._sent(self.answer.finish(rest))

    def judge(self):
        """Let the verdict arrive that is out, if one is."""
        content, self.asked = self.asked, None
        if content is None:
            return
        self.judged_texts.append(content.text)
        self._sent(self.answer.judged(judgement_of(self.guard, content)))

    def judge_all(self):
        while self.asked is not None:
            self.judge()

    @property
    def out(self):
        return b"".join(self.parts)

    def _sent(self, data):
        self.parts.append(data)
        self._ask()

    def _ask(self):
        if self.asked is None:
            self.asked = self.answer.next_content()
            if self.asked is not None:
                self.contents.append(self.asked)
                assert self.answer.next_content() is None


def pass_through(answer, guard, data, rest, *, cuts=(), lags=()):
    """Feed `data` cut at these places; after the nth piece the verdict arrives where `lags[n]` is
    false.
    """
    walk = Walk(answer, guard)
    places = sorted({cut % (len(data) + 1) for cut in cuts})
    for number, (start, end) in enumerate(zip([0, *places], [*places, len(data)], strict=True)):
        walk.feed(data[start:end])
        if not (lags and lags[number % len(lags)]):
            walk.judge_all()
    walk.finish(rest)
    walk.judge_all()
    assert not answer.is_waiting
    return walk


def text_in(kind, out):
    """Return what a client that reads these bytes shows of the first choice."""
    choices = gather_stream(out)["choices"]
    return choices[0].get("text", "") if choices else ""


def events_in(out):
    """Return the objects of events, and names of those that have one."""
    found = []
    for block in out.split(b"\n\n"):
        lines = block.split(b"\n")
        data = b"".join(line[6:] for line in lines if line.startswith(b"data: "))
        if data and data != b"[DONE]":
            found.append(json.loads(data))
    return found
