"""The days of models and what stands behind them, in both themes, wide and narrow."""

from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import ViewportSize
from sqlalchemy import update

from tradewind.core.acting import By
from tradewind.db.sealing import Secret
from tradewind.features.catalog.tables import model
from tradewind.features.providers.schemas import NewConnection
from tradewind.features.publishing.schemas import (
    Check,
    CheckState,
    Content,
    NewApplication,
    Proof,
    ProofKind,
    Timing,
)
from tradewind.features.publishing.tables import validation_run
from tradewind.testing.portal_browser import NARROW, WIDE, Tab

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

ADA = By("user_ada", "Ada")
LONG = "a-name-that-is-much-longer-than-anybody-would-ever-need-to-read-in-a-table"
NOW = datetime.now(UTC)


@pytest.fixture(params=["light", "dark"])
def theme(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=[WIDE, NARROW], ids=["wide", "narrow"])
def viewport(request: pytest.FixtureRequest) -> ViewportSize:
    return request.param


def look(tab: Tab) -> list[str]:
    found = tab.violations()
    return [*found, f"{tab.overflow_px} px too wide"] if tab.overflow_px else found


def publish(world, viewer, *, failing=""):
    """List a model by self-review, and try it again; the application of its publisher."""
    publishers, listings, validations = world.publishing
    listings.allows_self_review = True
    with world.database.transaction() as tx:
        new = NewApplication("acme", "Acme", "https://acme.example", "a@acme.example")
        application = publishers.apply(tx, viewer, ADA, new)
        publishers.look_for_proof(tx, viewer, application.application_id)
        (due,) = publishers.due_proofs(tx)
        publishers.settle_proof(tx, due, Proof(ProofKind.DNS))
        publishers.settle_proof(tx, due, Proof(None, "the record: it is not there"))
        account = NewConnection(Secret("gsk-0123456789-abcdefgh"), name="Groq", host="groq")
        connection = world.providers.add_connection(tx, viewer, account)
        row = listings.begin(tx, viewer, ADA, "acme", "small")
        content = Content(
            display_name="Small",
            version="1.0",
            context_tokens=8192,
            description="A small model.",
            card="# Small\n\nMade for tests of catalogs and of nothing else.",
            connection_id=str(connection.id),
            upstream_model="acme-small",
            input_price="0.1",
            output_price="0.2",
            licence="Apache-2.0",
            intended_use="Short answers.",
            limits="Knows little.",
            evaluated_harms="Not evaluated.",
        )
        listings.save(tx, viewer, row.listing_id, content)
        listings.submit(tx, viewer, ADA, row.listing_id)
        carry_on(validations, tx)
        listings.approve(tx, viewer, ADA, row.listing_id)
        validations.begin_again(tx, viewer, row.listing_id)
        carry_on(validations, tx, failing=failing)
    return application.application_id, row.listing_id


def carry_on(validations, tx, *, failing=""):
    claimed = validations.claim(tx)
    checks = [
        Check(
            name=name,
            state=CheckState.FAILED if name == failing else CheckState.PASSED,
            detail=f"found {LONG}",
            duration_ms=420.5,
        )
        for name in ("artifact", "licence", "card", "load", "smoke")
    ]
    timing = Timing(load_s=2.5, first_token_ms=180.2, tokens_per_s=31.4)
    validations.note(tx, claimed.run_id, checks, timing)
    validations.settle(tx, claimed.run_id)


def test_full_pages(*, portal, open_tab, signed_in, theme, viewport):
    world, viewer = portal.world, signed_in.viewer
    application_id, listing_id = publish(world, viewer)
    with world.database.transaction() as tx:
        ahead = {
            "lifecycle": "legacy",
            "deprecates_on": NOW.date() + timedelta(days=10),
            "retires_on": NOW.date() + timedelta(days=100),
        }
        tx.execute(update(model).where(model.c.slug == "small").values(**ahead))
        for name in (LONG, "Phone"):
            world.services.calendar_links.create(tx, viewer, viewer.user_id, name)
    tab = open_tab(session_token=signed_in.session_token, theme=theme, viewport=viewport)

    problems = {}
    pages = [
        "/calendar",
        "/models/acme/small",
        f"/publish/applications/{application_id}",
        f"/publish/listings/{listing_id}",
        f"/reviews/listings/{listing_id}",
        "/reviews",
    ]
    for path in pages:
        tab.open(path)
        problems[path] = look(tab)
    with world.database.transaction() as tx:
        tx.execute(update(validation_run).values(ended_at=NOW - timedelta(days=30)))
    tab.open("/models/acme/small")
    problems["out of date"] = look(tab)

    assert {state: found for state, found in problems.items() if found} == {}
    assert tab.complaints == []


def test_a_failed_run_and_a_calendar_by_keyboard(*, portal, open_tab, signed_in, theme, viewport):
    publish(portal.world, signed_in.viewer, failing="smoke")
    tab = open_tab(session_token=signed_in.session_token, theme=theme, viewport=viewport)
    problems = {}
    tab.open("/models/acme/small")
    problems["failed"] = look(tab)
    page = tab.open("/calendar")
    problems["empty"] = look(tab)
    page.get_by_label("Name").fill("Phone")
    page.get_by_label("Name").press("Enter")
    page.locator("#new-secret").wait_for()
    problems["new link"] = look(tab)
    page.get_by_role("link", name="Done").press("Enter")
    page.get_by_role("button", name="Revoke Phone").press("Enter")
    page.get_by_text("No calendar follows yet").wait_for()

    assert {state: found for state, found in problems.items() if found} == {}
