"""The pages of abuse and incidents by axe, in both themes, wide and narrow."""

import pytest
from playwright.sync_api import ViewportSize
from sqlalchemy import insert

from tradewind.core.acting import By
from tradewind.core.clock import SystemClock
from tradewind.features.abuse.opt_outs import TERMS_SHA256
from tradewind.features.metering.tables import safety_hour
from tradewind.testing.portal_browser import NARROW, WIDE, Tab

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

GRACE, EVE = By("user_grace", "Grace"), By("user_eve", "Eve")


@pytest.fixture
def filled(portal, signed_in):
    """A case with a notice and an appeal, an opt-out, and an incident with a stopped endpoint."""
    world, viewer = portal.world, signed_in.viewer
    world.deploy("small")
    clock = SystemClock()
    hour = clock.now().replace(minute=0, second=0, microsecond=0)
    abuse = world.abuse
    with world.database.transaction() as tx:
        tx.execute(
            insert(safety_hour).values(
                organization_id=viewer.organization_id,
                hour=hour,
                project_id=viewer.project_id,
                key_id="k0123456789a",
                category="jailbreak",
                direction="prompt",
                band="high",
                action="block",
                calls=50,
            )
        )
        abuse.scoring.score(tx, viewer.organization_id)
        [case] = abuse.cases.list_own(tx, viewer)
        abuse.cases.notice(tx, viewer, GRACE, case.case_id, "x" * 300)
        abuse.appeals.make(tx, viewer, EVE, case.case_id, "It was a test. " * 20)
        abuse.opt_outs.sign(
            tx,
            viewer,
            EVE,
            terms_sha256=TERMS_SHA256,
            reason="health records",
            expires_at=clock.now().replace(hour=0, day=1, month=1, year=clock.now().year + 1),
        )
        row = abuse.incidents.open(
            tx,
            viewer,
            GRACE,
            severity=1,
            title="It tells secrets",
            description="y" * 300,
            affected=[f"organization:{viewer.organization_id}", "endpoint:tw/small"],
        )
        abuse.kill_switches.stop(
            tx, viewer, GRACE, "tw/small", reason="secrets", incident_id=row.incident_id
        )
    return [f"/abuse/cases/{case.case_id}", f"/incidents/{row.incident_id}"]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "narrow"])
def test_every_page(*, portal, open_tab, signed_in, filled, theme: str, viewport: ViewportSize):
    tab: Tab = open_tab(session_token=signed_in.session_token, theme=theme, viewport=viewport)
    problems = {}
    for path in ("/abuse", "/incidents", *filled):
        tab.open(path)
        found = tab.violations()
        if tab.overflow_px:
            found.append(f"{tab.overflow_px} px too wide")
        if found:
            problems[path] = found
    assert problems == {}
