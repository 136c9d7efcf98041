"""The header lines of an answer: who answered, why, what it cost, what is left of the limits."""

import time
from functools import lru_cache
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
    spillover: bytes = b""
    """The lines that tell of a spillover, if there was one."""

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
            b"%bx-tradewind-route: %b\r\n"
            b"x-tradewind-attempts: %d\r\nx-tradewind-overhead-ms: %.3f\r\n%b%b"
        ) % (
            content_type,
            self.surface.request_id_header,
            request_id(self.event_id).encode(),
            self.endpoint.name.encode(),
            _lines_of(target.deployment_id, target.host, target.region),
            self.why.encode("latin-1", "replace"),
            self.attempts,
            self.overhead_s * 1000,
            limits,
            self.spillover,
        )


_COST = b"x-tradewind-cost: %d.%09d\r\nx-tradewind-currency: %b\r\n"


def spillover_lines(spilled_from: str, deployment: str, status: int) -> bytes:
    """Return the lines that tell a client of Azure's that another deployment answers, and of which
    status that came.

    Their names are those of learn.microsoft.com, "Manage traffic with spillover for provisioned
    deployments", under "Identify spillover requests".
    """
    return (
        b"x-ms-spillover-from-deployment: %b\r\nx-ms-deployment-name: %b\r\n"
        b"x-ms-spillover-error: %d\r\n"
    ) % (_value(spilled_from), _value(deployment), status)


@lru_cache(maxsize=4096)
def _lines_of(deployment_id: str, host: str, region: str) -> bytes:
    """Return the lines that say where a target is; the same few for nearly all calls."""
    lines = b"x-tradewind-deployment: %b\r\n" % _value(deployment_id)
    if host:
        lines += b"x-tradewind-provider: %b\r\n" % _value(host)
    if region:
        value = _value(region)
        lines += b"x-tradewind-region: %b\r\nx-ms-region: %b\r\n" % (value, value)
    return lines


def _value(text: str) -> bytes:
    """Return a text as a header's value: what could end the line or is not ASCII becomes `?`."""
    return "".join(each if " " <= each <= "~" else "?" for each in text).encode()
