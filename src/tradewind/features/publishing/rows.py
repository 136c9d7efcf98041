"""Rows of the database as what publishing hands out."""

from typing import Any

import msgspec
from sqlalchemy import Row

from tradewind.core.acting import By
from tradewind.core.ids import (
    ListingId,
    ModelId,
    ModelVersionId,
    OrganizationId,
    PublisherApplicationId,
    ValidationRunId,
)
from tradewind.features.publishing import rules
from tradewind.features.publishing.schemas import (
    ApplicationRow,
    ApplicationState,
    Check,
    Content,
    EventRow,
    ListingRow,
    Move,
    RunRow,
    RunState,
    State,
    Timing,
)


def application_row(row: Row[Any]) -> ApplicationRow:
    state = ApplicationState(row.state)
    return ApplicationRow(
        application_id=PublisherApplicationId(row.id),
        organization_id=OrganizationId(row.organization_id),
        slug=row.slug,
        name=row.name,
        website=row.website,
        contact=row.contact,
        proof=row.proof,
        state=state,
        reason=row.reason,
        proof_error=row.proof_error,
        # What is verified is looked for every day, which is nothing to wait for.
        is_proof_due=row.proof_due_at is not None and state is not ApplicationState.VERIFIED,
        created_by=row.created_by,
        created_at=row.created_at,
        decided_by=row.decided_by,
        decided_at=row.decided_at,
        challenge=_challenge_of(row.website),
        missing_since=row.missing_since,
    )


def _challenge_of(website: str) -> str | None:
    try:
        return rules.challenge_of(website)
    except ValueError:
        return None  # kept by an older release that took more


def listing_row(row: Row[Any], last_run: Row[Any] | None = None, reason: str = "") -> ListingRow:
    submitted_by = None
    if row.submitted_by is not None:
        submitted_by = By(row.submitted_by, row.submitted_by_name or "")
    return ListingRow(
        listing_id=ListingId(row.id),
        organization_id=OrganizationId(row.organization_id),
        publisher=row.publisher_slug,
        slug=row.slug,
        state=State(row.state),
        content=content_of(row.content),
        revision=row.revision,
        model_id=None if row.model_id is None else ModelId(row.model_id),
        version_id=None if row.version_id is None else ModelVersionId(row.version_id),
        created_by=By(row.created_by, row.created_by_name),
        submitted_by=submitted_by,
        created_at=row.created_at,
        updated_at=row.updated_at,
        last_run=None if last_run is None else run_row(last_run),
        reason=reason,
        is_self_reviewed=row.is_self_reviewed,
    )


def run_row(row: Row[Any]) -> RunRow:
    return RunRow(
        run_id=ValidationRunId(row.id),
        listing_id=ListingId(row.listing_id),
        state=RunState(row.state),
        stage=row.stage,
        checks=checks_of(row.checks),
        timing=timing_of(row.timing),
        is_scheduled=row.is_scheduled,
        is_cancel_asked=row.is_cancel_asked,
        created_at=row.created_at,
        ended_at=row.ended_at,
    )


def event_row(row: Row[Any]) -> EventRow:
    return EventRow(
        at=row.at,
        move=Move(row.move),
        former=State(row.former),
        state=State(row.state),
        by=By(row.by_id, row.by_name),
        reason=row.reason,
        is_self_review=row.is_self_review,
    )


def content_of(stored: object) -> Content:
    return msgspec.convert(stored, Content)


def checks_of(stored: object) -> tuple[Check, ...]:
    return msgspec.convert(stored, tuple[Check, ...])


def timing_of(stored: object) -> Timing:
    return msgspec.convert(stored, Timing)
