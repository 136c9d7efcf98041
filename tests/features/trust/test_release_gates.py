"""Nothing is listed or generally available that a gate keeps; a second person may waive one."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.features.redteam_parts import TARGET, a_spec, with_project
from tests.features.trust.conftest import ADA, EVE, GRACE, SMALL
from tradewind.core.acting import By
from tradewind.core.errors import Conflict, Forbidden, InvalidInput
from tradewind.features.catalog.lives import Lives
from tradewind.features.catalog.rules.lifecycle import Lifecycle
from tradewind.features.publishing.schemas import State
from tradewind.features.redteam.runs import Evidence as RunEvidence
from tradewind.features.redteam.runs import Runs
from tradewind.features.redteam.schemas import CampaignState
from tradewind.features.redteam.service import RedTeam
from tradewind.features.trust.errors import NotWaivable, ReleaseBlocked, SecondPerson
from tradewind.features.trust.schemas import (
    Gate,
    GateState,
    Release,
    ReleaseRules,
    SubjectKind,
    WaiverState,
)
from tradewind.plugins.redteam.base import Attacked
from tradewind.plugins.redteam.registry import red_team_tools
from tradewind.serve.trust import gate_of

pytestmark = pytest.mark.postgres


@pytest.fixture
def waive(do, trust, operator, clock):
    """Have a gate waived: asked for by one, granted by another."""

    def waive(gate, days=10):
        asked = do(
            trust.waivers.ask,
            operator,
            ADA,
            SMALL,
            gate,
            reason="the fair",
            expires_at=clock.now() + timedelta(days=days),
        )
        return do(trust.waivers.decide, operator, GRACE, asked.waiver_id, grants=True)

    return waive


@pytest.fixture
def send_back(do, publishing, operator):
    return lambda row: do(publishing.listings.send_back, operator, GRACE, row.listing_id, "why?")


def test_a_listing_without_an_assessment_is_refused_and_told_what_is_missing(
    do, publishing, operator, approve, in_review
):
    row = in_review()
    with pytest.raises(ReleaseBlocked) as refused:
        approve(row)

    assert "2 gates are not passed: assessment: impact assessment: there is none" in str(
        refused.value
    )
    assert "restricted use" in str(refused.value)
    after = do(publishing.listings.get_listing, operator, row.listing_id)
    assert after.row.state is State.IN_REVIEW


def test_with_its_assessment_it_is_listed_as_a_preview(do, services, approve, in_review, assessed):
    row = in_review()
    assessed()

    assert approve(row).state is State.LISTED
    life, _ = do(services.lives.show, "acme/small")
    assert life.state is Lifecycle.PREVIEW


def test_a_changed_intended_use_asks_for_another_assessment(
    approve, send_back, in_review, assessed
):
    row = in_review()
    assessed()
    send_back(row)
    changed = in_review(intended_use="Diagnoses.", version="2.0")

    with pytest.raises(ReleaseBlocked, match="the intended use has changed"):
        approve(changed)


def test_a_waiver_of_a_second_person_lets_it_through_for_a_time(
    approve, in_review, handed_in, waive, clock
):
    row = in_review()
    handed_in()
    waive(Gate.ASSESSMENT, days=10)
    clock.turn(days=10)
    with pytest.raises(ReleaseBlocked, match="0 of 1 approvals are given"):
        approve(row)

    waive(Gate.ASSESSMENT)

    assert approve(row).state is State.LISTED


def test_a_report_says_who_waived_what(do, trust, operator, draft, waive):
    draft()
    granted = waive(Gate.RED_TEAM)
    report = do(trust.releases.report, operator, SMALL, Release.GA)
    [waived] = [each for each in report.results if each.gate is Gate.RED_TEAM]
    assert (waived.state, waived.evidence) == (GateState.WAIVED, granted.waiver_id)
    assert "waived by Grace" in waived.detail
    assert waived not in report.open


def test_who_asks_for_a_waiver_does_not_grant_it(do, trust, operator, draft, clock):
    draft()
    asked = do(
        trust.waivers.ask,
        operator,
        ADA,
        SMALL,
        Gate.RED_TEAM,
        reason="the fair",
        expires_at=clock.now() + timedelta(days=1),
    )
    with pytest.raises(SecondPerson):
        do(trust.waivers.decide, operator, ADA, asked.waiver_id, grants=True)
    assert do(trust.waivers.queue, operator) == [asked]


def test_a_waiver_ends_by_being_revoked(do, trust, operator, draft, waive):
    draft()
    granted = waive(Gate.RED_TEAM)
    revoked = do(trust.waivers.revoke, operator, EVE, granted.waiver_id, "too risky")

    assert revoked.state is WaiverState.REVOKED
    report = do(trust.releases.report, operator, SMALL, Release.GA)
    assert Gate.RED_TEAM in {each.gate for each in report.open}
    with pytest.raises(Conflict, match="nothing to revoke"):
        do(trust.waivers.revoke, operator, EVE, granted.waiver_id, "again")
    moves = [each.move for each in do(trust.subjects.trail, operator, SMALL)]
    assert moves == [
        "waiver of red_team revoked",
        "waiver of red_team granted",
        "waiver of red_team asked for",
    ]


def test_no_waiver_is_asked_for_what_is_ruled_out_or_for_ever(do, trust, operator, draft, clock):
    draft()

    def ask(gate, days):
        do(
            trust.waivers.ask,
            operator,
            ADA,
            SMALL,
            gate,
            reason="why",
            expires_at=clock.now() + timedelta(days=days),
        )

    with pytest.raises(NotWaivable):
        ask(Gate.RESTRICTED_USE, 1)
    for days in (0, -1, 91):
        with pytest.raises(InvalidInput, match="within 90 days"):
            ask(Gate.RED_TEAM, days)


@pytest.fixture
def go_ga(do, trust, operator, clock):
    """Have the listed model become generally available."""
    lives = Lives(clock, lambda *_: [], gate_of(trust, SubjectKind.MODEL, Release.GA))
    return lambda: do(lives.move, operator, "acme/small", Lifecycle.GA)


def test_general_availability_needs_a_campaign(approve, in_review, assessed, go_ga, waive):
    row = in_review()
    assessed()
    approve(row)

    with pytest.raises(ReleaseBlocked, match="red team: it was never red-teamed"):
        go_ga()
    waive(Gate.RED_TEAM)
    assert go_ga().state is Lifecycle.GA


def test_the_rules_are_the_platforms_to_change_a_version_at_a_time(
    do, trust, operator, approve, in_review
):
    row = in_review()
    assert do(trust.releases.rules).version == 0
    with pytest.raises(InvalidInput, match=r"asr_limits\.hate"):
        do(
            trust.releases.set_rules,
            operator,
            ADA,
            ReleaseRules(asr_limits={"hate": 1001}),
            reason="x",
        )

    changed = do(
        trust.releases.set_rules, operator, ADA, ReleaseRules(listing=()), reason="ours alone"
    )

    assert (changed.version, changed.made_by, changed.reason) == (1, "Ada", "ours alone")
    with pytest.raises(Conflict, match="version 1"):
        do(trust.releases.set_rules, operator, ADA, ReleaseRules(), reason="back", version=0)
    assert approve(row).state is State.LISTED


def test_nobody_else_changes_the_rules(do, trust, person):
    stranger = person(is_operator=False)
    with pytest.raises(Forbidden):
        do(trust.releases.set_rules, stranger, EVE, ReleaseRules(listing=()), reason="mine")


@pytest.fixture
def attacked(do, clock):
    """Put a campaign against the model on record, of somebody's organization."""

    def attacked(actor, hits, harm="hate"):
        clock.turn(minutes=1)
        runs = Runs(clock, find_target)
        red_team = RedTeam(clock, red_team_tools(), find_target, Path("/nonexistent"))
        by, spec = By("user_ada", "Ada"), a_spec(target="acme/small")
        campaign_id = do(red_team.begin, actor, by, "First", spec).campaign_id
        do(runs.claim)
        do(runs.note_plan, campaign_id, 30, "fake 1")
        found = [_attack(number, harm, succeeds=number < hits) for number in range(30)]
        do(runs.note_attacks, campaign_id, found, 600)
        evidence = RunEvidence("ab" * 32, 4096)
        do(runs.settle, campaign_id, CampaignState.COMPLETED, evidence=evidence)

    return attacked


