"""The Responses API: a new response, and what can be done with a stored one by its id.

Documented at platform.openai.com, API reference, "Responses", and in its guides "Conversation
state" and "Background mode".
"""

import functools
import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import msgspec
from msgspec import Raw

from tradewind.gateway.background_responses import running_until_ms
from tradewind.gateway.dialects.responses import ResponsesInbound
from tradewind.gateway.dialects.surfaces import OPENAI
from tradewind.gateway.handle import handle
from tradewind.gateway.http.server import Exchange
from tradewind.gateway.names import endpoint_of
from tradewind.gateway.refusals import refuse
from tradewind.gateway.state import GatewayState
from tradewind.snapshot.contents import Grant, Operation
from tradewind.wire.chat import Fields, encode
from tradewind.wire.errors import ApiError, unavailable
from tradewind.wire.responses import ResponsesRequest, decode_request
from tradewind.wire.stored_responses import Chain, Place, StoredResponse

_JSON = b"content-type: application/json\r\n"
_ID = re.compile(r"resp_[A-Za-z0-9_-]{1,123}")
_DAYS_WITHOUT_TERMS = 30
_MS_PER_DAY = 24 * 60 * 60 * 1000
_MOST_LISTED = 100
_LISTED = 20


def create_response(
    state: GatewayState,
    exchange: Exchange,
    grant: Grant,
    name: str,  # noqa: ARG001  every route is called alike
) -> None:
    """`POST /v1/responses`. Raises ApiError for what is refused at once."""
    request, fields = decode_request(exchange.request.body)
    days = _days(state, grant)
    call = _NewResponse(state, exchange, grant, request=request, fields=fields, days=days)
    if request.background:
        call.check_background()
    previous_id = request.previous_response_id
    if previous_id is None:
        call.run(())
        return
    if not days:
        raise _previous_not_found(previous_id, _NOTHING_IS_STORED)
    if not _ID.fullmatch(previous_id):
        raise _previous_not_found(previous_id)
    state.responses.chain(_place(grant, previous_id, days), call.chain_came)


def show_response(state: GatewayState, exchange: Exchange, grant: Grant, name: str) -> None:
    """`GET /v1/responses/{id}`. Raises ApiError."""
    if _query(exchange).get("stream") == "true":
        raise ApiError(
            400,
            "A stored response is not streamed; ask again until its `status` is final.",
            param="stream",
            code="unsupported_parameter",
        )

    def found(stored: StoredResponse) -> None:
        exchange.respond(200, _JSON, bytes(_shown(stored)))

    _find(state, exchange, grant, name, found)


def delete_response(state: GatewayState, exchange: Exchange, grant: Grant, name: str) -> None:
    """`DELETE /v1/responses/{id}`: the row is gone when this answers. Raises ApiError."""
    place = _place_of(state, grant, name)
    answer = encode({"id": name, "object": "response", "deleted": True})

    def deleted(is_deleted: bool | ApiError) -> None:
        state.background_responses.stop(place.key)
        if is_deleted is True:
            exchange.respond(200, _JSON, answer)
        else:
            error = is_deleted if isinstance(is_deleted, ApiError) else _not_found(name)
            refuse(state, exchange, OPENAI, error, grant)

    state.responses.delete(place, deleted)


def cancel_response(state: GatewayState, exchange: Exchange, grant: Grant, name: str) -> None:
    """`POST /v1/responses/{id}/cancel`: again and again has the same answer. Raises ApiError."""

    def found(stored: StoredResponse) -> None:
        response = msgspec.json.decode(stored.response, type=dict[str, Raw])
        if response.get("background") != Raw(b"true"):
            raise ApiError(
                400,
                f"Response '{name}' does not run in the background, so it cannot be cancelled.",
                code="not_cancellable",
            )
        if stored.running_until_ms is None or _is_lost(stored):
            exchange.respond(200, _JSON, bytes(_shown(stored)))
            return
        cancelled = Raw(encode({**response, "status": Raw(b'"cancelled"')}))

        def ended(is_kept: bool) -> None:
            if is_kept:
                exchange.respond(200, _JSON, bytes(cancelled))
            else:  # it ended by itself at this moment
                show_response(state, exchange, grant, name)

        state.background_responses.stop(stored.key)
        state.responses.end(
            msgspec.structs.replace(stored, response=cancelled, running_until_ms=None), ended
        )

    _find(state, exchange, grant, name, found)


