"""The pages of webhooks: the list, adding, the secret, testing, changing, deleting."""

import re
from html import unescape

import pytest
from sqlalchemy import func
from starlette.testclient import TestClient

from tradewind.core.permissions import Role
from tradewind.db.outbox import outbox_message
from tradewind.features.accounts.schemas import SignedIn, Viewer
from tradewind.features.webhooks.schemas import (
    DeliveryRow,
    DeliveryState,
    DestinationChanges,
    DestinationRow,
    Outcome,
)
from tradewind.testing.portal_world import PortalWorld

HOSTILE = '<script>alert("x")</script>'
FORM = {
    "url": "https://hooks.example.org/in/?team=7",
    "description": "On call",
    "kinds": ["budget.alert", "budget.exhausted"],
}
SECRET = re.compile(r"whsec_[A-Za-z0-9+/=]{44}")
ARRIVED = Outcome(200)
BROKEN = Outcome(500, "the answer was 500")


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


def all_of(world: PortalWorld, viewer: Viewer) -> list[DestinationRow]:
    with world.database.transaction() as tx:
        return world.webhooks.list_webhooks(tx, viewer)


def sent_to(world: PortalWorld, viewer: Viewer, webhook_id: str) -> list[DeliveryRow]:
    with world.database.transaction() as tx:
        return world.webhooks.list_deliveries(tx, viewer, webhook_id)


def disable(world: PortalWorld, viewer: Viewer, webhook_id: str) -> None:
    with world.database.transaction() as tx:
        world.webhooks.update_webhook(tx, viewer, webhook_id, DestinationChanges(is_enabled=False))


def test_without_a_webhook_the_page_says_what_to_do(browser: TestClient):
    text = browser.get("/webhooks").text

    assert "Nobody is told yet" in text
    assert 'href="/webhooks/new"' in text


def test_a_webhook_is_added_and_its_secret_shown_once(
    browser: TestClient, send, world: PortalWorld, viewer: Viewer
):
    answer = send("/webhooks", **FORM)

    (row,) = all_of(world, viewer)
    assert answer.status_code == 200
    assert len(SECRET.findall(answer.text)) == 1
    assert answer.headers["cache-control"] == "no-store"
    assert (row.url, row.description) == (FORM["url"], "On call")
    assert [kind.value for kind in row.kinds] == FORM["kinds"]
    for path in ("/webhooks", f"/webhooks/{row.webhook_id}"):
        text = browser.get(path).text
        assert "whsec_" not in text
        assert "hooks.example.org/in/?team=7" in unescape(text)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("url", ""),
        ("url", "hooks.example.org"),
        ("url", "http://hooks.example.org/"),
        ("url", "https://user:password@hooks.example.org/"),
        ("url", "https://hooks.example.org/#here"),
        ("description", "x" * 201),
        ("kinds", []),
        ("kinds", ["budget.alert", "everything"]),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_the_rest_is_kept(
    send, world: PortalWorld, viewer: Viewer, field: str, value: str
):
    answer = send("/webhooks", **(FORM | {field: value}))

    assert answer.status_code == 422
    assert f'id="{field}-error"' in answer.text
    kept = "url" if field != "url" else "description"
    assert f'value="{FORM[kept]}"' in unescape(answer.text)
    assert all_of(world, viewer) == []


def test_a_private_host_takes_a_word_of_the_platforms_administrator(
    send, world: PortalWorld, viewer: Viewer
):
    form = FORM | {"url": "http://10.0.0.7:9000/in", "is_private_network": "yes"}

    send("/webhooks", **form)

    assert [row.is_private_network for row in all_of(world, viewer)] == [True]


def test_the_twenty_first_webhook_is_refused_with_what_to_do(
    browser: TestClient, send, world: PortalWorld, viewer: Viewer
):
    for _ in range(20):
        world.add_webhook(viewer)

    answer = send("/webhooks", **FORM)

    assert answer.status_code == 409
    assert "has 20 webhooks" in answer.text
    assert 'href="/webhooks/new"' not in browser.get("/webhooks").text


