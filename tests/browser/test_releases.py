"""Releases in a browser: a red team whose result keeps a model from its release, a waiver by a
second person, and every page by axe in both themes, wide and narrow.
"""

import sys
import threading
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import ViewportSize, expect

from tests.features.trust.conftest import FILLED
from tests.plugins.redteam.scripted_model import scripted_model
from tests.portal.publisher_parts import add_publisher
from tradewind.core.acting import By
from tradewind.core.clock import SystemClock
from tradewind.core.permissions import Role
from tradewind.features.publishing.schemas import Content
from tradewind.features.redteam.runs import Runs
from tradewind.features.trust.schemas import Subject, SubjectKind
from tradewind.readmodels.models import list_models
from tradewind.readmodels.redteam import find_target
from tradewind.serve.redteam import CampaignKeys
from tradewind.testing.portal_browser import NARROW, WIDE, Tab
from tradewind.worker.redteam import Place, RedTeamer

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

OF_SMALL = "/releases/of?subject=model%3Atw%2Fsmall"


@pytest.fixture
def grace(portal, signed_in):
    """The session of a second administrator."""
    world, viewer = portal.world, signed_in.viewer
    with world.database.transaction() as tx:
        made = world.people.invite(
            tx, viewer, email="grace@example.org", role=Role.ADMIN, by=viewer.user_id
        )
    with world.database.transaction() as tx:
        return world.people.accept_as_new(
            tx, made.code, name="Grace Hopper", password="a long enough password"
        )


def carry_out(world) -> None:
    """Do as the worker: attack a scripted model, whose filter the campaign also switches off."""
    with scripted_model() as model:
        place = Place(
            evidence=world.services.red_team.evidence_path("x").parents[1],
            gateway=model.url.removesuffix("/v1"),
            python=lambda _name, _progress: Path(sys.executable),
            is_known=lambda _key: True,
            environ={},
        )
        clock = SystemClock()
        worker = RedTeamer(
            world.database,
            Runs(clock, find_target),
            world.services.red_team.tools,
            CampaignKeys(world.database, world.accounts, clock),
            place,
        )
        assert worker.carry_on(threading.Event())


def test_a_red_team_blocks_a_release_and_a_second_person_waives_it(
    *, portal, open_tab, signed_in, grace
):
    portal.world.deploy("small")
    with portal.world.database.transaction() as tx:
        portal.world.models = list_models(tx, signed_in.viewer.organization_id)
    ada = open_tab(session_token=signed_in.session_token).open("/red-team/new?tool=fake")
    ada.get_by_role("button", name="Begin").click()
    ada.wait_for_url("**/red-team/redteam_*")
    carry_out(portal.world)

    ada.goto(f"{portal.url}{OF_SMALL}")
    gate = ada.get_by_role("row", name="Red team").last
    expect(gate).to_contain_text("Failed")
    expect(gate).to_contain_text("Attacks succeed too often")
    ada.get_by_label("Gate").select_option("red_team")
    ada.get_by_label("Why it cannot wait").fill("The fair is tomorrow.")
    ada.get_by_role("button", name="Ask", exact=True).click()
    expect(ada.get_by_text("You asked for it, so another person decides.")).to_be_visible()

    second = open_tab(session_token=grace.session_token).open("/releases")
    second.get_by_role("link", name="tw/small").click()
    second.get_by_role("button", name="Grant the waiver of Red team").click()
    expect(second.get_by_role("row", name="Red team").last).to_contain_text("Waived")
    expect(second.get_by_text("waived by Grace Hopper")).to_be_visible()


@pytest.fixture
def small(portal, signed_in):
    """A listing with an assessment that waits, and a waiver that was asked for."""
    world, viewer = portal.world, signed_in.viewer
    add_publisher(world, viewer, is_paid=False)
    trust, who = world.trust, By("user_other", "Somebody Else")
    about = Subject(SubjectKind.MODEL, "acme/small")
    with world.database.transaction() as tx:
        listings = world.publishing.listings
        row = listings.begin(tx, viewer, who, "acme", "small")
        listings.save(tx, viewer, row.listing_id, Content(display_name="Small"))
        begun = trust.assessments.begin(tx, viewer, who, about)
        long = msgspec.structs.replace(FILLED, purpose="x" * 300, risks_injury=True)
        told = msgspec.structs.replace(long, sensitive_detail="Somebody watches. " * 20)
        trust.assessments.save(tx, viewer, begun.assessment_id, told)
    return begun.assessment_id


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "narrow"])
def test_every_page(*, portal, open_tab, signed_in, small, theme: str, viewport: ViewportSize):
    world, viewer = portal.world, signed_in.viewer
    world.deploy("small")
    tab: Tab = open_tab(session_token=signed_in.session_token, theme=theme, viewport=viewport)
    form = f"/releases/assessments/{small}"
    problems = {}

    def look(path: str, name: str) -> None:
        tab.open(path)
        found = tab.violations()
        if tab.overflow_px:
            found.append(f"{tab.overflow_px} px too wide")
        if found:
            problems[name] = found

    look("/releases", "one draft")
    look(form, "form")
    look("/releases/of?subject=model%3Aacme%2Fsmall", "gates")
    with world.database.transaction() as tx:
        who = By("user_other", "Somebody Else")
        world.trust.assessments.submit(tx, viewer, who, small)
    look("/releases", "waiting")
    look(form, "to decide")
    look("/transparency/tw/small", "note")

    assert problems == {}
