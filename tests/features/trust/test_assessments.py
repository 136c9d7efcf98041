"""Impact assessments: who writes them, who decides, when they end."""

import msgspec
import pytest

from tests.features.trust.conftest import ADA, EVE, FILLED, GRACE, SMALL
from tradewind.core.errors import Forbidden, InvalidInput, NotFound, PreconditionFailed
from tradewind.features.trust.errors import AssessmentIncomplete, AssessmentMove, SecondPerson
from tradewind.features.trust.rules.assessments import PARTS, RESTRICTED_USES, absent
from tradewind.features.trust.schemas import Assessment, AssessmentState, Subject, SubjectKind

pytestmark = pytest.mark.postgres


def test_the_form_has_every_field_once():
    assert sorted(name for _, names in PARTS for name in names) == sorted(
        Assessment.__struct_fields__
    )


@pytest.mark.parametrize(
    "name", ["system_name", "purpose", "limitations", "misuse_impact", "disclosure"]
)
def test_what_is_empty_is_named(name):
    assert absent(msgspec.structs.replace(FILLED, **{name: "  "})) == (name,)


def test_the_fields_of_each_use_are_named_too():
    use = msgspec.structs.replace(FILLED.intended_uses[0], harms="")
    found = absent(msgspec.structs.replace(FILLED, intended_uses=(use,)))
    assert found == ("intended_uses[1].harms",)
    assert absent(msgspec.structs.replace(FILLED, intended_uses=())) == ("intended_uses",)


def test_a_sensitive_use_has_to_be_explained():
    assert absent(msgspec.structs.replace(FILLED, threatens_rights=True)) == ("sensitive_detail",)


def test_an_assessment_is_written_handed_in_and_approved(do, trust, operator, handed_in, draft):
    draft()
    row = handed_in()
    assert (row.state, row.version, row.submitted_by) == (AssessmentState.SUBMITTED, 1, "Ada")

    decided = do(
        trust.assessments.decide, operator, GRACE, row.assessment_id, approves=True, reason="fine"
    )

    assert decided.state is AssessmentState.APPROVED
    assert (decided.expires_at - decided.decided_at).days == 365
    trail = do(trust.subjects.trail, operator, SMALL)
    assert [(each.move, each.by) for each in trail] == [
        ("assessment approved", "Grace"),
        ("assessment handed in", "Ada"),
    ]


def test_beginning_twice_is_beginning_once_and_after_a_decision_another_version(
    do, trust, operator, assessed, draft
):
    draft()
    first = do(trust.assessments.begin, operator, ADA, SMALL)
    assert do(trust.assessments.begin, operator, ADA, SMALL) == first

    assessed()
    second = do(trust.assessments.begin, operator, ADA, SMALL)

    assert (second.version, second.state, second.content) == (2, AssessmentState.DRAFT, FILLED)


def test_who_hands_it_in_does_not_decide(do, trust, operator, handed_in, draft):
    draft()
    row = handed_in()
    with pytest.raises(SecondPerson, match="another person"):
        do(trust.assessments.decide, operator, ADA, row.assessment_id, approves=True, reason="x")


def test_a_sensitive_use_takes_two_people_who_are_not_one(do, trust, operator, handed_in, draft):
    draft()
    row = handed_in(risks_injury=True, sensitive_detail="A person watches.")

    once = do(
        trust.assessments.decide, operator, GRACE, row.assessment_id, approves=True, reason="fine"
    )
    assert once.state is AssessmentState.SUBMITTED
    with pytest.raises(SecondPerson, match="decided about this version already"):
        do(trust.assessments.decide, operator, GRACE, row.assessment_id, approves=True, reason="x")
    twice = do(
        trust.assessments.decide, operator, EVE, row.assessment_id, approves=True, reason="too"
    )

    assert twice.state is AssessmentState.APPROVED
    assert {each.by_name for each in twice.decisions} == {"Grace", "Eve"}


def test_one_who_objects_returns_it_and_both_decisions_stay(do, trust, operator, handed_in, clock):
    row = handed_in(risks_injury=True, sensitive_detail="A person watches.")
    do(trust.assessments.decide, operator, GRACE, row.assessment_id, approves=True, reason="fine")
    clock.turn(minutes=1)

    back = do(
        trust.assessments.decide, operator, EVE, row.assessment_id, approves=False, reason="who?"
    )

    assert back.state is AssessmentState.RETURNED
    assert [each.is_approval for each in back.decisions] == [True, False]
    again = do(trust.assessments.submit, operator, ADA, row.assessment_id)
    assert again.decisions == ()
    with pytest.raises(AssessmentMove):
        do(trust.assessments.save, operator, row.assessment_id, Assessment())


def test_a_restricted_use_is_not_approved(do, trust, operator, handed_in, draft):
    draft()
    row = handed_in(restricted_uses=(next(iter(RESTRICTED_USES)),))
    with pytest.raises(InvalidInput, match="ruled out"):
        do(trust.assessments.decide, operator, GRACE, row.assessment_id, approves=True, reason="x")


def test_what_is_not_complete_is_not_taken(do, trust, operator, draft):
    draft()
    row = do(trust.assessments.begin, operator, ADA, SMALL)
    with pytest.raises(AssessmentIncomplete, match="purpose"):
        do(trust.assessments.submit, operator, ADA, row.assessment_id)


@pytest.mark.parametrize(
    "changes",
    [
        {"purpose": "x" * 4_001},
        {"system_name": "x" * 201},
        {"purpose": "a\x00b"},
        {"restricted_uses": ("walking",)},
        {"intended_uses": FILLED.intended_uses * 21},
    ],
)
def test_what_cannot_be_kept_is_refused(do, trust, operator, draft, changes):
    draft()
    row = do(trust.assessments.begin, operator, ADA, SMALL)
    bad = msgspec.structs.replace(FILLED, **changes)
    with pytest.raises(InvalidInput):
        do(trust.assessments.save, operator, row.assessment_id, bad)


def test_a_change_by_somebody_else_is_not_written_over(do, trust, operator, draft):
    draft()
    row = do(trust.assessments.begin, operator, ADA, SMALL)
    do(trust.assessments.save, operator, row.assessment_id, FILLED, revision=row.revision)
    with pytest.raises(PreconditionFailed):
        do(trust.assessments.save, operator, row.assessment_id, Assessment(), revision=row.revision)


def test_others_neither_see_nor_begin_it(do, trust, operator, person, draft):
    draft()
    stranger = person(is_operator=False)
    row = do(trust.assessments.begin, operator, ADA, SMALL)

    with pytest.raises(NotFound):
        do(trust.assessments.begin, stranger, EVE, SMALL)
    with pytest.raises(NotFound):
        do(trust.assessments.get, stranger, row.assessment_id)
    with pytest.raises(Forbidden):
        do(trust.assessments.queue, stranger)
    with pytest.raises(NotFound):
        do(trust.assessments.begin, operator, ADA, Subject(SubjectKind.MODEL, "acme/none"))


def test_approvals_that_end_soon_are_listed_until_a_newer_one_is_there(
    do, trust, operator, assessed, clock
):
    assessed()
    assert do(trust.assessments.ending, operator, 30) == []

    clock.turn(days=340)
    assert [row.version for row in do(trust.assessments.ending, operator, 30)] == [1]
    assessed()
    assert do(trust.assessments.ending, operator, 30) == []
