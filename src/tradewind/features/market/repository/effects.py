"""SQL of what takes effect by itself, and of the alarms about what has no price."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, func, select, text, update
from sqlalchemy.dialects import postgresql

from tradewind.features.market.tables import price, price_alarm, price_effect

_TOUCH_SEARCH = text(
    "INSERT INTO catalog_search_change (model_id, xact)"
    " SELECT unnest(CAST(:ids AS text[])), pg_current_xact_id()::text::bigint"
)


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
