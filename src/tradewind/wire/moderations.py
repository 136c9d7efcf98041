"""Moderations (OpenAI v1): whether a text or an image is harmful."""

from typing import Annotated

import msgspec
from msgspec import Meta, Raw

from tradewind.wire.decoding import UNREADABLE, check_text, refuse
from tradewind.wire.errors import ApiError
from tradewind.wire.routing import ModelName

DEFAULT_MODEL = "omni-moderation-latest"
"""OpenAI's own: its clients may leave the model out."""
MOST_CHARACTERS = 100_000
"""Of all inputs together, where our own checks answer."""
CATEGORIES: dict[str, str | None] = {
    "harassment": None,
    "harassment/threatening": None,
    "hate": "hate",
    "hate/threatening": None,
    "illicit": None,
    "illicit/violent": None,
    "self-harm": "self_harm",
    "self-harm/instructions": None,
    "self-harm/intent": None,
    "sexual": "sexual",
    "sexual/minors": None,
    "violence": "violence",
    "violence/graphic": None,
}
"""OpenAI's categories to ours; None is what nothing here looks for."""
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


class _Part(msgspec.Struct, frozen=True):
    type: str
    text: str | None = None


_decode_input = msgspec.json.Decoder(str | _Part).decode


def texts_of(asked: ModerationsRequest) -> list[str]:
    """Return the text of each input. Parts of texts and images are one input together.

    Raises ApiError 400 where there is nothing that can be looked at.
    """
    texts = [asked.input] if isinstance(asked.input, str) else _texts(asked.input)
    if sum(map(len, texts)) > MOST_CHARACTERS:
        raise ApiError(
            400,
            f"Invalid 'input': all inputs together have at most {MOST_CHARACTERS} characters.",
            param="input",
            code="invalid_value",
        )
    return texts


def _texts(inputs: list[Raw]) -> list[str]:
    texts: list[str] = []
    parts: list[str] = []
    has_parts = False
    for place, raw in enumerate(inputs):
        try:
            entry = _decode_input(raw)
        except UNREADABLE:
            raise _not_readable(place) from None
        if isinstance(entry, str):
            texts.append(entry)
            continue
        has_parts = True
        if entry.type == "text" and entry.text is not None:
            parts.append(entry.text)
        elif entry.type != "image_url":
            raise _not_readable(place)
    if not has_parts:
        return texts
    if texts:
        raise _not_readable(0)
    if not parts:
        raise ApiError(
            400,
            "No check of this installation looks at pictures, and 'input' has nothing else.",
            param="input",
            code="unsupported_content",
        )
    return ["\n".join(parts)]


def _not_readable(place: int) -> ApiError:
    return ApiError(
        400,
        f"Invalid 'input[{place}]': inputs are texts, or parts 'text' and 'image_url'.",
        param="input",
        code="invalid_value",
    )
