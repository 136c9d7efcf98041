"""What changed hours of usage differ by from what was settled of them."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, text

from tradewind.features.billing.entries import SettledSum

KEYS = (
    "organization_id",
    "hour",
    "project_id",
    "key_id",
    "model",
    "operation",
    "price_id",
    "currency",
)
"""By what usage is summed, and settled."""
MEASURES = (
    "requests",
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "cache_write_tokens",
    "cost_nanos",
)
"""What is compared and settled, column by column. A sum that usage_hour gets later is a column of
settlement_line and a name here."""

_SETTLER_LOCK = 0x7365_7474_6C65


def _each(template: str, *, between: str = ", ") -> str:
    return between.join(template.format(name=name) for name in MEASURES)


_KEYS = ", ".join(KEYS)
# What usage_hour says of hours that are charged, by seller; `hours` is (organization_id, hour).
_ROLLED = """
    SELECT used.organization_id, used.hour, used.project_id, used.key_id, used.model,
        used.operation, used.price_id, CAST(used.currency AS text) AS currency, price.seller,
        {measures}
    FROM {{hours}} AS wanted
    JOIN usage_hour AS used USING (organization_id, hour)
    JOIN price ON price.id = used.price_id AND price.is_charged
""".format(measures=_each("used.{name}"))  # noqa: S608  no outside text
_SETTLED = """
    SELECT {keys}, seller, {measures}
    FROM {{hours}} AS wanted
    JOIN settlement_line USING (organization_id, hour)
    GROUP BY {keys}, seller
""".format(keys=_KEYS, measures=_each("sum({name}) AS {name}"))  # noqa: S608
_APART = _each("coalesce(rolled.{name}, 0) - coalesce(settled.{name}, 0) AS {name}")
_DIFFER = _each("coalesce(rolled.{name}, 0) <> coalesce(settled.{name}, 0)", between=" OR ")
_DIFFERENCES = f"""
    SELECT {_KEYS}, seller, {_APART}
    FROM rolled FULL JOIN settled USING ({_KEYS}, seller)
    WHERE {_DIFFER}
"""  # noqa: S608  no outside text

_TRY_LOCK = text("SELECT pg_try_advisory_xact_lock(:lock)")
# Rows that a writer of usage holds are left for the next time: nobody waits for anybody.
_TAKE_DUE = text("""
    WITH old AS (
        SELECT organization_id, hour FROM settlement_due
        WHERE hour < :before
        ORDER BY hour, organization_id
        LIMIT :most
        FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM settlement_due USING old
        WHERE settlement_due.organization_id = old.organization_id
            AND settlement_due.hour = old.hour
        RETURNING settlement_due.organization_id, settlement_due.hour
    )
    SELECT gone.organization_id, gone.hour, account.organization_id IS NOT NULL AS is_charged
    FROM gone
    LEFT JOIN billing_account AS account
        ON account.organization_id = gone.organization_id
        AND account.mode <> 'none' AND gone.hour >= account.billed_from
""")
_ANY_DUE = text("SELECT EXISTS (SELECT FROM settlement_due WHERE hour < :before)")
_HOURS = "unnest(CAST(:organizations AS text[]), CAST(:hours AS timestamptz[]))"
_WANTED = "(SELECT * FROM wanted_hours)"
_SOLD_PRICES = text(f"""
    SELECT DISTINCT used.price_id
    FROM {_HOURS} AS wanted (organization_id, hour)
    JOIN usage_hour AS used USING (organization_id, hour)
    JOIN price ON price.id = used.price_id AND price.is_charged AND price.seller <> ''
