"""What billing takes in and hands out. Nanos are exact, minor units what is on paper."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

import msgspec

from tradewind.core.ids import BillingCloseId, CreditNoteId, InvoiceId, OrganizationId, SettlementId


class BuyerKind(StrEnum):
    BUSINESS = "business"
    """Has a tax number that was checked."""
    CONSUMER = "consumer"
    EXEMPT = "exempt"
    """Is excused by a certificate that finance has seen."""


class TaxTreatment(StrEnum):
    """The categories of EN 16931, by which e-invoices say them (UNCL 5305)."""

    STANDARD = "S"
    ZERO = "Z"
    EXEMPT = "E"
    REVERSE_CHARGE = "AE"
    EXPORT = "G"
    OUTSIDE = "O"


class Tax(NamedTuple):
    treatment: TaxTreatment
    rate_ppm: int
    jurisdiction: str
    reason: str


class Mode(StrEnum):
    NONE = "none"
    """Usage is shown and never charged."""
    POSTPAID = "postpaid"
    PREPAID = "prepaid"
    """Invoices are paid from the wallet when they are finalized."""


class InvoiceState(StrEnum):
    DRAFT = "draft"
    FINALIZED = "finalized"
    PAID = "paid"
    VOID = "void"
    """A draft that was thrown away, or credited in full."""


class LineKind(StrEnum):
    USAGE = "usage"
    FEE = "fee"
    MINIMUM = "minimum"
    ADJUSTMENT = "adjustment"
    """What a plan charges for usage beyond, or below, its list price."""


class Party(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who sells or buys, as an invoice names them."""

    legal_name: str
    country: str
    """ISO 3166-1, two letters."""
    street: str = ""
    city: str = ""
    postal_code: str = ""
    tax_id: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True)
class BillingAccount:
    organization_id: OrganizationId
    mode: Mode
    currency: str
    party: Party
    buyer_kind: BuyerKind
    buyer_reference: str
    payment_terms_days: int
    billed_from: datetime
    revision: int


@dataclass(frozen=True, slots=True)
class Issuer:
    party: Party
    payment_details: str


class Label(NamedTuple):
    """What the buyer's own books say of a project; usage on its invoices carries it."""

    cost_centre: str = ""
    tags: Mapping[str, str] = {}


class Settled(NamedTuple):
    """What one settlement did."""

    settlement_id: SettlementId | None
    """None where nothing differed."""
    hours: int
    """Of organizations, that were compared."""
    lines: int
    entries: int


# --- what is drawn up ------------------------------------------------------------------------


class Evidence(msgspec.Struct, frozen=True, omit_defaults=True):
    """From what a line was made, so that it can be found again."""

    quantities: dict[str, int] = {}
    """By meter; each unit is in one of them."""
    is_late: bool = False
    """Its hours were on an invoice before: what came or was corrected after that."""
    settlement_lines: int = 0
    subscription: str = ""
    rated: tuple[str, ...] = ()
    """What the plan charges, line by line, in words."""
    cost_centre: str = ""
    """Of the project, when the invoice was drawn up."""
    tags: dict[str, str] = {}
    """Of the project, likewise."""


class DraftLine(NamedTuple):
    kind: LineKind
    description: str
    quantity: int
    unit: str
    exact_nanos: int
    fee_nanos: int
    project_id: str
    model: str
    operation: str
    price_id: str
    seller: str
    hour_from: datetime
    hour_to: datetime
    source_key: str
    evidence: Evidence


class Watermark(NamedTuple):
    """Up to where earlier invoices took: lines with an hour before, and a number up to these."""

    hour: datetime | None
    number: int


class Drawn(NamedTuple):
    """An invoice before it is stored: exact lines, and what they come to on paper."""

    account: BillingAccount
    currency: str
    period_start: datetime
    period_end: datetime
    up_to: int
    after: Watermark
    lines: tuple[DraftLine, ...]
    shares: tuple[int, ...]
    """Of the lines, in minor units."""
    tax: Tax
    net_minor: int
    tax_minor: int

    @property
    def usage_nanos(self) -> int:
        return sum(line.exact_nanos for line in self.lines if line.kind is LineKind.USAGE)

    @property
    def exact_nanos(self) -> int:
        return sum(line.exact_nanos for line in self.lines)

    @property
    def total_minor(self) -> int:
        return self.net_minor + self.tax_minor


# --- what is frozen --------------------------------------------------------------------------


class LineContent(msgspec.Struct, frozen=True):
    seq: int
    kind: LineKind
    description: str
    quantity: int
    unit: str
    exact: str
    """A plain decimal of the currency, exact to a nano."""
    amount: str
    """The same in whole minor units; all of them add up to `net`."""
    project: str
    model: str
    operation: str
    price: str
    seller: str
    hour_from: datetime
    hour_to: datetime
    evidence: Evidence


class TaxContent(msgspec.Struct, frozen=True):
    treatment: str
    rate_ppm: int
    jurisdiction: str
    reason: str
    amount: str


class Content(msgspec.Struct, frozen=True):
    """What an invoice or a credit note says. Its JSON, with sorted keys, is what is hashed."""

    document: str
    """`invoice` or `credit_note`."""
    id: str
    number: str
    organization: str
    currency: str
    issuer: Party
    payment_details: str
    buyer: Party
    buyer_reference: str
    issued_at: datetime
    due_at: datetime
    period_start: datetime
    period_end: datetime
    lines: tuple[LineContent, ...]
    exact: str
    rounding: str
    """What was rounded off: net less exact."""
    net: str
    tax: TaxContent
    total: str
    credits: str = ""
    """Number of the invoice that a credit note takes back of."""
    reason: str = ""
    version: int = 1


# --- what is read ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class InvoiceRow:
    invoice_id: InvoiceId
    organization_id: OrganizationId
    currency: str
    state: InvoiceState
    number: str | None
    period_start: datetime
    period_end: datetime
    exact_nanos: int
    net_minor: int
    tax_minor: int
    total_minor: int
    paid_minor: int
    credited_minor: int
    issued_at: datetime | None
    due_at: datetime | None
    created_at: datetime

    @property
    def open_minor(self) -> int:
        """What is still to be paid; below zero is owed to the buyer."""
        return self.total_minor - self.paid_minor - self.credited_minor


class Frozen(NamedTuple):
    """A document as it was finalized."""

    content: Content
    data: bytes
    """Canonical JSON."""
    sha256: bytes


@dataclass(frozen=True, slots=True)
class CreditNoteRow:
    credit_note_id: CreditNoteId
    invoice_id: InvoiceId
    number: str
    currency: str
    reason: str
    is_goodwill: bool
    net_minor: int
    tax_minor: int
    total_minor: int
    issued_at: datetime


class CloseState(StrEnum):
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Close:
    close_id: BillingCloseId
    period_end: datetime
    state: CloseState
    after: str
    """Organizations up to this one are done."""
    total: int
    done: int
    invoices: int
    problem_count: int
    started_at: datetime
    ended_at: datetime | None
    problems: tuple[tuple[str, str], ...] = field(default=())
    """(organization, why), the first hundred."""


CloseProgress = Callable[[Close], None]
