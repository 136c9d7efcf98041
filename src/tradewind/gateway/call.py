"""One call: its admission, its attempts, its answer, its end. Callbacks of admission and of the
upstream client come in here.

Whatever happens, the call ends exactly once: the admission is settled, the FINAL frame is appended,
and only then the end of the answer goes out. It falls through to another target only before the
first byte: after it the client has part of an answer, and another model would finish it in another
voice. Where policies hold, what a host says goes through the call's `guarding`, which says what
goes on to the client and when the answer ends.
"""

import time
from collections.abc import Sequence
from contextlib import suppress

from tradewind.core.ids import request_id
from tradewind.gateway.admission.base import Admission, Ask, Waiting
from tradewind.gateway.answer_headers import cost_lines, lines_of_call, spillover_lines
from tradewind.gateway.attempts import Attempts
from tradewind.gateway.cached_answer import find_answer, keep_answer
from tradewind.gateway.call_failures import (
    budget_spent,
    error_of_failure,
    may_repeat,
    may_spill,
    result_of_failure,
)
from tradewind.gateway.call_progress import Progress
from tradewind.gateway.call_trail import trail_of_call
from tradewind.gateway.content.log import KeptCall
from tradewind.gateway.dialects.base import Inbound
from tradewind.gateway.guarding import BLOCKED, Guarding
from tradewind.gateway.http.server import Exchange
from tradewind.gateway.http.upstream import UpstreamFailure
from tradewind.gateway.pass_on import lines_to_pass_on
from tradewind.gateway.record import FROM_CACHE, NOTHING, usage_of
from tradewind.gateway.refusals import refuse_call
from tradewind.gateway.response_cache import CachedAnswer, Collecting
from tradewind.gateway.routing.router import AttemptResult, RouteAsk
from tradewind.gateway.safe_ends import BeforeEnd, deliver
from tradewind.gateway.state import GatewayState
from tradewind.snapshot.contents import Grant, Terms
from tradewind.usage.event import Opened, Outcome, Usage
from tradewind.wire.errors import ApiError, unavailable

