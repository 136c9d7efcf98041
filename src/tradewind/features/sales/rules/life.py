"""The life of a subscription: its states, its moves, and what they charge.

A move takes a life and a moment and returns a step. `next_at` says when something happens by
itself, `advance` does it; whoever looks late calls it again and again, and gets each move with the
moment at which it was due.
"""

import calendar
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple, Protocol

import msgspec

from tradewind.core.pricing.charges import PlanTerms, Term
from tradewind.core.pricing.proration import prorated
from tradewind.features.sales.errors import MoveRefused

QUANTITY_MAX = 100_000
UNPAID = "unpaid"
"""For what somebody is suspended who did not pay; paying ends that, and nothing else."""
_MONTHS = {Term.MONTH: 1, Term.YEAR: 12}


class State(StrEnum):
    PENDING = "pending"
    """Bought; whoever sells it has not set it up yet."""
    TRIAL = "trial"
    ACTIVE = "active"
    PAST_DUE = "past_due"
    """Something is not paid; calls go on until it is suspended."""
    PAUSED = "paused"
    SUSPENDED = "suspended"
    CANCELLED = "cancelled"


USABLE = frozenset({State.TRIAL, State.ACTIVE, State.PAST_DUE})
"""In these what was subscribed to may be called."""


class Move(StrEnum):
    SUBSCRIBED = "subscribed"
    TRIAL_BEGAN = "trial_began"
    TRIAL_ENDING = "trial_ending"
    ACTIVATED = "activated"
    RENEWED = "renewed"
    PLAN_CHANGED = "plan_changed"
    PRIVATE_PRICE_ENDED = "private_price_ended"
    PAUSED = "paused"
    RESUMED = "resumed"
    CANCEL_ASKED = "cancel_asked"
    CANCEL_TAKEN_BACK = "cancel_taken_back"
    PAST_DUE = "past_due"
    REMINDED = "reminded"
    PAID = "paid"
    SUSPENDED = "suspended"
    REINSTATED = "reinstated"
    CANCELLED = "cancelled"


class Binding(NamedTuple):
    """What a subscription is charged by."""

    plan_id: str
    terms: PlanTerms
    until: datetime | None = None
    """When a private price ends."""


class Offered(Protocol):
    """What the offer says at a moment."""

    def renewed(self, plan_id: str, at: datetime) -> Binding:
        """Return what a term that begins at `at` is charged by: a newer version, once it binds."""
        ...

    def listed(self, plan_id: str) -> Binding:
        """Return the plan at its list price."""
        ...


@dataclass(frozen=True, slots=True)
class Policy:
    """What follows by itself, in days: since something was due where nobody pays."""

    reminder_days: tuple[int, ...] = (0, 3, 7, 12)
    suspend_days: int = 14
    cancel_days: int = 44
    pending_days: int = 30
    """After which what was not set up is cancelled."""
    trial_notice_days: int = 3
    """How long before its end a longer trial is said to end."""


@dataclass(frozen=True, slots=True)
class Life:
    state: State
    plan_id: str
    terms: PlanTerms
    quantity: int
    anchor: datetime
    """Terms are counted from here, so that the 31st stays the 31st after a February."""
    number: int
    """Of the term since `anchor`; 0 before the first."""
    term_start: datetime
    term_end: datetime
    whole: timedelta
    """How long the whole term is, pauses apart: the denominator of every proration."""
    priced_until: datetime | None = None
    trial_until: datetime | None = None
    cancel_at: datetime | None = None
    past_due_since: datetime | None = None
    reminders: int = 0
    paused_at: datetime | None = None
    suspended_for: str = ""
    since: datetime | None = None
    """Since when plan and quantity are what they are; None while it cannot be used."""

    @property
    def is_in_trial(self) -> bool:
        return self.trial_until is not None and self.term_end == self.trial_until


class Charge(NamedTuple):
    """A fee in advance; below zero gives back."""

    nanos: int
    since: datetime
    until: datetime
    plan_id: str


@dataclass(frozen=True, slots=True)
class Step:
    """One move: what the subscription is now, and what that charges."""

    move: Move
    at: datetime
    life: Life
    charges: tuple[Charge, ...] = ()
    reason: str = ""


