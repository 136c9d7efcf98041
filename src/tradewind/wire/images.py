"""Images (OpenAI v1): made from a prompt, or edited (a form, or JSON with references)."""

from typing import Annotated

import msgspec
from msgspec import Meta

from tradewind.wire.decoding import UNREADABLE, check_text, refuse
from tradewind.wire.errors import ApiError
from tradewind.wire.forms import Form
from tradewind.wire.routing import ModelName

_MOST_IMAGES = 16


class ImagesRequest(msgspec.Struct, frozen=True):
    prompt: Annotated[str, Meta(min_length=1)]
    model: ModelName = ""
    n: Annotated[int, Meta(ge=1, le=_MOST_IMAGES)] | None = None
    stream: bool | None = None


_decode = msgspec.json.Decoder(ImagesRequest).decode


def decode_request(body: bytes) -> ImagesRequest:
    """Raises ApiError 400 that names the field."""
    check_text(body)
    try:
        return _decode(body)
    except UNREADABLE as error:
        raise refuse(error) from None


def request_of(form: Form) -> ImagesRequest:
    """Return the acted-on part of a form. Raises ApiError 400 that names the field."""
    if not any(part.name in ("image", "image[]") and part.file_name for part in form.parts):
        raise ApiError(400, "The form has no file `image`.", param="image", code="invalid_value")
    try:
        return msgspec.convert(form.texts, ImagesRequest, strict=False)
    except msgspec.ValidationError as error:
        raise refuse(error) from None
