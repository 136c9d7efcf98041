"""Embeddings (OpenAI v1): the few fields Tradewind acts on."""

from typing import Annotated

import msgspec
from msgspec import Meta

from tradewind.wire.decoding import UNREADABLE, check_text, refuse

# OpenAI's own bound on inputs of one request.
_MOST_INPUTS = 2048


class EmbeddingsRequest(msgspec.Struct, frozen=True):
    """`input` is a text, texts, token ids, or lists of token ids."""

    model: Annotated[str, Meta(min_length=1, max_length=512)]
    input: (
        Annotated[str, Meta(min_length=1)]
        | Annotated[list[str | int | list[int]], Meta(min_length=1, max_length=_MOST_INPUTS)]
    )
    encoding_format: str | None = None
    dimensions: Annotated[int, Meta(ge=1)] | None = None


_decode = msgspec.json.Decoder(EmbeddingsRequest).decode


def decode_request(body: bytes) -> EmbeddingsRequest:
    """Raises ApiError 400 that names the field."""
    check_text(body)
    try:
        return _decode(body)
    except UNREADABLE as error:
        raise refuse(error) from None
