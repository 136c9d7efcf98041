"""What payouts take in and hand out. Amounts are nanos of the currency beside them."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple

import msgspec

from tradewind.core.acting import By
from tradewind.core.ids import EntryId, PayoutId, PayoutRunId, PayoutStatementId

PPM = 1_000_000


class Way(StrEnum):
    BANK = "bank"
    STRIPE = "stripe"
    """A transfer to the publisher's account at Stripe (Connect)."""


class RunStage(StrEnum):
    PREPARING = "preparing"
    PREPARED = "prepared"
    APPROVED = "approved"
    EXPORTED = "exported"
    DONE = "done"
    """Every payout of it was confirmed, or failed."""
    CANCELLED = "cancelled"


class PayoutState(StrEnum):
    READY = "ready"
    EXPORTED = "exported"
    CONFIRMED = "confirmed"
    FAILED = "failed"
    """Never arrived, or came back: the publisher is owed it again."""
    CANCELLED = "cancelled"


class LineKind(StrEnum):
    SALE = "sale"
    """Usage, by model and month."""
    PLAN = "plan"
    """What plans charge: fees, minimums, adjustments."""
    REFUND = "refund"
    RETURNED = "returned"
    """An earlier payout that failed or was cancelled."""
    OTHER = "other"


# --- who is paid, and how --------------------------------------------------------------------


class Destination(NamedTuple):
    """Where money goes."""

    way: Way
    name: str
    iban: str = ""
    bic: str = ""
    account: str = ""
    """At Stripe: acct_…"""


class NewProfile(NamedTuple):
    """What a publisher says of itself."""

    destination: Destination
    currency: str
    minimum_nanos: int = 0


class Terms(NamedTuple):
    """What finance says of a publisher."""

    hold_days: int = 7
    """Earnings younger than these are not paid."""
    reserve_ppm: int = 0
    """Of what is paid; withheld for `reserve_days`."""
    reserve_days: int = 90
    tax_ppm: int = 0
    """Withheld for `tax_jurisdiction`."""
    tax_jurisdiction: str = ""


@dataclass(frozen=True, slots=True)
class Profile:
    publisher: str
    destination: Destination
    currency: str
    minimum_nanos: int
    terms: Terms
    usable_from: datetime
    """Nothing is sent before: the account was changed lately."""
    changed_by: str
    changed_at: datetime
    revision: int


class ReviewHold(NamedTuple):
    publisher: str
    reason: str
    placed_by: str
    placed_at: datetime


class Source(NamedTuple):
    """The platform's own account in a currency."""

    currency: str
    name: str
    iban: str
    bic: str


# --- statements ------------------------------------------------------------------------------


class EarnedLine(NamedTuple):
    """Some of what was posted to a publisher's PAYABLE account, and what it is made of."""

    kind: LineKind
    description: str
    model: str
    period: str
    """The month it was used in, or is for: 2030-03; empty where there is none."""
    quantity: int
    """Calls of a sale."""
    gross_nanos: int
    fee_nanos: int
    net_nanos: int
    """Gross less fee; what the ledger has."""


class Earned(NamedTuple):
    lines: tuple[EarnedLine, ...]
    held_nanos: int
    """Earned so lately that it is on hold, those of earlier statements among it."""

    @property
    def net_nanos(self) -> int:
        return sum(line.net_nanos for line in self.lines)


class StatementLine(msgspec.Struct, frozen=True):
    """Amounts are plain decimals of the currency, exact to a nano."""

    kind: LineKind
    description: str
    model: str
    period: str
    quantity: int
    gross: str
    fee: str
    net: str


class StatementContent(msgspec.Struct, frozen=True):
    """What a statement says. Its JSON, with sorted keys, is what is hashed.

    opening + net of all lines = balance; balance - on_hold = free; free - tax_withheld -
    reserve_withheld + reserve_released - payable = what is left of it; balance - tax_withheld -
    reserve_withheld + reserve_released - payable = closing. What is not paid now is in `closing`,
    and `payable`, the taxes and the reserve are then 0.
    """

    id: str
    publisher: str
    publisher_name: str
    number: int
    currency: str
    drawn_at: datetime
    hold_days: int
    opening: str
    lines: tuple[StatementLine, ...]
    balance: str
    on_hold: str
    free: str
    tax_withheld: str
    tax_jurisdiction: str
    reserve_withheld: str
    reserve_until: datetime | None
    reserve_released: str
    payable: str
    closing: str
    reserve_balance: str
    """Withheld until now, and not released."""
    carried_because: str
    """Empty where it is paid."""
    paid: str
    paid_currency: str
    exchange: str
    """The rate, in words, where it is paid in another currency."""
    version: int = 1


