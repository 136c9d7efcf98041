"""Offers of models as lists tell of them, for tests of calling through."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, insert

from tradewind.core.ids import ModelId, OfferId
from tradewind.features.catalog.tables import model, offer, publisher

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def add_listed_model(tx: Connection, name: str = "kestrel/sirocco", **values: Any) -> ModelId:
    """Add a chat model that only a list tells of."""
    owner, _, slug = name.partition("/")
    model_id = ModelId.new()
    if not tx.execute(publisher.select().where(publisher.c.slug == owner)).first():
        tx.execute(insert(publisher).values(slug=owner, name=owner.title(), created_at=NOW))
    row: dict[str, Any] = {
        "id": model_id,
        "publisher_slug": owner,
        "slug": slug,
        "display_name": slug.title(),
        "description": "",
        "licence": "MIT",
        "operation": "chat",
        "context_tokens": 128_000,
        "origin": "synced",
        "created_at": NOW,
    }
    tx.execute(insert(model).values(row | values))
    return model_id


def add_offer(tx: Connection, model_id: str, host: str = "groq", **values: Any) -> None:
    row: dict[str, Any] = {
        "id": OfferId.new(),
        "model_id": model_id,
        "host": host,
        "upstream_model": "sirocco-1",
        "currency": "USD",
        "input_nanos": 500_000_000,
        "output_nanos": 1_500_000_000,
        "context_tokens": 64_000,
        "status": "active",
        "source": "models_dev",
        "observed_on": NOW.date(),
        "first_seen_at": NOW,
        "changed_at": NOW,
    }
    tx.execute(insert(offer).values(row | values))
