"""What webhooks are handed out and taken in as. Secrets are kept out of every repr."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from tradewind.core.ids import DeliveryId, MessageId, OrganizationId, WebhookId
from tradewind.db.sealing import Secret


class EventKind(StrEnum):
    """What a destination may ask for."""

    BUDGET_ALERT = "budget.alert"
    """A part of a budget was spent."""
    BUDGET_EXHAUSTED = "budget.exhausted"
    """A hard budget refused a call."""
    MODEL_DEPRECATION_ANNOUNCED = "model.deprecation_announced"
    """A model the organization uses will be deprecated on a day ahead."""
    MODEL_DEPRECATES_SOON = "model.deprecates_soon"
    """That day is near."""
    MODEL_DEPRECATED = "model.deprecated"
    """A model the organization uses will end."""
    MODEL_RETIRES_SOON = "model.retires_soon"
    """Its last day is near."""
    MODEL_RETIRED = "model.retired"
    """It answers no more."""
    CONNECTION_FAILING = "connection.failing"
    """An account at a provider has answered no call for some minutes."""
    CONNECTION_RECOVERED = "connection.recovered"
    """It answers again."""
    WALLET_LOW = "wallet.low"
    """What can be spent of the wallet fell below what the organization said."""
    SUBSCRIPTION_CREATED = "subscription.created"
    """Somebody subscribed to what its seller sets up first. As all that follow, told to the buyer
    and to the seller."""
    SUBSCRIPTION_ACTIVATED = "subscription.activated"
    """Its trial or its first term began."""
    SUBSCRIPTION_TRIAL_ENDING = "subscription.trial_ending"
    """Its trial ends in some days, and then it is charged."""
    SUBSCRIPTION_RENEWED = "subscription.renewed"
    """Its next term began."""
    SUBSCRIPTION_CHANGED = "subscription.changed"
    """Plan, quantity, price, or whether it ends with its term."""
    SUBSCRIPTION_PAUSED = "subscription.paused"
    SUBSCRIPTION_RESUMED = "subscription.resumed"
    SUBSCRIPTION_PAST_DUE = "subscription.past_due"
    """Something is not paid: when that begins, and each time it is asked for."""
    SUBSCRIPTION_PAID = "subscription.paid"
    SUBSCRIPTION_SUSPENDED = "subscription.suspended"
    """Calls are refused from now on."""
    SUBSCRIPTION_REINSTATED = "subscription.reinstated"
    SUBSCRIPTION_CANCELLED = "subscription.cancelled"
    """It has ended."""
    PAYMENT_FAILED = "payment.failed"
    """An automatic top-up was refused."""
    PAYMENT_CONFIRMATION_NEEDED = "payment.confirmation_needed"
    """A bank wants its customer to confirm one, on the page that is named."""
    PAYMENT_DISPUTED = "payment.disputed"
    """A payment is denied at a bank, or that was decided."""
    PAYOUT_ACCOUNT_CHANGED = "payout.account_changed"
    """Where a publisher of the organization is paid was changed."""
    PAYOUT_PAID = "payout.paid"
    """Money of a publisher arrived."""
    PAYOUT_FAILED = "payout.failed"
    """It did not, or came back: it is owed again."""
    PRICE_MISSING = "price.missing"
    """A model that is called has no price, or none for all that is used of it."""
    RECONCILIATION_FAILED = "reconciliation.failed"
    """The books differ from what they are derived from."""
    ABUSE_CASE_OPENED = "abuse.case_opened"
    """What checks found in the organization's calls is put before a person."""
    ABUSE_NOTICED = "abuse.noticed"
    """The platform says what has to change."""
    ABUSE_SUSPENDED = "abuse.suspended"
    """A key, or the whole organization, calls no models from now on."""
    ABUSE_APPEAL_DECIDED = "abuse.appeal_decided"


TEST_KIND = "webhook.test"
"""Sent on request only; nobody asks for it beforehand."""


class DisabledBy(StrEnum):
    """Why nothing is sent to a destination."""

    PERSON = "person"
    GONE = "gone"
    """It answered 410."""
    FAILING = "failing"
    """Nothing had reached it for days."""


class DeliveryState(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    """Given up; it can be asked for again."""


class EventUrl(NamedTuple):
    """A destination's URL in parts."""

    scheme: str
    host: str
    port: int
    target: str
    """Path and query as they are sent, at least `/`."""

    @property
    def authority(self) -> str:
        """The value of the `host` header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        is_default = self.port == {"http": 80, "https": 443}[self.scheme]
        return host if is_default else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class NewDestination:
    url: str = field(repr=False)
    kinds: tuple[str, ...]
    description: str = ""
    is_private_network: bool = False


@dataclass(frozen=True, slots=True)
class DestinationChanges:
    """None is: as it was."""

    url: str | None = field(default=None, repr=False)
    kinds: tuple[str, ...] | None = None
    description: str | None = None
    is_private_network: bool | None = None
    is_enabled: bool | None = None


@dataclass(frozen=True, slots=True)
class DestinationRow:
    webhook_id: WebhookId
    organization_id: OrganizationId
    url: str = field(repr=False)
    is_private_network: bool
    description: str
    kinds: tuple[EventKind, ...]
    secret_set_at: datetime
    former_secret_until: datetime | None
    """Until then the secret before this one signs too; None when there is none."""
    failing_since: datetime | None
    """Nothing has reached it since; None when the last attempt did, or there was none."""
    disabled_at: datetime | None
    disabled_by: DisabledBy | None
    revision: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class DestinationWithSecret:
    """What is answered once, when a secret was made."""

    row: DestinationRow
    secret: Secret


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    delivery_id: DeliveryId
    webhook_id: WebhookId
    message_id: MessageId
    """The `webhook-id` of all its attempts."""
    kind: str
    state: DeliveryState
    attempts: int
    status: int | None
    """Of the last answer; None when there was none."""
    error: str | None
    """Why the last attempt failed, in our own words."""
    next_try_at: datetime | None
    last_tried_at: datetime | None
    created_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request to be made, and by whom it was asked for. Nobody else makes it meanwhile."""

    delivery_id: DeliveryId
    webhook_id: WebhookId
    message_id: MessageId
    number: int
    """Counts the attempts of the delivery: what comes of an overtaken one changes nothing."""
    url: EventUrl | None = field(repr=False)
    """None when it is not one that may be called any more."""
    is_private_network: bool
    secrets: tuple[Secret, ...]
    """Each signs. None are there when they do not open: then nothing can be sent."""
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an attempt."""

    status: int | None
    error: str | None = None
    retry_after_s: int | None = None
    """As the receiver asked for."""

    @property
    def is_delivered(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_gone(self) -> bool:
        return self.status == 410
