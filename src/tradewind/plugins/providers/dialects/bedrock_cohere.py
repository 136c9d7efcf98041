"""Cohere's models on Amazon Bedrock: its own bodies of embeddings and rerank, behind InvokeModel.

They differ from Cohere's own API in that the model is in the path, embeddings come as numbers only,
and an answer tells no usage.

Sources: docs.aws.amazon.com, Amazon Bedrock User Guide, "Cohere Embed v3", "Cohere Embed v4",
"Supported Regions and models for reranking" (InvokeModel); docs.cohere.com, "Cohere on AWS",
"Amazon Bedrock" (`api_version` of rerank).
"""

import base64
import re
import struct
from typing import Any

import msgspec
from msgspec import Raw

from tradewind.plugins.providers.base import Reader, TokenCounts
from tradewind.plugins.providers.dialects.chat_requests import decoded
from tradewind.plugins.providers.dialects.cohere import CohereRanking
from tradewind.plugins.providers.dialects.cohere_requests import (
    documents_of,
    embed_body,
    rerank_body,
)
from tradewind.plugins.providers.dialects.openai import WholeBody
from tradewind.plugins.providers.dialects.refusals import broken_answer
from tradewind.wire.chat import Fields, encode
from tradewind.wire.decoding import UNREADABLE

# A model, an inference profile of a region (`us.cohere.…`), or the ARN of either.
_OF_COHERE = re.compile(r"(?:^|[./])cohere\.")
_FOURTH = re.compile(r"embed-v4")
_RERANK_VERSION = 2
_DOCUMENTS_OF_A_SEARCH = 100
"""Amazon Bedrock pricing, "Rerank": a query of more documents is billed as several."""
_SIDES = {"START": "LEFT", "END": "RIGHT"}
"""What the fourth generation of Embed calls the ends of a text."""


def is_of_cohere(model: str) -> bool:
    return _OF_COHERE.search(model) is not None


def embeddings(fields: Fields, name: str, model: str) -> tuple[dict[str, Any], Reader]:
    """Return the body of a request, and who reads its answer. Raises ApiError 400."""
    body = embed_body(fields, "")
    del body["model"]
    is_base64 = body["embedding_types"] == ["base64"]
    body["embedding_types"] = ["float"]
    if _FOURTH.search(model) and "truncate" in body:
        body["truncate"] = _SIDES.get(body["truncate"], body["truncate"])
    return body, BedrockEmbeddings(name, is_base64=is_base64)


def ranking(fields: Fields, name: str, model: str) -> tuple[dict[str, Any], Reader]:
    """Return the body of a request, and who reads its answer. Raises ApiError 400."""
    body = rerank_body(fields, "")
    del body["model"]
    if is_of_cohere(model):
        body["api_version"] = _RERANK_VERSION
    documents = documents_of(fields)
    wants = "return_documents" in fields and decoded("return_documents", fields["return_documents"])
    searches = max(1, -(-len(documents) // _DOCUMENTS_OF_A_SEARCH))
    return body, CohereRanking(name, documents if wants else None, searches=searches)


class BedrockEmbeddings:
    """Reads embeddings into OpenAI's list. How many tokens they took is told in a header only, so
    it counts as unknown.
    """

    __slots__ = ("_body", "_is_base64", "_name", "counts")

    output_events = 0

    def __init__(self, name: str, *, is_base64: bool) -> None:
        self._body = WholeBody()
        self._name = name
        self._is_base64 = is_base64
        self.counts = TokenCounts()

    def feed(self, data: bytes) -> bytes:
        self._body.add(data)
        return b""

    def finish(self) -> bytes:
        try:
            found = msgspec.json.decode(self._body.content(), type=_Embedded).embeddings.float
            self.counts = TokenCounts(None, None, 0)
            entries = [
                {"object": "embedding", "index": index, "embedding": self._shown(each)}
                for index, each in enumerate(found)
            ]
        except UNREADABLE:
            raise broken_answer() from None
        return encode(
            {
                "object": "list",
                "data": entries,
                "model": self._name,
                "usage": {"prompt_tokens": 0, "total_tokens": 0},
            }
        )

    def _shown(self, embedding: Raw) -> Raw | str:
        if not self._is_base64:
            return embedding
        numbers = msgspec.json.decode(embedding, type=list[float])
        return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


class _ByType(msgspec.Struct, frozen=True):
    float: list[Raw]


class _Embedded(msgspec.Struct, frozen=True):
    embeddings: _ByType
