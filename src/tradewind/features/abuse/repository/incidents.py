"""Incidents and kill switches."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, case, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from tradewind.core.ids import IncidentId, KillSwitchId
from tradewind.features.abuse.tables import incident, kill_switch


def add_incident(tx: Connection, values: Mapping[str, Any]) -> None:
    tx.execute(insert(incident).values(values))


def update_incident(tx: Connection, incident_id: IncidentId, values: Mapping[str, Any]) -> None:
    tx.execute(update(incident).where(incident.c.id == incident_id).values(values))


def find_incident(
    tx: Connection, incident_id: IncidentId, *, locks: bool = False
) -> Row[Any] | None:
    query = select(incident).where(incident.c.id == incident_id)
    return tx.execute(query.with_for_update() if locks else query).one_or_none()


def list_incidents(
    tx: Connection, limit: int, *, affecting: str | None = None
) -> Sequence[Row[Any]]:
    """Return what is open first, then the newest; all, or those that affect a subject."""
    query = select(incident)
    if affecting is not None:
        query = query.where(incident.c.affected.contains([affecting]))
    return tx.execute(
        query.order_by(
            case((incident.c.closed_at.is_(None), 0), else_=1),
            incident.c.opened_at.desc(),
            incident.c.id.desc(),
        ).limit(limit)
    ).all()


def add_switch(tx: Connection, values: Mapping[str, Any]) -> bool:
    """Throw it; False where it is thrown already."""
    added = tx.execute(
        upsert(kill_switch).values(values).on_conflict_do_nothing().returning(kill_switch.c.id)
    )
    return added.one_or_none() is not None


def thrown_switch(tx: Connection, endpoint_id: str) -> Row[Any] | None:
    return tx.execute(
        select(kill_switch).where(
            kill_switch.c.endpoint_id == endpoint_id, kill_switch.c.lifted_at.is_(None)
        )
    ).one_or_none()


def find_switch(tx: Connection, switch_id: KillSwitchId, *, locks: bool = False) -> Row[Any] | None:
    query = select(kill_switch).where(kill_switch.c.id == switch_id)
    return tx.execute(query.with_for_update() if locks else query).one_or_none()


def lift_switch(tx: Connection, switch_id: KillSwitchId, values: Mapping[str, Any]) -> None:
    tx.execute(update(kill_switch).where(kill_switch.c.id == switch_id).values(values))


def list_switches(
    tx: Connection, limit: int, *, incident_id: str | None = None
) -> Sequence[Row[Any]]:
    """Return what is thrown first, then the newest."""
    query = select(kill_switch)
    if incident_id is not None:
        query = query.where(kill_switch.c.incident_id == incident_id)
    return tx.execute(
        query.order_by(
            case((kill_switch.c.lifted_at.is_(None), 0), else_=1), kill_switch.c.stopped_at.desc()
        ).limit(limit)
    ).all()