def begin(binding: Binding, quantity: int, at: datetime, *, waits: bool, has_trial: bool) -> Step:
    """Subscribe. `waits` is for what its seller has to set up first."""
    check_quantity(quantity)
    life = Life(
        state=State.PENDING,
        plan_id=binding.plan_id,
        terms=binding.terms,
        quantity=quantity,
        anchor=at,
        number=0,
        term_start=at,
        term_end=at,
        whole=_end(at, 1, binding.terms.term) - at,
        priced_until=binding.until,
        trial_until=at if has_trial and binding.terms.trial_days else None,
    )
    return Step(Move.SUBSCRIBED, at, life) if waits else activate(life, at)


def activate(life: Life, at: datetime) -> Step:
    """Begin the trial, or the first term where there is none."""
    _require(life, "be activated", State.PENDING)
    if life.trial_until is None:
        return _start(life, at, at, Move.ACTIVATED)
    until = at + timedelta(days=life.terms.trial_days)
    trial = replace(
        life, state=State.TRIAL, term_start=at, term_end=until, trial_until=until, since=at
    )
    return Step(Move.TRIAL_BEGAN, at, trial)


def next_at(life: Life, policy: Policy) -> datetime | None:
    """Return when the life goes on by itself, None for never."""
    return min((at for at, _ in _upcoming(life, policy)), default=None)


def advance(life: Life, policy: Policy, offered: Offered) -> Step:
    """Make the move that is due next, at its own moment."""
    # What stands first wins where two are due at once: a term that ended needs no reminder.
    at, due = min(_upcoming(life, policy), key=lambda pair: pair[0])
    match due:
        case Move.RENEWED:
            return _renew(life, at, offered)
        case Move.PRIVATE_PRICE_ENDED:
            return _listed(life, at, offered)
        case Move.REMINDED | Move.TRIAL_ENDING:
            return Step(due, at, replace(life, reminders=life.reminders + 1))
        case Move.SUSPENDED:
            return suspend(life, at, UNPAID)
        case _:
            reason = UNPAID if life.state is State.SUSPENDED else "never set up"
            return _ended(life, at, "" if life.cancel_at is not None else reason)


def _upcoming(life: Life, policy: Policy) -> Iterator[tuple[datetime, Move]]:
    match life.state:
        case State.PENDING:
            yield life.term_start + timedelta(days=policy.pending_days), Move.CANCELLED
        case State.TRIAL | State.ACTIVE | State.PAST_DUE:
            yield life.term_end, Move.RENEWED
            if life.priced_until is not None:
                yield life.priced_until, Move.PRIVATE_PRICE_ENDED
            if life.state is State.TRIAL and life.reminders == 0:
                notice = life.term_end - timedelta(days=policy.trial_notice_days)
                if notice > life.term_start:
                    yield notice, Move.TRIAL_ENDING
            if life.state is State.PAST_DUE and life.past_due_since is not None:
                yield life.past_due_since + timedelta(days=policy.suspend_days), Move.SUSPENDED
                if life.reminders < len(policy.reminder_days):
                    days = policy.reminder_days[life.reminders]
                    yield life.past_due_since + timedelta(days=days), Move.REMINDED
        case State.SUSPENDED:
            if life.cancel_at is not None:
                yield life.cancel_at, Move.CANCELLED
            if life.past_due_since is not None:
                yield life.past_due_since + timedelta(days=policy.cancel_days), Move.CANCELLED
        case State.PAUSED | State.CANCELLED:
            return


# --- what somebody asks for ------------------------------------------------------------------


def change(life: Life, at: datetime, binding: Binding, quantity: int) -> Step:
    """Take another plan, another quantity, or both. What is left of the term is charged exactly:
    the old fee's share is given back, the new one's is taken. A plan of another term begins one.
    """
    _require(life, "be changed", State.TRIAL, State.ACTIVE)
    check_quantity(quantity)
    if binding.terms.currency != life.terms.currency:
        raise MoveRefused("a subscription keeps its currency", hint="cancel it and subscribe anew")
    changed = replace(
        life,
        plan_id=binding.plan_id,
        terms=binding.terms,
        quantity=quantity,
        priced_until=binding.until,
        since=at,
    )
    if life.is_in_trial:
        return Step(Move.PLAN_CHANGED, at, changed)
    back = tuple(_rest(life, at, -1))
    if binding.terms.term is life.terms.term:
        return Step(Move.PLAN_CHANGED, at, changed, back + tuple(_rest(changed, at, 1)))
    begun = _start(replace(changed, cancel_at=None), at, at, Move.PLAN_CHANGED)
    return replace(begun, charges=back + begun.charges)


