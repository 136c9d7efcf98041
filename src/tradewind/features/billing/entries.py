"""What billing enters into the ledger. Debit is above zero, credit below."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

from tradewind.features.billing.rules.minor_units import nanos_per_minor
from tradewind.features.billing.schemas import DraftLine, LineKind
from tradewind.features.ledger.schemas import AccountKind, AccountRef, EntryDraft, Posting

USAGE = "usage"
PLANS = "plans"
"""Owners of REVENUE: what was earned by the call, and what by plans."""
WRITTEN_OFF = frozenset({"disputes", "refunds"})
"""Owners of WRITE_OFF: what processors take back is lost by it until somebody owes it again."""
_SELLERS_AN_ENTRY = 90
"""With UNBILLED, REVENUE and FEE within the ledger's hundred postings."""

_HOSTS_AN_ENTRY = 50
PROVIDER_SETTLEMENT = "provider_settlement"

Sums = Mapping[AccountRef, int]


class SettledSum(NamedTuple):
    """What one hour of an organization came to by one seller, in one settlement."""

    organization_id: str
    hour: datetime
    currency: str
    seller: str
    """Empty is the platform itself."""
    cost_nanos: int
    fee_nanos: int


class HostCost(Protocol):
    """What one host took for an hour of an organization, in its own currency."""

    @property
    def hour(self) -> datetime: ...
    @property
    def host(self) -> str: ...
    @property
    def currency(self) -> str: ...
    @property
    def cost_nanos(self) -> int: ...


def settlement_drafts(settlement_id: str, sums: Iterable[SettledSum]) -> list[EntryDraft]:
    """Return one entry for each organization, hour and currency; more where many sell."""
    by_hour: dict[tuple[str, datetime, str], list[SettledSum]] = defaultdict(list)
    for each in sums:
        by_hour[each.organization_id, each.hour, each.currency].append(each)
    drafts: list[EntryDraft] = []
    for (organization_id, hour, currency), parts in by_hour.items():
        for at, some in enumerate(_slices(parts)):
            totals: dict[AccountRef, int] = defaultdict(int)
            revenue = AccountRef(AccountKind.REVENUE, USAGE, currency)
            for part in some:
                add_sale(totals, part.seller, revenue, part.cost_nanos, part.fee_nanos)
            unbilled = AccountRef(AccountKind.UNBILLED, organization_id, currency)
            totals[unbilled] = -sum(totals.values())
            stamp = hour.astimezone(UTC).strftime("%Y%m%dT%H")
            draft = _draft(
                f"settlement:{settlement_id}:{organization_id}:{stamp}:{currency}:{at}",
                "settlement",
                hour,
                totals,
                subject=settlement_id,
            )
            if draft is not None:
                drafts.append(draft)
    return drafts