""")  # noqa: S608  no outside text
# A settlement in which nothing differed is not kept.
_SETTLE = text(f"""
    WITH wanted_hours AS MATERIALIZED (
        SELECT * FROM {_HOURS} AS wanted (organization_id, hour)
    ), rolled AS (
        {_ROLLED.format(hours=_WANTED)}
    ), settled AS (
        {_SETTLED.format(hours=_WANTED)}
    ), difference AS (
        {_DIFFERENCES}
    ), opened AS (
        INSERT INTO settlement (id, settled_at, hours, lines)
        SELECT :id, :now, :hour_count, count(*) FROM difference HAVING count(*) > 0
        RETURNING number
    ), added AS (
        INSERT INTO settlement_line (settlement, {_KEYS}, seller, {", ".join(MEASURES)}, fee_nanos,
            settled_at)
        SELECT opened.number, {_KEYS}, seller, {", ".join(MEASURES)},
            CASE WHEN seller = '' THEN 0
                ELSE div(cost_nanos * coalesce(fee.ppm, 0), 1000000) END,
            :now
        FROM opened CROSS JOIN difference
        LEFT JOIN unnest(CAST(:prices AS text[]), CAST(:fees AS bigint[])) AS fee (price_id, ppm)
            USING (price_id)
        ORDER BY {_KEYS}
        RETURNING organization_id, hour, currency, seller, cost_nanos, fee_nanos
    )
    SELECT organization_id, hour, currency, seller, sum(cost_nanos) AS cost_nanos,
        sum(fee_nanos) AS fee_nanos, count(*) AS lines
    FROM added
    GROUP BY organization_id, hour, currency, seller
    ORDER BY organization_id, hour, currency, seller
""")  # noqa: S608  no outside text
_MAKE_DUE = text("""
    INSERT INTO settlement_due (organization_id, hour)
    SELECT DISTINCT organization_id, hour FROM usage_hour
    WHERE organization_id = :organization AND hour >= :since
    ORDER BY 1, 2
    ON CONFLICT (organization_id, hour) DO UPDATE SET hour = excluded.hour WHERE false
""")


class Due(NamedTuple):
    organizations: list[str]
    hours: list[datetime]
    """Of the same length: hours of organizations that are charged."""
    taken: int
    """How many changed hours are taken, those of others among them."""
    everybody: tuple[Sequence[str], Sequence[datetime]] = ((), ())
    """All changed hours that are taken: hosts take their part of them, whoever is charged."""


def try_settler_lock(tx: Connection) -> bool:
    """Say whether nobody else settles until this transaction ends."""
    return bool(tx.execute(_TRY_LOCK, {"lock": _SETTLER_LOCK}).scalar())


def take_due(tx: Connection, before: datetime, most: int) -> Due:
    rows = tx.execute(_TAKE_DUE, {"before": before, "most": most}).all()
    charged = [row for row in rows if row.is_charged]
    return Due(
        [row.organization_id for row in charged],
        [row.hour for row in charged],
        len(rows),
        ([row.organization_id for row in rows], [row.hour for row in rows]),
    )


def is_any_due(tx: Connection, before: datetime) -> bool:
    return bool(tx.execute(_ANY_DUE, {"before": before}).scalar())


def sold_prices(tx: Connection, due: Due) -> Sequence[str]:
    """Return the prices among these hours by which somebody else than the platform is paid."""
    found = tx.execute(_SOLD_PRICES, {"organizations": due.organizations, "hours": due.hours})
    return found.scalars().all()


def settle(
    tx: Connection, due: Due, settlement_id: str, fees: dict[str, int], now: datetime
) -> tuple[list[SettledSum], int]:
    """Write the differences of these hours; return their sums, and how many lines they are."""
    rows = tx.execute(
        _SETTLE,
        {
            "organizations": due.organizations,
            "hours": due.hours,
            "hour_count": len(due.hours),
            "id": settlement_id,
            "now": now,
            "prices": list(fees),
            "fees": list(fees.values()),
        },
    ).all()
    sums = [
        SettledSum(
            row.organization_id,
            row.hour,
            row.currency,
            row.seller,
            int(row.cost_nanos),
            int(row.fee_nanos),
        )
        for row in rows
    ]
    return sums, sum(row.lines for row in rows)


def make_due(tx: Connection, organization_id: str, since: datetime) -> None:
    """Have all hours of an organization compared again."""
    tx.execute(_MAKE_DUE, {"organization": organization_id, "since": since})


# --- checks ----------------------------------------------------------------------------------

_CHARGED_HOURS = """(
    SELECT DISTINCT used.organization_id, used.hour
    FROM usage_hour AS used
    JOIN billing_account AS account
        ON account.organization_id = used.organization_id
        AND account.mode <> 'none' AND used.hour >= account.billed_from
    WHERE NOT EXISTS (
        SELECT FROM settlement_due AS due
        WHERE due.organization_id = used.organization_id AND due.hour = used.hour
    )
    UNION
    SELECT DISTINCT line.organization_id, line.hour
    FROM settlement_line AS line
    JOIN billing_account AS account
        ON account.organization_id = line.organization_id
        AND account.mode <> 'none' AND line.hour >= account.billed_from
    WHERE NOT EXISTS (
        SELECT FROM settlement_due AS due
        WHERE due.organization_id = line.organization_id AND due.hour = line.hour
    )
)"""
_UNSETTLED = text(f"""
    WITH wanted_hours AS MATERIALIZED {_CHARGED_HOURS}, rolled AS (
        {_ROLLED.format(hours=_WANTED)}
    ), settled AS (
        {_SETTLED.format(hours=_WANTED)}
    )
    {_DIFFERENCES}
    ORDER BY {_KEYS}
