"""Draws up what a publisher has earned in one currency, as it stands, and freezes it."""

from datetime import datetime, timedelta
from hashlib import sha256
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection

from tradewind.core.ids import PayoutRunId, PayoutStatementId
from tradewind.core.money import format_nanos
from tradewind.features.ledger.errors import EntryRefused, NoRate
from tradewind.features.ledger.schemas import AccountRef, Posting
from tradewind.features.ledger.service import Ledger
from tradewind.features.payouts.entries import Moved, on_its_way, payable
from tradewind.features.payouts.ports import Earnings, MinorDigits
from tradewind.features.payouts.repository import accounts, runs, statements
from tradewind.features.payouts.rules.deciding import Owing, Paid, Withholding, decide
from tradewind.features.payouts.schemas import (
    FrozenStatement,
    Profile,
    StatementContent,
    StatementLine,
    StatementRow,
    Terms,
    Waterfall,
)


class Drawn(NamedTuple):
    fall: Waterfall
    former: StatementRow | None
    """The statement before, whose end is this one's beginning."""
    moved: Moved
    terms: Terms


class Drawing:
    def __init__(self, ledger: Ledger, earnings: Earnings, minor_digits: MinorDigits) -> None:
        self._ledger = ledger
        self._earnings = earnings
        self._minor_digits = minor_digits

    def draw(
        self,
        tx: Connection,
        publisher: str,
        currency: str,
        profile: Profile | None,
        *,
        is_verified: bool,
        up_to: int | None,
        now: datetime,
    ) -> Drawn:
        """Return what came in since the last statement, and what of it can be paid.

        `up_to` is the number of the last entry to look at, None for all there are now.
        """
        terms = accounts.find_terms(tx, publisher) if profile is None else profile.terms
        former = statements.last_statement(tx, publisher, currency)
        earned = self._earnings.earned(
            tx,
            publisher,
            currency,
            after=0 if former is None else former.up_to,
            up_to=up_to,
            held_since=now - timedelta(days=terms.hold_days),
        )
        opening = 0 if former is None else former.closing_nanos
        kept, due = runs.reserves(tx, publisher, currency, now)
        target = currency if profile is None else profile.currency
        route = _Route(
            tx,
            self._ledger,
            (payable(publisher, currency), on_its_way(target)),
            self._minor_digits(target),
            now,
        )
        decision = decide(
            Owing(opening + earned.net_nanos, earned.held_nanos, due),
            Withholding(terms.tax_ppm, terms.reserve_ppm),
            minimum_nanos=0 if profile is None else profile.minimum_nanos,
            pay=route.pay,
            stopped_because=_why_not(tx, publisher, profile, now, is_verified=is_verified)
            or route.why_not(),
        )
        fall = Waterfall(
            publisher=publisher,
            currency=currency,
            opening_nanos=opening,
            earned=earned,
            tax_nanos=decision.tax_nanos,
            tax_jurisdiction=terms.tax_jurisdiction,
            reserve_nanos=decision.reserve_nanos,
            released_nanos=decision.released_nanos,
            payable_nanos=decision.paid.leaves_nanos,
            reserve_balance_nanos=kept,
            carried_because=decision.carried_because,
            paid_nanos=decision.paid.arrives_nanos,
            paid_currency=target,
            exchange=route.words if decision.paid.arrives_nanos else "",
        )
        moved = route.moved(fall.payable_nanos)
        return Drawn(fall, former, moved, terms)


