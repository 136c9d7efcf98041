"""Opt-outs of human looks."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from tradewind.core.ids import OptOutId, OrganizationId
from tradewind.features.abuse.tables import abuse_opt_out


def add_opt_out(tx: Connection, values: Mapping[str, Any]) -> None:
    tx.execute(insert(abuse_opt_out).values(values))


def update_opt_out(tx: Connection, opt_out_id: OptOutId, values: Mapping[str, Any]) -> None:
    tx.execute(update(abuse_opt_out).where(abuse_opt_out.c.id == opt_out_id).values(values))


def find_opt_out(tx: Connection, opt_out_id: OptOutId, *, locks: bool = False) -> Row[Any] | None:
    query = select(abuse_opt_out).where(abuse_opt_out.c.id == opt_out_id)
    return tx.execute(query.with_for_update() if locks else query).one_or_none()


def opt_outs_of(tx: Connection, organization_id: OrganizationId, limit: int) -> Sequence[Row[Any]]:
    """Return the newest first."""
    return tx.execute(
        select(abuse_opt_out)
        .where(abuse_opt_out.c.organization_id == organization_id)
        .order_by(abuse_opt_out.c.signed_at.desc(), abuse_opt_out.c.id.desc())
        .limit(limit)
    ).all()


def open_opt_outs(tx: Connection, limit: int) -> Sequence[Row[Any]]:
    """Return what is signed or in force, what waits first."""
    return tx.execute(
        select(abuse_opt_out)
        .where(abuse_opt_out.c.state.in_(["signed", "in_force"]))
        .order_by(abuse_opt_out.c.state.desc(), abuse_opt_out.c.signed_at)
        .limit(limit)
    ).all()


def has_opted_out(tx: Connection, organization_id: OrganizationId, now: datetime) -> bool:
    found = tx.execute(
        select(abuse_opt_out.c.id).where(
            abuse_opt_out.c.organization_id == organization_id,
            abuse_opt_out.c.state == "in_force",
            abuse_opt_out.c.expires_at > now,
        )
    )
    return found.one_or_none() is not None


def end_expired(tx: Connection, organization_id: OrganizationId, now: datetime) -> None:
    """Make room for another one."""
    tx.execute(
        update(abuse_opt_out)
        .where(
            abuse_opt_out.c.organization_id == organization_id,
            abuse_opt_out.c.state.in_(["signed", "in_force"]),
            abuse_opt_out.c.expires_at <= now,
        )
        .values(state="revoked", decided_at=now, decision_reason="its time was over")
    )
