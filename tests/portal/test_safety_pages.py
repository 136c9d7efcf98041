"""The Safety pages: what holds, policies and their editor, trying a text, blocklists, quality."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from uuid import UUID

import pytest
from sqlalchemy import insert, select
from starlette.testclient import TestClient

from tradewind.core.permissions import Role
from tradewind.features.accounts.schemas import SignedIn, Viewer
from tradewind.features.metering.tables import safety_hour, usage_event, usage_safety
from tradewind.testing.logged_calls import ended_call
from tradewind.testing.portal_world import PortalWorld

HOSTILE = '<script>alert("x")</script>'
VIOLENT = "I will kill all of them and burn their bodies."


@pytest.fixture
def viewer(signed_in: SignedIn) -> Viewer:
    return signed_in.viewer


@pytest.fixture
def send(browser: TestClient, viewer: Viewer):
    """Post a form of our own page."""

    def post(path: str, files=None, **fields):
        data = {"csrf_token": viewer.csrf_token} | fields
        return browser.post(path, data=data, files=files, follow_redirects=True)

    return post


def address_in(page: str, pattern: str) -> str:
    """Return what the group of the pattern stands for."""
    match = re.search(pattern, page)
    assert match is not None
    return match[1]


def form(name="Strict", **more):
    """A policy that blocks violence in prompts, as the editor sends it."""
    return {
        "name": name,
        "streaming": "buffered",
        "rule-0-category": "violence",
        "rule-0-direction": "prompt",
        "rule-0-threshold": "4",
        "rule-0-action": "block",
        "check-harms-used": "yes",
        "check-harms-directions": ["prompt", "completion"],
        "check-harms-deadline": "400",
        "check-harms-failing": "closed",
        "do": "save",
        "version": "0",
    } | more


@pytest.fixture
def policy(send, world: PortalWorld, viewer: Viewer):
    assert send("/safety/policies", **form()).status_code == 200
    with world.database.transaction() as tx:
        rows = world.services.safety.policies.list_policies(tx, viewer)
    return next(row for row in rows if row.name == "Strict")


def newest(world: PortalWorld, viewer: Viewer, policy_id):
    with world.database.transaction() as tx:
        return world.services.safety.policies.get_policy(tx, viewer, policy_id)


def test_the_overview_says_what_holds_and_that_nothing_was_found(browser):
    text = unescape(browser.get("/safety").text)
    assert "Nothing was found" in text
    assert "The platform's default" in text
    assert "Blocks violence from high (6) on in what the caller writes." in text
    assert 'href="/safety/policies/new"' in text


def test_a_policy_is_written_and_read_as_sentences(browser, policy):
    text = unescape(browser.get(f"/safety/policies/{policy.policy_id}").text)
    assert "Blocks violence from medium (4) on in what the caller writes." in text
    assert "400 ms" in text
    assert "Nowhere yet" in text
    [rule] = policy.content.rules
    assert (rule.category, rule.threshold, rule.action.value) == ("violence", 4, "block")
    [check] = policy.content.checks
    assert (check.name, check.deadline_ms, check.fails_open) == ("harms", 400, False)


def test_the_editor_shows_what_is_so_and_room_for_more(browser, policy):
    text = browser.get(f"/safety/policies/{policy.policy_id}/edit").text
    assert 'name="rule-0-category" value="violence"' in text
    assert 'name="rule-3-category" value=""' in text
    assert 'name="rule-4-category"' not in text
    assert re.search(r'name="check-harms-used" value="yes" checked', text)
    assert not re.search(r'name="check-pii-used" value="yes" checked', text)


def test_a_change_is_a_version_with_its_difference(browser, send, world, viewer, policy):
    address = f"/safety/policies/{policy.policy_id}"
    changed = send(
        f"{address}/edit", **form(**{"rule-0-threshold": "6", "version": "1", "why": "Too loud."})
    )
    text = unescape(changed.text)
    assert "Version 2" in text
    assert "<ins>Blocks violence from high (6) on in what the caller writes</ins>" in text
    assert "<del>Blocks violence from medium (4) on in what the caller writes</del>" in text
    assert "Too loud." in text
    assert newest(world, viewer, policy.policy_id).version == 2


def test_a_form_that_is_out_of_date_changes_nothing(send, world, viewer, policy):
    address = f"/safety/policies/{policy.policy_id}/edit"
    send(address, **form(**{"rule-0-threshold": "6", "version": "1"}))
    stale = send(address, **form(**{"rule-0-threshold": "7", "version": "1"}))
    assert stale.status_code == 412
    assert "Somebody else has changed this policy" in stale.text
    row = newest(world, viewer, policy.policy_id)
    assert (row.version, row.content.rules[0].threshold) == (2, 6)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"rule-0-category": "rudeness"}, "there is no category"),
        ({"check-harms-used": ""}, "no check of this policy looks for violence"),
        ({"rule-0-action": "redact"}, "no single piece to take out"),
        ({"check-harms-deadline": "soon"}, "its deadline is a number of milliseconds"),
        ({"name": ""}, "a policy has a name"),
        ({"check-harms-options": "nonsense"}, "each option is a name"),
    ],
)
def test_what_cannot_be_stands_beside_what_was_typed(send, world, viewer, wrong, told):
    refused = send("/safety/policies", **form(**wrong))
    assert refused.status_code == 422
    assert told.lower() in unescape(refused.text).lower()
    with world.database.transaction() as tx:
        rows = world.services.safety.policies.list_policies(tx, viewer)
    assert [row for row in rows if row.organization_id is not None] == []


def test_more_rows_keep_what_was_typed(send):
    more = send("/safety/policies", **form(do="more"))
    assert more.status_code == 200
    assert 'name="rule-0-category" value="violence"' in more.text
    assert "What holds here" not in more.text


def test_a_text_is_tried_and_marked_where_it_was_found(send, policy):
    tried = send(f"/safety/policies/{policy.policy_id}/try", text=VIOLENT, direction="prompt")
    text = unescape(tried.text)
    assert tried.status_code == 200
    assert "This would be blocked." in text
    assert "<mark>" in text
    benign = send(
        f"/safety/policies/{policy.policy_id}/try",
        text="The harbour opens at nine.",
        direction="prompt",
    )
    assert "This would be blocked." not in benign.text


def test_a_text_that_is_tried_is_shown_as_text(send, policy):
    text = send(
        f"/safety/policies/{policy.policy_id}/try",
        text=f"{HOSTILE} {VIOLENT}",
        direction="prompt",
    ).text
    assert HOSTILE not in text
    assert "&lt;script&gt;" in text


def test_a_draft_is_tried_before_it_is_saved(send, world, viewer, policy):
    address = f"/safety/policies/{policy.policy_id}/edit"
    tried = send(address, **form(**{"rule-0-threshold": "7", "do": "try", "text": VIOLENT}))
    assert tried.status_code == 200
    assert "<mark>" in tried.text
    assert newest(world, viewer, policy.policy_id).version == 1


def test_a_policy_is_bound_and_unbound(send, viewer, policy):
    address = f"/safety/policies/{policy.policy_id}"
    bound = send(f"{address}/bind", subject=f"organization:{viewer.organization_id}")
    assert bound.status_code == 200
    assert "Nowhere yet" not in bound.text
    deleted = send(f"{address}/delete")
    assert deleted.status_code == 409
    assert "is bound to" in deleted.text
    unbound = send(f"{address}/unbind", kind="organization", subject=viewer.organization_id)
    assert "Nowhere yet" in unbound.text
    assert "Strict" not in send(f"{address}/delete").text


def test_nothing_is_bound_to_what_is_not_there(send, policy):
    address = f"/safety/policies/{policy.policy_id}/bind"
    assert send(address, subject="planet:earth").status_code == 422
    assert send(address, subject="project:proj_of_others").status_code == 404


def test_a_dry_run_is_started_seen_and_stopped(browser, send, policy):
    started = send(f"/safety/policies/{policy.policy_id}/dry-run")
    text = unescape(started.text)
    assert started.status_code == 200
    assert "Dry run of Strict" in text
    assert "Waits" in text
    address = address_in(started.text, r'hx-get="(/safety/dry-runs/[^"]+)"')
    assert "Strict" in browser.get("/safety/dry-runs").text
    stopped = send(f"{address}/cancel")
    assert "Stopped" in stopped.text
    assert "hx-get" not in stopped.text


def test_the_result_of_a_dry_run_is_shown(browser, send, world, policy):
    started = send(f"/safety/policies/{policy.policy_id}/dry-run")
    address = address_in(started.text, r'hx-get="(/safety/dry-runs/[^"]+)"')
    with world.database.transaction() as tx:
        tx.exec_driver_sql(
            "UPDATE safety_dry_run SET state = 'done', ended_at = now(), done = 9, total = 9,"
            """ result = '{"calls": 9, "judged_by_findings": 5, "judged_by_contents": 1,
            "not_judged": {"contents_not_kept": 3}, "would": {"block": 2}, "then": {"block": 1},
            "newly_blocked": 1, "no_longer_blocked": 0,
            "rules": [{"category": "violence", "direction": "prompt", "words": "W", "calls": 2}],
            "examples": [{"request": "req_00000000000000000000000000000001",
            "at": "2026-11-20T10:00:00+00:00", "category": "violence", "direction": "prompt",
            "severity": 6, "check": "harms", "then": "annotate"}]}'"""
        )
    text = unescape(browser.get(address).text)
    assert "Newly blocked" in text
    assert 'href="/requests/req_00000000000000000000000000000001"' in text
    assert "3: their texts were not kept" in text


