"""What payments take in and hand out. Amounts are nanos of the currency beside them."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple

from tradewind.features.ledger.schemas import AccountRef


class LotKind(StrEnum):
    PAID = "paid"
    CREDIT = "credit"
    """Given, not paid: it is never paid out."""


class PaymentKind(StrEnum):
    TOP_UP = "topup"
    INVOICE = "invoice"
    CARD = "card"
    """Only saves a card: no money moves."""


class PaymentState(StrEnum):
    PENDING = "pending"
    PAID = "paid"
    FAILED = "failed"


class LineState(StrEnum):
    MATCHED = "matched"
    UNMATCHED = "unmatched"
    IGNORED = "ignored"
    """Money that left, or what somebody said is none of ours."""


@dataclass(frozen=True, slots=True)
class Lot:
    lot_id: str
    kind: LotKind
    amount_nanos: int
    left_nanos: int
    expires_at: datetime | None
    payment_id: str | None
    memo: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class AutoTopUp:
    below_nanos: int
    amount_nanos: int
    month_cap_nanos: int


@dataclass(frozen=True, slots=True)
class Wallet:
    organization_id: str
    currency: str
    is_prepaid: bool
    """Whether calls are refused when nothing is left."""
    balance_nanos: int
    """By the ledger: usage leaves it when it is invoiced."""
    left_nanos: int
    """What can still be spent: the balance without usage that is on no invoice yet."""
    held_nanos: int
    """The part of it that gateways hold for calls; most of that comes back."""
    low_nanos: int
    auto: AutoTopUp | None
    card: str
    """How people know the saved card; empty where there is none."""
    lots: tuple[Lot, ...]
    """Of which something is left; those that expire first come first."""
    revision: int


@dataclass(frozen=True, slots=True)
class WalletSettings:
    low_nanos: int = 0
    """Below it the organization is told once; 0 is never."""
    auto: AutoTopUp | None = None


@dataclass(frozen=True, slots=True)
class Payment:
    payment_id: str
    organization_id: str
    processor: str
    processor_id: str
    intent_id: str
    kind: PaymentKind
    invoice_id: str | None
    amount_nanos: int
    paid_nanos: int
    refunded_nanos: int
    currency: str
    state: PaymentState
    reference: str
    is_automatic: bool
    note: str
    action_url: str
    """Where somebody goes on with it, while it is pending."""
    created_at: datetime
    paid_at: datetime | None


class ClawbackKind(StrEnum):
    DISPUTE = "dispute"
    """Whoever holds the card denies the payment at their bank."""
    REFUND = "refund"
    """Sent back at the processor's own pages."""


class ClawbackState(StrEnum):
    NONE = "none"
    """Nothing moved yet, or ever."""
    OPEN = "open"
    FINAL = "final"
    RETURNED = "returned"


@dataclass(frozen=True, slots=True)
class Clawback:
    """Money that the processor took back of a payment."""

    clawback_id: str
    payment_id: str
    processor_id: str
    kind: ClawbackKind
    amount_nanos: int
    taken_nanos: int
    """The part that an invoice owes again or that the wallet gave; the rest the platform bears."""
    invoice_nanos: int
    """What of that the invoice owes."""
    currency: str
    state: ClawbackState
    reason: str
    entry_id: str
    """By which it left the processor's account; empty while it has not."""
    moves: int
    """Counts what was entered, so that each entry has a key."""
    revision: int
    created_at: datetime


class Refund(NamedTuple):
    refund_id: str
    payment_id: str
    amount_nanos: int
    state: PaymentState
    processor_id: str
    created_at: datetime


class PaidIn(NamedTuple):
    """Money or credit that is to be added to a wallet."""

    organization_id: str
    currency: str
    nanos: int
    source: AccountRef
    """Where it comes from, by the ledger."""
    key: str
    kind: str
    """Of the entry."""
    at: datetime
    subject: str
    memo: str
    by: str = ""
    expires_at: datetime | None = None
    payment_id: str | None = None


class OpenInvoice(NamedTuple):
    """What payments need to know of a finalized invoice."""

    invoice_id: str
    organization_id: str
    number: str
    currency: str
    open_minor: int
    nanos_per_minor: int


class BankLine(NamedTuple):
    """A booking, as a statement of the bank tells it."""

    account: str
    booked_on: date
    nanos: int
    """Below zero left the account."""
    currency: str
    reference: str
    """The creditor reference, normalized; empty where there is none."""
    remittance: str
    payer: str
    bank_reference: str
    is_reversal: bool


@dataclass(frozen=True, slots=True)
class BankLineRow:
    line_id: str
    line: BankLine
    state: LineState
    organization_id: str | None
    invoice_id: str | None
    note: str
    by: str
    imported_at: datetime


class Imported(NamedTuple):
    """What came of one file."""

    lines: int
    known: int
    """Were imported before, from this file or another."""
    matched: int
    unmatched: int
    ignored: int
