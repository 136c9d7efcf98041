"""What validation runs have shown of the models that publishers listed.

A model that came by a listing is *deployable* when the last run of what is listed passed, and not
otherwise: nobody is told that something works that was never seen to work.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import distinct_on

from tradewind.features.publishing.schemas import Check, RunState, Timing
from tradewind.features.publishing.tables import listing, validation_run

_SETTLED = (RunState.PASSED.value, RunState.FAILED.value)
_GRACE = timedelta(days=1)
"""Runs are made one after another: some wait for others."""


class Validation(NamedTuple):
    """The last run that came to an end, of what is listed of a model."""

    model_id: str
    version_id: str
    listing_id: str
    is_deployable: bool
    ended_at: datetime
    checks: tuple[Check, ...]
    timing: Timing
    is_self_reviewed: bool = False
    """Who submitted the listing approved it as well."""
    version: str = ""
    """Label of the version that was tried."""
    is_running: bool = False
    """It is being tried again now."""

    def next_at(self, every: timedelta) -> datetime:
        """Return when it is tried again, if it is tried so often."""
        return self.ended_at + every

    def is_stale(self, every: timedelta, now: datetime) -> bool:
        """Say whether it should have been tried again for long: what was shown then may not hold
        any more.
        """
        return now > self.next_at(every) + _GRACE and not self.is_running


def read_validations(
    tx: Connection, model_ids: Collection[str] | None = None
) -> dict[str, Validation]:
    """Return the last validation of each of these models, or of all that have one, by model id.

    A model that is missing either came by no listing, or its run has not ended: of the second kind
    none is listed.
    """
    under_way = validation_run.alias("under_way")
    open_run = select(under_way.c.id).where(
        under_way.c.listing_id == listing.c.id, under_way.c.next_try_at.is_not(None)
    )
    found = (
        select(
            listing.c.model_id,
            listing.c.version_id,
            listing.c.id,
            validation_run.c.state,
            validation_run.c.ended_at,
            validation_run.c.checks,
            validation_run.c.timing,
            listing.c.is_self_reviewed,
            listing.c.content["version"].astext.label("version"),
            open_run.exists().label("is_running"),
        )
        .join(validation_run, validation_run.c.listing_id == listing.c.id)
        .where(listing.c.state == "listed", validation_run.c.state.in_(_SETTLED))
        .ext(distinct_on(listing.c.model_id))
        .order_by(listing.c.model_id, validation_run.c.id.desc())
    )
    if model_ids is not None:
        found = found.where(listing.c.model_id.in_(model_ids))
    return {
        row.model_id: Validation(
            row.model_id,
            row.version_id,
            row.id,
            row.state == RunState.PASSED.value,
            row.ended_at,
            msgspec.convert(row.checks, tuple[Check, ...]),
            msgspec.convert(row.timing, Timing),
            row.is_self_reviewed,
            row.version or "",
            row.is_running,
        )
        for row in tx.execute(found)
    }


def read_validation(tx: Connection, model_id: str) -> Validation | None:
    """Return what the card of a model shows; None for one that came by no listing."""
    return read_validations(tx, [model_id]).get(model_id)
