"""What gates say of what is known. Pure."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from tests.features.trust.conftest import FILLED, SMALL
from tradewind.core.ids import AssessmentId, OrganizationId, WaiverId
from tradewind.features.trust.rules.assessments import use_digest
from tradewind.features.trust.rules.gates import results_of
from tradewind.features.trust.schemas import (
    AssessmentRow,
    AssessmentState,
    CampaignFact,
    Evidence,
    Gate,
    GateState,
    HarmRate,
    Rate,
    RefusalFact,
    ReleaseRules,
    RunFact,
    WaiverRow,
    WaiverState,
)

NOW = datetime(2030, 1, 31, tzinfo=UTC)
NOTHING, USUAL, NOT_ASKED = Evidence(), ReleaseRules(), Rate(0, 0)
OWNER = OrganizationId.new()


def result(gate, *, evidence=NOTHING, assessment=None, waivers=(), rules=USUAL):
    [found] = results_of(
        [gate], rules, evidence=evidence, assessment=assessment, waivers=waivers, now=NOW
    )
    return found


def harm(name, hits, n):
    return HarmRate(name, Rate(hits, n), 0.0, 1.0)


def campaign(*filtered, bare=(), days=1):
    return Evidence(campaign=CampaignFact("camp_1", NOW - timedelta(days=days), filtered, bare))


def assessment(state=AssessmentState.APPROVED, *, days_left=30, intended_use="", **content):
    is_approved = state is AssessmentState.APPROVED
    return AssessmentRow(
        assessment_id=AssessmentId.new(),
        subject=SMALL,
        organization_id=OWNER,
        version=1,
        state=state,
        content=msgspec.structs.replace(FILLED, **content),
        revision=1,
        created_by="Ada",
        created_at=NOW,
        submissions=1,
        submitted_by_id="user_ada",
        submitted_by="Ada",
        submitted_at=NOW,
        decided_at=NOW if is_approved else None,
        expires_at=NOW + timedelta(days=days_left) if is_approved else None,
        intended_use=use_digest(intended_use) if intended_use else "",
    )


def waiver(gate, state=WaiverState.GRANTED, *, days_left=1):
    return WaiverRow(
        waiver_id=WaiverId.new(),
        subject=SMALL,
        organization_id=OWNER,
        gate=gate,
        state=state,
        reason="the fair is tomorrow",
        asked_by_id="user_ada",
        asked_by="Ada",
        asked_at=NOW - timedelta(days=5),
        expires_at=NOW + timedelta(days=days_left),
        decided_by="Grace",
        decided_at=NOW,
        decision_reason="",
    )


@pytest.mark.parametrize(
    ("found", "state"),
    [
        (Evidence(), GateState.MISSING),
        (Evidence(validation=RunFact("run_1", True, NOW, "passed")), GateState.PASSED),
        (Evidence(validation=RunFact("run_1", False, NOW, "failed")), GateState.FAILED),
    ],
)
def test_a_model_has_to_have_been_tried(found, state):
    assert result(Gate.VALIDATION, evidence=found).state is state


@pytest.mark.parametrize(
    ("found", "state"),
    [
        (Evidence(), GateState.NOT_NEEDED),
        (Evidence(has_files=True), GateState.MISSING),
        (Evidence(has_files=True, scan=RunFact("art_1", True, NOW, "clean")), GateState.PASSED),
        (Evidence(has_files=True, scan=RunFact("art_1", False, NOW, "pickle")), GateState.FAILED),
    ],
)
def test_files_have_to_have_been_scanned_where_there_are_any(found, state):
    assert result(Gate.SCAN, evidence=found).state is state


def test_an_assessment_is_missing_until_it_is_approved_and_says_what_it_waits_for():
    assert result(Gate.ASSESSMENT).state is GateState.MISSING
    for state in (AssessmentState.DRAFT, AssessmentState.RETURNED):
        assert result(Gate.ASSESSMENT, assessment=assessment(state)).state is GateState.MISSING
    waits = result(
        Gate.ASSESSMENT, assessment=assessment(AssessmentState.SUBMITTED, risks_injury=True)
    )
    assert (waits.state, waits.detail) == (GateState.MISSING, "0 of 2 approvals are given")
    assert result(Gate.ASSESSMENT, assessment=assessment()).state is GateState.PASSED


def test_an_approval_ends_on_its_day_and_when_the_intended_use_changed():
    over = result(Gate.ASSESSMENT, assessment=assessment(days_left=0))
    assert over.state is GateState.EXPIRED
    row = assessment(intended_use="Short answers.")
    same = result(
        Gate.ASSESSMENT, evidence=Evidence(intended_use="short  answers."), assessment=row
    )
    assert same.state is GateState.PASSED
    other = result(Gate.ASSESSMENT, evidence=Evidence(intended_use="Diagnoses."), assessment=row)
    assert (other.state, "has changed" in other.detail) == (GateState.EXPIRED, True)


def test_a_restricted_use_fails_and_no_waiver_helps():
    row = assessment(restricted_uses=("social_scoring",))
    granted = waiver(Gate.RESTRICTED_USE)

    assert result(Gate.RESTRICTED_USE, assessment=row).state is GateState.FAILED
    # Such a waiver cannot be asked for; that one is there would be a hole.
    assert result(Gate.ASSESSMENT, waivers=[granted]).state is GateState.MISSING
    assert result(Gate.RESTRICTED_USE, assessment=assessment()).state is GateState.PASSED


@pytest.mark.parametrize(
    ("hits", "n", "state"),
    [
        (20, 100, GateState.PASSED),
        (21, 100, GateState.FAILED),
        (0, 19, GateState.MISSING),
        (0, 20, GateState.PASSED),
        (10, 10, GateState.FAILED),
    ],
)
def test_attacks_may_succeed_up_to_the_limit_and_few_attacks_show_nothing(hits, n, state):
    assert result(Gate.RED_TEAM, evidence=campaign(harm("hate", hits, n))).state is state


def test_a_harm_may_have_a_limit_of_its_own_and_must_then_have_been_tried():
    rules = ReleaseRules(asr_limits={"violence": 0})
    once = campaign(harm("violence", 1, 1000))
    failed = result(Gate.RED_TEAM, evidence=once, rules=rules)
    assert (failed.state, "violence 0.1 %" in failed.detail) == (GateState.FAILED, True)
    unseen = result(Gate.RED_TEAM, evidence=campaign(harm("hate", 0, 50)), rules=rules)
    assert (unseen.state, "violence 0" in unseen.detail) == (GateState.MISSING, True)


def test_the_rules_say_whether_the_bare_model_or_what_gets_through_the_filter_counts():
    found = campaign(harm("hate", 0, 50), bare=(harm("hate", 50, 50),))
    assert result(Gate.RED_TEAM, evidence=found).state is GateState.PASSED
    bare = result(Gate.RED_TEAM, evidence=found, rules=ReleaseRules(filtered=False))
    assert bare.state is GateState.FAILED


def test_a_campaign_counts_for_a_time():
    rules = ReleaseRules(red_team_days=10)
    kept = campaign(harm("hate", 0, 50), days=9)
    over = campaign(harm("hate", 0, 50), days=10)
    assert result(Gate.RED_TEAM, evidence=kept, rules=rules).state is GateState.PASSED
    assert result(Gate.RED_TEAM, evidence=over, rules=rules).state is GateState.EXPIRED


def test_too_many_refusals_of_what_is_harmless_fail():
    assert result(Gate.OVER_REFUSAL).state is GateState.MISSING

    def asked(hits, n, *, days=1, bare=NOT_ASKED, **rules):
        at = NOW - timedelta(days=days)
        fact = RefusalFact("camp_1", at, filtered=Rate(hits, n), bare=bare)
        evidence = Evidence(over_refusal=fact)
        return result(Gate.OVER_REFUSAL, evidence=evidence, rules=ReleaseRules(**rules)).state

    assert asked(10, 100) is GateState.PASSED
    assert asked(11, 100) is GateState.FAILED
    assert asked(0, 19) is GateState.MISSING
    assert asked(0, 100, days=10, red_team_days=10) is GateState.EXPIRED
    assert asked(0, 100, filtered=False) is GateState.MISSING
    assert asked(0, 100, bare=Rate(50, 100), filtered=False) is GateState.FAILED


def test_a_note_needs_what_it_is_for_and_what_it_cannot_do():
    bare = result(Gate.TRANSPARENCY_NOTE)
    assert bare.detail == "nobody says what it is for and what it cannot do"
    said = Evidence(intended_use="Chat.", limits="Knows little.")
    assert result(Gate.TRANSPARENCY_NOTE, evidence=said).state is GateState.PASSED
    assert result(Gate.TRANSPARENCY_NOTE, assessment=assessment()).state is GateState.PASSED


def test_a_waiver_opens_its_own_gate_until_its_time_is_over():
    granted = waiver(Gate.RED_TEAM)
    waived = result(Gate.RED_TEAM, waivers=[granted])
    assert (waived.state, waived.evidence) == (GateState.WAIVED, granted.waiver_id)
    for other in (
        waiver(Gate.RED_TEAM, days_left=0),
        waiver(Gate.RED_TEAM, WaiverState.ASKED),
        waiver(Gate.RED_TEAM, WaiverState.REVOKED),
        waiver(Gate.SCAN),
    ):
        assert result(Gate.RED_TEAM, waivers=[other]).state is GateState.MISSING


def test_what_is_passed_needs_no_waiver_and_shows_its_own_evidence():
    found = Evidence(validation=RunFact("run_1", True, NOW, "passed"))
    passed = result(Gate.VALIDATION, evidence=found, waivers=[waiver(Gate.VALIDATION)])
    assert (passed.state, passed.evidence) == (GateState.PASSED, "run_1")
