"""Gemini: `embedContent` and `batchEmbedContents`, to targets of any dialect.

What a text is embedded for (`taskType`, `title`) has no word in the common form. Models that make
no difference know nothing of it, so it is left out.

Source: ai.google.dev, API reference, "Embeddings".
"""

from typing import Any

import msgspec
from msgspec import Raw

from tradewind.gateway.dialects.base import TranslatedAnswer
from tradewind.gateway.dialects.surfaces import GEMINI
from tradewind.plugins.providers.base import Dialect, ProviderRequest, Reader, TokenCounts
from tradewind.plugins.providers.dialects.refusals import broken_answer
from tradewind.snapshot.contents import Endpoint, Operation
from tradewind.wire.chat import Fields, decode_fields, encode
from tradewind.wire.decoding import UNREADABLE
from tradewind.wire.embeddings import EmbeddingsRequest
from tradewind.wire.errors import ApiError
from tradewind.wire.gemini import (
    EmbedRequest,
    canonical,
    decode_batch_embed,
    decode_embed,
    listed,
)
from tradewind.wire.routing import NO_WISH


class GeminiEmbeddings:
    """One request of a Gemini client for embeddings."""

    __slots__ = ("_fields", "_is_batch", "_requests", "body_length", "model")

    surface = GEMINI
    operation = Operation.EMBEDDINGS
    dialect = Dialect.GEMINI
    is_stream = False
    choices = 1
    output_limit: int | None = 0
    wish = NO_WISH

    def __init__(self, body: bytes, model: str, *, is_batch: bool = False) -> None:
        """`model` is the path's. Raises ApiError 400 that names the member."""
        body = canonical(body)
        self._requests = decode_batch_embed(body).requests if is_batch else [decode_embed(body)]
        for number, request in enumerate(self._requests):
            if request.model and request.model.removeprefix("models/") != model:
                where = f"requests[{number}].model" if is_batch else "model"
                raise _invalid(where, "it is another model than the path's")
        self._fields: Fields = decode_fields(body)
        self._is_batch = is_batch
        self.model = model
        self.body_length = len(body)

    @property
    def parameters(self) -> frozenset[str]:
        return frozenset() if _dimensions(self._requests) is None else frozenset({"dimensions"})

    def request_for(
        self, endpoint: Endpoint, dialects: frozenset[Dialect], headers: bytes
    ) -> ProviderRequest:
        if Dialect.GEMINI in dialects:
            return ProviderRequest(
                endpoint,
                self._fields,
                None,
                Operation.EMBEDDINGS,
                dialect=Dialect.GEMINI,
                headers=headers,
            )
        texts = [_text(request, number) for number, request in enumerate(self._requests)]
        members: dict[str, Any] = {"model": self.model, "input": texts}
        dimensions = _dimensions(self._requests)
        if dimensions is not None:
            members["dimensions"] = dimensions
        parsed = EmbeddingsRequest(self.model, list(texts), dimensions=dimensions)
        fields: Fields = {name: Raw(encode(value)) for name, value in members.items()}
        return ProviderRequest(endpoint, fields, parsed, Operation.EMBEDDINGS, headers=headers)

    def reader_for(self, request: ProviderRequest, reader: Reader) -> Reader:
        if request.dialect is Dialect.GEMINI:
            return reader
        writer = EmbeddingsWriter(len(self._requests), is_batch=self._is_batch)
        return TranslatedAnswer(reader, writer, is_stream=False)


class _Embedding(msgspec.Struct):
    embedding: list[float]
    index: int = 0


class _Embeddings(msgspec.Struct):
    data: list[_Embedding]


_decode = msgspec.json.Decoder(_Embeddings).decode


class EmbeddingsWriter:
    """Writes embeddings in the common form as Gemini's."""

    __slots__ = ("_is_batch", "_wanted")

    def __init__(self, wanted: int, *, is_batch: bool) -> None:
        self._wanted = wanted
        self._is_batch = is_batch

    def events(self, events: bytes) -> bytes:  # noqa: ARG002
        raise broken_answer()  # embeddings are no stream

    def end(self, counts: TokenCounts) -> bytes:  # noqa: ARG002
        raise broken_answer()

    def whole(self, answer: bytes, counts: TokenCounts) -> bytes:
        try:
            found = _decode(answer).data
        except UNREADABLE:
            raise broken_answer() from None
        if len(found) != self._wanted:
            raise broken_answer()
        found.sort(key=lambda each: each.index)
        values = [{"values": each.embedding} for each in found]
        written: dict[str, Any] = (
            {"embeddings": values} if self._is_batch else {"embedding": values[0]}
        )
        if (read := counts.input_tokens) is not None:
            written["usageMetadata"] = {"promptTokenCount": read, "totalTokenCount": read}
        return encode(written)


def _text(request: EmbedRequest, number: int) -> str:
    texts: list[str] = []
    for place, part in enumerate(listed(request.content.parts)):
        if part.text is None:
            raise ApiError(
                400,
                "The target of this model does not speak the Gemini dialect, and makes embeddings "
                "of texts only.",
                param=f"requests[{number}].content.parts[{place}]",
                code="unsupported_content",
            )
        texts.append(part.text)
    text = "\n".join(texts)
    if not text:
        raise _invalid(f"requests[{number}].content", "there is no text in it")
    return text


def _dimensions(requests: list[EmbedRequest]) -> int | None:
    """Return the one length that all embeddings are to have. Raises ApiError 400."""
    wanted = {_wanted_dimensions(request) for request in requests}
    if len(wanted) > 1:
        raise _invalid("requests", "all have the same `outputDimensionality`")
    [dimensions] = wanted
    if dimensions is not None and dimensions < 1:
        raise _invalid("outputDimensionality", "it is at least 1")
    return dimensions


def _wanted_dimensions(request: EmbedRequest) -> int | None:
    config = request.embed_content_config
    if config is not None and config.output_dimensionality is not None:
        return config.output_dimensionality
    return request.output_dimensionality


def _invalid(param: str, what: str) -> ApiError:
    return ApiError(400, f"Invalid '{param}': {what}.", param=param, code="invalid_value")
