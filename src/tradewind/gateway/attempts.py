"""The tries of one call at targets, one after the other: chosen by the plan, prepared by the
provider, sent, counted by the router, noted for the request log.

What is here is of the try that runs or ran last, but for `made`, `overhead_s` and `after`. Whether
there is another try is the call's to say.
"""

import time

from tradewind.gateway.admission.base import Ask
from tradewind.gateway.call_failures import model_stopped, result_of_status
from tradewind.gateway.dialects.base import Inbound
from tradewind.gateway.dialects.output_cap import capped
from tradewind.gateway.http.upstream import Receiver, UpstreamCall
from tradewind.gateway.retry_after import retry_after_s
from tradewind.gateway.routing.router import AttemptResult, OnlyTarget, Plan, RouteAsk
from tradewind.gateway.state import GatewayState
from tradewind.plugins.providers.base import Prepared, Provider, Reader
from tradewind.snapshot.contents import Target
from tradewind.usage.event import Attempt
from tradewind.wire.errors import ApiError

_MOST_ATTEMPTS = 8
_MOST_ERROR_BYTES = 64 * 1024
_JSON = b"application/json"


class Attempts:
    """`status` is the upstream's, 0 before it answered. Times are of the monotonic clock."""

    __slots__ = (
        "_inbound",
        "_lines",
        "_plan",
        "_state",
        "after",
        "error_body",
        "is_running",
        "made",
        "media_type",
        "overhead_s",
        "passes_bytes",
        "provider",
        "reader",
        "retry_after_s",
        "since",
        "status",
        "target",
        "upstream",
        "why",
    )

    _plan: Plan | OnlyTarget
    provider: Provider
    reader: Reader
    target: Target

    def __init__(self, state: GatewayState, inbound: Inbound, lines: bytes, arrived: float) -> None:
        """`lines` are what of the request's head goes on to targets."""
        self._state = state
        self._inbound = inbound
        self._lines = lines
        self.is_running = False
        self.since = arrived
        """When the try that runs was sent; before that, since when the call is our own work."""
        self.overhead_s = 0.0
        self.made: tuple[Attempt, ...] = ()
        self.after = ""
        """The code of the error that the try before ended with."""
        self.upstream: UpstreamCall | None = None
        self.status = 0
        self.why = ""
        self.media_type = b""
        self.passes_bytes = False
        self.error_body = b""
        self.retry_after_s: float | None = None

    def plan(self, ask: Ask, route: RouteAsk) -> None:
        """Go on with the targets of another endpoint. Raises ApiError when none is allowed, or the
        model was stopped while the call waited.
        """
        found = self._state.view.endpoint(ask.endpoint.name)
        if found is not None and found.is_stopped:
            raise model_stopped(found.name)
        self._plan = self._state.router.plan(ask.endpoint, route, self.since)

    def prepare(self, ask: Ask, most_output_tokens: int | None) -> Prepared | None:
        """Take the next target of the plan that can carry the request; None when none is left.

        Raises ApiError when none of those that are left can carry it.
        """
        if len(self.made) >= _MOST_ATTEMPTS:
            return None
        inbound, providers = self._inbound, self._state.providers
        refusal: ApiError | None = None
        while True:
            choice = self._plan.next(self.since, self.after)
            if choice is None:
                if refusal is not None:
                    raise refusal
                return None
            target = choice.target
            provider = providers[target.provider]
            try:
                request = inbound.request_for(ask.endpoint, provider.dialects, self._lines)
                if most_output_tokens is not None:
                    request = capped(request, most_output_tokens // inbound.choices)
                prepared = provider.prepare(request, target)
            except ApiError as error:
                # Another host may speak the client's dialect itself.
                refusal = refusal or error
                continue
            self.target, self.provider, self.why = target, provider, choice.why
            self.reader = inbound.reader_for(request, prepared.reader)
            return prepared

    def send(self, prepared: Prepared, receiver: Receiver) -> None:
        """Send what was prepared."""
        if self.made:
            self.status, self.error_body, self.retry_after_s = 0, b"", None
        self.passes_bytes, self.media_type = prepared.passes_bytes, prepared.content_type
        state, target = self._state, self.target
        now = time.monotonic()
        self.overhead_s += now - self.since
        self.since = now
        state.router.started(target, now)
        self.is_running = True
        self.upstream = state.upstream.send(
            target.address, prepared.head, prepared.body, receiver, state.timeouts
        )

    def answered(self, status: int, headers: dict[bytes, bytes]) -> None:
        """The try that runs is answered with this head."""
        self.status = status
        if status != 200:
            self.retry_after_s = retry_after_s(headers, time.time())
        if self.passes_bytes and not self.media_type:
            self.media_type = headers.get(b"content-type", b"application/octet-stream")

    @property
    def is_streamed(self) -> bool:
        """Whether the client gets the answer piece by piece."""
        return self._inbound.is_stream or self.passes_bytes

    @property
    def answer_type(self) -> bytes:
        """The `content-type` of what the client gets of an answer that goes well."""
        if self.passes_bytes:
            return self.media_type
        return self._inbound.surface.stream_type if self._inbound.is_stream else _JSON

    def refused(self) -> tuple[AttemptResult, ApiError]:
        """End the try, which was answered with an error status; return what that tells."""
        result = result_of_status(self.status)
        self.end(result, result, time.monotonic())
        return result, self.provider.error_of(self.status, self.error_body)

    def add_error(self, data: bytes) -> None:
        """Take a piece of an answer that is a failure."""
        self.error_body = (self.error_body + data)[:_MOST_ERROR_BYTES]

    def cancel(self, result: AttemptResult, streamed_at: float | None) -> None:
        """Stop the try that runs; as `end`."""
        if self.upstream is not None:
            self.upstream.cancel()
            self.upstream = None
        self.end(result, "cancelled", time.monotonic(), streamed_at)

    def end(
        self, result: AttemptResult, failure: str, now: float, streamed_at: float | None = None
    ) -> None:
        """Count the try that runs, if one does, as over. `streamed_at` is when its first byte went
        on to the client, None when nothing has.
        """
        if not self.is_running:
            return
        self.is_running = False
        target, reader, since = self.target, self.reader, self.since
        self._state.router.ended(
            target,
            result,
            now,
            since,
            reader.counts.output_tokens or reader.output_events,
            None if streamed_at is None else now - streamed_at,
            self.retry_after_s,
        )
        attempt = Attempt(
            target.deployment_id,
            target.host,
            self.why,
            self.status,
            failure,
            int((now - since) * 1e6),
        )
        self.made = (*self.made, attempt)
