"""The loop that delivers events, against receivers on real sockets."""

import asyncio
import base64
import hmac
import ssl
import threading
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import func, insert, select, update

from tests.worker.webhook_parts import Receiver, answer, hang
from tradewind.core.checked_hosts import LoopConnector
from tradewind.core.clock import SystemClock
from tradewind.core.errors import Unavailable
from tradewind.core.ids import MessageId, OrganizationId, ProjectId
from tradewind.db.outbox import Message
from tradewind.db.sealing import HeldKeys
from tradewind.db.vault import Vault
from tradewind.features.accounts.tables import organization
from tradewind.features.webhooks.courier import Courier
from tradewind.features.webhooks.schemas import (
    DeliveryState,
    DestinationWithSecret,
    DisabledBy,
    NewDestination,
)
from tradewind.features.webhooks.service import Webhooks
from tradewind.features.webhooks.tables import webhook_delivery
from tradewind.worker.webhook_post import Poster, SystemResolver
from tradewind.worker.webhooks import Deliveries

pytestmark = pytest.mark.postgres

LONG_S = 60.0


class Administrator:
    project_id = ProjectId.new()

    def __init__(self):
        self.organization_id = OrganizationId.new()

    def may(self, permission):
        return True


class World:
    """An organization with webhooks, and workers that deliver to them."""

    def __init__(self, database):
        self.database = database
        self.actor = Administrator()
        vault, clock = Vault(HeldKeys([bytes(32)]), SystemClock()), SystemClock()
        self.webhooks, self.courier = Webhooks(vault, clock), Courier(vault, clock)
        with database.transaction() as tx:
            tx.execute(
                insert(organization).values(
                    id=self.actor.organization_id, name="Some", created_at=func.now()
                )
            )

    def add(self, receiver: Receiver) -> DestinationWithSecret:
        url = f"http://127.0.0.1:{receiver.port}/in"
        new = NewDestination(url, ("budget.alert",), is_private_network=True)
        with self.database.transaction() as tx:
            return self.webhooks.add_webhook(tx, self.actor, new)

    def tell(self, **payload) -> MessageId:
        message = Message(
            MessageId.new(),
            self.actor.organization_id,
            "budget.alert",
            payload,
            SystemClock().now(),
            0,
        )
        with self.database.transaction() as tx:
            self.courier.take_in(tx, message)
        return message.message_id

    def sent(self, made: DestinationWithSecret):
        with self.database.transaction() as tx:
            return self.webhooks.list_deliveries(tx, self.actor, made.row.webhook_id)

    def let_time_pass(self) -> None:
        """Make everything that waits due now."""
        with self.database.transaction() as tx:
            tx.execute(
                update(webhook_delivery)
                .where(webhook_delivery.c.next_try_at.is_not(None))
                .values(next_try_at=SystemClock().now() - timedelta(seconds=1))
            )

    @contextmanager
    def worker(self, *, database=None, timeout_s=LONG_S):
        """Run a worker in a thread."""
        stop, woken = threading.Event(), threading.Event()
        poster = Poster(
            SystemResolver(),
            LoopConnector(),
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
            timeout_s=timeout_s,
        )
        deliveries = Deliveries(database or self.database, self.courier, poster)
        died = []

        def wait(_seconds):
            woken.wait(0.02)

        def run():
            try:
                deliveries.run(wait, stop)
            except BaseException as error:  # noqa: BLE001  told below
                died.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            woken.set()
            thread.join()
        assert died == []

    async def until(self, made, condition):
        """Return what was sent once it is as it should be."""
        async with asyncio.timeout(LONG_S):
            while not condition(rows := await asyncio.to_thread(self.sent, made)):
                await asyncio.sleep(0.02)
        return rows


def all_are(state):
    return lambda rows: rows and all(row.state is state for row in rows)


DELIVERED, FAILED = all_are(DeliveryState.DELIVERED), all_are(DeliveryState.FAILED)


@pytest.fixture
def world(database):
    return World(database)


async def test_an_event_arrives_signed_with_the_secret_that_was_shown(world):
    async with Receiver(answer(200)) as receiver:
        made = world.add(receiver)
        message_id = world.tell(percent=80)
        with world.worker():
            await world.until(made, DELIVERED)
        (received,) = receiver.received
    key = base64.b64decode(made.secret.reveal().removeprefix("whsec_"))
    signed = f"{message_id}.{received.headers['webhook-timestamp']}.".encode() + received.body
    expected = base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    assert received.headers["webhook-signature"] == f"v1,{expected}"
    assert b'"percent":80' in received.body


