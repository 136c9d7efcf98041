"""All SQL of webhooks. Times come in as arguments; nothing here decides anything."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from tradewind.core.ids import DeliveryId, MessageId, OrganizationId, WebhookId
from tradewind.features.webhooks.schemas import DeliveryState, DisabledBy, EventKind
from tradewind.features.webhooks.tables import webhook, webhook_delivery

_SEALED = {
    "secret_version",
    "data_key_id",
    "sealed_secret",
    "former_version",
    "former_data_key_id",
    "former_sealed_secret",
}
# What people see is read without what is sealed: what was never read cannot slip out.
_SHOWN = [column for column in webhook.c if column.name not in _SEALED]
_SHOWN_OF_DELIVERY = [column for column in webhook_delivery.c if column.name != "body"]


# --- destinations ----------------------------------------------------------------------------


def lock_owner(tx: Connection, organization_id: OrganizationId) -> None:
    """Let one transaction at a time count and add the destinations of an organization."""
    tx.execute(
        select(func.pg_advisory_xact_lock(func.hashtextextended(f"webhook {organization_id}", 0)))
    )


def count_webhooks(tx: Connection, organization_id: OrganizationId) -> int:
    return tx.execute(
        select(func.count())
        .select_from(webhook)
        .where(webhook.c.organization_id == organization_id)
    ).scalar_one()


def add_webhook(tx: Connection, values: Mapping[str, Any]) -> None:
    tx.execute(insert(webhook).values(**values))


def list_webhooks(
    tx: Connection, organization_id: OrganizationId, limit: int
) -> Sequence[Row[Any]]:
    """Return the newest first."""
    return tx.execute(
        select(*_SHOWN)
        .where(webhook.c.organization_id == organization_id)
        .order_by(webhook.c.id.desc())
        .limit(limit)
    ).all()


def find_webhook(
    tx: Connection,
    organization_id: OrganizationId,
    webhook_id: WebhookId,
    *,
    locks: bool = False,
) -> Row[Any] | None:
    statement = select(*_SHOWN).where(
        webhook.c.id == webhook_id, webhook.c.organization_id == organization_id
    )
    return tx.execute(statement.with_for_update() if locks else statement).first()


def lock_webhook(tx: Connection, webhook_id: WebhookId) -> Row[Any] | None:
    """For the worker, which acts for every organization."""
    return tx.execute(select(*_SHOWN).where(webhook.c.id == webhook_id).with_for_update()).first()


def secret_of(tx: Connection, webhook_id: WebhookId) -> Row[Any]:
    """Return what is sealed of a destination that is locked."""
    sealed = [column for column in webhook.c if column.name in _SEALED]
    return tx.execute(select(*sealed).where(webhook.c.id == webhook_id)).one()


def update_webhook(tx: Connection, webhook_id: WebhookId, values: Mapping[str, Any]) -> None:
    """Change what people change; their revision goes on."""
    tx.execute(
        update(webhook)
        .where(webhook.c.id == webhook_id)
        .values(**values, revision=webhook.c.revision + 1)
    )


def note_failing(tx: Connection, webhook_id: WebhookId, since: datetime | None) -> None:
    """Note since when nothing reaches it. What is only observed leaves the revision alone: forms
    that are open would otherwise be out of date by it.
    """
    tx.execute(update(webhook).where(webhook.c.id == webhook_id).values(failing_since=since))


def disable_webhook(
    tx: Connection, webhook_id: WebhookId, reason: DisabledBy, now: datetime
) -> None:
    update_webhook(
        tx, webhook_id, {"disabled_at": now, "disabled_by": reason.value, "updated_at": now}
    )


def delete_webhook(tx: Connection, webhook_id: WebhookId) -> None:
    """Deliveries go with it."""
    tx.execute(delete(webhook).where(webhook.c.id == webhook_id))


def destroy_former_secrets(tx: Connection, now: datetime) -> int:
    """Remove replaced secrets whose overlap is over; return how many."""
    return tx.execute(
        update(webhook)
        .where(webhook.c.former_until <= now)
        .values(
            former_version=None,
            former_data_key_id=None,
            former_sealed_secret=None,
            former_until=None,
        )
    ).rowcount


# --- deliveries ------------------------------------------------------------------------------


def add_deliveries(
    tx: Connection,
    organization_id: OrganizationId,
    kind: EventKind,
    message_id: MessageId,
    *,
    body: bytes,
    now: datetime,
) -> int:
    """Add one delivery to each enabled destination that wants the kind; return how many are new.

    The destinations are held until the end of `tx`, so that none is disabled meanwhile and keeps
    a delivery that waits for ever.
    """
    wanting = tx.execute(
        select(webhook.c.id)
        .where(
            webhook.c.organization_id == organization_id,
            webhook.c.disabled_at.is_(None),
            webhook.c.kinds.contains([kind.value]),
        )
        .order_by(webhook.c.id)
        .with_for_update(read=True)
    ).all()
    return sum(
        add_delivery(tx, WebhookId(row.id), kind.value, message_id, body=body, now=now) is not None
        for row in wanting
    )


def add_delivery(
    tx: Connection,
    webhook_id: WebhookId,
    kind: str,
    message_id: MessageId,
    *,
    body: bytes,
    now: datetime,
) -> DeliveryId | None:
    """None when this message is on its way there already."""
    delivery_id = DeliveryId.new()
    added = tx.execute(
        upsert(webhook_delivery)
        .values(
            id=delivery_id,
            webhook_id=webhook_id,
            message_id=message_id,
            kind=kind,
            body=body,
            state=DeliveryState.PENDING.value,
            attempts=0,
            attempts_before=0,
            next_try_at=now,
            created_at=now,
        )
        .on_conflict_do_nothing()
        .returning(webhook_delivery.c.id)
    ).first()
    return None if added is None else delivery_id


def count_pending(tx: Connection, webhook_id: WebhookId) -> int:
    return tx.execute(
        select(func.count())
        .select_from(webhook_delivery)
        .where(
            webhook_delivery.c.webhook_id == webhook_id,
            webhook_delivery.c.next_try_at.is_not(None),
        )
    ).scalar_one()


def list_deliveries(
    tx: Connection, webhook_id: WebhookId, *, before: str | None, limit: int
) -> Sequence[Row[Any]]:
    """Return the newest first, those older than `before`."""
    statement = select(*_SHOWN_OF_DELIVERY).where(webhook_delivery.c.webhook_id == webhook_id)
    if before is not None:
        statement = statement.where(webhook_delivery.c.id < before)
    return tx.execute(statement.order_by(webhook_delivery.c.id.desc()).limit(limit)).all()


def find_delivery(
    tx: Connection, webhook_id: WebhookId, delivery_id: DeliveryId, *, locks: bool = False
) -> Row[Any] | None:
    statement = select(*_SHOWN_OF_DELIVERY).where(
        webhook_delivery.c.id == delivery_id, webhook_delivery.c.webhook_id == webhook_id
    )
    return tx.execute(statement.with_for_update() if locks else statement).first()


def update_delivery(tx: Connection, delivery_id: DeliveryId, values: Mapping[str, Any]) -> None:
    tx.execute(
        update(webhook_delivery).where(webhook_delivery.c.id == delivery_id).values(**values)
    )


def fail_pending(tx: Connection, webhook_id: WebhookId, error: str, now: datetime) -> int:
    """End every delivery that still waits; return how many. What made one fail stays told."""
    return tx.execute(
        update(webhook_delivery)
        .where(
            webhook_delivery.c.webhook_id == webhook_id,
            webhook_delivery.c.next_try_at.is_not(None),
        )
        .values(
            state=DeliveryState.FAILED.value,
            next_try_at=None,
            ended_at=now,
            error=func.coalesce(webhook_delivery.c.error, error),
        )
    ).rowcount


# --- the worker's ----------------------------------------------------------------------------


def claim(
    tx: Connection,
    now: datetime,
    *,
    until: datetime,
    limit: int,
    most_each: int,
    but: Collection[WebhookId],
) -> Sequence[Row[Any]]:
    """Take deliveries that are due, the longest waiting first and a few of each destination, and
    count an attempt; others leave them alone until then. Those of destinations in `but` wait.
    """
    due = (
        select(
            webhook_delivery.c.id,
            func.row_number()
            .over(
                partition_by=webhook_delivery.c.webhook_id,
                order_by=(webhook_delivery.c.next_try_at, webhook_delivery.c.id),
            )
            .label("place"),
        )
        .where(
            webhook_delivery.c.next_try_at <= now,
            webhook_delivery.c.webhook_id.not_in(list(but)),
        )
        .subquery()
    )
    # The outer condition is asked again for a row that somebody else has just claimed.
    taken = (
        select(webhook_delivery.c.id)
        .join(due, due.c.id == webhook_delivery.c.id)
        .where(due.c.place <= most_each, webhook_delivery.c.next_try_at <= now)
        .order_by(webhook_delivery.c.next_try_at, webhook_delivery.c.id)
        .limit(limit)
        .with_for_update(of=webhook_delivery, skip_locked=True)
        .cte("taken")
    )
    return tx.execute(
        update(webhook_delivery)
        .where(webhook_delivery.c.id == taken.c.id, webhook.c.id == webhook_delivery.c.webhook_id)
        .values(attempts=webhook_delivery.c.attempts + 1, next_try_at=until, last_tried_at=now)
        .returning(
            webhook_delivery.c.id.label("delivery_id"),
            webhook_delivery.c.message_id,
            webhook_delivery.c.attempts,
            webhook_delivery.c.body,
            webhook,
        )
    ).all()


def forget_deliveries(tx: Connection, before: datetime, limit: int) -> int:
    """Remove deliveries made before then, ended or not; return how many."""
    old = select(webhook_delivery.c.id).where(webhook_delivery.c.created_at < before).limit(limit)
    return tx.execute(delete(webhook_delivery).where(webhook_delivery.c.id.in_(old))).rowcount


def forget_surplus(tx: Connection, most: int, limit: int) -> int:
    """Remove the oldest ended deliveries of destinations that have more than so many."""
    number = func.count()
    crowded = tx.execute(
        select(webhook_delivery.c.webhook_id, number.label("number"))
        .group_by(webhook_delivery.c.webhook_id)
        .having(number > most)
    ).all()
    done = 0
    for row in crowded:
        oldest = (
            select(webhook_delivery.c.id)
            .where(
                webhook_delivery.c.webhook_id == row.webhook_id,
                webhook_delivery.c.next_try_at.is_(None),
            )
            .order_by(webhook_delivery.c.id)
            .limit(min(limit - done, row.number - most))
        )
        done += tx.execute(
            delete(webhook_delivery).where(webhook_delivery.c.id.in_(oldest))
        ).rowcount
        if done >= limit:
            break
    return done