def test_without_dry_runs_the_page_says_what_to_do(browser):
    assert "There was no dry run yet" in browser.get("/safety/dry-runs").text


def test_a_list_is_added_filled_from_a_file_and_deleted(browser, send, world, viewer):
    assert "There is no list yet" in browser.get("/safety/blocklists").text
    added = send("/safety/blocklists", name="harbour", description="Words of harbours.")
    assert "The list is empty" in added.text
    with world.database.transaction() as tx:
        [row] = world.services.safety.blocklists.list_blocklists(tx, viewer)
    address = f"/safety/blocklists/{row.blocklist_id}"
    words = "# harbours\nbarnacle\n\nbilge water\nbarnacle\n" + "".join(
        f"term {at}\n" for at in range(150)
    )
    filled = send(f"{address}/file", files={"file": ("terms.txt", words.encode())})
    assert "152 terms were taken in" in filled.text
    assert "bilge water" in filled.text
    older = address_in(filled.text, r'rel="next" href="([^"]+)"')
    assert "term 149" in browser.get(unescape(older)).text
    typed = send(f"{address}/items", terms="jetsam\nflotsam")
    assert "2 terms were taken in" in typed.text
    with world.database.transaction() as tx:
        items = world.services.safety.blocklists.list_items(tx, viewer, row.blocklist_id)
    send(f"{address}/remove", item=items[0].item_id)
    assert f">{items[0].text}<" not in browser.get(address).text
    assert "There is no list yet" in send(f"{address}/delete").text


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"", "There is no term in it"),
        (b"\xff\xfe", "The file is no text in UTF-8"),
        (b"a\n" + b"b" * 129, "Line 2 is no term"),
        (b"".join(b"t%d\n" % at for at in range(10_001)), "a list has at most 10,000"),
    ],
)
def test_a_file_is_taken_in_whole_or_not_at_all(send, world, viewer, raw, told):
    send("/safety/blocklists", name="harbour")
    with world.database.transaction() as tx:
        [row] = world.services.safety.blocklists.list_blocklists(tx, viewer)
    address = f"/safety/blocklists/{row.blocklist_id}/file"
    refused = send(address, files={"file": ("terms.txt", raw)})
    assert (refused.status_code, told in unescape(refused.text)) == (422, True)
    with world.database.transaction() as tx:
        [row] = world.services.safety.blocklists.list_blocklists(tx, viewer)
    assert row.items == 0


