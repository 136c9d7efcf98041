"""Releases: gates, the form of an impact assessment, decisions, waivers, transparency notes."""

import re

import msgspec
import pytest
from test_portal_catalog import add_model

from tests.portal.publisher_parts import add_publisher
from tradewind.core.acting import By
from tradewind.core.permissions import Role
from tradewind.features.publishing.schemas import Content
from tradewind.features.trust.schemas import Assessment, IntendedUse, Subject, SubjectKind

HOSTILE = '<script>alert("x")</script>'
GRACE = By("user_grace", "Grace")
SMALL = Subject(SubjectKind.MODEL, "acme/small")
OF = "/releases/of?subject=model%3Aacme%2Fsmall"


@pytest.fixture
def viewer(signed_in):
    return signed_in.viewer


@pytest.fixture
def send(browser, viewer):
    """Post a form of our own page."""

    def post(path, **fields):
        return browser.post(path, data={"csrf_token": viewer.csrf_token} | fields)

    return post


@pytest.fixture
def small(world, viewer):
    """A listing of acme/small that is begun."""
    add_publisher(world, viewer, is_paid=False)
    with world.database.transaction() as tx:
        listings = world.publishing.listings
        row = listings.begin(tx, viewer, GRACE, "acme", "small")
        listings.save(tx, viewer, row.listing_id, Content(display_name="Small"))


def filled():
    """What the form posts when all of it is filled in."""
    texts = {name: f"some {name}" for name in Assessment.__struct_fields__}
    for name in ("intended_uses", "restricted_uses", "sensitive_detail"):
        del texts[name]
    for name in ("affects_life_chances", "risks_injury", "threatens_rights"):
        del texts[name]
    use = {name: f"its {name}" for name in IntendedUse.__struct_fields__}
    return texts | {f"use-0-{name}": text for name, text in use.items()}


@pytest.fixture
def draft(send, small):
    """The page of an assessment that is begun."""
    return send("/releases", model="acme/small").headers["location"]


@pytest.fixture
def handed_in(send, draft):
    answer = send(draft, action="submit", revision="1", **filled())
    assert answer.status_code == 303, answer.text
    return draft


def test_with_nothing_assessed_the_page_says_where_to_begin(browser, viewer):
    text = browser.get("/releases").text
    assert "Nothing was assessed yet" in text
    assert "Nobody asks for one" in text


def test_who_may_not_publish_does_not_see_it(browser_of):
    browser = browser_of(Role.VIEWER)
    for path in ("/releases", OF, "/releases/assessments/assess_1"):
        assert browser.get(path).status_code == 403


def test_what_is_no_model_of_the_organization_is_refused_beside_the_form(browser, send):
    answer = send("/releases", model="acme/none")
    assert answer.status_code == 404
    assert 'value="acme/none"' in answer.text
    assert browser.get("/releases/of?subject=what").status_code == 422


def test_a_form_that_is_not_complete_is_kept_and_says_what_is_empty(browser, send, draft):
    saved = send(draft, action="save", revision="1", purpose=HOSTILE)
    assert saved.status_code == 303
    page = browser.get(draft).text
    assert HOSTILE not in page
    assert "&lt;script&gt;" in page
    assert "Still empty:" in page

    refused = send(draft, action="submit", revision="2", purpose="typed anew")
    assert refused.status_code == 422
    assert "typed anew" in refused.text


def test_somebody_elses_change_is_not_written_over(send, draft):
    assert send(draft, action="save", revision="1", purpose="one").status_code == 303
    late = send(draft, action="save", revision="1", purpose="two")
    assert late.status_code == 412
    assert "two" in late.text


def test_what_is_handed_in_waits_for_another_person(browser, send, handed_in):
    page = browser.get(handed_in).text
    assert "Waits for a decision" in page
    assert "another person decides" in page
    assert "its harms" in page
    own = send(handed_in, action="approve", revision="3", reason="mine")
    assert own.status_code in {403, 412}
    assert "Approved" not in browser.get(handed_in).text
    queue = browser.get("/releases").text
    assert queue.count(handed_in) == 1


def test_a_second_person_approves_and_the_gate_opens(world, browser, viewer, handed_in):
    with world.database.transaction() as tx:
        world.trust.assessments.decide(
            tx, viewer, GRACE, handed_in.rpartition("/")[2], approves=True, reason=HOSTILE
        )
    page = browser.get(OF).text
    gate = re.search(r"Impact assessment</th>\s*<td>(.*?)</td>", page, re.DOTALL)
    assert gate is not None
    assert "Passed" in gate[1]
    assert HOSTILE not in page
    assert "Write another version" in page


def test_it_can_be_taken_back_and_changed(browser, send, handed_in):
    assert send(handed_in, action="withdraw").status_code == 303
    assert 'name="purpose"' in browser.get(handed_in).text


def test_uses_are_added_one_at_a_time_and_empty_ones_are_none(world, viewer, send, draft):
    fields = filled() | {"use-3-name": "Another", "use-1-name": "  "}
    assert send(draft, action="save", revision="1", **fields).status_code == 303
    with world.database.transaction() as tx:
        row = world.trust.assessments.get(tx, viewer, draft.rpartition("/")[2])
    assert [use.name for use in row.content.intended_uses] == ["its name", "Another"]


def test_a_waiver_is_asked_for_and_decided_by_somebody_else(world, browser, viewer, send, draft):
    asked = send(
        "/releases/waivers",
        subject=str(SMALL),
        gate="red_team",
        until="2000-01-01",
        reason="The fair.",
    )
    assert asked.status_code == 422
    assert "The fair." in asked.text
    until = re.search(r'name="until" value="([\d-]+)"', browser.get(OF).text)
    assert until is not None
    fields = {"subject": str(SMALL), "gate": "red_team", "until": until[1], "reason": "The fair."}
    assert send("/releases/waivers", **fields).status_code == 303

    [row] = _waivers(world, viewer)
    own = send(f"/releases/waivers/{row.waiver_id}", decision="grant")
    assert own.status_code == 403
    assert "another person decides" in own.text
    with world.database.transaction() as tx:
        world.trust.waivers.decide(tx, viewer, GRACE, row.waiver_id, grants=True)
    assert "Waived" in browser.get(OF).text
    ended = send(f"/releases/waivers/{row.waiver_id}", decision="revoke", reason="Over.")
    assert ended.status_code == 303
    assert "Waived" not in browser.get(OF).text


def test_the_note_of_a_model_is_a_page_and_three_files(world, browser, viewer):
    name = "kestrel/tern"
    add_model(world, name)
    page = browser.get(f"/transparency/{name}")
    assert page.status_code == 200
    assert "Known gaps" in page.text
    for form, kind in (("pdf", "application/pdf"), ("html", "text/html"), ("md", "text/markdown")):
        file = browser.get(f"/transparency/{name}?format={form}")
        assert file.headers["content-type"].startswith(kind)
        assert "attachment" in file.headers["content-disposition"]
    assert browser.get("/transparency/acme/none").status_code == 404


def _waivers(world, viewer):
    with world.database.transaction() as tx:
        return world.trust.waivers.of_subject(tx, viewer, SMALL)


def test_the_form_has_every_field():
    assert set(filled()) >= {
        name
        for name, value in msgspec.to_builtins(Assessment()).items()
        if isinstance(value, str) and name != "sensitive_detail"
    }
