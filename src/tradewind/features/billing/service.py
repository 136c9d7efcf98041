"""What other features may ask of billing. Everything takes the caller's transaction, and posts to
the ledger at most once in it.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row

from tradewind.core.clock import Clock
from tradewind.core.errors import InvalidInput, NotFound
from tradewind.core.ids import CreditNoteId, InvoiceId, SettlementId
from tradewind.features.billing import drawing, earning, entries, paying
from tradewind.features.billing.errors import (
    BillingKeyReused,
    InvoiceFinal,
    InvoiceNotFinal,
    NoBillingAccount,
    NoIssuer,
    NothingToInvoice,
    PeriodOpen,
)
from tradewind.features.billing.issuing import Issuing, Ready
from tradewind.features.billing.ports import (
    SellerFees,
    Subscriptions,
    TaxService,
)
from tradewind.features.billing.repository import (
    accounts,
    drafts,
    invoices,
    settling,
    settling_more,
    taking,
)
from tradewind.features.billing.repository.invoices import NewCredit, Payment
from tradewind.features.billing.rules import periods
from tradewind.features.billing.rules.credits import credit_of
from tradewind.features.billing.schemas import (
    BillingAccount,
    CreditNoteRow,
    DraftLine,
    Frozen,
    InvoiceRow,
    InvoiceState,
    Issuer,
    Settled,
)
from tradewind.features.billing.terms import PAGE_MAX, BillingTerms
from tradewind.features.ledger.service import Ledger

HOURS_AT_ONCE = 2_000
"""Of one settlement: as many entries, in one statement, and balances that stay locked for it."""


class Issued(NamedTuple):
    """What became of some organizations at a close."""

    invoices: Sequence[InvoiceId]
    problems: Sequence[tuple[str, str]]
    """(organization, why it has no invoice)."""


class Billing(BillingTerms):
    def __init__(
        self,
        clock: Clock,
        ledger: Ledger,
        *,
        fees: SellerFees,
        subscriptions: Subscriptions,
        taxes: TaxService,
    ) -> None:
        super().__init__(clock)
        self._ledger = ledger
        self._fees = fees
        self._issuing = Issuing(clock, ledger, subscriptions, taxes)

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
        if not due.taken:
            return Settled(None, 0, 0, 0)
        settlement_id = SettlementId.new()
        lines, to_enter = 0, []
        if due.hours:
            fees = dict(self._fees.fees_ppm(tx, settling.sold_prices(tx, due)))
            sums, lines = settling.settle(tx, due, settlement_id, fees, now)
            to_enter = entries.settlement_drafts(settlement_id, sums)
        more = settling_more.settle_more(tx, due, settlement_id, now)
        to_enter += entries.host_drafts(settlement_id, more.hosts)
        self._ledger.post_many(tx, to_enter)
        is_any = bool(lines or more.is_any)
        return Settled(settlement_id if is_any else None, due.taken, lines, len(to_enter))

    def is_settled(self, tx: Connection, until: datetime) -> bool:
        """Say whether no hour before `until` waits for its settlement."""
        return not settling.is_any_due(tx, min(until, _settled_before(self._clock.now())))

    def earn(self, tx: Connection, *, most: int = HOURS_AT_ONCE) -> int:
        """Enter the months that are over of what was paid ahead; call it, each in a transaction of
        its own, until it returns 0.
        """
        return earning.earn(tx, self._ledger, self._clock.now(), most)

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
        drawn, problems = self._issuing.draw(tx, found, self._issuer(tx), period_end)
        for _, problem in problems:
            raise problem
        if not drawn:
            raise NothingToInvoice(f"nothing of {organization_id} is to be invoiced")
        return [InvoiceId(invoice_id) for invoice_id, _ in self._issuing.store(tx, drawn)]

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
        lines, shares = drafts.lines_of(tx, invoice_id)
        ready = Ready(
            invoice_id,
            account,
            row.currency,
            (row.period_start, row.period_end),
            lines,
            shares,
            self._issuing.tax(tx, issuer, account),
        )
        self._issuing.finalize(tx, issuer, [ready])
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
        drawn, problems = self._issuing.draw(tx, found, issuer, period_end)
        ready = [Ready.of(*each) for each in self._issuing.store(tx, drawn)]
        self._issuing.finalize(tx, issuer, ready)
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
        drafts.clear_drafts(tx, [invoice_id])
        invoices.set_state(tx, invoice_id, InvoiceState.VOID)

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
        payment = Payment(key, invoice_id, amount_minor, method, reference, self._clock.now())
        paying.record(tx, self._ledger, row, payment)
        return self.invoice(tx, invoice_id)

    def take_back_payment(  # noqa: PLR0917  as `record_payment`
        self,
        tx: Connection,
        invoice_id: str,
        amount_minor: int,
        method: str,
        reference: str,
        key: str,
    ) -> InvoiceRow:
        """Enter that something that was paid of an invoice is with whoever paid it again; what is
        open then is owed again. `reference` is the payment's, `method` is where the loss was
        written off (disputes, refunds), and pays it again by `record_payment` if that is undone.
        The same key again is the same one.

        Raises NotFound, InvalidInput, BillingKeyReused.
        """
        row = self._locked(tx, invoice_id)
        payment = Payment(key, invoice_id, -amount_minor, method, reference, self._clock.now())
        paying.take_back(tx, self._ledger, row, payment)
        return self.invoice(tx, invoice_id)

    def paid_minor(self, tx: Connection, invoice_id: str, reference: str) -> int:
        """Return what the payment with this reference still pays of an invoice."""
        return invoices.paid_by(tx, invoice_id, reference)

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
        stored, shares = drafts.lines_of(tx, invoice_id)
        rate = frozen.content.tax.rate_ppm
        taken = credit_of(shares, invoices.credited_lines(tx, invoice_id), lines, rate)
        now = self._clock.now()
        series = f"CN-{now.year}"
        number = f"{series}-{drafts.take_numbers(tx, series, 1):06d}"
        credit_note_id = CreditNoteId.new()
        content = drawing.credit_content(
            frozen.content,
            taken.lines,
            taken.tax_minor,
            id=str(credit_note_id),
            number=number,
            reason=reason,
            issued_at=now,
        )
        if row.credited_minor + taken.total_minor == row.total_minor:
            state = InvoiceState.VOID
        else:
            is_paid = row.open_minor <= taken.total_minor
            state = InvoiceState.PAID if is_paid else row.state
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
                lines=taken.lines,
                tax_minor=taken.tax_minor,
                issued_at=now,
                frozen=drawing.freeze(content),
                state=state,
            ),
        )
        unearned = [0] * len(taken.lines)
        if not is_goodwill:
            unearned = earning.take_unearned(tx, row, taken.lines)
        draft = entries.credit_draft(
            entries.CreditSums(
                credit_note_id=credit_note_id,
                number=number,
                organization_id=row.organization_id,
                currency=row.currency,
                at=now,
                lines=[(stored[seq - 1], minor) for seq, minor in taken.lines.items()],
                jurisdiction=frozen.content.tax.jurisdiction,
                tax_minor=taken.tax_minor,
                is_goodwill=is_goodwill,
                unearned=unearned,
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
        lines, shares = drafts.lines_of(tx, invoice_id)
        return list(zip(lines, shares, strict=True))

    def credits_of(self, tx: Connection, invoice_id: str) -> list[CreditNoteRow]:
        return invoices.credits_of(tx, invoice_id)

    def evidence(self, tx: Connection, invoice_id: str) -> Iterator[Row[Any]]:
        """Yield the settlement lines that an invoice takes."""
        return taking.taken_lines(tx, invoice_id)

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


def _settled_before(now: datetime) -> datetime:
    """Return the first hour that is not settled yet: the one that is not over."""
    return periods.hour_start(now - periods.SETTLED_AFTER)
