"""Processes that are killed while money is on its way: after a restart all of it is there, once."""

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from tests.features.billing.billing_parts import APRIL
from tests.features.payments.payments_parts import ONE
from tradewind.features.ledger.schemas import AccountKind
from tradewind.features.payments.schemas import PaymentState

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(600)]
ACTING = Path(__file__).parent / "acting_payer.py"


@pytest.fixture
def kill(world, database_url):
    """Let a process begin something, and kill it at the moment that is named."""

    def kill(what, argument=""):
        acting = subprocess.Popen(
            [
                sys.executable,
                str(ACTING),
                what,
                world.stripe.address,
                str(world.acme),
                argument,
                world.paid.world.clock.now().isoformat(),
            ],
            env={**os.environ, "DATABASE_URL": database_url, "PYTHONPATH": str(Path.cwd())},
            stdout=subprocess.PIPE,
            text=True,
        )
        with acting:
            assert acting.stdout is not None
            assert acting.stdout.readline() == "now\n"
            acting.send_signal(signal.SIGKILL)
            acting.wait(60)

    return kill


def minutes_later(world, minutes):
    world.paid.world.clock.turn_to(APRIL + timedelta(minutes=minutes))


def cash(world):
    return world.paid.balance(AccountKind.CASH, "stripe") // ONE


@pytest.mark.parametrize("what", ["notice", "posting"])
@pytest.mark.parametrize("comes_again", [True, False])
def test_between_a_message_and_the_posting(world, kill, what, comes_again):
    payment, _ = world.cards.top_up(world.admin, 25 * ONE, "USD", key="k")
    world.stripe.pay(payment.processor_id)
    body = world.stripe.event("checkout.session.completed", payment.processor_id)
    kill(what, body.decode())
    assert (cash(world), world.left) == (0, 0)
    if comes_again:
        world.redeliver(body)
        world.redeliver(body)
    minutes_later(world, 3)
    world.cards.look_after()
    assert (cash(world), world.left) == (25, 25 * ONE)
    assert world.paid.world.differences() == []


def test_between_making_a_page_and_storing_it_when_it_is_asked_for_again(world, kill):
    kill("top_up")
    payment, _ = world.cards.top_up(world.admin, 25 * ONE, "USD", key="k")
    [session] = world.stripe.of_kind("checkout.session")
    assert payment.processor_id == session["id"]
    world.stripe.pay(session["id"])
    world.tell("checkout.session.completed", session["id"])
    assert cash(world) == 25


def test_between_making_a_page_and_storing_it_when_somebody_pays_it_at_once(world, kill):
    kill("top_up")
    [session] = world.stripe.of_kind("checkout.session")
    world.stripe.pay(session["id"])
    for _ in range(2):
        world.tell("checkout.session.completed", session["id"])
    minutes_later(world, 3)
    world.cards.look_after()
    assert (cash(world), world.left) == (25, 25 * ONE)


@pytest.mark.parametrize("is_told", [True, False])
def test_between_a_charge_and_storing_it(world, kill, is_told):
    world.save()
    kill("automatic")
    [intent] = world.stripe.of_kind("payment_intent")
    assert (intent["status"], cash(world)) == ("succeeded", 0)
    if is_told:
        world.tell("payment_intent.succeeded", intent["id"])
    else:
        minutes_later(world, 3)
        world.cards.look_after()
    world.cards.look_after()
    assert world.cards.top_up_automatically(world.acme) is None
    assert len(world.stripe.of_kind("payment_intent")) == 1
    assert (cash(world), world.left) == (5, 5 * ONE)


@pytest.mark.parametrize("is_told", [True, False])
def test_between_a_refund_and_storing_it(world, kill, is_told):
    payment = world.top_up()
    kill("refund", payment.payment_id)
    [refund] = world.stripe.of_kind("refund")
    assert (cash(world), world.left) == (20, 20 * ONE)
    if is_told:
        world.tell("refund.created", refund["id"])
    world.cards.look_after()
    assert len(world.stripe.of_kind("refund")) == 1
    again = world.cards.refund(world.admin, payment.payment_id, 5 * ONE, key="r")
    assert again.state is PaymentState.PAID
    assert (cash(world), world.left) == (20, 20 * ONE)


@pytest.mark.parametrize("what", ["notice", "posting"])
def test_between_a_dispute_and_its_posting(world, kill, what):
    payment = world.top_up()
    dispute = world.stripe.dispute(payment.intent_id)
    body = world.stripe.event("charge.dispute.created", dispute)
    kill(what, body.decode())
    assert (cash(world), world.left) == (25, 25 * ONE)
    world.redeliver(body)
    world.redeliver(body)
    assert (cash(world), world.left) == (0, 0)
    assert world.paid.world.differences() == []
