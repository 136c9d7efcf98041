"""How much was found, as a number: the rule, and who is put before a person."""

import threading
from datetime import timedelta

import pytest

from tests.features.abuse.conftest import ADA
from tradewind.core.errors import Forbidden, NotFound
from tradewind.core.ids import OrganizationId
from tradewind.features.abuse.rules.scoring import level_of, score_key, score_organization
from tradewind.features.abuse.schemas import CaseState, Found, Level, Window
from tradewind.worker.abuse import score_everybody


def calls(count, key_id="k"):
    return Found(key_id, "", "", "", count, count, count, 1)


def flagged(count, category="jailbreak", direction="prompt", band="high", key_id="k"):
    return Found(key_id, category, direction, band, count, count, count, 1)


# --- the rule ----------------------------------------------------------------------------------


def test_fifty_jailbreaks_in_an_hour_are_severe_and_recurring():
    scored = score_key([calls(60), flagged(50)])
    assert scored.level is Level.SEVERE
    assert scored.evidence.patterns == ("jailbreak in prompts again and again, in 1 hour",)
    assert [each.window for each in scored.evidence.windows] == list(Window)
    assert scored.evidence.windows[0].flagged == 50
    assert scored.evidence.categories[0].high == 50


def test_false_alarms_that_are_to_be_expected_are_no_abuse():
    assert score_key([calls(10_000), flagged(30)]).score == 0
    assert score_key([calls(200), flagged(30)]).level is not Level.OK


@pytest.mark.parametrize(
    ("category", "direction"),
    [
        ("pii", "prompt"),
        ("secret", "completion"),
        ("blocklist", "prompt"),
        ("indirect_attack", "document"),
        ("jailbreak", "document"),
        ("self_harm", "prompt"),
    ],
)
def test_what_is_done_to_nobody_else_is_not_counted(category, direction):
    scored = score_key([calls(60), flagged(50, category, direction)])
    assert (scored.score, scored.evidence.categories) == (0, ())


def test_what_a_model_says_weighs_less_than_what_it_is_asked():
    asked = score_key([flagged(8, "hate", "prompt")])
    said = score_key([flagged(8, "hate", "completion")])
    assert asked.score == 2 * said.score > 0


def test_bands_weigh_what_they_say():
    scores = [
        score_key([flagged(9, band=band)]).score for band in ("safe", "low", "medium", "high")
    ]
    assert scores == sorted(scores)
    assert scores[0] == 0


def test_more_of_it_never_lowers_a_score():
    scores = [score_key([calls(100), flagged(count)]).score for count in range(60)]
    assert scores == sorted(scores)


def test_many_small_keys_of_one_organization_are_a_pattern():
    rows = [flagged(4, key_id=f"k{number}") for number in range(5)]
    alone = score_organization(rows, flagged_keys=0)
    together = score_organization(rows, flagged_keys=5)
    assert together.score == alone.score * 3 // 2
    assert "5 keys of the organization at once" in together.evidence.patterns


def test_levels_begin_at_their_limits():
    assert [level_of(score) for score in (0, 39, 40, 99, 100, 299, 300)] == [
        Level.OK,
        Level.OK,
        Level.WATCH,
        Level.WATCH,
        Level.REVIEW,
        Level.REVIEW,
        Level.SEVERE,
    ]


# --- on a database -----------------------------------------------------------------------------


def test_an_abuser_is_put_before_a_person_and_told(*, do, abuse, operator, customer, case, told):
    assert (case.state, case.level) == (CaseState.OPEN, Level.SEVERE)
    assert do(abuse.cases.queue, operator)[0].case_id == case.case_id
    [(kind, organization_id, payload)] = told()
    assert (kind, organization_id) == ("abuse.case_opened", customer.organization_id)
    assert payload["case"] == case.case_id
    own, of_key = do(abuse.scoring.own, customer)
    assert (own.key_id, own.level) == ("", Level.SEVERE)
    assert (of_key.key_id, of_key.score) == (case.key_id, case.score)


def test_scoring_again_opens_nothing_twice(do, abuse, customer, case, told):
    do(abuse.scoring.score, customer.organization_id)
    assert len(do(abuse.cases.list_own, customer)) == 1
    assert len(told()) == 1


def test_a_red_team_key_is_never_counted(do, abuse, customer, make_key, found):
    found(make_key("exercise", "red_team"), 500)
    do(abuse.scoring.score, customer.organization_id)
    assert do(abuse.cases.list_own, customer) == []
    assert [row.score for row in do(abuse.scoring.own, customer)] == [0]


def test_use_that_is_spread_over_keys_is_a_case_of_the_organization(
    do, abuse, customer, make_key, found
):
    for _ in range(6):
        found(make_key(), 9)
    do(abuse.scoring.score, customer.organization_id)
    [row] = do(abuse.cases.list_own, customer)
    assert row.key_id == ""
    assert row.evidence.flagged_keys == 6


def test_what_was_judged_is_not_judged_again(*, do, abuse, clock, operator, customer, case, found):
    do(abuse.cases.close, operator, ADA, case.case_id, "a test of theirs")
    do(abuse.scoring.score, customer.organization_id)
    assert [row.state for row in do(abuse.cases.list_own, customer)] == [CaseState.CLOSED]
    clock.turn(hours=1)
    found(case.key_id, 50)
    do(abuse.scoring.score, customer.organization_id)
    assert [row.state for row in do(abuse.cases.list_own, customer)] == [
        CaseState.OPEN,
        CaseState.CLOSED,
    ]


def test_a_week_later_it_is_forgotten(do, abuse, clock, customer, case):
    clock.turn(days=8)
    do(abuse.scoring.score, customer.organization_id)
    [own] = do(abuse.scoring.own, customer)
    assert (own.score, own.level) == (0, Level.OK)


def test_one_worker_makes_the_pass_of_an_hour(
    *, database, do, abuse, clock, customer, make_key, found
):
    found(make_key(), 50)
    stop = threading.Event()
    assert score_everybody(database, abuse.scoring, stop) == 1
    assert score_everybody(database, abuse.scoring, stop) == 0
    assert len(do(abuse.cases.list_own, customer)) == 1
    clock.turn(hours=1)
    assert score_everybody(database, abuse.scoring, stop) == 1
    clock.turn(days=30)
    assert score_everybody(database, abuse.scoring, stop) == 1, "old scores are made anew too"


def test_a_pass_that_a_dead_worker_left_is_made_again(do, abuse, clock):
    assert do(abuse.scoring.begin_pass)
    assert not do(abuse.scoring.begin_pass)
    clock.turn(minutes=1)
    assert not do(abuse.scoring.begin_pass)


def test_scores_of_others_are_for_reviewers(*, do, abuse, operator, customer, viewer, case):
    organization_id = customer.organization_id
    assert do(abuse.scoring.ask, operator, organization_id)[0].score == case.score
    assert do(abuse.scoring.of, operator, organization_id)[0].score == case.score
    assert do(abuse.scoring.own, viewer)[0].score == case.score
    for act in (abuse.scoring.ask, abuse.scoring.of):
        with pytest.raises(Forbidden):
            do(act, customer, organization_id)
        for nobody in ("org_nobody", OrganizationId.new()):
            with pytest.raises(NotFound):
                do(act, operator, nobody)
    assert clock_is_kept(abuse, do, operator, organization_id)


def clock_is_kept(abuse, do, operator, organization_id):
    """Scores tell when they were made."""
    row = do(abuse.scoring.of, operator, organization_id)[0]
    return row.since <= row.computed_at < row.since + timedelta(seconds=1)
