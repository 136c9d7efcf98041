"""What the request log shows of a call."""

from tradewind.gateway.attempts import Attempts
from tradewind.gateway.client_facts import client_facts
from tradewind.gateway.dialects.base import Inbound
from tradewind.gateway.guarding import Guarding
from tradewind.gateway.http.request import Request
from tradewind.usage.event import Trail


def trail_of_call(  # noqa: PLR0917  what a call knows when it ends
    request: Request,
    inbound: Inbound,
    attempts: Attempts,
    queued_s: float,
    error_code: str | None,
    guarding: Guarding | None,
) -> Trail:
    client = client_facts(request.headers)
    return Trail(
        inbound.surface.name,
        inbound.model,
        attempts.made,
        int(queued_s * 1e6) if queued_s else 0,
        int(attempts.overhead_s * 1e6),
        error_code or "",
        client.trace_parent,
        client.user_agent,
        client.tags,
        None if guarding is None else guarding.trail(),
    )
