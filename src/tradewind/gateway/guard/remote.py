"""Checks that are services on the network, asked through the gateway's own client.

Where the service is stands among the options of the check, put there when the policy was compiled
from the organization's connection: `address` (in the forms of `Target.address`, so that the same
rules hold as for hosts of models: public addresses alone, unless an operator said otherwise),
`base_path` and `credential`. None of them is shown to the check but the credential, to make headers
of.
"""

import functools
from collections.abc import Sequence
from typing import cast

from tradewind.gateway.guard.pieces import pieces_of, verdict_of_pieces
from tradewind.gateway.guard.policies import Use
from tradewind.gateway.guard.runner import Told
from tradewind.gateway.http.limits import UpstreamTimeouts
from tradewind.gateway.http.upstream import UpstreamCall, UpstreamClient, UpstreamFailure
from tradewind.plugins.checks.base import (
    CheckFailed,
    Content,
    RemoteCheck,
    RemoteRequest,
    Verdict,
)
from tradewind.plugins.providers.base import host_of
from tradewind.snapshot.contents import Grant

MOST_REQUESTS = 64
"""For the contents of one examination."""
MOST_ANSWER_BYTES = 1024 * 1024
_PLACE = frozenset({"address", "base_path", "credential", "connection"})


class RemoteChecks:
    """One for a gateway process. Deadlines are the runner's; what is late is cancelled."""

    def __init__(self, upstream: UpstreamClient) -> None:
        self._upstream = upstream

    def ask(
        self,
        use: Use,
        contents: Sequence[Content],
        grant: Grant | None,  # noqa: ARG002  the policy says as whom it is asked
        told: Told,
    ) -> "_Asking | None":
        check = cast("RemoteCheck", use.check)
        address = use.options.get("address", "")
        options = {name: value for name, value in use.options.items() if name not in _PLACE}
        pieces = list(pieces_of(contents, check.most_characters))
        try:
            requests = check.requests(
                [piece.content for piece in pieces], options, use.options.get("credential", "")
            )
            heads = [_head_of(use, each) for each in requests]
        except (CheckFailed, ValueError):
            told("failed")
            return None
        # Services are somebody else's: never one of our own sockets or processes.
        if "://" not in address or len(requests) > MOST_REQUESTS:
            told("down" if "://" not in address else "too_long")
            return None
        asking = _Asking(len(requests))

        def answered() -> None:
            if any(status == 0 for status, _ in asking.answers):
                told("down")
                return
            try:
                verdicts = check.verdicts([piece.content for piece in pieces], asking.answers)
            except CheckFailed:
                told("garbage")
                return
            if len(verdicts) != len(pieces):
                told("garbage")
                return
            of_contents: list[list[tuple[int, Verdict]]] = [[] for _ in contents]
            for piece, verdict in zip(pieces, verdicts, strict=True):
                of_contents[piece.of].append((piece.start, verdict))
            told(
                [
                    verdict_of_pieces(check, content, of_content)
                    for content, of_content in zip(contents, of_contents, strict=True)
                ]
            )

        asking.answered = answered
        if not requests:
            answered()
            return None
        timeouts = UpstreamTimeouts(total_s=max(1.0, use.deadline_s * 2))
        try:
            for number, (head, request) in enumerate(zip(heads, requests, strict=True)):
                receiver = _Answer(functools.partial(asking.take, number))
                asking.calls.append(
                    self._upstream.send(address, head, request.body, receiver, timeouts)
                )
        except ValueError:  # no address of ours
            asking.cancel()
            told("down")
            return None
        return asking


class _Asking:
    """All requests of one examination to one service."""

    def __init__(self, number: int) -> None:
        self.calls: list[UpstreamCall] = []
        self.answers: list[tuple[int, bytes]] = [(0, b"")] * number
        self.answered = _nothing
        self._left = number

    def take(self, number: int, status: int, body: bytes) -> None:
        self.answers[number] = status, body
        self._left -= 1
        if not self._left:
            self.answered()

    def cancel(self) -> None:
        for call in self.calls:
            if not call.is_over:
                call.cancel()


class _Answer:
    __slots__ = ("_parts", "_size", "_status", "_told")

    def __init__(self, told: "functools.partial[None]") -> None:
        self._told = told
        self._parts: list[bytes] = []
        self._size = 0
        self._status = 0

    def response_started(self, status: int, headers: dict[bytes, bytes]) -> None:  # noqa: ARG002
        self._status = status

    def response_data(self, data: bytes) -> None:
        self._size += len(data)
        if self._size <= MOST_ANSWER_BYTES:
            self._parts.append(data)

    def response_ended(self) -> None:
        is_whole = self._size <= MOST_ANSWER_BYTES
        self._told(self._status if is_whole else 0, b"".join(self._parts))

    def response_failed(self, failure: UpstreamFailure) -> None:  # noqa: ARG002
        self._told(0, b"")


def _head_of(use: Use, request: RemoteRequest) -> bytes:
    """Raises ValueError for what would be more than one line."""
    target = use.options.get("base_path", "") + request.path
    lines = [
        f"POST {target} HTTP/1.1",
        f"host: {host_of(use.options.get('address', ''))}",
        *(f"{name}: {value}" for name, value in request.headers.items()),
        f"content-length: {len(request.body)}",
        "accept-encoding: identity",
    ]
    if any("\r" in line or "\n" in line or not line.isascii() for line in lines) or " " in target:
        raise ValueError("a header of the request is no header")
    return "\r\n".join([*lines, "", ""]).encode()


def _nothing() -> None:
    pass
