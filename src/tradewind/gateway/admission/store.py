"""What every store of limits can do, wherever it keeps its numbers."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import msgspec

from tradewind.gateway.admission.chain import Limit, Scope


class Refusal(NamedTuple):
    """Why a call may not run now. Nothing was taken."""

    limit: Limit
    """The one that binds: of several, the one with the longest wait."""
    wait_s: float
    """Exact for a rate; for concurrent calls about when one of them ends."""
    full: Limit | None = None
    """A limit of concurrent calls that is full, whatever else holds."""


class Reading(Protocol):
    """The numbers of one scope at this moment, on this process's clock. For reading at once: they
    may be those that are counted with.
    """

    @property
    def scope(self) -> Scope: ...

    @property
    def requests_arrival(self) -> float: ...

    @property
    def tokens_arrival(self) -> float: ...

    @property
    def calls(self) -> int: ...


class ReadNumbers(msgspec.Struct, frozen=True):
    """A reading of what is counted elsewhere."""

    scope: Scope
    requests_arrival: float
    tokens_arrival: float
    calls: int


class Counted(Protocol):
    """The chain of one key and model in a store: what an admitted call settles with."""

    def readings(self) -> Sequence[Reading]:
        """Return the numbers that admit, as they are known here without waiting."""
        ...

    def settle(self, surplus_tokens: int, now: float, held_s: float) -> None:
        """End one call that ran for `held_s`: take what it used beyond its reservation; a negative
        surplus is given back.
        """
        ...

    def give_back(self, tokens: int, now: float, *, has_entered: bool) -> None:
        """Undo a `take`: the call does not run."""
        ...


class CountedHere(Counted, Protocol):
    """A chain whose store answers at once."""

    def take(self, tokens: int, now: float, most_wait_s: float = 0.0) -> float | Refusal:
        """Take one call of so many tokens from all limits, or from none.

        The number is how long to wait, at most `most_wait_s`: the rates are taken for that moment,
        and unless it is 0 the call is not among the concurrent ones yet: `enter` then.
        """
        ...

    def enter(self, now: float) -> Limit | None:
        """Count the call among the concurrent ones; return the limit that is full instead."""
        ...


class Store(Protocol):
    """A store whose numbers are at hand."""

    def bind(self, scopes: tuple[Scope, ...]) -> CountedHere: ...

    def forget_idle(self, now: float) -> bool:
        """Make room when there is little; true when chains must be bound anew."""
        ...

    def give_out(self, share: float) -> None:
        """Give out this part of every limit, above 0 and at most 1. Bind chains anew."""
        ...

    @property
    def counters(self) -> dict[str, int]:
        """What went another way than usual, by kind, for /metrics."""
        ...

    def close(self) -> None: ...


Answered = Callable[[Counted, float | Refusal], None]
"""Gets what `take` returns, and where it was taken: a store that is away has another one do it."""
StopAsking = Callable[[], None]
"""Says that nobody wants the answer any more; what it would have taken is given back."""


class CountedElsewhere(Protocol):
    """A chain whose store may have to be asked over a connection."""

    def readings(self) -> Sequence[Reading]:
        """As `Counted.readings`."""
        ...

    def refresh_later(self, answered: Callable[[Counted], None]) -> None:
        """Bring the readings up to date, taking nothing."""
        ...

    def take_later(self, tokens: int, most_wait_s: float, answered: Answered) -> StopAsking | None:
        """As `CountedHere.take`; None when it was answered already."""
        ...

    def enter_later(
        self, counted: Counted, answered: Callable[[Limit | None], None]
    ) -> StopAsking | None:
        """As `CountedHere.enter`, for what `take_later` answered with."""
        ...


class AtOnce:
    """A chain at hand for whoever can also wait for an answer."""

    def __init__(self, chain: CountedHere, clock: Callable[[], float]) -> None:
        self._chain = chain
        self._clock = clock

    def readings(self) -> Sequence[Reading]:
        return self._chain.readings()

    def refresh_later(self, answered: Callable[[Counted], None]) -> None:
        answered(self._chain)

    def take_later(self, tokens: int, most_wait_s: float, answered: Answered) -> StopAsking | None:
        answered(self._chain, self._chain.take(tokens, self._clock(), most_wait_s))
        return None

    def enter_later(
        self,
        counted: Counted,  # noqa: ARG002  it is this chain
        answered: Callable[[Limit | None], None],
    ) -> StopAsking | None:
        answered(self._chain.enter(self._clock()))
        return None


class RemoteStore(Protocol):
    """A store that is asked over a connection."""

    def bind(self, scopes: tuple[Scope, ...]) -> CountedElsewhere: ...

    def expect(self, gateways: int) -> None:
        """Take note that so many processes ask it: while it is away, each counts its share."""
        ...

    @property
    def counters(self) -> dict[str, int]: ...

    @property
    def is_up(self) -> bool:
        """False while it does not answer, and calls are decided without it."""
        ...

    def close(self) -> None: ...
