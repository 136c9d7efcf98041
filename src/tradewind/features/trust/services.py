"""The services of trust, built together."""

from typing import NamedTuple, Self

from tradewind.core.clock import Clock
from tradewind.features.trust.assessments import Assessments
from tradewind.features.trust.notes import Notes
from tradewind.features.trust.ports import FindEvidence, FindNoteFacts, FindSubject
from tradewind.features.trust.releases import Releases
from tradewind.features.trust.subjects import Subjects
from tradewind.features.trust.waivers import Waivers


class TrustServices(NamedTuple):
    subjects: Subjects
    releases: Releases
    assessments: Assessments
    waivers: Waivers
    notes: Notes

    @classmethod
    def build(
        cls,
        clock: Clock,
        find_subject: FindSubject,
        find_evidence: FindEvidence,
        find_facts: FindNoteFacts,
        *,
        allows_self_review: bool = False,
    ) -> Self:
        subjects = Subjects(find_subject, clock)
        return cls(
            subjects,
            Releases(subjects, find_evidence, clock),
            Assessments(subjects, find_evidence, clock, allows_self_review=allows_self_review),
            Waivers(subjects, clock, allows_self_review=allows_self_review),
            Notes(subjects, find_facts, clock),
        )
