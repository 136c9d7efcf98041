"""What payments need from others: the budget that gateways lease of, and billing."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from sqlalchemy import Connection

from tradewind.features.budgets.schemas import WalletStanding
from tradewind.features.payments.schemas import OpenInvoice


class HardBudgets(Protocol):
    def standing(
        self, tx: Connection, organization_id: str, currency: str
    ) -> WalletStanding | None: ...
    def put(
        self, tx: Connection, organization_id: str, currency: str, amount_nanos: int
    ) -> WalletStanding: ...
    def remove(self, tx: Connection, organization_id: str, currency: str) -> None: ...


class Payer(NamedTuple):
    """How an organization pays, by its billing account."""

    organization_id: str
    currency: str
    is_prepaid: bool


class Bills(Protocol):
    """The part of billing that payments use."""

    def payer(self, tx: Connection, organization_id: str) -> Payer | None: ...

    def prepaid(self, tx: Connection, after: str, limit: int) -> Sequence[Payer]:
        """Return who pays ahead, in the order of their ids."""
        ...

    def covered_nanos(self, tx: Connection, organization_id: str, currency: str) -> int:
        """Return how much of what gateways counted the wallet no longer owes: it is on an invoice,
        or is not charged.
        """
        ...

    def invoice(self, tx: Connection, invoice_id: str) -> OpenInvoice | None:
        """Return a finalized invoice."""
        ...

    def invoice_of_number(self, tx: Connection, letters: str) -> OpenInvoice | None:
        """Return the finalized invoice whose number has these letters and digits."""
        ...

    def open_of_prepaid(self, tx: Connection, limit: int) -> Sequence[str]:
        """Return finalized invoices of who pays ahead that are not paid, where the wallet may have
        something for them; the oldest first.
        """
        ...

    def lock_invoice(self, tx: Connection, invoice_id: str) -> OpenInvoice | None:
        """Return a finalized invoice; whoever else changes it waits."""
        ...

    def record_payment(  # noqa: PLR0917  billing's own order
        self,
        tx: Connection,
        invoice_id: str,
        amount_minor: int,
        method: str,
        reference: str,
        key: str,
    ) -> object: ...

    def take_back_payment(  # noqa: PLR0917  billing's own order
        self,
        tx: Connection,
        invoice_id: str,
        amount_minor: int,
        method: str,
        reference: str,
        key: str,
    ) -> object:
        """Let an invoice owe again what a processor took back of a payment."""
        ...

    def paid_minor(self, tx: Connection, invoice_id: str, reference: str) -> int:
        """Return what the payment with this reference still pays of an invoice."""
        ...


class Dunning(Protocol):
    """Who has to know that an invoice which was paid no longer is, or is again."""

    def note_disputed(self, tx: Connection, invoice_id: str, *, is_unpaid: bool) -> None:
        """Begin dunning for what the invoice charges, or end it. Idempotent."""
        ...
