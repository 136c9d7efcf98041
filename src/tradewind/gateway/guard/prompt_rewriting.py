"""Prompts that are sent with placeholders, in the body of any dialect. Pure.

What is sent is always written anew from what was read: two parsers may take a member that comes
twice differently, and a host must not read what no check has seen.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

import ahocorasick
import msgspec
from msgspec import Raw

from tradewind.gateway.dialects.base import Inbound
from tradewind.gateway.dialects.responses import ResponsesInbound, ToldAnswer
from tradewind.gateway.dialects.surfaces import Surface
from tradewind.gateway.guard.judging import Judgement
from tradewind.gateway.guard.prompt_text import Walk, decoded
from tradewind.plugins.checks.base import Content
from tradewind.plugins.providers.base import Dialect, ProviderRequest, Reader
from tradewind.snapshot.contents import Endpoint, Operation
from tradewind.snapshot.safety import Action, Direction
from tradewind.wire import chat, embeddings
from tradewind.wire.chat import ChatRequest, encode
from tradewind.wire.routing import RoutingWish

_LABEL = "TEXT"
"""What a placeholder is called where the check gave its finding no label."""


class RewrittenInbound:
    """A request that goes out as it was read, and with placeholders once they are known."""

    __slots__ = (
        "_inbound",
        "_replace",
        "body_length",
        "choices",
        "dialect",
        "is_stream",
        "model",
        "operation",
        "output_limit",
        "surface",
        "wish",
    )

    def __init__(self, inbound: Inbound) -> None:
        self._inbound = inbound
        self._replace: Callable[[str], str] = _unchanged
        self.surface: Surface = inbound.surface
        self.operation: Operation = inbound.operation
        self.dialect: Dialect = inbound.dialect
        self.model = inbound.model
        self.is_stream = inbound.is_stream
        self.body_length = inbound.body_length
        self.output_limit = inbound.output_limit
        self.choices = inbound.choices
        self.wish: RoutingWish = inbound.wish

    def replace(self, placeholders: Mapping[str, str]) -> None:
        """Have every text from now on sent with these placeholders for these values."""
        self._replace = replacing(placeholders)

    def told(self, answer: ToldAnswer) -> None:
        """What is stored of an answer has to be what the client got."""
        if isinstance(self._inbound, ResponsesInbound):
            self._inbound.told(answer)

    @property
    def parameters(self) -> frozenset[str]:
        return self._inbound.parameters

    def own_form(self, endpoint: Endpoint) -> ProviderRequest:
        """Return the request in the dialect of its client, in which nothing of it is missing."""
        return self._inbound.request_for(endpoint, frozenset({self.dialect}), b"")

    def request_for(
        self, endpoint: Endpoint, dialects: frozenset[Dialect], headers: bytes
    ) -> ProviderRequest:
        request = self._inbound.request_for(endpoint, dialects, headers)
        replace = self._replace

        def visit(text: str, direction: Direction, group: int) -> str:  # noqa: ARG001
            return replace(text)

        fields, walk = dict(request.fields), Walk(visit)
        for name, value in decoded(fields).items():
            written: Any = value if replace is _unchanged else walk.member(name, value)
            fields[name] = Raw(encode(written))
        parsed = request.parsed
        if parsed is not None and replace is not _unchanged:
            body = encode(fields)
            is_chat = isinstance(parsed, ChatRequest)
            parsed = chat.decode_request(body) if is_chat else embeddings.decode_request(body)
        return msgspec.structs.replace(request, fields=fields, parsed=parsed)

    def reader_for(self, request: ProviderRequest, reader: Reader) -> Reader:
        return self._inbound.reader_for(request, reader)


def values_to_redact(
    judgement: Judgement, contents: Sequence[Content]
) -> Iterable[tuple[str, str]]:
    """Yield labels and the values that a judgement wants redacted, in the order they stand in.

    Findings that overlap are one value, so that none of them is left in part. A value never goes
    over the end of a line, which may be the joint between two parts of a message.
    """
    spans: dict[int, list[tuple[int, int, str]]] = {}
    for judged in judgement.findings:
        if judged.action is Action.REDACT:
            finding = judged.finding
            length = len(contents[judged.content].text)
            end = min(finding.end, length) if finding.end else length
            label = finding.label or _LABEL
            spans.setdefault(judged.content, []).append((finding.start, end, label))
    for index in sorted(spans):
        text = contents[index].text
        for start, end, label in _united(sorted(spans[index])):
            for line in text[start:end].split("\n"):
                if value := line.strip():
                    yield label, value


def replacing(placeholders: Mapping[str, str]) -> Callable[[str], str]:
    """Return what writes placeholders for values wherever they stand: linear in the text, however
    many values there are; of two that begin at one place the longer is taken.
    """
    if not placeholders:
        return _unchanged
    # The package brings no types.
    automaton = cast("Any", ahocorasick).Automaton()
    for value, placeholder in placeholders.items():
        automaton.add_word(value, (len(value), placeholder))
    automaton.make_automaton()
    find = cast("Callable[[str], Iterable[tuple[int, tuple[int, str]]]]", automaton.iter_long)

    def replace(text: str) -> str:
        written: list[str] = []
        at = 0
        for last, (length, placeholder) in find(text):
            written += (text[at : last + 1 - length], placeholder)
            at = last + 1
        if not at:
            return text
        written.append(text[at:])
        return "".join(written)

    return replace


def _united(spans: Sequence[tuple[int, int, str]]) -> Iterable[tuple[int, int, str]]:
    """Yield spans without overlaps; what is united is called as its first part."""
    start, end, label = spans[0]
    for next_start, next_end, next_label in spans[1:]:
        if next_start < end:
            end = max(end, next_end)
        else:
            yield start, end, label
            start, end, label = next_start, next_end, next_label
    yield start, end, label


def _unchanged(text: str) -> str:
    return text