def pause(life: Life, at: datetime) -> Step:
    """Stop for a while. What is left of the term is still there afterwards."""
    _require(life, "be paused", State.ACTIVE)
    return Step(Move.PAUSED, at, replace(life, state=State.PAUSED, paused_at=at, since=None))


def resume(life: Life, at: datetime, offered: Offered) -> Step:
    _require(life, "be resumed", State.PAUSED)
    assert life.paused_at is not None
    end = life.term_end + (at - life.paused_at)
    resumed = replace(
        life,
        state=State.ACTIVE,
        paused_at=None,
        term_end=end,
        anchor=end,
        number=0,
        cancel_at=None if life.cancel_at is None else end,
        since=at,
    )
    return _with_price(resumed, at, offered, Move.RESUMED)


def cancel(life: Life, at: datetime, *, is_now: bool, refunds: bool = False) -> Step:
    """Cancel at the end of the term, or now. What has not begun, or stands still, ends now."""
    if life.state is State.CANCELLED:
        raise MoveRefused("the subscription is cancelled already")
    if not is_now and life.state in USABLE:
        return Step(Move.CANCEL_ASKED, at, replace(life, cancel_at=life.term_end))
    # A paused one has what was left when it was paused.
    left_from = at if life.paused_at is None else life.paused_at
    back = tuple(_rest(life, left_from, -1)) if refunds and life.state is not State.PENDING else ()
    return replace(_ended(life, at, ""), charges=back)


def keep(life: Life, at: datetime) -> Step:
    """Take back that it is cancelled at the end of its term."""
    if life.state is State.CANCELLED or life.cancel_at is None:
        raise MoveRefused("the subscription is not about to end", hint="subscribe anew if it has")
    return Step(Move.CANCEL_TAKEN_BACK, at, replace(life, cancel_at=None))


def note_unpaid(life: Life, at: datetime, reason: str = "") -> Step | None:
    """Begin to ask for what is due; None where that has begun, or nothing is."""
    if life.state is not State.ACTIVE:
        return None
    unpaid = replace(life, state=State.PAST_DUE, past_due_since=at, reminders=0)
    return Step(Move.PAST_DUE, at, unpaid, reason=reason)


def note_paid(life: Life, at: datetime, offered: Offered) -> Step | None:
    if life.past_due_since is None or life.state is State.CANCELLED:
        return None
    if life.state is State.SUSPENDED and life.suspended_for == UNPAID:
        return reinstate(life, at, offered)
    # What was suspended for something else stays so: money does not settle that.
    state = State.ACTIVE if life.state is State.PAST_DUE else life.state
    return Step(Move.PAID, at, replace(life, state=state, past_due_since=None, reminders=0))


def suspend(life: Life, at: datetime, reason: str) -> Step:
    _require(life, "be suspended", *USABLE)
    suspended = replace(life, state=State.SUSPENDED, suspended_for=reason, since=None)
    return Step(Move.SUSPENDED, at, suspended, reason=reason)


def reinstate(life: Life, at: datetime, offered: Offered) -> Step:
    """Go on: within the term that is still running, or with a new one from now on."""
    _require(life, "be reinstated", State.SUSPENDED)
    freed = replace(life, past_due_since=None, reminders=0, suspended_for="")
    if at < life.term_end:
        state = State.TRIAL if life.is_in_trial else State.ACTIVE
        # The moment to say that a trial ends may be over by now.
        running = replace(freed, state=state, since=at, reminders=int(life.is_in_trial))
        return _with_price(running, at, offered, Move.REINSTATED)
    return _start(_for_term(freed, at, offered), at, at, Move.REINSTATED)


