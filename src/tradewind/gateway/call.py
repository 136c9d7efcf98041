"""One call: its admission, its attempts, its answer, its end. Callbacks of admission and of the
upstream client come in here.

Whatever happens, the call ends exactly once: the admission is settled, the FINAL frame is appended,
and only then the end of the answer goes out. It falls through to another target only before the
first byte: after it the client has part of an answer, and another model would finish it in another
voice.
"""

import time
from collections.abc import Callable, Sequence

from tradewind.core.ids import request_id
from tradewind.gateway.admission.base import Admission, Ask, Waiting
from tradewind.gateway.answer_headers import answer_lines, cost_lines, spillover_lines
from tradewind.gateway.attempts import Attempts
from tradewind.gateway.cached_answer import find_answer
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
from tradewind.gateway.http.server import Exchange
from tradewind.gateway.http.upstream import UpstreamFailure
from tradewind.gateway.pass_on import lines_to_pass_on
from tradewind.gateway.record import FROM_CACHE, NOTHING, usage_of
from tradewind.gateway.refusals import refuse
from tradewind.gateway.response_cache import CachedAnswer, Collecting
from tradewind.gateway.retry_after import retry_after_s
from tradewind.gateway.routing.router import AttemptResult, RouteAsk
from tradewind.gateway.state import GatewayState
from tradewind.snapshot.contents import Grant, Terms
from tradewind.usage.event import Opened, Outcome, Trail, Usage
from tradewind.wire.errors import ApiError, unavailable

BeforeEnd = Callable[[bytes, Callable[[bytes], None]], None]
"""Gets the last bytes of an answer that went well, and what sends them: it calls that exactly once,
now or later, with the bytes that are to go out."""

Candidate = tuple[Ask, RouteAsk]
"""What is asked of admission and of routing for one endpoint that may answer."""

_PROGRESS_S = 2.0
_PROGRESS_TOKENS = 512
# What a client that left is recorded with; nobody is told it (the number is nginx's).
_CLIENT_CLOSED_REQUEST = 499
_JSON = b"application/json"
# The phases. NEW: not admitted, or admitted and not sent. WAITING: sent, and nothing was passed on
# to the client yet. Plain numbers: a member of an Enum costs seven times as much to look up.
_NEW, _WAITING, _STREAMING, _ENDED = range(4)
_COMPLETED, _OK = Outcome.COMPLETED, AttemptResult.OK


