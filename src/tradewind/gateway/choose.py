"""Which target answers. Pure: a snapshot's targets, what is in flight, who failed of late."""

from collections.abc import Iterable

from tradewind.snapshot.contents import Target

_EJECTED_S = 2.0


class Targets:
    """What this gateway knows of the targets' load and health. By replica, so a restart starts
    anew.
    """

    def __init__(self) -> None:
        self._in_flight: dict[str, int] = {}
        self._ejected_until: dict[str, float] = {}

    def choose(self, targets: Iterable[Target], tried: frozenset[str], now: float) -> Target | None:
        """Return the target with the fewest calls for its weight, a healthy one if there is any.

        One that failed to connect rests for two seconds; when all rest, the least loaded is tried.
        """
        best: Target | None = None
        best_rank: tuple[bool, float] | None = None
        for target in targets:
            replica = target.replica_id
            if replica in tried:
                continue
            load = self._in_flight.get(replica, 0) / target.weight
            rank = (self._ejected_until.get(replica, 0.0) > now, load)
            if best_rank is None or rank < best_rank:
                best, best_rank = target, rank
        return best

    def started(self, target: Target) -> None:
        self._in_flight[target.replica_id] = self._in_flight.get(target.replica_id, 0) + 1

    def ended(self, target: Target) -> None:
        left = self._in_flight[target.replica_id] - 1
        if left:
            self._in_flight[target.replica_id] = left
        else:
            del self._in_flight[target.replica_id]

    def failed(self, target: Target, now: float) -> None:
        """Let a target rest that could not be reached."""
        self._ejected_until[target.replica_id] = now + _EJECTED_S
        if len(self._ejected_until) > 1024:
            self._ejected_until = {
                replica: until for replica, until in self._ejected_until.items() if until > now
            }

    @property
    def in_flight(self) -> int:
        return sum(self._in_flight.values())
