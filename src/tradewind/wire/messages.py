"""Messages (Anthropic): requests, answers and stream events, as far as Tradewind reads them.

Sources, all on platform.claude.com: "Create a Message" (API reference), "Streaming messages",
"Tool use", "Thinking", "Effort", "Structured outputs", "Stop reasons and fallback", "Errors".

Members that are not named here pass through undecoded between a client and a host that both speak
this dialect. Structs of requests hold what a translation reads, so they are decoded only for one.
"""

import re
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Raw

from tradewind.wire.chat import encode
from tradewind.wire.decoding import UNREADABLE, check_text, refuse
from tradewind.wire.routing import MOST_FALLBACK_MODELS, ProviderWish

MOST_MESSAGES = 100_000
UNSIGNED = "tradewind-unsigned"
"""Signature of thinking that a model without signatures wrote: clients must get one and send it
back, and no host of this dialect would take a foreign one."""
INVALID_JSON = "INVALID_JSON"
"""Member that wraps arguments which are no JSON object ("Fine-grained tool streaming", "Handling
invalid JSON in tool responses"): `input` must be an object."""

EMPTY = Raw()
"""Of a member that was not there."""

_ModelName = Annotated[str, Meta(min_length=1, max_length=512)]


class MessagesRequest(msgspec.Struct, frozen=True):
    """The acted-on part of a request. Everything else passes through as it came."""

    model: _ModelName
    messages: Annotated[list[Raw], Meta(min_length=1, max_length=MOST_MESSAGES)]
    max_tokens: Annotated[int, Meta(ge=0)]
    """0 asks for nothing but that the prompt is kept in the host's cache."""
    stream: bool | None = None
    provider: ProviderWish | None = None
    models: (
        Annotated[list[Annotated[str, Meta(max_length=512)]], Meta(max_length=MOST_FALLBACK_MODELS)]
        | None
    ) = None


class CountRequest(msgspec.Struct, frozen=True):
    """The acted-on part of a request that asks how many tokens another one has."""

    model: _ModelName
    messages: Annotated[list[Raw], Meta(min_length=1, max_length=MOST_MESSAGES)]


class Source(msgspec.Struct):
    """Where an image or a document comes from."""

    type: str
    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    content: "str | list[Block] | None" = None


class Block(msgspec.Struct):
    """A content block of a request, of whichever type: the type says which members count."""

    type: str
    text: str | None = None
    source: Source | str | None = None
    title: str | None = None
    context: str | None = None
    citations: Any = None
    id: str | None = None
    name: str | None = None
    input: Raw = EMPTY
    tool_use_id: str | None = None
    content: "str | list[Block] | dict[str, Any] | None" = None
    is_error: bool | None = None
    thinking: str | None = None


class Message(msgspec.Struct):
    role: Literal["user", "assistant", "system"]
    content: str | list[Block]


class Tool(msgspec.Struct):
    """A tool on offer. Of the client's own tools `type` is missing, null or `custom`."""

    name: str = ""
    type: str | None = None
    description: str | None = None
    input_schema: dict[str, Any] | None = None
    strict: bool | None = None


class ToolChoice(msgspec.Struct):
    type: str
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class Thinking(msgspec.Struct):
    type: str
    budget_tokens: int | None = None


class OutputFormat(msgspec.Struct):
    type: str
    schema: dict[str, Any] | None = None


class OutputConfig(msgspec.Struct, forbid_unknown_fields=True):
    effort: str | None = None
    format: OutputFormat | None = None
    task_budget: Any = None


class Conversation(msgspec.Struct):
    """All of a request that another dialect can say."""

    messages: list[Message]
    system: str | list[Block] | None = None
    tools: list[Tool] | None = None
    tool_choice: ToolChoice | None = None
    thinking: Thinking | None = None
    output_config: OutputConfig | None = None
    output_format: OutputFormat | None = None
    stop_sequences: list[str] | None = None
    temperature: float | None = None
    top_p: float | None = None
    service_tier: str | None = None


class OutputTokensDetails(msgspec.Struct):
    thinking_tokens: int | None = None


class MessagesUsage(msgspec.Struct):
    """`usage` of an answer or an event. `input_tokens` leaves out what the cache read or wrote."""

    input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    output_tokens: int | None = None
    output_tokens_details: OutputTokensDetails | None = None


class AnswerBlock(msgspec.Struct):
    """A content block of an answer, whole or as a stream begins it."""

    type: str
    text: str | None = None
    thinking: str | None = None
    id: str | None = None
    name: str | None = None
    input: Raw = EMPTY


class Answer(msgspec.Struct):
    """A whole answer."""

    id: str = ""
    content: list[AnswerBlock] = []
    stop_reason: str | None = None
    usage: MessagesUsage | None = None


class StartedMessage(msgspec.Struct):
    id: str = ""
    usage: MessagesUsage | None = None


class EventDelta(msgspec.Struct):
    type: str | None = None
    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None
    stop_reason: str | None = None


class EventError(msgspec.Struct):
    type: str | None = None
    message: str | None = None


class Event(msgspec.Struct):
    """One event of a stream, of whichever type."""

    type: str
    index: int | None = None
    message: StartedMessage | None = None
    content_block: AnswerBlock | None = None
    delta: EventDelta | None = None
    usage: MessagesUsage | None = None
    error: EventError | None = None


_decode_request = msgspec.json.Decoder(MessagesRequest).decode
_decode_count = msgspec.json.Decoder(CountRequest).decode
_decode_conversation = msgspec.json.Decoder(Conversation).decode
_decode_object = msgspec.json.Decoder(dict[str, Any]).decode
_NO_ID = re.compile(r"[^a-zA-Z0-9_-]")


def decode_request(body: bytes) -> MessagesRequest:
    """Raises ApiError 400 that names the member."""
    check_text(body)
    try:
        return _decode_request(body)
    except UNREADABLE as error:
        raise refuse(error) from None


def decode_count(body: bytes) -> CountRequest:
    """Raises ApiError 400 that names the member."""
    check_text(body)
    try:
        return _decode_count(body)
    except UNREADABLE as error:
        raise refuse(error) from None


def decode_conversation(body: bytes) -> Conversation:
    """Return a request as a translation reads it. Raises ApiError 400 that names the member."""
    try:
        return _decode_conversation(body)
    except UNREADABLE as error:
        raise refuse(error) from None


def event_of(name: str, data: Any) -> bytes:
    """Return one event: the type stands in its name and in its data."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), encode(data))


def input_of(arguments: str) -> Raw:
    """Return a tool's arguments, which another dialect has as text, as the `input` object."""
    if not arguments.strip():
        return Raw(b"{}")
    if is_object(arguments):
        return Raw(arguments.encode())
    return Raw(encode({INVALID_JSON: arguments}))


def is_object(text: str) -> bool:
    """Tell whether a text is a complete JSON object."""
    try:
        _decode_object(text)
    except UNREADABLE:
        return False
    return True


def tool_id(text: str) -> str:
    """Return a tool call's id in the letters this dialect takes; equal ids stay equal."""
    return _NO_ID.sub("_", text[:256])
