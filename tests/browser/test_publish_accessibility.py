"""Publishing and reviews in both themes, wide and narrow: axe finds nothing, keyboards suffice."""

import pytest
from playwright.sync_api import ViewportSize

from tradewind.core.acting import By
from tradewind.db.sealing import Secret
from tradewind.features.providers.schemas import NewConnection
from tradewind.features.publishing.schemas import Check, CheckState, Content, NewApplication, Timing
from tradewind.features.trust.schemas import ReleaseRules
from tradewind.testing.portal_browser import NARROW, WIDE, Tab

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

ADA, GRACE = By("user_ada", "Ada"), By("user_grace", "Grace Hopper")
LONG = "a-name-that-is-much-longer-than-anybody-would-ever-need-to-read-in-a-table"


@pytest.fixture(params=["light", "dark"])
def theme(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=[WIDE, NARROW], ids=["wide", "narrow"])
def viewport(request: pytest.FixtureRequest) -> ViewportSize:
    return request.param


def look(tab: Tab) -> list[str]:
    found = tab.violations()
    return [*found, f"{tab.overflow_px} px too wide"] if tab.overflow_px else found


class Desk:
    """Publishing as several people do it."""

    def __init__(self, world, viewer):
        self._world, self._viewer = world, viewer
        self._listings = world.publishing.listings
        self._publishers = world.publishing.publishers
        with world.database.transaction() as tx:
            new = NewConnection(Secret("gsk-0123456789-abcdefgh"), name="Groq", host="groq")
            self._connection = world.providers.add_connection(tx, viewer, new)

    def open_the_gates(self):
        with self._world.database.transaction() as tx:
            self._world.trust.releases.set_rules(
                tx, self._viewer, GRACE, ReleaseRules(ga=()), reason="tried elsewhere"
            )

    def apply(self, slug, *, decision=None):
        new = NewApplication(slug, slug.title(), f"https://{slug[:60]}.example", "a@acme.example")
        with self._world.database.transaction() as tx:
            row = self._publishers.apply(tx, self._viewer, ADA, new)
            if decision is not None:
                self._publishers.decide(
                    tx,
                    self._viewer,
                    GRACE,
                    row.application_id,
                    is_accepted=decision,
                    reason=f"{LONG} is not yours",
                )
        return row.application_id

    def draft(self, slug, **changes):
        values = {
            "display_name": slug.title(),
            "version": "1.0",
            "context_tokens": 8192,
            "description": f"A small model. {LONG}",
            "card": f"# Small\n\nMade for tests of catalogs.\n\n```\n{LONG * 3}\n```",
            "connection_id": str(self._connection.id),
            "upstream_model": "acme-small",
            "input_price": "0.1",
            "output_price": "0.2",
            "licence": "Apache-2.0",
            "intended_use": "Short answers.",
            "limits": "Knows little.",
            "evaluated_harms": "Not evaluated.",
        }
        with self._world.database.transaction() as tx:
            row = self._listings.begin(tx, self._viewer, ADA, "acme", slug)
            content = Content(**values | changes)
            self._listings.save(tx, self._viewer, row.listing_id, content)
        return row.listing_id

    def submit(self, slug, **changes):
        listing_id = self.draft(slug, **changes)
        with self._world.database.transaction() as tx:
            self._listings.submit(tx, self._viewer, GRACE, listing_id)
        return listing_id

    def validate(self, *, failing=""):
        validations = self._world.publishing.validations
        with self._world.database.transaction() as tx:
            claimed = validations.claim(tx)
            checks = [
                Check(
                    name=name,
                    state=CheckState.FAILED if name == failing else CheckState.PASSED,
                    detail=f"found {LONG}",
                    duration_ms=420.5,
                )
                for name in ("artifact", "digests", "licence", "card", "load", "smoke")
            ]
            timing = Timing(load_s=2.5, first_token_ms=180.2, tokens_per_s=31.4)
            validations.note(tx, claimed.run_id, checks, timing)
            validations.settle(tx, claimed.run_id)

    def approve(self, listing_id):
        with self._world.database.transaction() as tx:
            self._listings.approve(tx, self._viewer, ADA, listing_id)


