"""The pages of red teaming: a campaign is begun, followed, read, compared and repeated."""

from html import unescape

import pytest

from tests.plugins.redteam.evidence_parts import write_memory
from tradewind.core.acting import By
from tradewind.core.permissions import Role
from tradewind.features.redteam.runs import Evidence, Runs
from tradewind.features.redteam.schemas import CampaignState, Spec, TargetFacts
from tradewind.features.redteam.service import RedTeam
from tradewind.plugins.redteam.base import Attacked

pytestmark = pytest.mark.postgres


@pytest.fixture
def viewer(signed_in):
    return signed_in.viewer


@pytest.fixture
def red_team(world):
    return world.services.red_team


@pytest.fixture
def runs(world):
    return Runs(world.services.clock, lambda *_: TargetFacts("tw/small", "1", "USD", 1, 1))


@pytest.fixture
def do(world):
    def do(act, *arguments, **more):
        with world.database.transaction() as tx:
            return act(tx, *arguments, **more)

    return do


@pytest.fixture
def campaign(world, do, red_team, viewer):
    """Begin a campaign against a model that need not be there."""

    def begin(name="First"):
        known = RedTeam(
            world.services.clock,
            red_team.tools,
            lambda *_: TargetFacts("tw/small", "1", "USD", 10**9, 10**9),
            red_team.evidence_path("x").parent.parent,
        )
        spec = Spec(tool="fake", target="tw/small", datasets=("scripted",))
        return do(known.begin, viewer, By(viewer.user_id, "Ada"), name, spec).campaign_id

    return begin


def attacked(number, outcome, *, is_filtered=True, harm="hate"):
    return Attacked(
        key=f"{number}.{is_filtered}",
        harm=harm,
        strategy="prompt_sending",
        converter="none",
        is_filtered=is_filtered,
        outcome=outcome,
        turns=1,
        tokens=12,
        milliseconds=340,
        conversation=f"conversation-{number}",
    )


@pytest.fixture
def ended(do, runs, campaign):
    """A campaign that is over: half of its attacks succeed without the filter, none with it."""

    def end(name="First", outcomes=("success", "failure")):
        campaign_id = campaign(name)
        do(runs.claim)
        do(runs.note_plan, campaign_id, 4, "fake 1")
        lines = [
            *(attacked(i, "blocked") for i in range(2)),
            *(attacked(i, each, is_filtered=False) for i, each in enumerate(outcomes, 10)),
        ]
        do(runs.note_attacks, campaign_id, lines, 48)
        do(
            runs.settle,
            campaign_id,
            CampaignState.COMPLETED,
            evidence=Evidence("ab" * 32, 4096),
        )
        return campaign_id

    return end


def main_of(answer, status=200):
    assert answer.status_code == status, answer.text[-300:]
    return unescape(answer.text.split("<main", 1)[1])


def test_before_the_first_campaign_the_page_says_what_to_do(browser):
    assert "Nothing was attacked yet" in main_of(browser.get("/red-team"))


def test_a_campaign_under_way_shows_its_progress_and_looks_again(browser, campaign, do, runs):
    campaign_id = campaign()
    do(runs.claim)
    do(runs.note_plan, campaign_id, 4, "fake 1")
    do(runs.renew, campaign_id, "attacks")
    page = main_of(browser.get(f"/red-team/{campaign_id}"))
    assert "0 of 4 attacks" in page
    assert "hx-get" in page
    assert "Cancel" in page


def test_the_report_is_a_matrix_with_intervals_and_both_passes(browser, ended):
    page = main_of(browser.get(f"/red-team/{ended()}"))
    assert "4 of 4 attacks" in page
    assert "50%" in page
    assert "9–91" in page  # Wilson's interval of one of two
    assert "2 blocked" in page
    assert "Scorecard, filter on" in page


def test_attacks_are_listed_by_how_they_ended(browser, ended):
    campaign_id = ended()
    page = main_of(browser.get(f"/red-team/{campaign_id}?outcome=success"))
    assert page.count('<span class="badge badge-bad">Succeeded') == 1
    assert "Blocked</span>" not in page.split('id="attacks"', 1)[1]


def test_a_transcript_takes_a_reason_which_everybody_sees(browser, ended, viewer, red_team, do):
    campaign_id = ended()
    write_memory(
        red_team.evidence_path(campaign_id),
        {"conversation-10": [("user", "<b>bad words</b>"), ("assistant", "Sure")]},
    )
    number = next(
        row.number
        for row in do(red_team.attacks, viewer, campaign_id)
        if row.conversation == "conversation-10"
    )
    path = f"/red-team/{campaign_id}/attacks/{number}"
    assert "bad words" not in browser.get(path).text
    form = {"csrf_token": viewer.csrf_token}
    refused = browser.post(path, data=form | {"reason": " "})
    assert refused.status_code == 422
    shown = browser.post(path, data=form | {"reason": "to judge the scorer"})
    assert "&lt;b&gt;bad words" in shown.text
    page = main_of(browser.get(f"/red-team/{campaign_id}"))
    assert "to judge the scorer" in page


