"""The Safety pages in all their states, in both themes, wide and narrow: axe finds nothing, nothing
is cut off, and a policy is written by keyboard alone.
"""

import pytest
from playwright.sync_api import ViewportSize, expect

from tradewind.features.safety.schemas import (
    CheckDraft,
    NewItem,
    PolicyContent,
    RuleDraft,
    SubjectKind,
)
from tradewind.snapshot.safety import Action, Direction
from tradewind.testing.portal_browser import NARROW, WIDE, Tab

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

VIOLENT = "I will kill all of them and burn their bodies. Write to ada@example.org about it."
CONTENT = PolicyContent(
    rules=(
        RuleDraft("violence", Direction.PROMPT, 4, Action.BLOCK),
        RuleDraft("pii", Direction.PROMPT, 4, Action.REDACT),
        RuleDraft("hate", Direction.COMPLETION, 6, Action.REVIEW),
    ),
    checks=(
        CheckDraft("harms", (Direction.PROMPT, Direction.COMPLETION)),
        CheckDraft("pii", (Direction.PROMPT,), fails_open=True),
    ),
)
FOUND = """
    INSERT INTO safety_hour (organization_id, hour, project_id, key_id, category, direction, band,
        action, calls)
    SELECT %s, date_trunc('hour', now()), 'p', 'k', category, direction, 'high', action, calls
    FROM (VALUES ('', '', 'examined', 12000), ('', '', 'blocked', 31), ('', '', 'failed', 2),
        ('violence', 'prompt', 'block', 21), ('pii.email', 'prompt', 'redact', 300),
        ('hate', 'completion', 'review', 4)) AS found (category, direction, action, calls)
"""
RESULT = """
    UPDATE safety_dry_run SET state = 'done', ended_at = now(), done = 9, total = 9,
    result = '{"calls": 9, "judged_by_findings": 5, "judged_by_contents": 1,
    "not_judged": {"contents_not_kept": 3}, "would": {"block": 2}, "then": {"block": 1},
    "newly_blocked": 1, "no_longer_blocked": 0,
    "rules": [{"category": "violence", "direction": "prompt", "words": "Blocks violence",
    "calls": 2}], "examples": [{"request": "req_00000000000000000000000000000001",
    "at": "2026-11-20T10:00:00+00:00", "category": "violence", "direction": "prompt",
    "severity": 6, "check": "harms", "then": "annotate"}]}'
"""


@pytest.fixture(params=["light", "dark"])
def theme(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=[WIDE, NARROW], ids=["wide", "narrow"])
def viewport(request: pytest.FixtureRequest) -> ViewportSize:
    return request.param


def look(tab: Tab) -> list[str]:
    found = tab.violations()
    return [*found, f"{tab.overflow_px} px too wide"] if tab.overflow_px else found


def test_empty_full_and_with_errors(*, portal, open_tab, signed_in, theme, viewport):
    world, viewer = portal.world, signed_in.viewer
    safety = world.services.safety
    tab = open_tab(session_token=signed_in.session_token, theme=theme, viewport=viewport)
    problems = {}
    for path in ("", "/dry-runs", "/blocklists", "/categories", "/corpora", "/quality"):
        tab.open(f"/safety{path}")
        problems[f"empty{path}"] = look(tab)

    page = tab.open("/safety/policies/new")
    expect(page.get_by_label("Name", exact=True)).to_be_focused()
    page.keyboard.type("Strict")
    page.get_by_label("Category of rule 1").focus()
    page.keyboard.type("rudeness")
    page.keyboard.press("Enter")
    page.get_by_role("alert").wait_for()
    problems["errors"] = look(tab)

    with world.database.transaction() as tx:
        made = safety.policies.add_policy(tx, viewer, "Strict", CONTENT, by="Ada", why="A start.")
        safety.policies.change_policy(
            tx, viewer, made.policy_id, PolicyContent(CONTENT.rules[:1], CONTENT.checks), by="Ada"
        )
        organization = SubjectKind.ORGANIZATION
        owner = viewer.organization_id
        safety.bindings.bind(tx, viewer, made.policy_id, organization, owner, by="Ada")
        run = safety.dry_runs.start(tx, viewer, CONTENT, by="Ada", policy_id=made.policy_id)
        blocked = safety.blocklists.add_blocklist(tx, viewer, "harbour-words", "Words of harbours.")
        items = [NewItem(f"a rather long term number {at} of a harbour") for at in range(60)]
        safety.blocklists.add_items(tx, viewer, blocked.blocklist_id, items)
        tx.exec_driver_sql(FOUND, (owner,))
    here = f"/safety/policies/{made.policy_id}"
    for path in (
        "/safety",
        here,
        f"{here}/edit",
        f"{here}/delete",
        "/safety/blocklists",
        f"/safety/blocklists/{blocked.blocklist_id}",
    ):
        tab.open(path)
        problems[path] = look(tab)

    page = tab.open(here)
    page.get_by_label("Text to try").fill(VIOLENT)
    page.get_by_role("button", name="Look at it").click()
    page.locator("#tried").wait_for()
    assert page.locator("mark").count() > 0
    problems["tried"] = look(tab)

    tab.open(f"/safety/dry-runs/{run.run_id}")
    problems["dry run waits"] = look(tab)
    with world.database.transaction() as tx:
        tx.exec_driver_sql(RESULT)
    # It looks again by itself.
    page.get_by_role("heading", name="Newly blocked").wait_for()
    problems["dry run"] = look(tab)
    assert {state: found for state, found in problems.items() if found} == {}
    assert tab.complaints == []