def host_drafts(settlement_id: str, sums: Iterable[HostCost]) -> list[EntryDraft]:
    """Return what hosts took, one entry an hour and currency; more where many hosts answered.

    It is owed to them, whoever is charged for it. A correction takes it back by the other sign.
    """
    by_hour: dict[tuple[datetime, str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for each in sums:
        by_hour[each.hour, each.currency][each.host] += each.cost_nanos
    drafts: list[EntryDraft] = []
    for (hour, currency), hosts in by_hour.items():
        names = sorted(hosts)
        for at, start in enumerate(range(0, len(names), _HOSTS_AN_ENTRY)):
            totals: dict[AccountRef, int] = {}
            for host in names[start : start + _HOSTS_AN_ENTRY]:
                totals[AccountRef(AccountKind.PROVIDER_COST, host, currency)] = hosts[host]
                totals[AccountRef(AccountKind.PROVIDER_PAYABLE, host, currency)] = -hosts[host]
            stamp = hour.astimezone(UTC).strftime("%Y%m%dT%H")
            key = f"settlement:{settlement_id}:hosts:{stamp}:{currency}:{at}"
            draft = _draft(key, PROVIDER_SETTLEMENT, hour, totals, subject=settlement_id)
            if draft is not None:
                drafts.append(draft)
    return drafts


def add_sale(
    totals: dict[AccountRef, int], seller: str, revenue: AccountRef, nanos: int, fee: int
) -> None:
    """Add to `totals` who earns a sale of `nanos`: a seller, less the platform's fee, or
    `revenue`.
    """
    if seller:
        totals[AccountRef(AccountKind.PAYABLE, seller, revenue.currency)] -= nanos - fee
        totals[AccountRef(AccountKind.FEE, "", revenue.currency)] -= fee
    else:
        totals[revenue] -= nanos


class InvoiceSums(NamedTuple):
    """What of a finalized invoice the ledger has to know."""

    invoice_id: str
    number: str
    organization_id: str
    currency: str
    at: datetime
    lines: Sequence[DraftLine]
    jurisdiction: str
    tax_minor: int
    total_minor: int
    paid_ahead: AbstractSet[int] = frozenset()
    """Numbers of the lines that are earned month by month."""


def invoice_draft(sums: InvoiceSums) -> EntryDraft | None:
    """Return the entry of a finalized invoice; None where every amount is zero.

    Usage was entered exactly when it was settled and leaves UNBILLED exactly; what plans charge is
    entered now, and what is paid ahead is DEFERRED. What lies between the exact sum and the paper
    is ROUNDING.
    """
    currency, unit = sums.currency, nanos_per_minor(sums.currency)
    totals: dict[AccountRef, int] = defaultdict(int)
    usage = sum(line.exact_nanos for line in sums.lines if line.kind is LineKind.USAGE)
    totals[AccountRef(AccountKind.UNBILLED, sums.organization_id, currency)] = -usage
    for seq, line in enumerate(sums.lines, start=1):
        if seq in sums.paid_ahead:
            deferred = AccountRef(AccountKind.DEFERRED, sums.organization_id, currency)
            totals[deferred] -= line.exact_nanos
        elif line.kind is not LineKind.USAGE:
            revenue = AccountRef(AccountKind.REVENUE, PLANS, currency)
            add_sale(totals, line.seller, revenue, line.exact_nanos, line.fee_nanos)
    totals[AccountRef(AccountKind.RECEIVABLE, sums.organization_id, currency)] = (
        sums.total_minor * unit
    )
    totals[AccountRef(AccountKind.TAX, sums.jurisdiction, currency)] = -sums.tax_minor * unit
    totals[AccountRef(AccountKind.ROUNDING, "invoices", currency)] = -sum(totals.values())
    return _draft(
        f"invoice:{sums.invoice_id}",
        "invoice",
        sums.at,
        totals,
        memo=f"invoice {sums.number}",
        subject=sums.invoice_id,
    )


class EarnedSum(NamedTuple):
    """Whose line is earned, by whom, and up to when."""

    invoice_id: str
    seq: int
    organization_id: str
    currency: str
    seller: str
    at: datetime


def earned_draft(earned: EarnedSum, nanos: int, fee_nanos: int) -> EntryDraft | None:
    """Return the entry of a month of what was paid ahead; None where it is less than a nano."""
    totals: dict[AccountRef, int] = defaultdict(int)
    totals[AccountRef(AccountKind.DEFERRED, earned.organization_id, earned.currency)] = nanos
    revenue = AccountRef(AccountKind.REVENUE, PLANS, earned.currency)
    add_sale(totals, earned.seller, revenue, nanos, fee_nanos)
    return _draft(
        f"earned:{earned.invoice_id}:{earned.seq}:{earned.at:%Y%m%dT%H%M%S}",
        "earned",
        earned.at,
        totals,
        subject=earned.invoice_id,
    )


class PaidSum(NamedTuple):
    invoice_id: str
    organization_id: str
    currency: str
    amount_minor: int
    at: datetime
    memo: str


def wallet_draft(paid: PaidSum) -> EntryDraft:
    """Return the entry of what a wallet pays of an invoice when it is finalized."""
    wallet = AccountRef(AccountKind.WALLET, paid.organization_id, paid.currency)
    return _payment(f"invoice:{paid.invoice_id}:wallet", "wallet_payment", wallet, paid)


def payment_draft(key: str, method: str, paid: PaidSum) -> EntryDraft:
    """Return the entry of a payment that came in by `method`: where the cash lies, or where the
    loss of one that was taken back is written off. Below zero is what is taken back.
    """
    kind = AccountKind.WRITE_OFF if method in WRITTEN_OFF else AccountKind.CASH
    source = AccountRef(kind, method, paid.currency)
    what = "invoice_payment" if paid.amount_minor > 0 else "invoice_payment_taken_back"
    return _payment(f"invoice-payment:{key}", what, source, paid)


def _payment(key: str, kind: str, source: AccountRef, paid: PaidSum) -> EntryDraft:
    nanos = paid.amount_minor * nanos_per_minor(paid.currency)
    receivable = AccountRef(AccountKind.RECEIVABLE, paid.organization_id, paid.currency)
    postings = (Posting(source, nanos), Posting(receivable, -nanos))
    return EntryDraft(key, kind, paid.at, postings, memo=paid.memo, subject=paid.invoice_id)


class CreditSums(NamedTuple):
    credit_note_id: str
    number: str
    organization_id: str
    currency: str
    at: datetime
    lines: Sequence[tuple[DraftLine, int]]
    """What is taken back of each line, in minor units."""
    jurisdiction: str
    tax_minor: int
    is_goodwill: bool
    unearned: Sequence[int]
    """For each line, how much of it is still deferred, in nanos."""


def credit_draft(credit: CreditSums) -> EntryDraft:
    """Return the entry of a credit note: whoever earned gives back; goodwill is the platform's."""
    currency, unit = credit.currency, nanos_per_minor(credit.currency)
    totals: dict[AccountRef, int] = defaultdict(int)
    deferred = AccountRef(AccountKind.DEFERRED, credit.organization_id, currency)
    for (line, minor), unearned in zip(credit.lines, credit.unearned, strict=True):
        nanos = minor * unit
        if credit.is_goodwill:
            totals[AccountRef(AccountKind.CREDIT, "", currency)] += nanos
            continue
        # What nobody earned yet is given back by nobody.
        totals[deferred] += unearned
        earned = nanos - unearned
        what = USAGE if line.kind is LineKind.USAGE else PLANS
        revenue = AccountRef(AccountKind.REVENUE, what, currency)
        add_sale(totals, line.seller, revenue, -earned, -_part_of_fee(line, earned))
    totals[AccountRef(AccountKind.TAX, credit.jurisdiction, currency)] += credit.tax_minor * unit
    receivable = AccountRef(AccountKind.RECEIVABLE, credit.organization_id, currency)
    totals[receivable] = -sum(totals.values())
    draft = _draft(
        f"credit-note:{credit.credit_note_id}",
        "credit_note",
        credit.at,
        totals,
        memo=f"credit note {credit.number}",
        subject=credit.credit_note_id,
    )
    assert draft is not None, "a credit note is above zero"
    return draft


def _part_of_fee(line: DraftLine, nanos: int) -> int:
    if line.exact_nanos == 0:
        return 0
    # Towards zero, in the publisher's favour, as at settlement.
    part = abs(nanos * line.fee_nanos) // abs(line.exact_nanos)
    return part if (nanos < 0) == (line.exact_nanos < 0) else -part


def _draft(
    key: str, kind: str, at: datetime, totals: Sums, *, subject: str, memo: str = ""
) -> EntryDraft | None:
    postings = tuple(Posting(account, nanos) for account, nanos in totals.items() if nanos)
    return EntryDraft(key, kind, at, postings, memo=memo, subject=subject) if postings else None


def _slices(parts: Sequence[SettledSum]) -> Iterator[Sequence[SettledSum]]:
    for start in range(0, len(parts), _SELLERS_AN_ENTRY):
        yield parts[start : start + _SELLERS_AN_ENTRY]
