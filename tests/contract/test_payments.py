"""What every payment processor of the family promises, and that the small Stripe is like Stripe.

A member brings a processor and somebody who acts on its pages, at banks and at its network.
"""

import http.client
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

import pytest

from tradewind.core.errors import InvalidInput, Unavailable
from tradewind.plugins.payments.base import (
    About,
    Asked,
    NoticeRefused,
    Processor,
    ProcessorRefused,
    Taking,
    Transfer,
)
from tradewind.plugins.payments.registry import find_processor
from tradewind.plugins.payments.stripe import Stripe
from tradewind.testing.fake_stripe import SECRET_KEY, FakeStripe, fake_stripe, signed

ONE = 1_000_000_000
SECRETS = ("whsec_new", "whsec_old")


@dataclass
class Member:
    processor: Processor
    acting: FakeStripe


@pytest.fixture(params=["stripe"])
def member() -> Iterator[Member]:
    with fake_stripe() as fake:
        yield Member(Stripe(SECRET_KEY, SECRETS, address=fake.address), fake)


def asked(payment_id="pay_1", nanos=25 * ONE, currency="USD", customer=""):
    return Asked(payment_id, nanos, currency, "Top-up", "https://tradewind.example/w", customer)


def paid_intent(member, payment_id="pay_1"):
    page = member.processor.pay(asked(payment_id))
    member.acting.pay(page.processor_id)
    return member.processor.standing(page.processor_id).intent_id


# --- pages -----------------------------------------------------------------------------------


def test_a_page_is_one_for_a_payment_and_tells_what_came(member):
    page = member.processor.pay(asked())
    assert member.processor.pay(asked()) == page
    assert page.url.startswith("https://")
    assert member.processor.standing(page.processor_id).state == "pending"
    member.acting.pay(page.processor_id, received=1999)
    found = member.processor.standing(page.processor_id)
    assert (found.state, found.nanos, found.currency) == ("paid", 19_990_000_000, "USD")
    assert found.payment_id == "pay_1"
    assert member.processor.standing(found.intent_id).state == "paid"


def test_a_page_that_was_left_has_failed(member):
    page = member.processor.pay(asked())
    member.acting.leave(page.processor_id)
    assert member.processor.standing(page.processor_id).state == "failed"


@pytest.mark.parametrize(
    ("status", "state"),
    [("processing", "pending"), ("requires_payment_method", "failed"), ("canceled", "failed")],
)
def test_a_slow_debit_waits_and_may_fail(member, status, state):
    page = member.processor.pay(asked())
    member.acting.debit_slowly(page.processor_id)["status"] = status
    assert member.processor.standing(page.processor_id).state == state