def find_target(_tx, name, _organization_id):
    return TARGET._replace(name=name)


def _attack(number, harm, *, succeeds):
    return Attacked(
        key=str(number),
        harm=harm,
        strategy="prompt_sending",
        converter="none",
        is_filtered=True,
        outcome="success" if succeeds else "failure",
        turns=1,
        tokens=20,
        milliseconds=300,
        conversation=f"c-{number}",
    )


def test_a_campaign_of_the_publisher_counts_and_a_strangers_does_not(
    *, do, trust, operator, person, handed_in, attacked, database
):
    handed_in()

    def state():
        report = do(trust.releases.report, operator, SMALL, Release.GA)
        return next(each.state for each in report.results if each.gate is Gate.RED_TEAM)

    attacked(with_project(database, person(is_operator=False)), hits=0)
    assert state() is GateState.MISSING
    attacked(with_project(database, operator), hits=6)
    assert state() is GateState.PASSED
    attacked(operator, hits=7)
    assert state() is GateState.FAILED


def test_who_asked_what_is_harmless_shows_it_and_takes_nothing_from_the_attacks_before(
    *, do, trust, operator, handed_in, attacked, database
):
    handed_in()
    rules = ReleaseRules(ga=(Gate.RED_TEAM, Gate.OVER_REFUSAL))
    do(trust.releases.set_rules, operator, ADA, rules, reason="both")

    def states():
        report = do(trust.releases.report, operator, SMALL, Release.GA)
        return [each.state for each in report.results]

    attacked(with_project(database, operator), hits=0)
    assert states() == [GateState.PASSED, GateState.MISSING]
    attacked(operator, hits=30, harm="harmless")
    assert states() == [GateState.PASSED, GateState.PASSED]
    attacked(operator, hits=20, harm="harmless")
    assert states() == [GateState.PASSED, GateState.FAILED]
