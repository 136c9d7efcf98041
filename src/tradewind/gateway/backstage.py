"""Asks the control plane on the gateways' own socket; see `control.backstage`.

Everything asked here can fail at any time: callers say what then holds.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from tradewind.gateway.http.limits import UpstreamTimeouts
from tradewind.gateway.http.upstream import UpstreamCall, UpstreamClient, UpstreamFailure

_TIMEOUTS = UpstreamTimeouts(connect_s=1.0, first_byte_s=5.0, idle_s=5.0, total_s=10.0)
_MOST_ANSWER_BYTES = 64 * 1024 * 1024


class BackstageAnswer(NamedTuple):
    status: int
    """0 when nobody answered."""
    body: bytes


class AsksBackstage(Protocol):
    """The part of `Backstage` that is enough for whoever cancels nothing."""

    def ask(
        self, method: str, path: str, body: bytes, answered: Callable[[BackstageAnswer], None]
    ) -> object: ...


class Backstage:
    """`address` is the socket's path or `host:port`; None is a gateway that stands alone."""

    def __init__(self, upstream: UpstreamClient, address: str | None) -> None:
        self._upstream = upstream
        self._address = address

    def ask(
        self,
        method: str,
        path: str,
        body: bytes,
        answered: Callable[[BackstageAnswer], None],
    ) -> UpstreamCall | None:
        """Ask; `answered` is called exactly once, unless the returned call is cancelled.

        Without an address it is called at once, and None is returned.
        """
        if self._address is None:
            answered(BackstageAnswer(0, b""))
            return None
        head = (
            f"{method} {path} HTTP/1.1\r\nhost: backstage\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        ).encode()
        return self._upstream.send(self._address, head, body, _Collected(answered), _TIMEOUTS)


class _Collected:
    __slots__ = ("_answered", "_parts", "_size", "_status")

    def __init__(self, answered: Callable[[BackstageAnswer], None]) -> None:
        self._answered = answered
        self._parts: list[bytes] = []
        self._size = 0
        self._status = 0

    def response_started(self, status: int, headers: dict[bytes, bytes]) -> None:  # noqa: ARG002
        self._status = status

    def response_data(self, data: bytes) -> None:
        self._size += len(data)
        if self._size <= _MOST_ANSWER_BYTES:
            self._parts.append(data)

    def response_ended(self) -> None:
        if self._size > _MOST_ANSWER_BYTES:
            self._answered(BackstageAnswer(0, b""))
        else:
            self._answered(BackstageAnswer(self._status, b"".join(self._parts)))

    def response_failed(self, failure: UpstreamFailure) -> None:  # noqa: ARG002
        self._answered(BackstageAnswer(0, b""))
