"""What the routes of sales take and answer. Terms are as plans have them: amounts in nanos."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Self

import msgspec
from pydantic import BaseModel, Field, StringConstraints

from tradewind.control.bodies import Body
from tradewind.control.span import in_utc
from tradewind.core.errors import InvalidInput
from tradewind.core.ids import OrganizationId, PlanId
from tradewind.core.money import format_nanos
from tradewind.core.pricing.charges import PlanTerms
from tradewind.features.sales.rules.agreement import canonical_hash
from tradewind.features.sales.schemas import (
    Acceptance,
    Accepted,
    ChangePreview,
    Confirmation,
    Confirmed,
    EventRow,
    Licensing,
    NewOffer,
    NewPrivateOffer,
    OfferKind,
    OfferRow,
    OfferState,
    PlanRow,
    PrivateOfferRow,
    SubscriptionRow,
)

_Name = Annotated[str, StringConstraints(min_length=1, max_length=100)]
_Text = Annotated[str, StringConstraints(max_length=20_000)]
_Said = Annotated[str, StringConstraints(min_length=1, max_length=200)]
_Id = Annotated[str, StringConstraints(max_length=100)]


class OfferBody(Body):
    publisher: _Name
    kind: Annotated[OfferKind, Field(strict=False)]
    name: _Name
    description: _Text = ""
    model: Annotated[str, StringConstraints(max_length=200)] = ""
    scopes: Annotated[list[_Said], Field(max_length=32, default_factory=list)]
    licensing: Annotated[Licensing, Field(strict=False)] = Licensing.PLATFORM
    subscription_only: bool = True

    def to_new(self) -> NewOffer:
        return NewOffer(
            self.publisher,
            self.kind,
            self.name,
            self.description,
            self.model,
            tuple(self.scopes),
            self.licensing,
            self.subscription_only,
        )


class PlanBody(Body):
    name: _Name
    terms: dict[str, Any]
    text: _Text = ""
    is_public: bool = True


class PrivatePriceBody(Body):
    plan: _Id
    terms: dict[str, Any]


class PrivateOfferBody(Body):
    name: _Name
    text: _Text = ""
    buyers: Annotated[list[_Id], Field(min_length=1, max_length=100)]
    starts_at: Annotated[datetime, Field(strict=False)]
    ends_at: Annotated[datetime, Field(strict=False)]
    accept_by: Annotated[datetime, Field(strict=False)]
    percent: Annotated[int, Field(ge=1, le=10_000)] | None = Field(
        default=None, description="Off every amount, in hundredths of a percent."
    )
    prices: Annotated[list[PrivatePriceBody], Field(max_length=100, default_factory=list)]

    def to_new(self) -> NewPrivateOffer:
        """Raises InvalidInput."""
        return NewPrivateOffer(
            self.name,
            self.text,
            tuple(OrganizationId.parse(buyer) for buyer in self.buyers),
            in_utc(self.starts_at, "starts_at"),
            in_utc(self.ends_at, "ends_at"),
            in_utc(self.accept_by, "accept_by"),
            self.percent,
            tuple((PlanId.parse(each.plan), terms_from(each.terms)) for each in self.prices),
        )


class AcceptBody(Body):
    terms_sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] = Field(
        description="Of the terms that were read."
    )


class ConfirmationBody(Body):
    payer: _Said = Field(description="Who pays, as it was shown.")
    price: Annotated[str, StringConstraints(min_length=1, max_length=2000)]
    cap: _Said
    terms_sha256: Annotated[str, StringConstraints(max_length=64)] = ""

    def to_confirmation(self) -> Confirmation:
        return Confirmation(self.payer, self.price, self.cap, self.terms_sha256)


class SubscribeBody(Body):
    plan: _Id
    quantity: Annotated[int, Field(ge=1, le=100_000)] = 1
    private_offer: _Id | None = None
    beneficiary: Annotated[str, StringConstraints(max_length=200)] = ""
    confirmation: ConfirmationBody


class ChangeBody(Body):
    plan: _Id | None = None
    quantity: Annotated[int, Field(ge=1, le=100_000)] | None = None
    revision: Annotated[int, Field(ge=0)] | None = None
    confirmation: ConfirmationBody


class CancelBody(Body):
    now: bool = Field(default=False, description="False is at the end of the term.")


class SellerCancelBody(Body):
    now: bool = Field(default=True, description="False is at the end of the term.")
    reason: Annotated[str, StringConstraints(max_length=180)] = Field(
        default="", description="What the buyer reads."
    )


class SuspendBody(Body):
    reason: Annotated[str, StringConstraints(min_length=1, max_length=180)] = Field(
        description="What the buyer reads."
    )


class FeeBody(Body):
    percent: Annotated[
        str | None, StringConstraints(pattern=r"^(100|[0-9]{1,2}(\.[0-9]{1,4})?)$")
    ] = Field(default=None, description="A decimal, like 2.5; null is the platform's usual fee.")

    def to_ppm(self) -> int | None:
        return None if self.percent is None else int(Decimal(self.percent) * 10_000)


def terms_from(said: dict[str, Any]) -> PlanTerms:
    """Raises InvalidInput."""
    try:
        return msgspec.convert(said, PlanTerms)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"`terms`: {error}") from error


class PlanAnswer(BaseModel):
    id: str
    offer: str
    name: str
    version: int
    terms: dict[str, Any]
    terms_sha256: str
    text: str
    is_public: bool
    state: str
    effective_from: datetime
    superseded_by: str | None

    @classmethod
    def of(cls, row: PlanRow) -> Self:
        return cls(
            id=row.plan_id,
            offer=row.offer_id,
            name=row.name,
            version=row.version,
            terms=msgspec.to_builtins(row.terms),
            terms_sha256=canonical_hash(row.terms),
            text=row.text,
            is_public=row.is_public,
            state=row.state,
            effective_from=row.effective_from,
            superseded_by=row.superseded_by,
        )


class SaleOfferAnswer(BaseModel):
    id: str
    publisher: str
    kind: OfferKind
    name: str
    description: str
    scopes: list[str]
    licensing: Licensing
    subscription_only: bool
    state: OfferState
    fee_percent: str | None = Field(description="Of the platform; null is its usual fee.")
    plans: list[PlanAnswer]

    @classmethod
    def of(cls, row: OfferRow, plans: list[PlanRow]) -> Self:
        return cls(
            id=row.offer_id,
            publisher=row.publisher_slug,
            kind=row.kind,
            name=row.name,
            description=row.description,
            scopes=list(row.scopes),
            licensing=row.licensing,
            subscription_only=row.is_subscription_only,
            state=row.state,
            fee_percent=None if row.fee_ppm is None else str(Decimal(row.fee_ppm) / 10_000),
            plans=[PlanAnswer.of(each) for each in plans],
        )


class SaleOfferList(BaseModel):
    offers: list[SaleOfferAnswer]


class PrivatePriceAnswer(BaseModel):
    plan: str
    terms: dict[str, Any]


class PrivateOfferAnswer(BaseModel):
    id: str
    offer: str
    name: str
    text: str
    prices: list[PrivatePriceAnswer]
    starts_at: datetime
    ends_at: datetime
    accept_by: datetime
    terms_sha256: str
    is_withdrawn: bool

    @classmethod
    def of(cls, row: PrivateOfferRow) -> Self:
        # Whom else it names is nobody's business but the seller's.
        return cls(
            id=row.private_offer_id,
            offer=row.offer_id,
            name=row.name,
            text=row.text,
            prices=[
                PrivatePriceAnswer(plan=plan_id, terms=msgspec.to_builtins(terms))
                for plan_id, terms in row.prices
            ],
            starts_at=row.starts_at,
            ends_at=row.ends_at,
            accept_by=row.accept_by,
            terms_sha256=row.terms_hash.hex(),
            is_withdrawn=row.is_withdrawn,
        )


class PrivateOfferList(BaseModel):
    private_offers: list[PrivateOfferAnswer]


class AcceptedAnswer(BaseModel):
    organization: str
    accepted_by: str
    accepted_at: datetime


class MadePrivateOfferAnswer(PrivateOfferAnswer):
    """As its seller sees it."""

    buyers: list[str]
    accepted: list[AcceptedAnswer]

    @classmethod
    def made(cls, row: PrivateOfferRow, accepted: Sequence[Accepted]) -> Self:
        return cls(
            **PrivateOfferAnswer.of(row).model_dump(),
            buyers=list(row.buyers),
            accepted=[
                AcceptedAnswer(
                    organization=each.organization_id, accepted_by=each.by, accepted_at=each.at
                )
                for each in accepted
            ],
        )


class MadePrivateOfferList(BaseModel):
    private_offers: list[MadePrivateOfferAnswer]


class AcceptanceAnswer(BaseModel):
    private_offer: str
    accepted_by: str
    accepted_at: datetime
    statement: str = Field(description="What is signed, canonical JSON.")
    signature: str = Field(description="Ed25519 over the DSSE encoding of the statement, hex.")
    public_key: str

    @classmethod
    def of(cls, row: Acceptance) -> Self:
        return cls(
            private_offer=row.private_offer_id,
            accepted_by=row.accepted_by,
            accepted_at=row.accepted_at,
            statement=row.statement.decode(),
            signature=row.signature.hex(),
            public_key=row.public_key.hex(),
        )


class SubscriptionAnswer(BaseModel):
    id: str
    offer: str
    offer_name: str
    publisher: str
    plan: str
    plan_name: str
    plan_version: int
    terms: dict[str, Any]
    state: str
    quantity: int
    term_start: datetime
    term_end: datetime
    trial_until: datetime | None
    private_price_until: datetime | None
    cancel_at: datetime | None
    past_due_since: datetime | None
    suspended_for: str
    purchaser: str
    beneficiary: str
    revision: int

    @classmethod
    def of(cls, row: SubscriptionRow) -> Self:
        return cls(
            id=row.subscription_id,
            offer=row.offer_id,
            offer_name=row.offer_name,
            publisher=row.publisher_slug,
            plan=row.plan_id,
            plan_name=row.plan_name,
            plan_version=row.plan_version,
            terms=msgspec.to_builtins(row.terms),
            state=row.state,
            quantity=row.quantity,
            term_start=row.term_start,
            term_end=row.term_end,
            trial_until=row.trial_until,
            private_price_until=row.priced_until,
            cancel_at=row.cancel_at,
            past_due_since=row.past_due_since,
            suspended_for=row.suspended_for,
            purchaser=row.purchaser,
            beneficiary=row.beneficiary,
            revision=row.revision,
        )


class PreviewedChargeAnswer(BaseModel):
    amount: str = Field(description="A decimal; below zero is given back.")
    since: datetime
    until: datetime


class ChangePreviewAnswer(BaseModel):
    at: datetime
    plan: str
    quantity: int
    terms: dict[str, Any]
    terms_sha256: str = Field(description="What the change then confirms.")
    term_end: datetime
    trial_until: datetime | None
    currency: str
    charges: list[PreviewedChargeAnswer]
    total: str

    @classmethod
    def of(cls, row: ChangePreview) -> Self:
        return cls(
            at=row.at,
            plan=row.plan_id,
            quantity=row.quantity,
            terms=msgspec.to_builtins(row.terms),
            terms_sha256=canonical_hash(row.terms),
            term_end=row.term_end,
            trial_until=row.trial_until,
            currency=row.terms.currency,
            charges=[
                PreviewedChargeAnswer(
                    amount=format_nanos(each.nanos), since=each.since, until=each.until
                )
                for each in row.charges
            ],
            total=format_nanos(row.nanos),
        )


class SubscriptionList(BaseModel):
    subscriptions: list[SubscriptionAnswer] = Field(description="The newest first, at most 200.")


class SubscriptionEventAnswer(BaseModel):
    seq: int
    at: datetime
    move: str
    former: str
    state: str
    by: str
    reason: str

    @classmethod
    def of(cls, row: EventRow) -> Self:
        return cls(
            seq=row.seq,
            at=row.at,
            move=row.move,
            former=row.former,
            state=row.state,
            by=row.by,
            reason=row.reason,
        )


class SubscriptionEventList(BaseModel):
    events: list[SubscriptionEventAnswer] = Field(description="The newest first, at most 200.")


class PayerAnswer(BaseModel):
    is_confirmed: bool
    confirmed_by: str | None = None
    confirmed_at: datetime | None = None
    payer: str | None = None
    price: str | None = None
    cap: str | None = None

    @classmethod
    def of(cls, row: Confirmed | None) -> Self:
        if row is None:
            return cls(is_confirmed=False)
        return cls(
            is_confirmed=True,
            confirmed_by=row.by,
            confirmed_at=row.at,
            payer=row.payer,
            price=row.price,
            cap=row.cap,
        )
