"""One call about a file, to the provider that has it: admitted, sent once and recorded, as `call`
does it for models.

There is one place to go to, so nothing is tried twice, and an answer of the host tells nothing of
how well it runs models. The call ends exactly once: the admission is settled and the FINAL frame
appended before the end of the answer goes out.
"""

import time
from collections.abc import Callable
from enum import Enum, auto

from tradewind.gateway.admission.base import Admission, Ask, Waiting
from tradewind.gateway.answer_headers import answer_lines, cost_lines
from tradewind.gateway.client_facts import client_facts
from tradewind.gateway.dialects.surfaces import OPENAI
from tradewind.gateway.files_places import FilePlace
from tradewind.gateway.http.server import Exchange
from tradewind.gateway.http.upstream import FailureKind, UpstreamCall, UpstreamFailure
from tradewind.gateway.queueing import queue_s_of
from tradewind.gateway.record import NOTHING
from tradewind.gateway.refusals import refuse
from tradewind.gateway.routing.ask import Why
from tradewind.gateway.state import GatewayState
from tradewind.snapshot.contents import Grant
from tradewind.usage.event import Attempt, Opened, Outcome, Trail
from tradewind.wire.errors import ApiError, unavailable

OPERATION = "files"
_JSON = b"application/json"
_MOST_ANSWER_BYTES = 256 * 1024
_CLIENT_CLOSED_REQUEST = 499
_TIMEOUTS = frozenset(
    {FailureKind.FIRST_BYTE_TIMEOUT, FailureKind.IDLE_TIMEOUT, FailureKind.TOTAL_TIMEOUT}
)

Prepare = Callable[[Callable[[ApiError | None], None]], None]
"""What comes between admission and sending: it calls back with None to go on."""
Finish = Callable[[int, bytes], None]
"""Gets the status and the body of the host's answer, and ends the call by `respond` or `fail`, now
or later."""
ErrorOf = Callable[[int, bytes], ApiError]
"""From the status and the body of an answer that is not a 200."""


class _Phase(Enum):
    NEW = auto()
    """Not admitted, or admitted and not sent."""
    SENT = auto()
    STREAMING = auto()
    ENDED = auto()


