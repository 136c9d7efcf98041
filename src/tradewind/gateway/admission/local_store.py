"""Limits of one process, in plain memory: what a platform with one gateway needs, and what holds
while a shared store is away.
"""
# ruff: noqa: FURB136  a call of max() costs five times its comparison, and this is the hot path

from collections.abc import Sequence

from tradewind.gateway.admission.chain import NO_BOUND, Limit, Scope, Unit
from tradewind.gateway.admission.rates import TOLERANCE_S, WINDOW_S
from tradewind.gateway.admission.store import Reading, Refusal

MOST_CELLS = 100_000
"""Scopes that are remembered; a cell is 250 bytes."""
# Nobody can know when a call ends. Told is how long one has taken of late, shared out among those
# that run, within these bounds.
_SHORTEST_WAIT_S = 0.02
_LONGEST_WAIT_S = 10.0
NEW_SHARE = 0.1


class Cell:
    """What is counted of one scope; its own `Reading`, so that headers cost no copies of it."""

    __slots__ = ("calls", "held_s", "requests_arrival", "scope", "tokens_arrival")

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        """As it was bound last."""
        self.requests_arrival = 0.0
        self.tokens_arrival = 0.0
        self.calls = 0
        self.held_s = 0.0
        """How long a call has taken of late, a moving mean."""

    def is_idle(self, now: float) -> bool:
        """Say whether a fresh cell would be the same."""
        return not self.calls and self.requests_arrival <= now and self.tokens_arrival <= now


_Link = tuple[Cell, float, float, int, int, Scope]
"""One scope of a chain, ready for arithmetic: its cell, what a request, a token and a call are
worth, most concurrent calls. What is not limited is worth nothing and has no bound, so that the
sums need not ask. A plain tuple, which is taken apart three times as fast as a named one, and every
call takes each apart three times.
"""


