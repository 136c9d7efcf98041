"""What the routes of billing take and answer. Amounts are decimals of their currency."""

from datetime import date, datetime
from typing import Annotated, Self

from pydantic import BaseModel, Field, StringConstraints

from tradewind.control.bodies import Body, Name
from tradewind.control.span import in_utc
from tradewind.core.errors import InvalidInput
from tradewind.core.ids import OrganizationId
from tradewind.core.money import format_nanos
from tradewind.features.billing.drawing import amount
from tradewind.features.billing.rules.minor_units import minor_in
from tradewind.features.billing.rules.taxes import TaxRule
from tradewind.features.billing.schemas import (
    BillingAccount,
    BuyerKind,
    Close,
    CloseState,
    CreditNoteRow,
    DraftLine,
    InvoiceRow,
    InvoiceState,
    Issuer,
    LineKind,
    Mode,
    Party,
    TaxTreatment,
)

_Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
_Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
_CountryOrAny = Annotated[str, StringConstraints(pattern=r"^([A-Z]{2}|\*)$")]
_MinorText = Annotated[str, StringConstraints(pattern=r"^-?[0-9]{1,12}(\.[0-9]{1,4})?$")]


class PartyBody(Body):
    legal_name: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    country: _Country
    street: Name = ""
    city: Name = ""
    postal_code: Name = ""
    tax_id: Name = ""
    email: Name = ""

    def to_party(self) -> Party:
        return Party(**self.model_dump())

    @classmethod
    def of(cls, party: Party) -> Self:
        return cls(
            legal_name=party.legal_name,
            country=party.country,
            street=party.street,
            city=party.city,
            postal_code=party.postal_code,
            tax_id=party.tax_id,
            email=party.email,
        )


class IssuerBody(Body):
    party: PartyBody
    payment_details: Annotated[str, StringConstraints(max_length=1000)] = ""

    def to_issuer(self) -> Issuer:
        return Issuer(self.party.to_party(), self.payment_details)

    @classmethod
    def of(cls, issuer: Issuer) -> Self:
        return cls(party=PartyBody.of(issuer.party), payment_details=issuer.payment_details)


class AccountBody(Body):
    mode: Annotated[Mode, Field(strict=False)]
    currency: _Currency
    party: PartyBody
    buyer_kind: Annotated[BuyerKind, Field(strict=False)]
    buyer_reference: Name = ""
    payment_terms_days: Annotated[int, Field(ge=0, le=365)] = 30
    billed_from: Annotated[datetime, Field(strict=False)] = Field(
        description="The first hour that is charged; it only ever moves forward."
    )
    revision: Annotated[int, Field(ge=0)] = Field(
        default=0, description="The one that was read; 0 for a new account."
    )

    def to_account(self, organization_id: str) -> BillingAccount:
        return BillingAccount(
            organization_id=OrganizationId(organization_id),
            mode=self.mode,
            currency=self.currency,
            party=self.party.to_party(),
            buyer_kind=self.buyer_kind,
            buyer_reference=self.buyer_reference,
            payment_terms_days=self.payment_terms_days,
            billed_from=in_utc(self.billed_from, "billed_from"),
            revision=self.revision,
        )


class AccountAnswer(BaseModel):
    organization: str
    mode: Mode
    currency: str
    party: PartyBody
    buyer_kind: BuyerKind
    buyer_reference: str
    payment_terms_days: int
    billed_from: datetime
    revision: int

    @classmethod
    def of(cls, account: BillingAccount) -> Self:
        return cls(
            organization=account.organization_id,
            mode=account.mode,
            currency=account.currency,
            party=PartyBody.of(account.party),
            buyer_kind=account.buyer_kind,
            buyer_reference=account.buyer_reference,
            payment_terms_days=account.payment_terms_days,
            billed_from=account.billed_from,
            revision=account.revision,
        )


class InvoiceAnswer(BaseModel):
    id: str
    number: str | None = Field(description="Null for a draft.")
    organization: str
    state: InvoiceState
    currency: str
    period_start: datetime
    period_end: datetime
    exact: str
    net: str
    tax: str
    total: str
    paid: str
    credited: str
    open: str = Field(description="Still to be paid; below zero is owed to the buyer.")
    issued_at: datetime | None
    due_at: datetime | None

    @classmethod
    def of(cls, row: InvoiceRow) -> Self:
        return cls(
            id=row.invoice_id,
            number=row.number,
            organization=row.organization_id,
            state=row.state,
            currency=row.currency,
            period_start=row.period_start,
            period_end=row.period_end,
            exact=format_nanos(row.exact_nanos),
            net=amount(row.net_minor, row.currency),
            tax=amount(row.tax_minor, row.currency),
            total=amount(row.total_minor, row.currency),
            paid=amount(row.paid_minor, row.currency),
            credited=amount(row.credited_minor, row.currency),
            open=amount(row.open_minor, row.currency),
            issued_at=row.issued_at,
            due_at=row.due_at,
        )


class InvoicePage(BaseModel):
    invoices: list[InvoiceAnswer] = Field(description="The newest first.")
    next: str | None = Field(description="Send it as `after` for the next page; null at the end.")


class InvoiceLineAnswer(BaseModel):
    seq: int
    kind: LineKind
    description: str
    quantity: int
    unit: str
    exact: str
    amount: str
    project: str
    model: str
    operation: str
    price: str
    seller: str
    hour_from: datetime
    hour_to: datetime = Field(description="The first hour that is not in it.")
    is_late: bool
    quantities: dict[str, int]

    @classmethod
    def of(cls, seq: int, line: DraftLine, share: int, currency: str) -> Self:
        return cls(
            seq=seq,
            kind=line.kind,
            description=line.description,
            quantity=line.quantity,
            unit=line.unit,
            exact=format_nanos(line.exact_nanos),
            amount=amount(share, currency),
            project=line.project_id,
            model=line.model,
            operation=line.operation,
            price=line.price_id,
            seller=line.seller,
            hour_from=line.hour_from,
            hour_to=line.hour_to,
            is_late=line.evidence.is_late,
            quantities=line.evidence.quantities,
        )