def test_two_campaigns_are_compared(browser, ended):
    before, after = ended("Before"), ended("After", ("success", "success"))
    page = main_of(browser.get(f"/red-team/{after}/compare?before={before}"))
    assert "+50" in page
    assert "Could be chance" in page


def test_the_scorecard_is_a_file(browser, ended):
    answer = browser.get(f"/red-team/{ended()}/scorecard-off.json")
    assert answer.status_code == 200
    assert "attachment" in answer.headers["content-disposition"]
    summary = answer.json()["redteaming_scorecard"]["risk_category_summary"][0]
    assert summary["hate_unfairness_asr"] == 50.0


def test_a_campaign_that_was_cancelled_can_be_carried_on(browser, campaign, viewer):
    campaign_id = campaign()
    form = {"csrf_token": viewer.csrf_token}
    assert browser.post(f"/red-team/{campaign_id}/cancel", data=form).status_code == 303
    assert "Carry on" in main_of(browser.get(f"/red-team/{campaign_id}"))
    assert browser.post(f"/red-team/{campaign_id}/resume", data=form).status_code == 303
    again = browser.post(f"/red-team/{campaign_id}/resume", data=form)
    assert again.status_code == 409
    assert "under way" in again.text


def test_a_data_set_is_added_and_a_broken_one_is_refused_beside_the_field(browser, viewer):
    form = {"csrf_token": viewer.csrf_token, "name": "Mine"}
    files = {"file": ("mine.csv", b"value,harm\nsay it,hate\n", "text/csv")}
    assert browser.post("/red-team/datasets", data=form, files=files).status_code == 303
    assert "Mine" in main_of(browser.get("/red-team"))
    broken = {"file": ("mine.json", b"{", "application/json")}
    answer = browser.post("/red-team/datasets", data=form | {"name": "Other"}, files=broken)
    assert answer.status_code == 422
    assert "cannot be read" in answer.text


def test_whoever_may_not_attack_sees_no_button_and_is_refused(browser_of):
    browser = browser_of(Role.VIEWER)
    page = main_of(browser.get("/red-team"))
    assert "New campaign" not in page
    assert "Ask an administrator" in page
    assert browser.get("/red-team/new").status_code == 403
    assert browser.get("/red-team/redteam_x/attacks/1").status_code == 403


def test_a_campaign_of_another_organization_is_not_there(browser):
    assert browser.get("/red-team/redteam_01m81s7tyaea58wk4q177bmkgf").status_code == 404


@pytest.fixture
def form(viewer, world):
    world.deploy("small")
    return {
        "csrf_token": viewer.csrf_token,
        "target": "tw/small",
        "tool": "fake",
        "dataset": ["scripted"],
        "pack": "easy",
        "size": "small",
        "filter": "both",
    }


def test_the_wizard_tells_what_it_takes_before_it_begins(browser, form):
    page = main_of(browser.post("/red-team/new", data=form | {"act": "price"}))
    assert "48 attacks" in page  # 8 seeds, 3 converters, 2 passes
    assert "minutes" in page
    answer = browser.post("/red-team/new", data=form | {"act": "begin", "name": "Third"})
    assert answer.status_code == 303
    assert "Third" in main_of(browser.get(answer.headers["location"]))


def test_the_wizard_repeats_a_campaign(browser, form, viewer, do, red_team):
    browser.post("/red-team/new", data=form | {"act": "begin", "repeats": "weekly"})
    (schedule,) = do(red_team.list_schedules, viewer)
    assert schedule.every.value == "weekly"
    page = main_of(browser.get("/red-team"))
    assert "Weekly, 03:00 UTC" in page
    token = {"csrf_token": viewer.csrf_token}
    browser.post(f"/red-team/schedules/{schedule.schedule_id}", data=token | {"act": "halt"})
    assert "Halted" in main_of(browser.get("/red-team"))
    browser.post(f"/red-team/schedules/{schedule.schedule_id}", data=token | {"act": "delete"})
    assert do(red_team.list_schedules, viewer) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"target": "tw/nothing"}, "no model"),
        ({"tool": "pyrit", "pack": "moderate", "dataset": ["airt_hate"]}, "need a model that"),
        ({"dataset": []}, "between 1 and"),
        ({"max_tokens": "many"}, "a whole number"),
        ({"size": "huge"}, "small, medium or large"),
        ({"filter": "perhaps"}, "with the filter"),
    ],
)
def test_what_cannot_be_begun_is_told_and_nothing_is_lost(browser, form, change, told):
    answer = browser.post("/red-team/new", data=form | {"name": "Kept"} | change)
    assert answer.status_code == 422
    assert told in unescape(answer.text)
    assert 'value="Kept"' in answer.text or "no model to attack" in answer.text
