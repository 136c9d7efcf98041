"""All SQL of stored responses. No statement goes without organization and project but the one that
deletes what has expired.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import Raw
from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Row,
    and_,
    case,
    cast,
    delete,
    func,
    literal,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from tradewind.features.responses.tables import stored_response as table
from tradewind.wire.stored_responses import Place, StoredResponse


def add(tx: Connection, stored: StoredResponse) -> None:
    """Insert the response, unless it is there already."""
    tx.execute(
        insert(table)
        .values(
            organization_id=stored.organization_id,
            project_id=stored.project_id,
            id=stored.id,
            previous_id=stored.previous_id,
            created_at=_time(stored.created_at_ms),
            expires_at=_time(stored.expires_at_ms),
            running_until=_time_or_none(stored.running_until_ms),
            input=bytes(stored.input),
            response=bytes(stored.response),
        )
        .on_conflict_do_nothing()
    )


def end(tx: Connection, stored: StoredResponse) -> bool:
    """Set what became of a running response. False when none runs."""
    return _change(tx, stored.key, response=bytes(stored.response), running_until=None)


def renew(tx: Connection, place: Place, running_until_ms: int) -> bool:
    """Set how long a running response counts as running. False when none runs."""
    return _change(tx, place.key, running_until=_time(running_until_ms))


def find(tx: Connection, place: Place, now: datetime) -> StoredResponse | None:
    row = tx.execute(select(table).where(_is_at(place), _is_kept(place, now))).first()
    return None if row is None else _stored(row)


def find_chain(
    tx: Connection, place: Place, now: datetime, *, most_links: int, most_bytes: int
) -> Sequence[StoredResponse]:
    """Return the response and those before it, the newest first, until one is gone.

    One link more than allowed, or the link that brings more bytes than allowed, ends the search: so
    the caller sees that there is more.
    """
    size = func.octet_length(table.c.input) + func.octet_length(table.c.response)
    first = (
        select(
            table.c.id,
            table.c.previous_id,
            literal(1, Integer).label("place"),
            cast(size, Integer).label("total"),
        )
        .where(_is_at(place), _is_kept(place, now))
        .cte("chain", recursive=True)
    )
    chain = first.union_all(
        select(
            table.c.id,
            table.c.previous_id,
            (first.c.place + 1).label("place"),
            cast(first.c.total + size, Integer).label("total"),
        ).where(
            table.c.id == first.c.previous_id,
            _is_owned_by(place),
            _is_kept(place, now),
            first.c.place <= most_links,
            first.c.total <= most_bytes,
        )
    )
    rows = tx.execute(
        select(table)
        .join(chain, table.c.id == chain.c.id)
        .where(_is_owned_by(place))
        .order_by(chain.c.place)
    )
    return [_stored(row) for row in rows]


def remove(tx: Connection, place: Place) -> bool:
    """Delete the row. False when there is none."""
    found = tx.execute(delete(table).where(_is_at(place)).returning(table.c.id))
    return found.first() is not None


def remove_expired(tx: Connection, now: datetime, most: int) -> int:
    """Delete some of what has expired, the oldest first; return how many."""
    key = tuple_(table.c.organization_id, table.c.project_id, table.c.id)
    expired = (
        select(table.c.organization_id, table.c.project_id, table.c.id)
        .where(table.c.expires_at <= now)
        .order_by(table.c.expires_at)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    return tx.execute(delete(table).where(key.in_(expired))).rowcount


def shorten(tx: Connection, organization_id: str, days: int) -> int:
    """Let an organization's responses expire so many days after they were made, if not before."""
    until = table.c.created_at + timedelta(days=days)
    return tx.execute(
        update(table)
        .where(table.c.organization_id == organization_id, table.c.expires_at > until)
        .values(expires_at=case((table.c.expires_at > until, until), else_=table.c.expires_at))
    ).rowcount


def _change(tx: Connection, key: tuple[str, str, str], **values: Any) -> bool:
    organization_id, project_id, id_ = key
    changed = tx.execute(
        update(table)
        .where(
            table.c.organization_id == organization_id,
            table.c.project_id == project_id,
            table.c.id == id_,
            table.c.running_until.is_not(None),
        )
        .values(**values)
        .returning(table.c.id)
    )
    return changed.first() is not None


def _is_owned_by(place: Place) -> ColumnElement[bool]:
    return and_(
        table.c.organization_id == place.organization_id, table.c.project_id == place.project_id
    )


def _is_at(place: Place) -> ColumnElement[bool]:
    return and_(_is_owned_by(place), table.c.id == place.id)


def _is_kept(place: Place, now: datetime) -> ColumnElement[bool]:
    return and_(table.c.expires_at > now, table.c.created_at > now - timedelta(days=place.days))


def _stored(row: Row[Any]) -> StoredResponse:
    return StoredResponse(
        row.organization_id,
        row.project_id,
        row.id,
        row.previous_id,
        _milliseconds(row.created_at),
        _milliseconds(row.expires_at),
        Raw(row.input),
        Raw(row.response),
        None if row.running_until is None else _milliseconds(row.running_until),
    )


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _time_or_none(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else _time(milliseconds)


def _milliseconds(time: datetime) -> int:
    return round(time.timestamp() * 1000)
