"""A month of made-up usage of many organizations, one of which is large: for `tradewind bench`."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, text

MONTH = datetime(2026, 3, 1, tzinfo=UTC)
MONTH_END = datetime(2026, 4, 1, tzinfo=UTC)
LARGE = 10
"""Every tenth call is the large organization's."""
HOURS = (MONTH_END - MONTH) // timedelta(hours=1)
SMALL_HOURS = 12
"""In how many hours of the month another organization calls at all."""
MODELS = 4
KEYS = 3
INPUT_NANOS, OUTPUT_NANOS = 2_000_000_000, 6_000_000_000

_ORGANIZATION = "'org_' || lpad(CAST({n} AS text), 26, '0')"
_OWNER = f"""CASE WHEN n % {LARGE} = 0 THEN 1 ELSE 2 + (n * 7919) % (:organizations - 1) END"""
_PEOPLE = (
    f"""INSERT INTO organization (id, name, created_at)
        SELECT {_ORGANIZATION.format(n="n")}, 'Organization ' || n, :month
        FROM generate_series(1, :organizations) AS n""",  # noqa: S608  no outside text
    f"""INSERT INTO billing_account (organization_id, mode, currency, party, buyer_kind,
            buyer_reference, payment_terms_days, billed_from, revision, created_at, updated_at)
        SELECT {_ORGANIZATION.format(n="n")}, 'postpaid', 'USD',
            jsonb_build_object('legal_name', 'Organization ' || n, 'country', 'DE', 'street', '',
                'city', 'Berlin', 'postal_code', '10115', 'tax_id', '', 'email', ''),
            'business', '', 14, :month, 1, :month, :month
        FROM generate_series(1, :organizations) AS n""",  # noqa: S608
    """INSERT INTO publisher (slug, name, created_at) VALUES ('bench', 'Bench', :month)
        ON CONFLICT DO NOTHING""",
    f"""INSERT INTO model (id, publisher_slug, slug, display_name, description, licence, created_at)
        SELECT 'mdl_bench_' || n, 'bench', 'model-' || n, 'Model', '', '', :month
        FROM generate_series(0, {MODELS - 1}) AS n""",  # noqa: S608
    f"""INSERT INTO price (id, model_id, currency, input_nanos, output_nanos, cached_input_nanos,
            created_at, effective_at, seller)
        SELECT 'price_bench_' || n, 'mdl_bench_' || n, 'USD', {INPUT_NANOS}, {OUTPUT_NANOS}, 0,
            :month, :month, CASE WHEN n = 0 THEN 'bench' ELSE '' END
        FROM generate_series(0, {MODELS - 1}) AS n""",  # noqa: S608
)
_EVENTS = f"""
    INSERT INTO usage_event (event_id, at, organization_id, project_id, key_id, operation, model,
        deployment_id, price_id, currency, is_stream, outcome, http_status, input_tokens,
        cached_input_tokens, output_tokens, usage_source, cost_nanos, first_token_us, duration_us)
    SELECT gen_random_uuid(),
        CAST(:month AS timestamptz) + CASE WHEN n % {LARGE} = 0 THEN (n / {LARGE}) % {HOURS}
            ELSE ((2 + (n * 7919) % (:organizations - 1)) * 37
                + (n / :organizations) % {SMALL_HOURS} * 61) % {HOURS} END * interval '1 hour'
            + n % 3600 * interval '1 second',
        {_ORGANIZATION.format(n=_OWNER)}, 'proj_1', 'key_' || n / 7 % {KEYS}, 'chat',
        'bench/model-' || n / 3 % {MODELS}, '', 'price_bench_' || n / 3 % {MODELS}, 'USD', false,
        'completed', 200, 1000 + n % 100, 0, 200, 'upstream',
        (1000 + n % 100) * {INPUT_NANOS // 1_000_000} + 200 * {OUTPUT_NANOS // 1_000_000},
        1000, 9000
    FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS n
"""  # noqa: S608  no outside text
_ROLL_UP = """
    INSERT INTO usage_hour (organization_id, hour, project_id, key_id, model, operation, price_id,
        currency, requests, failed, cancelled, orphaned, input_tokens, cached_input_tokens,
        output_tokens, cache_write_tokens, cost_nanos, first_token_count, first_token_us_total,
        duration_us_total)
    SELECT organization_id, date_trunc('hour', at, 'UTC'), project_id, key_id, model, operation,
        price_id, currency, count(*), 0, 0, 0, sum(input_tokens), sum(cached_input_tokens),
        sum(output_tokens), sum(cache_write_tokens), sum(cost_nanos), count(first_token_us),
        sum(first_token_us), sum(duration_us)
    FROM usage_event GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
"""
EVENTS_AT_ONCE = 500_000


def organization_id(number: int) -> str:
    return f"org_{number:026d}"


def add_people(tx: Connection, organizations: int) -> None:
    for statement in _PEOPLE:
        values = {"month": MONTH, "organizations": organizations}
        tx.execute(
            text(statement), {name: values[name] for name in values if f":{name}" in statement}
        )


def add_events(tx: Connection, organizations: int, first: int, last: int) -> None:
    """Add calls number `first` to `last`."""
    tx.execute(
        text(_EVENTS),
        {"month": MONTH, "organizations": organizations, "first": first, "last": last},
    )


def roll_up(tx: Connection) -> None:
    tx.execute(text(_ROLL_UP))
    for table in ("usage_event", "usage_hour", "settlement_due", "billing_account"):
        tx.execute(text(f"ANALYZE {table}"))


def database_bytes(tx: Connection) -> int:
    return tx.execute(text("SELECT pg_database_size(current_database())")).scalar_one()
