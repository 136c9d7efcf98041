"""Whose turn it is when nothing else decides: shares by weight, exact at every moment."""

from collections.abc import Iterable, Sequence

from tradewind.snapshot.contents import Target


class Rotation:
    """Gives turns by weight.

    With the same targets each time, after any number of turns none is a whole turn ahead of or
    behind its share: a target may be served only when it is behind, and of those the one whose next
    turn is due first is (earliest deadline first with eligibility, as fair schedulers have it). The
    credits are whole numbers and add up to nothing, so they neither drift nor round.
    """

    __slots__ = ("_behind",)

    def __init__(self) -> None:
        self._behind: dict[str, int] = {}
        """What each replica is behind its share, in turns times the sum of weights."""

    def take(self, targets: Sequence[Target]) -> Target:
        """Return whose turn it is among these, and count it."""
        behind = self._behind
        total = 0
        for target in targets:
            total += target.weight
        best: Target | None = None
        best_due = 0.0
        best_is_behind = False
        for target in targets:
            weight, replica = target.weight, target.replica_id
            credit = behind[replica] = behind.get(replica, 0) + weight
            is_behind, due = credit > 0, (total - credit) / weight
            if best is None or (is_behind, -due) > (best_is_behind, -best_due):
                best, best_due, best_is_behind = target, due, is_behind
        assert best is not None
        behind[best.replica_id] -= total
        return best

    def keep_only(self, replicas: Iterable[str]) -> None:
        """Forget the replicas that are gone."""
        behind = self._behind
        self._behind = {name: behind[name] for name in replicas if name in behind}
