"""The one admission function that every call goes through."""
# ruff: noqa: PLR1730  a call of min() costs seven times its comparison, and this is the hot path

import time
from collections.abc import Callable

import msgspec

from tradewind.gateway.admission import refusal
from tradewind.gateway.admission.applicant import Applicant, Way
from tradewind.gateway.admission.base import Admission, Ask, Waiting
from tradewind.gateway.admission.budgets import Budgets, Holding
from tradewind.gateway.admission.chain import NO_BOUND, Chain, Limit, Unit, chain_of
from tradewind.gateway.admission.check import Checked, check
from tradewind.gateway.admission.headers import rate_limit_lines
from tradewind.gateway.admission.lease import worst_case
from tradewind.gateway.admission.queue import MOST_WAITING, Lines
from tradewind.gateway.admission.store import (
    AtOnce,
    Counted,
    CountedElsewhere,
    CountedHere,
    Refusal,
    RemoteStore,
    Store,
)
from tradewind.gateway.admission.timers import Timers
from tradewind.snapshot.contents import Operation
from tradewind.snapshot.live_gateways import ALONE, LiveGateways
from tradewind.snapshot.view import SnapshotView
from tradewind.wire.errors import ApiError

EXPECTED_OUTPUT_TOKENS = 512
"""Reserved for a call that does not say how much it wants. What it really takes is settled."""
_CHAT = Operation.CHAT  # looked up in its Enum, a member costs as much as ten comparisons
_UPLOADS = frozenset({Operation.TRANSCRIPTION, Operation.TRANSLATION, Operation.IMAGE_EDITS})
_MOST_ENTRIES = 20_000
"""Pairs of key and model whose chains are kept ready; one is 1 KB."""