async def test_500_and_then_200_is_one_event_under_one_id(world):
    async with Receiver(answer(500), answer(200)) as receiver:
        made = world.add(receiver)
        message_id = world.tell()
        with world.worker():
            (row,) = await world.until(made, lambda rows: rows[0].status == 500)
            assert row.state is DeliveryState.PENDING
            world.let_time_pass()
            (row,) = await world.until(made, DELIVERED)
        assert row.attempts == 2
        assert receiver.ids == [message_id] * 2
        assert receiver.received[0].body == receiver.received[1].body


async def test_410_disables_the_destination(world):
    async with Receiver(answer(410)) as receiver:
        made = world.add(receiver)
        world.tell()
        with world.worker():
            await world.until(made, FAILED)
    with world.database.transaction() as tx:
        row = world.webhooks.get_webhook(tx, world.actor, made.row.webhook_id)
    assert row.disabled_by is DisabledBy.GONE


async def test_a_receiver_that_hangs_holds_up_nobody_else(world):
    async with Receiver(hang) as slow, Receiver(answer(200)) as quick:
        hanging, well = world.add(slow), world.add(quick)
        with world.worker():
            for _ in range(6):
                world.tell()
            await world.until(well, lambda rows: len(rows) == 6 and DELIVERED(rows))
            assert all(row.state is DeliveryState.PENDING for row in world.sent(hanging))


async def test_a_receiver_that_hangs_is_tried_again(world):
    async with Receiver(hang, answer(200)) as receiver:
        made = world.add(receiver)
        world.tell()
        with world.worker(timeout_s=0.2):
            (row,) = await world.until(made, lambda rows: rows[0].error is not None)
            assert (row.error, row.status) == ("no answer within 0.2 s", None)
            world.let_time_pass()
            await world.until(made, DELIVERED)


async def test_a_worker_that_is_told_to_stop_in_between_loses_nothing(world):
    async with Receiver(hang, answer(200)) as receiver:
        made = world.add(receiver)
        message_id = world.tell()
        with world.worker():
            await asyncio.wait_for(receiver.came.wait(), LONG_S)
        (row,) = world.sent(made)
        assert (row.state, row.attempts) == (DeliveryState.PENDING, 1)
        world.let_time_pass()
        with world.worker():
            await world.until(made, DELIVERED)
        assert receiver.ids == [message_id] * 2


async def test_what_could_not_be_noted_is_sent_again(world):
    class AwayForTheResult:
        """Goes away when the first result is to be noted."""

        def __init__(self, database):
            self._database = database
            self.has_failed = False

        @contextmanager
        def transaction(self):
            if receiver.received and not self.has_failed:
                self.has_failed = True
                raise Unavailable("away")
            with self._database.transaction() as tx:
                yield tx

    async with Receiver(answer(200)) as receiver:
        made = world.add(receiver)
        message_id = world.tell()
        away = AwayForTheResult(world.database)
        with world.worker(database=away):
            async with asyncio.timeout(LONG_S):
                while not away.has_failed:
                    await asyncio.sleep(0.02)
            while not DELIVERED(world.sent(made)):
                world.let_time_pass()
                await asyncio.sleep(0.1)
        assert set(receiver.ids) == {message_id}


async def test_two_workers_send_each_event_once(world):
    async with Receiver(answer(200)) as receiver:
        made = world.add(receiver)
        told = {world.tell() for _ in range(40)}
        with world.worker(), world.worker():
            await world.until(made, DELIVERED)
        assert len(receiver.ids) == 40
        assert set(receiver.ids) == told


async def test_a_bug_with_one_delivery_does_not_stop_the_loop(world, caplog):
    async with Receiver(answer(200)) as receiver:
        made = world.add(receiver)
        broken = world.tell()
        with world.database.transaction() as tx:
            # A dot in an id would be a hole in the signature, so signing refuses it.
            tx.execute(update(webhook_delivery).values(message_id="msg_a.b"))
        world.tell()
        with world.worker():
            rows = await world.until(
                made, lambda rows: {row.state for row in rows if row.status} != set()
            )
            rows = await world.until(made, lambda rows: any(row.error for row in rows))
    assert broken not in receiver.ids
    assert {row.error for row in rows if row.message_id == "msg_a.b"} == {
        "it could not be sent; the log of the worker says why"
    }
    assert len(receiver.received) == 1


async def test_old_deliveries_are_forgotten(world):
    async with Receiver(answer(200)) as receiver:
        world.add(receiver)
        world.tell()
        with world.database.transaction() as tx:
            tx.execute(
                update(webhook_delivery).values(
                    created_at=func.now() - timedelta(days=31),
                    next_try_at=func.now() + timedelta(days=1),
                )
            )
        with world.worker():
            async with asyncio.timeout(LONG_S):
                while await asyncio.to_thread(count, world.database):
                    await asyncio.sleep(0.02)
        assert receiver.received == []


def count(database) -> int:
    with database.transaction() as tx:
        return tx.execute(select(func.count()).select_from(webhook_delivery)).scalar_one()