@pytest.mark.parametrize(
    ("currency", "nanos", "minor"),
    [("USD", ONE // 100, 1), ("JPY", 500 * ONE, 500), ("KWD", ONE // 100, 10)],
)
def test_amounts_are_counted_in_the_currencys_own_units(member, currency, nanos, minor):
    member.processor.pay(asked(nanos=nanos, currency=currency))
    [session] = member.acting.of_kind("checkout.session")
    assert session["amount_total"] == minor
    for finer in (nanos + 1, nanos + ONE // 1000):
        with pytest.raises(InvalidInput):
            member.processor.pay(asked("pay_2", nanos=finer, currency=currency))


# --- saved cards -----------------------------------------------------------------------------


def save(member, card):
    page = member.processor.save_card(asked("pay_card", 0))
    assert member.processor.standing(page.processor_id).state == "pending"
    member.acting.save_card(page.processor_id, card)
    found = member.processor.standing(page.processor_id)
    assert (found.state, found.card) == ("paid", card)
    assert "4242" in found.card_label
    return found


def test_a_saved_card_is_charged_once_for_a_payment(member):
    saved = save(member, "pm_good")
    charged = [
        member.processor.charge(asked(customer=saved.customer), saved.card) for _ in range(2)
    ]
    assert charged[0] == charged[1]
    assert (charged[0][1].state, charged[0][1].nanos) == ("paid", 25 * ONE)
    assert member.processor.cancel(charged[0][0]).state == "paid"


def test_a_declined_card_is_said_again_for_the_same_payment(member):
    saved = save(member, "pm_bad")
    for _ in range(2):
        with pytest.raises(ProcessorRefused, match="card_declined"):
            member.processor.charge(asked(customer=saved.customer), saved.card)
    assert len(member.acting.of_kind("payment_intent")) == 1


def test_a_card_whose_bank_asks_is_not_charged_and_the_charge_is_given_up(member):
    saved = save(member, "pm_asks")
    intent_id, standing = member.processor.charge(asked(customer=saved.customer), saved.card)
    assert (standing.state, standing.nanos) == ("confirm", 0)
    for _ in range(2):
        assert member.processor.cancel(intent_id).state == "failed"


def test_a_card_is_forgotten_and_cannot_be_charged(member):
    saved = save(member, "pm_good")
    for _ in range(2):
        member.processor.forget_card(saved.card)
    with pytest.raises(ProcessorRefused):
        member.processor.charge(asked(customer=saved.customer), saved.card)


# --- money that goes back, and on ------------------------------------------------------------


def test_a_refund_is_one_for_a_key_and_no_more_than_was_paid(member):
    intent = paid_intent(member)
    first = member.processor.refund(intent, 20 * ONE, "USD", "ref_1")
    assert member.processor.refund(intent, 20 * ONE, "USD", "ref_1") == first
    with pytest.raises(ProcessorRefused):
        member.processor.refund(intent, 6 * ONE, "USD", "ref_2")


def test_all_refunds_of_a_payment_are_told_whichever_of_them_is_named(member):
    intent = paid_intent(member)
    ours = member.processor.refund(intent, 2 * ONE, "USD", "ref_1")
    by_hand = member.acting.refund_by_hand(intent, 300)
    charge = member.acting.objects[intent]["latest_charge"]
    for named in (ours, by_hand, charge):
        told = {each.processor_id: each for each in member.processor.taken_back(named)}
        assert told[ours].refund_id == "ref_1"
        assert (told[by_hand].refund_id, told[by_hand].nanos) == ("", 3 * ONE)
        assert {each.state for each in told.values()} == {Taking.FINAL}
        assert {each.intent_id for each in told.values()} == {intent}
    member.acting.objects[ours]["status"] = "failed"
    [found] = [each for each in member.processor.taken_back(by_hand) if each.processor_id == ours]
    assert found.state is Taking.RETURNED


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("warning_needs_response", Taking.NONE),
        ("warning_closed", Taking.NONE),
        ("prevented", Taking.NONE),
        ("needs_response", Taking.OPEN),
        ("under_review", Taking.OPEN),
        ("appeal_under_review", Taking.OPEN),
        ("lost", Taking.FINAL),
        ("won", Taking.RETURNED),
    ],
)
def test_a_dispute_says_whether_the_money_is_gone(member, status, state):
    intent = paid_intent(member)
    dispute = member.acting.dispute(intent, 1000, status=status)
    [found] = member.processor.taken_back(dispute)
    assert (found.is_dispute, found.intent_id, found.nanos) == (True, intent, 10 * ONE)
    assert found.state is state


def test_a_transfer_is_one_for_a_key_after_a_week_too(member):
    wanted = Transfer("pout_1", 97 * ONE, "USD", "acct_mistral")
    first = member.processor.transfer(wanted)
    member.acting.later_s = 7 * 24 * 3600
    assert member.processor.transfer(wanted) == first
    for other in (
        wanted._replace(nanos=98 * ONE),
        wanted._replace(currency="EUR"),
        wanted._replace(account="acct_other"),
    ):
        with pytest.raises(ProcessorRefused):
            member.processor.transfer(other)
    [made] = member.acting.of_kind("transfer")
    assert (made["amount"], made["destination"]) == (9700, "acct_mistral")
    with pytest.raises(ProcessorRefused):
        member.processor.transfer(Transfer("pout_2", ONE, "USD", "nobody"))


# --- faults ----------------------------------------------------------------------------------


CALLS = {
    "pay": lambda member: member.processor.pay(asked("pay_9")),
    "save_card": lambda member: member.processor.save_card(asked("pay_9", 0)),
    "standing": lambda member: member.processor.standing("cs_1"),
    "charge": lambda member: member.processor.charge(asked("pay_9", customer="cus_1"), "pm_good"),
    "cancel": lambda member: member.processor.cancel("pi_1"),
    "forget_card": lambda member: member.processor.forget_card("pm_good"),
    "refund": lambda member: member.processor.refund("pi_1", ONE, "USD", "ref_9"),
    "taken_back": lambda member: member.processor.taken_back("du_1"),
    "transfer": lambda member: member.processor.transfer(Transfer("p", ONE, "USD", "acct_1")),
}


@pytest.mark.parametrize("call", CALLS)
def test_whoever_is_away_is_unavailable_and_nothing_was_done(member, call):
    before = dict(member.acting.objects)
    member.acting.is_away = True
    with pytest.raises(Unavailable):
        CALLS[call](member)
    assert member.acting.objects == before


@pytest.mark.parametrize("call", CALLS)
def test_a_wrong_secret_key_is_no_refusal_of_the_payment(member, call):
    wrong = Member(Stripe("sk_test_wrong", SECRETS, address=member.acting.address), member.acting)
    with pytest.raises(Unavailable):
        CALLS[call](wrong)


def test_an_answer_that_was_lost_is_asked_for_again_and_done_once(member):
    saved, intent = save(member, "pm_good"), paid_intent(member)
    for act, kind, before in (
        (lambda: member.processor.pay(asked("pay_3")), "checkout.session", 2),
        (
            lambda: member.processor.charge(asked("pay_4", customer=saved.customer), saved.card),
            "payment_intent",
            1,
        ),
        (lambda: member.processor.refund(intent, ONE, "USD", "ref_3"), "refund", 0),
        (lambda: member.processor.transfer(Transfer("t", ONE, "USD", "acct_1")), "transfer", 0),
    ):
        member.acting.lose_answers = 1
        act()
        assert len(member.acting.of_kind(kind)) == before + 1, kind


def test_an_error_of_the_server_is_kept_for_its_key_and_nobody_knows_what_was_done(member):
    saved = save(member, "pm_good")
    member.acting.break_down = 1
    for _ in range(2):
        with pytest.raises(Unavailable):
            member.processor.charge(asked(customer=saved.customer), saved.card)
    assert len(member.acting.of_kind("payment_intent")) == 1


def test_a_key_that_was_used_for_something_else_says_nothing_of_this(member):
    saved = save(member, "pm_good")
    member.processor.charge(asked(customer=saved.customer), saved.card)
    with pytest.raises(Unavailable):
        member.processor.charge(asked(nanos=ONE, customer=saved.customer), saved.card)


# --- messages --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "object_id", "about"),
    [
        ("checkout.session.completed", "cs_1", About.PAYMENT),
        ("checkout.session.expired", "cs_1", About.PAYMENT),
        ("checkout.session.async_payment_failed", "cs_1", About.PAYMENT),
        ("payment_intent.succeeded", "pi_1", About.PAYMENT),
        ("charge.refunded", "ch_1", About.TAKEN_BACK),
        ("charge.dispute.created", "du_1", About.TAKEN_BACK),
        ("charge.dispute.closed", "du_1", About.TAKEN_BACK),
        ("refund.failed", "re_1", About.TAKEN_BACK),
        ("customer.created", "cus_1", About.OTHER),
    ],
)
def test_a_message_that_is_signed_says_where_to_look(member, kind, object_id, about):
    if kind == "charge.refunded":
        object_id = member.acting.objects[paid_intent(member)]["latest_charge"]
    body = member.acting.event(kind, object_id)
    for secret in SECRETS:
        found = member.processor.read_notice(body, signed(body, secret))
        assert (found.kind, found.about, found.object_id) == (kind, about, object_id)


