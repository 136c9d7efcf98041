"""The OpenAI v1 operations besides chat and embeddings: completions, rerank, moderations, images
and audio.

They are the common form already: a body goes through as it came, but for the model's name. Forms
(files of images and audio) are parsed here once, so that what goes on is what was understood.
"""

from collections.abc import Callable

from msgspec import Raw

from tradewind.gateway.dialects.surfaces import OPENAI, Surface
from tradewind.plugins.providers.base import Dialect, ProviderRequest, Reader
from tradewind.snapshot.contents import Endpoint, Operation
from tradewind.wire import audio, chat, completions, forms, images, moderations, rerank
from tradewind.wire.chat import Fields, encode
from tradewind.wire.errors import ApiError
from tradewind.wire.routing import RoutingWish, wish_of_fields

_OURS = ("provider", "models")
_NO_PARAMETERS = frozenset(
    {
        "documents",
        "file",
        "image",
        "input",
        "model",
        "prompt",
        "query",
        "stream",
        "stream_options",
        "user",
        *_OURS,
    }
)


class OpenAIOperation:
    """One request of any of these operations, on whichever surface. Made by the functions below."""

    __slots__ = (
        "_fields",
        "_form",
        "_form_type",
        "body_length",
        "choices",
        "is_stream",
        "model",
        "operation",
        "output_limit",
        "surface",
        "wish",
    )

    dialect = Dialect.OPENAI

    def __init__(
        self,
        operation: Operation,
        surface: Surface,
        model: str,
        fields: Fields,
        body_length: int,
        *,
        is_stream: bool = False,
        output_limit: int | None = 0,
        choices: int = 1,
        form: bytes | None = None,
        form_type: bytes = b"",
    ) -> None:
        self.operation = operation
        self.surface = surface
        self.model = model
        self.body_length = body_length
        self.is_stream = is_stream
        self.output_limit = output_limit
        self.choices = choices
        self.wish: RoutingWish = wish_of_fields(fields)
        self._fields = {name: value for name, value in fields.items() if name not in _OURS}
        self._form = form
        self._form_type = form_type

    @property
    def parameters(self) -> frozenset[str]:
        return frozenset(self._fields) - _NO_PARAMETERS

    def request_for(
        self,
        endpoint: Endpoint,
        dialects: frozenset[Dialect],  # noqa: ARG002  the common form is spoken by all
        headers: bytes,
    ) -> ProviderRequest:
        return ProviderRequest(
            endpoint,
            self._fields,
            None,
            self.operation,
            streams=self.is_stream,
            form=self._form,
            form_type=self._form_type,
            headers=headers,
        )

    def reader_for(self, request: ProviderRequest, reader: Reader) -> Reader:  # noqa: ARG002
        return reader


def completion(
    body: bytes,
    content_type: bytes,  # noqa: ARG001  all are made alike
    surface: Surface = OPENAI,
    model: str | None = None,
) -> OpenAIOperation:
    """`POST /v1/completions`. `model` is one that the path names. Raises ApiError 400, as all."""
    parsed = completions.decode_request(body)
    return OpenAIOperation(
        Operation.COMPLETIONS,
        surface,
        _model(parsed.model, model),
        chat.decode_fields(body),
        len(body),
        is_stream=bool(parsed.stream),
        output_limit=parsed.max_tokens,
        choices=max(parsed.n or 1, parsed.best_of or 1) * parsed.prompts,
    )


def ranking(
    body: bytes,
    content_type: bytes,  # noqa: ARG001  all are made alike
    surface: Surface = OPENAI,
    model: str | None = None,
) -> OpenAIOperation:
    """`POST /v1/rerank`."""
    parsed = rerank.decode_request(body)
    name = _model(parsed.model, model)
    return OpenAIOperation(Operation.RERANK, surface, name, chat.decode_fields(body), len(body))


def moderation(
    body: bytes,
    content_type: bytes,  # noqa: ARG001  all are made alike
    surface: Surface = OPENAI,
    model: str | None = None,
) -> OpenAIOperation:
    """`POST /v1/moderations`."""
    parsed = moderations.decode_request(body)
    name = _model(parsed.model, model)
    fields = chat.decode_fields(body)
    return OpenAIOperation(Operation.MODERATIONS, surface, name, fields, len(body))


