"""Requests of the OpenAI v1 dialect for a host: its own names and quirks, and who reads the answer.

Every host of the dialect differs in its paths, in how it is opened and in quirks (`Wire`); what an
operation's answer looks like is the same for all.
"""

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from tradewind.plugins.providers.base import (
    PATHS,
    Prepared,
    ProviderRequest,
    Reader,
    TokenCounts,
    request_bytes,
)
from tradewind.plugins.providers.dialects import quirks as host_quirks
from tradewind.plugins.providers.dialects.openai import (
    CHAT,
    COMPLETIONS,
    StreamedAnswer,
    WholeAnswer,
    counts_of_embeddings,
    member,
    renames_of,
)
from tradewind.plugins.providers.dialects.openai_operations import (
    CountedAnswer,
    EventsAnswer,
    PassedBytes,
    count_images,
    count_moderation,
    count_rerank,
    count_transcription,
    text_of_transcription,
)
from tradewind.plugins.providers.dialects.quirks import AS_IS, Quirks
from tradewind.snapshot.contents import Operation, Target
from tradewind.wire import forms
from tradewind.wire.chat import ChatRequest, Fields, StreamOptions, encode
from tradewind.wire.decoding import UNREADABLE
from tradewind.wire.errors import ApiError

# We always ask for usage, whether the client did or not: without it we would have to guess the
# bill.
WITH_USAGE = Raw(b'{"include_usage":true}')
_TEXT = b"text/plain; charset=utf-8"


class Wire(msgspec.Struct, frozen=True):
    """How one host takes requests of the dialect. The empty one is OpenAI's own way."""

    paths: dict[Operation, bytes] = msgspec.field(default_factory=lambda: PATHS)
    authorization: bytes | None = None
    """As in `request_bytes`."""
    headers: bytes = b""
    quirks: Quirks = AS_IS


def prepare(request: ProviderRequest, target: Target, wire: Wire) -> Prepared:
    """Return the request for the target's host. Raises ApiError 400 for what it cannot carry."""
    if request.form is not None:
        return _prepare_form(request, request.form, target, wire)
    fields = request.fields.copy()
    upstream_model = target.upstream_model
    fields["model"] = member(upstream_model)
    parsed = request.parsed
    quirks, passes_bytes = wire.quirks, False
    # Chat comes first and makes no detour: its calls are nearly all calls.
    if isinstance(parsed, ChatRequest):
        name = request.endpoint.name
        is_stream = parsed.stream
        if is_stream:
            renames = renames_of(upstream_model, name)
            reader: Reader = StreamedAnswer(renames, shows_usage=parsed.wants_usage_chunk)
        else:
            reader = WholeAnswer(None if upstream_model == name else name)
    else:
        is_stream = request.is_stream and request.operation is Operation.COMPLETIONS
        reader, passes_bytes = reader_for(request, target, is_stream=request.is_stream)
    if is_stream:
        if quirks.takes_stream_options:
            fields["stream_options"] = WITH_USAGE
        else:
            fields.pop("stream_options", None)
    if quirks is not AS_IS:
        host_quirks.apply(quirks, fields)
    body = encode(fields)
    head = request_bytes(
        target,
        wire.paths[request.operation],
        body,
        wire.authorization,
        wire.headers + request.headers,
    )
    return Prepared(head, body, reader, passes_bytes)


def reader_for(request: ProviderRequest, target: Target, *, is_stream: bool) -> tuple[Reader, bool]:
    """Return who reads the answer in the dialect, and whether its bytes are passed on."""
    name = request.endpoint.name
    shown = None if target.upstream_model == name else name
    match request.operation:
        case Operation.CHAT | Operation.COMPLETIONS:
            if not is_stream:
                return WholeAnswer(shown), False
            renames = renames_of(target.upstream_model, name)
            shows_usage = wants_usage_chunk(request.fields)
            is_chat = request.operation is Operation.CHAT
            spellings = CHAT if is_chat else COMPLETIONS
            return StreamedAnswer(renames, shows_usage=shows_usage, spellings=spellings), False
        case Operation.EMBEDDINGS:
            return WholeAnswer(shown, counts_of_embeddings), False
        case Operation.RERANK:
            return CountedAnswer(shown, count_rerank), False
        case Operation.MODERATIONS:
            return CountedAnswer(shown, count_moderation), False
        case Operation.IMAGES | Operation.IMAGE_EDITS:
            if is_stream:
                return EventsAnswer(lambda members: _one_image(count_images(members))), False
            return CountedAnswer(shown, count_images), False
        case Operation.SPEECH:
            characters = _length_of_text(request.fields.get("input"))
            told = TokenCounts(None, None, 0, meters={"characters": characters})
            if is_stream:
                return EventsAnswer(lambda members: _speech(members, characters), told), False
            return PassedBytes(told), True
        case Operation.TRANSCRIPTION | Operation.TRANSLATION:
            if is_stream:
                return EventsAnswer(count_transcription), False
            return CountedAnswer(None, count_transcription), False


def _prepare_form(request: ProviderRequest, raw: bytes, target: Target, wire: Wire) -> Prepared:
    form = forms.parse(raw, request.form_type)
    changes: dict[str, str | None] = {"model": target.upstream_model}
    reader, passes_bytes = reader_for(request, target, is_stream=request.is_stream)
    content_type = b""
    if request.operation in (Operation.TRANSCRIPTION, Operation.TRANSLATION):
        match form.texts.get("response_format"):
            case "text":
                # The text alone says nothing of its length in time, so JSON is asked for, and the
                # client gets the text of it.
                changes["response_format"] = "json"
                reader = CountedAnswer(None, count_transcription, text_of_transcription)
                passes_bytes, content_type = True, _TEXT
            case "srt" | "vtt":
                reader, passes_bytes = PassedBytes(TokenCounts(), finds_time=True), True
            case _:
                pass
    body, form_type = forms.write(form, changes)
    head = request_bytes(
        target,
        wire.paths[request.operation],
        body,
        authorization=wire.authorization,
        headers=wire.headers + request.headers,
        content_type=form_type,
    )
    return Prepared(head, body, reader, passes_bytes, content_type)


def wants_usage_chunk(fields: Fields) -> bool:
    """Whether a request whose body was not parsed asks for a last event with the usage."""
    options = fields.get("stream_options")
    if options is None:
        return False
    try:
        found = msgspec.json.decode(options, type=StreamOptions | None)
    except UNREADABLE:
        raise ApiError(
            400,
            "Invalid 'stream_options': it is not an object.",
            param="stream_options",
            code="invalid_value",
        ) from None
    return found is not None and bool(found.include_usage)


def _length_of_text(value: Raw | None) -> int:
    return 0 if value is None else len(msgspec.json.decode(value, type=str))


def _one_image(counts: TokenCounts) -> TokenCounts:
    """A completed event is one image."""
    return replace(counts, meters={"images": 1})


def _speech(members: Fields, characters: int) -> TokenCounts:
    counts = count_transcription(members)
    return replace(counts, meters={"characters": characters})
