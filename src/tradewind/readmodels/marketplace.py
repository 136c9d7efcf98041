"""What the marketplace reads across features: moves that nobody was told of, and sums of hours."""

from collections.abc import Sequence

from sqlalchemy import Connection, text

from tradewind.features.marketplace.ports import Wanted
from tradewind.features.marketplace.schemas import HourSum, MadeMove

# A subscription's revision is the number of its newest event, so one comparison finds those that
# moved. What happened before an offer had a webhook is nobody's news.
_UNTOLD = text("""
    SELECT event.subscription_id, event.seq, event.move, event.former, event.at, event.plan_id,
        event.quantity
    FROM fulfilment_app AS app
    JOIN subscription AS sub ON sub.offer_id = app.offer_id
    LEFT JOIN fulfilment_mark AS mark ON mark.subscription_id = sub.id
    JOIN subscription_event AS event ON event.subscription_id = sub.id
        AND event.seq > coalesce(mark.seq, 0)
    WHERE sub.revision > coalesce(mark.seq, 0) AND event.entered_at > app.created_at
    ORDER BY event.subscription_id, event.seq
    LIMIT :limit
""")
# Meters as the price book names them: each unit is in one of them. What was sent counts whatever
# became of it, so that a refused parcel does not come again as another one.
_DIFFERENCES = text("""
    WITH used AS (
        SELECT hour, CASE WHEN :organization = '' THEN organization_id ELSE project_id END
            AS subject, model, meter, sum(quantity) AS quantity
        FROM usage_hour
        CROSS JOIN LATERAL (VALUES
            ('requests', requests),
            ('input_tokens', input_tokens - cached_input_tokens - cache_write_tokens),
            ('cached_input_tokens', cached_input_tokens),
            ('cache_write_tokens', cache_write_tokens),
            ('output_tokens', output_tokens)
        ) AS of (meter, quantity)
        WHERE hour >= :since AND hour < :until
            AND (:organization = '' OR organization_id = :organization)
            AND (cardinality(CAST(:meters AS text[])) = 0 OR meter = ANY(CAST(:meters AS text[])))
        GROUP BY 1, 2, 3, 4
    ), sent AS (
        SELECT hour, subject, model, meter, sum(quantity) AS quantity
        FROM sink_parcel
        WHERE sink_id = :sink AND hour >= :since AND hour < :until
        GROUP BY 1, 2, 3, 4
    ), difference AS (
        SELECT hour, subject, model, meter,
            coalesce(used.quantity, 0) - coalesce(sent.quantity, 0) AS quantity
        FROM used FULL JOIN sent USING (hour, subject, model, meter)
    )
    SELECT hour, subject, model, meter, quantity FROM difference
    WHERE quantity <> 0 AND (:takes_back OR quantity > 0)
        AND (:all_subjects OR subject = ANY(CAST(:subjects AS text[])))
    ORDER BY hour, subject, model, meter
    LIMIT :limit
""")


def untold_moves(tx: Connection, limit: int) -> Sequence[MadeMove]:
    """Return moves of subscriptions of apps that their publishers were not told of."""
    return [MadeMove(*row) for row in tx.execute(_UNTOLD, {"limit": limit})]


def hour_differences(tx: Connection, wanted: Wanted) -> Sequence[HourSum]:
    """Return what hours differ by from all that was made up for a sink of them."""
    rows = tx.execute(
        _DIFFERENCES,
        {
            "sink": wanted.sink_id,
            "organization": wanted.organization_id,
            "since": wanted.since,
            "until": wanted.until,
            "meters": list(wanted.meters),
            "all_subjects": wanted.subjects is None,
            "subjects": list(wanted.subjects or ()),
            "takes_back": wanted.takes_back,
            "limit": wanted.limit,
        },
    )
    return [HourSum(row.hour, row.subject, row.model, row.meter, int(row.quantity)) for row in rows]
