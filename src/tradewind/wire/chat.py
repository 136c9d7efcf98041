"""Chat completions (OpenAI v1): the few fields Tradewind acts on, and usage out of answers."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from tradewind.wire.errors import ApiError

_MOST_CHOICES = 16


class StreamOptions(msgspec.Struct, frozen=True):
    include_usage: bool | None = None


class ChatRequest(msgspec.Struct, frozen=True):
    """The acted-on part of a request. Everything else passes through as it came."""

    model: Annotated[str, Meta(min_length=1, max_length=512)]
    messages: Annotated[list[Raw], Meta(min_length=1)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Meta(ge=1)] | None = None
    n: Annotated[int, Meta(ge=1, le=_MOST_CHOICES)] | None = None
    logprobs: bool | None = None
    response_format: dict[str, Any] | UnsetType | None = UNSET
    tools: list[dict[str, Any]] | UnsetType | None = UNSET
    tool_choice: str | dict[str, Any] | UnsetType | None = UNSET

    @property
    def wants_usage_chunk(self) -> bool:
        """Whether the client asked for a last stream event with the usage."""
        return self.stream_options is not None and bool(self.stream_options.include_usage)

    @property
    def output_limit(self) -> int | None:
        """Most tokens the client wants, by either name of the field."""
        return self.max_completion_tokens or self.max_tokens


class PromptTokensDetails(msgspec.Struct, frozen=True):
    cached_tokens: int | None = None


class WireUsage(msgspec.Struct, frozen=True):
    """`usage` of an answer. A missing count is None: zero and missing are different things."""

    prompt_tokens: Annotated[int, Meta(ge=0)] | None = None
    completion_tokens: Annotated[int, Meta(ge=0)] | None = None
    prompt_tokens_details: PromptTokensDetails | None = None


class _HasUsage(msgspec.Struct, frozen=True):
    usage: WireUsage | None = None
    choices: list[Raw] | None = None


class StreamUsage(msgspec.Struct, frozen=True):
    """What one stream event says about usage."""

    usage: WireUsage | None
    is_usage_only: bool
    """It carries nothing else, so a client that did not ask for it must not see it."""


Fields = dict[str, Raw]

_decode_request = msgspec.json.Decoder(ChatRequest).decode
_decode_fields = msgspec.json.Decoder(Fields).decode
_decode_usage = msgspec.json.Decoder(_HasUsage).decode
encode = msgspec.json.Encoder().encode


def decode_request(body: bytes) -> ChatRequest:
    """Raises ApiError 400 that names the field."""
    try:
        return _decode_request(body)
    except msgspec.MsgspecError as error:
        raise refuse(error) from None


def decode_fields(body: bytes) -> Fields:
    """Return the top-level members undecoded. The body was decoded before, so this cannot fail."""
    return _decode_fields(body)


def usage_of_answer(body: bytes) -> WireUsage | None:
    """Return the usage of a whole answer, or None when it has none or is no JSON object."""
    try:
        return _decode_usage(body).usage
    except msgspec.MsgspecError:
        return None


def usage_of_event(data: bytes) -> StreamUsage:
    """Return what the JSON of one stream event says of usage; garbage says nothing."""
    try:
        event = _decode_usage(data)
    except msgspec.MsgspecError:
        return StreamUsage(None, is_usage_only=False)
    return StreamUsage(event.usage, is_usage_only=event.usage is not None and not event.choices)


def refuse(error: msgspec.MsgspecError) -> ApiError:
    """Return the 400 for a body that is no JSON or does not fit. msgspec's text holds no
    content.
    """
    text = str(error)
    reason, _, path = text.partition(" - at `$")
    param = path.strip("`").lstrip(".") or None
    if not isinstance(error, msgspec.ValidationError):
        return ApiError(400, f"The request body is not valid JSON: {text}", code="invalid_json")
    if param is None and reason.startswith("Object missing required field"):
        param = reason.split("`")[1]
    where = f"Invalid {param!r}: " if param else "Invalid request body: "
    return ApiError(400, f"{where}{reason}.", param=param, code="invalid_value")
