"""The SQL of trust."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.dialects.postgresql import insert as upsert

from tradewind.core.ids import AssessmentId, OrganizationId, WaiverId
from tradewind.features.trust.tables import (
    assessment_decision,
    impact_assessment,
    release_rules,
    transparency_note,
    trust_event,
    waiver,
)


def lock_subject(tx: Connection, subject: str) -> None:
    """Let only one transaction begin a version, a waiver or a note of a subject."""
    tx.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"trust {subject}", 0))))


def newest_rules(tx: Connection) -> Row[Any] | None:
    return tx.execute(
        select(release_rules).order_by(release_rules.c.version.desc()).limit(1)
    ).one_or_none()


def add_rules(tx: Connection, values: Mapping[str, Any]) -> bool:
    """Add a version; False when somebody else added it first."""
    added = tx.execute(
        upsert(release_rules)
        .values(values)
        .on_conflict_do_nothing()
        .returning(release_rules.c.version)
    )
    return added.one_or_none() is not None


def list_rules(tx: Connection, limit: int) -> Sequence[Row[Any]]:
    return tx.execute(
        select(release_rules).order_by(release_rules.c.version.desc()).limit(limit)
    ).all()


def add_assessment(tx: Connection, values: Mapping[str, Any]) -> None:
    tx.execute(insert(impact_assessment).values(values))


def update_assessment(
    tx: Connection, assessment_id: AssessmentId, values: Mapping[str, Any]
) -> None:
    tx.execute(
        update(impact_assessment)
        .where(impact_assessment.c.id == assessment_id)
        .values({**values, "revision": impact_assessment.c.revision + 1})
    )


def find_assessment(
    tx: Connection, assessment_id: AssessmentId, *, locks: bool = False
) -> Row[Any] | None:
    query = select(impact_assessment).where(impact_assessment.c.id == assessment_id)
    return tx.execute(query.with_for_update() if locks else query).one_or_none()


def assessments_of(tx: Connection, subject: str, limit: int) -> Sequence[Row[Any]]:
    """Return the versions of a subject's form, the newest first."""
    return tx.execute(
        select(impact_assessment)
        .where(impact_assessment.c.subject == subject)
        .order_by(impact_assessment.c.version.desc())
        .limit(limit)
    ).all()


def list_assessments(
    tx: Connection, organization_id: OrganizationId, limit: int
) -> Sequence[Row[Any]]:
    """Return the newest version of each subject of an organization."""
    newest = (
        select(impact_assessment)
        .where(impact_assessment.c.organization_id == organization_id)
        .ext(distinct_on(impact_assessment.c.subject))
        .order_by(impact_assessment.c.subject, impact_assessment.c.version.desc())
        .subquery()
    )
    return tx.execute(
        select(newest).order_by(newest.c.created_at.desc(), newest.c.id).limit(limit)
    ).all()


def waiting_assessments(tx: Connection, limit: int) -> Sequence[Row[Any]]:
    """Return what waits for a decision, the longest first."""
    return tx.execute(
        select(impact_assessment)
        .where(impact_assessment.c.state == "submitted")
        .order_by(impact_assessment.c.submitted_at, impact_assessment.c.id)
        .limit(limit)
    ).all()


def ending_assessments(tx: Connection, before: datetime, limit: int) -> Sequence[Row[Any]]:
    """Return what is approved until then and has no newer version, the first to end first."""
    newer = impact_assessment.alias("newer")
    return tx.execute(
        select(impact_assessment)
        .where(
            impact_assessment.c.state == "approved",
            impact_assessment.c.expires_at < before,
            ~select(newer.c.id)
            .where(
                newer.c.subject == impact_assessment.c.subject,
                newer.c.version > impact_assessment.c.version,
                newer.c.state == "approved",
            )
            .exists(),
        )
        .order_by(impact_assessment.c.expires_at, impact_assessment.c.id)
        .limit(limit)
    ).all()


def add_decision(tx: Connection, values: Mapping[str, Any]) -> None:
    tx.execute(insert(assessment_decision).values(values))


def decisions_of(tx: Connection, assessment_ids: Sequence[str]) -> dict[str, list[Row[Any]]]:
    """Return decisions by assessment, in their order."""
    found: dict[str, list[Row[Any]]] = {}
    if assessment_ids:
        rows = tx.execute(
            select(assessment_decision)
            .where(assessment_decision.c.assessment_id.in_(assessment_ids))
            .order_by(assessment_decision.c.at, assessment_decision.c.by_id)
        )
        for row in rows:
            found.setdefault(row.assessment_id, []).append(row)
    return found


def add_waiver(tx: Connection, values: Mapping[str, Any]) -> None:
    tx.execute(insert(waiver).values(values))


def update_waiver(tx: Connection, waiver_id: WaiverId, values: Mapping[str, Any]) -> None:
    tx.execute(update(waiver).where(waiver.c.id == waiver_id).values(values))


def find_waiver(tx: Connection, waiver_id: WaiverId, *, locks: bool = False) -> Row[Any] | None:
    query = select(waiver).where(waiver.c.id == waiver_id)
    return tx.execute(query.with_for_update() if locks else query).one_or_none()


def waivers_of(tx: Connection, subject: str, limit: int) -> Sequence[Row[Any]]:
    """Return what was asked for a subject, the newest first."""
    return tx.execute(
        select(waiver)
        .where(waiver.c.subject == subject)
        .order_by(waiver.c.asked_at.desc(), waiver.c.id.desc())
        .limit(limit)
    ).all()


def waiting_waivers(tx: Connection, limit: int) -> Sequence[Row[Any]]:
    return tx.execute(
        select(waiver)
        .where(waiver.c.state == "asked")
        .order_by(waiver.c.asked_at, waiver.c.id)
        .limit(limit)
    ).all()


def newest_note(tx: Connection, subject: str) -> Row[Any] | None:
    return tx.execute(
        select(transparency_note)
        .where(transparency_note.c.subject == subject)
        .order_by(transparency_note.c.version.desc())
        .limit(1)
    ).one_or_none()


def notes_of(tx: Connection, subject: str, limit: int) -> Sequence[Row[Any]]:
    return tx.execute(
        select(transparency_note)
        .where(transparency_note.c.subject == subject)
        .order_by(transparency_note.c.version.desc())
        .limit(limit)
    ).all()


def add_note(tx: Connection, values: Mapping[str, Any]) -> None:
    tx.execute(insert(transparency_note).values(values))


def add_event(tx: Connection, values: Mapping[str, Any]) -> None:
    tx.execute(insert(trust_event).values(values))


def waivers_of_organization(
    tx: Connection, organization_id: OrganizationId, limit: int
) -> Sequence[Row[Any]]:
    return tx.execute(
        select(waiver)
        .where(waiver.c.organization_id == organization_id)
        .order_by(waiver.c.asked_at.desc(), waiver.c.id.desc())
        .limit(limit)
    ).all()


def events_of(
    tx: Connection, subjects: Collection[str], *, before: int | None, limit: int
) -> Sequence[Row[Any]]:
    """Return the trails of subjects together, the newest first."""
    query = select(trust_event).where(trust_event.c.subject.in_(subjects))
    if before is not None:
        query = query.where(trust_event.c.number < before)
    return tx.execute(query.order_by(trust_event.c.number.desc()).limit(limit)).all()
