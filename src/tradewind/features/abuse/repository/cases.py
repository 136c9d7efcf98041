"""Cases, looks at contents, appeals."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, case, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from tradewind.core.ids import AbuseCaseId, AppealId, OrganizationId
from tradewind.features.abuse.tables import abuse_appeal, abuse_case, abuse_grant


def add_case(tx: Connection, values: Mapping[str, Any]) -> bool:
    """Open a case; False while another one of the same key is open."""
    added = tx.execute(
        upsert(abuse_case).values(values).on_conflict_do_nothing().returning(abuse_case.c.id)
    )
    return added.one_or_none() is not None


def update_case(tx: Connection, case_id: AbuseCaseId, values: Mapping[str, Any]) -> None:
    tx.execute(update(abuse_case).where(abuse_case.c.id == case_id).values(values))


def find_case(tx: Connection, case_id: AbuseCaseId, *, locks: bool = False) -> Row[Any] | None:
    query = _cases().where(abuse_case.c.id == case_id)
    return tx.execute(query.with_for_update(of=abuse_case) if locks else query).one_or_none()


def open_case_of(tx: Connection, organization_id: OrganizationId, key_id: str) -> Row[Any] | None:
    return tx.execute(
        _cases().where(
            abuse_case.c.organization_id == organization_id,
            abuse_case.c.key_id == key_id,
            abuse_case.c.closed_at.is_(None),
        )
    ).one_or_none()


def open_cases(tx: Connection, limit: int) -> Sequence[Row[Any]]:
    """Return what is not closed, of all organizations: the highest score first."""
    return tx.execute(
        _cases()
        .where(abuse_case.c.closed_at.is_(None))
        .order_by(
            case((abuse_case.c.state == "open", 0), else_=1),
            abuse_case.c.score.desc(),
            abuse_case.c.opened_at,
        )
        .limit(limit)
    ).all()


def cases_of(tx: Connection, organization_id: OrganizationId, limit: int) -> Sequence[Row[Any]]:
    return tx.execute(
        _cases()
        .where(abuse_case.c.organization_id == organization_id)
        .order_by(abuse_case.c.opened_at.desc(), abuse_case.c.id.desc())
        .limit(limit)
    ).all()


def add_grant(tx: Connection, values: Mapping[str, Any]) -> None:
    tx.execute(insert(abuse_grant).values(values))


def grant_in_force(
    tx: Connection, case_id: AbuseCaseId, person: str, now: datetime
) -> Row[Any] | None:
    return tx.execute(
        _grants()
        .where(
            abuse_grant.c.case_id == case_id,
            abuse_grant.c.granted_to_id == person,
            abuse_grant.c.expires_at > now,
        )
        .order_by(abuse_grant.c.expires_at.desc())
        .limit(1)
    ).one_or_none()


def grants_of(tx: Connection, case_id: AbuseCaseId, limit: int) -> Sequence[Row[Any]]:
    return tx.execute(
        _grants()
        .where(abuse_grant.c.case_id == case_id)
        .order_by(abuse_grant.c.granted_at.desc())
        .limit(limit)
    ).all()


def add_appeal(tx: Connection, values: Mapping[str, Any]) -> None:
    tx.execute(insert(abuse_appeal).values(values))


def update_appeal(tx: Connection, appeal_id: AppealId, values: Mapping[str, Any]) -> None:
    tx.execute(update(abuse_appeal).where(abuse_appeal.c.id == appeal_id).values(values))


def find_appeal(tx: Connection, appeal_id: AppealId, *, locks: bool = False) -> Row[Any] | None:
    query = _appeals().where(abuse_appeal.c.id == appeal_id)
    return tx.execute(query.with_for_update(of=abuse_appeal) if locks else query).one_or_none()


def appeals_of(tx: Connection, case_id: AbuseCaseId, limit: int) -> Sequence[Row[Any]]:
    """Return the newest first."""
    return tx.execute(
        _appeals()
        .where(abuse_appeal.c.case_id == case_id)
        .order_by(abuse_appeal.c.made_at.desc(), abuse_appeal.c.id.desc())
        .limit(limit)
    ).all()


def waiting_appeals(tx: Connection, limit: int) -> Sequence[Row[Any]]:
    """Return the longest wait first."""
    return tx.execute(
        _appeals()
        .where(abuse_appeal.c.state == "waiting")
        .order_by(abuse_appeal.c.made_at)
        .limit(limit)
    ).all()


def count_appeals(tx: Connection, case_id: AbuseCaseId) -> int:
    return tx.execute(
        select(func.count()).select_from(abuse_appeal).where(abuse_appeal.c.case_id == case_id)
    ).scalar_one()


def _cases() -> Select[Any]:
    return select(abuse_case)


def _grants() -> Select[Any]:
    return select(abuse_grant, abuse_case.c.organization_id).join(
        abuse_case, abuse_case.c.id == abuse_grant.c.case_id
    )


def _appeals() -> Select[Any]:
    return select(abuse_appeal, abuse_case.c.organization_id).join(
        abuse_case, abuse_case.c.id == abuse_appeal.c.case_id
    )