""")
# Days whose events are in the tables: those of others are in files, or only in the sums.
_UNROLLED = text(f"""
    WITH kept AS (
        SELECT date_trunc('day', min(at), 'UTC') AS since FROM usage_event
    ), gone AS (
        SELECT DISTINCT day FROM usage_archive WHERE state IN ('detached', 'dropped')
    ), summed AS (
        SELECT organization_id, date_bin('1 hour', at, 'epoch') AS hour, project_id, key_id, model,
            operation, price_id, currency, count(*) FILTER (WHERE corrects IS NULL) AS requests,
            {", ".join(f"sum({name}) AS {name}" for name in MEASURES if name != "requests")}
        FROM usage_event
        WHERE CAST(at AT TIME ZONE 'UTC' AS date) NOT IN (SELECT day FROM gone)
        GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
    ), rolled AS (
        SELECT usage_hour.* FROM usage_hour, kept
        WHERE usage_hour.hour >= kept.since
            AND CAST(usage_hour.hour AT TIME ZONE 'UTC' AS date) NOT IN (SELECT day FROM gone)
    )
    SELECT {_KEYS}, {_each("coalesce(rolled.{name}, 0) - coalesce(summed.{name}, 0) AS {name}")}
    FROM rolled FULL JOIN summed USING ({_KEYS})
    WHERE {_each("coalesce(rolled.{name}, 0) <> coalesce(summed.{name}, 0)", between=" OR ")}
    ORDER BY {_KEYS}
""")  # noqa: S608  no outside text
_UNENTERED = text("""
    WITH line AS (
        SELECT settlement.id AS subject, organization_id AS unbilled_of, currency, seller,
            sum(cost_nanos) AS cost, sum(fee_nanos) AS fee
        FROM settlement_line JOIN settlement ON settlement.number = settlement_line.settlement
        GROUP BY 1, 2, 3, 4
    ), wanted AS (
        SELECT subject, 'unbilled' AS kind, unbilled_of AS owner, currency, sum(cost) AS nanos
        FROM line GROUP BY 1, 3, 4
        UNION ALL
        SELECT subject, 'payable', seller, currency, -sum(cost - fee)
        FROM line WHERE seller <> '' GROUP BY 1, 3, 4
        UNION ALL
        SELECT subject, 'fee', '', currency, -sum(fee) FROM line WHERE seller <> '' GROUP BY 1, 4
        UNION ALL
        SELECT subject, 'revenue', 'usage', currency, -sum(cost)
        FROM line WHERE seller = '' GROUP BY 1, 4
    ), entered AS (
        SELECT entry.subject, account.kind, account.owner, account.currency,
            sum(posting.nanos) AS nanos
        FROM ledger_entry AS entry
        JOIN ledger_posting AS posting ON posting.entry_id = entry.id
        JOIN ledger_account AS account ON account.id = posting.account_id
        WHERE entry.kind = 'settlement'
        GROUP BY 1, 2, 3, 4
    )
    SELECT subject, kind, owner, currency,
        coalesce(entered.nanos, 0) - coalesce(wanted.nanos, 0) AS nanos
    FROM wanted FULL JOIN entered USING (subject, kind, owner, currency)
    WHERE coalesce(entered.nanos, 0) <> coalesce(wanted.nanos, 0)
    ORDER BY 1, 2, 3, 4
""")


def unrolled(tx: Connection) -> Iterator[Row[Any]]:
    """Yield what hourly sums differ by from their events, of the days whose events are kept."""
    yield from tx.execute(_UNROLLED)


def unsettled(tx: Connection) -> Iterator[Row[Any]]:
    """Yield what hours differ by from what was settled of them, but those that wait for it."""
    yield from tx.execute(_UNSETTLED)


def unentered(tx: Connection) -> Iterator[Row[Any]]:
    """Yield what the ledger differs by from what was settled, by settlement and account."""
    yield from tx.execute(_UNENTERED)
