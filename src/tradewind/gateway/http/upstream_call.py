"""One request to an upstream and who is told of its response."""

import asyncio
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import msgspec

from tradewind.gateway.http.header_lines import Field, fields_as_sent
from tradewind.gateway.http.limits import UpstreamTimeouts


class FailureKind(StrEnum):
    """How a call failed."""

    REFUSED = "refused"
    """No connection: nothing listens there, or the name does not resolve."""
    CONNECT_TIMEOUT = "connect_timeout"
    FORBIDDEN_ADDRESS = "forbidden_address"
    """The host of a URL is not on the public internet, and nobody said that it may be private."""
    TLS = "tls"
    """No secure connection: the certificate is not good, or the handshake came to no end."""
    OVERLOADED = "overloaded"
    """Too many calls wait for a connection to this address already."""
    FIRST_BYTE_TIMEOUT = "first_byte_timeout"
    IDLE_TIMEOUT = "idle_timeout"
    """Silence inside the response."""
    TOTAL_TIMEOUT = "total_timeout"
    CUT = "cut"
    """The connection ended before the response did."""
    MALFORMED = "malformed"
    """What came is not an HTTP/1.1 response."""
    TOO_LARGE = "too_large"
    """The head of the response is beyond the limits."""


@dataclass(frozen=True, slots=True)
class UpstreamFailure:
    kind: FailureKind
    detail: str
    """For the log: names the address and what happened, nothing of the request."""
    nothing_received: bool
    """No byte of a response came: the request may be sent elsewhere without a client noticing."""


class Receiver(Protocol):
    """Told of one response, in this order: started, data any number of times, then ended; failed
    at most once, at any point, and last.
    """

    def response_started(self, status: int, headers: dict[bytes, bytes]) -> None:
        """`headers` have lower-case names; repeated ones are joined with `, `. As sent, with each
        `set-cookie` on its own, they are in `UpstreamCall.raw_headers`.
        """
        ...

    def response_data(self, data: bytes) -> None:
        """All body bytes of one socket read, unframed: forward them as one write."""
        ...

    def response_ended(self) -> None: ...

    def response_failed(self, failure: UpstreamFailure) -> None: ...


class CallCarrier(Protocol):
    """The connection, as a call needs it."""

    def cancel(self) -> None: ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...


class UpstreamCall(msgspec.Struct, eq=False):
    """A handle on a call under way. After it ended or failed everything here does nothing."""

    address: str
    head: bytes
    body: bytes
    receiver: Receiver
    timeouts: UpstreamTimeouts
    total_deadline: float = 0.0
    carrier: CallCarrier | None = None
    connecting: asyncio.Task[bool] | None = None
    is_paused: bool = False
    is_over: bool = False
    response_head: bytes = b""
    """As received; there from `response_started` on."""

    @property
    def raw_headers(self) -> list[Field]:
        """The response's header lines as sent, each on its own. Parsed anew each time."""
        return fields_as_sent(self.response_head)

    def cancel(self) -> None:
        """Give up: the connection is closed at once, so that the upstream stops working. No
        callback comes after this.
        """
        self.is_over = True
        if self.carrier is not None:
            self.carrier.cancel()
        elif self.connecting is not None:
            self.connecting.cancel()  # also in the middle of a TLS handshake

    def pause(self) -> None:
        """Read no more. What one read brought is still delivered."""
        if not (self.is_paused or self.is_over):
            self.is_paused = True
            if self.carrier is not None:
                self.carrier.pause()

    def resume(self) -> None:
        if self.is_paused and not self.is_over:
            self.is_paused = False
            if self.carrier is not None:
                self.carrier.resume()
