"""The one admission function that every call goes through."""

import time
from collections.abc import Callable

from tradewind.gateway.admission.base import Admission, Ask, Waiting
from tradewind.gateway.admission.limits import KeyUse, Limiter
from tradewind.wire.errors import ApiError


class Admissions:
    """Decides on calls of all keys. Used from the event loop's thread only."""

    def __init__(self) -> None:
        self._limiter = Limiter()

    def ask(
        self, ask: Ask, admitted: Callable[[Admission], None], refused: Callable[[ApiError], None]
    ) -> Waiting | None:
        """Decide, now or later: exactly one of the callbacks is called, before this returns if it
        returns None.
        """
        reserved = ask.input_estimate + (ask.output_limit or 0)
        try:
            use = self._limiter.admit(ask.grant, reserved, time.monotonic())
        except ApiError as error:
            refused(error)
        else:
            admitted(_KeyAdmission(self._limiter, use, reserved))
        return None


class _KeyAdmission:
    __slots__ = ("_limiter", "_reserved", "_use")

    most_output_tokens: int | None = None

    def __init__(self, limiter: Limiter, use: KeyUse, reserved: int) -> None:
        self._limiter = limiter
        self._use = use
        self._reserved = reserved

    def headers(self, now: float) -> bytes:
        return self._use.headers(now)

    def settle(self, used_tokens: int, cost_nanos: int, now: float) -> None:  # noqa: ARG002
        self._limiter.settle(self._use, self._reserved, used_tokens, now)
