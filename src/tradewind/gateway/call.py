"""One admitted call: its attempts, its answer, its end. Callbacks of the upstream client come in
here.

Whatever happens, the call ends exactly once: the limiter is settled, the FINAL frame is appended,
and only then the end of the answer goes out. It falls through to another target only before the
first byte: after it the client has part of an answer, and another model would finish it in another
voice.
"""

import time
from enum import Enum, auto

from tradewind.core.ids import request_id
from tradewind.gateway.http.server import Exchange
from tradewind.gateway.http.upstream import FailureKind, UpstreamCall, UpstreamFailure
from tradewind.gateway.limits import KeyUse
from tradewind.gateway.record import NOTHING, usage_of
from tradewind.gateway.state import GatewayState
from tradewind.plugins.providers.base import Provider, ProviderRequest, Reader
from tradewind.snapshot.contents import Grant, Target
from tradewind.usage.event import Opened, Outcome, Usage
from tradewind.wire.errors import ApiError, unavailable
from tradewind.wire.sse import DONE, event_of

_MOST_ATTEMPTS = 3
_MOST_ERROR_BYTES = 64 * 1024
_PROGRESS_S = 2.0
_PROGRESS_TOKENS = 512
# What a client that left is recorded with; nobody is told it (the number is nginx's).
_CLIENT_CLOSED_REQUEST = 499
_RETRIED_STATUSES = frozenset({429, 503})
_TIMEOUTS = frozenset(
    {FailureKind.FIRST_BYTE_TIMEOUT, FailureKind.IDLE_TIMEOUT, FailureKind.TOTAL_TIMEOUT}
)


class _Phase(Enum):
    NEW = auto()
    WAITING = auto()
    """Sent; nothing was passed on to the client yet."""
    STREAMING = auto()
    ENDED = auto()


