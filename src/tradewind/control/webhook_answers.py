"""What the routes of webhooks take and answer."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, Field, StringConstraints

from tradewind.control.bodies import Body
from tradewind.core.base_urls import MAX_URL_CHARACTERS
from tradewind.db.outbox import SetAside
from tradewind.features.webhooks.schemas import (
    DeliveryRow,
    DeliveryState,
    DestinationChanges,
    DestinationRow,
    DestinationWithSecret,
    DisabledBy,
    EventKind,
    NewDestination,
)

_Url = Annotated[
    str,
    StringConstraints(max_length=MAX_URL_CHARACTERS),
    Field(description="https, and a public host, unless `is_private_network`."),
]
_Description = Annotated[str, StringConstraints(max_length=200)]
_Kinds = Annotated[
    list[Annotated[EventKind, Field(strict=False)]],
    Field(min_length=1, max_length=64, description="Which events are sent there."),
]
_IsPrivate = Annotated[
    bool,
    Field(
        description="The host may be in a private network and need not speak TLS. For"
        " administrators of the platform."
    ),
]


class WebhookBody(Body):
    url: _Url
    events: _Kinds
    description: _Description = ""
    is_private_network: _IsPrivate = False

    def to_new(self) -> NewDestination:
        return NewDestination(
            url=self.url,
            kinds=tuple(kind.value for kind in self.events),
            description=self.description,
            is_private_network=self.is_private_network,
        )


class WebhookPatch(Body):
    """What is named changes."""

    url: _Url | None = None
    events: _Kinds | None = None
    description: _Description | None = None
    is_private_network: _IsPrivate | None = None
    is_enabled: bool | None = Field(
        default=None, description="Off ends what still waits to be delivered there."
    )

    def to_changes(self) -> DestinationChanges:
        events = self.events
        return DestinationChanges(
            url=self.url,
            kinds=None if events is None else tuple(kind.value for kind in events),
            description=self.description,
            is_private_network=self.is_private_network,
            is_enabled=self.is_enabled,
        )


class WebhookAnswer(BaseModel):
    id: str
    url: str
    description: str
    events: list[EventKind]
    is_private_network: bool
    is_enabled: bool
    disabled_at: datetime | None
    disabled_by: DisabledBy | None = Field(
        description="`gone`: it answered 410; `failing`: nothing had reached it for three days."
    )
    failing_since: datetime | None = Field(description="Nothing has reached it since then.")
    secret_set_at: datetime
    former_secret_until: datetime | None = Field(
        description="Until then the secret before this one signs too."
    )
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, row: DestinationRow) -> Self:
        return cls(
            id=row.webhook_id,
            url=row.url,
            description=row.description,
            events=list(row.kinds),
            is_private_network=row.is_private_network,
            is_enabled=row.disabled_at is None,
            disabled_at=row.disabled_at,
            disabled_by=row.disabled_by,
            failing_since=row.failing_since,
            secret_set_at=row.secret_set_at,
            former_secret_until=row.former_secret_until,
            created_at=row.created_at,
            updated_at=row.updated_at,
        )


class SecretAnswer(BaseModel):
    """The one answer that holds a signing secret."""

    secret: str = Field(description="Signs what is sent. It is not shown again.")
    webhook: WebhookAnswer

    @classmethod
    def of(cls, made: DestinationWithSecret) -> Self:
        return cls(secret=made.secret.reveal(), webhook=WebhookAnswer.of(made.row))


class SetAsideAnswer(BaseModel):
    """An event that could not be handed to the webhooks."""

    id: str
    event: str
    error: str
    created_at: datetime
    set_aside_at: datetime

    @classmethod
    def of(cls, message: SetAside) -> Self:
        return cls(
            id=message.message_id,
            event=message.kind,
            error=message.error,
            created_at=message.created_at,
            set_aside_at=message.set_aside_at,
        )


class WebhookList(BaseModel):
    webhooks: list[WebhookAnswer] = Field(description="The newest first; at most 20.")
    set_aside: list[SetAsideAnswer] = Field(
        description="Events that were given up before they came to any webhook: a fault of the"
        " platform, for its administrator."
    )


class DeliveryAnswer(BaseModel):
    id: str
    webhook: str
    message: str = Field(description="The `webhook-id` of all its attempts.")
    event: str
    state: DeliveryState
    attempts: int
    status: int | None = Field(description="HTTP status of the last answer.")
    error: str | None = Field(description="Why the last attempt failed.")
    next_try_at: datetime | None
    last_tried_at: datetime | None
    created_at: datetime
    ended_at: datetime | None

    @classmethod
    def of(cls, row: DeliveryRow) -> Self:
        return cls(
            id=row.delivery_id,
            webhook=row.webhook_id,
            message=row.message_id,
            event=row.kind,
            state=row.state,
            attempts=row.attempts,
            status=row.status,
            error=row.error,
            next_try_at=row.next_try_at,
            last_tried_at=row.last_tried_at,
            created_at=row.created_at,
            ended_at=row.ended_at,
        )


class DeliveryPage(BaseModel):
    deliveries: list[DeliveryAnswer] = Field(description="Of the last 30 days, the newest first.")
    next: str | None = Field(description="Send it as `after` for the next page; null at the end.")
