"""One call: its admission, its attempts, its answer, its end. Callbacks of admission and of the
upstream client come in here.

Whatever happens, the call ends exactly once: the admission is settled, the FINAL frame is appended,
and only then the end of the answer goes out. It falls through to another target only before the
first byte: after it the client has part of an answer, and another model would finish it in another
voice.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from enum import Enum, auto

from tradewind.core.ids import request_id
from tradewind.gateway.admission.base import Admission, Ask, Waiting
from tradewind.gateway.answer_headers import answer_lines, cost_lines, spillover_lines
from tradewind.gateway.call_failures import (
    error_of_failure,
    may_repeat,
    may_spill,
    result_of_failure,
    result_of_status,
)
from tradewind.gateway.client_facts import client_facts
from tradewind.gateway.content.log import KeptCall
from tradewind.gateway.dialects.base import Inbound
from tradewind.gateway.dialects.output_cap import capped
from tradewind.gateway.http.server import Exchange
from tradewind.gateway.http.upstream import UpstreamCall, UpstreamFailure
from tradewind.gateway.pass_on import lines_to_pass_on
from tradewind.gateway.record import FROM_CACHE, NOTHING, usage_of
from tradewind.gateway.refusals import refuse
from tradewind.gateway.response_cache import Collecting, key_of
from tradewind.gateway.retry_after import retry_after_s
from tradewind.gateway.routing.router import AttemptResult, Choice, Plan, RouteAsk
from tradewind.gateway.state import GatewayState
from tradewind.plugins.providers.base import Dialect, Prepared, Provider, ProviderRequest, Reader
from tradewind.snapshot.contents import Endpoint, Grant, Target, Terms
from tradewind.usage.event import Attempt, Opened, Outcome, Trail, Usage
from tradewind.wire.errors import ApiError, unavailable

BeforeEnd = Callable[[bytes, Callable[[bytes], None]], None]
"""Gets the last bytes of an answer that went well, and what sends them: it calls that exactly once,
now or later, with the bytes that are to go out."""

_MOST_ATTEMPTS = 8
_MOST_ERROR_BYTES = 64 * 1024
_PROGRESS_S = 2.0
_PROGRESS_TOKENS = 512
# What a client that left is recorded with; nobody is told it (the number is nginx's).
_CLIENT_CLOSED_REQUEST = 499
_JSON = b"application/json"


class _Phase(Enum):
    NEW = auto()
    """Not admitted, or admitted and not sent."""
    WAITING = auto()
    """Sent; nothing was passed on to the client yet."""
    STREAMING = auto()
    ENDED = auto()


class Call:
    __slots__ = (
        "_admission",
        "_after",
        "_arrived",
        "_ask",
        "_attempts",
        "_before_end",
        "_candidates",
        "_collecting",
        "_content",
        "_error_body",
        "_exchange",
        "_first_byte_at",
        "_grant",
        "_inbound",
        "_is_counted",
        "_last_error",
        "_lines",
        "_media_type",
        "_opened",
        "_overhead_s",
        "_passes_bytes",
        "_phase",
        "_plan",
        "_progress_at",
        "_progress_tokens",
        "_provider",
        "_queued_s",
        "_reader",
        "_retry_after_s",
        "_route",
        "_sent_at",
        "_spillover",
        "_started",
        "_state",
        "_status",
        "_target",
        "_upstream",
        "_waiting",
        "_why",
    )

    _ask: Ask
    _opened: Opened
    _plan: Plan
    _provider: Provider
    _reader: Reader
    _route: RouteAsk
    _target: Target
    _candidates: Iterator[tuple[Ask, RouteAsk]]

    def __init__(
        self,
        state: GatewayState,
        exchange: Exchange,
        grant: Grant,
        inbound: Inbound,
        *,
        arrived: float,
        before_end: BeforeEnd | None = None,
    ) -> None:
        """`arrived` is perf_counter at the request; `before_end` holds back the end of the answer
        until what has to be kept of it is kept.
        """
        self._state = state
        self._before_end = before_end
        self._exchange = exchange
        self._grant = grant
        self._inbound = inbound
        self._arrived = arrived
        self._lines = lines_to_pass_on(exchange.request.headers)
        self._sent_at = self._progress_at = arrived
        self._phase = _Phase.NEW
        self._attempts: tuple[Attempt, ...] = ()
        self._admission: Admission | None = None
        self._waiting: Waiting | None = None
        self._upstream: UpstreamCall | None = None
        self._last_error: ApiError | None = None
        self._first_byte_at: float | None = None
        self._error_body = b""
        self._media_type = b""
        self._why = self._after = ""
        self._spillover = b""
        self._started = 0.0
        self._retry_after_s: float | None = None
        self._is_counted = False
        self._passes_bytes = False
        self._collecting: Collecting | None = None
        self._content: KeptCall | None = None
        self._status = 0
        self._overhead_s = 0.0
        self._queued_s = 0.0
        self._progress_tokens = 0

    def start(self, candidates: Iterable[tuple[Ask, RouteAsk]]) -> None:
        """Try the endpoints in order, each with its own admission. The call answers for itself."""
        self._candidates = iter(candidates)
        self._exchange.on_client_gone = self.client_gone
        self._next_endpoint()

    def _next_endpoint(self, error: ApiError | None = None) -> bool:
        """Ask admission for the next endpoint, after `error` at the one before. False when there is
        none.
        """
        found = next(self._candidates, None)
        if found is None:
            return False
        ask, route = found
        if error is not None:
            if route.spilled_from:
                if not may_spill(error):
                    return False
                to = route.wish.spillover or ask.endpoint.name
                status = self._status if self._status >= 400 else error.status
                self._spillover = spillover_lines(route.spilled_from, to, status)
            self._after = error.code or "error"
        self._give_back()
        self._ask, self._route = ask, route
        waiting = self._state.admissions.ask(self._ask, self._admitted, self._not_admitted)
        if waiting is not None and self._phase is not _Phase.ENDED:
            self._waiting = waiting
        return True

    def _admitted(self, admission: Admission) -> None:
        self._admission = admission
        if self._waiting is not None:
            self._waiting = None
            self._queued_s += time.perf_counter() - self._sent_at
            self._sent_at = time.perf_counter()
        is_sent = False
        try:
            if self._phase is _Phase.NEW:
                terms = self._state.view.terms(self._grant.organization_id)
                if terms is not None and terms.content_days:
                    self._content = self._state.contents.begin(self._exchange.request)
                if self._is_answered_by_cache(terms):
                    is_sent = True
                    return
            self._plan = self._state.router.plan(self._ask.endpoint, self._route, time.monotonic())
            if not self._send():
                raise unavailable(
                    f"No replica of '{self._ask.endpoint.name}' is ready; it may be starting.",
                    code="model_not_ready",
                )
            is_sent = True
        except ApiError as error:
            is_sent = True
            self._not_carried(error)
        finally:
            # A bug must not keep what it took either: a key would run out of concurrent calls for
            # good.
            if not is_sent:
                self._give_back()

    def _is_answered_by_cache(self, terms: Terms | None) -> bool:
        """Give the answer that the same request got before, where its organization wants that."""
        state, inbound, request = self._state, self._inbound, self._exchange.request
        if terms is None or not terms.cache_ttl_s or inbound.dialect is Dialect.RESPONSES:
            return False
        wish = request.headers.get(b"cache-control", b"")
        if b"no-store" in wish:
            return False
        endpoint = self._ask.endpoint
        key = key_of(terms.id, request.path, request.query, endpoint, request.body)
        cached = None if b"no-cache" in wish else state.response_cache.get(key, time.monotonic())
        if cached is not None and not state.router.allows(endpoint, self._route, cached.target):
            # Made at a host that this caller's conditions leave out, or that is gone.
            cached = None
        if cached is None:
            self._collecting = Collecting(key, terms.cache_ttl_s)
            return False
        self._target, self._why = cached.target, "cache"
        self._open(endpoint, cached.target)
        self._first_byte_at = time.perf_counter()
        if self._content is not None:
            self._content.add(cached.body)
        cost = self._close(Outcome.COMPLETED, 200, FROM_CACHE)
        headers = (
            self._headers(cached.content_type)
            + cost_lines(cost, endpoint.price.currency)
            + b"x-tradewind-cache: hit\r\n"
        )
        state.recorder.when_safe(lambda _: self._exchange.respond(200, headers, cached.body))
        return True

    def _open(self, endpoint: Endpoint, target: Target) -> None:
        """Append the OPEN frame: from here on the call is recorded whatever happens."""
        self._opened = self._state.recorder.open(
            self._grant,
            endpoint,
            target,
            operation=self._inbound.operation,
            is_stream=self._inbound.is_stream,
            input_estimate=self._ask.input_estimate,
        )
        self._phase = _Phase.WAITING

    def _not_admitted(self, error: ApiError) -> None:
        self._waiting = None
        self._not_carried(error)

    def _not_carried(self, error: ApiError) -> None:
        """No target of this endpoint can take the call: try the next one."""
        if self._last_error is None:
            self._last_error = error
        if not self._next_endpoint(error):
            self._fail(self._last_error)

    def _give_back(self) -> None:
        admission, self._admission = self._admission, None
        if admission is not None:
            admission.settle(0, 0, time.monotonic())

    def _send(self) -> bool:
        """Send the call to the next target of the plan that can carry it. False when there is none
        left.

        Raises ApiError when none of those that are left can carry the request.
        """
        state = self._state
        if len(self._attempts) >= _MOST_ATTEMPTS:
            return False
        found = self._next_target()
        if found is None:
            return False
        choice, provider, request, prepared = found
        target, inbound = choice.target, self._inbound
        if self._phase is _Phase.NEW:
            self._open(self._ask.endpoint, target)
        self._provider, self._target, self._why = provider, target, choice.why
        self._reader = inbound.reader_for(request, prepared.reader)
        if self._content is not None:
            self._reader = self._content.tap(self._reader)
        self._passes_bytes = prepared.passes_bytes
        self._media_type = prepared.content_type
        self._status = 0
        self._error_body = b""
        self._retry_after_s = None
        started = self._started = time.monotonic()
        state.router.started(target, started)
        self._is_counted = True
        now = time.perf_counter()
        self._overhead_s += now - self._sent_at
        self._sent_at = now
        upstream = self._upstream = state.upstream.send(
            target.address, prepared.head, prepared.body, self, state.timeouts
        )
        self._exchange.on_pause = upstream.pause
        self._exchange.on_resume = upstream.resume
        return True

    def _next_target(self) -> tuple[Choice, Provider, ProviderRequest, Prepared] | None:
        """Return the next target of the plan that can carry the request, and what to send it."""
        inbound, endpoint = self._inbound, self._ask.endpoint
        assert self._admission is not None
        most = self._admission.most_output_tokens
        refusal: ApiError | None = None
        while True:
            choice = self._plan.next(time.monotonic(), self._after)
            if choice is None:
                if refusal is not None:
                    raise refusal
                return None
            provider = self._state.providers[choice.target.provider]
            try:
                request = inbound.request_for(endpoint, provider.dialects, self._lines)
                if most is not None:
                    request = capped(request, most // inbound.choices)
                return choice, provider, request, provider.prepare(request, choice.target)
            except ApiError as error:
                # Another host may speak the client's dialect itself.
                refusal = refusal or error

    # What the upstream client calls.

    def response_started(self, status: int, headers: dict[bytes, bytes]) -> None:
        self._status = status
        if status != 200:
            self._retry_after_s = retry_after_s(headers, time.time())
        if self._passes_bytes and not self._media_type:
            self._media_type = headers.get(b"content-type", b"application/octet-stream")

    def response_data(self, data: bytes) -> None:
        if self._status != 200:
            self._error_body = (self._error_body + data)[:_MOST_ERROR_BYTES]
            return
        try:
            answer = self._reader.feed(data)
        except ApiError as error:
            self._cancel_upstream(AttemptResult.FAILED)
            self._fail(error)
            return
        if answer:
            self._pass_on(answer)

    def response_ended(self) -> None:
        self._upstream = None
        if self._status != 200:
            self._refused()
            return
        try:
            rest = self._reader.finish()
        except ApiError as error:
            self._attempt_ended(AttemptResult.FAILED, "malformed")
            self._fail(error)
            return
        usage = self._usage(Outcome.COMPLETED)
        is_stream = self._inbound.is_stream or self._passes_bytes
        if self._collecting is not None:
            self._keep_answer(self._collecting, rest, is_stream=is_stream)
        if is_stream:
            if self._phase is _Phase.WAITING:
                self._start_stream()
            self._attempt_ended(AttemptResult.OK, "")
            self._close(Outcome.COMPLETED, 200, usage)
            if self._before_end is None:
                self._end_stream(rest)
            else:
                self._before_end(rest, self._end_stream)
        else:
            self._first_byte_at = time.perf_counter()
            self._attempt_ended(AttemptResult.OK, "")
            cost = self._close(Outcome.COMPLETED, 200, usage)
            headers = self._headers(_JSON) + cost_lines(cost, self._ask.endpoint.price.currency)
            if self._before_end is None:
                self._respond(200, headers, rest)
            else:
                self._before_end(rest, lambda body: self._respond(200, headers, body))

    def response_failed(self, failure: UpstreamFailure) -> None:
        self._upstream = None
        result = result_of_failure(failure)
        self._attempt_ended(result, failure.kind)
        error = error_of_failure(failure)
        if (
            failure.nothing_received
            and may_repeat(failure, self._ask.endpoint.routing)
            and self._try_next(error)
        ):
            return
        self._fail(error)

    # What the client's connection calls.

    def client_gone(self) -> None:
        """The client left: stop the upstream, bill what was generated."""
        if self._phase is _Phase.ENDED:
            return
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
        if self._phase is _Phase.NEW:
            self._phase = _Phase.ENDED
            self._give_back()
            return
        self._cancel_upstream(AttemptResult.CALLER)
        status = 200 if self._phase is _Phase.STREAMING else _CLIENT_CLOSED_REQUEST
        self._close(Outcome.CANCELLED, status, self._usage(Outcome.CANCELLED))

    def _pass_on(self, answer: bytes) -> None:
        if self._phase is _Phase.WAITING:
            self._start_stream()
        self._exchange.send(answer)
        if self._collecting is not None:
            self._collecting.add(answer)
        written = self._reader.output_events
        if written - self._progress_tokens >= _PROGRESS_TOKENS:
            self._record_progress(written, time.perf_counter())
        elif written != self._progress_tokens:
            now = time.perf_counter()
            if now - self._progress_at >= _PROGRESS_S:
                self._record_progress(written, now)
        admission = self._admission
        if (
            admission is not None
            and admission.most_output_tokens is not None
            and written > admission.most_output_tokens
        ):
            self._cancel_upstream(AttemptResult.CALLER)
            self._fail(_budget_spent())
            return
        coalescer = self._state.coalescer
        if coalescer is not None and self._upstream is not None and not self._passes_bytes:
            self._upstream.pause()
            coalescer.wait(self)

    def read_on(self) -> None:
        """What came of a stream meanwhile may be read, and leaves as one write."""
        if self._upstream is not None and not self._exchange.is_full:
            self._upstream.resume()

    def _start_stream(self) -> None:
        self._phase = _Phase.STREAMING
        self._first_byte_at = self._progress_at = time.perf_counter()
        self._state.router.answering(self._target, time.monotonic(), self._started)
        if self._passes_bytes:
            self._exchange.start(200, self._headers(self._media_type))
        else:
            self._exchange.start(
                200,
                self._headers(self._inbound.surface.stream_type) + b"cache-control: no-cache\r\n",
            )

    def _keep_answer(self, collecting: Collecting, rest: bytes, *, is_stream: bool) -> None:
        collecting.add(rest)
        content_type = _JSON
        if is_stream:
            stream_type = self._inbound.surface.stream_type
            content_type = self._media_type if self._passes_bytes else stream_type
        answer = collecting.answer(content_type, self._target, time.monotonic())
        if answer is not None:
            self._state.response_cache.put(collecting.key, answer)

    def _record_progress(self, written: int, now: float) -> None:
        self._progress_tokens = written
        self._progress_at = now
        self._state.recorder.progress(self._opened, written)

    def _respond(self, status: int, headers: bytes, body: bytes) -> None:
        """Send a whole answer, once the FINAL frame is safe."""
        exchange, recorder = self._exchange, self._state.recorder
        if recorder.is_safe_at_once:
            exchange.respond(status, headers, body)
        else:
            recorder.when_safe(lambda _: exchange.respond(status, headers, body))

    def _end_stream(self, rest: bytes) -> None:
        """Send what tells the client that this was all, once the FINAL frame is safe."""
        exchange = self._exchange

        def end(_is_durable: bool) -> None:
            exchange.send(rest)
            exchange.end()

        self._state.recorder.when_safe(end)

    def _refused(self) -> None:
        """The upstream answered with an error status."""
        status = self._status
        result = result_of_status(status)
        self._attempt_ended(result, result)
        error = self._provider.error_of(status, self._error_body)
        may_retry = result is not AttemptResult.CALLER or error.code == "context_length_exceeded"
        if may_retry and self._try_next(error):
            return
        self._fail(error)

    def _try_next(self, error: ApiError) -> bool:
        """Send the call elsewhere after `error`, if nothing was passed on and something is left."""
        if self._phase is not _Phase.WAITING or self._exchange.client_gone:
            return False
        if self._last_error is None:
            self._last_error = error
        self._sent_at = time.perf_counter()
        self._after = error.code or "error"
        try:
            if self._send():
                return True
        except ApiError:
            # No other target can carry the request: the first failure is the one to tell.
            pass
        return self._next_endpoint(error)

    def _cancel_upstream(self, result: AttemptResult) -> None:
        if self._upstream is not None:
            self._upstream.cancel()
            self._upstream = None
        self._attempt_ended(result, "cancelled")

    def _attempt_ended(self, result: AttemptResult, failure: str) -> None:
        if not self._is_counted:
            return
        self._is_counted = False
        now = time.perf_counter()
        first = self._first_byte_at if self._phase is _Phase.STREAMING else None
        duration = now - self._sent_at
        reader = self._reader
        self._state.router.ended(
            self._target,
            result,
            time.monotonic(),
            started=self._started,
            output_tokens=reader.counts.output_tokens or reader.output_events,
            output_s=None if first is None else now - first,
            retry_after_s=self._retry_after_s,
        )
        target = self._target
        self._attempts += (
            Attempt(
                target.deployment_id,
                target.host,
                self._why,
                self._status,
                failure,
                _microseconds(duration),
            ),
        )

    def _fail(self, error: ApiError) -> None:
        phase = self._phase
        if phase is _Phase.ENDED:
            return
        exchange, surface = self._exchange, self._inbound.surface
        if phase is _Phase.NEW:
            # It never ran, so there is nothing to record but that it was refused.
            self._phase = _Phase.ENDED
            self._give_back()
            exchange.on_client_gone = None
            error.headers += self._spillover
            refuse(
                self._state,
                exchange,
                surface,
                error,
                self._grant,
                operation=self._inbound.operation,
                requested_model=self._inbound.model,
            )
        elif phase is _Phase.STREAMING:
            usage = self._usage(Outcome.FAILED)
            self._close(Outcome.FAILED, 200, usage, error.code)
            # The status is long sent: clients take an event with `error` as the failure it is.
            if self._passes_bytes:
                exchange.abort()
            else:
                self._end_stream(surface.failure_events(error, request_id(self._opened.event_id)))
        else:
            # The client has nothing in its hands, so it has nothing to pay for.
            body = surface.error(error, request_id(self._opened.event_id))
            if self._content is not None:
                self._content.replace(body)
            self._close(Outcome.FAILED, error.status, NOTHING, error.code)
            headers = self._headers(_JSON) + error.headers
            self._respond(error.status, headers, body)

    def _usage(self, outcome: Outcome) -> Usage:
        return usage_of(
            self._reader.counts,
            output_events=self._reader.output_events,
            input_estimate=self._ask.input_estimate,
            outcome=outcome,
        )

    def _close(
        self, outcome: Outcome, status: int, usage: Usage, error_code: str | None = None
    ) -> int:
        """Append the FINAL frame and settle the admission; return the cost in nanos."""
        assert self._phase is not _Phase.ENDED
        self._phase = _Phase.ENDED
        exchange = self._exchange
        exchange.on_client_gone = exchange.on_pause = exchange.on_resume = None
        first = self._first_byte_at
        client = client_facts(exchange.request.headers)
        cost = self._state.recorder.close(
            self._opened,
            self._ask.endpoint,
            self._target,
            outcome=outcome,
            http_status=status,
            usage=usage,
            first_token_us=None if first is None else _microseconds(first - self._arrived),
            duration_us=_microseconds(time.perf_counter() - self._arrived),
            trail=Trail(
                self._inbound.surface.name,
                self._inbound.model,
                self._attempts,
                _microseconds(self._queued_s),
                _microseconds(self._overhead_s),
                error_code or "",
                client.trace_parent,
                client.user_agent,
                client.tags,
            ),
        )
        if self._admission is not None:
            used = usage.input_tokens + usage.output_tokens
            self._admission.settle(used, cost, time.monotonic())
        if self._content is not None:
            self._content.end(self._opened, self._media_type)
        return cost

    def _headers(self, content_type: bytes) -> bytes:
        admission = self._admission
        lines = answer_lines(
            content_type,
            self._inbound.surface,
            self._opened.event_id,
            self._ask.endpoint,
            self._target,
            self._why,
            attempts=len(self._attempts) + self._is_counted,
            overhead_s=self._overhead_s,
            limits=b"" if admission is None else admission.headers(time.monotonic()),
        )
        return lines + self._spillover if self._spillover else lines


def _microseconds(seconds: float) -> int:
    return int(seconds * 1e6)


def _budget_spent() -> ApiError:
    return ApiError(
        402,
        "The budget of this key is spent; the answer ends here.",
        type="insufficient_quota",
        code="budget_exceeded",
    )