class Call:
    __slots__ = (
        "_arrived",
        "_attempts",
        "_error_body",
        "_exchange",
        "_first_byte_at",
        "_grant",
        "_input_estimate",
        "_is_stream",
        "_opened",
        "_overhead_s",
        "_phase",
        "_progress_at",
        "_progress_tokens",
        "_provider",
        "_reader",
        "_request",
        "_reserved",
        "_sent_at",
        "_state",
        "_status",
        "_target",
        "_tried",
        "_upstream",
        "_use",
    )

    _opened: Opened
    _provider: Provider
    _reader: Reader
    _target: Target

    def __init__(
        self,
        state: GatewayState,
        exchange: Exchange,
        grant: Grant,
        request: ProviderRequest,
        *,
        use: KeyUse,
        reserved: int,
        input_estimate: int,
        arrived: float,
    ) -> None:
        """`reserved` tokens are taken from `use`; `arrived` is perf_counter at the request."""
        self._state = state
        self._exchange = exchange
        self._grant = grant
        self._request = request
        self._use = use
        self._reserved = reserved
        self._input_estimate = input_estimate
        self._arrived = arrived
        self._is_stream = request.is_stream
        self._phase = _Phase.NEW
        self._attempts = 0
        self._tried: frozenset[str] = frozenset()
        self._status = 0
        self._error_body = b""
        self._first_byte_at: float | None = None
        self._overhead_s = 0.0
        self._sent_at = arrived
        self._progress_at = arrived
        self._progress_tokens = 0
        self._upstream: UpstreamCall | None = None

    def dispatch(self) -> None:
        """Send the call to a target. Raises ApiError when none is there or it cannot be carried."""
        if not self._send():
            raise unavailable(
                f"No replica of '{self._request.endpoint.name}' is ready; it may be starting.",
                code="model_not_ready",
            )

    def _send(self) -> bool:
        state, endpoint = self._state, self._request.endpoint
        target = state.targets.choose(endpoint.targets, self._tried, time.monotonic())
        if target is None or self._attempts >= _MOST_ATTEMPTS:
            return False
        provider = state.providers[target.provider]
        prepared = provider.prepare(self._request, target)
        if self._phase is _Phase.NEW:
            self._opened = state.recorder.open(
                self._grant,
                endpoint,
                target,
                is_stream=self._is_stream,
                input_estimate=self._input_estimate,
            )
            self._phase = _Phase.WAITING
            self._exchange.on_client_gone = self.client_gone
        self._provider, self._target, self._reader = provider, target, prepared.reader
        self._attempts += 1
        self._status = 0
        self._error_body = b""
        state.targets.started(target)
        now = time.perf_counter()
        self._overhead_s += now - self._sent_at
        self._sent_at = now
        upstream = self._upstream = state.upstream.send(
            target.address, prepared.head, prepared.body, self, state.timeouts
        )
        self._exchange.on_pause = upstream.pause
        self._exchange.on_resume = upstream.resume
        return True

    # What the upstream client calls.

    def response_started(self, status: int, headers: dict[bytes, bytes]) -> None:  # noqa: ARG002
        self._status = status

    def response_data(self, data: bytes) -> None:
        if self._status != 200:
            self._error_body = (self._error_body + data)[:_MOST_ERROR_BYTES]
            return
        try:
            answer = self._reader.feed(data)
        except ApiError as error:
            self._cancel_upstream()
            self._fail(error)
            return
        if answer:
            self._pass_on(answer)

    def response_ended(self) -> None:
        if self._status != 200:
            self._refused()
            return
        try:
            rest = self._reader.finish()
        except ApiError as error:
            self._state.targets.ended(self._target)
            self._fail(error)
            return
        self._state.targets.ended(self._target)
        self._upstream = None
        usage = self._usage(Outcome.COMPLETED)
        if self._is_stream:
            if self._phase is _Phase.WAITING:
                self._start_stream()
            self._close(Outcome.COMPLETED, 200, usage)
            self._end_stream(rest)
        else:
            self._first_byte_at = time.perf_counter()
            cost = self._close(Outcome.COMPLETED, 200, usage)
            headers = self._headers(b"application/json") + _cost_lines(cost, self._opened.currency)
            self._state.recorder.when_safe(lambda _: self._exchange.respond(200, headers, rest))

    def response_failed(self, failure: UpstreamFailure) -> None:
        self._upstream = None
        self._state.targets.ended(self._target)
        if failure.kind in (FailureKind.REFUSED, FailureKind.CONNECT_TIMEOUT):
            self._state.targets.failed(self._target, time.monotonic())
        if failure.nothing_received and failure.kind not in _TIMEOUTS and self._try_next():
            return
        self._fail(_error_of_failure(failure))

    # What the client's connection calls.

    def client_gone(self) -> None:
        """The client left: stop the upstream, bill what was generated."""
        if self._phase is _Phase.ENDED:
            return
        self._cancel_upstream()
        status = 200 if self._phase is _Phase.STREAMING else _CLIENT_CLOSED_REQUEST
        self._close(Outcome.CANCELLED, status, self._usage(Outcome.CANCELLED))

    def _pass_on(self, answer: bytes) -> None:
        if self._phase is _Phase.WAITING:
            self._start_stream()
        self._exchange.send(answer)
        written = self._reader.output_events
        if written - self._progress_tokens >= _PROGRESS_TOKENS:
            self._record_progress(written, time.perf_counter())
        elif written != self._progress_tokens:
            now = time.perf_counter()
            if now - self._progress_at >= _PROGRESS_S:
                self._record_progress(written, now)

    def _start_stream(self) -> None:
        self._phase = _Phase.STREAMING
        self._first_byte_at = self._progress_at = time.perf_counter()
        self._exchange.start(
            200,
            self._headers(b"text/event-stream; charset=utf-8") + b"cache-control: no-cache\r\n",
        )

    def _record_progress(self, written: int, now: float) -> None:
        self._progress_tokens = written
        self._progress_at = now
        self._state.recorder.progress(self._opened, written)

    def _end_stream(self, rest: bytes) -> None:
        """Send what tells the client that this was all, once the FINAL frame is safe."""
        exchange = self._exchange

        def end(_is_durable: bool) -> None:
            exchange.send(rest)
            exchange.end()

        self._state.recorder.when_safe(end)

    def _refused(self) -> None:
        """The upstream answered with an error status."""
        self._upstream = None
        self._state.targets.ended(self._target)
        if self._status in _RETRIED_STATUSES and self._try_next():
            return
        self._fail(self._provider.error_of(self._status, self._error_body))

    def _try_next(self) -> bool:
        if self._phase is not _Phase.WAITING or self._exchange.client_gone:
            return False
        self._tried |= {self._target.replica_id}
        self._sent_at = time.perf_counter()
        try:
            return self._send()
        except ApiError:
            return False  # the next target cannot carry the request; the first failure is told

    def _cancel_upstream(self) -> None:
        if self._upstream is not None:
            self._upstream.cancel()
            self._upstream = None
            self._state.targets.ended(self._target)

    def _fail(self, error: ApiError) -> None:
        if self._phase is _Phase.ENDED:
            return
        was_streaming = self._phase is _Phase.STREAMING
        if was_streaming:
            self._close(Outcome.FAILED, 200, self._usage(Outcome.FAILED))
        else:
            # The client has nothing in its hands, so it has nothing to pay for.
            self._close(Outcome.FAILED, error.status, NOTHING)
        if was_streaming:
            # The status is long sent: clients take an event with `error` as the failure it is.
            self._end_stream(event_of(error.body()) + DONE)
        else:
            exchange = self._exchange
            headers = self._headers(b"application/json") + error.headers
            self._state.recorder.when_safe(
                lambda _: exchange.respond(error.status, headers, error.body())
            )

    def _usage(self, outcome: Outcome) -> Usage:
        return usage_of(
            self._reader.counts,
            output_events=self._reader.output_events,
            input_estimate=self._input_estimate,
            outcome=outcome,
        )

    def _close(self, outcome: Outcome, status: int, usage: Usage) -> int:
        """Append the FINAL frame and settle the limits; return the cost in nanos."""
        assert self._phase is not _Phase.ENDED
        self._phase = _Phase.ENDED
        exchange = self._exchange
        exchange.on_client_gone = exchange.on_pause = exchange.on_resume = None
        used = usage.input_tokens + usage.output_tokens
        self._state.limiter.settle(self._use, self._reserved, used, time.monotonic())
        first = self._first_byte_at
        return self._state.recorder.close(
            self._opened,
            self._request.endpoint,
            self._target,
            outcome=outcome,
            http_status=status,
            usage=usage,
            first_token_us=None if first is None else _microseconds(first - self._arrived),
            duration_us=_microseconds(time.perf_counter() - self._arrived),
        )

    def _headers(self, content_type: bytes) -> bytes:
        opened = self._opened
        return (
            b"content-type: %b\r\nx-request-id: %b\r\nx-tradewind-model: %b\r\n"
            b"x-tradewind-deployment: %b\r\nx-tradewind-overhead-ms: %.3f\r\n%b"
        ) % (
            content_type,
            request_id(opened.event_id).encode(),
            opened.model.encode(),
            self._target.deployment_id.encode(),
            self._overhead_s * 1000,
            self._use.headers(time.monotonic()),
        )


def _cost_lines(nanos: int, currency: str) -> bytes:
    return b"x-tradewind-cost: %d.%09d\r\nx-tradewind-currency: %b\r\n" % (
        *divmod(nanos, 1_000_000_000),
        currency.encode(),
    )


def _microseconds(seconds: float) -> int:
    return int(seconds * 1e6)


def _error_of_failure(failure: UpstreamFailure) -> ApiError:
    if failure.kind in _TIMEOUTS:
        return ApiError(
            504,
            "The model did not answer in time.",
            type="server_error",
            code="upstream_timeout",
        )
    return ApiError(
        502,
        "The connection to the model's server failed.",
        type="server_error",
        code="upstream_unreachable",
    )