def test_a_name_that_cannot_be_stays_in_the_form(send):
    refused = send("/safety/blocklists", name=HOSTILE)
    assert refused.status_code == 422
    assert HOSTILE not in refused.text
    assert "&lt;script&gt;" in refused.text


def test_a_category_is_defined_from_files(browser, send, world, viewer):
    assert "There is no category yet" in browser.get("/safety/categories").text
    positives = "".join(f"How to moor a boat, part {at}\n" for at in range(60))
    negatives = "".join(f'{{"text": "A recipe of soup, part {at}"}}\n' for at in range(60))
    made = send(
        "/safety/categories",
        files={
            "positives": ("p.txt", positives.encode()),
            "negatives": ("n.jsonl", negatives.encode()),
        },
        name="mooring",
        definition="How boats are moored.",
        kind="trained",
    )
    assert "custom:mooring" in made.text
    assert "Waits" in made.text
    assert "hx-get" in made.text
    with world.database.transaction() as tx:
        [row] = world.services.safety.categories.list_categories(tx, viewer)
    assert "There is no category yet" in send(f"/safety/categories/{row.category_id}/delete").text


def test_too_few_examples_are_refused(send):
    refused = send(
        "/safety/categories",
        files={"positives": ("p.txt", b"one\n"), "negatives": ("n.txt", b"")},
        name="mooring",
        kind="trained",
    )
    assert refused.status_code == 422
    assert "give at least 50" in unescape(refused.text).lower()


