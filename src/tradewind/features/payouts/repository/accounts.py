"""Who is paid and how: profiles, terms, review holds, the platform's own accounts, the trail."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert

from tradewind.core.acting import By
from tradewind.features.payouts.schemas import (
    Destination,
    Profile,
    ReviewHold,
    RunEvent,
    Source,
    Terms,
    Way,
)
from tradewind.features.payouts.tables import (
    payout_event,
    payout_hold,
    payout_profile,
    payout_source,
    payout_terms,
)

_PROFILES = select(
    payout_profile,
    payout_terms.c.hold_days,
    payout_terms.c.reserve_ppm,
    payout_terms.c.reserve_days,
    payout_terms.c.tax_ppm,
    payout_terms.c.tax_jurisdiction,
).outerjoin(payout_terms, payout_terms.c.publisher_slug == payout_profile.c.publisher_slug)


def find_profile(tx: Connection, publisher: str, *, locks: bool = False) -> Profile | None:
    """With `locks` whoever else pays or changes this publisher waits until the end of `tx`."""
    found = _PROFILES.where(payout_profile.c.publisher_slug == publisher)
    row = tx.execute(found.with_for_update(of=payout_profile) if locks else found).first()
    return None if row is None else _profile(row)


def next_profile(tx: Connection, currency: str, after: str) -> str | None:
    """Return the next publisher that is paid in a currency."""
    return tx.execute(
        select(payout_profile.c.publisher_slug)
        .where(payout_profile.c.currency == currency, payout_profile.c.publisher_slug > after)
        .order_by(payout_profile.c.publisher_slug)
        .limit(1)
    ).scalar_one_or_none()


def write_profile(tx: Connection, values: Mapping[str, Any], former_revision: int) -> bool:
    """Add a profile of revision 1, or change one of the revision before. False where somebody
    else was first.
    """
    added = upsert(payout_profile).values(**values)
    if former_revision == 0:
        added = added.on_conflict_do_nothing()
    else:
        added = added.on_conflict_do_update(
            index_elements=["publisher_slug"],
            set_=dict(values),
            where=payout_profile.c.revision == former_revision,
        )
    return tx.execute(added.returning(payout_profile.c.revision)).first() is not None


def find_terms(tx: Connection, publisher: str) -> Terms:
    row = tx.execute(select(payout_terms).where(payout_terms.c.publisher_slug == publisher)).first()
    return Terms() if row is None else _terms(row)


def write_terms(tx: Connection, values: Mapping[str, Any]) -> None:
    tx.execute(
        upsert(payout_terms)
        .values(**values)
        .on_conflict_do_update(index_elements=["publisher_slug"], set_=dict(values))
    )


def find_hold(tx: Connection, publisher: str) -> ReviewHold | None:
    row = tx.execute(select(payout_hold).where(payout_hold.c.publisher_slug == publisher)).first()
    return None if row is None else _hold(row)


def list_holds(tx: Connection, limit: int) -> list[ReviewHold]:
    rows = tx.execute(select(payout_hold).order_by(payout_hold.c.publisher_slug).limit(limit))
    return [_hold(row) for row in rows]


def write_hold(tx: Connection, values: Mapping[str, Any]) -> None:
    tx.execute(
        upsert(payout_hold)
        .values(**values)
        .on_conflict_do_update(index_elements=["publisher_slug"], set_=dict(values))
    )


def remove_hold(tx: Connection, publisher: str) -> bool:
    gone = delete(payout_hold).where(payout_hold.c.publisher_slug == publisher)
    return tx.execute(gone).rowcount > 0


def paid_in(tx: Connection, publishers: Sequence[str]) -> dict[str, str]:
    """Return the currency in which each of these publishers is paid; none without a profile."""
    rows = tx.execute(
        select(payout_profile.c.publisher_slug, payout_profile.c.currency).where(
            payout_profile.c.publisher_slug.in_(publishers)
        )
    )
    return {row.publisher_slug: row.currency for row in rows}


def find_source(tx: Connection, currency: str) -> Source | None:
    row = tx.execute(select(payout_source).where(payout_source.c.currency == currency)).first()
    return None if row is None else Source(row.currency, row.name, row.iban, row.bic)


def list_sources(tx: Connection) -> list[Source]:
    rows = tx.execute(select(payout_source).order_by(payout_source.c.currency))
    return [Source(row.currency, row.name, row.iban, row.bic) for row in rows]


def write_source(tx: Connection, values: Mapping[str, Any]) -> None:
    tx.execute(
        upsert(payout_source)
        .values(**values)
        .on_conflict_do_update(index_elements=["currency"], set_=dict(values))
    )


def _profile(row: Row[Any]) -> Profile:
    return Profile(
        publisher=row.publisher_slug,
        destination=destination_of(row),
        currency=row.currency,
        minimum_nanos=row.minimum_nanos,
        terms=Terms() if row.hold_days is None else _terms(row),
        usable_from=row.usable_from,
        changed_by=row.changed_by,
        changed_at=row.changed_at,
        revision=row.revision,
    )


def _terms(row: Row[Any]) -> Terms:
    return Terms(
        row.hold_days, row.reserve_ppm, row.reserve_days, row.tax_ppm, row.tax_jurisdiction
    )


def _hold(row: Row[Any]) -> ReviewHold:
    return ReviewHold(row.publisher_slug, row.reason, row.placed_by, row.placed_at)


def destination_of(row: Row[Any]) -> Destination:
    return Destination(Way(row.way), row.name, row.iban, row.bic, row.account)


# --- the trail -------------------------------------------------------------------------------


def add_event(  # noqa: PLR0917  a sentence: who did what to which, and when
    tx: Connection, subject: str, what: str, by: By, detail: str, at: datetime
) -> None:
    tx.execute(
        insert(payout_event).values(
            subject=subject, what=what, by_id=by.id, by=by.name[:200], detail=detail[:500], at=at
        )
    )


def events_of(tx: Connection, subject: str, limit: int) -> list[RunEvent]:
    """Return the newest events, the oldest of them first."""
    rows = tx.execute(
        select(payout_event)
        .where(payout_event.c.subject == subject)
        .order_by(payout_event.c.number.desc())
        .limit(limit)
    ).all()
    return [RunEvent(row.what, row.by, row.detail, row.at) for row in reversed(rows)]