def image(
    body: bytes,
    content_type: bytes,  # noqa: ARG001  all are made alike
    surface: Surface = OPENAI,
    model: str | None = None,
) -> OpenAIOperation:
    """`POST /v1/images/generations`."""
    parsed = images.decode_request(body)
    return OpenAIOperation(
        Operation.IMAGES,
        surface,
        _model(parsed.model, model),
        chat.decode_fields(body),
        len(parsed.prompt),
        is_stream=bool(parsed.stream),
    )


def image_edit(
    body: bytes, content_type: bytes, surface: Surface = OPENAI, model: str | None = None
) -> OpenAIOperation:
    """`POST /v1/images/edits`, a form, or JSON that names its images."""
    if content_type.lstrip().lower().startswith(b"application/json"):
        parsed = images.decode_request(body)
        return OpenAIOperation(
            Operation.IMAGE_EDITS,
            surface,
            _model(parsed.model, model),
            chat.decode_fields(body),
            len(parsed.prompt),
            is_stream=bool(parsed.stream),
        )
    form = forms.parse(body, content_type)
    parsed = images.request_of(form)
    return OpenAIOperation(
        Operation.IMAGE_EDITS,
        surface,
        _model(parsed.model, model),
        _fields_of(form),
        len(parsed.prompt),
        is_stream=bool(parsed.stream),
        form=body,
        form_type=content_type,
    )


def speech(
    body: bytes,
    content_type: bytes,  # noqa: ARG001  all are made alike
    surface: Surface = OPENAI,
    model: str | None = None,
) -> OpenAIOperation:
    """`POST /v1/audio/speech`."""
    parsed = audio.decode_speech(body)
    return OpenAIOperation(
        Operation.SPEECH,
        surface,
        _model(parsed.model, model),
        chat.decode_fields(body),
        len(parsed.input),
        is_stream=parsed.stream_format == "sse",
    )


def transcription(
    body: bytes, content_type: bytes, surface: Surface = OPENAI, model: str | None = None
) -> OpenAIOperation:
    """`POST /v1/audio/transcriptions`, a form."""
    return _from_recording(Operation.TRANSCRIPTION, body, content_type, surface, model)


def translation(
    body: bytes, content_type: bytes, surface: Surface = OPENAI, model: str | None = None
) -> OpenAIOperation:
    """`POST /v1/audio/translations`, a form."""
    return _from_recording(Operation.TRANSLATION, body, content_type, surface, model)


Make = Callable[[bytes, bytes, Surface, str | None], OpenAIOperation]
"""From a body, its content type, the surface and the model that the path names."""
MAKERS: dict[bytes, Make] = {
    b"completions": completion,
    b"rerank": ranking,
    b"moderations": moderation,
    b"images/generations": image,
    b"images/edits": image_edit,
    b"audio/speech": speech,
    b"audio/transcriptions": transcription,
    b"audio/translations": translation,
}
"""By the path behind `/v1/`."""


def _from_recording(
    operation: Operation, body: bytes, content_type: bytes, surface: Surface, model: str | None
) -> OpenAIOperation:
    form = forms.parse(body, content_type)
    parsed = audio.request_of(form)
    fields = _fields_of(form)
    return OpenAIOperation(
        operation,
        surface,
        _model(parsed.model, model),
        fields,
        # Of the texts alone: a recording has far more bytes than tokens.
        sum(map(len, fields.values())),
        is_stream=bool(parsed.stream),
        form=body,
        form_type=content_type,
    )


def _model(said: str, named: str | None) -> str:
    """Return the model that is called: the path's name wins over the body's."""
    if model := named or said:
        return model
    raise ApiError(
        400,
        "Invalid 'model': Object missing required field `model`.",
        param="model",
        code="invalid_value",
    )


def _fields_of(form: forms.Form) -> Fields:
    return {name: Raw(encode(text)) for name, text in form.texts.items()}
