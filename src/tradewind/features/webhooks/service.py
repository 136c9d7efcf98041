"""What people and programs may ask of webhooks."""

import json
import secrets
from typing import Any

from sqlalchemy import Connection, Row

from tradewind.core.clock import Clock
from tradewind.core.errors import Forbidden, MalformedId, NotFound, PreconditionFailed
from tradewind.core.ids import DeliveryId, MessageId, OrganizationId, WebhookId
from tradewind.core.permissions import Permission, require
from tradewind.db import outbox
from tradewind.db.notify import announce
from tradewind.db.outbox import SetAside
from tradewind.db.sealing import Place, Secret
from tradewind.db.vault import Vault
from tradewind.features.accounts.schemas import Actor, is_platform_administrator
from tradewind.features.webhooks import repository, rules, signature
from tradewind.features.webhooks.errors import TooManyDeliveries, TooManyWebhooks, WebhookDisabled
from tradewind.features.webhooks.schemas import (
    TEST_KIND,
    DeliveryRow,
    DeliveryState,
    DestinationChanges,
    DestinationRow,
    DestinationWithSecret,
    DisabledBy,
    EventKind,
    NewDestination,
)

WEBHOOKS_MAX = 20
"""Destinations of one organization, and the longest list of them."""
DELIVERIES_MAX = 500
"""Deliveries on one page."""
PENDING_MAX = 1_000
"""More than these that wait for one destination are not added to by hand."""
SET_ASIDE_MAX = 100
WEBHOOKS_CHANNEL = "tradewind_webhooks"
"""Where it is announced that there is something to deliver."""


