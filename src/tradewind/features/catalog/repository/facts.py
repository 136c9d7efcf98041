"""What is said of models, by whom; and which of it counts."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select
from sqlalchemy.dialects.postgresql import array

from tradewind.core.ids import ModelId
from tradewind.features.catalog.repository.batches import run_batched, run_on_ids
from tradewind.features.catalog.rules.precedence import OF_FACTS
from tradewind.features.catalog.rules.said import FACT_NAMES
from tradewind.features.catalog.tables import model, model_fact

_COLUMNS = ", ".join(FACT_NAMES)
_WON = ", ".join(f"won.{name}" for name in FACT_NAMES)
_IS = ", ".join(f"model.{name}" for name in FACT_NAMES)


def facts_of_source(tx: Connection, source: str) -> dict[tuple[str, str], Any]:
    """Return what a source has said, by model and name of the fact."""
    rows = tx.execute(
        select(model.c.publisher_slug, model.c.slug, model_fact.c.name, model_fact.c.value)
        .join(model, model.c.id == model_fact.c.model_id)
        .where(model_fact.c.source == source)
    )
    return {(f"{row.publisher_slug}/{row.slug}", row.name): row.value for row in rows}


def put_facts(
    tx: Connection, rows: Sequence[Mapping[str, Any]], source: str, observed_on: date
) -> None:
    """Store what a source says: rows of `model_id`, `name` and `value`."""
    run_batched(
        tx,
        """
        INSERT INTO model_fact (model_id, name, source, value, observed_on)
        SELECT model_id, name, :source, value, :observed_on
        FROM jsonb_to_recordset(CAST(:rows AS jsonb))
            AS said(model_id text, name text, value jsonb)
        ON CONFLICT (model_id, name, source) DO UPDATE
            SET value = excluded.value, observed_on = excluded.observed_on
        WHERE model_fact.value <> excluded.value OR model_fact.observed_on < excluded.observed_on
        """,
        rows,
        source=source,
        observed_on=observed_on,
    )


def replace_facts(
    tx: Connection,
    model_ids: Sequence[str],
    rows: Sequence[Mapping[str, Any]],
    source: str,
    observed_on: date,
) -> None:
    """Store what a source says, and take back what it said of these models and says no more."""
    kept = [f"{row['model_id']} {row['name']}" for row in rows]
    run_on_ids(
        tx,
        """
        DELETE FROM model_fact
        WHERE model_id = ANY(:ids) AND source = :source
            AND NOT (model_id || ' ' || name = ANY(:kept))
        """,
        model_ids,
        source=source,
        kept=kept,
    )
    put_facts(tx, rows, source, observed_on)


def settle(tx: Connection, model_ids: Sequence[str], now: datetime) -> int:
    """Bring the columns of these models to what counts; return how many changed.

    What nobody tells any more keeps its last value: a model never loses what is known of it.
    """
    return run_on_ids(
        tx,
        f"""
        UPDATE model SET ({_COLUMNS}, updated_at) = (
            SELECT {_WON}, CAST(:now AS timestamptz)
            FROM jsonb_populate_record(model, told.facts) AS won
        )
        FROM (
            SELECT model_id, jsonb_object_agg(name, value) AS facts FROM (
                SELECT DISTINCT ON (model_id, name) model_id, name, value FROM model_fact
                WHERE model_id = ANY(:ids) AND name = ANY(:names)
                ORDER BY model_id, name,
                    coalesce(array_position(CAST(:precedence AS text[]), source), 1000), source
            ) AS first_of_all GROUP BY model_id
        ) AS told
        WHERE model.id = told.model_id AND (
            SELECT ({_WON}) IS DISTINCT FROM ({_IS})
            FROM jsonb_populate_record(model, told.facts) AS won
        )
        """,  # noqa: S608  names of columns, ours
        model_ids,
        now=now,
        names=list(FACT_NAMES),
        precedence=list(OF_FACTS),
    )


def facts_of_model(tx: Connection, model_id: ModelId) -> Sequence[Row[Any]]:
    """Return the facts of a model by name, of each the one that counts first."""
    precedence = func.coalesce(func.array_position(array(OF_FACTS), model_fact.c.source), 1000)
    return tx.execute(
        select(model_fact)
        .where(model_fact.c.model_id == model_id)
        .order_by(model_fact.c.name, precedence, model_fact.c.source)
    ).all()
