"""Embeddings in the Gemini dialect: requests for a host, and its answers.

Source: ai.google.dev, API reference, "Embeddings".
"""

import base64
import struct
from typing import Any, cast

import msgspec
from msgspec import Raw

from tradewind.plugins.providers.base import ProviderRequest, TokenCounts
from tradewind.plugins.providers.dialects.chat_requests import invalid, values_of
from tradewind.plugins.providers.dialects.gemini import error_in_stream
from tradewind.plugins.providers.dialects.openai import WholeBody, members_of
from tradewind.plugins.providers.dialects.refusals import broken_answer
from tradewind.wire.chat import Fields, encode
from tradewind.wire.decoding import UNREADABLE
from tradewind.wire.gemini import EmbeddingsAnswer, UsageMetadata, is_unset

_KEEPS = frozenset({"dimensions", "encoding_format", "input", "task_type"})
_decode_answer = msgspec.json.Decoder(EmbeddingsAnswer).decode
_decode_usage = msgspec.json.Decoder(UsageMetadata | None).decode
_decode_requests = msgspec.json.Decoder(list[Fields]).decode


def to_batch(request: ProviderRequest, resource: str) -> Fields:
    """Return a request in the common form as one for `batchEmbedContents`. `resource` is the
    model's. Raises ApiError 400 that names what the dialect cannot say.
    """
    values = values_of(request.fields, keeps=_KEEPS)
    said = values.get("input")
    texts: list[Any] = [said] if isinstance(said, str) else cast("list[Any]", said)
    if not all(isinstance(text, str) for text in texts):
        raise invalid("input", "this model takes texts, not tokens")
    shared: dict[str, Any] = {"model": resource}
    if "dimensions" in values:
        shared["outputDimensionality"] = values["dimensions"]
    if "task_type" in values:
        shared["taskType"] = values["task_type"]
    requests = [shared | {"content": {"parts": [{"text": text}]}} for text in texts]
    return {"requests": Raw(encode(requests))}


def with_model(fields: Fields, resource: str) -> Fields:
    """Return a request of the dialect itself for the model of this resource."""
    fields = fields.copy()
    name = Raw(encode(resource))
    if "requests" not in fields:
        fields["model"] = name
        return fields
    try:
        requests = _decode_requests(fields["requests"])
    except UNREADABLE:
        raise invalid("requests", "it is a list of requests") from None
    fields.pop("model", None)
    fields["requests"] = Raw(encode([each | {"model": name} for each in requests]))
    return fields


class GeminiEmbeddings:
    """Reads embeddings for a client of this dialect: they are passed on as they are."""

    __slots__ = ("_body", "counts")

    output_events = 0

    def __init__(self) -> None:
        self._body = WholeBody()
        self.counts = TokenCounts()

    def feed(self, data: bytes) -> bytes:
        self._body.add(data)
        return b""

    def finish(self) -> bytes:
        body = self._body.content()
        members = members_of(body)
        _check(members, body)
        try:
            usage = _decode_usage(members.get("usageMetadata", Raw(b"null")))
        except UNREADABLE:
            usage = None
        self.counts = _counts_of(usage)
        return body


class GeminiEmbeddingsAsOpenAI:
    """Reads embeddings into the common form."""

    __slots__ = ("_as_base64", "_body", "_name", "counts")

    output_events = 0

    def __init__(self, name: str, *, as_base64: bool) -> None:
        """`name` is the model's name for the client."""
        self._body = WholeBody()
        self._name = name
        self._as_base64 = as_base64
        self.counts = TokenCounts()

    def feed(self, data: bytes) -> bytes:
        self._body.add(data)
        return b""

    def finish(self) -> bytes:
        body = self._body.content()
        _check(members_of(body), body)
        try:
            answer = _decode_answer(body)
        except UNREADABLE:
            raise broken_answer() from None
        self.counts = _counts_of(answer.usage_metadata)
        read = self.counts.input_tokens or 0
        data: list[dict[str, Any]] = [
            {
                "object": "embedding",
                "index": index,
                "embedding": _in_base64(each.values) if self._as_base64 else each.values,
            }
            for index, each in enumerate(answer.embeddings)
        ]
        return encode(
            {
                "object": "list",
                "data": data,
                "model": self._name,
                "usage": {"prompt_tokens": read, "total_tokens": read},
            }
        )


def _check(members: Fields, body: bytes) -> None:
    """Raises ApiError for an answer of status 200 that tells of a failure."""
    if not is_unset(members.get("error", Raw())):
        raise error_in_stream(body)


def _counts_of(usage: UsageMetadata | None) -> TokenCounts:
    """Embeddings write no tokens. Older models tell no usage at all."""
    read = None if usage is None else usage.prompt_token_count
    if usage is not None and read is None:
        read = usage.total_token_count
    return TokenCounts(read, None, 0)


def _in_base64(values: list[float]) -> str:
    """Return numbers as OpenAI packs them: 32-bit floats, little-endian, in base64."""
    try:
        return base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode()
    except OverflowError:
        raise broken_answer() from None
