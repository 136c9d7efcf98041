"""One call that our own checks answer: of the Content Safety API, or a moderation.

Admitted, recorded and settled as a call of a model is, under the name SAFETY_MODEL, with the
operation `moderations`, and without a price. Nothing is sent anywhere but what a remote check of
the installation wants.
"""

import time
from collections.abc import Callable, Sequence
from enum import Enum, auto

from tradewind.gateway.admission.base import Admission, Ask, Waiting
from tradewind.gateway.answer_headers import answer_lines, cost_lines
from tradewind.gateway.client_facts import client_facts
from tradewind.gateway.dialects.surfaces import Surface
from tradewind.gateway.guard.judging import Judgement
from tradewind.gateway.guard.policies import Guard
from tradewind.gateway.guard.runner import Examination
from tradewind.gateway.http.server import Exchange
from tradewind.gateway.queueing import queue_s_of
from tradewind.gateway.refusals import refuse
from tradewind.gateway.route_asks import BYTES_PER_TOKEN
from tradewind.gateway.routing.ask import Why
from tradewind.gateway.state import GatewayState
from tradewind.plugins.checks.base import Content
from tradewind.snapshot.contents import Endpoint, Grant, Operation, Price, Target
from tradewind.usage.event import Opened, Outcome, Trail, Usage, UsageSource
from tradewind.wire.errors import ApiError, unavailable

SAFETY_MODEL = "tradewind-safety"
"""What our own checks are called where a model is named."""
_JSON = b"application/json"
_CLIENT_CLOSED_REQUEST = 499
_TARGET = Target("own-checks", "own-checks", "", "", "", "", host="own")
ENDPOINT = Endpoint(
    name=SAFETY_MODEL,
    operation=Operation.MODERATIONS,
    publisher="tradewind",
    created_at_ms=0,
    context_tokens=0,
    max_output_tokens=0,
    price=Price("", "USD", 0, 0, 0, is_charged=False),
    targets=(_TARGET,),
)
"""What calls are recorded under. No price book has its price, so that it costs nothing."""

Write = Callable[[Judgement], bytes]
"""Writes the body of the answer. Raises ApiError for what the checks say that has none."""


class _Phase(Enum):
    NEW = auto()
    """Not admitted yet."""
    EXAMINED = auto()
    """Recorded as open, and the checks look at it."""
    ENDED = auto()


