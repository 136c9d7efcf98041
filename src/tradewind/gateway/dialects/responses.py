"""OpenAI's Responses: `POST /v1/responses`, over any target.

A host that speaks this dialect gets the request as it came; for every other it is translated to the
common form. What earlier responses of a chain hold is put in front either way, and nothing is left
at the host: what is stored is stored here.
"""

import hashlib
import time
from typing import Any, Protocol

import msgspec
from msgspec import Raw

from tradewind.core.ids import uuid7_bytes
from tradewind.gateway.dialects.base import TranslatedAnswer
from tradewind.gateway.dialects.responses_native import NativeAnswer, native_fields
from tradewind.gateway.dialects.responses_request import CHAT_NAMES, chat_of
from tradewind.gateway.dialects.responses_writer import ResponsesWriter, failed
from tradewind.gateway.dialects.surfaces import OPENAI, Surface
from tradewind.plugins.providers.base import Dialect, ProviderRequest, Reader
from tradewind.snapshot.contents import Endpoint, Operation
from tradewind.wire.chat import ChatRequest, Fields, encode
from tradewind.wire.errors import ApiError
from tradewind.wire.responses import (
    InputItem,
    ResponseObject,
    ResponsesRequest,
    decode_stored_items,
    items_to_store,
)
from tradewind.wire.routing import NO_WISH, RoutingWish
from tradewind.wire.stored_responses import StoredResponse

_NULL = Raw(b"null")
_NOTHING = Raw(b"[]")
_AUTO = Raw(b'"auto"')
_PLAIN_TEXT = {"type": "text"}


class ToldAnswer(Protocol):
    """An answer as its client got it."""

    @property
    def final(self) -> bytes | None:
        """The whole object, once it is complete."""
        ...

    def unstored(self, last: bytes) -> bytes:
        """Return its end again, saying that it could not be stored."""
        ...


class ResponsesInbound:
    """One request. `chain` is what came before it, the newest first."""

    __slots__ = (
        "_answer",
        "_chain",
        "_chat",
        "_draft",
        "_fields",
        "_items",
        "_request",
        "_stores",
        "_told",
        "body_length",
        "is_stream",
        "model",
        "output_limit",
        "surface",
        "wish",
    )

    operation = Operation.CHAT
    dialect = Dialect.RESPONSES
    choices = 1

    def __init__(
        self,
        request: ResponsesRequest,
        fields: Fields,
        *,
        body_length: int,
        chain: tuple[StoredResponse, ...] = (),
        stores: bool = False,
    ) -> None:
        """`request` and `fields` are of `wire.responses.decode_request`; `stores` says whether the
        answer is to be stored here. Raises ApiError 400.
        """
        self._request = request
        self._fields = fields
        self._chain = chain
        self._stores = stores
        self._chat: tuple[Fields, ChatRequest] | None = None
        self._answer: ResponsesWriter | NativeAnswer | None = None
        self._told: ToldAnswer | None = None
        self._draft = _draft_of(request, fields, stores=stores)
        self._items = (
            items_to_store(fields, f"{self._draft.id.partition('_')[2]}i")
            if stores or chain
            else _NOTHING
        )
        self.surface: Surface = msgspec.structs.replace(OPENAI, failure_events=self._failure_events)
        self.model = request.model
        self.is_stream = bool(request.stream)
        self.output_limit = request.max_output_tokens
        self.body_length = body_length + sum(
            len(bytes(link.input)) + len(bytes(link.response)) for link in chain
        )
        self.wish = _wish_of(request)

    @property
    def id(self) -> str:
        return self._draft.id

    @property
    def draft(self) -> ResponseObject:
        """The object as far as the request determines it."""
        return self._draft

    @property
    def items(self) -> Raw:
        """The items of its input with their ids, as they are stored."""
        return self._items

    @property
    def parameters(self) -> frozenset[str]:
        return frozenset(CHAT_NAMES[name] for name in self._fields if name in CHAT_NAMES)

    def request_for(
        self, endpoint: Endpoint, dialects: frozenset[Dialect], headers: bytes
    ) -> ProviderRequest:
        request = self._request
        if Dialect.RESPONSES in dialects:
            return ProviderRequest(
                endpoint,
                native_fields(request, self._fields, self._items, self._chain, stores=self._stores),
                None,
                dialect=Dialect.RESPONSES,
                streams=self.is_stream,
                headers=headers,
            )
        if self._chat is None:  # once for all targets that are tried
            self._chat = chat_of(request, self._fields, self._history())
        fields, parsed = self._chat
        return ProviderRequest(endpoint, fields, parsed, headers=headers)

    def reader_for(self, request: ProviderRequest, reader: Reader) -> Reader:
        # The name that the client called may be an alias; answers tell the endpoint's own.
        self._draft = msgspec.structs.replace(self._draft, model=request.endpoint.name)
        if request.dialect is Dialect.RESPONSES:
            answer = self._answer = NativeAnswer(reader, self._ours(), is_stream=self.is_stream)
            return answer
        wanted = self._request
        writer = self._answer = ResponsesWriter(
            self._draft, shows_summary=wanted.wants_summary, shows_logprobs=wanted.wants_logprobs
        )
        return TranslatedAnswer(reader, writer, is_stream=self.is_stream)

    def kept(
        self, *, organization_id: str, project_id: str, expires_at_ms: int
    ) -> StoredResponse | None:
        """Return what is to be stored of an answer that went well; None of any other."""
        final = None if self._answer is None else self._answer.final
        if self._told is not None and self._told.final is not None:
            final = Raw(self._told.final)
        if final is None or not self._stores:
            return None
        draft = self._draft
        return StoredResponse(
            organization_id,
            project_id,
            draft.id,
            draft.previous_response_id,
            draft.created_at * 1000,
            expires_at_ms,
            self._items,
            final if isinstance(final, Raw) else Raw(encode(final)),
        )

    def told(self, answer: "ToldAnswer") -> None:
        """The client got this of an answer that policies may have changed: that is stored."""
        self._told = answer

    def unstored(self, last: bytes) -> bytes:
        """Return the end of the answer again, saying that it could not be stored."""
        if self._told is not None:
            return self._told.unstored(last)
        assert self._answer is not None
        return self._answer.unstored(last)

    def _history(self) -> list[InputItem]:
        return [
            item
            for link in reversed(self._chain)
            for items in (link.input, _output_of(link))
            for item in decode_stored_items(items)
        ]

    def _ours(self) -> dict[str, Any]:
        """Members of a native answer's object that are ours to say."""
        draft = self._draft
        return {
            "id": draft.id,
            "previous_response_id": draft.previous_response_id,
            "store": draft.store,
        }

    def _failure_events(self, error: ApiError, request_id: str) -> bytes:  # noqa: ARG002
        """The stream had begun: end it as clients of this dialect know it, without `[DONE]`."""
        answer = self._answer
        if isinstance(answer, ResponsesWriter):
            return answer.failure(error)
        event = {
            "type": "response.failed",
            "response": failed(self._draft, error),
            "sequence_number": 0 if answer is None else answer.sequence,
        }
        return b"event: response.failed\ndata: %b\n\n" % encode(event)


