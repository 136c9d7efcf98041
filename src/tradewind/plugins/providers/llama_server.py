"""llama-server (llama.cpp), and what it gets wrong set right.

Measured on build b10434: unknown fields are obeyed, some of which are the platform's to set;
`json_object` is not enforced; forced tools are not forced; usage covers one of `n` choices
(streamed: one usage event a choice); `dimensions` is ignored; answers carry `timings`; completions
ignore `echo`, `suffix` and `best_of`, and answer `logprobs` in the form of chat. While it reads the
prompt it can report progress, which tells the exact number of input tokens before the first token:
asked for on every stream, so that a client that hangs up pays for exactly what was read.
"""

from typing import Any

import msgspec
from msgspec import Raw

from tradewind.plugins.providers.base import (
    PATHS,
    Dialect,
    Prepared,
    ProviderRequest,
    Reader,
    TokenCounts,
    request_bytes,
)
from tradewind.plugins.providers.dialects.aggregate import AggregatedAnswer
from tradewind.plugins.providers.dialects.chat_requests import no_place_for
from tradewind.plugins.providers.dialects.forced_tools import (
    as_tool_calls,
    forced_tools,
    prompt_and_schema,
)
from tradewind.plugins.providers.dialects.llama_completions import LlamaCompletions
from tradewind.plugins.providers.dialects.openai import (
    WholeBody,
    broken_answer,
    counts_of,
    counts_of_embeddings,
    error_of,
    members_of,
    output_events_in,
    usage_object,
)
from tradewind.plugins.providers.dialects.openai_operations import CountedAnswer, count_rerank
from tradewind.snapshot.contents import Operation, Target
from tradewind.wire import completions, rerank
from tradewind.wire.chat import ChatRequest, Fields, encode, usage_of_event, usage_of_members
from tradewind.wire.decoding import UNREADABLE
from tradewind.wire.embeddings import EmbeddingsRequest
from tradewind.wire.errors import ApiError
from tradewind.wire.sse import (
    DONE,
    EventCutter,
    EventTooLarge,
    cut_done,
    data_of,
    event_of,
    split_events,
)

# Fields that only the platform may set: they reach into the engine's slots, caches and adapters,
# hand it a template, which is code, or are second names of checked fields (`n_cmpl` is `n`).
ENGINE_ONLY = frozenset(
    {
        "__verbose",
        "cache_prompt",
        "chat_template",
        "id_slot",
        "lora",
        "n_cache_reuse",
        "n_cmpl",
        "n_discard",
        "n_keep",
        "n_predict",
        "response_fields",
        "return_progress",
        "return_tokens",
        "slot_id",
        "sse_ping_interval",
        "t_max_predict_ms",
        "t_max_prompt_ms",
        "timings_per_token",
        "verbose",
    }
)
_ENGINE_EXTRAS = ("timings", "__verbose", "prompt_progress")
_SERVER_FAULT = 500
_TRUE = Raw(b"true")
_WITH_USAGE = Raw(b'{"include_usage":true}')
_ANY_OBJECT = Raw(
    b'{"type":"json_schema","json_schema":{"name":"object","schema":{"type":"object"}}}'
)


class LlamaServer:
    name = "llama_server"
    dialects: frozenset[Dialect] = frozenset()
    operations = frozenset(
        {Operation.CHAT, Operation.COMPLETIONS, Operation.EMBEDDINGS, Operation.RERANK}
    )
    files_at = None

    def prepare(self, request: ProviderRequest, target: Target) -> Prepared:
        fields: Fields = {
            name: value for name, value in request.fields.items() if name not in ENGINE_ONLY
        }
        fields["model"] = Raw(encode(target.upstream_model))
        parsed = request.parsed
        if isinstance(parsed, EmbeddingsRequest):
            _check_dimensions(parsed, request.endpoint.dimensions)
            fields.pop("dimensions", None)
            reader: Reader = LlamaEmbeddings(request.endpoint.name)
        elif request.operation is Operation.COMPLETIONS:
            reader = _prepare_completions(fields, request.endpoint.name)
        elif request.operation is Operation.RERANK:
            reader = _prepare_ranking(fields, request.endpoint.name)
        else:
            assert isinstance(parsed, ChatRequest), "only operations of this provider come here"
            reader = _prepare_chat(fields, parsed, request.endpoint.name)
        body = encode(fields)
        path = PATHS[request.operation]
        return Prepared(request_bytes(target, path, body, headers=request.headers), body, reader)

    def error_of(self, status: int, body: bytes) -> ApiError:
        try:
            error = msgspec.json.decode(body, type=dict[str, dict[str, Any]])["error"]
        except (*UNREADABLE, KeyError):
            return error_of(status, body)
        if error.get("type") == "exceed_context_size_error":
            return ApiError(
                400,
                f"This model's maximum context length is {error.get('n_ctx')} tokens. However, "
                f"your messages resulted in {error.get('n_prompt_tokens')} tokens.",
                param="messages",
                code="context_length_exceeded",
            )
        if status == _SERVER_FAULT:
            return _blamed_on_itself(str(error.get("message"))) or error_of(status, body)
        return error_of(status, body)


