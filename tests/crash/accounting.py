"""The assertions of the crash test: what was promised to clients against what the tables say.

They know nothing of how the promises were made, so they hold for the whole platform as well as for
its parts: a client that has seen the end of an answer gives `ended`, one that has only seen the
beginning gives `opened`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

import psycopg


class Ended(NamedTuple):
    """What the end of an answer told the client. None is not known to the client."""

    output_tokens: int | None
    cost_nanos: int | None


@dataclass
class Promises:
    """Everything that clients have seen."""

    opened: set[UUID] = field(default_factory=set[UUID])
    progress: dict[UUID, int] = field(default_factory=dict[UUID, int])
    """Output tokens that a client has had for certain."""
    ended: dict[UUID, Ended] = field(default_factory=dict[UUID, Ended])


class Account(NamedTuple):
    """The outcome, for the report of a run."""

    events: int
    ended: int
    orphans: int
    faults: list[str]


def account_for(
    connection: psycopg.Connection, promises: Promises, *, torn_tails_at_most: int
) -> Account:
    """Compare. `faults` is empty when nothing was lost, doubled or summed up wrongly.

    A process killed within write(2) may leave a part of a frame, of which nobody was promised
    anything; at most one for each kill.
    """
    rows = connection.execute(
        "SELECT event_id, outcome, output_tokens, cost_nanos FROM usage_event"
    ).fetchall()
    stored = {row[0]: row[1:] for row in rows}
    faults = [
        *_faults_of_events(rows, stored),
        *_faults_of_promises(stored, promises),
        *_faults_of_sums(connection),
        *_faults_of_the_rest(connection, torn_tails_at_most),
    ]
    orphans = sum(outcome == "orphaned" for outcome, *_ in stored.values())
    return Account(len(rows), len(promises.ended), orphans, faults)


def _faults_of_events(rows: Sequence[tuple[Any, ...]], stored: dict[UUID, Any]) -> list[str]:
    doubled = len(rows) - len(stored)
    return [f"{doubled} events are stored twice"] if doubled else []


def _faults_of_promises(stored: dict[UUID, tuple[str, int, int]], promises: Promises) -> list[str]:
    faults: list[str] = []
    for event_id, told in promises.ended.items():
        found = stored.get(event_id)
        if found is None:
            faults.append(f"the ended call {event_id} is lost")
            continue
        outcome, tokens, nanos = found
        if outcome == "orphaned":
            faults.append(f"the ended call {event_id} is stored as an orphan")
        elif told.output_tokens not in {None, tokens} or told.cost_nanos not in {None, nanos}:
            faults.append(f"the call {event_id} told {told} and is stored as {found}")
    for event_id in promises.opened - promises.ended.keys():
        found = stored.get(event_id)
        if found is None:
            faults.append(f"the open call {event_id} is not accounted for")
        elif found[1] < promises.progress.get(event_id, 0):
            faults.append(f"the call {event_id} had more of its answer than {found}")
    return faults


def _faults_of_sums(connection: psycopg.Connection) -> list[str]:
    wrong = connection.execute(
        """
        WITH summed AS (
            SELECT organization_id,
                to_timestamp(floor(extract(epoch FROM at) / 3600) * 3600) AS hour,
                project_id, key_id, model, operation, price_id, currency,
                count(*) AS requests,
                sum((outcome = 'failed')::int) AS failed,
                sum((outcome = 'cancelled')::int) AS cancelled,
                sum((outcome = 'orphaned')::int) AS orphaned,
                sum(input_tokens) AS input_tokens,
                sum(cached_input_tokens) AS cached_input_tokens,
                sum(output_tokens) AS output_tokens,
                sum(cache_write_tokens) AS cache_write_tokens,
                sum(cost_nanos) AS cost_nanos,
                sum((first_token_us IS NOT NULL)::int) AS first_token_count,
                sum(coalesce(first_token_us, 0)) AS first_token_us_total,
                sum(duration_us) AS duration_us_total
            FROM usage_event GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
        ), stored AS (
            -- By name: migrations put columns elsewhere than the tables' definition does.
            SELECT organization_id, hour, project_id, key_id, model, operation, price_id, currency,
                requests, failed, cancelled, orphaned, input_tokens, cached_input_tokens,
                output_tokens, cache_write_tokens, cost_nanos, first_token_count,
                first_token_us_total, duration_us_total
            FROM usage_hour
        )
        (TABLE summed EXCEPT TABLE stored) UNION ALL (TABLE stored EXCEPT TABLE summed)
        """
    ).fetchall()
    return [f"an hour is not the sum of its events: {row}" for row in wrong[:5]]


def _faults_of_the_rest(connection: psycopg.Connection, torn_tails_at_most: int) -> list[str]:
    faults: list[str] = []
    still_open = connection.execute("SELECT count(*) FROM journal_open").fetchone()
    if still_open != (0,):
        faults.append(f"{still_open} calls are still open")
    unread = connection.execute("SELECT name FROM journal_segment WHERE NOT is_finished").fetchall()
    faults += [f"the segment {row[0]} is not finished" for row in unread]
    damages = connection.execute("SELECT segment, reason FROM journal_quarantine").fetchall()
    faults += [
        f"damage in {segment}: {reason}"
        for segment, reason in damages
        if reason != "torn at the end"
    ]
    if len(damages) > torn_tails_at_most:
        faults.append(f"{len(damages)} damaged ranges, more than kills")
    return faults
