"""What the routes of the price book take and answer. Prices are for 1,000,000 units of a meter."""

import base64
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Self

import msgspec
from pydantic import BaseModel, Field, JsonValue, StringConstraints

from tradewind.control.bodies import Body, Name, nanos_of
from tradewind.control.span import in_utc
from tradewind.core.errors import InvalidInput
from tradewind.core.ids import OrganizationId
from tradewind.core.money import format_nanos
from tradewind.core.pricing.charges import PlanTerms
from tradewind.features.market.rules.price_file import MOST_BYTES
from tradewind.features.market.schemas import (
    FileReport,
    FileRow,
    KeyRow,
    Margin,
    MarginOutcome,
    MarginPreview,
    MarginRow,
    MeterMove,
    NewMargin,
    NewPrice,
    PriceRow,
    PriceSource,
    PriceTerms,
    ProposalRow,
    Quote,
    Scope,
)
from tradewind.features.market.simulator import MOST_DAYS, MOST_MODELS, Question, Simulation
from tradewind.readmodels.prices import PricedModel
from tradewind.readmodels.unpriced import Gap, Unpriced

_Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
_Amount = Annotated[str, StringConstraints(max_length=24, pattern=r"^[0-9]{1,10}(\.[0-9]{1,9})?$")]
_Meters = Annotated[
    dict[Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")], _Amount],
    Field(max_length=64),
]
_Moment = Annotated[datetime, Field(strict=False)]


class PriceBody(Body):
    currency: _Currency
    prices: _Meters = Field(
        default_factory=dict,
        description="Decimal texts by meter, for 1,000,000 units: `input_tokens`, `output_tokens`,"
        " `cached_input_tokens`, `images`, …",
    )
    effective_at: _Moment | None = Field(
        default=None, description="Null is as soon as may be: now, and after the notice for a rise."
    )
    seller: Name = Field(default="", description="The model's publisher, or empty.")
    is_charged: bool = True
    is_free: bool = Field(default=False, description="That it costs nothing is meant.")
    expected: Name | None = Field(
        default=None, description="Id of the last known price; refused with 409 when it is another."
    )
    waive_notice: bool = False
    is_meant: bool = Field(default=False, description="It looks like a mistake and is none.")
    dry_run: bool = Field(default=False, description="Say what would change, and change nothing.")

    def to_new(self, model: str) -> NewPrice:
        if self.seller not in {"", model.partition("/")[0]}:
            raise InvalidInput("`seller` is the publisher of the model, or empty")
        meters = {meter: nanos_of(amount) for meter, amount in self.prices.items()}
        if self.is_free and not meters:
            meters = {"input_tokens": 0, "output_tokens": 0}
        return NewPrice(
            model,
            PriceTerms(self.currency, meters, self.seller, self.is_charged, self.is_free),
            None if self.effective_at is None else in_utc(self.effective_at, "effective_at"),
            self.expected,
            self.waive_notice,
            self.is_meant,
        )


class PriceFileBody(Body):
    content: Annotated[str, StringConstraints(max_length=MOST_BYTES)] = Field(
        description="The file, exactly as it was signed."
    )
    key_id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    signature: Annotated[str, StringConstraints(max_length=100)] = Field(
        description="Base64 of the Ed25519 signature; see the reference of price files."
    )
    dry_run: bool = False

    def signature_bytes(self) -> bytes:
        """Raises InvalidInput."""
        try:
            return base64.b64decode(self.signature, validate=True)
        except ValueError as error:
            raise InvalidInput("`signature` is not base64") from error


class PriceKeyBody(Body):
    name: Annotated[str, StringConstraints(min_length=1, max_length=80)]
    public_key: Annotated[str, StringConstraints(max_length=4096)] = Field(
        description="An Ed25519 public key in PEM."
    )
    publisher: Name = Field(default="", description="Whose models alone; empty is all.")


class MarginBody(Body):
    scope: Annotated[Scope, Field(strict=False)]
    target: Name = Field(default="", description="publisher/slug, a publisher, a host, or nothing.")
    percent: Annotated[str, StringConstraints(pattern=r"^-?[0-9]{1,6}(\.[0-9]{1,2})?$")]
    least: _Amount = "0"
    step: _Amount = Field(default="0.000000001", description="Prices are rounded up to it.")

    def to_new(self) -> NewMargin:
        percent = int(Decimal(self.percent) * 100)
        return NewMargin(
            self.scope, self.target, Margin(percent, nanos_of(self.least), nanos_of(self.step))
        )


class SimulationBody(Body):
    terms: dict[str, JsonValue] = Field(description="Terms of a plan, as plans have them.")
    models: Annotated[list[Name], Field(max_length=MOST_MODELS)] = Field(
        default_factory=list, description="publisher/slug; none is all."
    )
    organization: Name | None = Field(default=None, description="Whose usage; null is everybody's.")
    days: Annotated[int, Field(ge=1, le=MOST_DAYS)] = 30

    def to_question(self) -> Question:
        """Raises InvalidInput."""
        try:
            terms = msgspec.convert(self.terms, PlanTerms)
        except msgspec.ValidationError as error:
            raise InvalidInput(f"`terms`: {error}") from error
        organization = None
        if self.organization is not None:
            organization = OrganizationId.parse(self.organization)
        return Question(terms, tuple(self.models), organization, self.days)


class PriceAnswer(BaseModel):
    id: str
    currency: str
    prices: dict[str, str] = Field(description="By meter, for 1,000,000 units.")
    effective_at: datetime
    created_at: datetime
    seller: str
    is_charged: bool
    is_free: bool
    source: PriceSource
    subject: str

    @classmethod
    def of(cls, row: PriceRow) -> Self:
        return cls(
            id=row.price_id,
            currency=row.currency,
            prices=amounts_of(row.terms),
            effective_at=row.effective_at,
            created_at=row.created_at,
            seller=row.seller,
            is_charged=row.is_charged,
            is_free=row.is_free,
            source=row.source,
            subject=row.subject,
        )


class PricedModelAnswer(BaseModel):
    model: str
    price: PriceAnswer | None = Field(description="In force; null is none.")
    next: PriceAnswer | None = Field(description="What takes effect after it.")
    is_served: bool

    @classmethod
    def of(cls, row: PricedModel) -> Self:
        return cls(
            model=row.name,
            price=None if row.price is None else PriceAnswer.of(row.price),
            next=None if row.next is None else PriceAnswer.of(row.next),
            is_served=row.is_served,
        )


class PriceList(BaseModel):
    prices: list[PricedModelAnswer]
    next: str | None = Field(description="Send it as `after` for the next page; null at the end.")


class PriceHistory(PricedModelAnswer):
    versions: list[PriceAnswer] = Field(description="The one that is in force last first.")


class MoveAnswer(BaseModel):
    meter: str
    old: str | None
    new: str | None
    percent: str | None = Field(description="How much more it is; null where nothing was.")

    @classmethod
    def of(cls, move: MeterMove) -> Self:
        return cls(
            meter=move.meter,
            old=None if move.old is None else format_nanos(move.old),
            new=None if move.new is None else format_nanos(move.new),
            percent=None if move.percent is None else str(move.percent),
        )


class QuoteAnswer(BaseModel):
    model: str
    line: int = Field(description="In a file; 0 elsewhere.")
    currency: str
    old_currency: str | None
    moves: list[MoveAnswer]
    effective_at: datetime
    earliest_at: datetime = Field(description="From when on it may be in force.")
    is_rise: bool
    unusual: str = Field(description="Why it has to be looked at; empty when it need not.")

    @classmethod
    def of(cls, quote: Quote) -> Self:
        change = quote.difference
        return cls(
            model=quote.model,
            line=quote.line,
            currency=change.new_currency,
            old_currency=change.old_currency,
            moves=[MoveAnswer.of(move) for move in change.moves],
            effective_at=quote.effective_at,
            earliest_at=quote.earliest_at,
            is_rise=change.is_rise,
            unusual=change.unusual,
        )


class FileReportAnswer(BaseModel):
    file: str | None = Field(description="Null in a dry run.")
    is_new: bool = Field(description="False when it was applied before.")
    changes: list[QuoteAnswer]
    unchanged: int
    set: int
    held: int = Field(description="Wait for a review.")

    @classmethod
    def of(cls, report: FileReport) -> Self:
        return cls(
            file=report.file_id,
            is_new=report.is_new,
            changes=[QuoteAnswer.of(quote) for quote in report.quotes],
            unchanged=report.unchanged,
            set=report.set_prices,
            held=report.held,
        )


class AppliedFile(BaseModel):
    id: str
    key: str
    entries: int
    set: int
    held: int
    applied_by: str
    applied_at: datetime

    @classmethod
    def of(cls, row: FileRow) -> Self:
        return cls(
            id=row.file_id,
            key=row.key_id,
            entries=row.entries,
            set=row.prices,
            held=row.held,
            applied_by=row.applied_by,
            applied_at=row.applied_at,
        )


class FileList(BaseModel):
    files: list[AppliedFile]


class PriceKeyAnswer(BaseModel):
    id: str
    name: str
    publisher: str
    added_by: str
    created_at: datetime
    revoked_at: datetime | None

    @classmethod
    def of(cls, row: KeyRow) -> Self:
        return cls(
            id=row.key_id,
            name=row.name,
            publisher=row.publisher_slug,
            added_by=row.added_by,
            created_at=row.created_at,
            revoked_at=row.revoked_at,
        )


class PriceKeyList(BaseModel):
    keys: list[PriceKeyAnswer]


class MarginAnswer(BaseModel):
    id: str
    scope: Scope
    target: str
    percent: str
    least: str
    step: str
    is_enabled: bool
    revision: int

    @classmethod
    def of(cls, row: MarginRow) -> Self:
        return cls(
            id=row.margin_id,
            scope=row.scope,
            target=row.target,
            percent=str(Decimal(row.margin.percent) / 100),
            least=format_nanos(row.margin.least_nanos),
            step=format_nanos(row.margin.step_nanos),
            is_enabled=row.is_enabled,
            revision=row.revision,
        )


class MarginList(BaseModel):
    margins: list[MarginAnswer]


class MarginOutcomeAnswer(BaseModel):
    model: str
    currency: str
    costs: dict[str, str] = Field(
        description="The dearest of each meter, exchanged; empty when a rate is missing."
    )
    quote: QuoteAnswer | None = Field(description="What would change; null when nothing is priced.")
    reason: str = Field(description="Why somebody has to look at it; empty when nobody need.")
    is_held: bool = Field(description="It would wait for a review.")

    @classmethod
    def of(cls, outcome: MarginOutcome) -> Self:
        return cls(
            model=outcome.model,
            currency=outcome.currency,
            costs=_amounts(outcome.costs),
            quote=None if outcome.quote is None else QuoteAnswer.of(outcome.quote),
            reason=outcome.reason,
            is_held=outcome.is_held,
        )


class MarginPreviewAnswer(BaseModel):
    models: list[MarginOutcomeAnswer]
    left: int = Field(description="Further models, which are not shown.")

    @classmethod
    def of(cls, found: MarginPreview) -> Self:
        return cls(
            models=[MarginOutcomeAnswer.of(outcome) for outcome in found.outcomes], left=found.left
        )


class ProposalAnswer(BaseModel):
    id: str
    model: str
    source: PriceSource
    subject: str
    currency: str
    prices: dict[str, str]
    effective_at: datetime
    reason: str
    created_at: datetime

    @classmethod
    def of(cls, row: ProposalRow, model: str) -> Self:
        return cls(
            id=row.proposal_id,
            model=model,
            source=row.source,
            subject=row.subject,
            currency=row.terms.currency,
            prices=amounts_of(row.terms),
            effective_at=row.effective_at,
            reason=row.reason,
            created_at=row.created_at,
        )


class ProposalList(BaseModel):
    proposals: list[ProposalAnswer] = Field(description="The oldest first.")


class Decided(BaseModel):
    price: str | None = Field(description="Id of the price that was set; null when it was refused.")


class UnpricedAnswer(BaseModel):
    model: str
    gap: Gap
    meters: list[str]
    calls: int
    organizations: int
    last_at: datetime | None

    @classmethod
    def of(cls, row: Unpriced) -> Self:
        return cls(
            model=row.model,
            gap=row.gap,
            meters=list(row.meters),
            calls=row.calls,
            organizations=row.organizations,
            last_at=row.last_at,
        )


class UnpricedList(BaseModel):
    models: list[UnpricedAnswer]


class SimulatedModelAnswer(BaseModel):
    model: str
    buyers: int
    quantities: dict[str, int]
    plan: str = Field(description="What the plan would have charged, in its currency.")
    parts: dict[str, str] = Field(description="Of it: fees, usage, minimums, tiers.")
    present: dict[str, str] = Field(description="What the present prices came to, by currency.")


class SimulationAnswer(BaseModel):
    since: datetime
    until: datetime
    currency: str
    plan: str
    present: dict[str, str]
    models: list[SimulatedModelAnswer]

    @classmethod
    def of(cls, found: Simulation) -> Self:
        return cls(
            since=found.since,
            until=found.until,
            currency=found.currency,
            plan=format_nanos(found.nanos),
            present=_amounts(found.present_nanos),
            models=[
                SimulatedModelAnswer(
                    model=row.model,
                    buyers=row.buyers,
                    quantities=dict(row.quantities),
                    plan=format_nanos(row.nanos),
                    parts={kind.value: format_nanos(nanos) for kind, nanos in row.by_kind.items()},
                    present=_amounts(row.present_nanos),
                )
                for row in found.models
            ],
        )


def amounts_of(terms: PriceTerms) -> dict[str, str]:
    """Return the prices of a model as decimal texts by meter."""
    return _amounts(terms.meters)


def _amounts(nanos: Any) -> dict[str, str]:
    return {name: format_nanos(amount) for name, amount in nanos.items()}
