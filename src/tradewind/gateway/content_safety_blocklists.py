"""Passes `/contentsafety/text/blocklists…` on to the control plane, which keeps the lists.

Who may change what policies look for is no matter of a client key: the control API asks for the
permission `safety:write`, so the key is one of those it knows. It gets the key as it expects it,
and what it refuses is told in the words of this API.
"""

from http import HTTPStatus

import msgspec

from tradewind.gateway.dialects.surfaces import CONTENT_SAFETY
from tradewind.gateway.http.server import Exchange
from tradewind.gateway.http.upstream import UpstreamCall, UpstreamFailure
from tradewind.gateway.relay import head_of
from tradewind.gateway.state import GatewayState
from tradewind.wire.decoding import UNREADABLE
from tradewind.wire.errors import ApiError, unavailable

PREFIX = b"/contentsafety/text/blocklists"
_KEY_HEADERS = (b"ocp-apim-subscription-key", b"api-key", b"x-api-key")
_MOST_ANSWER_BYTES = 8 * 1024 * 1024
_JSON = b"content-type: application/json\r\n"


class _Problem(msgspec.Struct, frozen=True):
    """As the control API tells what is wrong."""

    detail: str = ""
    code: str = "internal_error"
    hint: str | None = None


_decode = msgspec.json.Decoder(_Problem).decode


def relay_blocklists(state: GatewayState, exchange: Exchange) -> None:
    """Send the request to the control API and its answer back."""
    socket = state.config.control_socket
    if socket is None:
        _refuse(exchange, ApiError(404, "Lists are kept elsewhere.", code="unknown_url"))
        return
    headers = exchange.request.headers
    lines: list[bytes] = []
    if b"authorization" not in headers:
        key = next((headers[name] for name in _KEY_HEADERS if name in headers), None)
        if key is not None:
            lines.append(b"authorization: Bearer " + key)
    # Answers in pieces say where the next one is.
    scheme = b"https" if state.config.tls_certificate is not None else b"http"
    lines.append(b"x-forwarded-proto: " + scheme)
    head = head_of(exchange, b"/api" + exchange.request.target, lines)
    answer = _Answer(exchange)
    call = state.upstream.send(str(socket), head, exchange.request.body, answer, state.timeouts)
    answer.call = call
    exchange.on_client_gone = answer.client_gone


class _Answer:
    """Collects what the control API says, and says it on."""

    __slots__ = ("_exchange", "_parts", "_size", "_status", "call")

    call: UpstreamCall | None

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._parts: list[bytes] = []
        self._size = 0
        self._status = 0

    def response_started(self, status: int, headers: dict[bytes, bytes]) -> None:  # noqa: ARG002
        self._status = status

    def response_data(self, data: bytes) -> None:
        self._size += len(data)
        if self._size <= _MOST_ANSWER_BYTES:
            self._parts.append(data)

    def response_ended(self) -> None:
        self._let_go()
        body = b"".join(self._parts)
        if self._size > _MOST_ANSWER_BYTES:
            _refuse(self._exchange, _away())
        elif self._status >= HTTPStatus.BAD_REQUEST:
            _refuse(self._exchange, _error_of(self._status, body))
        else:
            lines = b"" if self._status == HTTPStatus.NO_CONTENT else _JSON
            self._exchange.respond(self._status, lines, body)

    def response_failed(self, failure: UpstreamFailure) -> None:  # noqa: ARG002
        self._let_go()
        _refuse(self._exchange, _away())

    def client_gone(self) -> None:
        """What was begun is brought to its end: nobody would know what became of it."""
        self._exchange.on_client_gone = None

    def _let_go(self) -> None:
        self._exchange.on_client_gone = None
        self.call = None


def _error_of(status: int, body: bytes) -> ApiError:
    # What cannot be read is 422 there and 400 here.
    if status == HTTPStatus.UNPROCESSABLE_ENTITY:
        status = HTTPStatus.BAD_REQUEST
    try:
        problem = _decode(body)
    except UNREADABLE:
        return _away()
    told = problem.detail[:1].upper() + problem.detail[1:]
    hint = f" {problem.hint[:1].upper()}{problem.hint[1:]}." if problem.hint else ""
    return ApiError(status, f"{told}.{hint}", code=problem.code)


def _away() -> ApiError:
    return unavailable("The lists cannot be reached right now.", code="safety_data_unavailable")


def _refuse(exchange: Exchange, error: ApiError) -> None:
    if not exchange.client_gone:
        exchange.respond(error.status, _JSON + error.headers, CONTENT_SAFETY.error(error, ""))
