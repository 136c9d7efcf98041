"""What clients are told of models that end, and of those whose licence they have not accepted."""

from datetime import UTC, date, datetime

import msgspec
import pytest
from gateway_parts import MODEL, whole_answer

from tradewind.features.catalog.rules.announcements import deprecation_lines
from tradewind.features.catalog.rules.gates import gate_of
from tradewind.gateway.names import find_endpoint, may_call
from tradewind.snapshot.contents import Ending, Endpoint, Grant, Operation, Price, Snapshot, Terms
from tradewind.snapshot.view import SnapshotView
from tradewind.wire.errors import ApiError

LINES = deprecation_lines(datetime(2026, 11, 22, tzinfo=UTC), date(2027, 2, 20), "/models/tw/other")
GRANT = Grant("k", b"", "org_a", "proj_a")
PLAIN = Endpoint("p/m", Operation.CHAT, "p", 1, 512, 512, Price("x", "USD", 1, 2, 3), ())


def view_of(endpoint, *terms):
    return SnapshotView(Snapshot(1, 1, (), (endpoint,), terms))


def refusal(endpoint, *terms):
    with pytest.raises(ApiError) as caught:
        find_endpoint(view_of(endpoint, *terms), GRANT, "p/m")
    return caught.value


def test_a_retired_model_is_410_and_names_its_replacement():
    ending = Ending(b"", is_retired=True, replacement="p/next")
    gone = msgspec.structs.replace(PLAIN, ending=ending)
    error = refusal(gone)
    assert (error.status, error.code) == (410, "model_retired")
    assert error.message == "The model 'p/m' is retired. Use 'p/next' instead."
    assert not may_call(GRANT, gone), "it is in no list"


def test_a_retired_model_of_another_organization_is_not_there():
    ending = Ending(b"", is_retired=True)
    hidden = msgspec.structs.replace(PLAIN, ending=ending, organization_id="org_b")
    assert refusal(hidden).status == 404


def test_a_gated_model_is_for_those_who_accepted_this_licence():
    gated = msgspec.structs.replace(PLAIN, gate=gate_of("p/m", "LicenseRef-New"))
    error = refusal(gated)
    assert (error.status, error.code) == (403, "licence_not_accepted")
    assert "/models/p/m" in error.message
    former = Terms("org_a", licences=frozenset({gate_of("p/m", "LicenseRef-Old")}))
    assert refusal(gated, former).code == "licence_not_accepted"
    accepted = Terms("org_a", licences=frozenset({gated.gate}))
    assert find_endpoint(view_of(gated, accepted), GRANT, "p/m").endpoint is gated


def test_a_model_that_is_sold_by_subscription_is_for_those_who_have_one():
    sold = msgspec.structs.replace(PLAIN, sale="sale_x Small for all")
    error = refusal(sold)
    assert (error.status, error.code) == (403, "subscription_required")
    assert "'Small for all'" in error.message
    assert "/api/subscriptions" in error.message
    assert refusal(sold, Terms("org_a", licences=frozenset({"sale_y"}))).status == 403
    subscribed = Terms("org_a", licences=frozenset({"sale_x"}))
    assert find_endpoint(view_of(sold, subscribed), GRANT, "p/m").endpoint is sold


def test_charged_calls_wait_until_somebody_confirmed_who_pays():
    error = refusal(PLAIN, Terms("org_a", needs_payer=True))
    assert (error.status, error.code) == (403, "payer_not_confirmed")
    assert "/api/billing/payer" in error.message
    assert find_endpoint(view_of(PLAIN, Terms("org_a")), GRANT, "p/m").endpoint is PLAIN
    assert find_endpoint(view_of(PLAIN), GRANT, "p/m").endpoint is PLAIN
    shown_only = msgspec.structs.replace(PLAIN.price, is_charged=False)
    free = msgspec.structs.replace(PLAIN, price=shown_only)
    waiting = view_of(free, Terms("org_a", needs_payer=True))
    assert find_endpoint(waiting, GRANT, "p/m").endpoint is free


def test_a_snapshot_of_before_knows_of_no_endings():
    packed = msgspec.msgpack.decode(msgspec.msgpack.encode(PLAIN))
    former = msgspec.msgpack.encode(packed[:-6])
    assert msgspec.msgpack.decode(former, type=Endpoint) == PLAIN
    # What is written now is read by a release of before: it takes as many members as it knows.
    assert packed[-6:] == [None, "", "", "", [], False]


async def test_each_answer_of_a_deprecated_model_tells_its_last_day(world, upstream):
    async def answer_whole(call):
        await call.answer(whole_answer())

    upstream.script = answer_whole
    ending = Ending(LINES, replacement="tw/other")
    world.publish(world.endpoint(world.target(upstream.address), ending=ending))
    await world.in_force()
    answer = await world.chat()
    assert answer.status == 200
    lines = dict(answer.lines)
    assert lines["deprecation"] == "@1795305600"
    assert lines["sunset"] == "Sun, 21 Feb 2027 00:00:00 GMT"
    assert lines["link"] == '</models/tw/other>; rel="successor-version"'
    assert lines["x-tradewind-model"] == MODEL


async def test_a_call_of_a_retired_model_is_answered_410(world, upstream):
    ending = Ending(LINES, is_retired=True, replacement="tw/other")
    world.publish(world.endpoint(world.target(upstream.address), ending=ending))
    await world.in_force()
    answer = await world.chat()
    assert (answer.status, answer.error["code"]) == (410, "model_retired")
    assert world.books() == []