class Admissions:
    """Decides on calls of all keys. Used from the event loop's thread only."""

    def __init__(
        self,
        view: Callable[[], SnapshotView],
        timers: Timers,
        store: Store,
        *,
        budgets: Budgets,
        remote: RemoteStore | None = None,
        is_shared: bool = False,
        most_waiting: int = MOST_WAITING,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`view` is the snapshot in force; `remote` is asked instead of `store`; `is_shared` is
        that other processes count in the same store.
        """
        self._view = view
        self._timers = timers
        self._store = store
        self._remote = remote
        self._clock = clock
        self.lines = Lines(
            timers, is_shared=is_shared or remote is not None, most_waiting=most_waiting
        )
        self.budgets = budgets
        self.live = ALONE
        """How many count, by what was told last."""
        self._seen: SnapshotView | None = None
        self._entries: dict[str, dict[str, _Entry | None]] = {}
        self._bound = 0

    def ask(
        self, ask: Ask, admitted: Callable[[Admission], None], refused: Callable[[ApiError], None]
    ) -> Waiting | None:
        """Decide, now or later: exactly one of the callbacks is called, before this returns if it
        returns None.
        """
        entry = self._entry_of(ask)
        if entry is None:
            admitted(FREE)
            return None
        chain = entry.chain
        tokens = _reserved(ask, chain)
        if chain.closed is not None or tokens > chain.most_tokens:
            refused(self._never(entry, tokens))
            return None
        here, limits = entry.here, entry.limits
        if here is None or ask.queue_s or (limits and self.lines.first_of(limits) is not None):
            return self._apply(entry, ask, tokens, admitted, refused)
        now = self._clock()
        verdict = here.take(tokens, now)
        if isinstance(verdict, Refusal):
            refused(refusal.rate_limited(verdict, here.readings(), now))
            return None
        holding = None
        if chain.budgets:
            worst = worst_case(ask)
            if worst.whole_nanos:
                holding = self.budgets.take(chain.budgets, worst)
                if holding is None:
                    here.give_back(tokens, now, has_entered=True)
                    return self._apply(entry, ask, tokens, admitted, refused)
        most = None if holding is None else holding.most_output_tokens
        admitted(_Admission(self, here, limits, tokens, now, holding, most))
        return None

    def check(self, ask: Ask, answered: Callable[[Checked], None]) -> None:
        """Say what would become of a call, taking nothing. May answer later."""
        entry = self._entry_of(ask)
        if entry is None:
            now = self._clock()
            answered(check(ask, _NOTHING, 0, readings=[], budgets=self.budgets, now=now))
            return
        tokens = _reserved(ask, entry.chain)

        def refreshed(counted: Counted) -> None:
            readings, now = counted.readings(), self._clock()
            answered(
                check(ask, entry.chain, tokens, readings=readings, budgets=self.budgets, now=now)
            )

        entry.elsewhere.refresh_later(refreshed)

    def share_with(self, live: LiveGateways) -> None:
        """Give out only this host's part of each limit from now on: one n-th of n nodes.

        With a remote store the limits stay whole, and the number is for when that is away.
        """
        self.live = live
        if self._remote is not None:
            self._remote.expect(live.gateways)
        else:
            self._store.give_out(1 / live.nodes)
        self._entries, self._bound = {}, 0

    def close(self, closed: Callable[[], None]) -> None:
        """Give back what is leased, and let go of the stores; `closed` is called when all that is
        done.
        """

        def returned() -> None:
            if self._remote is not None:
                self._remote.close()
            self._store.close()
            closed()

        self.budgets.close(returned)

    @property
    def counters(self) -> dict[str, int]:
        """What went another way than usual, by kind, for /metrics."""
        kinds = {
            "hold_overruns": self.budgets.overruns,
            "leases_unanswered": self.budgets.unanswered,
        }
        for store in (self._store, self._remote):
            if store is not None:
                kinds |= store.counters
        return kinds

    @property
    def is_alone(self) -> bool:
        """Whether the server of limits is away, so that this gateway counts its share."""
        return self._remote is not None and not self._remote.is_up

    @property
    def waiting(self) -> int:
        """How many calls are neither admitted nor refused yet."""
        return self.lines.waiting + self.budgets.waiting

    def _entry_of(self, ask: Ask) -> "_Entry | None":
        """Return the chain, ready to be taken from; None when nothing limits the call."""
        view = self._view()
        if view is not self._seen:
            self._seen = view
            self._entries, self._bound = {}, 0
        by_model = self._entries.get(ask.grant.key_id)
        if by_model is not None:
            name = ask.endpoint.name
            if name in by_model:
                return by_model[name]
        return self._bind(view, ask)

    def _bind(self, view: SnapshotView, ask: Ask) -> "_Entry | None":
        if self._bound >= _MOST_ENTRIES or self._store.forget_idle(self._clock()):
            self._entries, self._bound = {}, 0
        self._bound += 1
        # What is in force now, not what was when the call came in: it is kept for others.
        grant = view.grant(ask.grant.key_id) or ask.grant
        endpoint = view.endpoint(ask.endpoint.name) or ask.endpoint
        chain = chain_of(view, grant, endpoint)
        entry = None if chain.is_free else self._entry(chain)
        self._entries.setdefault(grant.key_id, {})[ask.endpoint.name] = entry
        return entry

    def _entry(self, chain: Chain) -> "_Entry":
        if self._remote is not None and chain.scopes:
            return _Entry(chain, None, self._remote.bind(chain.scopes))
        here = self._store.bind(chain.scopes)
        return _Entry(chain, here, AtOnce(here, self._clock))

    def _apply(
        self,
        entry: "_Entry",
        ask: Ask,
        tokens: int,
        admitted: Callable[[Admission], None],
        refused: Callable[[ApiError], None],
    ) -> Waiting | None:
        """The long way in, for what cannot be decided at once."""
        chain = entry.chain

        def seek(
            held: Callable[[Holding | None], None], spent: Callable[[ApiError], None]
        ) -> Waiting | None:
            return self.budgets.seek(ask, chain.budgets, held, spent)

        def let_in(counted: Counted, holding: Holding | None) -> None:
            now = self._clock()
            most = None if holding is None else holding.most_output_tokens
            admitted(_Admission(self, counted, entry.limits, tokens, now, holding, most))

        def turn_away(why: Refusal | ApiError, counted: Counted | None) -> None:
            if isinstance(why, ApiError):
                refused(why)
                return
            readings = (counted or entry.elsewhere).readings()
            refused(refusal.rate_limited(why, readings, self._clock()))

        applicant = Applicant(
            Way(
                entry.elsewhere, entry.limits, tokens, ask.queue_s, seek if chain.budgets else None
            ),
            self.lines,
            self._timers,
            clock=self._clock,
            admitted=let_in,
            refused=turn_away,
        )
        applicant.start()
        return None if applicant.is_ended else applicant

    def _never(self, entry: "_Entry", tokens: int) -> ApiError:
        chain = entry.chain
        if chain.closed is not None:
            return refusal.closed(chain.closed, entry.elsewhere.readings(), self._clock())
        assert chain.narrowest is not None
        return refusal.never_fits(chain.narrowest, tokens)


class _Entry:
    """A chain with its place in the store. Exactly one of the two ways to it is the right one."""

    __slots__ = ("chain", "elsewhere", "here", "limits")

    def __init__(self, chain: Chain, here: CountedHere | None, elsewhere: CountedElsewhere) -> None:
        self.chain = chain
        self.here = here
        self.elsewhere = elsewhere
        self.limits = tuple(
            scope.limit(Unit.CALLS)
            for scope in chain.scopes
            if scope.concurrent_requests is not None
        )
        """Those of concurrent calls."""


class _Admission(msgspec.Struct, eq=False):
    """A struct of msgspec's, as it is made in 0.1 us where an `__init__` takes 0.3."""

    admissions: Admissions
    counted: Counted
    limits: tuple[Limit, ...]
    tokens: int
    began: float
    holding: Holding | None
    most_output_tokens: int | None

    def headers(self, now: float) -> bytes:
        return rate_limit_lines(self.counted.readings(), now)

    def settle(self, used_tokens: int, cost_nanos: int, now: float) -> None:
        self.counted.settle(used_tokens - self.tokens, now, now - self.began)
        if self.holding is not None:
            self.admissions.budgets.spend(self.holding, cost_nanos, now)
        if self.limits:
            self.admissions.lines.freed(self.limits)


class _Free:
    """The admission of all calls that nothing limits."""

    __slots__ = ()
    most_output_tokens: int | None = None

    def headers(self, now: float) -> bytes:  # noqa: ARG002
        return b""

    def settle(self, used_tokens: int, cost_nanos: int, now: float) -> None:
        """There is nothing to settle."""


FREE = _Free()
_NOTHING = Chain((), (), NO_BOUND, None, None)


def _reserved(ask: Ask, chain: Chain) -> int:
    """Return the tokens to take before the call runs; settled when it has ended."""
    endpoint = ask.endpoint
    tokens = ask.input_estimate
    if endpoint.operation is _CHAT:
        if tokens > endpoint.context_tokens:
            tokens = endpoint.context_tokens
    elif endpoint.operation in _UPLOADS:
        tokens = 0  # bytes of sound and pictures tell nothing of tokens
    if ask.output_limit is not None:
        return tokens + ask.output_limit
    if tokens > chain.most_tokens:
        return tokens
    # What is only expected never makes a call impossible that may turn out to be small.
    expected = min(EXPECTED_OUTPUT_TOKENS, endpoint.max_output_tokens) * ask.choices
    return min(tokens + expected, chain.most_tokens)
