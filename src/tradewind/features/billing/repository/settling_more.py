"""What is settled beside the costs of calls: rarer meters, and what hosts took.

Both belong to the settlement of their hours: same transaction, same number. Most hours have
neither, and are then not looked at twice.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, insert, select, text
from sqlalchemy.dialects.postgresql import insert as upsert

from tradewind.features.billing.repository.settling import KEYS, MEASURES, Due
from tradewind.features.billing.tables import (
    settlement,
    settlement_host,
    settlement_line,
    settlement_meter,
)

_KEYS = ", ".join(KEYS)
_USED_KEYS = ", ".join(f"used.{key}" for key in KEYS if key != "currency")
_OF_LINE = ", ".join(f"settlement_line.{key}" for key in KEYS)
_HOURS = """(
    SELECT * FROM unnest(CAST(:organizations AS text[]), CAST(:hours AS timestamptz[]))
        AS wanted (organization_id, hour)
)"""
_METERS_APART = """
    WITH wanted AS MATERIALIZED {hours}, rolled AS (
        SELECT {used_keys}, CAST(used.currency AS text) AS currency, meter, is_batch, quantity,
            price.seller
        FROM wanted JOIN usage_hour_meter AS used USING (organization_id, hour)
        JOIN price ON price.id = used.price_id AND price.is_charged
    ), settled AS (
        SELECT {of_line}, meter, is_batch, sum(quantity) AS quantity, max(seller) AS seller
        FROM wanted JOIN settlement_meter USING (organization_id, hour)
        JOIN settlement_line ON settlement_line.number = settlement_meter.line
        GROUP BY {of_line}, meter, is_batch
    )
    SELECT {keys}, meter, is_batch, coalesce(rolled.seller, settled.seller) AS seller,
        coalesce(rolled.quantity, 0) - coalesce(settled.quantity, 0) AS quantity
    FROM rolled FULL JOIN settled USING ({keys}, meter, is_batch)
    WHERE coalesce(rolled.quantity, 0) <> coalesce(settled.quantity, 0)
    ORDER BY {keys}, meter, is_batch
"""
# What a price that is not charged stands for is not the platform's to pay: an organization's own
# account at a host. What has no price at all is.
_HOSTS_APART = """
    WITH wanted AS MATERIALIZED {hours}, rolled AS (
        SELECT used.organization_id, used.hour, used.host,
            CAST(used.provider_currency AS text) AS currency,
            sum(used.requests) AS requests, sum(used.provider_cost_nanos) AS cost_nanos
        FROM wanted JOIN usage_hour_host AS used USING (organization_id, hour)
        LEFT JOIN price ON price.id = used.price_id
        WHERE price.id IS NULL OR price.is_charged
        GROUP BY 1, 2, 3, 4
    ), settled AS (
        SELECT organization_id, hour, host, currency, sum(requests) AS requests,
            sum(cost_nanos) AS cost_nanos
        FROM wanted JOIN settlement_host USING (organization_id, hour)
        GROUP BY 1, 2, 3, 4
    )
    SELECT organization_id, hour, host, currency,
        coalesce(rolled.requests, 0) - coalesce(settled.requests, 0) AS requests,
        coalesce(rolled.cost_nanos, 0) - coalesce(settled.cost_nanos, 0) AS cost_nanos
    FROM rolled FULL JOIN settled USING (organization_id, hour, host, currency)
    WHERE coalesce(rolled.cost_nanos, 0) <> coalesce(settled.cost_nanos, 0)
        OR coalesce(rolled.requests, 0) <> coalesce(settled.requests, 0)
    ORDER BY 1, 2, 3, 4
