"""Rows of the database as what trust hands out."""

from collections.abc import Iterable
from typing import Any

import msgspec
from sqlalchemy import Row

from tradewind.core.errors import InvalidInput
from tradewind.core.ids import AssessmentId, OrganizationId, WaiverId
from tradewind.features.trust.schemas import (
    Assessment,
    AssessmentRow,
    AssessmentState,
    Decision,
    Gate,
    NoteRow,
    ReleaseRules,
    RulesRow,
    Subject,
    SubjectKind,
    TrailRow,
    WaiverRow,
    WaiverState,
)

_NAME_MAX = 200


def parse_subject(text: str) -> Subject:
    """Raises InvalidInput for what is no `kind:name`."""
    kind, separator, name = text.partition(":")
    if not separator or not name or len(name) > _NAME_MAX or kind not in set(SubjectKind):
        kinds = ", ".join(f"{each.value}:…" for each in SubjectKind)
        raise InvalidInput(f"{text[:80]!r} names nothing that is released", hint=f"write {kinds}")
    return Subject(SubjectKind(kind), name)


def rules_row(row: Row[Any]) -> RulesRow:
    rules = msgspec.convert(row.content, ReleaseRules)
    return RulesRow(row.version, rules, row.made_by, row.made_at, row.reason)


def assessment_row(row: Row[Any], decisions: Iterable[Row[Any]] = ()) -> AssessmentRow:
    """`decisions` may be of all submissions; those of the last one count."""
    return AssessmentRow(
        assessment_id=AssessmentId(row.id),
        subject=parse_subject(row.subject),
        organization_id=OrganizationId(row.organization_id),
        version=row.version,
        state=AssessmentState(row.state),
        content=msgspec.convert(row.content, Assessment),
        revision=row.revision,
        created_by=row.created_by,
        created_at=row.created_at,
        submissions=row.submissions,
        submitted_by_id=row.submitted_by_id,
        submitted_by=row.submitted_by,
        submitted_at=row.submitted_at,
        decided_at=row.decided_at,
        expires_at=row.expires_at,
        intended_use=row.intended_use,
        decisions=tuple(
            Decision(each.by_id, each.by_name, each.is_approval, each.reason, each.at)
            for each in decisions
            if each.submission == row.submissions
        ),
    )


def waiver_row(row: Row[Any]) -> WaiverRow:
    return WaiverRow(
        waiver_id=WaiverId(row.id),
        subject=parse_subject(row.subject),
        organization_id=OrganizationId(row.organization_id),
        gate=Gate(row.gate),
        state=WaiverState(row.state),
        reason=row.reason,
        asked_by_id=row.asked_by_id,
        asked_by=row.asked_by,
        asked_at=row.asked_at,
        expires_at=row.expires_at,
        decided_by=row.decided_by,
        decided_at=row.decided_at,
        decision_reason=row.decision_reason,
    )


def note_row(row: Row[Any]) -> NoteRow:
    return NoteRow(parse_subject(row.subject), row.version, row.digest, row.markdown, row.made_at)


def trail_row(row: Row[Any]) -> TrailRow:
    return TrailRow(
        row.number, parse_subject(row.subject), row.at, row.move, row.by_name, row.detail
    )
