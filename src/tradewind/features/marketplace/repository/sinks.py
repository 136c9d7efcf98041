"""Sinks and what is on its way to them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, exists, func, insert, select, update

from tradewind.core.ids import OrganizationId, SinkId
from tradewind.features.marketplace.schemas import Covers, SinkRow
from tradewind.features.marketplace.tables import sink, sink_parcel

_WAITING = sink_parcel.c.state == "waiting"


def lock_owner(tx: Connection, organization_id: str) -> None:
    """Let one add a sink of an organization at a time, until the end of `tx`."""
    tx.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(organization_id, 5082))))


def count(tx: Connection, organization_id: str) -> int:
    query = select(func.count()).where(sink.c.organization_id == organization_id)
    return tx.execute(query).scalar_one()


def add(tx: Connection, values: Mapping[str, Any]) -> None:
    tx.execute(insert(sink).values(dict(values)))


def change(tx: Connection, sink_id: str, values: Mapping[str, Any]) -> None:
    tx.execute(update(sink).where(sink.c.id == sink_id).values(dict(values)))


def remove(tx: Connection, sink_id: str) -> None:
    tx.execute(delete(sink).where(sink.c.id == sink_id))


def find(
    tx: Connection, sink_id: str, organization_id: str | None = None, *, locks: bool = False
) -> Row[Any] | None:
    query = select(sink).where(sink.c.id == sink_id)
    if organization_id is not None:
        query = query.where(sink.c.organization_id == organization_id)
    return tx.execute(query.with_for_update() if locks else query).first()


def has_name(tx: Connection, organization_id: str, name: str) -> bool:
    query = select(sink.c.id).where(sink.c.organization_id == organization_id, sink.c.name == name)
    return tx.execute(query).first() is not None


def of_organization(tx: Connection, organization_id: str, limit: int) -> list[SinkRow]:
    rows = tx.execute(
        select(sink)
        .where(sink.c.organization_id == organization_id)
        .order_by(sink.c.id)
        .limit(limit)
    ).all()
    return [sink_row(tx, row) for row in rows]


def sink_row(tx: Connection, row: Row[Any]) -> SinkRow:
    counts = tx.execute(
        select(
            func.count().filter(_WAITING).label("waiting"),
            func.count().filter(sink_parcel.c.state == "refused").label("refused"),
        ).where(sink_parcel.c.sink_id == row.id, sink_parcel.c.state != "sent")
    ).one()
    return SinkRow(
        sink_id=SinkId(row.id),
        organization_id=OrganizationId(row.organization_id),
        name=row.name,
        kind=row.kind,
        base_url=row.base_url,
        covers=Covers(row.covers),
        meters=tuple(row.meters),
        customers=dict(row.customers),
        is_private_network=row.is_private_network,
        is_enabled=row.is_enabled,
        has_credential=row.sealed_credential is not None,
        since=row.since,
        sent_until=row.sent_until,
        waiting=counts.waiting,
        refused=counts.refused,
        last_error=row.last_error,
        last_sent_at=row.last_sent_at,
        revision=row.revision,
        created_at=row.created_at,
    )


# --- parcels -----------------------------------------------------------------------------------


def take_to_look_at(tx: Connection, now: datetime) -> Row[Any] | None:
    """Return a sink whose hours are to be summed, which nobody else sums meanwhile."""
    return tx.execute(
        select(sink)
        .where(sink.c.is_enabled, sink.c.look_at <= now)
        .order_by(sink.c.look_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    ).first()


def add_parcels(tx: Connection, parcels: Sequence[Mapping[str, Any]]) -> None:
    if parcels:
        tx.execute(insert(sink_parcel), [dict(each) for each in parcels])


def claim(tx: Connection, now: datetime, *, until: datetime) -> Row[Any] | None:
    """Take a sink for which something waits; others leave it alone until then."""
    waits = exists().where(and_(sink_parcel.c.sink_id == sink.c.id, _WAITING))
    row = tx.execute(
        select(sink)
        .where(sink.c.is_enabled, sink.c.next_try_at <= now, waits)
        .order_by(sink.c.next_try_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    ).first()
    if row is not None:
        change(tx, row.id, {"next_try_at": until})
    return row


def waiting(tx: Connection, sink_id: str, limit: int) -> Sequence[Row[Any]]:
    return tx.execute(
        select(sink_parcel)
        .where(sink_parcel.c.sink_id == sink_id, _WAITING)
        .order_by(sink_parcel.c.id)
        .limit(limit)
    ).all()


def end_parcels(  # noqa: PLR0917  all of an end
    tx: Connection, sink_id: str, parcel_ids: Sequence[str], state: str, error: str, now: datetime
) -> None:
    if parcel_ids:
        tx.execute(
            update(sink_parcel)
            .where(
                sink_parcel.c.sink_id == sink_id,
                sink_parcel.c.id == func.any(list(parcel_ids)),
                _WAITING,
            )
            .values(state=state, error=error, ended_at=now)
        )