"""
_METERS = text(
    _METERS_APART.format(hours=_HOURS, keys=_KEYS, used_keys=_USED_KEYS, of_line=_OF_LINE)
)
_HOSTS = text(_HOSTS_APART.format(hours=_HOURS))


class HostSum(NamedTuple):
    """What one host took for one hour of an organization, more or less than was entered."""

    organization_id: str
    hour: datetime
    host: str
    currency: str
    requests: int
    cost_nanos: int


class More(NamedTuple):
    hosts: Sequence[HostSum]
    is_any: bool
    """Whether the settlement has anything beside its lines."""


def settle_more(tx: Connection, due: Due, settlement_id: str, now: datetime) -> More:
    """Write what meters and hosts of these hours differ by from what was settled of them."""
    hours = {"organizations": due.organizations, "hours": due.hours}
    meters: Sequence[Row[Any]] = tx.execute(_METERS, hours).all() if due.hours else ()
    of_all = {"organizations": list(due.everybody[0]), "hours": list(due.everybody[1])}
    hosts = [
        HostSum(
            row.organization_id,
            row.hour,
            row.host,
            row.currency,
            int(row.requests),
            int(row.cost_nanos),
        )
        for row in tx.execute(_HOSTS, of_all)
    ]
    if not meters and not hosts:
        return More((), is_any=False)
    number = _number(tx, settlement_id, due.taken, now)
    if meters:
        _add_meters(tx, number, meters, now)
    if hosts:
        tx.execute(
            insert(settlement_host), [{"settlement": number, **row._asdict()} for row in hosts]
        )
    return More(hosts, is_any=True)


def _number(tx: Connection, settlement_id: str, hours: int, now: datetime) -> int:
    """Return the number of a settlement, which has none yet where no line differed."""
    tx.execute(
        upsert(settlement)
        .values(id=settlement_id, settled_at=now, hours=hours, lines=0)
        .on_conflict_do_nothing()
    )
    found = select(settlement.c.number).where(settlement.c.id == settlement_id)
    return tx.execute(found).scalar_one()


def _add_meters(tx: Connection, number: int, meters: Sequence[Row[Any]], now: datetime) -> None:
    found = tx.execute(
        select(settlement_line.c.number, *(settlement_line.c[key] for key in KEYS)).where(
            settlement_line.c.settlement == number
        )
    )
    lines: dict[tuple[Any, ...], int] = {_place(row): row.number for row in found}
    rows: list[dict[str, Any]] = []
    for row in meters:
        place = _place(row)
        if place not in lines:
            # Meters alone were corrected: a line of nothing holds them, so that an invoice finds
            # them by its watermark like all others.
            lines[place] = tx.execute(
                insert(settlement_line)
                .values(
                    settlement=number,
                    seller=row.seller,
                    fee_nanos=0,
                    settled_at=now,
                    **dict(zip(KEYS, place, strict=True)),
                    **dict.fromkeys(MEASURES, 0),
                )
                .returning(settlement_line.c.number)
            ).scalar_one()
        rows.append(
            {
                "line": lines[place],
                "meter": row.meter,
                "is_batch": row.is_batch,
                "quantity": int(row.quantity),
                "organization_id": row.organization_id,
                "hour": row.hour,
            }
        )
    tx.execute(insert(settlement_meter), rows)


def _place(row: Row[Any]) -> tuple[Any, ...]:
    return tuple(getattr(row, name) for name in KEYS)


# --- checks ----------------------------------------------------------------------------------

_WAITS = """EXISTS (
    SELECT FROM settlement_due AS due
    WHERE due.organization_id = {of}.organization_id AND due.hour = {of}.hour
)"""
_CHARGED = """
    JOIN billing_account AS account ON account.organization_id = {of}.organization_id
        AND account.mode <> 'none' AND {of}.hour >= account.billed_from
"""
_ALL_METERED = f"""(
    SELECT DISTINCT used.organization_id, used.hour FROM usage_hour_meter AS used
    {_CHARGED.format(of="used")} WHERE NOT {_WAITS.format(of="used")}
    UNION
    SELECT DISTINCT kept.organization_id, kept.hour FROM settlement_meter AS kept
    {_CHARGED.format(of="kept")} WHERE NOT {_WAITS.format(of="kept")}
)"""  # noqa: S608  no outside text
_ALL_HOSTED = f"""(
    SELECT DISTINCT used.organization_id, used.hour FROM usage_hour_host AS used
    WHERE NOT {_WAITS.format(of="used")}
    UNION
    SELECT DISTINCT kept.organization_id, kept.hour FROM settlement_host AS kept
    WHERE NOT {_WAITS.format(of="kept")}
)"""  # noqa: S608  no outside text
_UNSETTLED_METERS = text(
    _METERS_APART.format(hours=_ALL_METERED, keys=_KEYS, used_keys=_USED_KEYS, of_line=_OF_LINE)
)
_UNSETTLED_HOSTS = text(_HOSTS_APART.format(hours=_ALL_HOSTED))
_UNENTERED_HOSTS = text("""
    WITH settled AS (
        SELECT settlement.id AS subject, host, currency, sum(cost_nanos) AS nanos
        FROM settlement_host
        JOIN settlement ON settlement.number = settlement_host.settlement
        GROUP BY 1, 2, 3
    ), wanted AS (
        SELECT subject, 'provider_cost' AS kind, host AS owner, currency, nanos FROM settled
        UNION ALL SELECT subject, 'provider_payable', host, currency, -nanos FROM settled
    ), entered AS (
        SELECT entry.subject, account.kind, account.owner, account.currency,
            sum(posting.nanos) AS nanos
        FROM ledger_entry AS entry
        JOIN ledger_posting AS posting ON posting.entry_id = entry.id
        JOIN ledger_account AS account ON account.id = posting.account_id
        WHERE entry.kind = 'provider_settlement'
        GROUP BY 1, 2, 3, 4
    )
    SELECT subject, kind, owner, currency,
        coalesce(entered.nanos, 0) - coalesce(wanted.nanos, 0) AS nanos
    FROM wanted FULL JOIN entered USING (subject, kind, owner, currency)
    WHERE coalesce(entered.nanos, 0) <> coalesce(wanted.nanos, 0)
    ORDER BY 1, 2, 3, 4
""")


def unsettled_meters(tx: Connection) -> Iterator[Row[Any]]:
    """Yield what meters of hours differ by from what was settled, but those that wait for it."""
    yield from tx.execute(_UNSETTLED_METERS)


def unsettled_hosts(tx: Connection) -> Iterator[Row[Any]]:
    """Yield what hosts took and was not settled, or the other way round."""
    yield from tx.execute(_UNSETTLED_HOSTS)


def unentered_hosts(tx: Connection) -> Iterator[Row[Any]]:
    """Yield what the ledger differs by from what hosts took, by settlement and account."""
    yield from tx.execute(_UNENTERED_HOSTS)
