"""The header lines of an answer: who answered, why, what it cost, what is left of the limits."""

from binascii import hexlify
from functools import lru_cache

from tradewind.gateway.attempts import Attempts
from tradewind.gateway.dialects.surfaces import Surface
from tradewind.snapshot.contents import Endpoint, Target


def answer_lines(  # noqa: PLR0917  called once, with names that say the same
    content_type: bytes,
    surface: Surface,
    event_id: bytes,
    endpoint: Endpoint,
    target: Target,
    why: str,
    attempts: int,
    overhead_s: float,
    limits: bytes,
) -> bytes:
    """Return the lines of an answer that starts now; `limits` are the admission's."""
    return b"%breq_%b\r\nx-tradewind-attempts: %d\r\nx-tradewind-overhead-ms: %.3f\r\n%b" % (
        _lines_of(
            content_type,
            surface.request_id_header,
            endpoint.name,
            target.deployment_id,
            target.host,
            target.region,
            why,
            b"" if endpoint.ending is None else endpoint.ending.lines,
        ),
        hexlify(event_id),
        attempts,
        overhead_s * 1000,
        limits,
    )


def lines_of_call(  # noqa: PLR0917  as above
    content_type: bytes,
    surface: Surface,
    event_id: bytes,
    endpoint: Endpoint,
    attempts: Attempts,
    limits: bytes,
) -> bytes:
    """As `answer_lines`, of a call with its tries at targets."""
    return answer_lines(
        content_type,
        surface,
        event_id,
        endpoint,
        attempts.target,
        attempts.why,
        len(attempts.made) + attempts.is_running,
        attempts.overhead_s,
        limits,
    )


def cost_lines(cost_nanos: int, currency: str) -> bytes:
    """Return what a whole answer says of its price; nine decimals, exactly."""
    return b"x-tradewind-cost: %d.%09d\r\nx-tradewind-currency: %b\r\n" % (
        *divmod(cost_nanos, 1_000_000_000),
        currency.encode(),
    )


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
def _lines_of(  # noqa: PLR0917  the parts of a key
    content_type: bytes,
    request_id_header: bytes,
    model: str,
    deployment_id: str,
    host: str,
    region: str,
    why: str,
    ending: bytes,
) -> bytes:
    """Return what is the same for nearly all answers of a target, up to the request's id."""
    lines = b"content-type: %b\r\nx-tradewind-model: %b\r\nx-tradewind-deployment: %b\r\n" % (
        content_type,
        _value(model),
        _value(deployment_id),
    )
    if host:
        lines += b"x-tradewind-provider: %b\r\n" % _value(host)
    if region:
        value = _value(region)
        lines += b"x-tradewind-region: %b\r\nx-ms-region: %b\r\n" % (value, value)
    lines += ending
    return lines + b"x-tradewind-route: %b\r\n%b: " % (_value(why), request_id_header)


def _value(text: str) -> bytes:
    """Return a text as a header's value: what could end the line or is not ASCII becomes `?`."""
    return "".join(each if " " <= each <= "~" else "?" for each in text).encode()
