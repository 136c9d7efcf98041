"""Offers: models at hosts."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, or_, select, update

from tradewind.core.ids import OfferId
from tradewind.features.catalog.repository.batches import run_batched, run_on_ids
from tradewind.features.catalog.rules.said import OfferKey, Prices, StoredOffer, Terms
from tradewind.features.catalog.rules.sync_plan import OfferValues, prices_as_json, prices_of_json
from tradewind.features.catalog.tables import model, offer

_TYPES = """
    id text, model_id text, host text, upstream_model text, region text, version text,
    quantization text, variant text, currency text, input_nanos bigint, output_nanos bigint,
    cached_input_nanos bigint, cache_write_nanos bigint, meters jsonb, tiers jsonb,
    context_tokens integer, max_output_tokens integer, capabilities text[], status text,
    source text, price_source text
"""
_CHANGING = (
    "model_id",
    "version",
    "quantization",
    "variant",
    "currency",
    "input_nanos",
    "output_nanos",
    "cached_input_nanos",
    "cache_write_nanos",
    "meters",
    "tiers",
    "context_tokens",
    "max_output_tokens",
    "capabilities",
    "status",
    "source",
    "price_source",
)
_NO_PRICES = Prices()


def stored_offers(
    tx: Connection, source: str, hosts: Collection[str]
) -> dict[OfferKey, StoredOffer]:
    """Return the offers of a source, and all others at these hosts."""
    rows = tx.execute(_offers().where(or_(offer.c.source == source, offer.c.host.in_(list(hosts)))))
    return {found.key: found for found in map(_stored, rows)}


def offers_of_models(tx: Connection, model_ids: Collection[str]) -> Sequence[Row[Any]]:
    """Return their offers by model, host and name; what has vanished comes last of a model's."""
    return tx.execute(
        _offers()
        .where(offer.c.model_id.in_(list(model_ids)))
        .order_by(
            offer.c.model_id,
            offer.c.status == "vanished",
            offer.c.host,
            offer.c.upstream_model,
            offer.c.region,
        )
    ).all()


def find_offer(tx: Connection, key: OfferKey) -> StoredOffer | None:
    """Return an offer, locked until the transaction ends."""
    row = tx.execute(
        _offers()
        .where(
            offer.c.host == key.host,
            offer.c.upstream_model == key.upstream_model,
            offer.c.region == key.region,
        )
        .with_for_update(of=offer)
    ).first()
    return None if row is None else _stored(row)


def add_offers(
    tx: Connection,
    offers: Iterable[OfferValues],
    ids: Mapping[str, str],
    *,
    observed_on: date,
    now: datetime,
) -> int:
    """Insert offers; `ids` are the models' by their names."""
    names = "id, host, upstream_model, region, " + ", ".join(_CHANGING)
    return run_batched(
        tx,
        f"""
        INSERT INTO offer ({names}, observed_on, first_seen_at, changed_at)
        SELECT {names}, :observed_on, :now, :now
        FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS said({_TYPES})
        """,  # noqa: S608  names of columns, ours
        [_row(OfferId.new(), values, ids) for values in offers],
        observed_on=observed_on,
        now=now,
    )


def change_offers(
    tx: Connection,
    offers: Iterable[tuple[str, OfferValues]],
    ids: Mapping[str, str],
    *,
    observed_on: date,
    now: datetime,
) -> int:
    sets = ", ".join(f"{name} = said.{name}" for name in _CHANGING)
    return run_batched(
        tx,
        f"""
        UPDATE offer SET {sets}, observed_on = :observed_on, changed_at = :now
        FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS said({_TYPES})
        WHERE offer.id = said.id
        """,  # noqa: S608  names of columns, ours
        [_row(offer_id, values, ids) for offer_id, values in offers],
        observed_on=observed_on,
        now=now,
    )


def note_seen(tx: Connection, offer_ids: Sequence[str], observed_on: date) -> None:
    run_on_ids(
        tx,
        "UPDATE offer SET observed_on = :observed_on WHERE id = ANY(:ids)"
        " AND observed_on < :observed_on",
        offer_ids,
        observed_on=observed_on,
    )


def note_vanished(tx: Connection, offer_ids: Sequence[str], now: datetime) -> int:
    return run_on_ids(
        tx,
        "UPDATE offer SET status = 'vanished', changed_at = :now WHERE id = ANY(:ids)"
        " AND status <> 'vanished'",
        offer_ids,
        now=now,
    )


def change_offer(tx: Connection, offer_id: str, values: Mapping[str, Any]) -> None:
    tx.execute(update(offer).where(offer.c.id == offer_id).values(**values))


def price_columns(prices: Prices | None) -> dict[str, Any]:
    return prices_as_json(prices or _NO_PRICES)


def _offers() -> Select[Any]:
    return select(offer, model.c.publisher_slug, model.c.slug).join(
        model, model.c.id == offer.c.model_id
    )


def _row(offer_id: str, values: OfferValues, ids: Mapping[str, str]) -> dict[str, Any]:
    key, terms = values.key, values.terms
    return {
        "id": offer_id,
        "host": key.host,
        "upstream_model": key.upstream_model,
        "region": key.region,
        **terms._asdict(),
        "model_id": ids[terms.model],
        "source": values.source,
        "price_source": values.price_source,
        **price_columns(values.prices),
    }


def _prices(row: Row[Any]) -> Prices:
    return prices_of_json({name: getattr(row, name) for name in Prices._fields})


def _stored(row: Row[Any]) -> StoredOffer:
    return StoredOffer(
        row.id,
        OfferKey(row.host, row.upstream_model, row.region),
        Terms(
            f"{row.publisher_slug}/{row.slug}",
            row.context_tokens,
            row.max_output_tokens,
            tuple(row.capabilities),
            row.status,
            row.version,
            row.quantization,
            row.variant,
        ),
        None if row.price_source is None else _prices(row),
        row.source,
        row.price_source,
    )
