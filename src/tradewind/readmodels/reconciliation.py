"""The checks of reconciliation, all of one moment, and what each of them found.

Journal = events = hourly sums = settlement = ledger, down to receipts and invoices: those of the
ledger and of whoever posts are the ones of `tradewind ledger verify`. Beside them stand what gets
stuck (calls without an end, holds, hours that nobody settles), what is called without a price, and
what providers say of their own usage.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

from tradewind.core.money import format_nanos
from tradewind.features.ledger.schemas import Difference, NamedCheck
from tradewind.features.reconciliation.schemas import MOST_FINDINGS, CheckOutcome
from tradewind.readmodels.reconciliation_providers import provider_differences
from tradewind.readmodels.reconciliation_words import words_of
from tradewind.readmodels.unpriced import unpriced

_FINDING_MAX = 300
OPEN_FOR = timedelta(hours=24)
"""After so long without an end a call is stuck: no answer takes as long."""
HELD_FOR = timedelta(minutes=15)
"""After so long a lease that ran out should be settled or counted as spent."""
DEAD_FOR = timedelta(days=1)
"""For how long what a dead gateway held may stay counted as spent, while its journal is awaited."""
DUE_FOR = timedelta(hours=6)
"""After so long an hour that changed should be settled."""


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    title: str
    compares: str
    advice: str
    unit: str
    count: str
    """What is checked, as SQL that gives one number."""
    run: Callable[[Connection, datetime], Iterable[Difference]]


def reconcile(
    tx: Connection,
    now: datetime,
    books: Sequence[NamedCheck],
    tell: Callable[[str], None] = lambda _name: None,
) -> list[CheckOutcome]:
    """Run every check. `books` are those of `tradewind ledger verify`."""
    outcomes: list[CheckOutcome] = []
    for check in (*_own_checks(), *map(_of_books, books)):
        tell(check.title)
        outcomes.append(_outcome(tx, now, check))
    return outcomes


def _outcome(tx: Connection, now: datetime, check: Check) -> CheckOutcome:
    began = time.monotonic()
    counted = int(tx.execute(text(check.count)).scalar() or 0) if check.count else 0
    findings: list[str] = []
    found = nanos = 0
    for difference in check.run(tx, now):
        found += 1
        nanos += abs(difference.nanos)
        if len(findings) < MOST_FINDINGS:
            findings.append(f"{difference.subject}: {difference.detail}"[:_FINDING_MAX])
    return CheckOutcome(
        name=check.name,
        title=check.title,
        compares=check.compares,
        advice=check.advice,
        counted=counted,
        unit=check.unit,
        differences=found,
        nanos=nanos,
        findings=tuple(findings),
        took_ms=round((time.monotonic() - began) * 1000),
    )


def _of_books(check: NamedCheck) -> Check:
    return Check(
        check.name,
        *words_of(check.name),
        run=lambda tx, _now: check.run(tx, lambda _done, _total: None),
    )


# --- what nobody else checks ---------------------------------------------------------------------


def _own_checks() -> tuple[Check, ...]:
    return (
        Check(
            "journal",
            "Journal",
            "the segments that gateways closed with what was read of them",
            "The folder `journal/damaged` holds the segment as it was: its calls are on no bill.",
            "segments",
            "SELECT count(*) FROM journal_segment",
            _journal,
        ),
        Check(
            "writers",
            "Journal and events",
            "what gateways spent, by their journals, with the events that are kept",
            "An event was taken in twice or lost: compare the day's journal with its events before"
            " the day is archived.",
            "days of gateways",
            "SELECT count(*) FROM (SELECT DISTINCT node, boot_ns, day FROM usage_writer_day) AS d",
            _writers,
        ),
        Check(
            "open_calls",
            "Calls without an end",
            f"calls that began more than {OPEN_FOR.days * 24} hours ago with their events",
            "Their gateway is gone and its journal is not at its end: bring its folder back, or"
            " start the gateway once more on it.",
            "open calls",
            "SELECT count(*) FROM journal_open",
            _open_calls,
        ),
        Check(
            "holds",
            "Holds past their time",
            "what gateways hold of budgets with the time they may",
            "The worker settles these: look at its log for `budgets`. What is held cannot be spent"
            " by others until then.",
            "leases",
            "SELECT count(*) FROM budget_lease",
            _holds,
        ),
        Check(
            "dead_leases",
            "Leases of dead gateways",
            "what counts as spent because a gateway fell silent with its journal",
            "Bring the gateway's journal folder back. Until then its budgets count what it held as"
            " spent.",
            "leases of silent gateways",
            "SELECT count(*) FROM budget_lease WHERE is_expired",
            _dead_leases,
        ),
        Check(
            "unsettled",
            "Hours that wait",
            "hours that changed with the time within which they are settled",
            "Settlement stands still: look at the log of the worker for `billing`.",
            "hours to settle",
            "SELECT count(*) FROM settlement_due",
            _unsettled,
        ),
        Check(
            "unpriced",
            "Traffic without a price",
            "models that were called with the price book",
            "Set a price, or say that the model is free, in the price book.",
            "models with a price",
            "SELECT count(DISTINCT model_id) FROM price",
            _unpriced,
        ),
        Check(
            "providers",
            "Our cost and the provider's",
            "what gateways noted of each host with the newest statement of its provider, by day",
            "Compare the models of that day: a price of the host that changed, calls past this"
            " platform with the same account, or a statement of another account.",
            "days of statements",
            "SELECT count(*) FROM (SELECT DISTINCT statement.host, line.day"
            " FROM provider_statement_line AS line"
            " JOIN provider_statement AS statement ON statement.number = line.statement) AS d",
            provider_differences,
        ),
    )


_JOURNAL = text("""
    SELECT segment.name, segment.missing_frames, segment.quarantined_bytes
    FROM journal_segment AS segment
    WHERE segment.missing_frames > 0 OR segment.quarantined_bytes > 0
    ORDER BY segment.name
