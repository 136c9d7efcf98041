"""What the marketplace takes in and hands out."""

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple

from tradewind.core.base_urls import BaseUrl
from tradewind.core.ids import (
    MeteredUsageId,
    OperationId,
    OrganizationId,
    SaleOfferId,
    SinkId,
    SubscriptionId,
)
from tradewind.db.sealing import Secret
from tradewind.features.sales.schemas import Confirmation
from tradewind.plugins.sinks.base import Parcel

# --- usage -------------------------------------------------------------------------------------


class UsageStatus(StrEnum):
    """Azure's words for what became of a usage event."""

    ACCEPTED = "Accepted"
    EXPIRED = "Expired"
    DUPLICATE = "Duplicate"
    ERROR = "Error"
    RESOURCE_NOT_FOUND = "ResourceNotFound"
    RESOURCE_NOT_ACTIVE = "ResourceNotActive"
    INVALID_DIMENSION = "InvalidDimension"
    INVALID_QUANTITY = "InvalidQuantity"
    BAD_ARGUMENT = "BadArgument"


@dataclass(frozen=True, slots=True)
class NewUsage:
    resource_id: str
    """A GUID, or an id of ours."""
    plan: str
    """By its name, or its id."""
    dimension: str
    quantity_micros: int
    at: datetime
    at_text: str
    """As it was sent, and is said back."""


@dataclass(frozen=True, slots=True)
class UsageRow:
    usage_id: MeteredUsageId
    subscription_id: SubscriptionId
    offer_id: SaleOfferId
    plan: str
    dimension: str
    quantity_micros: int
    """As it was accepted; what was amended is apart."""
    at: datetime
    at_text: str
    reported_at: datetime


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one reported event."""

    status: UsageStatus
    row: UsageRow | None = None
    """What is accepted: this event, or the one it repeats."""
    message: str = ""


class Amendment(NamedTuple):
    usage_id: MeteredUsageId
    former_micros: int
    new_micros: int
    reason: str
    statement: bytes
    """Canonical JSON of all of it: a credit note where the new quantity is less, else a debit note.
    Empty where nothing changed."""
    signature: bytes
    public_key: bytes


@dataclass(frozen=True, slots=True)
class UsageQuestion:
    since: datetime
    until: datetime
    offer_id: str = ""
    plan: str = ""
    dimension: str = ""
    organization_id: str = ""
    limit: int = 1_000


class UsageDay(NamedTuple):
    """What was reported of a dimension of a subscription on a day."""

    day: date
    subscription_id: SubscriptionId
    organization_id: OrganizationId
    offer_id: SaleOfferId
    plan: str
    dimension: str
    submitted_micros: int
    processed_micros: int
    """With all amendments: what is charged."""
    events: int


# --- fulfilment --------------------------------------------------------------------------------


class AzureStatus(StrEnum):
    PENDING = "PendingFulfillmentStart"
    SUBSCRIBED = "Subscribed"
    SUSPENDED = "Suspended"
    UNSUBSCRIBED = "Unsubscribed"


class Action(StrEnum):
    CHANGE_PLAN = "ChangePlan"
    CHANGE_QUANTITY = "ChangeQuantity"
    RENEW = "Renew"
    SUSPEND = "Suspend"
    UNSUBSCRIBE = "Unsubscribe"
    REINSTATE = "Reinstate"


class OperationStatus(StrEnum):
    IN_PROGRESS = "InProgress"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


class Source(StrEnum):
    """Who asked for an operation, in the words of the wire."""

    PARTNER = "Partner"
    PLATFORM = "Azure"


@dataclass(frozen=True, slots=True)
class NewApp:
    landing_url: str
    webhook_url: str = field(repr=False)
    is_private_network: bool = False


@dataclass(frozen=True, slots=True)
class AppRow:
    offer_id: SaleOfferId
    landing_url: str
    webhook_url: str = field(repr=False)
    is_private_network: bool
    created_at: datetime
    updated_at: datetime


class AppWithSecret(NamedTuple):
    row: AppRow
    secret: Secret | None
    """Of its webhook, where it was made just now; it is not shown again."""


class PurchaseLink(NamedTuple):
    url: str
    token: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class OperationRow:
    operation_id: OperationId
    subscription_id: SubscriptionId
    offer_id: SaleOfferId
    publisher_slug: str
    action: Action
    status: OperationStatus
    source: Source
    plan_id: str
    """Asked for, or in force."""
    plan_name: str
    quantity: int
    changes_plan: bool
    changes_quantity: bool
    by_id: str
    by_name: str
    confirmation: Confirmation
    error: str
    created_at: datetime
    decide_by: datetime | None
    """When it is carried out unless it is refused; None before its delivery, and where nobody is
    asked."""
    ended_at: datetime | None


class MadeMove(NamedTuple):
    """A move of a subscription of an app that its publisher was not told of."""

    subscription_id: str
    seq: int
    move: str
    former: str
    at: datetime
    plan_id: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Notice:
    """One request to a publisher's webhook. Nobody else makes it meanwhile."""

    operation_id: OperationId
    number: int
    url: BaseUrl | None = field(repr=False)
    is_private_network: bool
    secret: Secret | None
    body: bytes = field(repr=False)


# --- sinks -------------------------------------------------------------------------------------


class Covers(StrEnum):
    """Whose usage a sink gets, and by what it is told apart."""

    ORGANIZATION = "organization"
    """Its own; the subject is a project."""
    PLATFORM = "platform"
    """Everybody's; the subject is an organization. For administrators of the platform."""


@dataclass(frozen=True, slots=True)
class NewSink:
    name: str
    kind: str
    base_url: str
    credential: Secret | None
    covers: Covers = Covers.ORGANIZATION
    meters: tuple[str, ...] = ()
    """Empty: all."""
    customers: tuple[tuple[str, str], ...] = ()
    """What a subject is called there; a subject without a line is called as here."""
    is_private_network: bool = False


@dataclass(frozen=True, slots=True)
class SinkRow:
    sink_id: SinkId
    organization_id: OrganizationId
    name: str
    kind: str
    base_url: str
    covers: Covers
    meters: tuple[str, ...]
    customers: dict[str, str]
    is_private_network: bool
    is_enabled: bool
    has_credential: bool
    since: datetime
    """Hours from here on are sent."""
    sent_until: datetime
    """The high-water mark: every hour before it is sent, or on its way."""
    waiting: int
    refused: int
    last_error: str
    last_sent_at: datetime | None
    revision: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class SinkChanges:
    """None is: as it was."""

    is_enabled: bool | None = None
    credential: Secret | None = None
    customers: tuple[tuple[str, str], ...] | None = None


class HourSum(NamedTuple):
    """What a subject used of a meter of a model in an hour."""

    hour: datetime
    subject: str
    model: str
    meter: str
    quantity: int


@dataclass(frozen=True, slots=True)
class SinkWork:
    """Parcels of one sink that are to be sent now."""

    sink_id: SinkId
    kind: str
    base_url: BaseUrl | None = field(repr=False)
    is_private_network: bool
    credential: Secret | None
    parcels: tuple[Parcel, ...]


class SinkOutcome(NamedTuple):
    """What became of a sending."""

    taken: list[str]
    refused: list[str]
    """Parcels that will never be taken as they are."""
    is_to_wait: bool
    """Whether something is to be tried again later."""
    why: str
    """What a sink, or the way to it, minds; empty where nothing is wrong."""
