"""Every bound and timeout of the HTTP layer. Sizes in bytes, times in seconds."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """What a client may use up."""

    max_head_bytes: int = 32 * 1024
    """Request line and headers, with the blank line; 431 beyond. Also how far is read ahead while
    an answer is running."""
    max_headers: int = 100
    max_body_bytes: int = 32 * 1024 * 1024
    """The application may allow less per request, never more."""
    max_connections: int = 10_000
    """A connection beyond is told 503 and closed."""
    max_pipelined: int = 16
    """Requests of one connection that are begun in one loop turn, so that a client that sends a
    thousand small ones does not hold up the others."""
    max_drained_body_bytes: int = 64 * 1024
    """A request answered before its body came keeps its connection when the body is this small."""
    max_lingering_bytes: int = 64 * 1024 * 1024
    """What is read and thrown away after a refusal, so that the client can read the refusal:
    closing with unread bytes resets the connection and takes the answer with it."""
    head_timeout_s: float = 20.0
    """From the first byte of a head (or from connecting) to its end."""
    body_timeout_s: float = 30.0
    """Longest silence inside a body."""
    body_total_timeout_s: float = 300.0
    """From the head to the end of the body, however steadily it trickles."""
    idle_timeout_s: float = 75.0
    """Between two requests."""
    write_timeout_s: float = 60.0
    """A client whose socket buffer is full must take `min_read_bytes` in this time, or is cut."""
    min_read_bytes: int = 16 * 1024
    lingering_timeout_s: float = 5.0
    half_closed_probe_s: float = 1.0
    """First wait before a half-closed client is probed, doubled each time; see `connection`."""
    drain_timeout_s: float = 30.0
    """How long a draining server waits for running answers when `drain` is not told."""


@dataclass(frozen=True, slots=True)
class UpstreamTimeouts:
    """How long one call may take. The sweep adds up to two of its periods to each but connect."""

    connect_s: float = 5.0
    first_byte_s: float = 600.0
    """From sending to the end of the response head; waiting for a connection is not in it."""
    idle_s: float = 120.0
    """Longest silence inside a response; the clock stands still while the receiver paused it."""
    total_s: float = 3600.0


@dataclass(frozen=True, slots=True)
class UpstreamLimits:
    """What an upstream may use up. Bodies are handed on as they come and never collected here."""

    max_response_head_bytes: int = 64 * 1024
    max_response_headers: int = 200
    max_interim_responses: int = 16
    max_idle_connections: int = 256
    idle_keepalive_s: float = 30.0
    max_connections_per_address: int = 512
    """Open and opening; calls beyond wait for one of them."""
    max_waiting_per_address: int = 4096
    """Calls beyond fail at once."""