class FileCall:
    """Start it with `start`. Without `finish` a 200 goes to the client as it comes."""

    __slots__ = (
        "_admission",
        "_arrived",
        "_body",
        "_collected",
        "_error_of",
        "_exchange",
        "_finish",
        "_first_byte_at",
        "_grant",
        "_head",
        "_lines",
        "_model",
        "_opened",
        "_phase",
        "_sent_at",
        "_state",
        "_status",
        "_upstream",
        "_waiting",
        "place",
    )

    _opened: Opened

    def __init__(
        self,
        state: GatewayState,
        exchange: Exchange,
        grant: Grant,
        place: FilePlace,
        *,
        head: bytes,
        body: bytes = b"",
        model: str = "",
        finish: Finish | None = None,
        error_of: ErrorOf | None = None,
        lines: bytes = b"",
    ) -> None:
        """`head` and `body` are sent to the host; `model` is as the client wrote it; `lines` are
        added to the head of a 200 that is passed on.
        """
        self._state = state
        self._exchange = exchange
        self._grant = grant
        self.place = place
        self._head = head
        self._body = body
        self._model = model
        self._finish = finish
        self._error_of = error_of or place.provider.error_of
        self._lines = lines
        self._phase = _Phase.NEW
        self._arrived = self._sent_at = time.perf_counter()
        self._first_byte_at: float | None = None
        self._admission: Admission | None = None
        self._waiting: Waiting | None = None
        self._upstream: UpstreamCall | None = None
        self._status = 0
        self._collected = b""

    @property
    def is_left_alone(self) -> bool:
        """Whether nobody waits for the answer any more."""
        return self._exchange.client_gone

    def start(self, prepare: Prepare | None = None) -> None:
        """Ask for admission, then `prepare`, then the host. The call answers for itself."""
        state, exchange = self._state, self._exchange
        if not state.recorder.is_healthy:
            self._refuse(
                unavailable(
                    "Usage cannot be recorded right now, so no call is accepted.",
                    code="journal_unavailable",
                )
            )
            return
        exchange.on_client_gone = self._client_gone
        wish = exchange.request.headers.get(b"x-tradewind-queue")
        ask = Ask(
            self._grant,
            self.place.endpoint,
            input_estimate=0,
            most_input=0,
            output_limit=0,
            queue_s=0.0 if wish is None else queue_s_of(wish),
        )

        def admitted(admission: Admission) -> None:
            self._waiting = None
            self._admission = admission
            is_under_way = False
            try:
                if prepare is None:
                    self._send()
                else:
                    prepare(self._prepared)
                is_under_way = True
            finally:
                # A bug must not keep what it took either, as in `call`.
                if not is_under_way:
                    self._give_back()

        waiting = state.admissions.ask(ask, admitted, self._prepared)
        if waiting is not None and self._phase is _Phase.NEW and self._admission is None:
            self._waiting = waiting

    def respond(self, body: bytes) -> None:
        """End the call well with an answer of JSON."""
        if self._phase is _Phase.ENDED:
            return
        outcome = Outcome.CANCELLED if self.is_left_alone else Outcome.COMPLETED
        status = _CLIENT_CLOSED_REQUEST if self.is_left_alone else 200
        self._first_byte_at = time.perf_counter()
        headers = self._headers(_JSON)
        cost = self._close(outcome, status)
        self._answer(200, headers + cost_lines(cost, self.place.endpoint.price.currency), body)

    def fail(self, error: ApiError) -> None:
        """End the call with an error."""
        if self._phase is _Phase.ENDED:
            return
        if self._phase is _Phase.NEW:
            self._refuse(error)
            return
        if self._phase is _Phase.STREAMING:
            self._close(Outcome.FAILED, 200, error.code)
            self._exchange.abort()
            return
        headers = self._headers(_JSON) + error.headers
        self._close(Outcome.FAILED, error.status, error.code)
        name = "req_" + self._opened.event_id.hex()
        self._answer(error.status, headers, OPENAI.error(error, name))

    # What admission and `prepare` call.

    def _prepared(self, error: ApiError | None = None) -> None:
        self._waiting = None
        if self._phase is not _Phase.NEW:
            return  # the client left meanwhile
        if error is not None:
            self._refuse(error)
        else:
            self._send()

    def _send(self) -> None:
        state, target = self._state, self.place.target
        self._opened = state.recorder.open(
            self._grant,
            self.place.endpoint,
            target,
            operation=OPERATION,
            is_stream=False,
            input_estimate=0,
        )
        self._phase = _Phase.SENT
        self._sent_at = time.perf_counter()
        upstream = self._upstream = state.upstream.send(
            target.address, self._head, self._body, self, state.timeouts
        )
        self._body = b""
        if self._finish is None:
            self._exchange.on_pause = upstream.pause
            self._exchange.on_resume = upstream.resume

    # What the upstream client calls.

    def response_started(self, status: int, headers: dict[bytes, bytes]) -> None:
        self._status = status
        if self._finish is not None or status != 200:
            return
        self._phase = _Phase.STREAMING
        self._first_byte_at = time.perf_counter()
        kind = headers.get(b"content-type", b"application/octet-stream")
        self._exchange.start(200, self._headers(kind) + self._lines)

    def response_data(self, data: bytes) -> None:
        if self._phase is _Phase.STREAMING:
            self._exchange.send(data)
        elif len(self._collected) <= _MOST_ANSWER_BYTES:
            self._collected += data

    def response_ended(self) -> None:
        self._upstream = None
        if self._phase is _Phase.STREAMING:
            self._close(Outcome.COMPLETED, 200)
            self._state.recorder.when_safe(lambda _: self._exchange.end())
        elif self._finish is None:
            self.fail(self._error_of(self._status, self._collected))
        else:
            # One that is longer than any is cut, and then it cannot be read.
            self._finish(self._status, self._collected)

    def response_failed(self, failure: UpstreamFailure) -> None:
        self._upstream = None
        if failure.kind in _TIMEOUTS:
            error = ApiError(
                504,
                "The host of the file did not answer in time.",
                type="server_error",
                code="upstream_timeout",
            )
        else:
            error = ApiError(
                502,
                "The connection to the host of the file failed.",
                type="server_error",
                code="upstream_unreachable",
            )
        self.fail(error)

    # What the client's connection calls.

    def _client_gone(self) -> None:
        """What only reads is stopped; what changes something at the host is brought to its end, as
        nobody would know what became of it.
        """
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
        if self._phase is _Phase.NEW:
            self._phase = _Phase.ENDED
            self._give_back()
        elif self._finish is None and self._phase is not _Phase.ENDED:
            if self._upstream is not None:
                self._upstream.cancel()
                self._upstream = None
            status = 200 if self._phase is _Phase.STREAMING else _CLIENT_CLOSED_REQUEST
            self._close(Outcome.CANCELLED, status)

    def _refuse(self, error: ApiError) -> None:
        """It never ran, so there is nothing to record but that it was refused."""
        self._phase = _Phase.ENDED
        self._give_back()
        self._exchange.on_client_gone = None
        refuse(
            self._state,
            self._exchange,
            OPENAI,
            error,
            self._grant,
            operation=OPERATION,
            requested_model=self._model,
        )

    def _give_back(self) -> None:
        admission, self._admission = self._admission, None
        if admission is not None:
            admission.settle(0, 0, time.monotonic())

    def _answer(self, status: int, headers: bytes, body: bytes) -> None:
        exchange = self._exchange
        self._state.recorder.when_safe(lambda _: exchange.respond(status, headers, body))

    def _close(self, outcome: Outcome, status: int, error_code: str | None = None) -> int:
        """Append the FINAL frame and settle the admission; return the cost in nanos."""
        assert self._phase is not _Phase.ENDED
        self._phase = _Phase.ENDED
        exchange, target = self._exchange, self.place.target
        exchange.on_client_gone = exchange.on_pause = exchange.on_resume = None
        now, first = time.perf_counter(), self._first_byte_at
        client = client_facts(exchange.request.headers)
        attempt = Attempt(
            target.deployment_id,
            target.host,
            Why.ONLY_ALLOWED,
            self._status,
            error_code or "",
            _microseconds(now - self._sent_at),
        )
        cost = self._state.recorder.close(
            self._opened,
            self.place.endpoint,
            target,
            outcome=outcome,
            http_status=status,
            usage=NOTHING,
            first_token_us=None if first is None else _microseconds(first - self._arrived),
            duration_us=_microseconds(now - self._arrived),
            trail=Trail(
                OPENAI.name,
                self._model,
                (attempt,),
                0,
                _microseconds(self._sent_at - self._arrived),
                error_code or "",
                client.trace_parent,
                client.user_agent,
                client.tags,
            ),
        )
        self._give_back()
        return cost

    def _headers(self, content_type: bytes) -> bytes:
        admission = self._admission
        return answer_lines(
            content_type,
            OPENAI,
            self._opened.event_id,
            self.place.endpoint,
            self.place.target,
            Why.ONLY_ALLOWED,
            attempts=1,
            overhead_s=self._sent_at - self._arrived,
            limits=b"" if admission is None else admission.headers(time.monotonic()),
        )


def _microseconds(seconds: float) -> int:
    return int(seconds * 1e6)
