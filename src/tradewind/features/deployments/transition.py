"""How a revision takes the place of the one before, by what fits. Pure."""

from tradewind.features.deployments.fit import Fit, Verdict, with_room
from tradewind.features.deployments.schemas import Strategy, Transition


def choose(beside: Fit, *, freed_bytes: int, asked: Strategy | None) -> Transition:
    """Return how to go over to a revision that is estimated to fit so beside what runs.

    `freed_bytes` are given back by one replica that ends; 0 when none runs, which leaves nothing
    to stop first.
    """
    in_place = with_room(beside, freed_bytes)
    match asked:
        case Strategy.START_FIRST:
            return Transition(asked, beside, is_chosen=True)
        case Strategy.STOP_FIRST:
            return Transition(asked, in_place, is_chosen=True)
        case None:
            if freed_bytes and beside.verdict is Verdict.DOES_NOT_FIT:
                return Transition(Strategy.STOP_FIRST, in_place, is_chosen=False)
            return Transition(Strategy.START_FIRST, beside, is_chosen=False)


def freed_by(ending: Fit, *, is_sealed: bool) -> int:
    """Return what one replica gives back when it ends.

    Weights that are mapped from a disk count as free all the time, as the kernel can drop them;
    sealed ones lie in memory and do not.
    """
    return ending.replica_bytes if is_sealed else ending.replica_bytes - ending.weights_bytes
