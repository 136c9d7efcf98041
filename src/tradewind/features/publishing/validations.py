"""Validation runs: claimed, carried on, ended; and when what is listed is tried again."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection, Row

from tradewind.core.acting import By
from tradewind.core.clock import Clock
from tradewind.core.errors import Conflict, MalformedId, NotFound
from tradewind.core.ids import ListingId, OrganizationId, ValidationRunId
from tradewind.core.permissions import Permission, require
from tradewind.features.accounts.schemas import Actor, may_review
from tradewind.features.publishing import repository, rows, rules
from tradewind.features.publishing.schemas import (
    PLATFORM,
    Check,
    CheckState,
    Claimed,
    Move,
    RunRow,
    RunState,
    State,
    Timing,
)
from tradewind.features.publishing.service import begin_run, end_run, make_move

LEASE = timedelta(minutes=2)
"""Whoever carries a run on says so more often than that."""
MOST_ATTEMPTS = 4
"""A run whose worker died so often is what kills it."""
_SCHEDULED_AT_ONCE = 20
_KEPT = timedelta(days=365)
_KEPT_RUNS = 20


class Validations:
    """`claim`, `note`, `renew` and `settle` are for the worker alone."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    # --- for people ------------------------------------------------------------------------

    def begin_again(self, tx: Connection, actor: Actor, listing_id: str) -> RunRow:
        """Have what is listed tried again now. Raises Conflict for what is not listed."""
        row = self._listing(tx, actor, listing_id)
        if State(row.state) is not State.LISTED:
            raise Conflict(
                "a listing on its way is tried when it is submitted",
                hint="submit it, or withdraw it and submit it again",
            )
        begin_run(tx, row.id, self._clock, is_scheduled=True)
        return rows.run_row(repository.runs_of(tx, row.id, 1)[0])

    def cancel(self, tx: Connection, actor: Actor, by: By, listing_id: str) -> None:
        """End the run that is under way; a submitted listing is a draft again. Idempotent."""
        row = self._listing(tx, actor, listing_id)
        run = repository.find_open_run(tx, row.id)
        if run is None:
            return
        end_run(tx, run.id, RunState.CANCELLED, self._clock)
        if State(row.state) is State.SUBMITTED:
            make_move(tx, rows.listing_row(row), Move.WITHDRAW, by, self._clock)

    # --- for the worker --------------------------------------------------------------------

    def claim(self, tx: Connection) -> Claimed | None:
        """Take a run, a new one or one whose worker died, with the checks it has already."""
        now = self._clock.now()
        run = repository.claim_run(tx, now, now + LEASE)
        if run is None:
            return None
        if run.attempts > MOST_ATTEMPTS:
            gave_up = Check(
                name="load",
                state=CheckState.FAILED,
                detail=f"the worker ended {MOST_ATTEMPTS} times while it tried this model",
            )
            checks = (*rows.checks_of(run.checks), gave_up)
            repository.update_run(tx, run.id, {"checks": msgspec.to_builtins(checks)})
            self.settle(tx, ValidationRunId(run.id))
            return None
        found = repository.find_listing(tx, run.listing_id, organization_id=None)
        assert found is not None, "a run has a listing"
        return Claimed(
            run_id=ValidationRunId(run.id),
            listing_id=ListingId(run.listing_id),
            organization_id=OrganizationId(found.organization_id),
            name=f"{found.publisher_slug}/{found.slug}",
            content=rows.content_of(found.content),
            checks=rows.checks_of(run.checks),
            timing=rows.timing_of(run.timing),
        )

    def renew(self, tx: Connection, run_id: ValidationRunId, stage: str) -> bool:
        """Say that a run goes on, and with what. False when it does not: somebody ended it."""
        run = repository.find_run(tx, run_id, locks=True)
        if run is None or run.next_try_at is None:
            return False
        until = self._clock.now() + LEASE
        repository.update_run(tx, run_id, {"next_try_at": until, "stage": stage[:200]})
        return True

    def note(
        self, tx: Connection, run_id: ValidationRunId, checks: Sequence[Check], timing: Timing
    ) -> bool:
        """Keep what was tried so far. False as with `renew`."""
        run = repository.find_run(tx, run_id, locks=True)
        if run is None or run.next_try_at is None:
            return False
        repository.update_run(
            tx,
            run_id,
            {
                "checks": msgspec.to_builtins(tuple(checks)),
                "timing": msgspec.to_builtins(timing),
                "next_try_at": self._clock.now() + LEASE,
            },
        )
        return True

    def checks_of(self, tx: Connection, run_id: ValidationRunId) -> tuple[Check, ...]:
        """Return what a run has tried so far."""
        run = repository.find_run(tx, run_id)
        return () if run is None else rows.checks_of(run.checks)

    def put_off(self, tx: Connection, run_id: ValidationRunId) -> None:
        """Let another worker carry a run on at once: this one is about to end."""
        run = repository.find_run(tx, run_id, locks=True)
        if run is not None and run.next_try_at is not None:
            repository.update_run(
                tx,
                run_id,
                {
                    "state": RunState.WAITING.value,
                    "next_try_at": self._clock.now(),
                    "attempts": max(0, run.attempts - 1),
                },
            )

    def settle(self, tx: Connection, run_id: ValidationRunId) -> RunState | None:
        """End a run by what it has tried, and move its listing on. None when it had ended."""
        run = repository.find_run(tx, run_id)
        if run is None:
            return None
        # Whoever moves a listing locks it first and its run then, so this does too.
        found = repository.find_listing(tx, run.listing_id, organization_id=None, locks=True)
        run = repository.find_run(tx, run_id, locks=True)
        assert found is not None
        assert run is not None
        if run.next_try_at is None:
            return None
        checks = rows.checks_of(run.checks)
        state = rules.verdict(checks)
        end_run(tx, run_id, state, self._clock)
        row = rows.listing_row(found)
        if row.state is State.SUBMITTED:
            if state is RunState.PASSED:
                make_move(tx, row, Move.PASS, PLATFORM, self._clock)
            else:
                reason = rules.failures(checks)
                make_move(tx, row, Move.FAIL, PLATFORM, self._clock, reason=reason)
        return state

    def schedule(self, tx: Connection, every: timedelta) -> int:
        """Begin runs of what is listed and was not tried for so long; return how many."""
        now = self._clock.now()
        due = repository.listed_without_run_since(tx, now - every, _SCHEDULED_AT_ONCE)
        for row in due:
            begin_run(tx, row.id, self._clock, is_scheduled=True)
        repository.remove_old_runs(tx, now - _KEPT, _KEPT_RUNS)
        return len(due)

    def _listing(self, tx: Connection, actor: Actor, listing_id: str) -> Row[Any]:
        require(actor, Permission.PUBLISHING_WRITE)
        try:
            parsed = ListingId.parse(listing_id)
        except MalformedId:
            raise _not_found(listing_id) from None
        owner = None if may_review(actor) else actor.organization_id
        found = repository.find_listing(tx, parsed, organization_id=owner, locks=True)
        if found is None:
            raise _not_found(listing_id)
        return found


def _not_found(listing_id: str) -> NotFound:
    return NotFound(f"there is no listing {listing_id[:64]!r}", hint="list the listings")