def test_a_test_message_is_sent_and_shown(
    browser: TestClient, send, world: PortalWorld, viewer: Viewer
):
    webhook_id = world.add_webhook(viewer).webhook_id

    answer = send(f"/webhooks/{webhook_id}/test")

    (delivery,) = sent_to(world, viewer, webhook_id)
    assert answer.headers["location"] == f"/webhooks/{webhook_id}"
    assert (delivery.kind, delivery.state) == ("webhook.test", DeliveryState.PENDING)
    text = main_of(browser.get(f"/webhooks/{webhook_id}").text)
    assert "On its way" in text
    assert "hx-trigger" in text, "the page looks again by itself"


def test_deliveries_are_shown_with_what_became_of_them(
    browser: TestClient, world: PortalWorld, viewer: Viewer
):
    webhook_id = world.add_webhook(viewer).webhook_id
    world.deliver(viewer, webhook_id, ARRIVED, BROKEN)

    text = main_of(browser.get(f"/webhooks/{webhook_id}").text)

    assert "Delivered" in text
    assert "Failed" in text
    assert "The answer was 500." in text
    assert "hx-trigger" not in text


def test_a_failed_delivery_is_sent_again_on_request(send, world: PortalWorld, viewer: Viewer):
    webhook_id = world.add_webhook(viewer).webhook_id
    world.deliver(viewer, webhook_id, BROKEN)
    (failed,) = sent_to(world, viewer, webhook_id)

    send(f"/webhooks/{webhook_id}/deliveries/{failed.delivery_id}")

    (again,) = sent_to(world, viewer, webhook_id)
    assert (again.state, again.message_id) == (DeliveryState.PENDING, failed.message_id)


def test_many_deliveries_come_in_pages(browser: TestClient, world: PortalWorld, viewer: Viewer):
    webhook_id = world.add_webhook(viewer).webhook_id
    world.deliver(viewer, webhook_id, *[ARRIVED] * 51)

    first = browser.get(f"/webhooks/{webhook_id}").text
    (older,) = re.findall(rf'href="(/webhooks/{webhook_id}\?before=[^"]+)"', first)
    second = main_of(browser.get(older).text)

    assert first.count("Deliver again") == 50
    assert second.count("Deliver again") == 1
    assert "Newest" in second


def test_one_that_answered_410_says_so_and_can_be_enabled_again(
    browser: TestClient, send, world: PortalWorld, viewer: Viewer
):
    row = world.add_webhook(viewer)
    world.deliver(viewer, row.webhook_id, Outcome(410, "the answer was 410"))
    (gone,) = all_of(world, viewer)
    text = main_of(browser.get(f"/webhooks/{row.webhook_id}").text)
    assert "it answered 410 Gone" in text

    send(f"/webhooks/{row.webhook_id}/enabled", revision=str(gone.revision), is_enabled="yes")

    (enabled,) = all_of(world, viewer)
    assert enabled.disabled_at is None
    assert enabled.failing_since is None


def test_a_disabled_one_delivers_nothing_again_and_says_why(
    send, world: PortalWorld, viewer: Viewer
):
    webhook_id = world.add_webhook(viewer).webhook_id
    world.deliver(viewer, webhook_id, ARRIVED)
    (delivery,) = sent_to(world, viewer, webhook_id)
    disable(world, viewer, webhook_id)
    with world.database.transaction() as tx:
        tx.exec_driver_sql("UPDATE webhook_delivery SET kind = 'budget.alert'")

    answer = send(f"/webhooks/{webhook_id}/deliveries/{delivery.delivery_id}")

    assert answer.status_code == 409
    assert "The webhook is disabled." in answer.text


def test_it_is_changed(send, world: PortalWorld, viewer: Viewer):
    webhook_id = world.add_webhook(viewer).webhook_id

    answer = send(
        f"/webhooks/{webhook_id}",
        revision="1",
        url="https://other.example.org/",
        description="",
        kinds=["budget.exhausted"],
    )

    (row,) = all_of(world, viewer)
    assert answer.headers["location"] == f"/webhooks/{webhook_id}"
    assert (row.url, row.description) == ("https://other.example.org/", "")
    assert [kind.value for kind in row.kinds] == ["budget.exhausted"]


def test_a_form_that_is_out_of_date_shows_both(send, world: PortalWorld, viewer: Viewer):
    webhook_id = world.add_webhook(viewer).webhook_id
    with world.database.transaction() as tx:
        changes = DestinationChanges(description="Changed meanwhile")
        world.webhooks.update_webhook(tx, viewer, webhook_id, changes)

    answer = send(f"/webhooks/{webhook_id}", revision="1", **FORM)

    assert answer.status_code == 412
    assert "Now: <b>Changed meanwhile</b>" in answer.text
    assert f'value="{FORM["description"]}"' in answer.text