class SafetyCall:
    """Start it with `start`. It answers for itself."""

    __slots__ = (
        "_admission",
        "_arrived",
        "_contents",
        "_examination",
        "_exchange",
        "_grant",
        "_guard",
        "_model",
        "_opened",
        "_phase",
        "_started_at",
        "_state",
        "_surface",
        "_tokens",
        "_waiting",
        "_write",
    )

    _opened: Opened

    def __init__(
        self,
        state: GatewayState,
        exchange: Exchange,
        grant: Grant,
        surface: Surface,
        *,
        guard: Guard,
        contents: Sequence[Content],
        write: Write,
        model: str = SAFETY_MODEL,
    ) -> None:
        """`model` is as the client wrote it."""
        self._state = state
        self._exchange = exchange
        self._grant = grant
        self._surface = surface
        self._guard = guard
        self._contents = contents
        self._write = write
        self._model = model
        self._phase = _Phase.NEW
        self._arrived = self._started_at = time.perf_counter()
        self._admission: Admission | None = None
        self._waiting: Waiting | None = None
        self._examination: Examination | None = None
        self._tokens = len(exchange.request.body) // BYTES_PER_TOKEN

    def start(self) -> None:
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
            ENDPOINT,
            input_estimate=self._tokens,
            most_input=self._tokens,
            output_limit=0,
            queue_s=0.0 if wish is None else queue_s_of(wish),
        )
        waiting = state.admissions.ask(ask, self._admitted, self._refuse)
        if waiting is not None and self._phase is _Phase.NEW and self._admission is None:
            self._waiting = waiting

    def _admitted(self, admission: Admission) -> None:
        self._waiting = None
        self._admission = admission
        is_under_way = False
        try:
            self._opened = self._state.recorder.open(
                self._grant,
                ENDPOINT,
                _TARGET,
                operation=Operation.MODERATIONS,
                is_stream=False,
                input_estimate=self._tokens,
            )
            self._phase = _Phase.EXAMINED
            self._started_at = time.perf_counter()
            self._examination = self._state.examiner.examine(
                self._guard, self._contents, self._judged, self._grant
            )
            is_under_way = True
        finally:
            # A bug must not keep what it took either, as in `call`.
            if not is_under_way:
                self._give_back()

    def _judged(self, judgement: Judgement) -> None:
        self._examination = None
        if self._phase is not _Phase.EXAMINED:
            return
        try:
            if judgement.failures:
                raise _could_not_tell(judgement)
            body = self._write(judgement)
        except ApiError as error:
            self._fail(error)
            return
        headers = self._headers()
        cost = self._close(Outcome.COMPLETED, 200)
        headers += cost_lines(cost, ENDPOINT.price.currency)
        self._answer(200, headers, body)

    def _fail(self, error: ApiError) -> None:
        headers = self._headers() + error.headers
        self._close(Outcome.FAILED, error.status, error.code or "")
        name = "req_" + self._opened.event_id.hex()
        self._answer(error.status, headers, self._surface.error(error, name))

    def _refuse(self, error: ApiError) -> None:
        """It never ran, so there is nothing to record but that it was refused."""
        self._waiting = None
        if self._phase is not _Phase.NEW:
            return
        self._phase = _Phase.ENDED
        self._give_back()
        self._exchange.on_client_gone = None
        refuse(
            self._state,
            self._exchange,
            self._surface,
            error,
            self._grant,
            operation=Operation.MODERATIONS,
            requested_model=self._model,
        )

    def _client_gone(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
        if self._phase is _Phase.NEW:
            self._phase = _Phase.ENDED
            self._give_back()
        elif self._phase is _Phase.EXAMINED:
            examination, self._examination = self._examination, None
            if examination is not None:
                examination.cancel()
            self._close(Outcome.CANCELLED, _CLIENT_CLOSED_REQUEST)

    def _give_back(self) -> None:
        admission, self._admission = self._admission, None
        if admission is not None:
            admission.settle(0, 0, time.monotonic())

    def _answer(self, status: int, headers: bytes, body: bytes) -> None:
        exchange = self._exchange
        self._state.recorder.when_safe(lambda _: exchange.respond(status, headers, body))

    def _close(self, outcome: Outcome, status: int, error_code: str = "") -> int:
        """Append the FINAL frame and settle the admission; return the cost in nanos."""
        assert self._phase is _Phase.EXAMINED
        self._phase = _Phase.ENDED
        self._exchange.on_client_gone = None
        now = time.perf_counter()
        client = client_facts(self._exchange.request.headers)
        characters = sum(len(content.text) for content in self._contents)
        tokens = self._tokens if outcome is Outcome.COMPLETED else 0
        cost = self._state.recorder.close(
            self._opened,
            ENDPOINT,
            _TARGET,
            outcome=outcome,
            http_status=status,
            usage=Usage(tokens, 0, 0, UsageSource.ESTIMATED, meters={"characters": characters}),
            first_token_us=None,
            duration_us=_microseconds(now - self._arrived),
            trail=Trail(
                self._surface.name,
                self._model,
                (),
                0,
                _microseconds(self._started_at - self._arrived),
                error_code,
                client.trace_parent,
                client.user_agent,
                client.tags,
            ),
        )
        admission, self._admission = self._admission, None
        if admission is not None:
            admission.settle(tokens, cost, time.monotonic())
        return cost

    def _headers(self) -> bytes:
        admission = self._admission
        return answer_lines(
            _JSON,
            self._surface,
            self._opened.event_id,
            ENDPOINT,
            _TARGET,
            Why.ONLY_ALLOWED,
            attempts=1,
            overhead_s=self._started_at - self._arrived,
            limits=b"" if admission is None else admission.headers(time.monotonic()),
        )


def _could_not_tell(judgement: Judgement) -> ApiError:
    """Nothing is said to be safe that was not looked at."""
    told = ", ".join(f"'{name}' ({why})" for name, why in judgement.failures)
    return unavailable(
        f"These checks could not tell: {told}.", code="content_filter_unavailable", retry_s=1.0
    )


def _microseconds(seconds: float) -> int:
    return int(seconds * 1e6)
