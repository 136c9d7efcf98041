"""Billing for people: who may see an invoice, and who may write one.

Members see what is their organization's. Whoever runs the platform writes invoices and sees
everybody's.
"""

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row

from tradewind.core.errors import Forbidden, NotFound
from tradewind.core.ids import InvoiceId, TaxRuleId
from tradewind.core.permissions import Permission, require
from tradewind.features.accounts.schemas import Actor, is_platform_administrator
from tradewind.features.billing.closing import Closing
from tradewind.features.billing.rules.taxes import TaxRule
from tradewind.features.billing.schemas import (
    BillingAccount,
    Close,
    CreditNoteRow,
    DraftLine,
    Frozen,
    InvoiceRow,
    InvoiceState,
    Issuer,
    Label,
    Settled,
)
from tradewind.features.billing.service import Billing


class Office:
    """Every method raises Forbidden for whoever may not; another's invoice is NotFound."""

    def __init__(self, billing: Billing, closing: Closing) -> None:
        self._billing = billing
        self._closing = closing

    # --- what members see --------------------------------------------------------------------

    def own_account(self, tx: Connection, actor: Actor) -> BillingAccount | None:
        """Return None where the organization is not charged."""
        require(actor, Permission.BILLING_READ)
        return self._billing.account(tx, actor.organization_id)

    def own_invoices(
        self,
        tx: Connection,
        actor: Actor,
        *,
        state: InvoiceState | None = None,
        before: str | None = None,
        limit: int = 100,
    ) -> list[InvoiceRow]:
        require(actor, Permission.BILLING_READ)
        return self._billing.list_invoices(
            tx, organization_id=actor.organization_id, state=state, before=before, limit=limit
        )

    def invoice(
        self, tx: Connection, actor: Actor, invoice_id: str
    ) -> tuple[InvoiceRow, list[tuple[DraftLine, int]], list[CreditNoteRow]]:
        """Return an invoice, its lines with their shares in minor units, and its credit notes."""
        row = self._seen(tx, actor, invoice_id)
        return (
            row,
            self._billing.lines(tx, row.invoice_id),
            self._billing.credits_of(tx, row.invoice_id),
        )

    def frozen(self, tx: Connection, actor: Actor, invoice_id: str) -> Frozen:
        """Raises NotFound, InvoiceNotFinal."""
        return self._billing.frozen(tx, self._seen(tx, actor, invoice_id).invoice_id)

    def frozen_credit(self, tx: Connection, actor: Actor, credit_note_id: str) -> Frozen:
        """Raises NotFound."""
        require(actor, Permission.BILLING_READ)
        found = self._billing.frozen_credit(tx, credit_note_id)
        if found.content.organization != actor.organization_id and not _runs_the_platform(actor):
            raise NotFound(f"there is no credit note {credit_note_id[:64]!r}")
        return found

    def own_labels(self, tx: Connection, actor: Actor) -> dict[str, Label]:
        """Return cost centres and tags of the organization's projects, by the project's id."""
        require(actor, Permission.BILLING_READ)
        return self._billing.labels(tx, str(actor.organization_id))

    def set_own_label(self, tx: Connection, actor: Actor, project_id: str, label: Label) -> None:
        """As `Billing.set_label`."""
        require(actor, Permission.BILLING_WRITE)
        self._billing.set_label(tx, str(actor.organization_id), project_id, label)

    def evidence(self, tx: Connection, actor: Actor, invoice_id: str) -> Iterator[Row[Any]]:
        return self._billing.evidence(tx, self._seen(tx, actor, invoice_id).invoice_id)

    def _seen(self, tx: Connection, actor: Actor, invoice_id: str) -> InvoiceRow:
        require(actor, Permission.BILLING_READ)
        whose = None if _runs_the_platform(actor) else str(actor.organization_id)
        return self._billing.invoice(tx, invoice_id, whose)

    # --- what whoever runs the platform does -------------------------------------------------

    def account(self, tx: Connection, actor: Actor, organization_id: str) -> BillingAccount:
        """Raises NotFound."""
        _finance(actor, Permission.FINANCE_READ)
        found = self._billing.account(tx, organization_id)
        if found is None:
            raise NotFound(f"{organization_id[:64]} has no billing account")
        return found

    def accounts(
        self, tx: Connection, actor: Actor, *, after: str = "", limit: int = 100
    ) -> list[BillingAccount]:
        """Return billing accounts in the order of their organizations."""
        _finance(actor, Permission.FINANCE_READ)
        return self._billing.accounts(tx, after=after, limit=limit)

    def drafts(
        self, tx: Connection, actor: Actor, *, before: str | None = None, limit: int = 100
    ) -> list[InvoiceRow]:
        """Return everybody's drafts, the newest first."""
        _finance(actor, Permission.FINANCE_READ)
        return self._billing.list_invoices(tx, state=InvoiceState.DRAFT, before=before, limit=limit)

    def settle(self, tx: Connection, actor: Actor) -> Settled | None:
        """As `Billing.settle`."""
        _finance(actor, Permission.FINANCE_WRITE)
        return self._billing.settle(tx)

    def set_account(
        self, tx: Connection, actor: Actor, account: BillingAccount
    ) -> BillingAccount | None:
        """As `Billing.set_account`."""
        _finance(actor, Permission.FINANCE_WRITE)
        return self._billing.set_account(tx, account)

    def issuer(self, tx: Connection, actor: Actor) -> Issuer | None:
        """Return None where nobody said it yet."""
        _finance(actor, Permission.FINANCE_READ)
        return self._billing.issuer(tx)

    def set_issuer(self, tx: Connection, actor: Actor, issuer: Issuer) -> None:
        _finance(actor, Permission.FINANCE_WRITE)
        self._billing.set_issuer(tx, issuer)

    def tax_rules(self, tx: Connection, actor: Actor) -> list[tuple[str, TaxRule]]:
        _finance(actor, Permission.FINANCE_READ)
        return self._billing.tax_rules(tx)

    def add_tax_rule(self, tx: Connection, actor: Actor, rule: TaxRule) -> TaxRuleId:
        _finance(actor, Permission.FINANCE_WRITE)
        return self._billing.add_tax_rule(tx, rule)

    def end_tax_rule(self, tx: Connection, actor: Actor, rule_id: str, valid_until: date) -> None:
        """As `Billing.end_tax_rule`."""
        _finance(actor, Permission.FINANCE_WRITE)
        self._billing.end_tax_rule(tx, rule_id, valid_until)

    def remove_tax_rule(self, tx: Connection, actor: Actor, rule_id: str) -> None:
        """Raises NotFound."""
        _finance(actor, Permission.FINANCE_WRITE)
        self._billing.remove_tax_rule(tx, rule_id)

    def draft(
        self, tx: Connection, actor: Actor, organization_id: str, until: datetime
    ) -> list[InvoiceId]:
        """As `Billing.draft`."""
        _finance(actor, Permission.FINANCE_WRITE)
        return self._billing.draft(tx, organization_id, until)

    def finalize(self, tx: Connection, actor: Actor, invoice_id: str) -> InvoiceRow:
        """As `Billing.finalize`."""
        _finance(actor, Permission.FINANCE_WRITE)
        return self._billing.finalize(tx, invoice_id)

    def void(self, tx: Connection, actor: Actor, invoice_id: str) -> None:
        """As `Billing.void`."""
        _finance(actor, Permission.FINANCE_WRITE)
        self._billing.void(tx, invoice_id)

    def credit(
        self,
        tx: Connection,
        actor: Actor,
        invoice_id: str,
        *,
        reason: str,
        key: str,
        lines: Mapping[int, int] | None,
        is_goodwill: bool,
    ) -> CreditNoteRow:
        """As `Billing.credit`."""
        _finance(actor, Permission.FINANCE_WRITE)
        return self._billing.credit(
            tx,
            invoice_id,
            reason=reason,
            key=f"by-hand:{key}",
            lines=lines,
            is_goodwill=is_goodwill,
        )

    def begin_close(self, tx: Connection, actor: Actor, period_end: datetime) -> Close:
        """As `Closing.begin`; the worker goes on with it."""
        _finance(actor, Permission.FINANCE_WRITE)
        return self._closing.begin(tx, period_end)

    def cancel_close(self, tx: Connection, actor: Actor, close_id: str) -> Close:
        """As `Closing.cancel`."""
        _finance(actor, Permission.FINANCE_WRITE)
        return self._closing.cancel(tx, close_id)

    def closes(self, tx: Connection, actor: Actor) -> list[Close]:
        """Return closes, the newest first."""
        _finance(actor, Permission.FINANCE_READ)
        return list(self._closing.recent(tx))


def _runs_the_platform(actor: Actor) -> bool:
    return actor.may(Permission.FINANCE_READ) and is_platform_administrator(actor)


def _finance(actor: Actor, permission: Permission) -> None:
    require(actor, permission)
    if not is_platform_administrator(actor):
        raise Forbidden("only administrators of the platform write invoices and see everybody's")
