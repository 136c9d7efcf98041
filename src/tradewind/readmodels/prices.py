"""Prices in force, and the price book with the names of its models."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Subquery,
    Text,
    and_,
    bindparam,
    exists,
    func,
    literal,
    or_,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on

from tradewind.core.ids import ModelId, OrganizationId
from tradewind.features.catalog.repository.visibility import may_see
from tradewind.features.catalog.tables import model, publisher
from tradewind.features.endpoints.tables import endpoint
from tradewind.features.market.repository.prices import price_row
from tradewind.features.market.schemas import PriceRow
from tradewind.features.market.tables import price

_NEWEST_FIRST = (price.c.effective_at.desc(), price.c.created_at.desc(), price.c.id.desc())


def price_in_force(at: datetime | None = None) -> Subquery:
    """Return the price of each model at a moment, as a subquery with the columns of `price`.

    None is now, by the database's clock and not by when its transaction began: a price that was
    just set is in force.
    """
    newest: Any = (
        select(price)
        .ext(distinct_on(price.c.model_id))
        .where(price.c.organization_id.is_(None), price.c.effective_at <= _moment(at))
        .order_by(price.c.model_id, *_NEWEST_FIRST)
    )
    return newest.subquery("price_in_force")


def find_model(tx: Connection, name: str) -> ModelId | None:
    """Return the id of `publisher/slug`."""
    found = model_ids(tx, [name]).get(name)
    return None if found is None else ModelId(found)


def models_of_prices(tx: Connection, price_ids: Collection[str]) -> dict[str, str]:
    """Return the id of the model of each price."""
    rows = tx.execute(
        select(price.c.id, price.c.model_id).where(price.c.id == func.any(list(price_ids)))
    )
    return {row.id: row.model_id for row in rows}


def own_price_in_force(at: datetime | None = None) -> Subquery:
    """Return the prices that organizations have for their own endpoints, of model and organization,
    with the columns of `price`.
    """
    newest: Any = (
        select(price)
        .ext(distinct_on(price.c.model_id, price.c.organization_id))
        .where(price.c.organization_id.is_not(None), price.c.effective_at <= _moment(at))
        .order_by(price.c.model_id, price.c.organization_id, *_NEWEST_FIRST)
    )
    return newest.subquery("own_price_in_force")


def _moment(at: datetime | None) -> ColumnElement[datetime]:
    # As a subquery it is asked once, and an index can be used.
    return select(func.clock_timestamp()).scalar_subquery() if at is None else literal(at)


@dataclass(frozen=True, slots=True)
class PricedModel:
    """A line of the price book."""

    model_id: str
    name: str
    """publisher/slug."""
    display_name: str
    price: PriceRow | None
    """In force."""
    next: PriceRow | None
    """The one that takes effect after it."""
    is_served: bool
    """An enabled endpoint answers for it."""


def list_prices(
    tx: Connection,
    *,
    query: str = "",
    after: str = "",
    limit: int = 100,
    at: datetime | None = None,
    reader: OrganizationId | None = None,
    everything: bool = False,
) -> list[PricedModel]:
    """Return the models that have a price or an endpoint, by name, from behind `after`.

    `query` is a part of the name. `everything` is for who runs the platform: models that `reader`
    may not see are in it too.
    """
    prices = price_in_force(at)
    statement = (
        _with_names(prices, at)
        .where(or_(prices.c.id.is_not(None), _has_any_price(), _is_served()))
        .order_by(model.c.publisher_slug, model.c.slug)
        .limit(limit)
    )
    if not everything:
        statement = statement.where(may_see(reader))
    if after:
        slug, _, rest = after.partition("/")
        statement = statement.where(tuple_(model.c.publisher_slug, model.c.slug) > (slug, rest))
    if query:
        wanted = query.lower()
        statement = statement.where(
            or_(
                func.strpos(func.lower(_name()), wanted) > 0,
                func.strpos(func.lower(model.c.display_name), wanted) > 0,
            )
        )
    return _read(tx, statement)


def find_priced(
    tx: Connection,
    name: str,
    *,
    at: datetime | None = None,
    reader: OrganizationId | None = None,
    everything: bool = False,
) -> PricedModel | None:
    """Return the model of this "publisher/slug" with its price, or None."""
    publisher_slug, _, slug = name.partition("/")
    statement = _with_names(price_in_force(at), at).where(
        model.c.publisher_slug == publisher_slug, model.c.slug == slug
    )
    if not everything:
        statement = statement.where(may_see(reader))
    return next(iter(_read(tx, statement)), None)


def model_ids(tx: Connection, names: Collection[str]) -> dict[str, str]:
    """Return the ids of models by their names; who is not there is left out."""
    parts = [name.partition("/") for name in names]
    slugs = bindparam("slugs", [part[0] for part in parts], type_=ARRAY(Text))
    rests = bindparam("rests", [part[2] for part in parts], type_=ARRAY(Text))
    wanted = (
        func.unnest(slugs, rests).table_valued("publisher_slug", "slug").render_derived("wanted")
    )
    rows = tx.execute(
        select(model.c.id, _name().label("name")).join(
            wanted,
            and_(model.c.publisher_slug == wanted.c.publisher_slug, model.c.slug == wanted.c.slug),
        )
    )
    return {row.name: row.id for row in rows}


def model_names(tx: Connection, ids: Collection[str]) -> dict[str, str]:
    """Return the names of models by their ids."""
    wanted = bindparam("ids", list(ids), type_=ARRAY(Text))
    rows = tx.execute(
        select(model.c.id, _name().label("name")).where(model.c.id == func.any(wanted))
    )
    return {row.id: row.name for row in rows}


def publishers_of(tx: Connection, organization_id: OrganizationId) -> list[str]:
    """Return the slugs of the publishers that an organization owns."""
    rows = tx.execute(
        select(publisher.c.slug)
        .where(publisher.c.organization_id == organization_id)
        .order_by(publisher.c.slug)
    )
    return list(rows.scalars())


def _with_names(prices: Subquery, at: datetime | None) -> Select[Any]:
    upcoming = (
        select(price.c.id)
        .where(
            price.c.model_id == model.c.id,
            price.c.organization_id.is_(None),
            price.c.effective_at > _moment(at),
        )
        .order_by(price.c.effective_at, price.c.created_at.desc(), price.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    statement: Any = (
        select(
            model.c.id,
            _name().label("name"),
            model.c.display_name,
            _is_served().label("is_served"),
            prices.c.id.label("price_id"),
            upcoming.label("next_id"),
        )
        .select_from(model)
        .outerjoin(prices, prices.c.model_id == model.c.id)
    )
    return statement


def _read(tx: Connection, statement: Select[Any]) -> list[PricedModel]:
    rows = tx.execute(statement).all()
    wanted = bindparam(
        "ids", [each for row in rows for each in (row.price_id, row.next_id)], type_=ARRAY(Text)
    )
    found: Any = select(price).where(price.c.id == func.any(wanted))
    prices = {row.id: price_row(row) for row in tx.execute(found)}
    return [
        PricedModel(
            row.id,
            row.name,
            row.display_name,
            prices.get(row.price_id),
            prices.get(row.next_id),
            row.is_served,
        )
        for row in rows
    ]


def _name() -> ColumnElement[str]:
    return model.c.publisher_slug + "/" + model.c.slug


def _is_served() -> ColumnElement[bool]:
    return exists().where(endpoint.c.model_id == model.c.id, endpoint.c.is_enabled)


def _has_any_price() -> ColumnElement[bool]:
    return exists().where(price.c.model_id == model.c.id, price.c.organization_id.is_(None))
