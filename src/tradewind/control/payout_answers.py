"""What the routes of payouts take and answer. Amounts are decimal strings."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Self

from pydantic import BaseModel, Field, StringConstraints

from tradewind.control.bodies import Body, amount_of, nanos_of
from tradewind.core.errors import InvalidInput
from tradewind.features.payouts.rules.bank_accounts import masked_iban
from tradewind.features.payouts.schemas import (
    Destination,
    EarnedLine,
    LineKind,
    NewProfile,
    Owed,
    Payout,
    PayoutState,
    Profile,
    ReviewHold,
    Run,
    RunDetail,
    RunStage,
    Source,
    StatementRow,
    Terms,
    Waterfall,
    Way,
)

_Amount = Annotated[str, StringConstraints(max_length=24, pattern=r"^[0-9]{1,10}(\.[0-9]{1,9})?$")]
_Percent = Annotated[str, StringConstraints(max_length=8, pattern=r"^[0-9]{1,3}(\.[0-9]{1,4})?$")]
_Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
_Text = Annotated[str, StringConstraints(max_length=100)]
_Reason = Annotated[str, StringConstraints(min_length=1, max_length=500)]
_Key = Annotated[
    str,
    StringConstraints(min_length=1, max_length=100),
    Field(description="Your own; sent again, it is the same run."),
]
_PPM_PER_PERCENT = 10_000


class ProfileBody(Body):
    way: Annotated[Way, Field(strict=False)] = Way.BANK
    name: _Text = Field(description="Of whoever holds the account.")
    iban: _Text = ""
    bic: _Text = ""
    account: _Text = Field(default="", description="At Stripe: acct_…")
    currency: _Currency
    minimum: _Amount = Field(default="0", description="Less is carried over.")

    def to_profile(self) -> NewProfile:
        to = Destination(self.way, self.name, self.iban, self.bic, self.account)
        return NewProfile(to, self.currency, nanos_of(self.minimum))


class TermsBody(Body):
    hold_days: int = 7
    reserve_percent: _Percent = "0"
    reserve_days: int = 90
    tax_percent: _Percent = "0"
    tax_jurisdiction: _Text = ""

    def to_terms(self) -> Terms:
        return Terms(
            self.hold_days,
            ppm_of(self.reserve_percent),
            self.reserve_days,
            ppm_of(self.tax_percent),
            self.tax_jurisdiction,
        )


class HoldBody(Body):
    reason: _Reason


class SourceBody(Body):
    currency: _Currency
    name: _Text
    iban: _Text
    bic: _Text = ""


class RunBody(Body):
    currency: _Currency
    key: _Key


class ConfirmBody(Body):
    note: Annotated[str, StringConstraints(max_length=500)] = ""


class FailBody(Body):
    reason: _Reason


class ProfileAnswer(BaseModel):
    publisher: str
    way: Annotated[Way, Field(strict=False)]
    name: str
    iban: str = Field(description="Only as much as is needed to recognise it.")
    bic: str
    account: str
    currency: str
    minimum: str
    usable_from: datetime = Field(description="Nothing is sent to the account before.")
    changed_by: str
    changed_at: datetime
    terms: "TermsAnswer"

    @classmethod
    def of(cls, profile: Profile) -> Self:
        to = profile.destination
        return cls(
            publisher=profile.publisher,
            way=to.way,
            name=to.name,
            iban=masked_iban(to.iban),
            bic=to.bic,
            account=to.account,
            currency=profile.currency,
            minimum=amount_of(profile.minimum_nanos),
            usable_from=profile.usable_from,
            changed_by=profile.changed_by,
            changed_at=profile.changed_at,
            terms=TermsAnswer.of(profile.terms),
        )


class TermsAnswer(BaseModel):
    hold_days: int
    reserve_percent: str
    reserve_days: int
    tax_percent: str
    tax_jurisdiction: str

    @classmethod
    def of(cls, terms: Terms) -> Self:
        return cls(
            hold_days=terms.hold_days,
            reserve_percent=percent_of(terms.reserve_ppm),
            reserve_days=terms.reserve_days,
            tax_percent=percent_of(terms.tax_ppm),
            tax_jurisdiction=terms.tax_jurisdiction,
        )


class ProfileShown(BaseModel):
    profile: ProfileAnswer | None
    hold: "HoldAnswer | None" = Field(description="Why nothing is paid; none where nothing stops.")


class HoldAnswer(BaseModel):
    publisher: str
    reason: str
    placed_by: str
    placed_at: datetime

    @classmethod
    def of(cls, hold: ReviewHold) -> Self:
        return cls(**hold._asdict())


class SourceAnswer(BaseModel):
    currency: str
    name: str
    iban: str
    bic: str

    @classmethod
    def of(cls, source: Source) -> Self:
        return cls(**source._asdict() | {"iban": masked_iban(source.iban)})


class SourceList(BaseModel):
    sources: list[SourceAnswer]


class OwedAnswer(BaseModel):
    publisher: str
    currency: str
    amount: str = Field(description="As the ledger has it; below zero the publisher owes.")
    paid_in: str = Field(description="Empty where the publisher has not said where it is paid.")
    is_on_review: bool

    @classmethod
    def of(cls, owed: Owed) -> Self:
        return cls(
            publisher=owed.publisher,
            currency=owed.currency,
            amount=amount_of(owed.nanos),
            paid_in=owed.paid_in,
            is_on_review=owed.is_on_review,
        )


class OwedList(BaseModel):
    owed: list[OwedAnswer]


class LineAnswer(BaseModel):
    kind: LineKind
    description: str
    model: str
    period: str
    quantity: int
    gross: str
    fee: str
    net: str

    @classmethod
    def of(cls, line: EarnedLine) -> Self:
        return cls(
            kind=line.kind,
            description=line.description,
            model=line.model,
            period=line.period,
            quantity=line.quantity,
            gross=amount_of(line.gross_nanos),
            fee=amount_of(line.fee_nanos),
            net=amount_of(line.net_nanos),
        )


class WaterfallAnswer(BaseModel):
    """opening + gross - fee - refunds + other = balance; balance less what is on hold, tax and
    reserve, with the reserve that is released, can be paid.
    """

    currency: str
    opening: str
    gross: str
    fee: str
    refunds: str
    other: str
    balance: str
    on_hold: str
    tax_withheld: str
    reserve_withheld: str
    reserve_released: str
    reserve_balance: str
    payable: str
    paid: str
    paid_currency: str
    carried_because: str
    lines: list[LineAnswer]

    @classmethod
    def of(cls, fall: Waterfall) -> Self:
        return cls(
            currency=fall.currency,
            opening=amount_of(fall.opening_nanos),
            gross=amount_of(fall.gross_nanos),
            fee=amount_of(fall.fee_nanos),
            refunds=amount_of(fall.refund_nanos),
            other=amount_of(fall.other_nanos),
            balance=amount_of(fall.balance_nanos),
            on_hold=amount_of(fall.earned.held_nanos),
            tax_withheld=amount_of(fall.tax_nanos),
            reserve_withheld=amount_of(fall.reserve_nanos),
            reserve_released=amount_of(fall.released_nanos),
            reserve_balance=amount_of(fall.reserve_balance_nanos),
            payable=amount_of(fall.payable_nanos),
            paid=amount_of(fall.paid_nanos),
            paid_currency=fall.paid_currency,
            carried_because=fall.carried_because,
            lines=[LineAnswer.of(line) for line in fall.earned.lines],
        )


class Earnings(BaseModel):
    publisher: str
    currencies: list[WaterfallAnswer]


class StatementAnswer(BaseModel):
    id: str
    publisher: str
    currency: str
    number: int
    opening: str
    balance: str
    payable: str
    closing: str
    drawn_at: datetime

    @classmethod
    def of(cls, row: StatementRow) -> Self:
        return cls(
            id=row.statement_id,
            publisher=row.publisher,
            currency=row.currency,
            number=row.number,
            opening=amount_of(row.opening_nanos),
            balance=amount_of(row.balance_nanos),
            payable=amount_of(row.payable_nanos),
            closing=amount_of(row.closing_nanos),
            drawn_at=row.drawn_at,
        )


class StatementPage(BaseModel):
    statements: list[StatementAnswer]
    next: str | None


class PayoutAnswer(BaseModel):
    id: str
    run: str
    statement: str
    publisher: str
    way: Way
    to: str
    amount: str
    currency: str
    state: PayoutState
    note: str
    created_at: datetime
    settled_at: datetime | None

    @classmethod
    def of(cls, payout: Payout) -> Self:
        to = payout.destination
        return cls(
            id=payout.payout_id,
            run=payout.run_id,
            statement=payout.statement_id,
            publisher=payout.publisher,
            way=to.way,
            to=masked_iban(to.iban) or to.account,
            amount=amount_of(payout.nanos),
            currency=payout.currency,
            state=payout.state,
            note=payout.note,
            created_at=payout.created_at,
            settled_at=payout.settled_at,
        )


class PayoutPage(BaseModel):
    payouts: list[PayoutAnswer]
    next: str | None


class RunAnswer(BaseModel):
    id: str
    currency: str
    state: RunStage
    payouts: int
    open_payouts: int
    amount: str
    prepared_by: str
    prepared_at: datetime
    approved_by: str | None
    approved_at: datetime | None
    is_self_approved: bool
    exported_at: datetime | None
    execute_on: date | None
    has_file: bool
    sha256: str = Field(description="Of the file for the bank.")

    @classmethod
    def of(cls, run: Run) -> Self:
        return cls(
            id=run.run_id,
            currency=run.currency,
            state=run.stage,
            payouts=run.payouts,
            open_payouts=run.open_payouts,
            amount=amount_of(run.nanos),
            prepared_by=run.prepared_by.name,
            prepared_at=run.prepared_at,
            approved_by=None if run.approved_by is None else run.approved_by.name,
            approved_at=run.approved_at,
            is_self_approved=run.is_self_approved,
            exported_at=run.exported_at,
            execute_on=run.execute_on,
            has_file=run.has_file,
            sha256=run.sha256,
        )


class RunPage(BaseModel):
    runs: list[RunAnswer]
    next: str | None


class RunEventAnswer(BaseModel):
    what: str
    by: str
    detail: str
    at: datetime


class RunDetailAnswer(BaseModel):
    run: RunAnswer
    payouts: list[PayoutAnswer]
    events: list[RunEventAnswer]

    @classmethod
    def of(cls, detail: RunDetail) -> Self:
        return cls(
            run=RunAnswer.of(detail.run),
            payouts=[PayoutAnswer.of(payout) for payout in detail.payouts],
            events=[RunEventAnswer(**event._asdict()) for event in detail.events],
        )


def ppm_of(percent: str) -> int:
    """Raises InvalidInput."""
    exact = Decimal(percent) * _PPM_PER_PERCENT
    if exact > 100 * _PPM_PER_PERCENT:
        raise InvalidInput(f"{percent} % is more than everything")
    return int(exact)


def percent_of(ppm: int) -> str:
    return format((Decimal(ppm) / _PPM_PER_PERCENT).normalize(), "f")