Candidate = tuple[Ask, RouteAsk]
"""What is asked of admission and of routing for one endpoint that may answer."""

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
        "_guarding",
        "_inbound",
        "_keeping",
        "_last_error",
        "_opened",
        "_others",
        "_phase",
        "_progress",
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
        guarding: Guarding | None,
    ) -> None:
        """`others` are tried in order after `first`. `before_end` holds back the end of the answer
        until what has to be kept of it is kept. `keeping` are the terms of an organization that
        wants contents kept or answers given again. `guarding` is there where policies hold, and
        then `inbound` is what it sends.
        """
        self._state = state
        self._exchange = exchange
        self._grant = grant
        self._inbound = inbound
        self._ask, self._route = first
        self._others = others
        self._arrived = arrived
        self._progress = Progress(state.recorder, arrived)
        self._before_end = before_end
        self._keeping = keeping
        self._guarding = guarding
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
            terms, guarding = self._keeping, self._guarding
            is_sent = (
                terms is not None and self._phase == _NEW and self._is_answered_by_cache(terms)
            ) or (guarding is not None and guarding.begin(self, self._attempts, self._ask.endpoint))
            if not is_sent:
                self._plan_and_send()
                is_sent = True
        except ApiError as error:
            is_sent = True
            self._not_carried(error)
        finally:
            # A bug must not keep what it took either: a key would run out of concurrent calls for
            # good.
            if not is_sent:
                self._give_back()

    def _plan_and_send(self) -> None:
        """Raises ApiError when no target of this endpoint can take the call."""
        self._attempts.plan(self._ask, self._route)
        if not self._send():
            raise unavailable(
                f"No replica of '{self._ask.endpoint.name}' is ready; it may be starting.",
                code="model_not_ready",
            )

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
            state,
            terms,
            request,
            self._inbound,
            self._ask.endpoint,
            self._route,
            time.monotonic(),
            () if self._guarding is None else self._guarding.policies,
        )
        if isinstance(found, CachedAnswer):
            self._answer_again(found)
            return True
        self._collecting = found
        return False

    def _answer_again(self, cached: CachedAnswer) -> None:
        attempts = self._attempts
        attempts.target, attempts.why = cached.target, "cache"
        self._open()
        now = self._first_byte_at = time.monotonic()
        if self._content is not None:
            self._content.add(cached.body)
        cost = self._close(_COMPLETED, 200, FROM_CACHE, now)
        headers = self._headers(cached.content_type, now) + b"x-tradewind-cache: hit\r\n"
        headers += cost_lines(cost, self._ask.endpoint.price.currency)
        deliver(self._state.recorder, self._exchange, cached.body, headers)

    def _open(self) -> None:
        """Append the OPEN frame: from here on the call is recorded whatever happens."""
        inbound, endpoint, estimate = self._inbound, self._ask.endpoint, self._ask.input_estimate
        target, operation, is_stream = self._attempts.target, inbound.operation, inbound.is_stream
        self._opened = self._state.recorder.open(
            self._grant, endpoint, target, operation, is_stream, estimate
        )
        self._phase = _WAITING
        self._state.running.add(self)

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
        if self._content is not None and self._guarding is None:
            attempts.reader = self._content.tap(attempts.reader)
        attempts.send(prepared, self)
        return True

    # What the upstream client calls.

    def response_started(self, status: int, headers: dict[bytes, bytes]) -> None:
        self._attempts.answered(status, headers)

    def response_data(self, data: bytes) -> None:
        attempts = self._attempts
        if attempts.status != 200:
            attempts.add_error(data)
            return
        try:
            answer = attempts.reader.feed(data)
            if answer and self._guarding is not None:
                answer = self._guarding.feed(answer)
        except ApiError as error:
            attempts.cancel(AttemptResult.FAILED, self._streamed_at)
            self._fail(error)
            return
        if answer:
            self.pass_on(answer)

    def response_ended(self) -> None:
        attempts = self._attempts
        attempts.upstream = None
        if attempts.status != 200:
            self._refused()
            return
        try:
            rest = attempts.reader.finish()
            if self._guarding is not None:
                attempts.end(_OK, "", time.monotonic(), self._streamed_at)
                self._guarding.finish(rest)
                return
        except ApiError as error:
            attempts.end(AttemptResult.FAILED, "malformed", time.monotonic(), self._streamed_at)
            self._fail(error)
            return
        self.finish(rest)

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

    # What policies call. Without any the answer itself comes in here.

    def pass_on(self, answer: bytes) -> None:
        """Send a piece of a streamed answer."""
        attempts = self._attempts
        if self._phase == _WAITING:
            self._start_stream(time.monotonic())
        self._exchange.send(answer)
        if self._collecting is not None:
            self._collecting.add(answer)
        if self._guarding is not None and self._content is not None:
            self._content.add(answer)
        written = attempts.reader.output_events
        if written != self._progress.written:
            self._progress.note(self._opened, written)
        admission = self._admission
        if (
            admission is not None
            and admission.most_output_tokens is not None
            and written > admission.most_output_tokens
        ):
            self.stop_with(budget_spent())
            return
        coalescer = self._state.coalescer
        if coalescer is not None and attempts.upstream is not None and not attempts.passes_bytes:
            attempts.upstream.pause()
            coalescer.wait(self)

    def finish(self, rest: bytes) -> None:
        """End an answer that went well; `rest` are its last bytes, or all of it."""
        attempts, guarding = self._attempts, self._guarding
        is_stream = attempts.is_streamed
        now = time.monotonic()
        if guarding is not None and self._content is not None:
            self._content.add(rest)
        if self._collecting is not None and (guarding is None or guarding.may_be_kept):
            keep_answer(self._state, self._collecting, rest, attempts, now)
        if not is_stream:
            self._first_byte_at = now
            attempts.end(_OK, "", now)
        else:
            if self._phase == _WAITING:
                self._start_stream(now)
            attempts.end(_OK, "", now, self._first_byte_at)
        error_code = None if guarding is None else guarding.error_code
        cost = self._close(_COMPLETED, 200, self._usage(_COMPLETED), now, error_code)
        headers = None
        if not is_stream:
            currency = self._ask.endpoint.price.currency
            headers = self._headers(_JSON, now) + cost_lines(cost, currency)
        deliver(self._state.recorder, self._exchange, rest, headers, self._before_end)

    def cut_off(self, rest: bytes, error: ApiError | None) -> None:
        """End an answer that a policy blocks, with these bytes, or, where its form cannot say that
        it was ended, with `error`. What was generated is billed, as the host does.
        """
        self._attempts.cancel(AttemptResult.CALLER, self._streamed_at)
        now, usage = time.monotonic(), self._usage(_COMPLETED)
        if error is not None and self._phase == _WAITING:
            self._refuse_with(error, _COMPLETED, usage, now, BLOCKED)
            return
        if error is not None:
            rest = self._failure_events(error)
        if self._content is not None:
            self._content.add(rest)
        if self._attempts.is_streamed and self._phase == _WAITING:
            self._start_stream(now)
        headers = None if self._phase == _STREAMING else self._headers(_JSON, now)
        self._close(_COMPLETED, 200, usage, now, BLOCKED)
        deliver(self._state.recorder, self._exchange, rest, headers)

    def prompt_passed(self) -> None:
        """Send the call, which waited for that."""
        try:
            self._plan_and_send()
        except ApiError as error:
            self._not_carried(error)

    def prompt_refused(self, error: ApiError) -> None:
        """A policy blocks the prompt, or a check that has to tell could not. Costs nothing."""
        if self._phase == _NEW:
            # A target is chosen for the record, and hears nothing of it.
            with suppress(ApiError):
                self._attempts.plan(self._ask, self._route)
                if self._attempts.prepare(self._ask, None) is not None:
                    self._open()
        self.stop_with(error)

    def stop_with(self, error: ApiError) -> None:
        """Nothing more goes out but the error; what was generated is billed, if any of it had gone
        out.
        """
        self._attempts.cancel(AttemptResult.CALLER, self._streamed_at)
        self._fail(error)

    def read_on(self) -> None:
        """What came of a stream meanwhile may be read, and leaves as one write."""
        upstream, guarding = self._attempts.upstream, self._guarding
        if (
            upstream is not None
            and not self._exchange.is_full
            and (guarding is None or not guarding.is_full)
        ):
            upstream.resume()

    @property
    def endpoint(self) -> str:
        """Name of what is called, for the kill switch."""
        return self._ask.endpoint.name

    # What the client's connection calls.

    def client_gone(self) -> None:
        """The client left: stop the upstream, bill what was generated."""
        if self._phase == _ENDED:
            return
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
        if self._phase == _NEW:
            self._end_unrun()
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

    def _start_stream(self, now: float) -> None:
        attempts, exchange = self._attempts, self._exchange
        self._phase = _STREAMING
        self._first_byte_at = now
        self._progress.begin(now)
        self._state.router.answering(attempts.target, now, attempts.since)
        if attempts.upstream is not None:
            exchange.on_pause = attempts.upstream.pause
            # What a guard holds back must stay unread, even if the client has room.
            is_plain = self._guarding is None
            exchange.on_resume = attempts.upstream.resume if is_plain else self.read_on
        lines = self._headers(self._attempts.answer_type, now)
        if not attempts.passes_bytes:
            lines += b"cache-control: no-cache\r\n"
        exchange.start(200, lines)

    def _refused(self) -> None:
        """The upstream answered with an error status."""
        result, error = self._attempts.refused()
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
        exchange = self._exchange
        if phase == _NEW:
            # It never ran, so there is nothing to record but that it was refused.
            self._end_unrun()
            exchange.on_client_gone = None
            error.headers += self._spillover
            refuse_call(self._state, exchange, self._grant, self._inbound, error)
            return
        now = time.monotonic()
        if phase == _STREAMING:
            self._close(Outcome.FAILED, 200, self._usage(Outcome.FAILED), now, error.code)
            # The status is long sent: clients take an event with `error` as the failure it is.
            if self._attempts.passes_bytes:
                exchange.abort()
            else:
                deliver(self._state.recorder, exchange, self._failure_events(error))
            return
        # The client has nothing in its hands, so it has nothing to pay for.
        self._refuse_with(error, Outcome.FAILED, NOTHING, now, error.code)

    def _end_unrun(self) -> None:
        self._phase = _ENDED
        self._give_back()
        if self._guarding is not None:
            self._guarding.cancel()

    def _refuse_with(
        self, error: ApiError, outcome: Outcome, usage: Usage, now: float, error_code: str | None
    ) -> None:
        """Answer a call that ran with an error and its status."""
        body = self._inbound.surface.error(error, request_id(self._opened.event_id))
        if self._content is not None:
            self._content.replace(body)
        self._close(outcome, error.status, usage, now, error_code)
        headers = self._headers(_JSON, now) + error.headers
        deliver(self._state.recorder, self._exchange, body, headers, status=error.status)

    def _failure_events(self, error: ApiError) -> bytes:
        return self._inbound.surface.failure_events(error, request_id(self._opened.event_id))

    def _usage(self, outcome: Outcome) -> Usage:
        reader, estimate = self._attempts.reader, self._ask.input_estimate
        return usage_of(reader.counts, reader.output_events, estimate, outcome)

    def _close(
        self, outcome: Outcome, status: int, usage: Usage, now: float, error_code: str | None = None
    ) -> int:
        """Append the FINAL frame and settle the admission; return the cost in nanos."""
        assert self._phase != _ENDED
        self._phase = _ENDED
        self._state.running.discard(self)
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
        exchange, attempts, guarding = self._exchange, self._attempts, self._guarding
        exchange.on_client_gone = exchange.on_pause = exchange.on_resume = None
        arrived, first = self._arrived, self._first_byte_at
        cost = self._state.recorder.close(
            self._opened,
            self._ask.endpoint,
            attempts.target,
            outcome,
            status,
            usage,
            None if first is None else int((first - arrived) * 1e6),
            int((now - arrived) * 1e6),
            trail_of_call(
                exchange.request, self._inbound, attempts, self._queued_s, error_code, guarding
            ),
        )
        if guarding is not None:
            guarding.cancel()
        if self._admission is not None:
            self._admission.settle(usage.input_tokens + usage.output_tokens, cost, now)
        if self._content is not None:
            self._content.end(self._opened, attempts.media_type)
        return cost

    def _headers(self, content_type: bytes, now: float) -> bytes:
        admission, attempts = self._admission, self._attempts
        lines = lines_of_call(
            content_type,
            self._inbound.surface,
            self._opened.event_id,
            self._ask.endpoint,
            attempts,
            b"" if admission is None else admission.headers(now),
        )
        return lines + self._spillover if self._spillover else lines
