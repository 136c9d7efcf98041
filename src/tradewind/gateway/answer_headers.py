"""The header lines of an answer: who answered, why, what it cost, what is left of the limits."""

import time
from typing import NamedTuple

from tradewind.core.ids import request_id
from tradewind.gateway.admission.base import Admission
from tradewind.gateway.dialects.surfaces import Surface
from tradewind.snapshot.contents import Endpoint, Target


class AnswerHeaders(NamedTuple):
    """What is known of a call at the moment its answer starts."""

    surface: Surface
    event_id: bytes
    endpoint: Endpoint
    target: Target
    why: str
    attempts: int
    overhead_s: float
    admission: Admission | None

    def whole(self, content_type: bytes, cost_nanos: int) -> bytes:
        return self.stream(content_type) + _COST % (
            *divmod(cost_nanos, 1_000_000_000),
            self.endpoint.price.currency.encode(),
        )

    def failure(self) -> bytes:
        return self.stream(b"application/json")

    def stream(self, content_type: bytes) -> bytes:
        target = self.target
        limits = b"" if self.admission is None else self.admission.headers(time.monotonic())
        return (
            b"content-type: %b\r\n%b: %b\r\nx-tradewind-model: %b\r\n"
            b"x-tradewind-deployment: %b\r\nx-tradewind-route: %b\r\n"
            b"x-tradewind-attempts: %d\r\nx-tradewind-overhead-ms: %.3f\r\n%b"
        ) % (
            content_type,
            self.surface.request_id_header,
            request_id(self.event_id).encode(),
            self.endpoint.name.encode(),
            target.deployment_id.encode(),
            self.why.encode("latin-1", "replace"),
            self.attempts,
            self.overhead_s * 1000,
            limits,
        )


_COST = b"x-tradewind-cost: %d.%09d\r\nx-tradewind-currency: %b\r\n"
