"""The rules of terms and budgets: pure, without clock, database or randomness."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from tradewind.core.errors import InvalidInput
from tradewind.features.budgets.schemas import NewBudget, NewTerms, PeriodKind
from tradewind.snapshot.contents import Limits

AMOUNT_MAX_NANOS = 2**62
"""Sums of two amounts fit in the columns."""
MODELS_MAX = 200
PERCENTS_MAX = 10
PERCENT_MAX = 1_000
CACHE_TTL_MAX_S = 86_400
RESPONSE_DAYS_MAX = 365
CONTENT_DAYS_MAX = 90
_LITTLE_PERCENT = 10
_LIMIT_MAX = 2**31 - 1
_NAME_MAX = 80
_MODEL_MAX = 200
_PLACES_MAX = 64
_PLACE = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")
_CURRENCY = re.compile(r"[A-Z]{3}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


# --- periods ---------------------------------------------------------------------------------


class Period(NamedTuple):
    start: datetime
    end: datetime | None
    """Exclusive; None is never."""


def period_at(kind: PeriodKind, moment: datetime) -> Period:
    """Return the period that holds a moment, in UTC."""
    day = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    match kind:
        case PeriodKind.DAY:
            return Period(day, day + timedelta(days=1))
        case PeriodKind.MONTH:
            first = day.replace(day=1)
            return Period(first, (first + timedelta(days=32)).replace(day=1))
        case PeriodKind.TOTAL:
            return Period(_EPOCH, None)


# --- leases ----------------------------------------------------------------------------------


class Balance(NamedTuple):
    """Sums of one budget in one period."""

    amount: int
    spent: int
    leased: int
    overspent: int = 0

    @property
    def left(self) -> int:
        return max(0, self.amount - self.spent - self.leased)


class LeaseTotals(NamedTuple):
    """One lease, in totals since it began."""

    granted: int = 0
    used: int = 0
    is_expired: bool = False

    @property
    def outstanding(self) -> int:
        """What is granted and not used."""
        return max(0, self.granted - self.used)

    @property
    def parts(self) -> tuple[int, int, int]:
        """Its parts of the balance: spent, leased, overspent."""
        counted = min(self.granted, self.used)
        beyond = self.used - counted
        if self.is_expired:
            return self.granted, 0, beyond
        return counted, self.granted - counted, beyond


class Renewal(NamedTuple):
    balance: Balance
    lease: LeaseTotals


def renew(
    balance: Balance,
    lease: LeaseTotals,
    *,
    used: int,
    needed: int,
    wanted: int,
    may_grow: bool = True,
) -> Renewal:
    """Return what becomes of a lease whose gateway reports and asks; see `wire.leases`.

    It gets what it needs as far as there is anything left, and of what it would like beyond that
    one hundredth of the rest, so that no gateway takes what others need. What it no longer needs
    goes back. What was used beyond the grant is covered if there is anything left, else it is noted
    as overspent.
    """
    used = max(lease.used, used)
    without = _without(balance, lease)
    most = max(lease.granted, without.amount - without.spent - without.leased)
    if not may_grow:
        most = lease.granted
    needed = max(0, needed)
    share = max(0, most - used - needed) // 100
    granted = min(most, used + max(needed, min(wanted, needed + share)))
    return _with(without, LeaseTotals(granted, used))


def is_exhausted(renewal: Renewal, *, needed: int) -> bool:
    """Say whether a gateway has to refuse calls for want of money: it gets less than they need,
    nothing can come back from others, and what is left is not much. Of much, calls of its own that
    run hold the most, and will give it back.
    """
    balance, lease = renewal
    others = balance.leased - lease.outstanding
    unspent = balance.amount - balance.spent
    is_little = unspent * 100 <= balance.amount * _LITTLE_PERCENT
    return lease.granted < lease.used + needed and others <= 0 and is_little


def expire(balance: Balance, lease: LeaseTotals) -> Renewal:
    """Count all of a lease as spent: its gateway fell silent, and may have spent it."""
    return _with(_without(balance, lease), lease._replace(is_expired=True))


def settle(balance: Balance, lease: LeaseTotals, truly_used: int) -> Renewal:
    """Count what a dead gateway has spent by its journal instead of all it could have."""
    used = max(lease.used, truly_used)
    without = _without(balance, lease)
    granted = min(max(lease.granted, 0), used)
    return _with(without, LeaseTotals(granted, used))


def _without(balance: Balance, lease: LeaseTotals) -> Balance:
    spent, leased, beyond = lease.parts
    return Balance(
        balance.amount,
        balance.spent - spent,
        balance.leased - leased,
        balance.overspent - beyond,
    )


def _with(balance: Balance, lease: LeaseTotals) -> Renewal:
    spent, leased, beyond = lease.parts
    return Renewal(
        Balance(
            balance.amount,
            balance.spent + spent,
            balance.leased + leased,
            balance.overspent + beyond,
        ),
        lease,
    )


# --- alerts ----------------------------------------------------------------------------------


def percents_reached(percents: Sequence[int], spent_nanos: int, amount_nanos: int) -> list[int]:
    """Return which parts of the amount are spent. Of an amount of zero all are."""
    return [each for each in percents if spent_nanos * 100 >= amount_nanos * each]


# --- what is taken in ------------------------------------------------------------------------


def check_terms(terms: NewTerms) -> None:
    """Raises InvalidInput."""
    check_limits(terms.limits)
    if len(terms.models) > MODELS_MAX:
        raise InvalidInput(f"there are limits for more than {MODELS_MAX} models")
    names = [each.model for each in terms.models]
    if len(set(names)) < len(names):
        raise InvalidInput("a model has two limits")
    for each in terms.models:
        if not 1 <= len(each.model) <= _MODEL_MAX or not each.model.isprintable():
            raise InvalidInput(f"the name of a model is not 1 to {_MODEL_MAX} printable characters")
        check_limits(each.limits)
    for what, places in (("regions", terms.conditions.regions), ("zones", terms.conditions.zones)):
        if len(places) > _PLACES_MAX:
            raise InvalidInput(f"there are more than {_PLACES_MAX} {what}")
        if not all(_PLACE.fullmatch(place) for place in places):
            raise InvalidInput(f"{what} are lower-case letters, digits and dashes")
    for what, number, most in (
        ("cache_ttl_s", terms.cache_ttl_s, CACHE_TTL_MAX_S),
        ("response_days", terms.response_days, RESPONSE_DAYS_MAX),
        ("content_days", terms.content_days, CONTENT_DAYS_MAX),
    ):
        if not 0 <= number <= most:
            raise InvalidInput(f"{what} is not 0 to {most}")


def check_limits(limits: Limits) -> None:
    """Raises InvalidInput. Zero is a limit: it admits nothing."""
    for what, limit in (
        ("requests_per_minute", limits.requests_per_minute),
        ("tokens_per_minute", limits.tokens_per_minute),
        ("concurrent_requests", limits.concurrent_requests),
    ):
        if limit is not None and not 0 <= limit <= _LIMIT_MAX:
            raise InvalidInput(f"{what} is not 0 to {_LIMIT_MAX}")


def check_budget(new: NewBudget) -> None:
    """Raises InvalidInput."""
    clean_name(new.name)
    check_amount(new.amount_nanos)
    clean_percents(new.alert_percents)
    if not _CURRENCY.fullmatch(new.currency):
        raise InvalidInput("the currency is not a code of three letters (ISO 4217)")


def check_amount(nanos: int) -> None:
    if not 0 <= nanos <= AMOUNT_MAX_NANOS:
        raise InvalidInput("the amount is negative or too large")


def clean_name(text: str) -> str:
    """Return a name without outer spaces. Raises InvalidInput."""
    name = text.strip()
    if not 1 <= len(name) <= _NAME_MAX or not name.isprintable():
        raise InvalidInput(
            f"the name of the budget is not 1 to {_NAME_MAX} printable characters",
            hint="choose another name",
        )
    return name


def clean_percents(percents: Sequence[int]) -> list[int]:
    """Return the parts at which to alert, in order and each once. Raises InvalidInput."""
    if len(percents) > PERCENTS_MAX or not all(1 <= each <= PERCENT_MAX for each in percents):
        raise InvalidInput(f"alerts are at most {PERCENTS_MAX} percents of 1 to {PERCENT_MAX}")
    return sorted(set(percents))
