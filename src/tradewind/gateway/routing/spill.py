"""When the next tier takes over, and when the first gets its calls back.

A tier is *full* when so many calls are at its targets that more than `queue_bound` a slot wait, and
stays so until a slot is free again; it is *slow* when its first tokens take longer than
`first_token_bound_ms`, and stays so until they take less than four fifths of that. Between the two
marks nothing changes, so that calls do not flap between tiers. Nothing would be measured at a slow
tier that gets no calls, so one every 2 s still goes there.
"""

from tradewind.gateway.routing.ask import Why
from tradewind.snapshot.contents import Routing

PROBE_EVERY_S = 2.0
_BACK_BELOW = 0.8


class TierLoad:
    """Whether one tier of one endpoint can take more calls."""

    __slots__ = ("_probe_at", "is_full", "is_slow")

    def __init__(self) -> None:
        self.is_full = False
        self.is_slow = False
        self._probe_at = 0.0

    def look(
        self,
        routing: Routing,
        *,
        in_flight: int,
        slots: int,
        first_token_s: float | None,
        now: float,
    ) -> str | None:
        """Return why calls spill over from this tier now, or None. All figures are of its targets
        that do not rest.
        """
        if routing.queue_bound is not None:
            self.is_full = in_flight >= (
                _back_at(slots) + 1 if self.is_full else slots * (1 + routing.queue_bound)
            )
        else:
            self.is_full = False
        bound_ms = routing.first_token_bound_ms
        if bound_ms is not None and first_token_s is not None:
            bound_s = bound_ms / 1000
            is_slow = first_token_s > (bound_s * _BACK_BELOW if self.is_slow else bound_s)
            if is_slow and not self.is_slow:
                self._probe_at = now + PROBE_EVERY_S
            self.is_slow = is_slow
        else:
            self.is_slow = False
        if self.is_full:
            return Why.SPILL_QUEUE
        return Why.SPILL_SLOW if self.is_slow else None

    def takes_probe(self, now: float) -> bool:
        """Tell whether this call goes to a slow tier all the same, and count it if so."""
        if self.is_full or not self.is_slow or now < self._probe_at:
            return False
        self._probe_at = now + PROBE_EVERY_S
        return True


def _back_at(slots: int) -> int:
    """Return how many calls in flight a full tier must have come down to."""
    return max(0, slots - max(1, slots // 8))