def test_a_message_that_proves_nothing_is_refused(member):
    body = member.acting.event("checkout.session.completed", "cs_1")
    right = signed(body, SECRETS[0])
    for bad_body, bad_signature in (
        (body + b" ", right),
        (body, ""),
        (body, "t=1"),
        (body, right.replace("v1=", "v0=")),
        (body, signed(body, "whsec_other")),
        (body, signed(body, "")),
        (body, signed(body, SECRETS[0], int(time.time()) - 400)),
        (b"\xff", signed(b"\xff", SECRETS[0])),
    ):
        with pytest.raises(NoticeRefused):
            member.processor.read_notice(bad_body, bad_signature)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        b'{"id":"e","type":"t"}',
        b'{"id":"e","type":"t","data":{"object":[]}}',
        b'{"id":1,"type":"t","data":{"object":{"id":"x"}}}',
        b'{"id":"e","type":"t","data":{"object":{"id":"x","object":{}}}}',
        b'{"id":"e","type":"t","data":{"object":{"id":"' + b"x" * 300 + b'"}}}',
    ],
)
def test_signed_rubbish_is_refused(member, body):
    with pytest.raises(NoticeRefused):
        member.processor.read_notice(body, signed(body, SECRETS[0]))


def test_secrets_are_in_no_repr(member):
    assert SECRET_KEY not in repr(member.processor)
    assert all(secret not in repr(member.processor) for secret in SECRETS)