def list_input_items(state: GatewayState, exchange: Exchange, grant: Grant, name: str) -> None:
    """`GET /v1/responses/{id}/input_items`: the items of its own request. Raises ApiError."""
    query = _query(exchange)
    limit, order, after = query.get("limit", str(_LISTED)), query.get("order", "desc"), None
    if not limit.isdecimal() or not 1 <= int(limit) <= _MOST_LISTED:
        raise _invalid_query("limit", f"It is a number from 1 to {_MOST_LISTED}.")
    if order not in ("asc", "desc"):
        raise _invalid_query("order", "It is 'asc' or 'desc'.")
    after = query.get("after")

    def found(stored: StoredResponse) -> None:
        items = msgspec.json.decode(stored.input, type=list[dict[str, Any]])
        if order == "desc":
            items.reverse()
        if after is not None:
            ids = [item.get("id") for item in items]
            if after not in ids:
                raise _invalid_query("after", "It is the id of an item of this list.")
            items = items[ids.index(after) + 1 :]
        page = items[: int(limit)]
        exchange.respond(
            200,
            _JSON,
            encode(
                {
                    "object": "list",
                    "data": page,
                    "first_id": page[0]["id"] if page else None,
                    "last_id": page[-1]["id"] if page else None,
                    "has_more": len(page) < len(items),
                }
            ),
        )

    _find(state, exchange, grant, name, found)


class _NewResponse:
    """One request for a response, until its call is under way."""

    def __init__(
        self,
        state: GatewayState,
        exchange: Exchange,
        grant: Grant,
        *,
        request: ResponsesRequest,
        fields: Fields,
        days: int,
    ) -> None:
        self._state = state
        self._exchange = exchange
        self._grant = grant
        self._request = request
        self._fields = fields
        self._days = days
        self._stores = (
            request.store is not False and days > 0 and state.config.backstage is not None
        )

    def check_background(self) -> None:
        """Raises ApiError for what cannot run in the background."""
        if self._request.stream:
            raise ApiError(
                400,
                "A response that runs in the background is not streamed; ask for it by its id.",
                param="stream",
                code="unsupported_parameter",
            )
        if not self._stores:
            reason = "" if self._days else f" {_NOTHING_IS_STORED}"
            raise ApiError(
                400,
                f"A response can run in the background only when it is stored.{reason}",
                param="background",
                code="unsupported_parameter",
            )
        # Told now, not by a response that failed later.
        endpoint_of(self._state.view, self._grant, self._request.model, Operation.CHAT)
        if self._state.background_responses.is_full:
            raise unavailable(
                "Too many responses run in the background.", code="model_busy", retry_s=5.0
            )

    def chain_came(self, found: Chain | ApiError | None) -> None:
        """The store has told what came before: go on, or tell why not."""
        if self._exchange.client_gone:
            return
        try:
            self.run(self._links(found))
        except ApiError as error:
            self._refuse(error)

    def run(self, chain: tuple[StoredResponse, ...]) -> None:
        inbound = ResponsesInbound(
            self._request,
            self._fields,
            body_length=len(self._exchange.request.body),
            chain=chain,
            stores=self._stores,
        )
        earlier = [bytes(each) for link in chain for each in (link.input, link.response)]
        if self._request.background:
            self._run_in_background(inbound, earlier)
            return
        keep = functools.partial(self._keep, inbound) if self._stores else None
        handle(self._state, self._exchange, self._grant, inbound, keep, earlier=earlier)

    def _keep(self, inbound: ResponsesInbound, last: bytes, send: Callable[[bytes], None]) -> None:
        """Store the answer, then send its end."""
        stored = inbound.kept(
            organization_id=self._grant.organization_id,
            project_id=self._grant.project_id,
            expires_at_ms=self._expires_at_ms(),
        )
        if stored is None:
            send(last)
            return
        self._state.responses.keep(
            stored, lambda is_kept: send(last if is_kept else inbound.unstored(last))
        )

    def _links(self, found: Chain | ApiError | None) -> tuple[StoredResponse, ...]:
        """Raises ApiError for a chain that nothing can go on from."""
        previous_id = self._request.previous_response_id
        assert previous_id is not None
        if isinstance(found, ApiError):
            raise found
        if found is None:
            raise _previous_not_found(previous_id)
        if found.is_too_long:
            raise ApiError(
                400,
                f"The responses before '{previous_id}' are too many or too long to go on from. "
                "Send what matters of them as `input`.",
                param="previous_response_id",
                code="response_chain_too_long",
            )
        if found.links[0].running_until_ms is not None and not _is_lost(found.links[0]):
            raise ApiError(
                400,
                f"Response '{previous_id}' still runs in the background.",
                param="previous_response_id",
                code="invalid_value",
            )
        return tuple(found.links)

    def _run_in_background(self, inbound: ResponsesInbound, earlier: list[bytes]) -> None:
        draft, grant, state = inbound.draft, self._grant, self._state
        stored = StoredResponse(
            grant.organization_id,
            grant.project_id,
            draft.id,
            draft.previous_response_id,
            draft.created_at * 1000,
            self._expires_at_ms(),
            inbound.items,
            Raw(encode(draft)),
            running_until_ms(),
        )

        def begun(is_stored: bool) -> None:
            exchange = self._exchange
            if not is_stored:
                self._refuse(
                    unavailable(
                        "The response cannot be stored right now, so it was not begun.",
                        code="responses_unavailable",
                    )
                )
                return
            if exchange.client_gone:
                # Nobody will ever ask for it.
                state.responses.delete(
                    _place(grant, draft.id, self._days), lambda _is_deleted: None
                )
                return
            detached = state.background_responses.begin(stored, inbound, exchange.request)
            queued = msgspec.structs.replace(draft, status="queued")
            exchange.respond(200, _JSON, encode(queued))
            handle(state, detached, grant, inbound, earlier=earlier)

        state.responses.begin(stored, begun)

    def _expires_at_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self._days * _MS_PER_DAY

    def _refuse(self, error: ApiError) -> None:
        refuse(
            self._state,
            self._exchange,
            OPENAI,
            error,
            self._grant,
            operation=Operation.CHAT,
            requested_model=self._request.model,
        )


