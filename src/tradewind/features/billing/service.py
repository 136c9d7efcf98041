"""What other features may ask of billing. Everything takes the caller's transaction, and posts to
the ledger at most once in it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row

from tradewind.core.clock import Clock
from tradewind.core.errors import InvalidInput, NotFound
from tradewind.core.ids import CreditNoteId, InvoiceId, SettlementId, TaxRuleId
from tradewind.db.change_feed import ChangeKind, record_change
from tradewind.features.billing import drawing, earning, entries
from tradewind.features.billing.errors import (
    BillingKeyReused,
    InvoiceFinal,
    InvoiceNotFinal,
    InvoiceOverpaid,
    NoBillingAccount,
    NoIssuer,
    NothingToInvoice,
    PeriodOpen,
    TaxRuleTaken,
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
    labels,
    settling,
    settling_more,
    taking,
)
from tradewind.features.billing.repository.invoices import NewCredit, Payment
from tradewind.features.billing.rules import periods
from tradewind.features.billing.rules.credits import credit_of
from tradewind.features.billing.rules.labels import check_label
from tradewind.features.billing.rules.parties import check_party
from tradewind.features.billing.rules.taxes import TaxRule
from tradewind.features.billing.schemas import (
    BillingAccount,
    CreditNoteRow,
    DraftLine,
    Frozen,
    InvoiceRow,
    InvoiceState,
    Issuer,
    Label,
    Mode,
    Settled,
)
from tradewind.features.billing.tax_table import TAX_RULES_MAX
from tradewind.features.ledger.service import Ledger

HOURS_AT_ONCE = 2_000
"""Of one settlement: as many entries, in one statement, and balances that stay locked for it."""
PAGE_MAX = 1_000
_CURRENCY = re.compile(r"[A-Z]{3}")


class Issued(NamedTuple):
    """What became of some organizations at a close."""

    invoices: Sequence[InvoiceId]
    problems: Sequence[tuple[str, str]]
    """(organization, why it has no invoice)."""


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
        self._issuing = Issuing(clock, ledger, subscriptions, taxes)

    # --- accounts, issuer, tax rules ---------------------------------------------------------

    def account(self, tx: Connection, organization_id: str) -> BillingAccount | None:
        return accounts.find_account(tx, organization_id)

    def accounts(
        self, tx: Connection, *, after: str = "", limit: int = 100
    ) -> list[BillingAccount]:
        """Return accounts in the order of their organizations' ids."""
        return accounts.list_accounts(tx, after, min(limit, PAGE_MAX))

    def set_account(self, tx: Connection, account: BillingAccount) -> BillingAccount | None:
        """Store an account; `revision` is the one it was read with, 0 for a new one. None where
        somebody else changed it meanwhile.

        Usage from `billed_from` on is charged; what was used before the account was opened is
        compared too. An earlier `billed_from` than before charges what was free: it only ever
        moves forward.
        """
        check_party(account.party)
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
        # Gateways ask of whom is charged that somebody confirmed who pays.
        record_change(tx, ChangeKind.TERMS, [account.organization_id])
        return stored

    def issuer(self, tx: Connection) -> Issuer | None:
        return accounts.find_issuer(tx)

    def set_issuer(self, tx: Connection, issuer: Issuer) -> None:
        check_party(issuer.party)
        if len(issuer.payment_details) > 1000:
            raise InvalidInput("`payment_details` is longer than 1000 characters")
        accounts.set_issuer(tx, issuer, self._clock.now())

    def tax_rules(self, tx: Connection) -> list[tuple[str, TaxRule]]:
        return accounts.list_tax_rules(tx, TAX_RULES_MAX)

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

    def end_tax_rule(self, tx: Connection, rule_id: str, valid_until: date) -> None:
        """Let a rule hold until a day, the first on which it no longer does. Raises NotFound,
        InvalidInput.
        """
        found = dict(accounts.list_tax_rules(tx, TAX_RULES_MAX)).get(rule_id)
        if found is None:
            raise NotFound(f"there is no tax rule {rule_id[:64]!r}")
        if valid_until <= found.valid_from:
            raise InvalidInput(f"this rule holds from {found.valid_from} on: it ends later")
        accounts.end_tax_rule(tx, rule_id, valid_until)

    def labels(self, tx: Connection, organization_id: str) -> dict[str, Label]:
        """Return cost centres and tags of projects, by the project's id."""
        found = labels.labels_of(tx, [organization_id])
        return {project_id: label for (_, project_id), label in found.items()}

    def set_label(
        self, tx: Connection, organization_id: str, project_id: str, label: Label
    ) -> None:
        """Say what invoices carry beside a project from the next draft on. Raises NotFound."""
        check_label(label)
        if not labels.is_project(tx, organization_id, project_id):
            raise NotFound(f"there is no project {project_id[:64]!r}")
        labels.set_label(tx, organization_id, project_id, label, self._clock.now())

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