# --- inside ------------------------------------------------------------------------------------


def _renew(life: Life, at: datetime, offered: Offered) -> Step:
    if life.cancel_at is not None:
        return _ended(life, at, "")
    move = Move.ACTIVATED if life.is_in_trial else Move.RENEWED
    anchor = at if life.is_in_trial else life.anchor
    number = 0 if life.is_in_trial else life.number
    return _start(replace(_for_term(life, at, offered), number=number), at, anchor, move)


def _for_term(life: Life, at: datetime, offered: Offered) -> Life:
    """Return it with what a term that begins now costs: a private price holds until its end."""
    if life.priced_until is not None and life.priced_until > at:
        return life
    return _bound(life, offered.renewed(life.plan_id, at))


def _start(life: Life, at: datetime, anchor: datetime, move: Move) -> Step:
    """Begin the next term counted from `anchor`, at `at`."""
    number = 1 if anchor == at else life.number + 1
    end = _end(anchor, number, life.terms.term)
    started = replace(
        life,
        state=State.PAST_DUE if life.past_due_since is not None else State.ACTIVE,
        anchor=anchor,
        number=number,
        term_start=at,
        term_end=end,
        whole=end - at,
        since=at,
    )
    return Step(move, at, started, tuple(_rest(started, at, 1)))


def _listed(life: Life, at: datetime, offered: Offered) -> Step:
    bound = replace(_bound(life, offered.listed(life.plan_id)), since=at, priced_until=None)
    charges = () if life.is_in_trial else (*_rest(life, at, -1), *_rest(bound, at, 1))
    return Step(Move.PRIVATE_PRICE_ENDED, at, bound, charges)


def _with_price(life: Life, at: datetime, offered: Offered, move: Move) -> Step:
    """Go on with the list price where a private one ended while the subscription stood still."""
    if life.priced_until is None or life.priced_until > at:
        return Step(move, at, life)
    return replace(_listed(life, at, offered), move=move)


def _ended(life: Life, at: datetime, reason: str) -> Step:
    return Step(Move.CANCELLED, at, replace(life, state=State.CANCELLED, since=None), reason=reason)


def _bound(life: Life, binding: Binding) -> Life:
    return replace(life, plan_id=binding.plan_id, terms=binding.terms, priced_until=binding.until)


def _rest(life: Life, at: datetime, sign: int) -> Iterator[Charge]:
    """Yield the fee for what is left of the term; nothing in a trial, and nothing for nothing."""
    if life.is_in_trial or life.term_end <= at:
        return
    whole = times(life.terms, life.quantity)
    nanos = prorated(whole, share(life.term_end - at, life.whole)).fee_nanos
    if nanos:
        yield Charge(sign * nanos, at, life.term_end, life.plan_id)


def share(part: timedelta, whole: timedelta) -> Fraction:
    """Return how much of a term a part is, 0 to 1, exact."""
    unit = timedelta(microseconds=1)
    return min(Fraction(1), Fraction(part // unit, whole // unit))


def times(terms: PlanTerms, quantity: int) -> PlanTerms:
    """Return what `quantity` of a plan cost: fees, minimums and included units of all of them."""
    return msgspec.structs.replace(
        terms,
        fee_nanos=terms.fee_nanos * quantity,
        minimum_nanos=terms.minimum_nanos * quantity,
        charges=tuple(
            msgspec.structs.replace(charge, included=charge.included * quantity)
            for charge in terms.charges
        ),
    )


def check_quantity(quantity: int) -> None:
    """Raises MoveRefused."""
    if not 1 <= quantity <= QUANTITY_MAX:
        raise MoveRefused(f"a quantity is between 1 and {QUANTITY_MAX:,}")


def _end(anchor: datetime, number: int, term: Term) -> datetime:
    months = anchor.month - 1 + number * _MONTHS[term]
    year, month = anchor.year + months // 12, months % 12 + 1
    day = min(anchor.day, calendar.monthrange(year, month)[1])
    return anchor.replace(year=year, month=month, day=day)


def _require(life: Life, what: str, *states: State) -> None:
    if life.state not in states:
        raise MoveRefused(f"a subscription that is {life.state.value} cannot {what}")