@dataclass(frozen=True, slots=True)
class StatementRow:
    statement_id: PayoutStatementId
    publisher: str
    currency: str
    number: int
    run_id: PayoutRunId
    up_to: int
    """Number of the last entry of the ledger that it covers."""
    opening_nanos: int
    balance_nanos: int
    payable_nanos: int
    closing_nanos: int
    drawn_at: datetime


class FrozenStatement(NamedTuple):
    row: StatementRow
    content: StatementContent
    data: bytes
    """Canonical JSON."""
    sha256: bytes


@dataclass(frozen=True, slots=True)
class Waterfall:
    """What a publisher has in one currency, from what was sold to what can be paid."""

    publisher: str
    currency: str
    opening_nanos: int
    earned: Earned
    tax_nanos: int
    tax_jurisdiction: str
    reserve_nanos: int
    released_nanos: int
    payable_nanos: int
    """What leaves PAYABLE for the publisher's account; 0 where nothing is paid now."""
    reserve_balance_nanos: int
    """Before this."""
    carried_because: str
    paid_nanos: int
    paid_currency: str
    exchange: str

    @property
    def gross_nanos(self) -> int:
        return sum(each.gross_nanos for each in self.earned.lines if _is_sale(each))

    @property
    def fee_nanos(self) -> int:
        return sum(each.fee_nanos for each in self.earned.lines if _is_sale(each))

    @property
    def refund_nanos(self) -> int:
        """What refunds took from the publisher, their part of the fee given back."""
        return -self._net(LineKind.REFUND)

    @property
    def other_nanos(self) -> int:
        return self._net(LineKind.RETURNED) + self._net(LineKind.OTHER)

    @property
    def balance_nanos(self) -> int:
        """As the ledger's PAYABLE account has it, with the other sign."""
        return self.opening_nanos + self.earned.net_nanos

    @property
    def free_nanos(self) -> int:
        return self.balance_nanos - self.earned.held_nanos

    @property
    def closing_nanos(self) -> int:
        withheld = self.tax_nanos + self.reserve_nanos - self.released_nanos
        return self.balance_nanos - withheld - self.payable_nanos

    def _net(self, kind: LineKind) -> int:
        return sum(each.net_nanos for each in self.earned.lines if each.kind is kind)


def _is_sale(line: EarnedLine) -> bool:
    return line.kind in {LineKind.SALE, LineKind.PLAN}


# --- payouts and runs ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Payout:
    payout_id: PayoutId
    run_id: PayoutRunId
    statement_id: PayoutStatementId
    publisher: str
    destination: Destination
    """As it was when the run was prepared."""
    currency: str
    nanos: int
    """Whole minor units."""
    state: PayoutState
    note: str
    """Why it failed, or by what it was confirmed."""
    processor_id: str
    entry_id: EntryId
    settled_entry_id: EntryId | None
    created_at: datetime
    settled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Run:
    run_id: PayoutRunId
    currency: str
    stage: RunStage
    prepared_by: By
    prepared_at: datetime
    approved_by: By | None
    approved_at: datetime | None
    is_self_approved: bool
    exported_at: datetime | None
    execute_on: date | None
    has_file: bool
    sha256: str
    payouts: int
    nanos: int
    """Of all its payouts."""
    open_payouts: int
    """Neither confirmed nor failed."""


class RunEvent(NamedTuple):
    what: str
    by: str
    detail: str
    at: datetime


class RunDetail(NamedTuple):
    run: Run
    payouts: tuple[Payout, ...]
    events: tuple[RunEvent, ...]


class Owed(NamedTuple):
    """A publisher's balance, for finance."""

    publisher: str
    currency: str
    nanos: int
    paid_in: str
    """Empty where it has no profile."""
    is_on_review: bool
