"""All SQL of the market."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Text,
    bindparam,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on

from tradewind.core.ids import (
    ModelId,
    OrganizationId,
    PriceFileId,
    PriceId,
    PriceMarginId,
    PriceProposalId,
)
from tradewind.features.market.rules.prices import COLUMNS, nanos_of
from tradewind.features.market.schemas import (
    FileRow,
    KeyRow,
    Margin,
    MarginRow,
    NewMargin,
    PriceRow,
    PriceSource,
    PriceTerms,
    ProposalRow,
    Scope,
)
from tradewind.features.market.tables import (
    price,
    price_alarm,
    price_effect,
    price_file,
    price_key,
    price_margin,
    price_proposal,
)

_BOOK_LOCK = 119182731994491
_TOUCH_SEARCH = text(
    "INSERT INTO catalog_search_change (model_id, xact)"
    " SELECT unnest(CAST(:ids AS text[])), pg_current_xact_id()::text::bigint"
)


def lock_book(tx: Connection) -> None:
    """Let one at a time change the price book, until the end of `tx`."""
    tx.execute(select(func.pg_advisory_xact_lock(_BOOK_LOCK)))


# --- prices ------------------------------------------------------------------------------------


def add_price(
    tx: Connection,
    model_id: ModelId,
    terms: PriceTerms,
    *,
    now: datetime,
    effective_at: datetime,
    source: PriceSource,
    subject: str,
    created_by: str,
    organization_id: OrganizationId | None,
) -> PriceId:
    price_id = PriceId.new()
    meters = terms.meters
    values: dict[str, Any] = {
        column: nanos_of(meters, meter) for meter, column in COLUMNS.items() if meter in meters
    }
    input_nanos = meters.get("input_tokens", 0)
    values = {
        "input_nanos": input_nanos,
        "output_nanos": 0,
        "cached_input_nanos": input_nanos,
        "cache_write_nanos": None,
    } | values
    tx.execute(
        insert(price).values(
            id=price_id,
            model_id=model_id,
            currency=terms.currency,
            meters={name: nanos for name, nanos in meters.items() if name not in COLUMNS},
            created_at=now,
            effective_at=effective_at,
            seller=terms.seller,
            is_charged=terms.is_charged,
            is_free=terms.is_free,
            source=source.value,
            subject=subject,
            created_by=created_by,
            organization_id=organization_id,
            **values,
        )
    )
    return price_id


def price_at(tx: Connection, model_id: str, at: datetime) -> PriceRow | None:
    """Return what is in force at a moment."""
    return prices_at(tx, [model_id], at).get(model_id)


def prices_at(tx: Connection, model_ids: Collection[str], at: datetime) -> dict[str, PriceRow]:
    """Return what is in force at a moment, by model."""
    return _newest(tx, model_ids, price.c.effective_at <= at)


def coming_prices(
    tx: Connection, model_ids: Collection[str], after: datetime
) -> dict[str, list[PriceRow]]:
    """Return the prices that take effect after a moment, by model, in their order."""
    newest: Any = (
        select(price)
        .ext(distinct_on(price.c.model_id, price.c.effective_at))
        .where(
            price.c.model_id == func.any(_as_array(model_ids)),
            price.c.organization_id.is_(None),
            price.c.effective_at > after,
        )
        .order_by(
            price.c.model_id, price.c.effective_at, price.c.created_at.desc(), price.c.id.desc()
        )
    )
    found: dict[str, list[PriceRow]] = {}
    for row in tx.execute(newest):
        found.setdefault(row.model_id, []).append(price_row(row))
    return found


def _newest(
    tx: Connection, model_ids: Collection[str], *conditions: ColumnElement[bool]
) -> dict[str, PriceRow]:
    wanted = _as_array(model_ids)
    newest: Any = (
        select(price)
        .ext(distinct_on(price.c.model_id))
        .where(price.c.model_id == func.any(wanted), price.c.organization_id.is_(None), *conditions)
        .order_by(
            price.c.model_id,
            price.c.effective_at.desc(),
            price.c.created_at.desc(),
            price.c.id.desc(),
        )
    )
    return {row.model_id: price_row(row) for row in tx.execute(newest)}


def _as_array(ids: Collection[str]) -> ColumnElement[Any]:
    return bindparam("ids", list(ids), type_=ARRAY(Text), unique=True)


def has_price(tx: Connection, model_id: ModelId) -> bool:
    found = tx.execute(
        select(price.c.id)
        .where(price.c.model_id == model_id, price.c.organization_id.is_(None))
        .limit(1)
    )
    return found.first() is not None


def prices_of(tx: Connection, model_id: str, *, limit: int) -> list[PriceRow]:
    """Return all versions, the one that is in force last first."""
    rows = tx.execute(
        select(price)
        .where(price.c.model_id == model_id, price.c.organization_id.is_(None))
        .order_by(price.c.effective_at.desc(), price.c.created_at.desc(), price.c.id.desc())
        .limit(limit)
    )
    return [price_row(row) for row in rows]


def price_row(row: Row[Any]) -> PriceRow:
    return PriceRow(
        price_id=row.id,
        model_id=row.model_id,
        currency=row.currency,
        input_nanos=row.input_nanos,
        output_nanos=row.output_nanos,
        cached_input_nanos=row.cached_input_nanos,
        cache_write_nanos=row.cache_write_nanos,
        meters=row.meters,
        effective_at=row.effective_at,
        created_at=row.created_at,
        seller=row.seller,
        is_charged=row.is_charged,
        is_free=row.is_free,
        source=PriceSource(row.source),
        subject=row.subject,
        created_by=row.created_by,
    )


# --- what takes effect -------------------------------------------------------------------------


def told_until(tx: Connection) -> datetime:
    """Return until when what took effect was told, and keep others from telling meanwhile."""
    return tx.execute(select(price_effect.c.told_until).with_for_update()).scalar_one()


def models_between(tx: Connection, after: datetime, until: datetime) -> Sequence[str]:
    """Return the models of prices that took effect after one moment and not after another."""
    return (
        tx.execute(
            select(price.c.model_id)
            .where(price.c.effective_at > after, price.c.effective_at <= until)
            .distinct()
        )
        .scalars()
        .all()
    )


def tell_until(tx: Connection, until: datetime, model_ids: Sequence[str]) -> None:
    tx.execute(update(price_effect).values(told_until=until))
    # What the search shows of these models has changed, though no row of theirs has.
    tx.execute(_TOUCH_SEARCH, {"ids": list(model_ids)})


def next_effect(tx: Connection, after: datetime) -> datetime | None:
    return tx.execute(
        select(func.min(price.c.effective_at)).where(price.c.effective_at > after)
    ).scalar_one()


def add_alarms(tx: Connection, models: Collection[str], now: datetime) -> set[str]:
    """Note that somebody is told of these today; return those of whom nobody was told yet."""
    if not models:
        return set()
    today = now.astimezone(UTC).date()
    added = tx.execute(
        postgresql.insert(price_alarm)
        .values([{"day": today, "model": model, "told_at": now} for model in models])
        .on_conflict_do_nothing()
        .returning(price_alarm.c.model)
    )
    return set(added.scalars())


# --- keys and files ----------------------------------------------------------------------------


def add_key(tx: Connection, row: KeyRow) -> bool:
    added = tx.execute(
        postgresql.insert(price_key)
        .values(
            id=row.key_id,
            name=row.name,
            public_key=row.public_key,
            publisher_slug=row.publisher_slug,
            added_by=row.added_by,
            created_at=row.created_at,
        )
        .on_conflict_do_nothing()
        .returning(price_key.c.id)
    )
    return added.first() is not None


def keys(tx: Connection, *, limit: int) -> list[KeyRow]:
    rows = tx.execute(select(price_key).order_by(price_key.c.created_at.desc()).limit(limit))
    return [_key_row(row) for row in rows]


def find_key(tx: Connection, key_id: str) -> KeyRow | None:
    row = tx.execute(select(price_key).where(price_key.c.id == key_id)).first()
    return None if row is None else _key_row(row)


def revoke_key(tx: Connection, key_id: str, by: str, now: datetime) -> None:
    tx.execute(
        update(price_key)
        .where(price_key.c.id == key_id, price_key.c.revoked_at.is_(None))
        .values(revoked_at=now, revoked_by=by)
    )


def _key_row(row: Row[Any]) -> KeyRow:
    return KeyRow(
        row.id,
        row.name,
        bytes(row.public_key),
        row.publisher_slug,
        row.added_by,
        row.created_at,
        row.revoked_at,
    )


def find_file(tx: Connection, sha256: bytes) -> FileRow | None:
    row = tx.execute(select(price_file).where(price_file.c.sha256 == sha256)).first()
    return None if row is None else _file_row(row)


def files(tx: Connection, *, limit: int) -> list[FileRow]:
    rows = tx.execute(select(price_file).order_by(price_file.c.id.desc()).limit(limit))
    return [_file_row(row) for row in rows]


def add_file(
    tx: Connection,
    file_id: PriceFileId,
    *,
    sha256: bytes,
    content: bytes,
    signature: bytes,
    key_id: str,
    entries: int,
    prices: int,
    held: int,
    by: str,
    now: datetime,
) -> None:
    tx.execute(
        insert(price_file).values(
            id=file_id,
            sha256=sha256,
            content=content,
            signature=signature,
            key_id=key_id,
            entries=entries,
            prices=prices,
            held=held,
            applied_by=by,
            applied_at=now,
        )
    )


def _file_row(row: Row[Any]) -> FileRow:
    return FileRow(
        row.id, row.key_id, row.entries, row.prices, row.held, row.applied_by, row.applied_at
    )


# --- margins -----------------------------------------------------------------------------------


def margins(tx: Connection, *, limit: int) -> list[MarginRow]:
    rows = tx.execute(
        select(price_margin).order_by(price_margin.c.scope, price_margin.c.target).limit(limit)
    )
    return [_margin_row(row) for row in rows]


def put_margin(tx: Connection, new: NewMargin, *, by: str, now: datetime) -> MarginRow:
    """Set the margin of a scope and target; the revision counts how often."""
    values = {
        "percent": new.margin.percent,
        "least_nanos": new.margin.least_nanos,
        "step_nanos": new.margin.step_nanos,
        "is_enabled": True,
        "created_by": by,
        "updated_at": now,
    }
    row = tx.execute(
        postgresql.insert(price_margin)
        .values(
            id=PriceMarginId.new(),
            scope=new.scope.value,
            target=new.target,
            revision=1,
            created_at=now,
            **values,
        )
        .on_conflict_do_update(
            index_elements=[price_margin.c.scope, price_margin.c.target],
            set_=values | {"revision": price_margin.c.revision + 1},
        )
        .returning(price_margin)
    ).one()
    return _margin_row(row)


def stop_margin(tx: Connection, margin_id: str, *, now: datetime) -> bool:
    stopped = tx.execute(
        update(price_margin)
        .where(price_margin.c.id == margin_id)
        .values(is_enabled=False, updated_at=now, revision=price_margin.c.revision + 1)
        .returning(price_margin.c.id)
    )
    return stopped.first() is not None


def _margin_row(row: Row[Any]) -> MarginRow:
    return MarginRow(
        row.id,
        Scope(row.scope),
        row.target,
        Margin(row.percent, row.least_nanos, row.step_nanos),
        row.is_enabled,
        row.revision,
        row.created_by,
        row.updated_at,
    )


# --- proposals ---------------------------------------------------------------------------------


def propose(
    tx: Connection,
    model_id: str,
    terms: PriceTerms,
    *,
    source: PriceSource,
    subject: str,
    effective_at: datetime,
    reason: str,
    now: datetime,
) -> bool:
    """Put a price up for review in the place of the one that waits there.

    Returns False when the same waits already, or was refused as the last of its source.
    """
    content = _as_json(terms, effective_at)
    last = tx.execute(
        select(price_proposal)
        .where(price_proposal.c.model_id == model_id, price_proposal.c.source == source.value)
        .order_by(price_proposal.c.id.desc())
        .limit(1)
    ).first()
    if last is not None and last.state in {"waiting", "refused"}:
        is_same = {**last.content, "effective_at": ""} == {**content, "effective_at": ""}
        if is_same and last.subject == subject:
            return False
    tx.execute(
        update(price_proposal)
        .where(
            price_proposal.c.model_id == model_id,
            price_proposal.c.source == source.value,
            price_proposal.c.state == "waiting",
        )
        .values(state="replaced", decided_at=now)
    )
    tx.execute(
        insert(price_proposal).values(
            id=PriceProposalId.new(),
            model_id=model_id,
            source=source.value,
            subject=subject,
            content=content,
            reason=reason,
            state="waiting",
            created_at=now,
        )
    )
    return True


def proposals(tx: Connection, *, limit: int) -> list[ProposalRow]:
    """Return those that wait, the oldest first."""
    rows = tx.execute(
        select(price_proposal)
        .where(price_proposal.c.state == "waiting")
        .order_by(price_proposal.c.id)
        .limit(limit)
    )
    return [_proposal_row(row) for row in rows]


def lock_proposal(tx: Connection, proposal_id: str) -> ProposalRow | None:
    row = tx.execute(
        select(price_proposal).where(price_proposal.c.id == proposal_id).with_for_update()
    ).first()
    return None if row is None else _proposal_row(row)


def decide(
    tx: Connection, proposal_id: str, *, price_id: str | None, by: str, now: datetime
) -> None:
    tx.execute(
        update(price_proposal)
        .where(price_proposal.c.id == proposal_id)
        .values(
            state="refused" if price_id is None else "accepted",
            price_id=price_id,
            decided_by=by,
            decided_at=now,
        )
    )


def _as_json(terms: PriceTerms, effective_at: datetime) -> dict[str, Any]:
    return {
        "currency": terms.currency,
        "meters": {meter: str(nanos) for meter, nanos in sorted(terms.meters.items())},
        "seller": terms.seller,
        "is_charged": terms.is_charged,
        "is_free": terms.is_free,
        "effective_at": effective_at.isoformat(),
    }


def _proposal_row(row: Row[Any]) -> ProposalRow:
    content: Mapping[str, Any] = row.content
    return ProposalRow(
        row.id,
        row.model_id,
        PriceSource(row.source),
        row.subject,
        PriceTerms(
            content["currency"],
            {meter: int(nanos) for meter, nanos in content["meters"].items()},
            content["seller"],
            content["is_charged"],
            content["is_free"],
        ),
        datetime.fromisoformat(content["effective_at"]),
        row.reason,
        row.state,
        row.created_at,
        row.price_id,
    )
