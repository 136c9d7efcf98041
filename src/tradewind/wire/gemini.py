"""Gemini: requests, answers and chunks of streams, as far as Tradewind reads them.

Sources, all on ai.google.dev: "Generating content", "Embeddings", "Counting tokens" and "Models"
(API reference), "Function calling", "Structured outputs", "Gemini thinking", "Thought signatures".

Members have two spellings, `maxOutputTokens` and `max_output_tokens`: Google's hosts read JSON by
the rules of Protocol Buffers (protobuf.dev, "ProtoJSON Format"). `canonical` leaves the first one,
so that everything behind it knows one spelling. A list of one entry may be written without its
brackets.

Members that are not named here pass through undecoded between a client and a host that both speak
this dialect. Structs of a translated request name all that there is and refuse the rest.
"""

import re
from typing import Annotated, Any, TypeVar, cast

import msgspec
from msgspec import Meta, Raw

from tradewind.wire.chat import encode
from tradewind.wire.decoding import UNREADABLE, check_text, refuse
from tradewind.wire.errors import ApiError
from tradewind.wire.routing import MOST_FALLBACK_MODELS, ProviderWish

MOST_CANDIDATES = 16
MOST_EMBEDDINGS = 2048
UNSIGNED = "skip_thought_signature_validator"
"""Signature of a call that another model made: newer models refuse calls of the conversation
without one, and take this instead ("Thought signatures", FAQs)."""

EMPTY = Raw()
"""Of a member that was not there."""

_T = TypeVar("_T")
_ModelName = Annotated[str, Meta(max_length=512)]


# Requests, as far as the gateway acts on them.


class ActedConfig(msgspec.Struct, frozen=True, rename="camel"):
    max_output_tokens: Annotated[int, Meta(ge=0)] | None = None
    """0 is as good as nothing, which is what it is on Google's wire."""
    candidate_count: Annotated[int, Meta(ge=0, le=MOST_CANDIDATES)] | None = None


class GenerateRequest(msgspec.Struct, frozen=True, rename="camel"):
    """The acted-on part of a request. Everything else passes through as it came."""

    contents: Raw
    generation_config: ActedConfig | None = None
    provider: ProviderWish | None = None
    models: (
        Annotated[list[Annotated[str, Meta(max_length=512)]], Meta(max_length=MOST_FALLBACK_MODELS)]
        | None
    ) = None


class _CountedRequest(msgspec.Struct, frozen=True):
    contents: Raw


class CountRequest(msgspec.Struct, frozen=True, rename="camel"):
    """The acted-on part of a request that asks how many tokens another one has."""

    contents: Raw = EMPTY
    generate_content_request: _CountedRequest | None = None


# Requests, as a translation reads them. What is `Any` is refused by its name or changes nothing.