class Webhooks:
    """Destinations of the actor's own organization, and what became of what was sent there."""

    def __init__(self, vault: Vault, clock: Clock) -> None:
        self._vault = vault
        self._clock = clock

    # --- reading ---------------------------------------------------------------------------

    def list_webhooks(self, tx: Connection, actor: Actor) -> list[DestinationRow]:
        """Return the organization's destinations, the newest first."""
        require(actor, Permission.WEBHOOKS_READ)
        rows = repository.list_webhooks(tx, actor.organization_id, WEBHOOKS_MAX)
        return [_row(row) for row in rows]

    def get_webhook(self, tx: Connection, actor: Actor, webhook_id: str) -> DestinationRow:
        """Raises NotFound, also for another organization's."""
        require(actor, Permission.WEBHOOKS_READ)
        return self._find(tx, actor, webhook_id)

    def list_deliveries(
        self,
        tx: Connection,
        actor: Actor,
        webhook_id: str,
        *,
        before: str | None = None,
        limit: int = 100,
    ) -> list[DeliveryRow]:
        """Return deliveries of the last 30 days, the newest first; those older than the delivery
        `before` if it is named. Raises NotFound.
        """
        require(actor, Permission.WEBHOOKS_READ)
        found = self._find(tx, actor, webhook_id)
        rows = repository.list_deliveries(
            tx, found.webhook_id, before=before, limit=min(limit, DELIVERIES_MAX + 1)
        )
        return [_delivery_row(row) for row in rows]

    def list_set_aside(self, tx: Connection, actor: Actor) -> list[SetAside]:
        """Return events of the organization that could not even be handed to its webhooks."""
        require(actor, Permission.WEBHOOKS_READ)
        return list(outbox.list_set_aside(tx, actor.organization_id, SET_ASIDE_MAX))

    # --- changing --------------------------------------------------------------------------

    def add_webhook(
        self, tx: Connection, actor: Actor, new: NewDestination
    ) -> DestinationWithSecret:
        """Add a destination with a new signing secret, which is not shown again.

        Raises InvalidInput, Forbidden for what only a platform administrator may,
        TooManyWebhooks (409) at 20.
        """
        require(actor, Permission.WEBHOOKS_WRITE)
        if new.is_private_network:
            _require_platform_administrator(actor)
        rules.parse_url(new.url, is_private_network=new.is_private_network)
        owner, now = actor.organization_id, self._clock.now()
        kinds, description = rules.clean_kinds(new.kinds), rules.clean_description(new.description)
        repository.lock_owner(tx, owner)
        if repository.count_webhooks(tx, owner) >= WEBHOOKS_MAX:
            raise TooManyWebhooks(
                f"this organization has {WEBHOOKS_MAX} webhooks",
                hint="delete one that is not used",
            )
        webhook_id, secret = WebhookId.new(), _new_secret()
        repository.add_webhook(
            tx,
            {
                "id": webhook_id,
                "organization_id": owner,
                "url": new.url,
                "is_private_network": new.is_private_network,
                "description": description,
                "kinds": kinds,
                **self._sealed(tx, secret, webhook_id, owner, 1),
                "revision": 1,
                "created_at": now,
                "updated_at": now,
            },
        )
        return DestinationWithSecret(self._find(tx, actor, webhook_id), secret)

    def update_webhook(
        self,
        tx: Connection,
        actor: Actor,
        webhook_id: str,
        changes: DestinationChanges,
        *,
        revision: int | None = None,
    ) -> DestinationRow:
        """Change what is named, if nothing was changed since `revision`.

        Whoever disables a destination ends what still waits for it; enabling one that failed
        starts it with a clean slate.
        """
        former = self._lock(tx, actor, webhook_id, revision)
        now = self._clock.now()
        is_private = _or(changes.is_private_network, former.is_private_network)
        url: str = _or(changes.url, former.url)
        if is_private and (not former.is_private_network or url != former.url):
            _require_platform_administrator(actor)
        rules.parse_url(url, is_private_network=is_private)
        values: dict[str, Any] = {
            "url": url,
            "is_private_network": is_private,
            "updated_at": now,
        }
        if changes.kinds is not None:
            values["kinds"] = rules.clean_kinds(changes.kinds)
        if changes.description is not None:
            values["description"] = rules.clean_description(changes.description)
        if url != former.url:
            values["failing_since"] = None
        if changes.is_enabled is False and former.disabled_at is None:
            values |= {"disabled_at": now, "disabled_by": DisabledBy.PERSON.value}
            repository.fail_pending(tx, former.webhook_id, "the webhook was disabled", now)
        if changes.is_enabled:
            values |= {"disabled_at": None, "disabled_by": None}
            if former.disabled_at is not None:
                values["failing_since"] = None
        repository.update_webhook(tx, former.webhook_id, values)
        return self._find(tx, actor, webhook_id)

    def rotate_secret(
        self, tx: Connection, actor: Actor, webhook_id: str, *, revision: int | None = None
    ) -> DestinationWithSecret:
        """Make another signing secret, which is not shown again. The one before it goes on signing
        beside it for a day; one before that, at once no more.
        """
        former = self._lock(tx, actor, webhook_id, revision)
        now, sealed = self._clock.now(), repository.secret_of(tx, former.webhook_id)
        secret, version = _new_secret(), sealed.secret_version + 1
        repository.update_webhook(
            tx,
            former.webhook_id,
            {
                "former_version": sealed.secret_version,
                "former_data_key_id": sealed.data_key_id,
                "former_sealed_secret": sealed.sealed_secret,
                "former_until": now + rules.OVERLAP,
                **self._sealed(tx, secret, former.webhook_id, former.organization_id, version),
                "updated_at": now,
            },
        )
        return DestinationWithSecret(self._find(tx, actor, webhook_id), secret)

    def delete_webhook(
        self, tx: Connection, actor: Actor, webhook_id: str, *, revision: int | None = None
    ) -> None:
        """Delete a destination with its secrets and deliveries. What is on the wire may arrive."""
        found = self._lock(tx, actor, webhook_id, revision)
        repository.delete_webhook(tx, found.webhook_id)

    # --- sending by hand -------------------------------------------------------------------

    def send_test(self, tx: Connection, actor: Actor, webhook_id: str) -> DeliveryRow:
        """Have a test event sent, once, also to a destination that is disabled.

        Raises TooManyDeliveries (409) at 1,000 that wait.
        """
        found = self._lock(tx, actor, webhook_id, None)
        self._check_room(tx, found.webhook_id)
        now, message_id = self._clock.now(), MessageId.new()
        body = body_of(
            TEST_KIND,
            now.isoformat(),
            {
                "webhook": found.webhook_id,
                "message": "Somebody asked for this test.",
            },
        )
        delivery_id = repository.add_delivery(
            tx, found.webhook_id, TEST_KIND, message_id, body=body, now=now
        )
        assert delivery_id is not None, "the id of the message was made just now"
        announce(tx, WEBHOOKS_CHANNEL)
        return self._delivery(tx, found.webhook_id, delivery_id)

    def redeliver(
        self, tx: Connection, actor: Actor, webhook_id: str, delivery_id: str
    ) -> DeliveryRow:
        """Have an event sent again under its own id, as often as a new one if it takes that.

        One that waits is tried at once. Raises NotFound, WebhookDisabled, TooManyDeliveries.
        """
        found = self._lock(tx, actor, webhook_id, None)
        delivery = self._delivery(tx, found.webhook_id, delivery_id, locks=True)
        if found.disabled_at is not None and delivery.kind != TEST_KIND:
            raise WebhookDisabled("the webhook is disabled", hint="enable it, then deliver again")
        if delivery.state is not DeliveryState.PENDING:
            self._check_room(tx, found.webhook_id)
        repository.update_delivery(
            tx,
            delivery.delivery_id,
            {
                "state": DeliveryState.PENDING.value,
                "attempts_before": delivery.attempts,
                "next_try_at": self._clock.now(),
                "ended_at": None,
            },
        )
        announce(tx, WEBHOOKS_CHANNEL)
        return self._delivery(tx, found.webhook_id, delivery.delivery_id)

    def put_back(self, tx: Connection, actor: Actor) -> int:
        """Have events that were set aside tried again; return how many."""
        require(actor, Permission.WEBHOOKS_WRITE)
        return outbox.put_back(tx, actor.organization_id)

    # --- inside ----------------------------------------------------------------------------

    def _find(
        self, tx: Connection, actor: Actor, webhook_id: str, *, locks: bool = False
    ) -> DestinationRow:
        try:
            parsed = WebhookId.parse(webhook_id)
        except MalformedId:
            raise _not_found(webhook_id) from None
        row = repository.find_webhook(tx, actor.organization_id, parsed, locks=locks)
        if row is None:
            raise _not_found(webhook_id)
        return _row(row)

    def _lock(
        self, tx: Connection, actor: Actor, webhook_id: str, revision: int | None
    ) -> DestinationRow:
        require(actor, Permission.WEBHOOKS_WRITE)
        found = self._find(tx, actor, webhook_id, locks=True)
        if revision is not None and revision != found.revision:
            raise PreconditionFailed(
                f"the webhook {found.webhook_id} changed since you read it",
                hint="read it again, then change it",
            )
        return found

    def _delivery(
        self, tx: Connection, webhook_id: WebhookId, delivery_id: str, *, locks: bool = False
    ) -> DeliveryRow:
        try:
            parsed = DeliveryId.parse(delivery_id)
        except MalformedId:
            raise _no_delivery(delivery_id) from None
        row = repository.find_delivery(tx, webhook_id, parsed, locks=locks)
        if row is None:
            raise _no_delivery(delivery_id)
        return _delivery_row(row)

    def _check_room(self, tx: Connection, webhook_id: WebhookId) -> None:
        if repository.count_pending(tx, webhook_id) >= PENDING_MAX:
            raise TooManyDeliveries(
                f"{PENDING_MAX} deliveries to this webhook wait already",
                hint="see why they fail, and try again when they are through",
            )

    def _sealed(
        self,
        tx: Connection,
        secret: Secret,
        webhook_id: WebhookId,
        owner: OrganizationId,
        version: int,
    ) -> dict[str, Any]:
        sealed = self._vault.seal(tx, secret, place_of(webhook_id, owner, version))
        return {
            "secret_version": version,
            "data_key_id": sealed.data_key_id,
            "sealed_secret": sealed.content,
            "secret_set_at": self._clock.now(),
        }


