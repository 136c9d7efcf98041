"""Rerank: documents in the order of how well they fit a query.

No standard names it; the request and the answer are those of Jina and Cohere (jina.ai/reranker;
docs.cohere.com/reference/rerank), which engines and hosts have taken over.
"""

from typing import Annotated

import msgspec
from msgspec import Meta, Raw

from tradewind.wire.decoding import UNREADABLE, check_text, refuse
from tradewind.wire.routing import ModelName

_MOST_DOCUMENTS = 10_000


class RerankRequest(msgspec.Struct, frozen=True):
    """A document is a text, or an object with one."""

    query: Annotated[str, Meta(min_length=1)]
    documents: Annotated[list[Raw], Meta(min_length=1, max_length=_MOST_DOCUMENTS)]
    model: ModelName = ""
    top_n: Annotated[int, Meta(ge=1)] | None = None
    return_documents: bool | None = None


_decode = msgspec.json.Decoder(RerankRequest).decode


def decode_request(body: bytes) -> RerankRequest:
    """Raises ApiError 400 that names the field."""
    check_text(body)
    try:
        return _decode(body)
    except UNREADABLE as error:
        raise refuse(error) from None