class LocalStore:
    """`share` is the part of every limit that this process may give out: 1 when it is alone, one
    n-th when n gateways cannot ask one another.
    """

    def __init__(self, share: float = 1.0, most_cells: int = MOST_CELLS) -> None:
        self._share = share
        self._most_cells = most_cells
        self._cells: dict[str, Cell] = {}

    def bind(self, scopes: tuple[Scope, ...]) -> "LocalChain":
        """Return the chain. Bind anew when `forget_idle` has forgotten something."""
        return LocalChain(tuple(self._link(scope) for scope in scopes))

    def forget_idle(self, now: float) -> bool:
        """Make room when there is little; true when chains must be bound anew.

        An idle cell says nothing that a fresh one would not.
        """
        if len(self._cells) < self._most_cells:
            return False
        self._cells = {name: cell for name, cell in self._cells.items() if not cell.is_idle(now)}
        if len(self._cells) >= self._most_cells:
            # All in use at once: the oldest half starts anew, which errs towards the callers.
            self._cells = dict(list(self._cells.items())[len(self._cells) // 2 :])
        return True

    def give_out(self, share: float) -> None:
        self._share = share

    @property
    def counters(self) -> dict[str, int]:
        return {}

    def close(self) -> None:
        """There is nothing to close."""

    def _link(self, scope: Scope) -> _Link:
        cell = self._cells.get(scope.name)
        if cell is None:
            cell = self._cells[scope.name] = Cell(scope)
        cell.scope = scope
        share = self._share
        most_calls = scope.concurrent_requests or 0
        return (
            cell,
            scope.request_s / share,
            scope.token_s / share,
            1 if most_calls else 0,
            max(1, int(most_calls * share)) if most_calls else NO_BOUND,
            scope,
        )


class LocalChain:
    """The cells of one chain. Used from the event loop's thread only."""

    __slots__ = ("_cells", "_is_below_one", "_links")

    def __init__(self, links: tuple[_Link, ...]) -> None:
        self._links = links
        self._cells = tuple(link[0] for link in links)
        # A share of a limit may be less than one request a minute: then not even the first fits.
        self._is_below_one = any(link[1] > WINDOW_S + TOLERANCE_S for link in links)

    def take(self, tokens: int, now: float, most_wait_s: float = 0.0) -> float | Refusal:
        """As CountedHere says; about 1 us for three scopes."""
        if self._is_below_one:
            return self._take_later(tokens, now, most_wait_s)
        latest = now + WINDOW_S + TOLERANCE_S
        for cell, request_s, token_s, _, most_calls, _ in self._links:
            if (
                cell.requests_arrival + request_s > latest
                or cell.tokens_arrival + tokens * token_s > latest
                or cell.calls >= most_calls
            ):
                return self._take_later(tokens, now, most_wait_s)
        for cell, request_s, token_s, call, _, _ in self._links:
            arrival = cell.requests_arrival
            cell.requests_arrival = (arrival if arrival > now else now) + request_s
            arrival = cell.tokens_arrival
            cell.tokens_arrival = (arrival if arrival > now else now) + tokens * token_s
            cell.calls += call
        return 0.0

    def enter(self, now: float) -> Limit | None:  # noqa: ARG002
        for cell, _, _, _, most_calls, scope in self._links:
            if cell.calls >= most_calls:
                return scope.limit(Unit.CALLS)
        for cell, _, _, call, _, _ in self._links:
            cell.calls += call
        return None

    def settle(self, surplus_tokens: int, now: float, held_s: float) -> None:
        for cell, _, token_s, call, _, _ in self._links:
            arrival = cell.tokens_arrival
            cell.tokens_arrival = (arrival if arrival > now else now) + surplus_tokens * token_s
            cell.calls -= call
            cell.held_s += (held_s - cell.held_s) * NEW_SHARE

    def give_back(self, tokens: int, now: float, *, has_entered: bool) -> None:
        for cell, request_s, token_s, call, _, _ in self._links:
            cell.requests_arrival = max(cell.requests_arrival, now) - request_s
            cell.tokens_arrival = max(cell.tokens_arrival, now) - tokens * token_s
            cell.calls -= call if has_entered else 0

    def readings(self) -> Sequence[Reading]:
        return self._cells

    def _take_later(self, tokens: int, now: float, most_wait_s: float) -> float | Refusal:
        """Take for the moment when all of it fits, if that is soon enough."""
        wait_s, binding, unit, full = TOLERANCE_S, None, Unit.REQUESTS, None
        for cell, request_s, token_s, _, most_calls, scope in self._links:
            if request_s:
                needed_s = max(cell.requests_arrival - now, 0.0) + request_s - WINDOW_S
                if needed_s > wait_s:
                    wait_s, binding, unit = needed_s, scope, Unit.REQUESTS
            if token_s:
                # Of a share of the limit, a call takes the whole burst at most: it would never fit.
                worth_s = min(tokens * token_s, WINDOW_S)
                needed_s = max(cell.tokens_arrival - now, 0.0) + worth_s - WINDOW_S
                if needed_s > wait_s:
                    wait_s, binding, unit = needed_s, scope, Unit.TOKENS
            if cell.calls >= most_calls and full is None:
                full = cell, scope
        if binding is None:
            wait_s = 0.0
        if full is not None or wait_s > most_wait_s:
            return self._refuse(wait_s, binding, unit, full)
        for cell, request_s, token_s, call, _, _ in self._links:
            cell.requests_arrival = max(cell.requests_arrival, now) + request_s
            cell.tokens_arrival = max(cell.tokens_arrival, now) + tokens * token_s
            cell.calls += 0 if wait_s else call
        return wait_s

    def _refuse(
        self,
        wait_s: float,
        binding: Scope | None,
        unit: Unit,
        full: tuple[Cell, Scope] | None,
    ) -> Refusal:
        limit = None
        if full is not None:
            cell, scope = full
            limit = scope.limit(Unit.CALLS)
            until_free_s = until_one_ends_s(cell.held_s, cell.calls)
            if binding is None or wait_s <= until_free_s:
                return Refusal(limit, until_free_s, limit)
        assert binding is not None
        return Refusal(binding.limit(unit), wait_s, limit)


def until_one_ends_s(held_s: float, calls: int) -> float:
    """Return about how long until one of so many calls ends, which each take `held_s`."""
    mean_s = held_s / max(1, calls)
    return min(max(mean_s, _SHORTEST_WAIT_S), _LONGEST_WAIT_S)
