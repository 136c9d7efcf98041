"""The pages of budgets: the list, adding, changing, deleting, and what may not be done."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from starlette.testclient import TestClient

from tradewind.core.permissions import Role
from tradewind.features.accounts.schemas import SignedIn, Viewer
from tradewind.features.budgets.schemas import BudgetChanges, BudgetRow, PeriodKind
from tradewind.features.budgets.tables import budget_alert
from tradewind.testing.logged_calls import ended_call
from tradewind.testing.portal_world import PortalWorld

HOSTILE = '<script>alert("x")</script>'
FORM = {
    "name": "Launch",
    "amount": "250.50",
    "currency": "USD",
    "period": "month",
    "kind": "hard",
    "scope": "organization",
    "alerts": "50, 80,100",
}


@pytest.fixture
def viewer(signed_in: SignedIn) -> Viewer:
    return signed_in.viewer


@pytest.fixture
def send(browser: TestClient, viewer: Viewer):
    """Post a form of our own page."""

    def post(path: str, **fields):
        return browser.post(path, data={"csrf_token": viewer.csrf_token} | fields)

    return post


def main_of(page: str) -> str:
    return unescape(page.split("<main", 1)[1])


def all_of(world: PortalWorld, viewer: Viewer) -> list[BudgetRow]:
    with world.database.transaction() as tx:
        return world.budgets.list_budgets(tx, viewer)


def test_without_a_budget_the_page_says_what_to_do(browser: TestClient):
    text = browser.get("/budgets").text

    assert "No budget yet" in text
    assert 'href="/budgets/new"' in text


def test_a_budget_of_the_organization_is_added(send, world: PortalWorld, viewer: Viewer):
    answer = send("/budgets", **FORM)

    (row,) = all_of(world, viewer)
    assert answer.headers["location"] == "/budgets"
    assert (row.name, row.amount_nanos, row.currency) == ("Launch", 250_500_000_000, "USD")
    assert (row.period, row.is_hard, row.alert_percents) == (PeriodKind.MONTH, True, (50, 80, 100))
    assert (row.project_id, row.key_id) == (None, None)


def test_a_budget_of_a_project_or_key_is_added(
    browser: TestClient, send, world: PortalWorld, viewer: Viewer
):
    key_id = world.add_key(viewer, "website")
    assert f'<option value="{key_id}" selected>' in (
        browser.get(f"/budgets/new?scope={key_id}").text
    )

    send("/budgets", **(FORM | {"scope": key_id, "kind": "soft", "alerts": ""}))
    send("/budgets", **(FORM | {"scope": viewer.project_id, "period": "day"}))

    of_project, of_key = all_of(world, viewer)
    assert (of_key.key_id, of_key.is_hard, of_key.alert_percents) == (key_id, False, ())
    assert (of_project.project_id, of_project.key_id) == (viewer.project_id, None)
    text = main_of(browser.get("/budgets").text)
    assert "Key website" in text
    assert f"Project {viewer.project_name}" in text


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "x" * 81),
        ("amount", ""),
        ("amount", "-1"),
        ("amount", "much"),
        ("amount", "9999999999"),
        ("amount", "5000000000"),
        ("currency", "XXX"),
        ("period", "week"),
        ("kind", "firm"),
        ("scope", "k0123456789a"),
        ("scope", "proj_01890000000000000000000000"),
        ("alerts", "0"),
        ("alerts", "eighty"),
        ("alerts", "1,2,3,4,5,6,7,8,9,10,11"),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_the_rest_is_kept(
    send, world: PortalWorld, viewer: Viewer, field: str, value: str
):
    answer = send("/budgets", **(FORM | {field: value}))

    assert answer.status_code == 422
    assert f'id="{field}-error"' in answer.text
    kept = "name" if field != "name" else "amount"
    assert f'value="{FORM[kept]}"' in answer.text
    assert all_of(world, viewer) == []


def test_a_budget_shows_what_is_spent_and_left(
    browser: TestClient, world: PortalWorld, viewer: Viewer
):
    row = world.add_budget(viewer, "Monthly", amount_nanos=4_000_000_000)
    world.add_usage(viewer, cost_nanos=3_000_000_000)

    for path in ("/budgets", f"/budgets/{row.budget_id}"):
        text = main_of(browser.get(path).text)
        assert "$3.00</span></b> spent" in text
        assert "$1.00</span></b> left of" in text
        assert '<rect class="budget-spent" width="750"' in text
        assert "Begins anew on" in text


def test_a_budget_that_is_spent_says_that_it_refuses_calls(
    browser: TestClient, world: PortalWorld, viewer: Viewer
):
    world.add_budget(viewer, "Spent", amount_nanos=1)
    world.add_budget(viewer, "Soft", amount_nanos=1, is_hard=False, period=PeriodKind.TOTAL)
    world.add_usage(viewer, cost_nanos=3_000_000_000)

    text = main_of(browser.get("/budgets").text)

    assert text.count("Refuses calls") == 1
    assert "Never begins anew" in text


def test_alerts_are_shown(browser: TestClient, world: PortalWorld, viewer: Viewer):
    row = world.add_budget(viewer)
    with world.database.transaction() as tx:
        tx.execute(
            budget_alert.insert().values(
                budget_id=row.budget_id,
                period_start=row.period_start,
                percent=80,
                spent_nanos=8_000_000_000,
                amount_nanos=10_000_000_000,
                at=row.created_at,
            )
        )

    assert "80% reached" in browser.get("/budgets").text
    text = main_of(browser.get(f"/budgets/{row.budget_id}").text)
    assert "80% on" in text
    assert "$8.00" in text


def test_the_amount_is_changed(send, world: PortalWorld, viewer: Viewer):
    row = world.add_budget(viewer)

    answer = send(
        f"/budgets/{row.budget_id}",
        revision="1",
        name="Monthly",
        amount="0.25",
        kind="soft",
        alerts="90",
    )

    (changed,) = all_of(world, viewer)
    assert answer.headers["location"] == "/budgets"
    assert (changed.amount_nanos, changed.is_hard) == (250_000_000, False)
    assert changed.alert_percents == (90,)


def test_a_change_that_is_wrong_is_said_at_its_field(send, world: PortalWorld, viewer: Viewer):
    row = world.add_budget(viewer)
    form = {"revision": "1", "name": "Other", "amount": "", "kind": "hard", "alerts": "90"}

    answer = send(f"/budgets/{row.budget_id}", **form)

    assert answer.status_code == 422
    assert 'id="amount-error"' in answer.text
    assert 'value="Other"' in answer.text
    assert all_of(world, viewer)[0].revision == 1


def test_a_form_that_is_out_of_date_shows_both_and_can_be_sent_again(
    send, world: PortalWorld, viewer: Viewer
):
    row = world.add_budget(viewer)
    with world.database.transaction() as tx:
        changes = BudgetChanges(amount_nanos=77_000_000_000)
        world.budgets.update_budget(tx, viewer, row.budget_id, changes)
    path = f"/budgets/{row.budget_id}"
    form = {"name": "Monthly", "amount": "5", "kind": "hard", "alerts": "80, 100"}

    stale = send(path, revision="1", **form)

    assert stale.status_code == 412
    assert "Somebody else has changed this budget" in stale.text
    assert "Now: <b>77</b>" in stale.text
    assert all_of(world, viewer)[0].amount_nanos == 77_000_000_000
    assert send(path, revision="2", **form).status_code == 303
    assert all_of(world, viewer)[0].amount_nanos == 5_000_000_000


def test_a_budget_is_deleted_after_a_question(
    browser: TestClient, send, world: PortalWorld, viewer: Viewer
):
    row = world.add_budget(viewer)
    path = f"/budgets/{row.budget_id}/delete"

    assert "Delete the budget “Monthly”?" in browser.get(path).text
    assert len(all_of(world, viewer)) == 1
    assert send(path, revision="9").status_code == 412
    assert len(all_of(world, viewer)) == 1
    assert send(path, revision="1").headers["location"] == "/budgets"
    assert all_of(world, viewer) == []


@pytest.mark.parametrize("role", [Role.VIEWER, Role.DEVELOPER])
def test_whoever_may_not_change_budgets_reads_them_with_the_reason(
    world: PortalWorld, anonymous: TestClient, role: Role
):
    signed_in = world.sign_in(role)
    anonymous.cookies.set("tradewind_session", signed_in.session_token)
    browser = anonymous
    row = world.add_budget(replace(signed_in.viewer, role=Role.ADMIN))

    for path in ("/budgets", f"/budgets/{row.budget_id}"):
        text = main_of(browser.get(path).text)
        assert "takes the right limits:write" in text
        assert "<form" not in text
        assert "/delete" not in text
    for path in ("/budgets/new", f"/budgets/{row.budget_id}/delete"):
        assert browser.get(path).status_code == 403


@pytest.mark.parametrize("path", ["/budgets", "/budgets/{id}", "/budgets/{id}/delete"])
def test_a_form_of_another_page_changes_nothing(
    browser: TestClient, world: PortalWorld, viewer: Viewer, path: str
):
    row = world.add_budget(viewer)

    answer = browser.post(
        path.format(id=row.budget_id), data=FORM | {"csrf_token": "x", "revision": "1"}
    )

    assert answer.status_code == 403
    assert all_of(world, viewer) == [row]


@pytest.mark.parametrize("budget_id", ["nobody", "bud_01890000000000000000000000", "x%00"])
@pytest.mark.parametrize("end", ["", "/delete"])
def test_a_budget_of_nobody_is_not_found(browser: TestClient, send, budget_id: str, end: str):
    assert browser.get(f"/budgets/{budget_id}{end}").status_code == 404
    assert send(f"/budgets/{budget_id}{end}", **FORM, revision="1").status_code == 404


def test_the_list_has_pages(browser: TestClient, world: PortalWorld, viewer: Viewer):
    for number in range(51):
        world.add_budget(viewer, f"budget number {number}.")

    first, second = browser.get("/budgets").text, browser.get("/budgets?page=2").text

    assert "budget number 0." not in first
    assert 'href="/budgets?page=2"' in first
    assert "budget number 0." in second
    assert "The list ends before this page" in browser.get("/budgets?page=3").text


def test_names_are_text_and_never_markup(browser: TestClient, world: PortalWorld, viewer: Viewer):
    row = world.add_budget(viewer, HOSTILE)

    for path in ("/budgets", f"/budgets/{row.budget_id}", f"/budgets/{row.budget_id}/delete"):
        text = browser.get(path).text
        assert HOSTILE not in text
        assert HOSTILE in unescape(text)


def test_a_budget_is_previewed_before_it_is_saved(send, world: PortalWorld, viewer: Viewer):
    this_month = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    last_month = this_month - timedelta(days=2)
    calls = [
        ended_call(last_month + timedelta(minutes=minute), cost_nanos=100_000_000_000)
        for minute in range(5)
    ]
    world.add_calls(viewer, *calls)

    page = main_of(send("/budgets/preview", **FORM).text)

    assert "Would have stopped 3 requests last month" in page
    assert "of 5" in page
    assert 'value="250.50"' in page, "the form is as it was typed"
    assert all_of(world, viewer) == []

    soft = main_of(send("/budgets/preview", **(FORM | {"kind": "soft"})).text)
    assert "A soft budget stops nothing" in soft
    assert send("/budgets/preview", **(FORM | {"amount": "much"})).status_code == 422


def test_a_change_is_previewed_before_it_is_saved(send, world: PortalWorld, viewer: Viewer):
    row = world.add_budget(viewer)
    world.add_calls(viewer, ended_call(cost_nanos=5_000_000_000))

    page = main_of(
        send(f"/budgets/{row.budget_id}/preview", **(FORM | {"amount": "4", "name": "New"})).text
    )

    assert "and 1 of 1 this month so far" in page
    (saved,) = all_of(world, viewer)
    assert (saved.name, saved.amount_nanos) == (row.name, row.amount_nanos)
    empty = send(f"/budgets/{row.budget_id}/preview", **(FORM | {"amount": ""}))
    assert empty.status_code == 422