def test_texts_are_loaded_and_deleted(browser, send, world, viewer):
    assert "Nothing is loaded yet" in browser.get("/safety/corpora").text
    added = send(
        "/safety/corpora", name="songs", licence="All rights", citation="https://example.org"
    )
    assert "Empty" in added.text
    with world.database.transaction() as tx:
        [row] = world.services.safety.corpora.list_corpora(tx, viewer)
    address = f"/safety/corpora/{row.corpus_id}"
    loaded = send(f"{address}/file", files={"file": ("song.txt", b"A song of the sea. " * 20)})
    assert "Waits" in loaded.text
    refused = send(f"{address}/file", files={"file": ("song.bin", b"\xff\xfe")})
    assert (refused.status_code, "no text in UTF-8" in refused.text) == (422, True)
    assert "Nothing is loaded yet" in send(f"{address}/delete").text


def test_the_quality_page_answers_whether_anything_was_measured_or_not(browser):
    text = browser.get("/safety/quality").text
    assert "How to read this" in text or "Nothing was measured yet" in text


@pytest.mark.parametrize("role", [Role.DEVELOPER, Role.VIEWER])
def test_others_read_and_change_nothing(browser_of, role):
    browser = browser_of(role)
    for path in ("", "/dry-runs", "/blocklists", "/categories", "/corpora", "/quality"):
        page = browser.get(f"/safety{path}")
        assert page.status_code == 200, path
        assert "button-primary" not in page.text, path
    assert browser.get("/safety/policies/new").status_code == 403


def test_a_form_without_its_token_is_refused(browser):
    assert browser.post("/safety/policies", data=form()).status_code == 403
    assert browser.post("/safety/blocklists", data={"name": "a"}).status_code == 403


def test_a_call_tells_what_policies_made_of_it(browser, world, viewer, policy):
    call, other = world.add_calls(
        viewer, ended_call(datetime.now(UTC)), ended_call(datetime.now(UTC))
    )
    event_id = UUID(hex=call.removeprefix("req_"))
    with world.database.transaction() as tx:
        at = tx.execute(
            select(usage_event.c.at).where(usage_event.c.event_id == event_id)
        ).scalar_one()
        flag = {
            "category": "violence",
            "direction": "completion",
            "severity": 6,
            "score": 0.91,
            "action": "block",
            "check": "harms",
            "check_version": "v7",
        }
        tx.execute(
            insert(usage_safety).values(
                event_id=event_id,
                at=at,
                organization_id=viewer.organization_id,
                project_id=viewer.project_id,
                key_id="key",
                model="tw/small",
                action="block",
                policies=[[policy.policy_id, 3]],
                flags=[flag],
                failures=[["pii", "timeout"]],
                blocked_at=120,
                examined_us=2_500,
            )
        )
    text = unescape(browser.get(f"/requests/{call}").text)
    assert "What policies made of it" in text
    assert f'href="/safety/policies/{policy.policy_id}"' in text
    assert "harms v7" in text
    assert "Could not tell: pii (timeout)" in text
    assert "ended after 120 characters" in text
    plain = browser.get(f"/requests/{other}").text
    assert "What policies made of it" not in plain


def test_a_week_of_findings_is_summed(browser, world, viewer):
    found = [
        ("", "", "examined", 100),
        ("", "", "failed", 2),
        ("violence", "prompt", "block", 3),
        ("violence", "prompt", "annotate", 4),
        ("pii.email", "prompt", "redact", 5),
    ]
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    with world.database.transaction() as tx:
        for hour in (now, now - timedelta(days=3), now - timedelta(days=8)):
            tx.execute(
                insert(safety_hour),
                [
                    {
                        "organization_id": viewer.organization_id,
                        "hour": hour,
                        "project_id": "p",
                        "key_id": "k",
                        "category": category,
                        "direction": direction,
                        "band": "high",
                        "action": action,
                        "calls": calls,
                    }
                    for category, direction, action, calls in found
                ],
            )
    text = " ".join(unescape(re.sub(r"<[^>]+>", " ", browser.get("/safety").text)).split())
    assert "200 calls of this organization were looked at" in text
    assert "Violence prompt 6 0 0 8 Personal data (email) prompt 0 10 0 0" in text
    assert "A check could not tell in 4 calls." in text
