"""Deliveries: to whom, when again, and until when."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from tradewind.core.ids import MessageId
from tradewind.db.outbox import Message
from tradewind.features.webhooks import rules
from tradewind.features.webhooks.courier import CLAIM, MOST_EACH
from tradewind.features.webhooks.schemas import DeliveryState, DisabledBy, Outcome
from tradewind.features.webhooks.tables import webhook_delivery

pytestmark = pytest.mark.postgres

BROKEN = Outcome(500, "the answer was 500")
ARRIVED = Outcome(204)


@pytest.fixture
def attempt(do, courier):
    """Claim the one delivery that is due and note what came of it."""

    def attempt(outcome):
        (claimed,) = do(courier.claim, 10)
        do(courier.settle, claimed, outcome)
        return claimed

    return attempt


def test_an_event_goes_to_every_destination_that_wants_it(
    *, do, webhooks, operator, person, add, tell, sent
):
    first, second = add(), add(kinds=("budget.alert", "budget.exhausted"))
    other_kind, stranger = add(kinds=("budget.exhausted",)), person()
    theirs = add(stranger)
    tell("budget.alert")
    assert [len(sent(each)) for each in (first, second, other_kind)] == [1, 1, 0]
    assert sent(theirs, actor=stranger) == []
    assert sent(first)[0].message_id == sent(second)[0].message_id


def test_what_is_sent_says_what_when_and_about_what(do, courier, add, tell, clock):
    add()
    tell(budget="bud_1", percent=80, name="Größe")
    (attempt,) = do(courier.claim, 10)
    assert json.loads(attempt.body) == {
        "type": "budget.alert",
        "timestamp": clock.now().isoformat(),
        "data": {"budget": "bud_1", "percent": 80, "name": "Größe"},
    }
    headers = courier.headers(attempt)
    assert headers["webhook-id"] == attempt.message_id
    assert headers["webhook-timestamp"] == str(int(clock.now().timestamp()))


def test_a_message_that_is_taken_in_twice_is_sent_once(*, do, courier, operator, add, clock, sent):
    made = add()
    message = Message(MessageId.new(), operator.organization_id, "budget.alert", {}, clock.now(), 0)
    do(courier.take_in, message)
    do(courier.take_in, message)
    assert len(sent(made)) == 1


def test_one_that_arrived_is_done(*, do, courier, add, tell, attempt, sent, clock):
    made = add()
    tell()
    attempt(ARRIVED)
    (row,) = sent(made)
    assert (row.state, row.status, row.attempts) == (DeliveryState.DELIVERED, 204, 1)
    assert (row.error, row.ended_at) == (None, clock.now())
    clock.turn(days=2)
    assert do(courier.claim, 10) == []


def test_one_that_fails_is_tried_again_for_about_a_day_and_then_failed(
    *, do, courier, add, tell, attempt, sent, clock
):
    made = add()
    tell()
    began = clock.now()
    while True:
        attempt(BROKEN)
        (row,) = sent(made)
        if row.state is not DeliveryState.PENDING:
            break
        assert do(courier.claim, 10) == [], "not before its time"
        clock.turn(seconds=(row.next_try_at - clock.now()).total_seconds())
    assert (row.state, row.attempts, row.status) == (DeliveryState.FAILED, rules.MOST_ATTEMPTS, 500)
    assert timedelta(hours=20) < clock.now() - began < timedelta(hours=30)
    assert row.error == "the answer was 500"


def test_delivered_again_it_has_all_its_attempts_again(
    *, do, webhooks, operator, courier, add, tell, attempt, sent, clock
):
    made = add()
    tell()
    (failed,) = sent(made)
    while failed.state is DeliveryState.PENDING:
        clock.turn(seconds=(failed.next_try_at - clock.now()).total_seconds())
        attempt(BROKEN)
        (failed,) = sent(made)
    do(webhooks.redeliver, operator, made.row.webhook_id, failed.delivery_id)
    attempt(BROKEN)
    (row,) = sent(made)
    assert row.state is DeliveryState.PENDING
    assert row.next_try_at - clock.now() < timedelta(seconds=6)


def test_what_a_receiver_asks_for_is_waited(*, do, add, tell, attempt, sent, clock):
    made = add()
    tell()
    attempt(Outcome(429, "the answer was 429", retry_after_s=1800))
    (row,) = sent(made)
    assert row.next_try_at == clock.now() + timedelta(minutes=30)


def test_410_disables_the_destination_and_ends_what_waits(
    *, do, webhooks, operator, add, tell, attempt, courier, sent
):
    made = add()
    tell()
    (claimed,) = do(courier.claim, 10)
    tell()
    do(courier.settle, claimed, Outcome(410, "the answer was 410"))
    row = do(webhooks.get_webhook, operator, made.row.webhook_id)
    assert (row.disabled_by, row.revision) == (DisabledBy.GONE, 2)
    assert [each.state for each in sent(made)] == [DeliveryState.FAILED] * 2


def test_a_destination_that_nothing_reaches_for_three_days_is_disabled(
    *, do, webhooks, operator, add, tell, courier, clock
):
    made = add()
    since = clock.now()
    while clock.now() - since < rules.FAILING_MAX:
        tell()
        for claimed in do(courier.claim, 10):
            do(courier.settle, claimed, BROKEN)
        row = do(webhooks.get_webhook, operator, made.row.webhook_id)
        assert (row.failing_since, row.disabled_at) == (since, None)
        clock.turn(hours=12)
    tell()
    for claimed in do(courier.claim, 10):
        do(courier.settle, claimed, BROKEN)
    row = do(webhooks.get_webhook, operator, made.row.webhook_id)
    assert (row.disabled_by, row.disabled_at) == (DisabledBy.FAILING, clock.now())


def test_one_success_ends_the_failing(*, do, webhooks, operator, add, tell, attempt, clock):
    made = add()
    tell()
    attempt(BROKEN)
    clock.turn(days=2)
    attempt(ARRIVED)
    assert do(webhooks.get_webhook, operator, made.row.webhook_id).failing_since is None
    clock.turn(days=2)
    tell()
    attempt(BROKEN)
    row = do(webhooks.get_webhook, operator, made.row.webhook_id)
    assert (row.failing_since, row.disabled_at) == (clock.now(), None)


def test_a_worker_that_dies_loses_nothing(*, do, courier, add, tell, sent, clock):
    made, message_id = add(), tell()
    do(courier.claim, 10)  # and nothing comes of it
    assert do(courier.claim, 10) == []
    clock.turn(seconds=CLAIM.total_seconds())
    (again,) = do(courier.claim, 10)
    assert (again.message_id, again.number) == (message_id, 2)
    do(courier.settle, again, ARRIVED)
    assert sent(made)[0].state is DeliveryState.DELIVERED


def test_what_comes_of_an_overtaken_attempt_changes_nothing(*, do, courier, add, tell, sent, clock):
    made = add()
    tell()
    (late,) = do(courier.claim, 10)
    clock.turn(seconds=CLAIM.total_seconds())
    (again,) = do(courier.claim, 10)
    do(courier.settle, late, BROKEN)
    (row,) = sent(made)
    assert (row.state, row.status) == (DeliveryState.PENDING, None)
    do(courier.settle, again, ARRIVED)
    do(courier.settle, late, BROKEN)
    assert sent(made)[0].state is DeliveryState.DELIVERED


def test_two_workers_never_send_the_same(database, courier, add, tell):
    add()
    for _ in range(4):
        tell()
    with database.transaction() as one, database.transaction() as other:
        first = {each.delivery_id for each in courier.claim(one, 2)}
        second = {each.delivery_id for each in courier.claim(other, 10)}
    assert (len(first), len(second)) == (2, 2)
    assert not first & second


def test_a_busy_destination_leaves_room_for_others(do, courier, add, tell):
    busy = add()
    for _ in range(MOST_EACH + 3):
        tell()
    quiet = add(kinds=("budget.exhausted",))
    tell("budget.exhausted")
    claimed = [each.webhook_id for each in do(courier.claim, 100)]
    assert claimed.count(busy.row.webhook_id) == MOST_EACH
    assert claimed.count(quiet.row.webhook_id) == 1
    assert do(courier.claim, 100, but=[busy.row.webhook_id]) == []
    assert len(do(courier.claim, 100)) == 3


def test_one_that_was_deleted_meanwhile_is_forgotten(*, do, webhooks, operator, courier, add, tell):
    made = add()
    tell()
    (attempt,) = do(courier.claim, 10)
    do(webhooks.delete_webhook, operator, made.row.webhook_id)
    do(courier.settle, attempt, ARRIVED)


def test_deliveries_are_kept_for_thirty_days(*, do, database, courier, add, tell, clock):
    add()
    tell()
    clock.turn(days=20)
    tell()
    clock.turn(days=11)
    assert not do(courier.sweep)
    with database.transaction() as tx:
        assert tx.execute(select(func.count()).select_from(webhook_delivery)).scalar_one() == 1


def test_a_destination_keeps_no_more_than_its_share(
    *, do, database, webhooks, operator, courier, add, tell
):
    made = add()
    with database.transaction() as tx:
        tx.exec_driver_sql(
            "INSERT INTO webhook_delivery (id, webhook_id, message_id, kind, body, state,"
            " attempts, attempts_before, created_at, ended_at)"
            f" SELECT 'del_' || lpad(n::text, 6, '0'), '{made.row.webhook_id}', 'msg_' || n,"
            " 'budget.alert', '', 'delivered', 1, 0, '2030-01-31', '2030-01-31'"
            " FROM generate_series(1, 10003) AS n"
        )
    do(courier.sweep)
    with database.transaction() as tx:
        ids = tx.execute(select(webhook_delivery.c.id).order_by(webhook_delivery.c.id)).scalars()
        left = ids.all()
    assert len(left) == 10_000
    assert left[0] == "del_000004"


def test_pages_go_on_from_where_the_last_ended(do, webhooks, operator, add, tell):
    made = add()
    for _ in range(5):
        tell()
    page = do(webhooks.list_deliveries, operator, made.row.webhook_id, limit=3)
    rest = do(webhooks.list_deliveries, operator, made.row.webhook_id, before=page[-1].delivery_id)
    whole = do(webhooks.list_deliveries, operator, made.row.webhook_id)
    assert [*page, *rest] == whole
