"""What sales hand out and take in."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from tradewind.core.ids import OrganizationId, PlanId, PrivateOfferId, SaleOfferId, SubscriptionId
from tradewind.core.pricing.charges import PlanTerms


class OfferKind(StrEnum):
    MODEL = "model"
    APP = "app"


class OfferState(StrEnum):
    DRAFT = "draft"
    LIVE = "live"
    WITHDRAWN = "withdrawn"
    """Nobody subscribes any more; who has goes on."""


class Licensing(StrEnum):
    """Who is paid how. The platform takes a fee of what goes through it."""

    PLATFORM = "platform"
    OWN_LICENCE = "own_licence"
    """The buyer brings a licence; no fee."""
    DIRECT = "direct"
    """The buyer pays the publisher; no fee."""


@dataclass(frozen=True, slots=True)
class NewOffer:
    publisher_slug: str
    kind: OfferKind
    name: str
    description: str = ""
    model: str = ""
    """publisher/slug, of a model's offer."""
    scopes: tuple[str, ...] = ()
    """What an app wants to do, in its own words."""
    licensing: Licensing = Licensing.PLATFORM
    is_subscription_only: bool = True
    """Whether only who is subscribed may call the model."""


@dataclass(frozen=True, slots=True)
class OfferRow:
    offer_id: SaleOfferId
    publisher_slug: str
    organization_id: OrganizationId
    kind: OfferKind
    model_id: str | None
    name: str
    description: str
    scopes: tuple[str, ...]
    licensing: Licensing
    is_subscription_only: bool
    state: OfferState
    fee_ppm: int | None
    """What the platform keeps, in millionths; None is its usual fee."""
    created_at: datetime


@dataclass(frozen=True, slots=True)
class PlanRow:
    plan_id: PlanId
    offer_id: SaleOfferId
    name: str
    version: int
    terms: PlanTerms
    text: str
    is_public: bool
    state: str
    """live, superseded or withdrawn."""
    effective_from: datetime
    superseded_by: PlanId | None


@dataclass(frozen=True, slots=True)
class NewPrivateOffer:
    name: str
    text: str
    buyers: tuple[OrganizationId, ...]
    starts_at: datetime
    ends_at: datetime
    accept_by: datetime
    percent: int | None = None
    """Off every amount of every plan, in hundredths of a percent."""
    prices: tuple[tuple[PlanId, PlanTerms], ...] = ()
    """Or what each plan costs."""


@dataclass(frozen=True, slots=True)
class PrivateOfferRow:
    private_offer_id: PrivateOfferId
    offer_id: SaleOfferId
    name: str
    text: str
    buyers: tuple[OrganizationId, ...]
    prices: tuple[tuple[PlanId, PlanTerms], ...]
    starts_at: datetime
    ends_at: datetime
    accept_by: datetime
    terms_hash: bytes
    is_withdrawn: bool
    offered_by: str
    offered_at: datetime


class Acceptance(NamedTuple):
    """Both sides' word for the same terms."""

    private_offer_id: PrivateOfferId
    organization_id: OrganizationId
    accepted_by: str
    accepted_at: datetime
    statement: bytes
    """Canonical JSON of the hash, and of who offered and accepted it when."""
    signature: bytes
    """Ed25519, by the platform's key, as manifests are signed."""
    public_key: bytes


class Accepted(NamedTuple):
    """Who of the named organizations accepted a private offer."""

    organization_id: OrganizationId
    by: str
    at: datetime


class Confirmation(NamedTuple):
    """What a person was shown and agreed to before anything is charged."""

    payer: str
    """Who pays, in the words that were shown."""
    price: str
    cap: str
    terms_hash: str = ""
    """Of the plan as it was shown, lower-case hex."""


class Confirmed(NamedTuple):
    by: str
    at: datetime
    payer: str
    price: str
    cap: str


@dataclass(frozen=True, slots=True)
class SubscriptionRow:
    subscription_id: SubscriptionId
    organization_id: OrganizationId
    offer_id: SaleOfferId
    offer_name: str
    publisher_slug: str
    plan_id: str
    plan_name: str
    plan_version: int
    terms: PlanTerms
    private_offer_id: PrivateOfferId | None
    state: str
    quantity: int
    term_start: datetime
    term_end: datetime
    trial_until: datetime | None
    priced_until: datetime | None
    cancel_at: datetime | None
    past_due_since: datetime | None
    suspended_for: str
    purchaser: str
    beneficiary: str
    revision: int
    created_at: datetime


class EventRow(NamedTuple):
    seq: int
    at: datetime
    entered_at: datetime
    move: str
    former: str
    state: str
    by: str
    reason: str
    plan_id: str
    quantity: int


class SubscriptionMessage(NamedTuple):
    """That a subscription has moved."""

    subscription_id: SubscriptionId
    organization_id: OrganizationId
    seq: int
    move: str
    state: str
    at: datetime
    reason: str


class TermCharge(NamedTuple):
    """A fee, or a part of one: as billing asks for it."""

    key: str
    organization_id: str
    subscription_id: str
    currency: str
    description: str
    nanos: int
    since: datetime
    until: datetime
    seller: str
    fee_ppm: int


class SubscribedTerm(NamedTuple):
    """A time in which usage is charged by a plan."""

    subscription_id: str
    organization_id: str
    model_id: str | None
    """None of an app: its seller reports what is used."""
    plan_id: str
    terms: PlanTerms
    """Fee, minimum and included units are those of this time and of the whole quantity."""
    since: datetime
    until: datetime
    seller: str
    fee_ppm: int


@dataclass(frozen=True, slots=True)
class Quote:
    """What an organization would subscribe to."""

    offer: OfferRow
    plan: PlanRow
    terms: PlanTerms
    """The plan's, or those of an accepted private offer."""
    priced_until: datetime | None
    """When a private price ends."""
    trial_days: int
    """None is left for who was subscribed before."""


class PreviewedCharge(NamedTuple):
    nanos: int
    """Below zero gives back."""
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class ChangePreview:
    """What a subscription would be if it were changed now, and what that charges."""

    at: datetime
    plan_id: str
    terms: PlanTerms
    quantity: int
    term_end: datetime
    trial_until: datetime | None
    """While it is a trial, nothing is charged."""
    charges: tuple[PreviewedCharge, ...]

    @property
    def nanos(self) -> int:
        """The sum; below zero comes off the next invoice."""
        return sum(charge.nanos for charge in self.charges)


class Sold(NamedTuple):
    """A subscription as its seller sees it."""

    subscription: SubscriptionRow
    offer: OfferRow


class TermsAt(NamedTuple):
    """By what usage at a moment is charged."""

    plan_id: str
    plan_name: str
    terms: PlanTerms