""")
_MISSING_SEGMENTS = text("""
    SELECT node, boot_ns, max(number) - min(number) + 1 - count(*) AS missing
    FROM journal_segment
    GROUP BY node, boot_ns
    HAVING max(number) - min(number) + 1 <> count(*)
    ORDER BY node, boot_ns
""")
# Days on which every segment was summed by its writer, and whose events are all kept. A correction
# is written by no gateway.
_WRITERS = text("""
    WITH kept AS (
        SELECT (min(at) AT TIME ZONE 'UTC')::date + 1 AS since FROM usage_event
    ), known AS (
        SELECT coalesce(
            max((updated_at AT TIME ZONE 'UTC')::date) FILTER (WHERE NOT is_summed_by_writer) + 1,
            '-infinity'
        ) AS since
        FROM journal_segment
    ), written AS (
        SELECT organization_id, day, CAST(currency AS text) AS currency, sum(cost_nanos) AS nanos
        FROM usage_writer_day, kept, known
        WHERE day >= greatest(kept.since, known.since)
        GROUP BY 1, 2, 3
    ), stored AS (
        SELECT organization_id, (at AT TIME ZONE 'UTC')::date AS day,
            CAST(currency AS text) AS currency, sum(cost_nanos) AS nanos
        FROM usage_event, kept, known
        WHERE corrects IS NULL
            AND (at AT TIME ZONE 'UTC')::date >= greatest(kept.since, known.since)
        GROUP BY 1, 2, 3
    )
    SELECT organization_id, day, currency,
        coalesce(stored.nanos, 0) - coalesce(written.nanos, 0) AS nanos
    FROM written FULL JOIN stored USING (organization_id, day, currency)
    WHERE coalesce(stored.nanos, 0) <> coalesce(written.nanos, 0)
    ORDER BY 2, 1, 3
""")
_OPEN = text("""
    SELECT node, boot_ns, count(*) AS calls, min(read_at) AS since
    FROM journal_open WHERE read_at < :before
    GROUP BY node, boot_ns ORDER BY since