def test_full_pages(*, portal, open_tab, signed_in, theme, viewport):
    desk = Desk(portal.world, signed_in.viewer)
    desk.apply("acme", decision=True)
    waiting, refused = desk.apply(f"b{LONG[:50]}"), desk.apply("openai", decision=False)
    listed = desk.submit("small")
    desk.validate()
    desk.approve(listed)
    changed = desk.submit("small", version="2.0", description="Another one.")
    desk.validate()
    failed = desk.submit("failing")
    desk.validate(failing="smoke")
    draft = desk.draft(LONG)
    tried = desk.submit("tried")
    pages = ["/publish", "/publish/apply", "/publish/new", "/reviews"]
    pages += [f"/publish/applications/{one}" for one in (waiting, refused)]
    pages += [f"/publish/listings/{one}" for one in (listed, changed, failed, draft, tried)]
    pages += [
        f"/publish/listings/{draft}/{step}"
        for step in ("model", "card", "source", "licence", "safety", "preview")
    ]
    pages += [f"/publish/listings/{changed}/preview"]
    pages += [f"/reviews/listings/{one}" for one in (listed, changed, tried)]
    pages += [f"/reviews/applications/{one}" for one in (waiting, refused)]
    tab = open_tab(session_token=signed_in.session_token, theme=theme, viewport=viewport)

    problems = {}
    for path in pages:
        tab.open(path)
        if found := look(tab):
            problems[path] = found

    assert problems == {}
    assert tab.complaints == []


def test_the_end_of_a_model(*, portal, open_tab, signed_in, theme, viewport):
    desk = Desk(portal.world, signed_in.viewer)
    desk.apply("acme", decision=True)
    listed = desk.submit("small")
    desk.validate()
    desk.approve(listed)
    tab = open_tab(session_token=signed_in.session_token, theme=theme, viewport=viewport)
    problems = {}
    page = tab.open(f"/publish/listings/{listed}")
    become_ga = page.get_by_role("button", name="Make it generally available")
    become_ga.click()
    page.get_by_role("alert").wait_for()
    problems["a preview that is refused"] = look(tab)
    desk.open_the_gates()
    become_ga.click()
    page.get_by_role("button", name="Make it legacy").wait_for()
    problems["generally available"] = look(tab)
    page.get_by_role("button", name="Make it legacy").click()
    page.get_by_label("Deprecated from the day").fill("2099-01-01")
    problems["legacy"] = look(tab)
    page.get_by_role("button", name="Announce its end").click()
    page.get_by_role("alert").wait_for()
    problems["refused"] = look(tab)

    assert {name: found for name, found in problems.items() if found} == {}


def test_empty_pages_and_pages_with_errors(*, portal, open_tab, signed_in, theme, viewport):
    tab = open_tab(session_token=signed_in.session_token, theme=theme, viewport=viewport)
    problems = {}
    for path in ("/publish", "/publish/new", "/reviews"):
        tab.open(path)
        problems[path] = look(tab)
    page = tab.open("/publish/apply")
    page.get_by_label("Name in addresses").fill("Not A Name")
    page.get_by_label("Name for people").fill("Acme")
    page.get_by_label("Website").fill("http://acme.example")
    page.get_by_role("button", name="Apply").click()
    page.locator("#slug-error").wait_for()
    problems["errors"] = look(tab)
    desk = Desk(portal.world, signed_in.viewer)
    desk.apply("acme", decision=True)
    listing_id = desk.draft("small", version="", licence="", card="")
    for step, field in (("model", "version"), ("card", "card"), ("licence", "licence")):
        page = tab.open(f"/publish/listings/{listing_id}/{step}")
        page.get_by_role("button", name="Save and go on").click()
        page.locator(f"#{field}-error").wait_for()
        problems[step] = look(tab)

    assert {state: found for state, found in problems.items() if found} == {}
