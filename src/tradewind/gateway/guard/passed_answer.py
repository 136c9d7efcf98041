"""What a call needs of whoever looks at its answer, and who does not look at it."""

from typing import Protocol

from tradewind.gateway.guard.judging import Judgement
from tradewind.plugins.checks.base import Content
from tradewind.usage.event import Flag
from tradewind.wire.errors import ApiError


class LookedAt(Protocol):
    """An answer on its way through; `answer_guard` says how it is used."""

    @property
    def error(self) -> ApiError | None: ...

    @property
    def is_blocked(self) -> bool: ...

    @property
    def blocked_at(self) -> int | None: ...

    @property
    def is_full(self) -> bool: ...

    @property
    def is_waiting(self) -> bool: ...

    @property
    def flags(self) -> tuple[Flag, ...]: ...

    @property
    def final(self) -> bytes | None: ...

    def feed(self, data: bytes) -> bytes: ...

    def finish(self, rest: bytes) -> bytes: ...

    def hurry(self) -> None: ...

    def next_content(self) -> Content | None: ...

    def judged(self, judgement: Judgement) -> bytes: ...

    def unstored(self, last: bytes) -> bytes: ...


class PassedAnswer:
    """An answer without a text: numbers, sound, images; and that of a call without policies."""

    error: ApiError | None = None
    is_blocked = False
    blocked_at: int | None = None
    is_full = False
    is_waiting = False
    flags: tuple[Flag, ...] = ()
    final: bytes | None = None

    def feed(self, data: bytes) -> bytes:
        return data

    def finish(self, rest: bytes) -> bytes:
        return rest

    def hurry(self) -> None:
        pass

    def next_content(self) -> Content | None:
        return None

    def judged(self, judgement: Judgement) -> bytes:  # noqa: ARG002  nothing is ever asked
        return b""

    def unstored(self, last: bytes) -> bytes:
        return last
