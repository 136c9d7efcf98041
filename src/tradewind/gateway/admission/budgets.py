"""Budgets in the gateway: every call takes a hold of its worst-case cost from a lease, and settles
with what it has cost.

A *lease* is a slice of a budget that the control plane has set aside for this gateway; what all
gateways hold and what is spent never exceed the amount, so a call that fits into the lease needs to
ask nobody. A call that does not fit waits until the control plane has answered. Where the budget
cannot pay for the whole call any more, it pays for a shorter answer, and when it pays for none the
call is refused. With the control plane away the leases are spent down, then calls are refused.
"""

import logging
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import msgspec

from tradewind.gateway.admission.base import Ask, Waiting
from tradewind.gateway.admission.lease import Lease, WorstCase, worst_case
from tradewind.gateway.admission.timers import Timers
from tradewind.gateway.backstage import AsksBackstage, BackstageAnswer
from tradewind.snapshot.contents import Budget
from tradewind.wire.decoding import UNREADABLE
from tradewind.wire.errors import ApiError, retry_after, unavailable
from tradewind.wire.leases import (
    MOST_LEASES,
    LeaseAnswer,
    LeaseAsk,
    LeaseGrant,
    LeaseRequest,
)

MOST_WAITING = 10_000
_ANSWER_WAIT_S = 2.0
"""For the control plane."""
_HELD_WAIT_S = 1.0
"""For money that is only held: most calls cost far less than their worst case."""
_BEAT_S = 0.1
"""How often is asked again while calls wait."""
_BELIEVED_S = 1.0
"""How long "nothing is left" is believed without asking again."""
_AWAY_S = 0.25
_TICK_S = 5.0
_RENEW_S = 20.0
_IDLE_S = 60.0
_ASK_AHEAD_S = 0.02
_MOST_RETIRED = 1_000
_log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(LeaseAnswer).decode


class Holding(msgspec.Struct, frozen=True):
    """What one call holds of its budgets."""

    leases: Sequence[Lease]
    nanos: int
    most_output_tokens: int | None