@pytest.mark.parametrize(
    ("key", "secrets"), [(None, None), ("sk", ""), ("sk", " , "), ("", "whsec"), (None, "whsec")]
)
def test_without_both_secrets_there_is_no_processor(key, secrets):
    assert find_processor(key, secrets) is None


# --- the small Stripe ------------------------------------------------------------------------


@pytest.fixture
def stripe() -> Iterator[FakeStripe]:
    with fake_stripe() as fake:
        yield fake


@pytest.fixture
def post(stripe):
    """Return a function that posts to the small Stripe as the documentation shows it."""

    def post(path, form, key="k"):
        connection = http.client.HTTPConnection(urlsplit(stripe.address).netloc, timeout=60)
        headers = {
            "authorization": f"Bearer {SECRET_KEY}",
            "content-type": "application/x-www-form-urlencoded",
            "idempotency-key": key,
        }
        connection.request("POST", path, urlencode(form), headers)
        answer = connection.getresponse()
        body = json.loads(answer.read())
        connection.close()
        return answer.status, body

    return post


TRANSFER = {"amount": "5", "currency": "usd", "destination": "acct_1", "transfer_group": "g"}


def test_a_key_is_one_answer_for_a_day(post, stripe):
    first = post("/v1/transfers", TRANSFER)
    assert first[0] == 200
    stripe.objects[first[1]["id"]]["reversed"] = True
    assert post("/v1/transfers", TRANSFER) == first
    stripe.later_s = 24 * 3600 + 1
    assert post("/v1/transfers", TRANSFER)[1]["id"] != first[1]["id"]


def test_a_key_with_another_body_or_path_is_an_error_and_changes_nothing(post, stripe):
    post("/v1/transfers", TRANSFER)
    for path, form in (
        ("/v1/transfers", TRANSFER | {"amount": "6"}),
        ("/v1/refunds", {"payment_intent": "pi_1", "amount": "5"}),
    ):
        status, body = post(path, form)
        assert (status, body["error"]["type"]) == (400, "idempotency_error")
    assert len(stripe.of_kind("transfer")) == 1


def test_what_failed_validation_is_not_kept_for_its_key(post):
    assert post("/v1/transfers", TRANSFER | {"destination": "x"})[0] == 400
    assert post("/v1/transfers", TRANSFER)[0] == 200


def test_a_parameter_that_a_call_does_not_know_is_refused(post):
    status, body = post("/v1/transfers", TRANSFER | {"metadata[a]": "b", "colour": "red"})
    assert (status, body["error"]["code"]) == (400, "parameter_unknown")
