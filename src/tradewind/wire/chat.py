"""Chat completions (OpenAI v1): the few fields Tradewind acts on, and usage out of answers."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from tradewind.wire.decoding import UNREADABLE, check_text, refuse
from tradewind.wire.routing import MOST_FALLBACK_MODELS, ProviderWish

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
    provider: ProviderWish | None = None
    models: (
        Annotated[list[Annotated[str, Meta(max_length=512)]], Meta(max_length=MOST_FALLBACK_MODELS)]
        | None
    ) = None

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
    cache_write_tokens: int | None = None
    audio_tokens: int | None = None


class CompletionTokensDetails(msgspec.Struct, frozen=True):
    reasoning_tokens: int | None = None
    audio_tokens: int | None = None


class WireUsage(msgspec.Struct, frozen=True):
    """`usage` of an answer. A missing count is None: zero and missing are different things."""

    prompt_tokens: Annotated[int, Meta(ge=0)] | None = None
    completion_tokens: Annotated[int, Meta(ge=0)] | None = None
    prompt_tokens_details: PromptTokensDetails | None = None
    completion_tokens_details: CompletionTokensDetails | None = None
    total_tokens: int | None = None
    prompt_cache_hit_tokens: int | None = None
    """DeepSeek's name for the cached ones (api-docs.deepseek.com, "Context Caching")."""
    cached_tokens: int | None = None
    """Moonshot's name for them (platform.kimi.ai)."""


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
_decode_member = msgspec.json.Decoder(WireUsage | None).decode
_decode_usage = msgspec.json.Decoder(_HasUsage).decode
encode = msgspec.json.Encoder().encode


def decode_request(body: bytes) -> ChatRequest:
    """Raises ApiError 400 that names the field."""
    check_text(body)
    try:
        return _decode_request(body)
    except UNREADABLE as error:
        raise refuse(error) from None


def decode_fields(body: bytes) -> Fields:
    """Return the top-level members undecoded. Raises ApiError 400."""
    try:
        return _decode_fields(body)
    except UNREADABLE as error:
        raise refuse(error) from None


def usage_of_members(members: Fields) -> WireUsage | None:
    """Return the usage of a whole answer, or None when it has none that can be read."""
    usage = members.get("usage")
    try:
        return None if usage is None else _decode_member(usage)
    except UNREADABLE:
        return None


def usage_of_event(data: bytes) -> StreamUsage:
    """Return what the JSON of one stream event says of usage; garbage says nothing."""
    try:
        event = _decode_usage(data)
        if event.usage is None and event.choices:
            # Moonshot tells it inside the choice that ends.
            said = _decode_usage(event.choices[0]).usage
            return StreamUsage(said, is_usage_only=False)
    except UNREADABLE:
        return StreamUsage(None, is_usage_only=False)
    return StreamUsage(event.usage, is_usage_only=event.usage is not None and not event.choices)