class _HasOutput(msgspec.Struct, frozen=True):
    output: Raw = _NOTHING


def _output_of(link: StoredResponse) -> Raw:
    return msgspec.json.decode(link.response, type=_HasOutput).output


def _draft_of(request: ResponsesRequest, fields: Fields, *, stores: bool) -> ResponseObject:
    reasoning = request.reasoning
    text = request.text
    shown_text: dict[str, Any] = {"format": (text and text.format) or _PLAIN_TEXT}
    if text and text.verbosity:
        shown_text["verbosity"] = text.verbosity
    return ResponseObject(
        id="resp_" + uuid7_bytes().hex(),
        created_at=int(time.time()),
        status="in_progress",
        background=bool(request.background),
        instructions=fields.get("instructions", _NULL),
        max_output_tokens=request.max_output_tokens,
        max_tool_calls=request.max_tool_calls,
        model=request.model,
        parallel_tool_calls=request.parallel_tool_calls is not False,
        previous_response_id=request.previous_response_id,
        prompt_cache_key=request.prompt_cache_key,
        reasoning={
            "effort": reasoning.effort if reasoning else None,
            "summary": (reasoning.summary or reasoning.generate_summary) if reasoning else None,
        },
        safety_identifier=request.safety_identifier,
        store=stores,
        temperature=1.0 if request.temperature is None else request.temperature,
        text=Raw(encode(shown_text)),
        tool_choice=fields.get("tool_choice", _AUTO),
        tools=fields.get("tools", _NOTHING),
        top_logprobs=request.top_logprobs or 0,
        top_p=1.0 if request.top_p is None else request.top_p,
        user=request.user,
        metadata=request.metadata or {},
    )


def _wish_of(request: ResponsesRequest) -> RoutingWish:
    key = request.prompt_cache_key
    if request.provider is None and request.models is None and key is None:
        return NO_WISH
    affinity = b"" if key is None else hashlib.blake2b(key.encode(), digest_size=16).digest()
    return RoutingWish(request.provider, tuple(request.models or ()), affinity=affinity)