def body_of(kind: str, at: str, data: dict[str, Any]) -> bytes:
    """Return what is signed and sent (Standard Webhooks 1.0.0, "Payload structure")."""
    body = {"type": kind, "timestamp": at, "data": data}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def place_of(webhook_id: str, organization_id: str, version: int) -> Place:
    """Return where a signing secret opens, and nowhere else."""
    return Place("webhook", webhook_id, organization_id, version)


def _new_secret() -> Secret:
    return signature.write_secret(secrets.token_bytes(signature.SECRET_BYTES))


def _row(row: Row[Any]) -> DestinationRow:
    return DestinationRow(
        webhook_id=WebhookId(row.id),
        organization_id=OrganizationId(row.organization_id),
        url=row.url,
        is_private_network=row.is_private_network,
        description=row.description,
        # A kind of a newer release is not shown by an older one.
        kinds=tuple(kind for kind in EventKind if kind.value in row.kinds),
        secret_set_at=row.secret_set_at,
        former_secret_until=row.former_until,
        failing_since=row.failing_since,
        disabled_at=row.disabled_at,
        disabled_by=None if row.disabled_by is None else DisabledBy(row.disabled_by),
        revision=row.revision,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _delivery_row(row: Row[Any]) -> DeliveryRow:
    return DeliveryRow(
        delivery_id=DeliveryId(row.id),
        webhook_id=WebhookId(row.webhook_id),
        message_id=MessageId(row.message_id),
        kind=row.kind,
        state=DeliveryState(row.state),
        attempts=row.attempts,
        status=row.status,
        error=row.error,
        next_try_at=row.next_try_at,
        last_tried_at=row.last_tried_at,
        created_at=row.created_at,
        ended_at=row.ended_at,
    )


def _require_platform_administrator(actor: Actor) -> None:
    if not is_platform_administrator(actor):
        raise Forbidden(
            "only an administrator of the platform may have a private network called",
            hint="leave is_private_network off and name a public host",
        )


def _or(value: Any, former: Any) -> Any:
    return former if value is None else value


def _not_found(webhook_id: str) -> NotFound:
    return NotFound(
        f"there is no webhook {webhook_id[:64]!r}",
        hint="list the webhooks to see which there are",
    )


def _no_delivery(delivery_id: str) -> NotFound:
    return NotFound(
        f"there is no delivery {delivery_id[:64]!r} to this webhook",
        hint="deliveries are kept for 30 days",
    )
