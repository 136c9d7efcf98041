"""Audio (OpenAI v1): speech from a text, and texts from recordings."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from tradewind.wire.decoding import UNREADABLE, check_text, refuse
from tradewind.wire.errors import ApiError
from tradewind.wire.forms import Form
from tradewind.wire.routing import ModelName

_MOST_CHARACTERS = 64 * 1024


class SpeechRequest(msgspec.Struct, frozen=True):
    input: Annotated[str, Meta(min_length=1, max_length=_MOST_CHARACTERS)]
    model: ModelName = ""
    stream_format: Literal["sse", "audio"] | None = None


class TranscriptionRequest(msgspec.Struct, frozen=True):
    """The texts of a form whose file is the recording; of translations too."""

    model: ModelName = ""
    response_format: (
        Literal["json", "text", "srt", "verbose_json", "vtt", "diarized_json"] | None
    ) = None
    stream: bool | None = None


_decode_speech = msgspec.json.Decoder(SpeechRequest).decode


def decode_speech(body: bytes) -> SpeechRequest:
    """Raises ApiError 400 that names the field."""
    check_text(body)
    try:
        return _decode_speech(body)
    except UNREADABLE as error:
        raise refuse(error) from None


def request_of(form: Form) -> TranscriptionRequest:
    """Return the acted-on part of a form. Raises ApiError 400 that names the field."""
    if not any(part.name == "file" and part.file_name is not None for part in form.parts):
        raise ApiError(400, "The form has no file `file`.", param="file", code="invalid_value")
    try:
        return msgspec.convert(form.texts, TranscriptionRequest, strict=False)
    except msgspec.ValidationError as error:
        raise refuse(error) from None