""")
_HOLDS = text("""
    SELECT lease.budget_id, lease.node, lease.expires_at, budget.currency,
        lease.granted_nanos - lease.used_nanos AS nanos
    FROM budget_lease AS lease JOIN budget ON budget.id = lease.budget_id
    WHERE NOT lease.is_expired AND lease.expires_at < :before
        AND lease.granted_nanos > lease.used_nanos
    ORDER BY lease.expires_at
""")
_DEAD = text("""
    SELECT lease.budget_id, lease.node, lease.expires_at, budget.currency,
        lease.granted_nanos - lease.used_nanos AS nanos
    FROM budget_lease AS lease JOIN budget ON budget.id = lease.budget_id
    WHERE lease.is_expired AND lease.expires_at < :before
        AND lease.granted_nanos > lease.used_nanos
    ORDER BY lease.expires_at
""")
_DUE = text("""
    SELECT due.organization_id, count(*) AS hours, min(due.hour) AS since
    FROM settlement_due AS due
    JOIN billing_account AS account
        ON account.organization_id = due.organization_id AND account.mode <> 'none'
        AND due.hour >= account.billed_from
    WHERE due.hour < :before
    GROUP BY 1 ORDER BY 1
""")


def _journal(tx: Connection, _now: datetime) -> Iterator[Difference]:
    for row in tx.execute(_JOURNAL):
        yield Difference(
            "journal",
            row.name,
            f"{row.missing_frames:,} frames are missing and {row.quarantined_bytes:,} bytes could"
            " not be read",
        )
    for row in tx.execute(_MISSING_SEGMENTS):
        yield Difference(
            "journal", f"{row.node} {row.boot_ns}", f"{row.missing:,} whole segments are missing"
        )


def _writers(tx: Connection, _now: datetime) -> Iterator[Difference]:
    for row in tx.execute(_WRITERS):
        nanos = int(row.nanos)
        yield Difference(
            "writers",
            f"{row.organization_id} {row.day}",
            f"the events differ from the journals by {format_nanos(nanos)} {row.currency}",
            nanos,
        )


def _open_calls(tx: Connection, now: datetime) -> Iterator[Difference]:
    for row in tx.execute(_OPEN, {"before": now - OPEN_FOR}):
        yield Difference(
            "open_calls",
            f"{row.node} {row.boot_ns}",
            f"{row.calls:,} calls have no end since {row.since:%Y-%m-%d %H:%M} UTC",
        )


def _holds(tx: Connection, now: datetime) -> Iterator[Difference]:
    yield from _leases("holds", "ran out", tx.execute(_HOLDS, {"before": now - HELD_FOR}))


def _dead_leases(tx: Connection, now: datetime) -> Iterator[Difference]:
    rows = tx.execute(_DEAD, {"before": now - DEAD_FOR})
    yield from _leases("dead_leases", "is counted as spent since its gateway fell silent", rows)


def _leases(check: str, what: str, rows: Iterable[Any]) -> Iterator[Difference]:
    for row in rows:
        nanos = int(row.nanos)
        yield Difference(
            check,
            f"{row.budget_id} {row.node}",
            f"{format_nanos(nanos)} {row.currency} {what} at {row.expires_at:%Y-%m-%d %H:%M} UTC",
            nanos,
        )


def _unsettled(tx: Connection, now: datetime) -> Iterator[Difference]:
    for row in tx.execute(_DUE, {"before": now - DUE_FOR}):
        yield Difference(
            "unsettled",
            row.organization_id,
            f"{row.hours:,} hours wait, the oldest of {row.since:%Y-%m-%d %H:%M} UTC",
        )


def _unpriced(tx: Connection, now: datetime) -> Iterator[Difference]:
    for gap in unpriced(tx, now):
        if gap.calls:
            meters = f" for {', '.join(gap.meters)}" if gap.meters else ""
            yield Difference(
                "unpriced",
                gap.model,
                f"{gap.calls:,} calls without a price{meters}: {gap.gap.value}",
            )