class CreditNoteAnswer(BaseModel):
    id: str
    invoice: str
    number: str
    reason: str
    is_goodwill: bool
    currency: str
    net: str
    tax: str
    total: str
    issued_at: datetime

    @classmethod
    def of(cls, row: CreditNoteRow) -> Self:
        return cls(
            id=row.credit_note_id,
            invoice=row.invoice_id,
            number=row.number,
            reason=row.reason,
            is_goodwill=row.is_goodwill,
            currency=row.currency,
            net=amount(row.net_minor, row.currency),
            tax=amount(row.tax_minor, row.currency),
            total=amount(row.total_minor, row.currency),
            issued_at=row.issued_at,
        )


class InvoiceDetail(BaseModel):
    invoice: InvoiceAnswer
    lines: list[InvoiceLineAnswer]
    credit_notes: list[CreditNoteAnswer]


class DraftBody(Body):
    organization: Name
    until: Annotated[datetime, Field(strict=False)] = Field(description="A full hour, UTC.")


class DraftList(BaseModel):
    invoices: list[InvoiceAnswer] = Field(description="One for each currency.")


class CreditLineBody(Body):
    seq: Annotated[int, Field(ge=1)]
    amount: _MinorText


class CreditBody(Body):
    reason: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    key: Annotated[str, StringConstraints(min_length=1, max_length=100)] = Field(
        description="Makes a retry harmless: the same key is the same credit note."
    )
    lines: Annotated[list[CreditLineBody], Field(max_length=10_000)] | None = Field(
        default=None, description="What is taken back of lines; null is all that is left."
    )
    is_goodwill: bool = Field(
        default=False, description="The platform bears it, and the publisher keeps what it earned."
    )

    def minor_lines(self, currency: str) -> dict[int, int] | None:
        if self.lines is None:
            return None
        found: dict[int, int] = {}
        for line in self.lines:
            found[line.seq] = minor_in(line.amount, currency)
        if len(found) != len(self.lines):
            raise InvalidInput("a line is named twice")
        return found


class TaxRuleBody(Body):
    seller_country: _CountryOrAny
    buyer_country: _CountryOrAny
    buyer_kind: Annotated[BuyerKind, Field(strict=False)] | None = None
    treatment: Annotated[TaxTreatment, Field(strict=False)]
    rate_ppm: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        description="Millionths: 19 % is 190000."
    )
    jurisdiction: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    reason: Name = ""
    valid_from: Annotated[date, Field(strict=False)]
    valid_until: Annotated[date, Field(strict=False)] | None = None

    def to_rule(self) -> TaxRule:
        if (self.rate_ppm > 0) != (self.treatment is TaxTreatment.STANDARD):
            raise InvalidInput("a rate above zero goes with treatment S, and with no other")
        if not self.reason and self.treatment not in {TaxTreatment.STANDARD, TaxTreatment.ZERO}:
            raise InvalidInput("`reason` says on the invoice why no tax is taken")
        return TaxRule(
            seller_country=self.seller_country,
            buyer_country=self.buyer_country,
            buyer_kind=self.buyer_kind,
            treatment=self.treatment,
            rate_ppm=self.rate_ppm,
            jurisdiction=self.jurisdiction,
            reason=self.reason,
            valid_from=self.valid_from,
            valid_until=self.valid_until or date.max,
        )


class TaxRuleAnswer(BaseModel):
    id: str
    seller_country: str
    buyer_country: str
    buyer_kind: BuyerKind | None
    treatment: TaxTreatment
    rate_ppm: int
    jurisdiction: str
    reason: str
    valid_from: date
    valid_until: date | None

    @classmethod
    def of(cls, rule_id: str, rule: TaxRule) -> Self:
        return cls(
            id=rule_id,
            seller_country=rule.seller_country,
            buyer_country=rule.buyer_country,
            buyer_kind=rule.buyer_kind,
            treatment=rule.treatment,
            rate_ppm=rule.rate_ppm,
            jurisdiction=rule.jurisdiction,
            reason=rule.reason,
            valid_from=rule.valid_from,
            valid_until=None if rule.valid_until == date.max else rule.valid_until,
        )


class TaxRuleList(BaseModel):
    tax_rules: list[TaxRuleAnswer]


class CloseBody(Body):
    period_end: Annotated[datetime, Field(strict=False)] = Field(
        description="The first moment of the month after it, UTC."
    )


class ProblemAnswer(BaseModel):
    organization: str
    why: str


class CloseAnswer(BaseModel):
    id: str
    period_end: datetime
    state: CloseState
    total: int
    done: int
    invoices: int
    problem_count: int
    problems: list[ProblemAnswer] = Field(description="The first hundred.")
    started_at: datetime
    ended_at: datetime | None

    @classmethod
    def of(cls, close: Close) -> Self:
        return cls(
            id=close.close_id,
            period_end=close.period_end,
            state=close.state,
            total=close.total,
            done=close.done,
            invoices=close.invoices,
            problem_count=close.problem_count,
            problems=[
                ProblemAnswer(organization=organization_id, why=why)
                for organization_id, why in close.problems
            ],
            started_at=close.started_at,
            ended_at=close.ended_at,
        )


class CloseList(BaseModel):
    closes: list[CloseAnswer] = Field(description="The newest first.")