def freeze(
    statement_id: PayoutStatementId,
    run_id: PayoutRunId,
    drawn: Drawn,
    *,
    publisher_name: str,
    up_to: int,
    now: datetime,
) -> FrozenStatement:
    """Return the statement with the bytes that stay as they are, and their SHA-256."""
    fall, terms = drawn.fall, drawn.terms
    number = 1 if drawn.former is None else drawn.former.number + 1
    until = now + timedelta(days=terms.reserve_days) if fall.reserve_nanos else None
    kept = fall.reserve_balance_nanos + fall.reserve_nanos - fall.released_nanos
    content = StatementContent(
        id=str(statement_id),
        publisher=fall.publisher,
        publisher_name=publisher_name,
        number=number,
        currency=fall.currency,
        drawn_at=now,
        hold_days=terms.hold_days,
        opening=format_nanos(fall.opening_nanos),
        lines=tuple(
            StatementLine(
                kind=line.kind,
                description=line.description,
                model=line.model,
                period=line.period,
                quantity=line.quantity,
                gross=format_nanos(line.gross_nanos),
                fee=format_nanos(line.fee_nanos),
                net=format_nanos(line.net_nanos),
            )
            for line in fall.earned.lines
        ),
        balance=format_nanos(fall.balance_nanos),
        on_hold=format_nanos(fall.earned.held_nanos),
        free=format_nanos(fall.free_nanos),
        tax_withheld=format_nanos(fall.tax_nanos),
        tax_jurisdiction=fall.tax_jurisdiction if fall.tax_nanos else "",
        reserve_withheld=format_nanos(fall.reserve_nanos),
        reserve_until=until,
        reserve_released=format_nanos(fall.released_nanos),
        payable=format_nanos(fall.payable_nanos),
        closing=format_nanos(fall.closing_nanos),
        reserve_balance=format_nanos(kept),
        carried_because=fall.carried_because,
        paid=format_nanos(fall.paid_nanos),
        paid_currency=fall.paid_currency,
        exchange=fall.exchange,
    )
    data = msgspec.json.encode(content, order="sorted")
    row = StatementRow(
        statement_id=statement_id,
        publisher=fall.publisher,
        currency=fall.currency,
        number=number,
        run_id=run_id,
        up_to=up_to,
        opening_nanos=fall.opening_nanos,
        balance_nanos=fall.balance_nanos,
        payable_nanos=fall.payable_nanos,
        closing_nanos=fall.closing_nanos,
        drawn_at=now,
    )
    return FrozenStatement(row, content, data, sha256(data).digest())


def _why_not(
    tx: Connection, publisher: str, profile: Profile | None, now: datetime, *, is_verified: bool
) -> str:
    if profile is None:
        return "the publisher has not said where it is paid"
    if not is_verified:
        return "the publisher is not verified any more"
    hold = accounts.find_hold(tx, publisher)
    if hold is not None:
        return f"it is under review: {hold.reason}"
    if profile.usable_from > now:
        day = f"{profile.usable_from:%Y-%m-%d %H:%M}"
        return f"the account was changed lately: nothing is sent to it before {day} UTC"
    return ""


class _Route:
    """The way of an amount out of PAYABLE: whole minor units, in the currency that is paid."""

    def __init__(
        self,
        tx: Connection,
        ledger: Ledger,
        between: tuple[AccountRef, AccountRef],
        minor_digits: int,
        now: datetime,
    ) -> None:
        self._tx = tx
        self._ledger = ledger
        self._source, self._target = between
        self._minor_digits = minor_digits
        self._now = now
        self.words = ""

    def why_not(self) -> str:
        given, taken = self._source.currency, self._target.currency
        if given != taken:
            try:
                self._ledger.rate(self._tx, given, taken, self._now)
            except NoRate:
                return f"there is no stored rate of {given} in {taken}"
        return ""

    def pay(self, nanos: int) -> Paid:
        if self._source.currency == self._target.currency:
            nanos -= nanos % 10 ** (9 - self._minor_digits)
        try:
            arrives = -sum(leg.nanos for leg in self._legs(nanos) if leg.account == self._target)
        except EntryRefused:
            # Less than the smallest unit of the other currency.
            return Paid(0, 0)
        return Paid(nanos, arrives)

    def moved(self, nanos: int) -> Moved:
        return Moved(self._legs(nanos) if nanos else (), self.words)

    def _legs(self, nanos: int) -> tuple[Posting, ...]:
        if self._source.currency == self._target.currency:
            return (Posting(self._source, nanos), Posting(self._target, -nanos))
        legs, self.words = self._ledger.exchange_legs(
            self._tx,
            self._source,
            self._target,
            -nanos,
            at=self._now,
            minor_digits=self._minor_digits,
        )
        return legs
