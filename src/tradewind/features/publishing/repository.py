"""All SQL of publishing."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import distinct_on, insert

from tradewind.core.ids import OrganizationId
from tradewind.features.publishing.tables import (
    listing,
    listing_event,
    publisher_application,
    validation_run,
)

_SETTLED = ("passed", "failed")

# --- applications --------------------------------------------------------------------------


def add_application(tx: Connection, values: Mapping[str, Any]) -> bool:
    """Return whether it was added; there is one pending for each name and organization."""
    added = tx.execute(
        insert(publisher_application)
        .values(**values)
        .on_conflict_do_nothing()
        .returning(publisher_application.c.id)
    ).scalar()
    return added is not None


def list_applications(
    tx: Connection, *, organization_id: str | None, state: str | None, limit: int
) -> Sequence[Row[Any]]:
    """Return applications of one organization or of all, the newest first."""
    found = select(publisher_application).order_by(publisher_application.c.id.desc()).limit(limit)
    if organization_id is not None:
        found = found.where(publisher_application.c.organization_id == organization_id)
    if state is not None:
        found = found.where(publisher_application.c.state == state)
    return tx.execute(found).all()


def find_application(
    tx: Connection, application_id: str, *, organization_id: str | None, locks: bool = False
) -> Row[Any] | None:
    found = select(publisher_application).where(publisher_application.c.id == application_id)
    if organization_id is not None:
        found = found.where(publisher_application.c.organization_id == organization_id)
    return tx.execute(found.with_for_update() if locks else found).first()


def update_application(tx: Connection, application_id: str, values: Mapping[str, Any]) -> None:
    tx.execute(
        update(publisher_application)
        .where(publisher_application.c.id == application_id)
        .values(**values)
    )


def due_proofs(tx: Connection, now: datetime, limit: int) -> Sequence[Row[Any]]:
    """Return applications whose proof is to be looked for, locked against other workers."""
    return tx.execute(
        select(publisher_application)
        .where(publisher_application.c.proof_due_at <= now)
        .order_by(publisher_application.c.proof_due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()


# --- listings ------------------------------------------------------------------------------


def add_listing(tx: Connection, values: Mapping[str, Any]) -> bool:
    """Return whether it was added; one of each model is on its way at a time."""
    added = tx.execute(
        insert(listing).values(**values).on_conflict_do_nothing().returning(listing.c.id)
    ).scalar()
    return added is not None


def lock_publisher(tx: Connection, organization_id: OrganizationId) -> None:
    """Let one request at a time add listings of an organization."""
    tx.execute(
        select(func.pg_advisory_xact_lock(func.hashtextextended(f"listing:{organization_id}", 0)))
    )


def count_listings(tx: Connection, organization_id: str, *, is_open: bool) -> int:
    found = select(func.count()).where(listing.c.organization_id == organization_id)
    if is_open:
        found = found.where(listing.c.state != "delisted")
    return tx.execute(found).scalar_one()


def list_listings(
    tx: Connection, *, organization_id: str, before: str | None, limit: int
) -> Sequence[Row[Any]]:
    """Return the newest first."""
    condition = listing.c.organization_id == organization_id
    if before is not None:
        condition &= listing.c.id < before
    return _listings(tx, condition, limit)


def list_in_state(tx: Connection, states: Sequence[str], limit: int) -> Sequence[Row[Any]]:
    """Return those of all organizations, what has waited longest first."""
    return tx.execute(
        select(listing)
        .where(listing.c.state.in_(states))
        .order_by(listing.c.updated_at, listing.c.id)
        .limit(limit)
    ).all()


def find_listing(
    tx: Connection, listing_id: str, *, organization_id: str | None, locks: bool = False
) -> Row[Any] | None:
    found = select(listing).where(listing.c.id == listing_id)
    if organization_id is not None:
        found = found.where(listing.c.organization_id == organization_id)
    return tx.execute(found.with_for_update() if locks else found).first()


def find_of_model(
    tx: Connection, publisher: str, slug: str, states: Sequence[str], *, locks: bool = False
) -> Row[Any] | None:
    """Return the newest listing of a model in one of these states."""
    found = (
        select(listing)
        .where(
            listing.c.publisher_slug == publisher,
            listing.c.slug == slug,
            listing.c.state.in_(states),
        )
        .order_by(listing.c.id.desc())
        .limit(1)
    )
    return tx.execute(found.with_for_update() if locks else found).first()


def update_listing(tx: Connection, listing_id: str, values: Mapping[str, Any]) -> None:
    """Change a listing, which gets the next revision."""
    tx.execute(
        update(listing)
        .where(listing.c.id == listing_id)
        .values(**values, revision=listing.c.revision + 1)
    )


def delete_draft(tx: Connection, listing_id: str) -> bool:
    """Delete a draft that was never submitted; return whether it was one."""
    has_events = select(listing_event.c.id).where(listing_event.c.listing_id == listing_id).exists()
    done = tx.execute(
        delete(listing).where(listing.c.id == listing_id, listing.c.state == "draft", ~has_events)
    )
    return done.rowcount > 0


def find_user_of_artifact(tx: Connection, organization_id: str, digest: str) -> Row[Any] | None:
    """Return a listing that needs an artifact still."""
    return tx.execute(
        select(listing)
        .where(
            listing.c.organization_id == organization_id,
            listing.c.state != "delisted",
            listing.c.content["artifact"].astext == digest,
        )
        .limit(1)
    ).first()


# --- audit trail ---------------------------------------------------------------------------


def add_event(tx: Connection, values: Mapping[str, Any]) -> None:
    tx.execute(insert(listing_event).values(**values))


def events_of(tx: Connection, listing_id: str, limit: int) -> Sequence[Row[Any]]:
    """Return the newest first."""
    return tx.execute(
        select(listing_event)
        .where(listing_event.c.listing_id == listing_id)
        .order_by(listing_event.c.id.desc())
        .limit(limit)
    ).all()


def last_reasons(tx: Connection, listing_ids: Sequence[str]) -> dict[str, str]:
    """Return why listings were last sent back or delisted, where that was their last move."""
    found = tx.execute(
        select(listing_event.c.listing_id, listing_event.c.reason)
        .where(listing_event.c.listing_id.in_(listing_ids))
        .ext(distinct_on(listing_event.c.listing_id))
        .order_by(listing_event.c.listing_id, listing_event.c.id.desc())
    )
    return {row.listing_id: row.reason for row in found}


# --- validation runs -----------------------------------------------------------------------


def add_run(tx: Connection, values: Mapping[str, Any]) -> bool:
    """Return whether it was added; a listing has one run under way at a time."""
    added = tx.execute(
        insert(validation_run)
        .values(**values)
        .on_conflict_do_nothing()
        .returning(validation_run.c.id)
    ).scalar()
    return added is not None


def find_run(tx: Connection, run_id: str, *, locks: bool = False) -> Row[Any] | None:
    found = select(validation_run).where(validation_run.c.id == run_id)
    return tx.execute(found.with_for_update() if locks else found).first()


def find_open_run(tx: Connection, listing_id: str) -> Row[Any] | None:
    return tx.execute(
        select(validation_run)
        .where(validation_run.c.listing_id == listing_id, validation_run.c.next_try_at.is_not(None))
        .with_for_update()
    ).first()


def runs_of(tx: Connection, listing_id: str, limit: int) -> Sequence[Row[Any]]:
    """Return the newest first."""
    return tx.execute(
        select(validation_run)
        .where(validation_run.c.listing_id == listing_id)
        .order_by(validation_run.c.id.desc())
        .limit(limit)
    ).all()


def last_runs(tx: Connection, listing_ids: Sequence[str]) -> dict[str, Row[Any]]:
    found = tx.execute(
        select(validation_run)
        .where(validation_run.c.listing_id.in_(listing_ids))
        .ext(distinct_on(validation_run.c.listing_id))
        .order_by(validation_run.c.listing_id, validation_run.c.id.desc())
    )
    return {row.listing_id: row for row in found}


def claim_run(tx: Connection, now: datetime, until: datetime) -> Row[Any] | None:
    """Take the run that waited longest, one whose worker died included."""
    found = tx.execute(
        select(validation_run.c.id)
        .where(validation_run.c.next_try_at <= now)
        .order_by(validation_run.c.next_try_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    ).scalar()
    if found is None:
        return None
    return tx.execute(
        update(validation_run)
        .where(validation_run.c.id == found)
        .values(state="running", next_try_at=until, attempts=validation_run.c.attempts + 1)
        .returning(validation_run)
    ).one()


def update_run(tx: Connection, run_id: str, values: Mapping[str, Any]) -> None:
    tx.execute(update(validation_run).where(validation_run.c.id == run_id).values(**values))


def listed_without_run_since(tx: Connection, since: datetime, limit: int) -> Sequence[Row[Any]]:
    """Return what is listed and was last tried before `since`, with no run under way."""
    recent = (
        select(validation_run.c.id)
        .where(
            validation_run.c.listing_id == listing.c.id,
            or_(
                validation_run.c.next_try_at.is_not(None),
                and_(validation_run.c.ended_at > since, validation_run.c.state.in_(_SETTLED)),
            ),
        )
        .exists()
    )
    return tx.execute(
        select(listing.c.id).where(listing.c.state == "listed", ~recent).limit(limit)
    ).all()


def remove_old_runs(tx: Connection, before: datetime, kept: int) -> int:
    """Delete scheduled runs that ended long ago, but the last few of each listing."""
    return tx.execute(
        text(
            """
            DELETE FROM validation_run WHERE id IN (
                SELECT id FROM (
                    SELECT id, ended_at, is_scheduled,
                        row_number() OVER (PARTITION BY listing_id ORDER BY id DESC) AS place
                    FROM validation_run
                ) AS ranked
                WHERE is_scheduled AND place > :kept AND ended_at < :before
                LIMIT 1000
            )
            """
        ),
        {"kept": kept, "before": before},
    ).rowcount


def _listings(tx: Connection, condition: ColumnElement[bool], limit: int) -> Sequence[Row[Any]]:
    return tx.execute(
        select(listing).where(condition).order_by(listing.c.id.desc()).limit(limit)
    ).all()
