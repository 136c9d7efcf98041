"""The pages of red teaming in all their states, in both themes, wide and narrow: axe finds nothing,
nothing is cut off, and a campaign is begun by keyboard alone.
"""

import pytest
from playwright.sync_api import ViewportSize, expect

from tests.features.redteam_parts import find_target
from tests.plugins.redteam.evidence_parts import write_memory
from tradewind.core.acting import By
from tradewind.features.redteam.runs import Evidence, Runs
from tradewind.features.redteam.schemas import CampaignState, Every, Spec
from tradewind.features.redteam.service import RedTeam
from tradewind.plugins.redteam.base import Attacked
from tradewind.testing.portal_browser import NARROW, WIDE, Tab

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

SPEC = Spec(tool="fake", target="tw/small", datasets=("scripted",))


@pytest.fixture(params=["light", "dark"])
def theme(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=[WIDE, NARROW], ids=["wide", "narrow"])
def viewport(request: pytest.FixtureRequest) -> ViewportSize:
    return request.param


@pytest.fixture
def story(portal, signed_in):
    """Two campaigns that ended, one that runs, a schedule and a data set."""
    world, viewer = portal.world, signed_in.viewer
    by, served = By(viewer.user_id, "Ada"), world.services.red_team
    known = RedTeam(
        world.services.clock, served.tools, find_target, served.evidence_path("x").parents[1]
    )
    runs = Runs(world.services.clock, find_target)
    ids = []
    for name in ("Before the filter", "After the filter", "Under way"):
        with world.database.transaction() as tx:
            ids.append(known.begin(tx, viewer, by, name, SPEC).campaign_id)
            runs.claim(tx)
            runs.note_plan(tx, ids[-1], 24, "fake 1")
            runs.note_attacks(tx, ids[-1], [*_attacks(len(ids))], 480)
            runs.renew(tx, ids[-1], "attacks")
            if name != "Under way":
                found = Evidence("ab" * 32, 4096)
                runs.settle(tx, ids[-1], CampaignState.COMPLETED, evidence=found)
    with world.database.transaction() as tx:
        known.add_schedule(tx, viewer, by, "Each week", SPEC, every=Every.WEEKLY, hour=3)
        known.add_dataset(tx, viewer, by, "Our own", b"value,harm\none,hate\n", file_name="a.csv")
        (first, *_) = known.attacks(tx, viewer, ids[0])
    said = {first.conversation: [("user", "a b " * 80), ("assistant", "x" * 300)]}
    write_memory(known.evidence_path(ids[0]), said)
    return ids, first.number


def _attacks(many):
    for harm in ("hate", "self_harm", "financial_and_business"):
        for converter in ("none", "base64", "unicode_substitution"):
            for is_filtered in (True, False):
                yield Attacked(
                    key=f"{harm}.{converter}.{is_filtered}",
                    harm=harm,
                    strategy="prompt_sending",
                    converter=converter,
                    is_filtered=is_filtered,
                    outcome="success" if not is_filtered and many < 2 else "blocked",
                    turns=1,
                    tokens=20,
                    milliseconds=300,
                    conversation=f"c-{harm}-{converter}-{is_filtered}",
                )
    for number in range(6):
        yield Attacked(
            key=f"harmless.{number}",
            harm="harmless",
            strategy="prompt_sending",
            converter="none",
            is_filtered=number % 2 == 0,
            outcome="blocked" if number == 0 else "success",
            turns=1,
            tokens=20,
            milliseconds=300,
        )
    yield Attacked(
        key="failed",
        harm="hate",
        strategy="jailbreak",
        converter="none",
        is_filtered=True,
        outcome="error",
        detail="Status Code: 500",
    )


def look(tab: Tab) -> list[str]:
    found = tab.violations()
    return [*found, f"{tab.overflow_px} px too wide"] if tab.overflow_px else found


def test_empty_pages_and_the_wizard(*, portal, open_tab, signed_in, theme, viewport):
    portal.world.deploy("small")
    tab = open_tab(session_token=signed_in.session_token, theme=theme, viewport=viewport)
    tab.open("/red-team")
    expect(tab.page.get_by_text("Nothing was attacked yet")).to_be_visible()
    assert look(tab) == []
    tab.open("/red-team/new?tool=fake")
    assert look(tab) == []
    with tab.page.expect_navigation():
        tab.page.get_by_role("button", name="What does it take?").press("Enter")
    assert look(tab) == []


def test_full_pages(*, open_tab, signed_in, story, theme, viewport):
    (before, after, running), number = story
    tab = open_tab(session_token=signed_in.session_token, theme=theme, viewport=viewport)
    for path in (
        "/red-team",
        f"/red-team/{before}",
        f"/red-team/{running}",
        f"/red-team/{after}/compare?before={before}",
        f"/red-team/{before}/attacks/{number}",
    ):
        tab.open(path)
        assert look(tab) == [], path
    tab.page.get_by_label("Why do you read it?").fill("to judge the scorer")
    with tab.page.expect_navigation():
        tab.page.get_by_role("button", name="Show it").press("Enter")
    expect(tab.page.get_by_role("heading", name="Assistant")).to_be_visible()
    assert look(tab) == []
