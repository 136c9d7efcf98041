"""Destinations, as people and programs see to them."""

import pytest
from sqlalchemy import select, text

from tradewind.core.errors import Forbidden, InvalidInput, NotFound, PreconditionFailed
from tradewind.core.permissions import Role
from tradewind.features.webhooks import service
from tradewind.features.webhooks.errors import TooManyDeliveries, TooManyWebhooks, WebhookDisabled
from tradewind.features.webhooks.schemas import (
    DeliveryState,
    DestinationChanges,
    DisabledBy,
    EventKind,
    Outcome,
)
from tradewind.features.webhooks.tables import webhook

pytestmark = pytest.mark.postgres

OFF = DestinationChanges(is_enabled=False)
ON = DestinationChanges(is_enabled=True)


def test_a_destination_is_handed_out_as_it_was_taken_in(do, webhooks, operator, add):
    made = add(description=" On call ", kinds=("budget.exhausted", "budget.alert"))
    assert do(webhooks.list_webhooks, operator) == [made.row]
    assert do(webhooks.get_webhook, operator, made.row.webhook_id) == made.row
    assert made.row.description == "On call"
    assert made.row.kinds == (EventKind.BUDGET_ALERT, EventKind.BUDGET_EXHAUSTED)
    assert (made.row.disabled_at, made.row.failing_since, made.row.revision) == (None, None, 1)


def test_the_secret_lies_in_the_database_sealed_and_in_no_repr(do, database, add):
    made = add()
    secret = made.secret.reveal()
    assert secret.startswith("whsec_")
    with database.transaction() as tx:
        dump = tx.execute(text("SELECT to_jsonb(webhook)::text FROM webhook")).scalar_one()
        sealed = tx.execute(select(webhook.c.sealed_secret)).scalar_one()
    assert secret not in dump
    assert secret.removeprefix("whsec_").encode() not in bytes(sealed)
    assert secret not in repr(made)
    assert "hooks.example.org" not in repr(made.row), "a URL may hold a receiver's own secret"


def test_a_secret_copied_to_another_destination_does_not_open(do, database, add, courier, tell):
    add()
    other = add()
    with database.transaction() as tx:
        tx.execute(
            text(
                "UPDATE webhook SET (sealed_secret, data_key_id) ="
                " (SELECT sealed_secret, data_key_id FROM webhook WHERE id <> :id LIMIT 1)"
                " WHERE id = :id"
            ),
            {"id": other.row.webhook_id},
        )
    tell()
    secrets = {each.webhook_id: each.secrets for each in do(courier.claim, 10)}
    assert secrets[other.row.webhook_id] == ()
    assert len(secrets) == 2


@pytest.mark.parametrize(
    "how",
    [
        {"url": "http://hooks.example.org/"},
        {"url": "hooks"},
        {"kinds": ()},
        {"kinds": ("webhook.test",)},
        {"description": "x" * 201},
    ],
)
def test_what_cannot_be_a_destination_is_refused(do, webhooks, operator, add, how):
    with pytest.raises(InvalidInput):
        add(**how)
    assert do(webhooks.list_webhooks, operator) == []


def test_an_organization_has_at_most_twenty(do, webhooks, operator, person, add):
    for _ in range(service.WEBHOOKS_MAX):
        add()
    with pytest.raises(TooManyWebhooks):
        add()
    add(person())
    assert len(do(webhooks.list_webhooks, operator)) == service.WEBHOOKS_MAX


def test_only_the_platforms_administrator_names_a_private_host(do, webhooks, person, add):
    theirs = person(is_operator=False)
    with pytest.raises(Forbidden):
        add(theirs, url="http://10.0.0.7/", is_private_network=True)
    made = add(theirs)
    private = DestinationChanges(is_private_network=True)
    with pytest.raises(Forbidden):
        do(webhooks.update_webhook, theirs, made.row.webhook_id, private)


def test_a_private_host_that_was_allowed_is_not_exchanged_for_another(do, webhooks, person, add):
    operator = person()
    theirs = person(of=operator, is_operator=False)
    made = add(operator, url="http://10.0.0.7/", is_private_network=True)
    elsewhere = DestinationChanges(url="http://169.254.169.254/latest")
    with pytest.raises(Forbidden):
        do(webhooks.update_webhook, theirs, made.row.webhook_id, elsewhere)
    described = DestinationChanges(description="Renamed")
    assert do(webhooks.update_webhook, theirs, made.row.webhook_id, described).description


@pytest.mark.parametrize("role", [Role.DEVELOPER, Role.VIEWER])
def test_a_weaker_role_neither_reads_nor_changes(*, do, webhooks, operator, person, add, role):
    made = add()
    weak = person(role, of=operator)
    for act in (
        webhooks.list_webhooks,
        webhooks.list_set_aside,
        webhooks.put_back,
    ):
        with pytest.raises(Forbidden):
            do(act, weak)
    for act in (
        webhooks.get_webhook,
        webhooks.list_deliveries,
        webhooks.rotate_secret,
        webhooks.send_test,
        webhooks.delete_webhook,
    ):
        with pytest.raises(Forbidden):
            do(act, weak, made.row.webhook_id)


