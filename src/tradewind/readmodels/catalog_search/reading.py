"""Reads what the search is made of out of the catalog and of what runs."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, text

from tradewind.readmodels.catalog_search.rows import CatalogRow, LowestPrice

BATCH = 2_000

# Offers that one organization has through its own connection are nobody else's business.
_ROWS = """
    SELECT model.*, publisher.name AS publisher_name, known.aliases, offered.offers,
        offered.regions, offered.has_free, cheapest.input_nanos, cheapest.output_nanos,
        kept.has_weights, called.callable_by
    FROM {models} AS model
    JOIN publisher ON publisher.slug = model.publisher_slug
    CROSS JOIN LATERAL (
        SELECT coalesce(array_agg(alias ORDER BY alias), '{{}}') AS aliases
        FROM model_alias WHERE model_alias.model_id = model.id
    ) AS known
    CROSS JOIN LATERAL (
        SELECT count(*) AS offers,
            coalesce(
                array_agg(DISTINCT offer.region) FILTER (WHERE offer.region <> ''), '{{}}'
            ) AS regions,
            coalesce(bool_or(
                offer.currency = :currency
                AND offer.input_nanos = 0 AND coalesce(offer.output_nanos, 0) = 0
            ), false) AS has_free
        FROM offer
        LEFT JOIN provider_connection ON provider_connection.id = offer.host
        WHERE offer.model_id = model.id AND offer.status <> 'vanished'
            AND provider_connection.organization_id IS NULL
    ) AS offered
    LEFT JOIN LATERAL (
        SELECT * FROM (
            SELECT offer.input_nanos, offer.output_nanos
            FROM offer
            LEFT JOIN provider_connection ON provider_connection.id = offer.host
            WHERE offer.model_id = model.id AND offer.status <> 'vanished'
                AND offer.currency = :currency AND offer.input_nanos IS NOT NULL
                AND provider_connection.organization_id IS NULL
            UNION ALL
            (
                SELECT price.input_nanos, price.output_nanos
                FROM price WHERE price.model_id = model.id AND price.currency = :currency
                    AND price.organization_id IS NULL
                    AND price.effective_at <= (SELECT clock_timestamp())
                ORDER BY price.effective_at DESC, price.created_at DESC, price.id DESC LIMIT 1
            )
        ) AS asked
        ORDER BY
            -- What is free is commonly for trying out: the price is what others take.
            input_nanos = 0 AND coalesce(output_nanos, 0) = 0,
            CASE WHEN output_nanos IS NULL THEN input_nanos
                ELSE (3 * input_nanos + output_nanos) / 4 END,
            input_nanos, output_nanos
        LIMIT 1
    ) AS cheapest ON true
    CROSS JOIN LATERAL (
        SELECT EXISTS (
            SELECT FROM model_version
            WHERE model_version.model_id = model.id AND artifact <> ''
                AND artifact NOT LIKE 'host:%'
        ) AND coalesce(
            -- What a publisher listed can be deployed when its last run passed; see `validations`.
            (
                SELECT validation_run.state = 'passed'
                FROM listing JOIN validation_run ON validation_run.listing_id = listing.id
                WHERE listing.model_id = model.id AND listing.state = 'listed'
                    AND validation_run.state IN ('passed', 'failed')
                ORDER BY validation_run.id DESC LIMIT 1
            ),
            model.origin <> 'published'
        ) AS has_weights
    ) AS kept
    CROSS JOIN LATERAL (
        SELECT coalesce(
            array_agg(
                DISTINCT coalesce(endpoint.organization_id, provider_connection.organization_id, '')
            ),
            '{{}}'
        ) AS callable_by
        FROM endpoint
        JOIN endpoint_target ON endpoint_target.endpoint_id = endpoint.id
        LEFT JOIN provider_connection ON provider_connection.id = endpoint_target.connection_id
        LEFT JOIN deployment ON deployment.id = endpoint_target.deployment_id
        WHERE endpoint.model_id = model.id AND endpoint.is_enabled
            AND provider_connection.disabled_at IS NULL
            AND (deployment.id IS NULL OR deployment.desired_replicas > 0)
    ) AS called
    ORDER BY model.id
"""
_AFTER = text(
    _ROWS.format(models="(SELECT * FROM model WHERE id > :after ORDER BY id LIMIT :most)")
)
_OF = text(_ROWS.format(models="(SELECT * FROM model WHERE id = ANY(:ids))")).bindparams(
    bindparam("ids")
)
_ORGANIZATIONS = text("SELECT id FROM organization LIMIT 2")
_COUNT = text("SELECT count(*) FROM (SELECT FROM model LIMIT :most) AS counted")


def read_batches(tx: Connection, currency: str) -> Iterator[list[CatalogRow]]:
    """Yield every model, by id. Prices in other currencies are unknown to the search."""
    after = ""
    while rows := read_after(tx, after, currency):
        yield rows
        after = rows[-1].model_id


def read_after(tx: Connection, after: str, currency: str, most: int = BATCH) -> list[CatalogRow]:
    """Return the models behind one, by id: none behind the last."""
    asked = {"after": after, "most": most, "currency": currency}
    return [_row(row) for row in tx.execute(_AFTER, asked)]


def read_rows(tx: Connection, ids: Sequence[str], currency: str) -> list[CatalogRow]:
    """Return these models, without those that there are not."""
    return [_row(row) for row in tx.execute(_OF, {"ids": list(ids), "currency": currency})]


def count_models(tx: Connection, most: int) -> int:
    """Return how many models there are, counting no further than `most`."""
    return tx.execute(_COUNT, {"most": most}).scalar_one()


def only_organization(tx: Connection) -> str | None:
    """Return the organization of a platform that has one; None when there are more."""
    found = tx.execute(_ORGANIZATIONS).scalars().all()
    return found[0] if len(found) == 1 else None


def _row(row: Row[Any]) -> CatalogRow:
    price = None
    if row.input_nanos is not None:
        price = LowestPrice(row.input_nanos, row.output_nanos)
    return CatalogRow(
        model_id=row.id,
        publisher=row.publisher_slug,
        publisher_name=row.publisher_name,
        slug=row.slug,
        display_name=row.display_name,
        description=row.description,
        family=row.family,
        licence=row.licence,
        operation=row.operation or "",
        context_tokens=row.context_tokens,
        max_output_tokens=row.max_output_tokens,
        parameters=row.parameters,
        released_on=row.released_on,
        input_modalities=tuple(row.input_modalities),
        output_modalities=tuple(row.output_modalities),
        capabilities=tuple(row.capabilities),
        open_weights=row.open_weights,
        is_gated=row.is_gated,
        lifecycle=row.lifecycle,
        visibility=row.visibility,
        organization_id=row.organization_id,
        aliases=tuple(row.aliases),
        offers=row.offers,
        regions=tuple(row.regions),
        price=price,
        has_weights=row.has_weights,
        has_free_offer=row.has_free,
        callable_by=tuple(row.callable_by),
    )
