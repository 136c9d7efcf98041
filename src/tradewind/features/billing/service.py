"""What other features may ask of billing. Everything takes the caller's transaction, and posts to
the ledger at most once in it.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row

from tradewind.core.clock import Clock
from tradewind.core.errors import InvalidInput, NotFound
from tradewind.core.ids import CreditNoteId, InvoiceId, SettlementId, TaxRuleId
from tradewind.core.pricing.rating import Used
from tradewind.features.billing import drawing, entries
from tradewind.features.billing.errors import (
    BillingKeyReused,
    CreditTooLarge,
    InvoiceFinal,
    InvoiceNotFinal,
    InvoiceOverpaid,
    NoBillingAccount,
    NoIssuer,
    NothingToInvoice,
    PeriodBilled,
    PeriodOpen,
    TaxRuleTaken,
)
from tradewind.features.billing.plans import TermUsage, charge_line, plan_lines, source_key
from tradewind.features.billing.ports import (
    SellerFees,
    SubscribedTerm,
    Subscriptions,
    Taxable,
    TaxService,
    TermCharge,
)
from tradewind.features.billing.repository import accounts, invoices, settling
from tradewind.features.billing.repository.invoices import Finalized, NewCredit, Payment
from tradewind.features.billing.rules import periods
from tradewind.features.billing.rules.minor_units import nanos_per_minor
from tradewind.features.billing.rules.taxes import NoTaxRule, TaxRule, tax_for, tax_minor
from tradewind.features.billing.schemas import (
    BillingAccount,
    CreditNoteRow,
    DraftLine,
    Drawn,
    Evidence,
    Frozen,
    InvoiceRow,
    InvoiceState,
    Issuer,
    LineKind,
    Mode,
    Party,
    Settled,
    Tax,
    Watermark,
)
from tradewind.features.ledger.schemas import AccountKind, AccountRef, EntryDraft
from tradewind.features.ledger.service import Ledger

HOURS_AT_ONCE = 2_000
"""Of one settlement: as many entries, in one statement, and balances that stay locked for it."""
PAGE_MAX = 1_000
_TAX_RULES_MAX = 1_000
_LOOK_BACK = timedelta(days=400)
"""A term that ended longer ago is not rated again: what is late by more than a year is charged by
its list price."""
_CURRENCY = re.compile(r"[A-Z]{3}")
_COUNTRY = re.compile(r"[A-Z]{2}")


class Issued(NamedTuple):
    """What became of some organizations at a close."""

    invoices: Sequence[InvoiceId]
    problems: Sequence[tuple[str, str]]
    """(organization, why it has no invoice)."""


class TaxTable:
    """The port TaxService, answered by the rules that finance keeps."""

    def tax(self, tx: Connection, sale: Taxable) -> Tax:
        rules = [rule for _, rule in accounts.list_tax_rules(tx, _TAX_RULES_MAX)]
        return tax_for(
            rules,
            seller=sale.seller_country,
            buyer=sale.buyer_country,
            kind=sale.buyer_kind,
            on=sale.on,
        )


class Billing:
    def __init__(
        self,
        clock: Clock,
        ledger: Ledger,
        *,
        fees: SellerFees,
        subscriptions: Subscriptions,
        taxes: TaxService,
    ) -> None:
        self._clock = clock
        self._ledger = ledger
        self._fees = fees
        self._subscriptions = subscriptions
        self._taxes = taxes

    # --- accounts, issuer, tax rules ---------------------------------------------------------

    def account(self, tx: Connection, organization_id: str) -> BillingAccount | None:
        return accounts.find_account(tx, organization_id)

    def set_account(self, tx: Connection, account: BillingAccount) -> BillingAccount | None:
        """Store an account; `revision` is the one it was read with, 0 for a new one. None where
        somebody else changed it meanwhile.

        Usage from `billed_from` on is charged; what was used before the account was opened is
        compared too. An earlier `billed_from` than before charges what was free: it only ever
        moves forward.
        """
        _check_party(account.party)
        if not _CURRENCY.fullmatch(account.currency):
            raise InvalidInput("`currency` is not three capital letters")
        if not 0 <= account.payment_terms_days <= 365:
            raise InvalidInput("`payment_terms_days` is not between 0 and 365")
        if not accounts.is_organization(tx, account.organization_id):
            raise NotFound(f"there is no organization {account.organization_id[:64]!r}")
        now = self._clock.now()
        former = accounts.find_account(tx, account.organization_id, for_update=True)
        since = periods.hour_start(account.billed_from)
        if former is not None and former.mode is not Mode.NONE:
            since = max(since, former.billed_from)
        stored = replace(account, billed_from=since, revision=account.revision + 1)
        if not accounts.write_account(tx, stored, now):
            return None
        if stored.mode is not Mode.NONE and (former is None or former.mode is Mode.NONE):
            settling.make_due(tx, account.organization_id, since)
        return stored

    def issuer(self, tx: Connection) -> Issuer | None:
        return accounts.find_issuer(tx)

    def set_issuer(self, tx: Connection, issuer: Issuer) -> None:
        _check_party(issuer.party)
        if len(issuer.payment_details) > 1000:
            raise InvalidInput("`payment_details` is longer than 1000 characters")
        accounts.set_issuer(tx, issuer, self._clock.now())

    def tax_rules(self, tx: Connection) -> list[tuple[str, TaxRule]]:
        return accounts.list_tax_rules(tx, _TAX_RULES_MAX)

    def add_tax_rule(self, tx: Connection, rule: TaxRule) -> TaxRuleId:
        """Raises TaxRuleTaken where there is one for the same countries, kind and first day."""
        rule_id = TaxRuleId.new()
        if not accounts.add_tax_rule(tx, rule_id, rule, self._clock.now()):
            raise TaxRuleTaken(
                f"sales from {rule.seller_country} to {rule.buyer_country} have a rule from that"
                " day on",
                hint="remove it first, or let this one begin another day",
            )
        return rule_id

    def remove_tax_rule(self, tx: Connection, rule_id: str) -> None:
        """Raises NotFound. Invoices keep the tax that they were finalized with."""
        if not accounts.remove_tax_rule(tx, rule_id):
            raise NotFound(f"there is no tax rule {rule_id[:64]!r}")

    # --- settlement --------------------------------------------------------------------------

    def settle(self, tx: Connection, *, most: int = HOURS_AT_ONCE) -> Settled | None:
        """Take what changed hours differ by from what was settled of them into the ledger.

        Takes at most `most` hours of organizations: call it, each in a transaction of its own,
        until no hours are left. All or nothing, so a kill loses nothing and settles nothing twice.
        None where somebody else settles at this moment.
        """
        if not settling.try_settler_lock(tx):
            return None
        now = self._clock.now()
        due = settling.take_due(tx, _settled_before(now), most)
        if not due.hours:
            return Settled(None, due.taken, 0, 0)
        settlement_id = SettlementId.new()
        fees = dict(self._fees.fees_ppm(tx, settling.sold_prices(tx, due)))
        sums, lines = settling.settle(tx, due, settlement_id, fees, now)
        drafts = entries.settlement_drafts(settlement_id, sums)
        self._ledger.post_many(tx, drafts)
        return Settled(settlement_id if lines else None, due.taken, lines, len(drafts))

    def is_settled(self, tx: Connection, until: datetime) -> bool:
        """Say whether no hour before `until` waits for its settlement."""
        return not settling.is_any_due(tx, min(until, _settled_before(self._clock.now())))

    # --- invoices ----------------------------------------------------------------------------

    def draft(self, tx: Connection, organization_id: str, period_end: datetime) -> list[InvoiceId]:
        """Draw up what is on no invoice, up to a time: one draft for each currency. A draft that
        is there is drawn up anew.

        Raises NoBillingAccount, NoIssuer, NoTaxRule, PeriodBilled, NothingToInvoice.
        """
        if period_end > periods.hour_start(self._clock.now()):
            raise PeriodOpen("that time is not over", hint="name a full hour in the past")
        if period_end != periods.hour_start(period_end):
            raise InvalidInput("a period ends at a full hour, UTC")
        found = self._lock_accounts(tx, [organization_id])
        drawn, problems = self._draw(tx, found, self._issuer(tx), period_end)
        for _, problem in problems:
            raise problem
        if not drawn:
            raise NothingToInvoice(f"nothing of {organization_id} is to be invoiced")
        return [InvoiceId(invoice_id) for invoice_id, _ in self._store(tx, drawn)]

    def finalize(self, tx: Connection, invoice_id: str) -> InvoiceRow:
        """Freeze a draft, number it and enter it into the ledger. A finalized one stays as it is.

        Raises NotFound, InvoiceFinal, NoIssuer, NoTaxRule, NoBillingAccount.
        """
        organization_id = self.invoice(tx, invoice_id).organization_id
        [account] = self._lock_accounts(tx, [organization_id])
        row = self._locked(tx, invoice_id)
        if row.state is not InvoiceState.DRAFT:
            if row.state is InvoiceState.VOID:
                raise InvoiceFinal(f"{invoice_id} is void")
            return row
        issuer = self._issuer(tx)
        lines, shares = invoices.lines_of(tx, invoice_id)
        ready = _Ready(
            invoice_id,
            account,
            row.currency,
            (row.period_start, row.period_end),
            lines,
            shares,
            self._tax(tx, issuer, account),
        )
        self._finalize(tx, issuer, [ready])
        return self.invoice(tx, invoice_id)

    def issue(
        self, tx: Connection, organization_ids: Sequence[str], period_end: datetime
    ) -> Issued:
        """Draw up and finalize the invoices of many organizations, in few statements.

        Those that have nothing to be invoiced, or less than can be paid, have none.
        Raises NoIssuer.
        """
        issuer = self._issuer(tx)
        found = accounts.lock_accounts(tx, organization_ids)
        drawn, problems = self._draw(tx, found, issuer, period_end)
        ready = [
            _Ready(
                invoice_id,
                each.account,
                each.currency,
                (each.period_start, each.period_end),
                each.lines,
                each.shares,
                each.tax,
            )
            for invoice_id, each in self._store(tx, drawn)
        ]
        self._finalize(tx, issuer, ready)
        return Issued(
            [InvoiceId(each.invoice_id) for each in ready],
            [(organization_id, str(problem)) for organization_id, problem in problems],
        )

    def void(self, tx: Connection, invoice_id: str) -> None:
        """Throw a draft away; what it had taken is on no invoice again. Idempotent.

        Raises NotFound, InvoiceFinal.
        """
        row = self._locked(tx, invoice_id)
        if row.number is not None:
            raise InvoiceFinal(
                f"{invoice_id} is finalized", hint="write a credit note over all of it"
            )
        invoices.clear_drafts(tx, [invoice_id])
        invoices.set_state(tx, invoice_id, InvoiceState.VOID)

    def _draw(
        self,
        tx: Connection,
        charged: Sequence[BillingAccount],
        issuer: Issuer,
        period_end: datetime,
    ) -> tuple[list[Drawn], list[tuple[str, NoTaxRule | PeriodBilled]]]:
        ids = [str(account.organization_id) for account in charged]
        up_to = invoices.newest_line(tx)
        marks = invoices.watermarks(tx, ids)
        lines: dict[tuple[str, str], list[DraftLine]] = defaultdict(list)
        keys = dict.fromkeys(invoices.settled_currencies(tx, ids))
        after = {key: marks.get(key, _NOTHING_TAKEN) for key in keys}
        for row in invoices.take_usage(tx, after, period_end=period_end, up_to=up_to):
            lines[row.organization_id, row.currency].append(_usage_line(row))
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
        charged = invoices.charged_keys(tx, [charge.key for charge in due])
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
            rows = invoices.term_usage(
                tx,
                term.organization_id,
                currency,
                term.models,
                span=(term.since, min(term.until, period_end)),
                up_to=up_to,
            )
            usage = TermUsage(
                [used for row in rows for used in _used(row)],
                sum(int(row.cost_nanos) for row in rows),
            )
            before = invoices.charged_before(tx, source_key(term))
            for line in plan_lines(term, usage, before, period_end=period_end):
                yield (term.organization_id, currency), line

    def _store(self, tx: Connection, drawn: Sequence[Drawn]) -> list[tuple[str, Drawn]]:
        known = invoices.drafts_of(tx, [str(each.account.organization_id) for each in drawn])
        named = [
            (
                known.get((str(each.account.organization_id), each.currency))
                or str(InvoiceId.new()),
                each,
            )
            for each in drawn
        ]
        anew = set(known.values()) & {invoice_id for invoice_id, _ in named}
        invoices.clear_drafts(tx, sorted(anew))
        invoices.write_drafts(tx, named, anew, self._clock.now())
        return named

    def _finalize(self, tx: Connection, issuer: Issuer, ready: Sequence["_Ready"]) -> None:
        if not ready:
            return
        now = self._clock.now()
        series = f"INV-{now.year}"
        first = invoices.take_numbers(tx, series, len(ready))
        finalized: list[Finalized] = []
        drafts: list[EntryDraft] = []
        from_wallets: list[Payment] = []
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
                )
            )
            if entry is not None:
                drafts.append(entry)
            if each.account.mode is Mode.PREPAID:
                paid = min(net + tax, self._in_wallet(tx, organization_id, each.currency))
                if paid > 0:
                    sums = entries.PaidSum(
                        each.invoice_id, organization_id, each.currency, paid, now, number
                    )
                    drafts.append(entries.wallet_draft(sums))
                    from_wallets.append(
                        Payment(
                            f"wallet:{each.invoice_id}", each.invoice_id, paid, "wallet", "", now
                        )
                    )
        invoices.finalize(tx, finalized, series, now)
        totals = {each.invoice_id: sum(each.shares) for each in ready}
        taxes = {each.invoice_id: each.tax_minor for each in finalized}
        for payment in from_wallets:
            whole = totals[payment.invoice_id] + taxes[payment.invoice_id]
            is_all = payment.amount_minor == whole
            state = InvoiceState.PAID if is_all else InvoiceState.FINALIZED
            invoices.add_payment(tx, payment, state)
        self._ledger.post_many(tx, drafts)

    def _in_wallet(self, tx: Connection, organization_id: str, currency: str) -> int:
        wallet = AccountRef(AccountKind.WALLET, organization_id, currency)
        return -self._ledger.balance(tx, wallet) // nanos_per_minor(currency)

    # --- payments and credit -----------------------------------------------------------------

    def record_payment(  # noqa: PLR0917  the order of the contract with payments
        self,
        tx: Connection,
        invoice_id: str,
        amount_minor: int,
        method: str,
        reference: str,
        key: str,
    ) -> InvoiceRow:
        """Enter that something of an invoice was paid; `method` is where the cash lies (bank,
        stripe). The same key again is the same payment.

        Raises NotFound, InvoiceNotFinal, InvoiceOverpaid, BillingKeyReused.
        """
        row = self._locked(tx, invoice_id)
        former = invoices.find_payment(tx, key)
        if former is not None:
            same = (former.invoice_id, former.amount_minor) == (invoice_id, amount_minor)
            if not same or former.method != method:
                raise BillingKeyReused(f"the key {key[:64]!r} is another payment's")
            return row
        if amount_minor <= 0:
            raise InvalidInput("a payment is above zero")
        if row.number is None:
            raise InvoiceNotFinal(f"{invoice_id} is a draft")
        if amount_minor > row.open_minor:
            raise InvoiceOverpaid(
                f"{drawing.amount(row.open_minor, row.currency)} {row.currency} of {row.number}"
                " are open",
                hint="put the rest into the wallet",
            )
        now = self._clock.now()
        state = InvoiceState.PAID if amount_minor == row.open_minor else row.state
        payment = Payment(key, invoice_id, amount_minor, method, reference, now)
        invoices.add_payment(tx, payment, state)
        paid = entries.PaidSum(
            invoice_id, row.organization_id, row.currency, amount_minor, now, row.number
        )
        self._ledger.post(tx, entries.payment_draft(key, method, paid))
        return self.invoice(tx, invoice_id)

    def credit(
        self,
        tx: Connection,
        invoice_id: str,
        *,
        reason: str,
        key: str,
        lines: Mapping[int, int] | None = None,
        is_goodwill: bool = False,
    ) -> CreditNoteRow:
        """Take back of a finalized invoice: `lines` in minor units by line, or all that is left.

        Goodwill is borne by the platform; else whoever earned it gives it back. The tax goes with
        it. The same key again is the same credit note. What was paid already is then owed to the
        buyer: `open_minor` is below zero.

        Raises NotFound, InvoiceNotFinal, CreditTooLarge, BillingKeyReused.
        """
        row = self._locked(tx, invoice_id)
        former = invoices.find_credit(tx, key)
        if former is not None:
            if former.invoice_id != invoice_id or former.reason != reason:
                raise BillingKeyReused(f"the key {key[:64]!r} is another credit note's")
            return former
        frozen = invoices.frozen_invoice(tx, invoice_id)
        if row.number is None or frozen is None:
            raise InvoiceNotFinal(f"{invoice_id} is a draft", hint="void it, or draw it up anew")
        if not 1 <= len(reason) <= 500:
            raise InvalidInput("`reason` is empty or longer than 500 characters")
        stored, shares = invoices.lines_of(tx, invoice_id)
        credited = invoices.credited_lines(tx, invoice_id)
        left = {
            seq: share - credited.get(seq, 0) for seq, share in enumerate(shares, start=1) if share
        }
        wanted = {seq: minor for seq, minor in (left if lines is None else lines).items() if minor}
        for seq, minor in wanted.items():
            most = left.get(seq, 0)
            if not 0 <= minor * (1 if most > 0 else -1) <= abs(most):
                raise CreditTooLarge(
                    f"{drawing.amount(most, row.currency)} {row.currency} are left of line {seq}"
                )
        before = sum(credited.values())
        net = sum(wanted.values())
        if net <= 0:
            raise CreditTooLarge("nothing is left to be credited")
        # By what is left of the tax after it, so that credits of all lines take all of it.
        rate = frozen.content.tax.rate_ppm
        tax = tax_minor(before + net, rate) - tax_minor(before, rate)
        now = self._clock.now()
        series = f"CN-{now.year}"
        number = f"{series}-{invoices.take_numbers(tx, series, 1):06d}"
        credit_note_id = CreditNoteId.new()
        content = drawing.credit_content(
            frozen.content,
            wanted,
            tax,
            id=str(credit_note_id),
            number=number,
            reason=reason,
            issued_at=now,
        )
        if row.credited_minor + net + tax == row.total_minor:
            state = InvoiceState.VOID
        else:
            state = InvoiceState.PAID if row.open_minor <= net + tax else row.state
        invoices.add_credit(
            tx,
            NewCredit(
                credit_note_id=credit_note_id,
                invoice=row,
                key=key,
                series=series,
                number=number,
                reason=reason,
                is_goodwill=is_goodwill,
                lines=wanted,
                tax_minor=tax,
                issued_at=now,
                frozen=drawing.freeze(content),
                state=state,
            ),
        )
        draft = entries.credit_draft(
            entries.CreditSums(
                credit_note_id=credit_note_id,
                number=number,
                organization_id=row.organization_id,
                currency=row.currency,
                at=now,
                lines=[(stored[seq - 1], minor) for seq, minor in wanted.items()],
                jurisdiction=frozen.content.tax.jurisdiction,
                tax_minor=tax,
                is_goodwill=is_goodwill,
            )
        )
        self._ledger.post(tx, draft)
        [made] = [each for each in invoices.credits_of(tx, invoice_id) if each.number == number]
        return made

    # --- reading -----------------------------------------------------------------------------

    def invoice(
        self, tx: Connection, invoice_id: str, organization_id: str | None = None
    ) -> InvoiceRow:
        """Return an invoice, of one organization where it is named. Raises NotFound."""
        row = invoices.find_invoice(tx, invoice_id)
        if row is None or organization_id not in {None, str(row.organization_id)}:
            raise NotFound(f"there is no invoice {invoice_id[:64]!r}")
        return row

    def list_invoices(
        self,
        tx: Connection,
        *,
        organization_id: str | None = None,
        state: InvoiceState | None = None,
        before: str | None = None,
        limit: int = 100,
    ) -> list[InvoiceRow]:
        """Return invoices, the newest first; `before` is the id of the last one seen."""
        return invoices.list_invoices(
            tx,
            organization_id=organization_id,
            state=state,
            before=before,
            limit=min(limit, PAGE_MAX),
        )

    def frozen(self, tx: Connection, invoice_id: str) -> Frozen:
        """Return what was finalized. Raises NotFound, InvoiceNotFinal."""
        self.invoice(tx, invoice_id)
        found = invoices.frozen_invoice(tx, invoice_id)
        if found is None:
            raise InvoiceNotFinal(f"{invoice_id} is a draft", hint="finalize it")
        return found

    def frozen_credit(self, tx: Connection, credit_note_id: str) -> Frozen:
        """Raises NotFound."""
        found = invoices.frozen_credit(tx, credit_note_id)
        if found is None:
            raise NotFound(f"there is no credit note {credit_note_id[:64]!r}")
        return found

    def lines(self, tx: Connection, invoice_id: str) -> list[tuple[DraftLine, int]]:
        """Return the lines of a draft or an invoice, each with its share in minor units."""
        lines, shares = invoices.lines_of(tx, invoice_id)
        return list(zip(lines, shares, strict=True))

    def credits_of(self, tx: Connection, invoice_id: str) -> list[CreditNoteRow]:
        return invoices.credits_of(tx, invoice_id)

    def evidence(self, tx: Connection, invoice_id: str) -> Iterator[Row[Any]]:
        """Yield the settlement lines that an invoice takes."""
        return invoices.taken_lines(tx, invoice_id)

    # --- parts -------------------------------------------------------------------------------

    def _locked(self, tx: Connection, invoice_id: str) -> InvoiceRow:
        row = invoices.lock_invoice(tx, invoice_id)
        if row is None:
            raise NotFound(f"there is no invoice {invoice_id[:64]!r}")
        return row

    @staticmethod
    def _lock_accounts(tx: Connection, organization_ids: Sequence[str]) -> list[BillingAccount]:
        found = accounts.lock_accounts(tx, organization_ids)
        if not found:
            raise NoBillingAccount(
                f"{organization_ids[0]} is not charged", hint="open a billing account"
            )
        return found

    @staticmethod
    def _issuer(tx: Connection) -> Issuer:
        found = accounts.find_issuer(tx)
        if found is None:
            raise NoIssuer("nobody said in whose name invoices are written", hint="set the issuer")
        return found

    def _sale(self, issuer: Issuer, account: BillingAccount) -> Taxable:
        return Taxable(
            issuer.party.country,
            account.party.country,
            account.buyer_kind,
            self._clock.now().date(),
        )

    def _tax(self, tx: Connection, issuer: Issuer, account: BillingAccount) -> Tax:
        return self._taxes.tax(tx, self._sale(issuer, account))


_NOTHING_TAKEN = Watermark(None, 0)


class _Ready(NamedTuple):
    """A stored draft that is about to be finalized."""

    invoice_id: str
    account: BillingAccount
    currency: str
    period: tuple[datetime, datetime]
    lines: Sequence[DraftLine]
    shares: Sequence[int]
    tax: Tax


def _settled_before(now: datetime) -> datetime:
    """Return the first hour that is not settled yet: the one that is not over."""
    return periods.hour_start(now - periods.SETTLED_AFTER)


def _period_start(mark: Watermark, period_end: datetime) -> datetime:
    if mark.hour is not None and mark.hour < period_end:
        return mark.hour
    return periods.before(period_end)


def _usage_line(row: Row[Any]) -> DraftLine:
    late = ", of earlier months" if row.is_late else ""
    return DraftLine(
        kind=LineKind.USAGE,
        description=f"{row.model}, {row.operation}{late}"[:500],
        quantity=int(row.requests),
        unit="requests",
        exact_nanos=int(row.cost_nanos),
        fee_nanos=int(row.fee_nanos),
        project_id=row.project_id,
        model=row.model,
        operation=row.operation,
        price_id=row.price_id,
        seller=row.seller,
        hour_from=row.hour_from,
        hour_to=row.hour_to,
        source_key="",
        evidence=Evidence(
            quantities=_quantities(row), is_late=row.is_late, settlement_lines=row.lines
        ),
    )


def _quantities(row: Row[Any]) -> dict[str, int]:
    """Return what was used by meter, each unit in one of them.

    The seam for meters that usage_hour does not sum yet: they belong here and nowhere else.
    """
    cached, written = int(row.cached_input_tokens), int(row.cache_write_tokens)
    found = {
        "requests": int(row.requests),
        "input_tokens": int(row.input_tokens) - cached - written,
        "cached_input_tokens": cached,
        "cache_write_tokens": written,
        "output_tokens": int(row.output_tokens),
    }
    return {meter: quantity for meter, quantity in found.items() if quantity}


def _used(row: Row[Any]) -> Iterator[Used]:
    for meter, quantity in _quantities(row).items():
        yield Used(meter, row.hour, quantity)


def _check_party(party: Party) -> None:
    if not 1 <= len(party.legal_name) <= 200:
        raise InvalidInput("`legal_name` is empty or longer than 200 characters")
    if not _COUNTRY.fullmatch(party.country):
        raise InvalidInput("`country` is not two capital letters")
    for name in ("street", "city", "postal_code", "tax_id", "email"):
        value: str = getattr(party, name)
        if len(value) > 200 or any(ord(sign) < 0x20 for sign in value):
            raise InvalidInput(f"`{name}` is longer than 200 characters or has control ones")
    if any(ord(sign) < 0x20 for sign in party.legal_name):
        raise InvalidInput("`legal_name` has control characters")
