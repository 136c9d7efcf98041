"""Makes the sums: of an hour out of the request log and the books, of a day out of its hours."""

from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Connection, text

from tradewind.readmodels.offer_stats.histograms import LAST_BUCKET, STEPS

HOURS_KEPT = timedelta(days=3)
DAYS_KEPT = timedelta(days=92)
_HOUR = timedelta(hours=1)
_LOCK = 0x7477_6F66_6672
"""Of whoever makes sums, so that two workers cannot wait for each other; any unused number."""

# `caller` is a request that no host would have taken, `cancelled` a client that went away: neither
# says anything of the host. The last attempt ended with its call, so it began that much before.
_OF_HOUR = """
    WITH called AS MATERIALIZED (
        SELECT log.at, log.model, log.attempts, event.is_stream, event.outcome,
            event.first_token_us, event.duration_us, event.output_tokens
        FROM request_log AS log
        LEFT JOIN usage_event AS event ON event.at = log.at AND event.event_id = log.event_id
            AND event.at >= :since AND event.at < :until
        WHERE log.at >= :since AND log.at < :until AND log.model <> ''
            AND jsonb_array_length(log.attempts) > 0
    ), tried AS (
        SELECT model, attempt ->> 'host' AS host, date_trunc('minute', at) AS minute,
            attempt ->> 'failure' <> '' AS is_failed
        FROM called, jsonb_array_elements(attempts) AS attempt
        WHERE attempt ->> 'failure' NOT IN ('caller', 'cancelled')
    ), by_minute AS (
        SELECT model, host, minute, count(*) AS attempts,
            count(*) FILTER (WHERE is_failed) AS failed
        FROM tried WHERE host <> '' GROUP BY model, host, minute
    ), counted AS (
        SELECT model, host, sum(attempts) AS attempts, sum(failed) AS failed,
            count(*) AS minutes, count(*) FILTER (WHERE failed = attempts) AS minutes_down
        FROM by_minute GROUP BY model, host
    ), streamed AS (
        SELECT model, attempts -> -1 ->> 'host' AS host,
            first_token_us - (duration_us - (attempts -> -1 ->> 'duration_us')::bigint) AS first_us,
            CASE WHEN outcome = 'completed' AND output_tokens > 1 AND duration_us > first_token_us
                THEN output_tokens * 1000000000 / (duration_us - first_token_us) END AS speed
        FROM called
        WHERE is_stream AND first_token_us IS NOT NULL AND outcome IN ('completed', 'cancelled')
    ), placed AS (
        SELECT model, host, 'first' AS measure, {first} AS bucket FROM streamed
        UNION ALL
        SELECT model, host, 'speed', {speed} FROM streamed WHERE speed IS NOT NULL
    ), filled AS (
        SELECT model, host, measure, bucket, count(*) AS calls
        FROM placed GROUP BY model, host, measure, bucket
    ), drawn AS (
        SELECT model, host,
            jsonb_object_agg(bucket, calls) FILTER (WHERE measure = 'first') AS first_token_us,
            jsonb_object_agg(bucket, calls) FILTER (WHERE measure = 'speed') AS speed
        FROM filled GROUP BY model, host
    )
    INSERT INTO offer_hour AS kept (model, host, hour, attempts, failed, minutes, minutes_down,
        first_token_us, speed)
    SELECT model, host, :since, attempts, failed, minutes, minutes_down,
        coalesce(first_token_us, '{{}}'), coalesce(speed, '{{}}')
    FROM counted LEFT JOIN drawn USING (model, host)
    ON CONFLICT (model, host, hour) DO UPDATE SET
        attempts = excluded.attempts, failed = excluded.failed, minutes = excluded.minutes,
        minutes_down = excluded.minutes_down, first_token_us = excluded.first_token_us,
        speed = excluded.speed
    WHERE kept.attempts <= excluded.attempts
"""
# `kept.attempts <= excluded.attempts`: calls are only ever added, so a smaller sum is one of a log
# whose partition has gone meanwhile.

_OF_DAY = """
    WITH summed AS (
        SELECT model, host, sum(attempts) AS attempts, sum(failed) AS failed,
            sum(minutes) AS minutes, sum(minutes_down) AS minutes_down
        FROM offer_hour WHERE hour >= :since AND hour < :until GROUP BY model, host
    ), firsts AS (
        SELECT model, host, jsonb_object_agg(bucket, calls) AS first_token_us FROM (
            SELECT model, host, bucket, sum(calls::bigint) AS calls
            FROM offer_hour, jsonb_each_text(first_token_us) AS one (bucket, calls)
            WHERE hour >= :since AND hour < :until GROUP BY model, host, bucket
        ) AS filled GROUP BY model, host
    ), speeds AS (
        SELECT model, host, jsonb_object_agg(bucket, calls) AS speed FROM (
            SELECT model, host, bucket, sum(calls::bigint) AS calls
            FROM offer_hour, jsonb_each_text(speed) AS one (bucket, calls)
            WHERE hour >= :since AND hour < :until GROUP BY model, host, bucket
        ) AS filled GROUP BY model, host
    )
    INSERT INTO offer_day AS kept (model, host, day, attempts, failed, minutes, minutes_down,
        first_token_us, speed)
    SELECT model, host, :day, attempts, failed, minutes, minutes_down,
        coalesce(first_token_us, '{}'), coalesce(speed, '{}')
    FROM summed LEFT JOIN firsts USING (model, host) LEFT JOIN speeds USING (model, host)
    ON CONFLICT (model, host, day) DO UPDATE SET
        attempts = excluded.attempts, failed = excluded.failed, minutes = excluded.minutes,
        minutes_down = excluded.minutes_down, first_token_us = excluded.first_token_us,
        speed = excluded.speed
    WHERE kept.attempts <= excluded.attempts
"""


def _bucket(value: str) -> str:
    """Return the bucket of a column, as `histograms.bucket_of` tells it."""
    scaled = f"floor({STEPS} * ln({value}::float8) / ln(2::float8))"
    return f"CASE WHEN {value} <= 1 THEN 0 ELSE least({scaled}, {LAST_BUCKET})::int END"


_SUM_HOUR = text(_OF_HOUR.format(first=_bucket("first_us"), speed=_bucket("speed")))
_SUM_DAY = text(_OF_DAY)
_NEWEST = text("SELECT max(hour) FROM offer_hour")
_LOCKED = text("SELECT pg_advisory_xact_lock(:lock)")
_DROP_HOURS = text("DELETE FROM offer_hour WHERE hour < :before")
_DROP_DAYS = text("DELETE FROM offer_day WHERE day < :before")


def hour_of(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def sum_hour(tx: Connection, hour: datetime) -> None:
    """Make the sums of an hour, and of its day, anew. Idempotent. About 10 us a call."""
    hour = hour_of(hour)
    tx.execute(_LOCKED, {"lock": _LOCK})
    tx.execute(_SUM_HOUR, {"since": hour, "until": hour + _HOUR})
    since = hour.replace(hour=0)
    tx.execute(_SUM_DAY, {"since": since, "until": since + 24 * _HOUR, "day": since.date()})


def newest_hour(tx: Connection) -> datetime | None:
    """Return the last hour of which there are sums."""
    return tx.execute(_NEWEST).scalar()


def drop_old(tx: Connection, now: datetime) -> None:
    """Forget hours and days that no page shows any more."""
    tx.execute(_DROP_HOURS, {"before": hour_of(now) - HOURS_KEPT})
    tx.execute(_DROP_DAYS, {"before": _day(now) - DAYS_KEPT})


def _day(now: datetime) -> date:
    return now.astimezone(UTC).date()