class _Said(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    pass


class Blob(_Said):
    mime_type: str = ""
    data: str = ""
    """Base64, in either alphabet."""
    display_name: str | None = None


class FileData(_Said):
    mime_type: str = ""
    file_uri: str = ""
    display_name: str | None = None


class FunctionCall(_Said):
    name: str
    args: Raw = EMPTY
    id: str | None = None


class FunctionResponse(_Said):
    name: str = ""
    response: Raw = EMPTY
    id: str | None = None
    parts: "list[Part] | Part | None" = None
    will_continue: bool | None = None
    scheduling: str | None = None


class Part(_Said):
    text: str | None = None
    inline_data: Blob | None = None
    file_data: FileData | None = None
    function_call: FunctionCall | None = None
    function_response: FunctionResponse | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    media_resolution: Any = None
    part_metadata: Any = None
    executable_code: Any = None
    code_execution_result: Any = None
    video_metadata: Any = None
    tool_call: Any = None
    tool_response: Any = None


class Content(_Said):
    parts: list[Part] | Part | None = None
    role: str | None = None


class FunctionDeclaration(_Said):
    name: str
    description: str | None = None
    parameters: Any = None
    parameters_json_schema: Any = None
    response: Any = None
    response_json_schema: Any = None
    behavior: str | None = None


class FunctionCallingConfig(_Said):
    mode: str | None = None
    allowed_function_names: list[str] | None = None
    stream_function_call_arguments: bool | None = None


class ToolConfig(_Said):
    function_calling_config: FunctionCallingConfig | None = None
    retrieval_config: Any = None
    include_server_side_tool_invocations: Any = None


class ThinkingConfig(_Said):
    include_thoughts: bool | None = None
    thinking_budget: int | None = None
    thinking_level: str | None = None


class GenerationConfig(_Said):
    temperature: float | None = None
    top_p: float | None = None
    top_k: Any = None
    candidate_count: int | None = None
    max_output_tokens: int | None = None
    stop_sequences: list[str] | str | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    response_logprobs: bool | None = None
    logprobs: int | None = None
    response_mime_type: str | None = None
    response_schema: Any = None
    response_json_schema: Any = None
    thinking_config: ThinkingConfig | None = None
    response_modalities: list[str] | str | None = None
    media_resolution: Any = None
    enable_enhanced_civic_answers: Any = None


class Conversation(_Said):
    """All of a request that another dialect can say, and what has no meaning to one."""

    contents: list[Content] | Content
    system_instruction: Content | None = None
    tools: list[dict[str, Raw]] | dict[str, Raw] | None = None
    tool_config: ToolConfig | None = None
    generation_config: GenerationConfig | None = None
    service_tier: str | None = None
    cached_content: str | None = None
    safety_settings: Any = None
    labels: Any = None
    store: Any = None
    model: Any = None
    provider: Any = None
    models: Any = None


class EmbedConfig(_Said):
    task_type: str | None = None
    title: str | None = None
    output_dimensionality: int | None = None
    auto_truncate: bool | None = None
    mime_type: str | None = None


class EmbedRequest(EmbedConfig, kw_only=True):
    content: Content
    model: _ModelName = ""
    embed_content_config: EmbedConfig | None = None


class BatchEmbedRequest(_Said):
    requests: Annotated[list[EmbedRequest], Meta(min_length=1, max_length=MOST_EMBEDDINGS)]
    model: Any = None


# Answers.


class AnswerCall(msgspec.Struct):
    name: str = ""
    args: Raw = EMPTY
    id: str | None = None


class AnswerPart(msgspec.Struct, rename="camel"):
    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: AnswerCall | None = None


class AnswerContent(msgspec.Struct):
    parts: list[AnswerPart] | None = None


class TokenLogprob(msgspec.Struct, rename="camel"):
    token: str = ""
    log_probability: float = 0.0


class TopCandidates(msgspec.Struct):
    candidates: list[TokenLogprob] | None = None


class LogprobsResult(msgspec.Struct, rename="camel"):
    chosen_candidates: list[TokenLogprob] | None = None
    top_candidates: list[TopCandidates] | None = None


class Candidate(msgspec.Struct, rename="camel"):
    content: AnswerContent | None = None
    finish_reason: str | None = None
    index: int = 0
    logprobs_result: LogprobsResult | None = None


class PromptFeedback(msgspec.Struct, rename="camel"):
    block_reason: str | None = None


class ModalityCount(msgspec.Struct, rename="camel"):
    modality: str | None = None
    token_count: int | None = None


class UsageMetadata(msgspec.Struct, rename="camel"):
    """Of an answer or, cumulative, of a chunk. The candidates' count leaves out the thoughts."""

    prompt_token_count: int | None = None
    cached_content_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    total_token_count: int | None = None
    prompt_tokens_details: list[ModalityCount] | None = None
    candidates_tokens_details: list[ModalityCount] | None = None


class Answer(msgspec.Struct, rename="camel"):
    """A whole answer, or one chunk of a stream."""

    candidates: list[Candidate] | None = None
    prompt_feedback: PromptFeedback | None = None
    usage_metadata: UsageMetadata | None = None
    response_id: str | None = None
    error: Raw = EMPTY


class Embedding(msgspec.Struct):
    values: list[float]


class EmbeddingsAnswer(msgspec.Struct, rename="camel"):
    """Of `batchEmbedContents`."""

    embeddings: list[Embedding]
    usage_metadata: UsageMetadata | None = None


_decode_request = msgspec.json.Decoder(GenerateRequest).decode
_decode_conversation = msgspec.json.Decoder(Conversation).decode
_decode_count = msgspec.json.Decoder(CountRequest).decode
_decode_embed = msgspec.json.Decoder(EmbedRequest).decode
_decode_batch = msgspec.json.Decoder(BatchEmbedRequest).decode
_decode_any = msgspec.json.Decoder().decode
_find_snake = re.compile(rb'"[a-z]+(?:_[a-z]+)+"\s*:').search
_SNAKE = re.compile(r"[a-z]+(?:_[a-z]+)+")
# What is inside belongs to the caller: names of arguments and properties are not ours to spell.
_OPAQUE = frozenset(
    {
        "args",
        "labels",
        "parameters",
        "parametersJsonSchema",
        "partMetadata",
        "provider",
        "response",
        "responseJsonSchema",
        "responseSchema",
    }
)
_MOST_MESSAGE = 400


def canonical(body: bytes) -> bytes:
    """Return the body with every member in the spelling this module knows; commonly the same
    bytes. Raises ApiError 400.
    """
    check_text(body)
    if _find_snake(body) is None:
        return body
    try:
        return encode(_canonical(_decode_any(body)))
    except UNREADABLE as error:
        raise refuse(error) from None


def decode_request(body: bytes) -> GenerateRequest:
    """Raises ApiError 400 that names the member."""
    try:
        request = _decode_request(body)
    except UNREADABLE as error:
        raise _refuse(error) from None
    _check_contents(request.contents)
    return request


def decode_count(body: bytes) -> CountRequest:
    """Raises ApiError 400 that names the member."""
    try:
        request = _decode_count(body)
    except UNREADABLE as error:
        raise _refuse(error) from None
    counted = request.generate_content_request
    _check_contents(request.contents if counted is None else counted.contents)
    return request


def decode_conversation(body: bytes) -> Conversation:
    """Return a request as a translation reads it. Raises ApiError 400 that names the member."""
    try:
        return _decode_conversation(body)
    except UNREADABLE as error:
        raise _refuse(error) from None


def decode_embed(body: bytes) -> EmbedRequest:
    """Raises ApiError 400 that names the member."""
    try:
        return _decode_embed(body)
    except UNREADABLE as error:
        raise _refuse(error) from None


def decode_batch_embed(body: bytes) -> BatchEmbedRequest:
    """Raises ApiError 400 that names the member."""
    try:
        return _decode_batch(body)
    except UNREADABLE as error:
        raise _refuse(error) from None


def listed(value: "list[_T] | _T | None") -> "list[_T]":
    """Return a repeated member as a list, whether or not one entry came without brackets."""
    if value is None:
        return []
    return cast("list[_T]", value) if isinstance(value, list) else [value]


def is_unset(value: Raw) -> bool:
    return bytes(value).strip() in (b"", b"null", b"[]", b"{}", b'""')


def _check_contents(contents: Raw) -> None:
    if is_unset(contents) or not bytes(contents).startswith((b"[", b"{")):
        raise ApiError(
            400,
            "Invalid 'contents': it is a list of at least one content.",
            param="contents",
            code="invalid_value",
        )


def _canonical(value: Any) -> Any:
    if isinstance(value, list):
        return [_canonical(each) for each in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    members: dict[str, Any] = {}
    for name, inner in cast("dict[str, Any]", value).items():
        spelled = _camel(name) if _SNAKE.fullmatch(name) else name
        if spelled in members:
            raise ApiError(
                400,
                f"Invalid '{spelled[:64]}': it is there in both of its spellings.",
                param=spelled[:64],
                code="invalid_value",
            )
        members[spelled] = inner if spelled in _OPAQUE else _canonical(inner)
    return members


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


def _refuse(error: Exception) -> ApiError:
    """As `refuse`. The name of an unknown member is told, however long the caller made it."""
    refused = refuse(error)
    param = refused.param
    return ApiError(
        refused.status,
        refused.message[:_MOST_MESSAGE],
        param=None if param is None else param[:128],
        code=refused.code,
    )
