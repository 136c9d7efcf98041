"""Models that classify, asked as calls of the organization whose policy wants them.

Such a call goes the way of any other: it is admitted, routed, metered and recorded. It is under no
policy itself, so that nothing runs in a circle. What the key may call and how often does not count
for it, as the policy asks and not the key; budgets do.
"""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import msgspec

from tradewind.gateway.background_responses import DetachedExchange
from tradewind.gateway.dialects.openai import OpenAIChat
from tradewind.gateway.guard.policies import Use
from tradewind.gateway.guard.runner import Told
from tradewind.gateway.handle import handle_unguarded
from tradewind.gateway.http.request import Request
from tradewind.gateway.state import GatewayState
from tradewind.plugins.checks.base import CheckFailed, Content, SafetyModel, Verdict
from tradewind.snapshot.contents import Grant
from tradewind.wire.chat import encode
from tradewind.wire.decoding import UNREADABLE
from tradewind.wire.errors import ApiError

MOST_QUESTIONS = 8
"""To one model, for one examination: a long conversation is asked about in long pieces."""
_PATH = b"/v1/chat/completions"


class SafetyModels:
    """One for a gateway process."""

    def __init__(self, state: GatewayState) -> None:
        self._state = state

    def ask(
        self, use: Use, contents: Sequence[Content], grant: Grant | None, told: Told
    ) -> "_Asking | None":
        check = cast("SafetyModel", use.check)
        endpoint = use.options.get("endpoint", "")
        if grant is None or not endpoint:
            told("down")
            return None
        questions = _questions_of(contents, check.most_characters)
        if len(questions) > MOST_QUESTIONS:
            told("too_long")
            return None
        asking = _Asking(use, check, contents, questions, told)
        try:
            bodies = [
                encode({"model": endpoint, **check.chat(each.content, use.options)})
                for each in questions
            ]
            inbounds = [OpenAIChat(body) for body in bodies]
        except (CheckFailed, ApiError):
            told("failed")
            return None
        if not questions:
            asking.tell()
            return None
        for number, (body, inbound) in enumerate(zip(bodies, inbounds, strict=True)):
            exchange = DetachedExchange(_request_of(body), functools.partial(asking.take, number))
            asking.exchanges.append(exchange)
            handle_unguarded(self._state, exchange, grant, inbound)
        return asking


class _Question(NamedTuple):
    of: tuple[int, ...]
    """Indexes of the contents it asks about."""
    content: Content


class _Asking:
    """All questions of one examination to one model."""

    def __init__(
        self,
        use: Use,
        check: SafetyModel,
        contents: Sequence[Content],
        questions: Sequence[_Question],
        told: Told,
    ) -> None:
        self.exchanges: list[DetachedExchange] = []
        self._use = use
        self._check = check
        self._contents = contents
        self._questions = questions
        self._told = told
        self._left = len(questions)
        self._answers: list[bytes] = [b""] * len(questions)
        self._is_over = False

    def take(self, number: int, status: int, body: bytes) -> None:
        if self._is_over:
            return
        if status != 200:
            self._is_over = True
            self._told("busy" if status == 429 else "down")
            return
        self._answers[number] = body
        self._left -= 1
        if not self._left:
            self._is_over = True
            self.tell()

    def tell(self) -> None:
        check = self._check
        found = [Verdict(check.name, check.version)] * len(self._contents)
        try:
            for question, body in zip(self._questions, self._answers, strict=True):
                answer = msgspec.json.decode(body, type=dict[str, Any])
                verdict = check.verdict(question.content, answer, self._use.options)
                # It is about all of them together: whichever it stands with, the call has it.
                found[question.of[0]] = _with(found[question.of[0]], verdict)
        except (CheckFailed, *UNREADABLE):
            self._told("garbage")
            return
        self._told(found)

    def cancel(self) -> None:
        self._is_over = True
        for exchange in self.exchanges:
            exchange.leave()


def _questions_of(contents: Sequence[Content], most: int) -> list[_Question]:
    """Return the contents of a direction joined to as few texts as the model takes."""
    questions: list[_Question] = []
    indexes: list[int] = []
    texts: list[str] = []
    size = 0

    def close() -> None:
        nonlocal size
        if indexes:
            direction = contents[indexes[0]].direction
            questions.append(_Question(tuple(indexes), Content("\n\n".join(texts), direction)))
        indexes.clear()
        texts.clear()
        size = 0

    for index, content in enumerate(contents):
        text = content.text
        for start in range(0, len(text), most):
            piece = text[start : start + most]
            if size + len(piece) + 2 > most:
                close()
            indexes.append(index)
            texts.append(piece)
            size += len(piece) + 2
    close()
    return questions


def _with(former: Verdict, verdict: Verdict) -> Verdict:
    # A span is of the joined text and none of the content's.
    found = [msgspec.structs.replace(each, start=0, end=0) for each in verdict.findings]
    return Verdict(verdict.check, verdict.version, (*former.findings, *found))


def _request_of(body: bytes) -> Request:
    headers = {b"content-type": b"application/json"}
    return Request(b"POST", _PATH, _PATH, b"", headers, b"", "unix", is_http10=False, body=body)
