"""Responses (OpenAI v1): what clients send, and the object they get.

Source: platform.openai.com, API reference, "Responses" (create, object) and the types that the
official client generates from the same specification.
"""

from typing import Annotated, Any, Literal, NoReturn

import msgspec
from msgspec import Meta, Raw

from tradewind.wire.chat import Fields
from tradewind.wire.decoding import UNREADABLE, check_text, refuse
from tradewind.wire.errors import ApiError
from tradewind.wire.routing import MOST_FALLBACK_MODELS, ProviderWish

_MOST_TOOLS = 128
_MOST_METADATA = 16
_NULL = Raw(b"null")
LOGPROBS = "message.output_text.logprobs"
ENCRYPTED_REASONING = "reasoning.encrypted_content"


class TextOptions(msgspec.Struct, frozen=True):
    format: dict[str, Any] | None = None
    verbosity: str | None = None


class ReasoningOptions(msgspec.Struct, frozen=True):
    effort: str | None = None
    summary: str | None = None
    generate_summary: str | None = None
    """The former name of `summary`."""

    @property
    def wants_summary(self) -> bool:
        return (self.summary or self.generate_summary) is not None


class ResponsesRequest(msgspec.Struct, frozen=True):
    """The acted-on part of a request. `input` stays undecoded: a host that speaks this dialect
    takes items that we do not know.
    """

    model: Annotated[str, Meta(min_length=1, max_length=512)]
    stream: bool | None = None
    store: bool | None = None
    background: bool | None = None
    previous_response_id: Annotated[str, Meta(min_length=1, max_length=256)] | None = None
    max_output_tokens: Annotated[int, Meta(ge=1)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    parallel_tool_calls: bool | None = None
    tools: Annotated[list[dict[str, Any]], Meta(max_length=_MOST_TOOLS)] | None = None
    tool_choice: str | dict[str, Any] | None = None
    text: TextOptions | None = None
    reasoning: ReasoningOptions | None = None
    include: Annotated[list[str], Meta(max_length=32)] | None = None
    truncation: Literal["auto", "disabled"] | None = None
    metadata: (
        Annotated[
            dict[
                Annotated[str, Meta(max_length=64)],
                Annotated[str, Meta(max_length=512)],
            ],
            Meta(max_length=_MOST_METADATA),
        ]
        | None
    ) = None
    service_tier: str | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: Annotated[str, Meta(max_length=1024)] | None = None
    max_tool_calls: int | None = None
    provider: ProviderWish | None = None
    models: (
        Annotated[list[Annotated[str, Meta(max_length=512)]], Meta(max_length=MOST_FALLBACK_MODELS)]
        | None
    ) = None

    @property
    def wants_logprobs(self) -> bool:
        return LOGPROBS in (self.include or ()) or self.top_logprobs is not None

    @property
    def wants_summary(self) -> bool:
        return self.reasoning is not None and self.reasoning.wants_summary


# Members that change nothing of what is generated, or nothing that we do not do in any case.
_HARMLESS = frozenset(
    {"input", "instructions", "prompt_cache_options", "prompt_cache_retention", "stream_options"}
)
NATIVE_ONLY = frozenset({"access_programs", "context_management", "image", "moderation", "prompt"})
"""Members that only a host of this dialect can obey."""
_KNOWN = frozenset(ResponsesRequest.__struct_fields__) | _HARMLESS | NATIVE_ONLY


class InputPart(msgspec.Struct, frozen=True):
    """One part of an item's content, of any type."""

    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: str | None = None
    detail: str | None = None
    file_id: str | None = None
    file_data: str | None = None
    file_url: str | None = None
    filename: str | None = None
    input_audio: dict[str, Any] | None = None


class InputItem(msgspec.Struct, frozen=True):
    """One item of the input, of any type that can be said in the common form. A message may leave
    its type out.
    """

    type: str = "message"
    id: str | None = None
    role: str | None = None
    content: str | list[InputPart] | None = None
    name: str | None = None
    arguments: str | None = None
    call_id: str | None = None
    output: str | list[InputPart] | None = None
    summary: list[InputPart] | None = None
    encrypted_content: str | None = None


class _Kind(msgspec.Struct, frozen=True):
    type: str = "message"


class _HasInput(msgspec.Struct, frozen=True):
    input: str | list[InputItem] | None = None
    instructions: str | list[InputItem] | None = None


class _HasRawInput(msgspec.Struct, frozen=True):
    input: str | list[dict[str, Any]] | None = None


ITEMS = frozenset({"message", "function_call", "function_call_output", "reasoning"})
"""Types of items that the common form can say."""

_decode_request = msgspec.json.Decoder(ResponsesRequest).decode
_decode_fields = msgspec.json.Decoder(Fields).decode
_decode_kinds = msgspec.json.Decoder(list[_Kind] | str | None).decode
_decode_items = msgspec.json.Decoder(list[InputItem]).decode
_decode_input = msgspec.json.Decoder(_HasInput).decode
_decode_raw_input = msgspec.json.Decoder(_HasRawInput).decode
_encode = msgspec.json.Encoder().encode


class ParsedInput(msgspec.Struct, frozen=True):
    """What the model is to read, but for what earlier responses hold."""

    instructions: str | list[InputItem] | None
    items: str | list[InputItem] | None


def decode_request(body: bytes) -> tuple[ResponsesRequest, Fields]:
    """Return the request, and its members undecoded without those that are null.

    Raises ApiError 400 that names the field.
    """
    check_text(body)
    try:
        request, fields = _decode_request(body), _decode_fields(body)
    except UNREADABLE as error:
        raise refuse(error) from None
    fields = {name: value for name, value in fields.items() if bytes(value) != b"null"}
    if "conversation" in fields:
        raise _unsupported(
            "conversation", "Conversations are not kept here; chain with `previous_response_id`."
        )
    for name in fields.keys() - _KNOWN:
        raise ApiError(
            400,
            f"Unknown parameter: '{name[:100]}'.",
            param=name[:100],
            code="unknown_parameter",
        )
    return request, fields


def decode_input(fields: Fields) -> ParsedInput:
    """Return input and instructions as items. Raises ApiError 400 for what we do not know."""
    given = {name: fields[name] for name in ("input", "instructions") if name in fields}
    try:
        found = _decode_input(_encode(given))
    except UNREADABLE as error:
        # An item of a type that we do not know mostly has members of other types, too: it is the
        # type that the caller has to hear of.
        for value in given.values():
            _check_kinds(value)
        raise refuse(error) from None
    for items in (found.input, found.instructions):
        for item in items or () if not isinstance(items, str) else ():
            if item.type not in ITEMS:
                _refuse_item(item.type)
    return ParsedInput(found.instructions, found.input)


def decode_stored_items(items: bytes | Raw) -> list[InputItem]:
    """Return what a stored response holds, without what only its host could read again.

    Raises ApiError 400 where it holds what only that host could read at all.
    """
    try:
        found = msgspec.json.decode(items, type=list[Raw])
        return _decode_items(_encode([item for item in found if _kind_of(item) in ITEMS]))
    except UNREADABLE:
        raise ApiError(
            400,
            "An earlier response holds items that can only be read by a model whose host speaks "
            "the Responses API itself.",
            param="previous_response_id",
            code="unsupported_content",
        ) from None


def items_to_store(fields: Fields, prefix: str) -> Raw:
    """Return the input as a list of items, each with an id, as `input_items` shows them."""
    given = {"input": fields["input"]} if "input" in fields else {}
    try:
        found = _decode_raw_input(_encode(given)).input
    except UNREADABLE as error:
        raise refuse(error) from None
    if isinstance(found, str):
        found = [{"role": "user", "content": found}]
    return Raw(_encode([_with_id(item, prefix, place) for place, item in enumerate(found or ())]))


_ID_PREFIXES = {
    "message": "msg_",
    "function_call": "fc_",
    "function_call_output": "fco_",
    "reasoning": "rs_",
}


def _with_id(item: dict[str, Any], prefix: str, place: int) -> dict[str, Any]:
    kind: Any = item.get("type", "message")
    shown = {"type": kind, **item}
    if not isinstance(shown.get("id"), str):
        shown["id"] = f"{_ID_PREFIXES.get(str(kind), 'item_')}{prefix}{place:04x}"
    if kind == "message":
        shown.setdefault("status", "completed")
        if isinstance(shown.get("content"), str):
            part = "output_text" if shown.get("role") == "assistant" else "input_text"
            shown["content"] = [{"type": part, "text": shown["content"]}]
    return shown


def _check_kinds(value: Raw) -> None:
    try:
        kinds = _decode_kinds(value)
    except UNREADABLE:
        return
    for kind in kinds or () if not isinstance(kinds, str) else ():
        if kind.type not in ITEMS:
            _refuse_item(kind.type)


def _kind_of(item: Raw) -> str:
    return msgspec.json.decode(item, type=_Kind).type


def _refuse_item(kind: str) -> NoReturn:
    raise ApiError(
        400,
        f"Input items of type '{kind[:64]}' can only be read by a model whose host speaks the "
        "Responses API itself.",
        param="input",
        code="unsupported_content",
    )


def _unsupported(name: str, message: str) -> ApiError:
    return ApiError(400, message, param=name, code="unsupported_parameter")


class ResponseFailure(msgspec.Struct, frozen=True):
    code: str
    message: str


class IncompleteDetails(msgspec.Struct, frozen=True):
    reason: str


class InputDetails(msgspec.Struct, frozen=True):
    cached_tokens: int = 0
    cache_write_tokens: int = 0


class OutputDetails(msgspec.Struct, frozen=True):
    reasoning_tokens: int = 0


class ResponseUsage(msgspec.Struct, frozen=True):
    input_tokens: int
    input_tokens_details: InputDetails
    output_tokens: int
    output_tokens_details: OutputDetails
    total_tokens: int


class ResponseObject(msgspec.Struct, frozen=True, kw_only=True):
    """The answer. The order of members is that of the reference."""

    id: str
    object: str = "response"
    created_at: int
    status: str
    background: bool = False
    completed_at: int | None = None
    error: ResponseFailure | None = None
    incomplete_details: IncompleteDetails | None = None
    instructions: Raw = _NULL
    max_output_tokens: int | None = None
    max_tool_calls: int | None = None
    model: str
    output: list[dict[str, Any]] = []
    parallel_tool_calls: bool = True
    previous_response_id: str | None = None
    prompt_cache_key: str | None = None
    reasoning: dict[str, str | None]
    safety_identifier: str | None = None
    service_tier: str = "default"
    store: bool
    temperature: float = 1.0
    text: Raw
    tool_choice: Raw
    tools: Raw
    top_logprobs: int = 0
    top_p: float = 1.0
    truncation: str = "disabled"
    usage: ResponseUsage | None = None
    user: str | None = None
    metadata: dict[str, str] = {}
