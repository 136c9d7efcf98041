"""Cohere's v2 API: chat, embeddings and rerank, each translated from the common form and back.

What its API has and ours has not (`documents`, `citation_options`, `safety_mode`, `input_type`)
passes through under its own name.

Source: docs.cohere.com, API reference v2.
"""

import time

from tradewind.plugins.providers.base import (
    Dialect,
    Prepared,
    ProviderRequest,
    Reader,
    request_bytes,
)
from tradewind.plugins.providers.dialects.chat_requests import decoded
from tradewind.plugins.providers.dialects.cohere import (
    CohereAnswer,
    CohereEmbeddings,
    CohereRanking,
    CohereStream,
)
from tradewind.plugins.providers.dialects.cohere_requests import (
    chat_body,
    documents_of,
    embed_body,
    rerank_body,
)
from tradewind.plugins.providers.dialects.refusals import error_of
from tradewind.snapshot.contents import Operation, Target
from tradewind.wire.chat import ChatRequest, encode
from tradewind.wire.errors import ApiError

_PATHS = {
    Operation.CHAT: b"/chat",
    Operation.EMBEDDINGS: b"/embed",
    Operation.RERANK: b"/rerank",
}


class Cohere:
    name = "cohere"
    dialects: frozenset[Dialect] = frozenset()
    operations = frozenset(_PATHS)
    files_at = None

    def prepare(self, request: ProviderRequest, target: Target) -> Prepared:
        fields, name, model = request.fields, request.endpoint.name, target.upstream_model
        reader: Reader
        match request.operation:
            case Operation.EMBEDDINGS:
                body = embed_body(fields, model)
                reader = CohereEmbeddings(name, body["embedding_types"][0])
            case Operation.RERANK:
                body = rerank_body(fields, model)
                wants = "return_documents" in fields and decoded(
                    "return_documents", fields["return_documents"]
                )
                reader = CohereRanking(name, documents_of(fields) if wants else None)
            case _:
                is_stream = request.is_stream
                body = chat_body(fields, model, is_stream=is_stream)
                created = int(time.time())
                parsed = request.parsed
                if is_stream:
                    shows_usage = isinstance(parsed, ChatRequest) and parsed.wants_usage_chunk
                    reader = CohereStream(name, created, shows_usage=shows_usage)
                else:
                    reader = CohereAnswer(name, created)
        encoded = encode(body)
        path = _PATHS[request.operation]
        head = request_bytes(target, path, encoded, headers=request.headers)
        return Prepared(head, encoded, reader)

    def error_of(self, status: int, body: bytes) -> ApiError:
        return error_of(status, body)
