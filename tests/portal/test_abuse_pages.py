"""Abuse and incidents in the portal: standing, cases, opt-outs, appeals, kill switches."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import insert, text
from test_portal_catalog import add_model

from tradewind.core.acting import By
from tradewind.core.clock import SystemClock
from tradewind.core.ids import request_id, uuid7_bytes
from tradewind.core.permissions import Role
from tradewind.features.content.tables import request_content
from tradewind.features.metering.tables import safety_hour, usage_safety
from tradewind.testing.kept_contents import set_content_days

HOSTILE = '<script>alert("x")</script>'
GRACE = By("user_grace", "Grace")


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
def case(world, viewer):
    """A case of a key that sent 50 jailbreaks."""
    hour = SystemClock().now().replace(minute=0, second=0, microsecond=0)
    whole = {
        "organization_id": viewer.organization_id,
        "hour": hour,
        "project_id": viewer.project_id,
        "key_id": "k0123456789a",
    }
    found = {"category": "jailbreak", "direction": "prompt", "band": "high", "action": "block"}
    with world.database.transaction() as tx:
        tx.execute(insert(safety_hour).values(**whole, **found, calls=50))
        world.abuse.scoring.score(tx, viewer.organization_id)
        [row] = world.abuse.cases.list_own(tx, viewer)
    return f"/abuse/cases/{row.case_id}"


def test_with_nothing_found_the_pages_say_so(browser, viewer):
    shown = browser.get("/abuse").text
    assert "No score yet" in shown
    assert "Nothing waits" in shown
    assert "No incident" in browser.get("/incidents").text


def test_the_standing_shows_what_it_is_made_of_and_the_case(browser, viewer, case):
    text = browser.get("/abuse").text
    assert "Recurring" in text
    assert case in text
    page = browser.get(case).text
    assert "Jailbreak" in page
    assert "Suspend the key" in page


def test_a_key_is_suspended_and_the_appeal_waits_for_another_person(
    *, browser, world, viewer, send, case
):
    assert send(case, action="take").status_code == 303
    assert send(case, action="notice", text=HOSTILE).status_code == 303
    assert HOSTILE not in browser.get(case).text
    assert send(case, action="suspend", text="it goes on").status_code == 303
    assert send(case, action="appeal", text="it was a test").status_code == 303
    page = browser.get(case).text
    [appeal] = re.findall(r'value="(appeal_\w+)"', page)
    refused = send(case, action="grant", appeal=appeal, text="yes")
    assert refused.status_code == 403
    assert "another person decides" in refused.text
    with world.database.transaction() as tx:
        world.abuse.appeals.decide(tx, viewer, GRACE, appeal, grants=True, reason="it was")
    assert "Closed" in browser.get(case).text


def test_contents_are_read_with_a_grant_only(browser, viewer, send, case):
    refused = send(case, action="look", text="is it real?")
    assert (refused.status_code, "keeps no contents" in refused.text) == (403, True)
    refused = send(case, action="read", call="req_" + "0" * 32)
    assert (refused.status_code, "You have no grant" in refused.text) == (403, True)


def test_what_was_kept_of_a_call_is_read_and_that_is_noted(*, browser, world, viewer, send, case):
    now = SystemClock().now()
    event = uuid7_bytes(int(now.timestamp() * 1000))
    shared = {
        "event_id": event.hex(),
        "at": now,
        "organization_id": viewer.organization_id,
        "project_id": viewer.project_id,
    }
    safety = {"key_id": "k0123456789a", "model": "tw/small", "action": "block", "examined_us": 1}
    lists = {"policies": [], "flags": [], "failures": []}
    kept = {"prompt": b'{"a": "<b>"}', "answer": b"", "is_prompt_truncated": False}
    with world.database.transaction() as tx:
        for table in ("usage_safety", "request_content"):
            partition = f"CREATE TABLE IF NOT EXISTS {table}_all PARTITION OF {table} DEFAULT"
            tx.execute(text(partition))
        tx.execute(insert(usage_safety).values(**shared, **safety, **lists))
        tx.execute(insert(request_content).values(**shared, **kept, is_answer_truncated=False))
    set_content_days(world.database, world.budgets, viewer, 7)
    assert send(case, action="look", text="is it real?").status_code == 303
    call = request_id(event)
    assert f"Read {call}" in browser.get(case).text
    page = send(case, action="read", call=call)
    assert page.status_code == 200
    assert "&lt;b&gt;" in page.text
    assert "Contents read" in browser.get("/abuse").text


def test_an_opt_out_is_signed_and_another_person_countersigns(browser, viewer, send):
    [terms] = re.findall(r'name="terms_sha256" value="(\w+)"', browser.get("/abuse").text)
    bad = send("/abuse", action="sign", terms_sha256=terms, reason="r", until="soon")
    assert (bad.status_code, "This is no day" in bad.text) == (422, True)
    far = {"terms_sha256": terms, "reason": "health records"}
    until = (SystemClock().now() + timedelta(days=30)).date().isoformat()
    assert send("/abuse", action="sign", until=until, **far).status_code == 303
    [named] = set(re.findall(r'name="opt_out" value="(\w+)"', browser.get("/abuse").text))
    refused = send("/abuse", action="countersign", opt_out=named)
    assert refused.status_code == 403
    assert send("/abuse", action="revoke", opt_out=named, reason="over").status_code == 303


def test_an_incident_is_closed_with_a_postmortem(browser, world, viewer, send):
    add_model(world)
    form = {"severity": "1", "title": HOSTILE, "description": "It tells secrets."}
    wrong = send("/incidents", **form, affected="nobody")
    assert (wrong.status_code, "It tells secrets." in wrong.text) == (422, True)
    made = send("/incidents", **form, affected=f"organization:{viewer.organization_id}")
    page = made.headers["location"]
    assert HOSTILE not in browser.get(page).text
    assert send(page, action="stop", endpoint="tw/nothing", reason="r").status_code == 404
    assert send(page, action="close").status_code == 409
    assert send(page, action="save", postmortem="We test for it.").status_code == 303
    assert send(page, action="close").status_code == 303
    assert "We test for it." in browser.get(page).text


def test_what_does_not_exist_is_said(browser, viewer, send, case):
    assert browser.get("/abuse/cases/abuse_1").status_code == 404
    assert browser.get("/incidents/incident_1").status_code == 404
    assert send(case, action="dance").status_code == 404
    assert send("/abuse", action="dance").status_code == 404


def test_who_only_reads_is_offered_nothing_to_decide(browser_of):
    text = browser_of(Role.VIEWER).get("/abuse").text
    assert "No score yet" in text
    assert "Cases of all organizations" not in text
    assert "Sign these terms" not in text
