"""What the ledger takes in and hands out. Amounts are nanos; debit is above zero, credit below."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import Connection

from tradewind.core.ids import EntryId, LedgerAccountId


class AccountKind(StrEnum):
    CASH = "cash"
    """Asset; the owner is where it lies (bank, stripe)."""
    RECEIVABLE = "receivable"
    """Asset; of an organization: finalized invoices that are not paid yet."""
    UNBILLED = "unbilled"
    """Asset; of an organization: rated, and on no invoice yet."""
    WALLET = "wallet"
    """Liability; of an organization: paid ahead. Never above zero, which would be an overdraft."""
    PAYABLE = "payable"
    """Liability; of a publisher: earned, and not paid out yet."""
    RESERVE = "reserve"
    """Liability; of a publisher: the part that is withheld."""
    PROVIDER_PAYABLE = "provider_payable"
    """Liability; of a host."""
    TAX = "tax"
    """Liability; of a jurisdiction."""
    REVENUE = "revenue"
    """Income; the owner is what for (usage, plans), or empty."""
    FEE = "fee"
    """Income; the platform's part of what publishers sell."""
    PROVIDER_COST = "provider_cost"
    """Expense; by host."""
    CREDIT = "credit"
    """Expense; goodwill and promotions."""
    WRITE_OFF = "write_off"
    """Expense."""
    ROUNDING = "rounding"
    """What lies between the exact amount and the one on paper."""
    FX = "fx"
    """Exchange of currencies: one leg in each."""
    DEFERRED = "deferred"
    """Liability; of an organization: paid ahead for months to come."""


class AccountRef(NamedTuple):
    """Names an account, whether it was used before or not."""

    kind: AccountKind
    owner: str
    currency: str


class Posting(NamedTuple):
    account: AccountRef
    nanos: int


@dataclass(frozen=True, slots=True)
class EntryDraft:
    key: str
    """What makes a retry harmless; unique for ever. Begin it with the feature: `settlement:…`."""
    kind: str
    at: datetime
    """When it happened. Part of the content: a retry has to say the same time."""
    postings: tuple[Posting, ...]
    memo: str = ""
    """For people."""
    subject: str = ""
    """Id of what caused it: an invoice, a payout, a settlement."""
    by: str = ""
    """Who entered it by hand; empty for the platform itself."""


class Entry(NamedTuple):
    entry_id: EntryId
    number: int
    """Counts up. Numbers are missing where a draft turned out to be a retry or was refused."""
    key: str
    kind: str
    at: datetime
    memo: str
    subject: str
    by: str
    entered_at: datetime
    reverses: EntryId | None
    reversed_by: EntryId | None
    postings: tuple[Posting, ...]
    account_ids: tuple[LedgerAccountId, ...]
    """Of the postings, in their order."""


class WholeEntry(NamedTuple):
    """An entry as its hash covers it."""

    entry_id: str
    draft: EntryDraft
    reverses: str | None
    content_hash: bytes


class AccountRow(NamedTuple):
    account_id: LedgerAccountId
    account: AccountRef
    nanos: int
    postings: int
    created_at: datetime


class StatementPlace(NamedTuple):
    """Where a page of a statement ended."""

    at: datetime
    entry_id: str
    seq: int


class StatementRow(NamedTuple):
    entry_id: EntryId
    seq: int
    at: datetime
    kind: str
    memo: str
    subject: str
    nanos: int
    balance_nanos: int
    """Of the account behind this posting, in the order of the statement."""

    @property
    def place(self) -> StatementPlace:
        """Give it as `after` for the rows behind this one."""
        return StatementPlace(self.at, self.entry_id, self.seq)


class FxRate(NamedTuple):
    """One unit of `base` costs `nanos` nanos of `quote`."""

    base: str
    quote: str
    nanos: int
    source: str
    valid_from: datetime


class Seal(NamedTuple):
    number: int
    up_to: int
    """Number of the last entry it covers."""
    entries: int
    """How many this seal covers: those behind the seal before it."""
    digest: bytes
    sealed_at: datetime


@dataclass(frozen=True, slots=True)
class Difference:
    """Something in the books that is not what it is derived from."""

    check: str
    subject: str
    detail: str
    nanos: int = 0
    """By how much; 0 where no amount is wrong."""


Tell = Callable[[int, int], None]
"""Takes how much of a check is done, of how much."""
Progress = Callable[[str, int, int], None]
"""The same, with the name of the check first."""


class NamedCheck(NamedTuple):
    """One part of a verification. What is settled from usage adds checks of its own."""

    name: str
    run: Callable[[Connection, Tell], Iterable[Difference]]


class CheckResult(NamedTuple):
    name: str
    differences: int


@dataclass(frozen=True, slots=True)
class Verification:
    accounts: int
    entries: int
    postings: int
    checks: tuple[CheckResult, ...]
    differences: tuple[Difference, ...]
    """At most as many as `rules.MOST_DIFFERENCES`; `difference_count` counts all of them."""
    difference_count: int
    difference_nanos: int
    """All differences added up without their signs."""

    @property
    def is_clean(self) -> bool:
        return self.difference_count == 0