class Budgets:
    """The leases of one gateway process. Used from the event loop's thread only."""

    def __init__(
        self,
        backstage: AsksBackstage,
        timers: Timers,
        *,
        node: str,
        boot: int,
        clock: Callable[[], float] = time.monotonic,
        unix_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._backstage = backstage
        self._timers = timers
        self._node = node
        self._boot = boot
        self._clock = clock
        self._unix_ms = unix_ms
        self._leases: dict[str, Lease] = {}
        self._retired: list[Lease] = []
        self._seekers: dict[int, _Seeker] = {}
        self._next_ticket = 0
        self._to_ask: dict[int, Lease] = {}
        self._is_serving_soon = self._is_beating = self._is_ticking = self._is_closing = False
        self._when_closed: Callable[[], None] | None = None
        self.overruns = 0
        """Calls that cost more than they held: each is a bug of a price, a host or ours."""
        self.unanswered = 0
        """Questions for leases that nobody answered."""

    @property
    def waiting(self) -> int:
        """How many calls wait for a lease."""
        return len(self._seekers)

    @property
    def leases(self) -> int:
        """Of how many budgets a part is leased."""
        return len(self._leases)

    def seek(
        self,
        ask: Ask,
        budgets: tuple[Budget, ...],
        held: Callable[[Holding | None], None],
        refused: Callable[[ApiError], None],
    ) -> Waiting | None:
        """Hold the worst case of a call, now or later. Exactly one callback is called, before this
        returns if that is None.

        A call that cannot cost anything holds nothing: free models stay free.
        """
        worst = worst_case(ask)
        if not worst.whole_nanos:
            held(None)
            return None
        for budget in budgets:
            if budget.currency != worst.currency:
                refused(_in_other_currency(budget, worst.currency))
                return None
        holding = self.take(budgets, worst)
        if holding is not None:
            held(holding)
            return None
        if len(self._seekers) >= MOST_WAITING:
            refused(_unavailable(budgets[0]))
            return None
        seeker = self._begin_to_seek(budgets, worst, held, refused)
        if any(lease.waiting > worst.whole_nanos for lease in seeker.leases):
            self._serve_soon()  # others came before
        else:
            seeker.attempt(self._clock())
        return None if seeker.is_ended else seeker

    def take(self, budgets: tuple[Budget, ...], worst: WorstCase) -> Holding | None:
        """Hold the whole worst case from every budget at once; None when that needs asking."""
        nanos, now_ms = worst.whole_nanos, 0
        leases: list[Lease] = []
        for budget in budgets:
            lease = self._leases.get(budget.id)
            if (
                lease is None
                or lease.waiting
                or lease.granted - lease.used - lease.held < nanos
                or budget.currency != worst.currency
            ):
                return None
            end_ms = lease.period_end_ms
            if end_ms is not None:
                now_ms = now_ms or self._unix_ms()
                if now_ms >= end_ms:
                    return None
            leases.append(lease)
        return self.hold(leases, worst, nanos)

    def spend(self, holding: Holding, cost_nanos: int, now: float) -> None:
        """End a call: release its hold and count what it has cost. Exactly once."""
        for lease in holding.leases:
            lease.held -= holding.nanos
            lease.used += cost_nanos
            lease.used_at = now
            if not lease.left and lease.leased_elsewhere and now - lease.reported_at > _BEAT_S:
                # The end of the budget: what this call did not need, another gateway may.
                self.ask_for(lease)
        if cost_nanos > holding.nanos:
            self.overruns += 1
            names = ", ".join(lease.budget.id for lease in holding.leases)
            _log.error("a call held %d nanos of %s and cost %d", holding.nanos, names, cost_nanos)
        if self._seekers:
            self._serve_soon()

    def standing_of(self, budget: Budget) -> tuple[int | None, bool]:
        """Return what this gateway knows to be left of a budget, or None, and whether it is known
        to be spent.
        """
        lease = self._leases.get(budget.id)
        if lease is None or lease.period_ms is None:
            return None, False
        left = lease.available + lease.left
        return left, left <= 0 and lease.exhausted_until > self._clock()

    def close(self, closed: Callable[[], None]) -> None:
        """Report what is spent and give back what is not held. `closed` is called when that is
        answered, or nobody answers.
        """
        self._is_closing = True
        self._when_closed = closed
        for lease in (*self._leases.values(), *self._retired):
            self._to_ask[id(lease)] = lease
        self._send()
        self._close_if_answered()

    def ask_for(self, lease: Lease) -> None:
        """Ask the control plane, together with all that is asked in this turn of the loop."""
        if lease.is_asked or id(lease) in self._to_ask:
            return
        if not self._to_ask:
            self._timers.call_soon(self._send)
        self._to_ask[id(lease)] = lease

    def hold(self, leases: Sequence[Lease], worst: WorstCase, nanos: int) -> Holding:
        """Take what is known to be available."""
        for lease in leases:
            held = lease.held = lease.held + nanos
            available = lease.granted - lease.used - held
            assert available >= 0, "a hold is never larger than what is there"
            # Before it runs dry, so that the next call need not wait.
            if available < 2 * nanos and lease.left:
                self._ask_ahead(lease)
        most = None
        if worst.can_cap:
            is_whole = nanos == worst.whole_nanos
            most = worst.most_output if is_whole else worst.output_for(nanos)
        return Holding(leases, nanos, most)

    def forget(self, seeker: "_Seeker") -> None:
        """The seeker has what it wanted, or wants it no more."""
        del self._seekers[seeker.ticket]
        for lease in seeker.leases:
            lease.stop_waiting(seeker.worst.whole_nanos)

    # What follows is private.

    def _ask_ahead(self, lease: Lease) -> None:
        if self._clock() - lease.reported_at > _ASK_AHEAD_S:
            self.ask_for(lease)

    def _begin_to_seek(
        self,
        budgets: tuple[Budget, ...],
        worst: WorstCase,
        held: Callable[[Holding | None], None],
        refused: Callable[[ApiError], None],
    ) -> "_Seeker":
        ticket = self._next_ticket
        self._next_ticket += 1
        leases = tuple(self._lease_of(budget) for budget in budgets)
        seeker = _Seeker(self, ticket, leases, worst, held=held, refused=refused, now=self._clock())
        self._seekers[ticket] = seeker
        for lease in leases:
            lease.wait_for(worst.whole_nanos)
        if not self._is_beating:
            self._is_beating = True
            self._timers.call_later(_BEAT_S, self._beat)
        return seeker

    def _lease_of(self, budget: Budget) -> Lease:
        lease = self._leases.get(budget.id)
        if lease is not None and lease.is_over(self._unix_ms()):
            self._retire(lease)
            lease = None
        if lease is None:
            lease = self._leases[budget.id] = Lease(budget, self._clock())
            self._tick_later()
        return lease

    def _retire(self, lease: Lease) -> None:
        """Its period is over: it is reported and given back once its last call has ended."""
        del self._leases[lease.budget.id]
        if len(self._retired) < _MOST_RETIRED:
            self._retired.append(lease)

    def _serve_soon(self) -> None:
        if not self._is_serving_soon:
            self._is_serving_soon = True
            self._timers.call_soon(self._serve)

    def _serve(self) -> None:
        """Let those who wait try again in the order they came. Nobody is overtaken at a lease, but
        whose time is over is told so, whoever stands before.
        """
        self._is_serving_soon = False
        now = self._clock()
        blocked: set[int] = set()
        for seeker in list(self._seekers.values()):
            is_behind = any(id(lease) in blocked for lease in seeker.leases)
            if seeker.is_ended or (is_behind and now < seeker.until):
                continue
            seeker.attempt(now)
            if not seeker.is_ended:
                blocked.update(map(id, seeker.leases))

    def _beat(self) -> None:
        """While calls wait: what others hold may have come back, and time may be over."""
        self._is_beating = False
        if not self._seekers:
            return
        self._is_beating = True
        self._timers.call_later(_BEAT_S, self._beat)
        for lease in {id(each): each for s in self._seekers.values() for each in s.leases}.values():
            self.ask_for(lease)
        self._serve()

    def _send(self) -> None:
        wanted = [lease for lease in self._to_ask.values() if not lease.is_asked]
        leases, later = wanted[:MOST_LEASES], wanted[MOST_LEASES:]
        self._to_ask = {id(lease): lease for lease in later}
        if later:
            self._timers.call_soon(self._send)
        if not leases:
            return
        now = self._clock()
        asks = tuple(lease.ask(is_returned=self._is_returned(lease, now)) for lease in leases)
        for lease in leases:
            lease.is_asked = True
            lease.asked_ticket = self._next_ticket - 1
        self._backstage.ask(
            "POST",
            "/leases",
            _encode(LeaseRequest(self._node, self._boot, asks)),
            lambda answer: self._answered(leases, asks, answer),
        )

    def _is_returned(self, lease: Lease, now: float) -> bool:
        if self._is_closing or lease is not self._leases.get(lease.budget.id):
            return True
        return not lease.held and not lease.waiting and now - lease.used_at > _IDLE_S

    def _answered(
        self, leases: list[Lease], asks: tuple[LeaseAsk, ...], answer: BackstageAnswer
    ) -> None:
        now = self._clock()
        grants = _grants_of(asks, answer)
        if grants is None:
            self.unanswered += 1
        for place, lease in enumerate(leases):
            lease.is_asked = False
            if grants is None:
                lease.away_until = now + _AWAY_S
                lease.is_in_doubt = True
            else:
                lease.take_answer(asks[place], grants[place], now, _BELIEVED_S)
        if self._is_closing and grants is not None:
            self._return_what_came(leases)
        self._drop_empty(now)
        if self._seekers:
            self._serve_soon()
        self._close_if_answered()

    def _return_what_came(self, leases: list[Lease]) -> None:
        """A question that was under way when this gateway began to stop brought a lease."""
        for lease in leases:
            if not lease.held and not lease.is_empty:
                self.ask_for(lease)

    def _close_if_answered(self) -> None:
        closed = self._when_closed
        if closed is None or self._to_ask:
            return
        if not any(lease.is_asked for lease in (*self._leases.values(), *self._retired)):
            self._when_closed = None
            closed()

    def _tick_later(self) -> None:
        if not self._is_ticking and not self._is_closing:
            self._is_ticking = True
            self._timers.call_later(_TICK_S, self._tick)

    def _tick(self) -> None:
        """Report what was spent, and give back what lies idle. Ends when nothing is leased."""
        self._is_ticking = False
        now, now_ms = self._clock(), self._unix_ms()
        for lease in list(self._leases.values()):
            if lease.is_over(now_ms):
                self._retire(lease)
        for lease in self._leases.values():
            is_due = lease.granted > lease.used and now - lease.reported_at >= _RENEW_S
            if is_due or lease.is_in_doubt or lease.used != lease.reported_used:
                self.ask_for(lease)
        for lease in self._retired:
            self.ask_for(lease)
        self._drop_empty(now)
        if self._leases or self._retired:
            self._tick_later()

    def _drop_empty(self, now: float) -> None:
        self._retired = [lease for lease in self._retired if not lease.is_empty]
        for budget_id, lease in list(self._leases.items()):
            if lease.is_empty and now - max(lease.used_at, lease.reported_at) > _IDLE_S:
                del self._leases[budget_id]


class _Seeker:
    """One call that waits for its budgets."""

    __slots__ = (
        "_came",
        "_desk",
        "_held",
        "_refused",
        "is_ended",
        "leases",
        "ticket",
        "until",
        "worst",
    )

    def __init__(
        self,
        desk: Budgets,
        ticket: int,
        leases: tuple[Lease, ...],
        worst: WorstCase,
        *,
        held: Callable[[Holding | None], None],
        refused: Callable[[ApiError], None],
        now: float,
    ) -> None:
        self.ticket = ticket
        self.leases = leases
        self.worst = worst
        self.is_ended = False
        self.until = now + _ANSWER_WAIT_S
        self._came = now
        self._desk = desk
        self._held = held
        self._refused = refused

    def cancel(self) -> None:
        """The caller has gone."""
        self._end()

    def attempt(self, now: float) -> None:
        """Hold, be refused, or go on waiting, by what the leases have at this moment."""
        whole = self.worst.whole_nanos
        pays, poor, unknown = whole, None, None
        is_held_only = False
        for lease in self.leases:
            if lease.available >= whole or lease.gone_until > now:
                continue
            is_answered = lease.answered_ticket >= self.ticket or lease.exhausted_until > now
            is_short = is_answered and not lease.left
            if lease.away_until > now or (not is_short and now >= self.until):
                self._refuse(_unavailable(lease.budget))
                return
            if not is_short:
                self._desk.ask_for(lease)
                unknown = lease
                continue
            is_held_only |= bool(lease.held or lease.leased_elsewhere)
            if lease.available < pays:
                pays, poor = lease.available, lease
        if unknown is not None or (is_held_only and now < self._came + _HELD_WAIT_S):
            return
        if poor is None:
            self._hold(whole, now)
        elif self.worst.can_cap and pays >= self.worst.least_nanos:
            # What its tokens cost, and not a nano more that would buy none.
            self._hold(self.worst.nanos(self.worst.output_for(pays)), now)
        else:
            self._refuse(_spent(poor))

    def _hold(self, nanos: int, now: float) -> None:
        self._end()
        leases = tuple(lease for lease in self.leases if lease.gone_until <= now)
        self._held(self._desk.hold(leases, self.worst, nanos) if leases else None)

    def _refuse(self, error: ApiError) -> None:
        self._end()
        self._refused(error)

    def _end(self) -> None:
        if not self.is_ended:
            self.is_ended = True
            self._desk.forget(self)


def _grants_of(
    asks: tuple[LeaseAsk, ...], answer: BackstageAnswer
) -> tuple[LeaseGrant, ...] | None:
    """Return what was granted, one for each that was asked; None when it was not answered so."""
    if answer.status != 200:
        return None
    try:
        grants = _decode(answer.body).leases
    except UNREADABLE as error:
        _log.error("the control plane's answer on leases cannot be read: %s", error)
        return None
    if [grant.budget for grant in grants] != [ask.budget for ask in asks]:
        _log.error("the control plane answered for other leases than it was asked for")
        return None
    return grants


def _spent(lease: Lease) -> ApiError:
    budget = lease.budget
    end_ms = lease.period_end_ms
    anew = (
        "It does not begin anew by itself."
        if end_ms is None
        else f"It begins anew at {datetime.fromtimestamp(end_ms / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}."
    )
    is_held = bool(lease.held or lease.leased_elsewhere)
    held = " What is left is held by running calls; some of it may come back." if is_held else ""
    return ApiError(
        402,
        f"The budget '{budget.name}' cannot pay for this call.{held} {anew}",
        type="insufficient_quota",
        code="budget_exceeded",
        headers=retry_after(_HELD_WAIT_S) if is_held else b"x-should-retry: false\r\n",
    )


def _in_other_currency(budget: Budget, currency: str) -> ApiError:
    return ApiError(
        402,
        f"The budget '{budget.name}' is in {budget.currency} and this model is priced in "
        f"{currency}, so it cannot pay for this call.",
        type="insufficient_quota",
        code="budget_currency",
        headers=b"x-should-retry: false\r\n",
    )


def _unavailable(budget: Budget) -> ApiError:
    return unavailable(
        f"What is left of the budget '{budget.name}' cannot be found out right now.",
        code="budget_unavailable",
    )
