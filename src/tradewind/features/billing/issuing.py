"""Draws up invoices and makes them final: settled usage, fees and plans on paper."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.core.ids import InvoiceId
from tradewind.features.billing import drawing, earning, entries
from tradewind.features.billing.errors import PeriodBilled
from tradewind.features.billing.plans import TermUsage, charge_line, plan_lines, source_key
from tradewind.features.billing.ports import (
    SubscribedTerm,
    Subscriptions,
    Taxable,
    TaxService,
    TermCharge,
)
from tradewind.features.billing.repository import deferrals, drafts, invoices, labels, taking
from tradewind.features.billing.repository.deferrals import Deferred
from tradewind.features.billing.repository.drafts import Finalized
from tradewind.features.billing.repository.invoices import Payment
from tradewind.features.billing.rules import periods
from tradewind.features.billing.rules.minor_units import nanos_per_minor
from tradewind.features.billing.rules.taxes import NoTaxRule, tax_minor
from tradewind.features.billing.schemas import (
    BillingAccount,
    DraftLine,
    Drawn,
    InvoiceState,
    Issuer,
    Label,
    Mode,
    Tax,
    Watermark,
)
from tradewind.features.billing.usage_lines import usage_line, used_of
from tradewind.features.ledger.schemas import AccountKind, AccountRef, EntryDraft
from tradewind.features.ledger.service import Ledger

_LOOK_BACK = timedelta(days=400)
"""A term that ended longer ago is not rated again: what is late by more than a year is charged by
its list price."""


class Ready(NamedTuple):
    """A stored draft that is about to be finalized."""

    invoice_id: str
    account: BillingAccount
    currency: str
    period: tuple[datetime, datetime]
    lines: Sequence[DraftLine]
    shares: Sequence[int]
    tax: Tax

    @classmethod
    def of(cls, invoice_id: str, drawn: Drawn) -> "Ready":
        return cls(
            invoice_id,
            drawn.account,
            drawn.currency,
            (drawn.period_start, drawn.period_end),
            drawn.lines,
            drawn.shares,
            drawn.tax,
        )


class Issuing:
    """The part of `Billing` that writes invoices."""

    def __init__(
        self, clock: Clock, ledger: Ledger, subscriptions: Subscriptions, taxes: TaxService
    ) -> None:
        self._clock = clock
        self._ledger = ledger
        self._subscriptions = subscriptions
        self._taxes = taxes

    def draw(
        self,
        tx: Connection,
        charged: Sequence[BillingAccount],
        issuer: Issuer,
        period_end: datetime,
    ) -> tuple[list[Drawn], list[tuple[str, NoTaxRule | PeriodBilled]]]:
        ids = [str(account.organization_id) for account in charged]
        up_to = taking.newest_line(tx)
        marks = taking.watermarks(tx, ids)
        lines: dict[tuple[str, str], list[DraftLine]] = defaultdict(list)
        keys = dict.fromkeys(taking.settled_currencies(tx, ids))
        after = {key: marks.get(key, _NOTHING_TAKEN) for key in keys}
        labelled = labels.labels_of(tx, ids)
        for row, meters in taking.take_usage(tx, after, period_end=period_end, up_to=up_to):
            label = labelled.get((row.organization_id, row.project_id), Label())
            line = usage_line(row, meters, label)
            lines[row.organization_id, row.currency].append(line)
        for key, line in self._charges(tx, ids, period_end):
            lines[key].append(line)
        for key, line in self._adjustments(tx, ids, period_end, up_to):
            lines[key].append(line)
        by_id = {str(account.organization_id): account for account in charged}
        drawn: list[Drawn] = []
        problems: list[tuple[str, NoTaxRule | PeriodBilled]] = []
        taxes: dict[Taxable, Tax] = {}
        for key, some in sorted(lines.items()):
            account, mark = by_id[key[0]], marks.get(key, _NOTHING_TAKEN)
            try:
                if mark.hour is not None and period_end < mark.hour:
                    raise PeriodBilled(  # noqa: TRY301  one list of what stands in the way
                        f"{key[0]} has an invoice up to {mark.hour.isoformat()} already"
                    )
                sale = self._sale(issuer, account)
                if sale not in taxes:
                    taxes[sale] = self._taxes.tax(tx, sale)
            except (NoTaxRule, PeriodBilled) as problem:
                problems.append((key[0], problem))
                continue
            one = drawing.draw(
                account,
                key[1],
                some,
                taxes[sale],
                period=(_period_start(mark, period_end), period_end),
                up_to=up_to,
                after=mark,
            )
            # What nobody can pay, or what is owed to the buyer, waits for more usage.
            if one.net_minor > 0:
                drawn.append(one)
        return drawn, problems

    def _charges(
        self, tx: Connection, ids: Sequence[str], until: datetime
    ) -> Iterator[tuple[tuple[str, str], DraftLine]]:
        due: Sequence[TermCharge] = self._subscriptions.charges_due(tx, ids, until)
        charged = taking.charged_keys(tx, [charge.key for charge in due])
        for charge in due:
            if charge.key not in charged and charge.nanos:
                yield (charge.organization_id, charge.currency), charge_line(charge)

    def _adjustments(
        self, tx: Connection, ids: Sequence[str], period_end: datetime, up_to: int
    ) -> Iterator[tuple[tuple[str, str], DraftLine]]:
        terms: Sequence[SubscribedTerm] = self._subscriptions.terms_of(
            tx, ids, period_end - _LOOK_BACK, period_end
        )
        for term in terms:
            currency = term.terms.currency
            rows = taking.term_usage(
                tx,
                term.organization_id,
                currency,
                term.models,
                span=(term.since, min(term.until, period_end)),
                up_to=up_to,
            )
            reported = [used for used in term.metered if used.hour < period_end]
            usage = TermUsage(
                [*(used for hour in rows for used in used_of(*hour)), *reported],
                sum(int(hour.row.cost_nanos) for hour in rows),
            )
            before = taking.charged_before(tx, source_key(term))
            for line in plan_lines(term, usage, before, period_end=period_end):
                yield (term.organization_id, currency), line

    def store(self, tx: Connection, drawn: Sequence[Drawn]) -> list[tuple[str, Drawn]]:
        known = drafts.drafts_of(tx, [str(each.account.organization_id) for each in drawn])
        named = [
            (
                known.get((str(each.account.organization_id), each.currency))
                or str(InvoiceId.new()),
                each,
            )
            for each in drawn
        ]
        anew = set(known.values()) & {invoice_id for invoice_id, _ in named}
        drafts.clear_drafts(tx, sorted(anew))
        drafts.write_drafts(tx, named, anew, self._clock.now())
        return named

    def finalize(self, tx: Connection, issuer: Issuer, ready: Sequence[Ready]) -> None:
        if not ready:
            return
        now = self._clock.now()
        series = f"INV-{now.year}"
        first = drafts.take_numbers(tx, series, len(ready))
        finalized: list[Finalized] = []
        to_enter: list[EntryDraft] = []
        from_wallets: list[Payment] = []
        ahead: list[Deferred] = []
        for at, each in enumerate(ready):
            number = f"{series}-{first + at:06d}"
            due_at = now + timedelta(days=each.account.payment_terms_days)
            net = sum(each.shares)
            tax = tax_minor(net, each.tax.rate_ppm)
            heads = drawing.Heads(
                id=str(each.invoice_id),
                number=number,
                issuer=issuer,
                account=each.account,
                currency=each.currency,
                issued_at=now,
                due_at=due_at,
                period=each.period,
                tax=each.tax,
            )
            frozen = drawing.freeze(drawing.invoice_content(heads, each.lines, each.shares, tax))
            finalized.append(Finalized(each.invoice_id, number, due_at, frozen, tax))
            organization_id = str(each.account.organization_id)
            deferred = earning.paid_ahead(
                each.invoice_id, organization_id, each.currency, each.lines, now
            )
            ahead += deferred
            entry = entries.invoice_draft(
                entries.InvoiceSums(
                    invoice_id=each.invoice_id,
                    number=number,
                    organization_id=organization_id,
                    currency=each.currency,
                    at=now,
                    lines=each.lines,
                    jurisdiction=each.tax.jurisdiction,
                    tax_minor=tax,
                    total_minor=net + tax,
                    paid_ahead={line.seq for line in deferred},
                )
            )
            if entry is not None:
                to_enter.append(entry)
            if each.account.mode is Mode.PREPAID:
                paid = min(net + tax, self._in_wallet(tx, organization_id, each.currency))
                if paid > 0:
                    sums = entries.PaidSum(
                        each.invoice_id, organization_id, each.currency, paid, now, number
                    )
                    to_enter.append(entries.wallet_draft(sums))
                    from_wallets.append(
                        Payment(
                            f"wallet:{each.invoice_id}", each.invoice_id, paid, "wallet", "", now
                        )
                    )
        drafts.finalize(tx, finalized, series, now)
        deferrals.add(tx, ahead)
        totals = {each.invoice_id: sum(each.shares) for each in ready}
        taxes = {each.invoice_id: each.tax_minor for each in finalized}
        for payment in from_wallets:
            whole = totals[payment.invoice_id] + taxes[payment.invoice_id]
            is_all = payment.amount_minor == whole
            state = InvoiceState.PAID if is_all else InvoiceState.FINALIZED
            invoices.add_payment(tx, payment, state)
        self._ledger.post_many(tx, to_enter)

    def _in_wallet(self, tx: Connection, organization_id: str, currency: str) -> int:
        wallet = AccountRef(AccountKind.WALLET, organization_id, currency)
        return -self._ledger.balance(tx, wallet) // nanos_per_minor(currency)

    def _sale(self, issuer: Issuer, account: BillingAccount) -> Taxable:
        return Taxable(
            issuer.party.country,
            account.party.country,
            account.buyer_kind,
            self._clock.now().date(),
        )

    def tax(self, tx: Connection, issuer: Issuer, account: BillingAccount) -> Tax:
        return self._taxes.tax(tx, self._sale(issuer, account))


_NOTHING_TAKEN = Watermark(None, 0)


def _period_start(mark: Watermark, period_end: datetime) -> datetime:
    if mark.hour is not None and mark.hour < period_end:
        return mark.hour
    return periods.before(period_end)