def test_another_organizations_is_not_found(do, webhooks, person, add):
    made, stranger = add(), person()
    assert do(webhooks.list_webhooks, stranger) == []
    for act in (
        webhooks.get_webhook,
        webhooks.list_deliveries,
        webhooks.rotate_secret,
        webhooks.send_test,
        webhooks.delete_webhook,
    ):
        with pytest.raises(NotFound):
            do(act, stranger, made.row.webhook_id)


def test_whoever_has_not_seen_the_last_change_changes_nothing(do, webhooks, operator, add):
    made = add()
    do(webhooks.update_webhook, operator, made.row.webhook_id, OFF, revision=1)
    for act, more in (
        (webhooks.update_webhook, (ON,)),
        (webhooks.rotate_secret, ()),
        (webhooks.delete_webhook, ()),
    ):
        with pytest.raises(PreconditionFailed):
            do(act, operator, made.row.webhook_id, *more, revision=1)
    assert do(webhooks.get_webhook, operator, made.row.webhook_id).revision == 2


def test_disabling_ends_what_waits_and_nothing_new_comes(
    *, do, webhooks, operator, add, tell, sent
):
    made = add()
    tell()
    row = do(webhooks.update_webhook, operator, made.row.webhook_id, OFF)
    assert row.disabled_by is DisabledBy.PERSON
    tell()
    (delivery,) = sent(made)
    assert (delivery.state, delivery.error) == (DeliveryState.FAILED, "the webhook was disabled")

    do(webhooks.update_webhook, operator, made.row.webhook_id, ON)
    tell()
    assert [each.state for each in sent(made)] == [DeliveryState.PENDING, DeliveryState.FAILED]


def test_after_a_rotation_both_secrets_sign_for_a_day(
    *, do, webhooks, operator, add, courier, tell, clock, database
):
    made = add()
    rotated = do(webhooks.rotate_secret, operator, made.row.webhook_id)
    assert rotated.secret != made.secret
    assert rotated.row.former_secret_until is not None
    tell()
    (attempt,) = do(courier.claim, 10)
    assert attempt.secrets == (rotated.secret, made.secret)

    clock.turn(hours=24)
    tell()
    attempts = do(courier.claim, 10)
    assert [each.secrets for each in attempts] == [(rotated.secret,)] * 2
    do(courier.sweep)
    with database.transaction() as tx:
        assert tx.execute(select(webhook.c.former_sealed_secret)).scalar_one() is None


def test_a_second_rotation_ends_the_first_secret(*, do, webhooks, operator, add, courier, tell):
    made = add()
    second = do(webhooks.rotate_secret, operator, made.row.webhook_id)
    third = do(webhooks.rotate_secret, operator, made.row.webhook_id)
    tell()
    (attempt,) = do(courier.claim, 10)
    assert attempt.secrets == (third.secret, second.secret)


def test_a_test_is_sent_once_and_also_where_nothing_else_is(do, webhooks, operator, add, courier):
    made = add()
    do(webhooks.update_webhook, operator, made.row.webhook_id, OFF)
    asked = do(webhooks.send_test, operator, made.row.webhook_id)
    (attempt,) = do(courier.claim, 10)
    do(courier.settle, attempt, Outcome(500, "the answer was 500"))
    (row,) = do(webhooks.list_deliveries, operator, made.row.webhook_id)
    assert (row.delivery_id, row.state, row.attempts) == (
        asked.delivery_id,
        DeliveryState.FAILED,
        1,
    )
    assert do(webhooks.get_webhook, operator, made.row.webhook_id).failing_since is None


def test_an_event_is_delivered_again_under_its_own_id(
    *, do, webhooks, operator, add, courier, tell, sent
):
    made, message_id = add(), tell()
    (attempt,) = do(courier.claim, 10)
    do(courier.settle, attempt, Outcome(200))
    (delivered,) = sent(made)
    do(webhooks.redeliver, operator, made.row.webhook_id, delivered.delivery_id)
    (again,) = do(courier.claim, 10)
    assert again.message_id == message_id == attempt.message_id
    assert again.body == attempt.body
    assert again.number == 2


def test_nothing_is_delivered_again_where_nothing_is_delivered(
    *, do, webhooks, operator, person, add, tell, sent
):
    made = add()
    tell()
    (delivery,) = sent(made)
    do(webhooks.update_webhook, operator, made.row.webhook_id, OFF)
    with pytest.raises(WebhookDisabled):
        do(webhooks.redeliver, operator, made.row.webhook_id, delivery.delivery_id)
    with pytest.raises(NotFound):
        do(webhooks.redeliver, operator, add().row.webhook_id, delivery.delivery_id)
    with pytest.raises(NotFound):
        do(webhooks.redeliver, operator, made.row.webhook_id, "del_x")


def test_nobody_fills_the_queue_by_hand(do, webhooks, operator, add, database):
    made = add()
    with database.transaction() as tx:
        tx.execute(
            text(
                "INSERT INTO webhook_delivery (id, webhook_id, message_id, kind, body, state,"
                " attempts, attempts_before, next_try_at, created_at)"
                " SELECT 'del_' || n, :id, 'msg_' || n, 'budget.alert', '', 'pending', 0, 0,"
                " now(), now() FROM generate_series(1, 1000) AS n"
            ),
            {"id": made.row.webhook_id},
        )
    with pytest.raises(TooManyDeliveries):
        do(webhooks.send_test, operator, made.row.webhook_id)