def _blamed_on_itself(message: str) -> ApiError | None:
    """Return the caller's error for what the engine calls a fault of its own, and is not."""
    if "is too large to process" in message:
        return ApiError(
            400,
            "A text of `input` is longer than this model's context.",
            param="input",
            code="context_length_exceeded",
        )
    if message.startswith("image input is not supported"):
        return ApiError(
            400, "This model reads text only.", param="messages", code="unsupported_content"
        )
    return None


def _check_dimensions(parsed: EmbeddingsRequest, dimensions: int | None) -> None:
    if parsed.dimensions is not None and parsed.dimensions != dimensions:
        raise ApiError(
            400,
            f"This model's embeddings have {dimensions} dimensions; it was not trained to be "
            f"cut to {parsed.dimensions}. Leave `dimensions` out.",
            param="dimensions",
            code="invalid_value",
        )


def _prepare_chat(fields: Fields, parsed: ChatRequest, name: str) -> Reader:
    choices = parsed.n or 1
    wanted = parsed.response_format or None
    if wanted is not None and wanted.get("type") == "json_object":
        schema = wanted.get("schema")
        fields["response_format"] = _ANY_OBJECT if schema is None else _object_schema(schema)
    tools = forced_tools(parsed)
    if parsed.tool_choice == "none":
        fields.pop("tools", None)
        fields.pop("tool_choice", None)
    if tools is not None:
        if wanted is not None and wanted.get("type") != "text":
            raise ApiError(
                400,
                "A forced tool call cannot be combined with `response_format`.",
                param="response_format",
                code="invalid_value",
            )
        messages, response_format = prompt_and_schema(parsed.messages, tools)
        fields["messages"] = Raw(encode(messages))
        fields["response_format"] = Raw(encode(response_format))
        fields.pop("tools", None)
        fields.pop("tool_choice", None)
    # Always a stream towards the engine: only a stream says the usage of each choice, and only of a
    # stream do we know what was generated when the client leaves early.
    fields["stream"] = _TRUE
    fields["stream_options"] = _WITH_USAGE
    fields["return_progress"] = _TRUE
    stream = LlamaStream(name, choices=choices, shows_usage=parsed.wants_usage_chunk)
    if parsed.stream and tools is None:
        return stream
    return AggregatedAnswer(
        stream,
        as_stream=bool(parsed.stream),
        shows_usage=parsed.wants_usage_chunk,
        finish=as_tool_calls if tools is not None else None,
    )


def _prepare_completions(fields: Fields, name: str) -> Reader:
    parsed = completions.decode_request(encode(fields))
    choices = parsed.n or 1
    # Taken without a word, and not done.
    for field, is_asked in (
        ("echo", bool(parsed.echo)),
        ("suffix", bool(parsed.suffix)),
        ("logprobs", parsed.logprobs is not None),
        ("best_of", (parsed.best_of or choices) != choices),
    ):
        if is_asked:
            raise no_place_for(field)
    is_stream = bool(parsed.stream)
    fields["stream"] = _TRUE
    fields["stream_options"] = _WITH_USAGE
    # Without it the engine sends an event `null` first when there is more than one prompt.
    fields["return_progress"] = _TRUE
    return LlamaCompletions(
        name,
        choices=choices,
        prompts=parsed.prompts,
        is_stream=is_stream,
        shows_usage=parsed.wants_usage_chunk,
    )