class Call:
    """Times are of the monotonic clock."""

    __slots__ = (
        "_admission",
        "_arrived",
        "_ask",
        "_attempts",
        "_before_end",
        "_collecting",
        "_content",
        "_exchange",
        "_first_byte_at",
        "_grant",
        "_inbound",
        "_keeping",
        "_last_error",
        "_opened",
        "_others",
        "_phase",
        "_progress_at",
        "_progress_tokens",
        "_queued_s",
        "_route",
        "_spillover",
        "_state",
        "_waiting",
    )

    _opened: Opened

    def __init__(  # noqa: PLR0917  made in one place, and keywords cost on the hot path
        self,
        state: GatewayState,
        exchange: Exchange,
        grant: Grant,
        inbound: Inbound,
        first: Candidate,
        others: Sequence[Candidate],
        arrived: float,
        before_end: BeforeEnd | None,
        keeping: Terms | None,
    ) -> None:
        """`others` are tried in order after `first`. `before_end` holds back the end of the answer
        until what has to be kept of it is kept. `keeping` are the terms of an organization that
        wants contents kept or answers given again.
        """
        self._state = state
        self._exchange = exchange
        self._grant = grant
        self._inbound = inbound
        self._ask, self._route = first
        self._others = others
        self._arrived = self._progress_at = arrived
        self._before_end = before_end
        self._keeping = keeping
        self._attempts = Attempts(
            state, inbound, lines_to_pass_on(exchange.request.headers), arrived
        )
        self._phase = _NEW
        self._admission: Admission | None = None
        self._waiting: Waiting | None = None
        self._last_error: ApiError | None = None
        self._first_byte_at: float | None = None
        self._spillover = b""
        self._collecting: Collecting | None = None
        self._content: KeptCall | None = None
        self._queued_s = 0.0
        self._progress_tokens = 0

    def start(self) -> None:
        """Try the endpoints in order, each with its own admission. The call answers for itself."""
        self._exchange.on_client_gone = self.client_gone
        self._ask_admission()

    def _ask_admission(self) -> None:
        waiting = self._state.admissions.ask(self._ask, self._admitted, self._not_admitted)
        if waiting is not None and self._phase != _ENDED:
            self._waiting = waiting

    def _next_endpoint(self, error: ApiError) -> bool:
        """Ask admission for the next endpoint, after `error` at the one before. False when there is
        none.
        """
        if not self._others:
            return False
        (ask, route), *self._others = self._others
        attempts = self._attempts
        if route.spilled_from:
            if not may_spill(error):
                return False
            to = route.wish.spillover or ask.endpoint.name
            status = attempts.status if attempts.status >= 400 else error.status
            self._spillover = spillover_lines(route.spilled_from, to, status)
        attempts.after = error.code or "error"
        self._give_back()
        self._ask, self._route = ask, route
        self._ask_admission()
        return True

    def _admitted(self, admission: Admission) -> None:
        self._admission = admission
        if self._waiting is not None:
            self._waiting = None
            now = time.monotonic()
            self._queued_s += now - self._attempts.since
            self._attempts.since = now
        is_sent = False
        try:
            terms = self._keeping
            if terms is not None and self._phase == _NEW and self._is_answered_by_cache(terms):
                is_sent = True
                return
            self._attempts.plan(self._ask, self._route)
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

    def _is_answered_by_cache(self, terms: Terms) -> bool:
        """Keep what the organization wants kept of the call, and give the answer that the same
        request got before, where it wants that.
        """
        state, request = self._state, self._exchange.request
        if terms.content_days:
            self._content = state.contents.begin(request)
        if not terms.cache_ttl_s:
            return False
        found = find_answer(
            state, terms, request, self._inbound, self._ask.endpoint, self._route, time.monotonic()
        )
        if isinstance(found, CachedAnswer):
            self._answer_again(found)
            return True
        self._collecting = found
        return False

    def _answer_again(self, cached: CachedAnswer) -> None:
        attempts, exchange = self._attempts, self._exchange
        attempts.target, attempts.why = cached.target, "cache"
        self._open()
        now = self._first_byte_at = time.monotonic()
        if self._content is not None:
            self._content.add(cached.body)
        cost = self._close(Outcome.COMPLETED, 200, FROM_CACHE, now)
        headers = (
            self._headers(cached.content_type, now)
            + cost_lines(cost, self._ask.endpoint.price.currency)
            + b"x-tradewind-cache: hit\r\n"
        )
        self._state.recorder.when_safe(lambda _: exchange.respond(200, headers, cached.body))

    def _open(self) -> None:
        """Append the OPEN frame: from here on the call is recorded whatever happens."""
        ask, inbound = self._ask, self._inbound
        self._opened = self._state.recorder.open(
            self._grant,
            ask.endpoint,
            self._attempts.target,
            inbound.operation,
            inbound.is_stream,
            ask.input_estimate,
        )
        self._phase = _WAITING

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
        attempts, admission = self._attempts, self._admission
        assert admission is not None
        prepared = attempts.prepare(self._ask, admission.most_output_tokens)
        if prepared is None:
            return False
        if self._phase == _NEW:
            self._open()
        if self._content is not None:
            attempts.reader = self._content.tap(attempts.reader)
        attempts.send(prepared, self)
        return True

    # What the upstream client calls.

    def response_started(self, status: int, headers: dict[bytes, bytes]) -> None:
        attempts = self._attempts
        attempts.status = status
        if status != 200:
            attempts.retry_after_s = retry_after_s(headers, time.time())
        if attempts.passes_bytes and not attempts.media_type:
            attempts.media_type = headers.get(b"content-type", b"application/octet-stream")

    def response_data(self, data: bytes) -> None:
        attempts = self._attempts
        if attempts.status != 200:
            attempts.add_error(data)
            return
        try:
            answer = attempts.reader.feed(data)
        except ApiError as error:
            attempts.cancel(AttemptResult.FAILED, self._streamed_at)
            self._fail(error)
            return
        if answer:
            self._pass_on(answer)

    def response_ended(self) -> None:
        attempts = self._attempts
        attempts.upstream = None
        if attempts.status != 200:
            self._refused()
            return
        try:
            rest = attempts.reader.finish()
        except ApiError as error:
            attempts.end(AttemptResult.FAILED, "malformed", time.monotonic(), self._streamed_at)
            self._fail(error)
            return
        is_stream = self._inbound.is_stream or attempts.passes_bytes
        if self._collecting is not None:
            self._keep_answer(self._collecting, rest, is_stream=is_stream)
        now = time.monotonic()
        if not is_stream:
            self._first_byte_at = now
            attempts.end(_OK, "", now)
        else:
            if self._phase == _WAITING:
                self._start_stream(now)
            attempts.end(_OK, "", now, self._first_byte_at)
        cost = self._close(_COMPLETED, 200, self._usage(_COMPLETED), now)
        if is_stream:
            if self._before_end is None:
                self._end_stream(rest)
            else:
                self._before_end(rest, self._end_stream)
            return
        headers = self._headers(_JSON, now) + cost_lines(cost, self._ask.endpoint.price.currency)
        if self._before_end is None:
            self._respond(200, headers, rest)
        else:
            self._respond_later(self._before_end, headers, rest)

    def response_failed(self, failure: UpstreamFailure) -> None:
        attempts = self._attempts
        attempts.upstream = None
        now = time.monotonic()
        attempts.end(result_of_failure(failure), failure.kind, now, self._streamed_at)
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
        if self._phase == _ENDED:
            return
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
        if self._phase == _NEW:
            self._phase = _ENDED
            self._give_back()
            return
        self._attempts.cancel(AttemptResult.CALLER, self._streamed_at)
        status = 200 if self._phase == _STREAMING else _CLIENT_CLOSED_REQUEST
        usage = self._usage(Outcome.CANCELLED)
        self._close(Outcome.CANCELLED, status, usage, time.monotonic())

    # What follows is private.

    @property
    def _streamed_at(self) -> float | None:
        """When the first byte of a stream went out."""
        return self._first_byte_at if self._phase == _STREAMING else None

    def _pass_on(self, answer: bytes) -> None:
        attempts = self._attempts
        if self._phase == _WAITING:
            self._start_stream(time.monotonic())
        self._exchange.send(answer)
        if self._collecting is not None:
            self._collecting.add(answer)
        written = attempts.reader.output_events
        if written != self._progress_tokens:
            now = time.monotonic()
            if (
                written - self._progress_tokens >= _PROGRESS_TOKENS
                or now - self._progress_at >= _PROGRESS_S
            ):
                self._record_progress(written, now)
        admission = self._admission
        if (
            admission is not None
            and admission.most_output_tokens is not None
            and written > admission.most_output_tokens
        ):
            attempts.cancel(AttemptResult.CALLER, self._streamed_at)
            self._fail(_budget_spent())
            return
        coalescer = self._state.coalescer
        if coalescer is not None and attempts.upstream is not None and not attempts.passes_bytes:
            attempts.upstream.pause()
            coalescer.wait(self)

    def read_on(self) -> None:
        """What came of a stream meanwhile may be read, and leaves as one write."""
        upstream = self._attempts.upstream
        if upstream is not None and not self._exchange.is_full:
            upstream.resume()

    def _start_stream(self, now: float) -> None:
        attempts, exchange = self._attempts, self._exchange
        self._phase = _STREAMING
        self._first_byte_at = self._progress_at = now
        self._state.router.answering(attempts.target, now, attempts.since)
        if attempts.upstream is not None:
            exchange.on_pause = attempts.upstream.pause
            exchange.on_resume = attempts.upstream.resume
        if attempts.passes_bytes:
            exchange.start(200, self._headers(attempts.media_type, now))
        else:
            lines = self._headers(self._inbound.surface.stream_type, now)
            exchange.start(200, lines + b"cache-control: no-cache\r\n")

    def _keep_answer(self, collecting: Collecting, rest: bytes, *, is_stream: bool) -> None:
        attempts = self._attempts
        collecting.add(rest)
        content_type = _JSON
        if is_stream:
            stream_type = self._inbound.surface.stream_type
            content_type = attempts.media_type if attempts.passes_bytes else stream_type
        answer = collecting.answer(content_type, attempts.target, time.monotonic())
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
            self._respond_when_safe(status, headers, body)

    def _respond_when_safe(self, status: int, headers: bytes, body: bytes) -> None:
        exchange = self._exchange
        self._state.recorder.when_safe(lambda _: exchange.respond(status, headers, body))

    def _respond_later(self, before_end: BeforeEnd, headers: bytes, body: bytes) -> None:
        before_end(body, lambda body: self._respond(200, headers, body))

    def _end_stream(self, rest: bytes) -> None:
        """Send what tells the client that this was all, once the FINAL frame is safe."""
        exchange = self._exchange

        def end(_is_durable: bool) -> None:
            exchange.send(rest)
            exchange.end()

        self._state.recorder.when_safe(end)

    def _refused(self) -> None:
        """The upstream answered with an error status."""
        attempts = self._attempts
        status = attempts.status
        result = result_of_status(status)
        attempts.end(result, result, time.monotonic())
        error = attempts.provider.error_of(status, attempts.error_body)
        may_retry = result is not AttemptResult.CALLER or error.code == "context_length_exceeded"
        if may_retry and self._try_next(error):
            return
        self._fail(error)

    def _try_next(self, error: ApiError) -> bool:
        """Send the call elsewhere after `error`, if nothing was passed on and something is left."""
        if self._phase != _WAITING or self._exchange.client_gone:
            return False
        if self._last_error is None:
            self._last_error = error
        self._attempts.since = time.monotonic()
        self._attempts.after = error.code or "error"
        try:
            if self._send():
                return True
        except ApiError:
            # No other target can carry the request: the first failure is the one to tell.
            pass
        return self._next_endpoint(error)

    def _fail(self, error: ApiError) -> None:
        phase = self._phase
        if phase == _ENDED:
            return
        exchange, surface = self._exchange, self._inbound.surface
        if phase == _NEW:
            # It never ran, so there is nothing to record but that it was refused.
            self._phase = _ENDED
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
            return
        now = time.monotonic()
        if phase == _STREAMING:
            self._close(Outcome.FAILED, 200, self._usage(Outcome.FAILED), now, error.code)
            # The status is long sent: clients take an event with `error` as the failure it is.
            if self._attempts.passes_bytes:
                exchange.abort()
            else:
                self._end_stream(surface.failure_events(error, request_id(self._opened.event_id)))
            return
        # The client has nothing in its hands, so it has nothing to pay for.
        body = surface.error(error, request_id(self._opened.event_id))
        if self._content is not None:
            self._content.replace(body)
        self._close(Outcome.FAILED, error.status, NOTHING, now, error.code)
        self._respond(error.status, self._headers(_JSON, now) + error.headers, body)

    def _usage(self, outcome: Outcome) -> Usage:
        reader = self._attempts.reader
        counted, estimate = reader.output_events, self._ask.input_estimate
        return usage_of(reader.counts, counted, estimate, outcome)

    def _close(
        self,
        outcome: Outcome,
        status: int,
        usage: Usage,
        now: float,
        error_code: str | None = None,
    ) -> int:
        """Append the FINAL frame and settle the admission; return the cost in nanos."""
        assert self._phase != _ENDED
        self._phase = _ENDED
        exchange, attempts = self._exchange, self._attempts
        exchange.on_client_gone = exchange.on_pause = exchange.on_resume = None
        arrived, first = self._arrived, self._first_byte_at
        client = client_facts(exchange.request.headers)
        duration_us = int((now - arrived) * 1e6)
        first_token_us = None
        if first is not None:
            first_token_us = duration_us if first == now else int((first - arrived) * 1e6)
        cost = self._state.recorder.close(
            self._opened,
            self._ask.endpoint,
            attempts.target,
            outcome,
            status,
            usage,
            first_token_us,
            duration_us,
            Trail(
                self._inbound.surface.name,
                self._inbound.model,
                attempts.made,
                int(self._queued_s * 1e6) if self._queued_s else 0,
                int(attempts.overhead_s * 1e6),
                error_code or "",
                client.trace_parent,
                client.user_agent,
                client.tags,
            ),
        )
        if self._admission is not None:
            self._admission.settle(usage.input_tokens + usage.output_tokens, cost, now)
        if self._content is not None:
            self._content.end(self._opened, attempts.media_type)
        return cost

    def _headers(self, content_type: bytes, now: float) -> bytes:
        admission, attempts = self._admission, self._attempts
        lines = answer_lines(
            content_type,
            self._inbound.surface,
            self._opened.event_id,
            self._ask.endpoint,
            attempts.target,
            attempts.why,
            len(attempts.made) + attempts.is_running,
            attempts.overhead_s,
            b"" if admission is None else admission.headers(now),
        )
        return lines + self._spillover if self._spillover else lines


def _budget_spent() -> ApiError:
    return ApiError(
        402,
        "The budget of this key is spent; the answer ends here.",
        type="insufficient_quota",
        code="budget_exceeded",
    )