_NOTHING_IS_STORED = "This organization stores no responses (`response_days` is 0)."


def _days(state: GatewayState, grant: Grant) -> int:
    terms = state.view.terms(grant.organization_id)
    return _DAYS_WITHOUT_TERMS if terms is None else terms.response_days


def _place(grant: Grant, id_: str, days: int) -> Place:
    return Place(grant.organization_id, grant.project_id, id_, days)


def _place_of(state: GatewayState, grant: Grant, id_: str) -> Place:
    """Raises ApiError 404 for what cannot be there."""
    days = _days(state, grant)
    if not days:
        raise _not_found(id_, _NOTHING_IS_STORED)
    if not _ID.fullmatch(id_):
        raise _not_found(id_)
    return _place(grant, id_, days)


def _find(
    state: GatewayState,
    exchange: Exchange,
    grant: Grant,
    id_: str,
    found: Callable[[StoredResponse], None],
) -> None:
    """Hand the stored response over, or answer that there is none. Raises ApiError."""

    def answered(stored: StoredResponse | ApiError | None) -> None:
        try:
            if isinstance(stored, ApiError):
                raise stored
            if stored is None:
                raise _not_found(id_)
            found(stored)
        except ApiError as error:
            refuse(state, exchange, OPENAI, error, grant)

    state.responses.find(_place_of(state, grant, id_), answered)


def _is_lost(stored: StoredResponse) -> bool:
    until = stored.running_until_ms
    return until is not None and until < time.time_ns() // 1_000_000


def _shown(stored: StoredResponse) -> Raw:
    if not _is_lost(stored):
        return stored.response
    response = msgspec.json.decode(stored.response, type=dict[str, Raw])
    error = {"code": "server_error", "message": "The gateway that ran it has stopped."}
    failed = {"status": Raw(b'"failed"'), "error": Raw(encode(error))}
    return Raw(encode({**response, **failed}))


def _query(exchange: Exchange) -> dict[str, str]:
    """Raises ApiError 400 for more parameters than anybody needs."""
    query = exchange.request.query[:2048].decode("latin-1")
    try:
        members = parse_qs(query, max_num_fields=64)
    except ValueError:
        raise ApiError(400, "There are too many query parameters.", code="invalid_value") from None
    return {name: values[-1] for name, values in members.items()}


def _invalid_query(name: str, rule: str) -> ApiError:
    return ApiError(400, f"Invalid '{name}': {rule}", param=name, code="invalid_value")


def _not_found(id_: str, reason: str = "") -> ApiError:
    message = f"Response with id '{id_[:128]}' not found. {reason}".rstrip()
    return ApiError(404, message, code="response_not_found")


def _previous_not_found(id_: str, reason: str = "") -> ApiError:
    # 400, as OpenAI answers; clients look for the code.
    return ApiError(
        400,
        f"Previous response with id '{id_[:128]}' not found. {reason}".rstrip(),
        param="previous_response_id",
        code="previous_response_not_found",
    )
