"""Moderations (OpenAI v1): whether a text or an image is harmful."""

from typing import Annotated

import msgspec
from msgspec import Meta, Raw

from tradewind.wire.decoding import UNREADABLE, check_text, refuse
from tradewind.wire.routing import ModelName

DEFAULT_MODEL = "omni-moderation-latest"
"""OpenAI's own: its clients may leave the model out."""
_MOST_INPUTS = 1024


class ModerationsRequest(msgspec.Struct, frozen=True):
    """`input` is a text, texts, or parts of texts and images."""

    input: str | Annotated[list[Raw], Meta(min_length=1, max_length=_MOST_INPUTS)]
    model: ModelName = DEFAULT_MODEL


_decode = msgspec.json.Decoder(ModerationsRequest).decode


def decode_request(body: bytes) -> ModerationsRequest:
    """Raises ApiError 400 that names the field."""
    check_text(body)
    try:
        return _decode(body)
    except UNREADABLE as error:
        raise refuse(error) from None
