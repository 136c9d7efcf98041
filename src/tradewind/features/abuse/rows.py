"""Rows of the database as what abuse hands out."""

from typing import Any

import msgspec
from sqlalchemy import Row

from tradewind.core.ids import (
    AbuseCaseId,
    AppealId,
    IncidentId,
    KillSwitchId,
    LookGrantId,
    OptOutId,
    OrganizationId,
    request_id,
)
from tradewind.features.abuse.schemas import (
    AppealRow,
    AppealState,
    CaseRow,
    CaseState,
    Evidence,
    FeedbackFlag,
    FeedbackRow,
    GrantRow,
    IncidentRow,
    KillSwitchRow,
    LastToken,
    Level,
    OptOutRow,
    OptOutState,
    Rating,
    Standing,
    TrailRow,
)

THE_PLATFORM = "the platform"


def standing(row: Row[Any]) -> Standing:
    return Standing(
        organization_id=OrganizationId(row.organization_id),
        key_id=row.key_id,
        score=row.score,
        level=Level(row.level),
        evidence=msgspec.convert(row.evidence, Evidence),
        computed_at=row.computed_at,
        since=row.since,
    )


def case_row(row: Row[Any], organization_name: str = "") -> CaseRow:
    return CaseRow(
        case_id=AbuseCaseId(row.id),
        organization_id=OrganizationId(row.organization_id),
        key_id=row.key_id,
        state=CaseState(row.state),
        level=Level(row.level),
        score=row.score,
        evidence=msgspec.convert(row.evidence, Evidence),
        opened_at=row.opened_at,
        opened_by=row.opened_by,
        reason=row.reason,
        looked_by=row.looked_by,
        notice=row.notice,
        noticed_by_id=row.noticed_by_id,
        proposed_by_id=row.proposed_by_id,
        proposed_by=row.proposed_by,
        proposed_reason=row.proposed_reason,
        suspended_by_id=row.suspended_by_id,
        suspended_at=row.suspended_at,
        suspension_reason=row.suspension_reason,
        closed_at=row.closed_at,
        outcome=row.outcome,
        organization_name=organization_name,
    )


def grant_row(row: Row[Any]) -> GrantRow:
    return GrantRow(
        LookGrantId(row.id),
        AbuseCaseId(row.case_id),
        OrganizationId(row.organization_id),
        row.granted_to_id,
        row.granted_to,
        row.reason,
        row.granted_at,
        row.expires_at,
    )


def appeal_row(row: Row[Any]) -> AppealRow:
    return AppealRow(
        appeal_id=AppealId(row.id),
        case_id=AbuseCaseId(row.case_id),
        organization_id=OrganizationId(row.organization_id),
        state=AppealState(row.state),
        reason=row.reason,
        made_by_id=row.made_by_id,
        made_by=row.made_by,
        made_at=row.made_at,
        decided_at=row.decided_at,
        decision_reason=row.decision_reason,
    )


def opt_out_row(row: Row[Any]) -> OptOutRow:
    return OptOutRow(
        opt_out_id=OptOutId(row.id),
        organization_id=OrganizationId(row.organization_id),
        state=OptOutState(row.state),
        terms=row.terms,
        terms_sha256=row.terms_sha256,
        reason=row.reason,
        signed_by_id=row.signed_by_id,
        signed_by=row.signed_by,
        signed_at=row.signed_at,
        expires_at=row.expires_at,
        countersigned_by=row.countersigned_by,
        decided_at=row.decided_at,
        decision_reason=row.decision_reason,
    )


def trail_row(row: Row[Any], *, names_reviewers: bool) -> TrailRow:
    """An organization reads what was done, not which of the platform's people did it."""
    is_hidden = row.is_by_platform and not names_reviewers
    by = THE_PLATFORM if is_hidden else row.by_name
    return TrailRow(row.number, row.subject, row.at, row.move, by, row.detail)


def incident_row(row: Row[Any]) -> IncidentRow:
    return IncidentRow(
        incident_id=IncidentId(row.id),
        severity=row.severity,
        title=row.title,
        description=row.description,
        affected=tuple(row.affected),
        opened_at=row.opened_at,
        opened_by=row.opened_by,
        closed_at=row.closed_at,
        postmortem=row.postmortem,
    )


def switch_row(row: Row[Any], last_token: LastToken) -> KillSwitchRow:
    return KillSwitchRow(
        switch_id=KillSwitchId(row.id),
        endpoint_id=row.endpoint_id,
        endpoint=row.endpoint,
        incident_id=None if row.incident_id is None else IncidentId(row.incident_id),
        reason=row.reason,
        stopped_at=row.stopped_at,
        stopped_by=row.stopped_by,
        lifted_at=row.lifted_at,
        lifted_by=row.lifted_by,
        last_token=last_token,
    )


def feedback_row(row: Row[Any]) -> FeedbackRow:
    return FeedbackRow(
        request_id=request_id(row.event_id.bytes),
        key_id=row.key_id,
        model=row.model,
        rating=Rating(row.rating),
        flags=tuple(FeedbackFlag(flag) for flag in row.flags),
        comment=row.comment,
        at=row.at,
    )