def test_the_secret_is_replaced_and_the_former_signs_for_a_day(
    browser: TestClient, send, world: PortalWorld, viewer: Viewer
):
    webhook_id = world.add_webhook(viewer).webhook_id
    assert "For 24 hours" in browser.get(f"/webhooks/{webhook_id}/secret").text

    answer = send(f"/webhooks/{webhook_id}/secret", revision="1")

    assert len(SECRET.findall(answer.text)) == 1
    assert "signed with both secrets" in answer.text
    assert "Signs too until" in browser.get(f"/webhooks/{webhook_id}").text


@pytest.mark.parametrize("action", ["secret", "delete"])
def test_what_cannot_be_undone_needs_a_form_of_now(
    send, world: PortalWorld, viewer: Viewer, action: str
):
    webhook_id = world.add_webhook(viewer).webhook_id
    disable(world, viewer, webhook_id)

    answer = send(f"/webhooks/{webhook_id}/{action}", revision="1")

    assert answer.status_code == 412
    assert len(all_of(world, viewer)) == 1
    assert "whsec_" not in answer.text


def test_it_is_deleted(browser: TestClient, send, world: PortalWorld, viewer: Viewer):
    webhook_id = world.add_webhook(viewer).webhook_id
    assert "Delete this webhook?" in browser.get(f"/webhooks/{webhook_id}/delete").text

    send(f"/webhooks/{webhook_id}/delete", revision="1")

    assert all_of(world, viewer) == []


def test_events_that_reached_no_webhook_are_shown_and_tried_again(
    browser: TestClient, send, world: PortalWorld, viewer: Viewer
):
    with world.database.transaction() as tx:
        tx.execute(
            outbox_message.insert().values(
                id="msg_1",
                organization_id=viewer.organization_id,
                kind="budget.alert",
                key="k",
                payload={},
                set_aside_at=func.now(),
                error=f"KeyError: {HOSTILE}",
            )
        )
    text = browser.get("/webhooks").text
    assert "1 event could not be handed on" in text
    assert HOSTILE not in text

    send("/webhooks/set-aside")

    assert "could not be handed on" not in browser.get("/webhooks").text


def test_what_was_typed_is_never_markup(browser: TestClient, world: PortalWorld, viewer: Viewer):
    webhook_id = world.add_webhook(viewer, description=HOSTILE).webhook_id
    world.deliver(viewer, webhook_id, Outcome(None, HOSTILE))

    for path in ("", f"/{webhook_id}", f"/{webhook_id}/delete", f"/{webhook_id}/secret"):
        text = browser.get(f"/webhooks{path}").text
        assert HOSTILE not in text
        assert HOSTILE in unescape(text)


@pytest.mark.parametrize("role", [Role.DEVELOPER, Role.VIEWER])
def test_only_administrators_see_webhooks(browser_of, world: PortalWorld, role: Role):
    browser = browser_of(role)

    answer = browser.get("/webhooks")

    assert answer.status_code == 403
    assert "webhooks:read" in answer.text
    assert 'href="/webhooks"' not in browser.get("/").text


def test_a_form_of_another_site_changes_nothing(
    browser: TestClient, world: PortalWorld, viewer: Viewer
):
    webhook_id = world.add_webhook(viewer).webhook_id

    for path in ("", f"/{webhook_id}/secret", f"/{webhook_id}/delete", f"/{webhook_id}/test"):
        answer = browser.post(f"/webhooks{path}", data={"revision": "1"} | FORM)
        assert answer.status_code == 403
    assert [row.revision for row in all_of(world, viewer)] == [1]
    assert sent_to(world, viewer, webhook_id) == []


def test_another_organizations_webhook_is_not_found(
    browser: TestClient, world: PortalWorld, viewer: Viewer
):
    webhook_id = world.add_webhook(viewer).webhook_id
    with world.database.transaction() as tx:
        tx.exec_driver_sql(
            "INSERT INTO organization (id, name, created_at) VALUES ('org_else', 'Else', now())"
        )
        tx.exec_driver_sql("UPDATE webhook SET organization_id = 'org_else'")

    for path in ("", "/delete", "/secret"):
        assert browser.get(f"/webhooks/{webhook_id}{path}").status_code == 404