def _prepare_ranking(fields: Fields, name: str) -> Reader:
    parsed = rerank.decode_request(encode(fields))
    if parsed.return_documents:
        raise no_place_for("return_documents")
    fields.pop("return_documents", None)
    # It takes texts alone, where others take objects with one as well.
    fields["documents"] = Raw(encode([_text_of(document) for document in parsed.documents]))
    return CountedAnswer(name, count_rerank, _without_object)


class _Document(msgspec.Struct, frozen=True):
    text: str


_decode_document = msgspec.json.Decoder(str | _Document).decode


def _text_of(document: Raw) -> str:
    try:
        found = _decode_document(document)
    except UNREADABLE as error:
        raise ApiError(
            400,
            "A document is a text, or an object with a `text`.",
            param="documents",
            code="invalid_value",
        ) from error
    return found if isinstance(found, str) else found.text


def _without_object(members: Fields) -> bytes:
    members.pop("object", None)
    return encode(members)


def _object_schema(schema: Any) -> Raw:
    return Raw(encode({"type": "json_schema", "json_schema": {"name": "object", "schema": schema}}))


class LlamaEmbeddings:
    """Embeddings, without the engine's extra members."""

    __slots__ = ("_body", "_name", "counts")

    output_events = 0

    def __init__(self, name: str) -> None:
        self._name = name
        self._body = WholeBody()
        self.counts = TokenCounts()

    def feed(self, data: bytes) -> bytes:
        self._body.add(data)
        return b""

    def finish(self) -> bytes:
        body = self._body.content()
        members = members_of(body)
        self.counts = counts_of_embeddings(usage_of_members(members))
        return _without_extras(members, self._name)


class LlamaStream:
    """A streamed answer: whole events passed on, progress and usage events read.

    As with every stream, `[DONE]` is held back until the upstream has ended.
    """

    __slots__ = (
        "_choices",
        "_cutter",
        "_is_done",
        "_name",
        "_output_tokens",
        "_shows_usage",
        "_usages",
        "counts",
        "output_events",
    )

    def __init__(self, name: str, *, choices: int, shows_usage: bool) -> None:
        self._name = name
        self._choices = choices
        self._shows_usage = shows_usage
        self._cutter = EventCutter()
        self._usages = 0
        self._output_tokens = 0
        self._is_done = False
        self.counts = TokenCounts()
        self.output_events = 0

    def feed(self, data: bytes) -> bytes:
        try:
            events = self._cutter.feed(data)
        except EventTooLarge:
            raise broken_answer() from None
        if not events:
            return b""
        events, is_done = cut_done(events)
        self._is_done = self._is_done or is_done
        self.output_events += output_events_in(events)
        if b'"usage":{' in events or b'"prompt_progress":{' in events or b'"error":{' in events:
            events = b"".join(map(self._read, split_events(events)))
        return events

    def finish(self) -> bytes:
        if self._cutter.rest().strip() or not self._is_done:
            raise broken_answer()
        return DONE

    def _read(self, event: bytes) -> bytes:
        if b'"error":{' in event and event.startswith((b"error:", b'data: {"error"')):
            raise broken_answer()
        if b'"prompt_progress":{' in event:
            self.counts = _counts_of_progress(data_of(event))
            return b""
        if b'"usage":{' not in event:
            return event
        data = data_of(event)
        said = counts_of(usage_of_event(data).usage)
        self._usages += 1
        self._output_tokens += said.output_tokens or 0
        self.counts = TokenCounts(said.input_tokens, said.cached_input_tokens, self._output_tokens)
        if not self._shows_usage or self._usages < self._choices:
            return b""
        members = members_of(data)
        members["usage"] = Raw(encode(usage_object(self.counts)))
        return event_of(_without_extras(members, self._name))


class _Progress(msgspec.Struct, frozen=True):
    total: int
    cache: int


class _HasProgress(msgspec.Struct, frozen=True):
    prompt_progress: _Progress


def _counts_of_progress(data: bytes) -> TokenCounts:
    try:
        progress = msgspec.json.decode(data, type=_HasProgress).prompt_progress
    except UNREADABLE:
        raise broken_answer() from None
    return TokenCounts(progress.total, progress.cache, None)


def _without_extras(members: dict[str, Raw], name: str) -> bytes:
    for extra in _ENGINE_EXTRAS:
        members.pop(extra, None)
    members["model"] = Raw(encode(name))
    return encode(members)
