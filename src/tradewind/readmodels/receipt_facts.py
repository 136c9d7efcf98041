"""What the books say of calls, for their receipts, and who may see which."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

import msgspec
from sqlalchemy import Connection, Row, text

from tradewind.core.errors import MalformedId, NotFound
from tradewind.core.ids import OrganizationId, ProjectId, event_id_of_request
from tradewind.features.receipts.errors import NoReceipt
from tradewind.features.receipts.schemas import CallFacts, CallPrice, ReceiptView
from tradewind.features.receipts.service import Receipts

_ROUNDING = timedelta(milliseconds=2)

# OFFSET keeps PostgreSQL from making one join of it: each event is looked up by its key in the
# one partition of its day, whatever is known of today's by then.
_READ = text("""
    SELECT used.*, model_version.label AS version, model_version.digest AS version_digest,
        price.id IS NOT NULL AS is_priced, price.seller, price.input_nanos, price.output_nanos,
        price.cached_input_nanos, price.cache_write_nanos, price.meters AS price_meters
    FROM unnest(CAST(:at AS timestamptz[]), CAST(:ids AS uuid[])) WITH ORDINALITY
        AS wanted (at, event_id, place)
    CROSS JOIN LATERAL (
        SELECT * FROM usage_event
        WHERE usage_event.at = wanted.at AND usage_event.event_id = wanted.event_id
        OFFSET 0
    ) AS used
    LEFT JOIN price ON price.id = used.price_id
    LEFT JOIN deployment ON deployment.id = used.deployment_id
    LEFT JOIN model_version ON model_version.id = deployment.model_version_id
    ORDER BY wanted.place
""")


def read_calls(
    tx: Connection, at: Sequence[datetime], event_ids: Sequence[UUID]
) -> list[CallFacts]:
    """Return what is known of these events, in their order; those not there are left out."""
    if not event_ids:
        return []
    rows = tx.execute(_READ, {"at": list(at), "ids": list(event_ids)})
    return [_facts(row) for row in rows]


def _facts(row: Row[Any]) -> CallFacts:
    return CallFacts(
        event_id=row.event_id,
        at=row.at,
        organization_id=row.organization_id,
        project_id=row.project_id,
        key_id=row.key_id,
        operation=row.operation,
        model=row.model,
        version=row.version or "",
        version_digest=row.version_digest or "",
        deployment_id=row.deployment_id,
        host=row.host,
        region=row.region,
        outcome=row.outcome,
        is_batch=row.is_batch,
        usage_source=row.usage_source,
        input_tokens=row.input_tokens,
        cached_input_tokens=row.cached_input_tokens,
        cache_write_tokens=row.cache_write_tokens,
        output_tokens=row.output_tokens,
        meters=row.meters or {},
        price_id=row.price_id,
        price=_price(row),
        currency=row.currency,
        cost_nanos=row.cost_nanos,
        corrects=row.corrects,
    )


def _price(row: Row[Any]) -> CallPrice | None:
    if not row.is_priced:
        return None
    return CallPrice(
        row.seller,
        row.input_nanos,
        row.output_nanos,
        row.cached_input_nanos,
        row.cache_write_nanos,
        row.price_meters,
    )


class Reader(Protocol):
    """Who asks for the receipt of a call of their project."""

    @property
    def organization_id(self) -> OrganizationId: ...

    @property
    def project_id(self) -> ProjectId: ...


def find_view(tx: Connection, receipts: Receipts, reader: Reader, request_id: str) -> ReceiptView:
    """Return a receipt by the call's `x-request-id`. Raises NoReceipt, in the same words, for what
    is no such id and for a call of somebody else.
    """
    try:
        event_id = event_id_of_request(request_id)
    except MalformedId:
        raise NoReceipt("this call") from None
    view = receipts.show(tx, reader.organization_id, event_id)
    buyer: dict[str, Any] = msgspec.json.decode(view.receipt.buyer)
    if buyer["project"] != reader.project_id:
        raise NoReceipt("this call")
    return view


_OWNED = text("""
    SELECT FROM publisher
    WHERE slug = :publisher AND organization_id = :owner AND verified_at IS NOT NULL
""")
_BUYERS = text("""
    SELECT DISTINCT used.organization_id
    FROM usage_hour AS used
    JOIN price ON price.id = used.price_id AND price.seller = :publisher
    WHERE used.hour >= :since AND used.hour < :until
    ORDER BY 1
""")


def buyers_of(
    tx: Connection, publisher: str, owner: str, since: datetime, until: datetime
) -> list[str]:
    """Return the organizations that called what a publisher sells.

    `since` and `until` are whole hours. Raises NotFound unless the publisher's name is verified as
    this owner's.
    """
    if tx.execute(_OWNED, {"publisher": publisher, "owner": owner}).first() is None:
        raise NotFound(f"your organization has no publisher {publisher[:64]!r}")
    rows = tx.execute(_BUYERS, {"publisher": publisher, "since": since, "until": until})
    return [row.organization_id for row in rows]


# The event itself may have left the tables; its receipt says as much.
_ENTRIES = text("""
    WITH used AS (
        SELECT organization_id, at, project_id, key_id, model, operation, price_id
        FROM usage_event
        WHERE event_id = :event_id AND at BETWEEN :first AND :last
        UNION
        SELECT organization_id, at, CAST(buyer AS jsonb) ->> 'project',
            CAST(buyer AS jsonb) ->> 'key', CAST(sale AS jsonb) ->> 'model',
            CAST(sale AS jsonb) ->> 'operation', CAST(sale AS jsonb) ->> 'price'
        FROM receipt
        WHERE event_id = :event_id
    )
    SELECT DISTINCT entry.id
    FROM used
    JOIN settlement_line AS line
        ON line.organization_id = used.organization_id
        AND line.hour = date_trunc('hour', used.at, 'UTC')
        AND (line.project_id, line.key_id, line.model, line.operation, line.price_id)
            = (used.project_id, used.key_id, used.model, used.operation, used.price_id)
    JOIN settlement ON settlement.number = line.settlement
    JOIN ledger_entry AS entry ON entry.subject = settlement.id AND entry.at = line.hour
    JOIN ledger_posting AS posting ON posting.entry_id = entry.id
    JOIN ledger_account AS account ON account.id = posting.account_id
        AND account.kind = 'unbilled' AND account.owner = used.organization_id
    ORDER BY entry.id
""")


def ledger_entries_of(tx: Connection, event_id: UUID) -> list[str]:
    """Return the ids of the entries by which the hour of a call was settled; none before."""
    at = datetime.fromtimestamp((event_id.int >> 80) / 1000, UTC)
    rows = tx.execute(
        _ENTRIES, {"event_id": event_id, "first": at - _ROUNDING, "last": at + _ROUNDING}
    )
    return [row.id for row in rows]
