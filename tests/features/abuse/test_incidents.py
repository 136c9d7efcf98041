"""Incidents, kill switches, feedback."""

from datetime import timedelta

import pytest
from sqlalchemy import insert, text

from tests.features.abuse.conftest import ADA, EVE
from tests.readmodels.catalog_parts import CatalogWorld
from tradewind.core.errors import Forbidden, InvalidInput, NotFound
from tradewind.core.ids import request_id, uuid7_bytes
from tradewind.features.abuse.errors import CaseMove, PostmortemMissing
from tradewind.features.abuse.schemas import FeedbackFlag, LastToken, Rating
from tradewind.features.metering.tables import usage_event


@pytest.fixture
def incident(do, abuse, operator, customer):
    return do(
        abuse.incidents.open,
        operator,
        ADA,
        severity=1,
        title="It told secrets",
        description="The model tells the system prompt.",
        affected=[f"organization:{customer.organization_id}", "endpoint:tw/small"],
    )


@pytest.fixture
def add_call(database, customer, clock):
    """Write down a call of tw/small that took so long, and return its id."""

    def add(*, began=timedelta(0), took=timedelta(seconds=1), of=customer):
        at = clock.now() + began
        event = uuid7_bytes(int(at.timestamp() * 1000))
        with database.transaction() as tx:
            tx.execute(
                text("CREATE TABLE IF NOT EXISTS usage_all PARTITION OF usage_event DEFAULT")
            )
            tx.execute(
                insert(usage_event).values(
                    event_id=event.hex(),
                    at=at,
                    organization_id=of.organization_id,
                    project_id=of.project_id,
                    key_id="k",
                    operation="chat",
                    model="tw/small",
                    deployment_id="d",
                    price_id="p",
                    currency="USD",
                    is_stream=True,
                    outcome="completed",
                    http_status=200,
                    input_tokens=1,
                    cached_input_tokens=0,
                    output_tokens=1,
                    usage_source="reported",
                    cost_nanos=1,
                    duration_us=took // timedelta(microseconds=1),
                )
            )
        return request_id(event)

    return add


@pytest.fixture
def world(database):
    return CatalogWorld(database)


@pytest.fixture
def small(world):
    """The name of an endpoint that answers."""
    world.add_served()
    return "tw/small"


def test_an_incident_is_closed_with_a_postmortem_only(do, abuse, operator, incident):
    close = (abuse.incidents.close, operator, ADA, incident.incident_id)
    with pytest.raises(PostmortemMissing):
        do(*close)
    do(abuse.incidents.change, operator, ADA, incident.incident_id, postmortem="We test for it.")
    row = do(*close)
    assert row.closed_at is not None
    with pytest.raises(CaseMove):
        do(abuse.incidents.change, operator, ADA, incident.incident_id, severity=2)
    moves = [event.move for event in do(abuse.incidents.trail, operator, incident.incident_id)]
    assert moves == ["closed", "postmortem changed", "opened with severity 1"]


def test_who_is_affected_reads_of_it_and_nobody_else(do, abuse, person, customer, incident):
    [own] = do(abuse.incidents.listed, customer)
    assert own.affected == (f"organization:{customer.organization_id}",)
    assert own.opened_by == "the platform"
    stranger = person(is_operator=False)
    assert do(abuse.incidents.listed, stranger) == []
    with pytest.raises(NotFound):
        do(abuse.incidents.get, stranger, incident.incident_id)
    for act in (abuse.incidents.close, abuse.incidents.change):
        with pytest.raises(Forbidden):
            do(act, customer, EVE, incident.incident_id)


def test_what_is_affected_is_named_by_its_kind(do, abuse, operator, incident):
    for wrong in ("nobody", "planet:earth", "model:"):
        with pytest.raises(InvalidInput):
            do(abuse.incidents.change, operator, ADA, incident.incident_id, affected=[wrong])


def test_a_kill_switch_is_measured_to_the_last_token(
    *, do, abuse, operator, incident, small, add_call
):
    add_call(began=timedelta(seconds=-5), took=timedelta(seconds=5, milliseconds=40))
    add_call(began=timedelta(seconds=-5), took=timedelta(seconds=2))
    stop = (abuse.kill_switches.stop, operator, ADA, small)
    named = {"reason": "it tells secrets", "incident_id": incident.incident_id}
    row = do(*stop, **named)
    assert do(*stop, reason="again").switch_id == row.switch_id
    assert row.last_token == LastToken(1, row.stopped_at + timedelta(milliseconds=40))
    do(abuse.incidents.change, operator, ADA, incident.incident_id, postmortem="We test for it.")
    with pytest.raises(CaseMove):
        do(abuse.incidents.close, operator, ADA, incident.incident_id)
    lifted = do(abuse.kill_switches.lift, operator, ADA, row.switch_id, "it is mended")
    assert lifted.lifted_at is not None
    assert do(abuse.incidents.close, operator, ADA, incident.incident_id).closed_at is not None
    assert do(*stop, reason="again").switch_id != row.switch_id


def test_a_thrown_switch_is_in_the_snapshot_until_it_is_lifted(do, abuse, operator, world, small):
    assert [each.is_stopped for each in world.compiled()] == [False]
    row = do(abuse.kill_switches.stop, operator, ADA, small, reason="it tells secrets")
    assert [each.is_stopped for each in world.compiled()] == [True]
    do(abuse.kill_switches.lift, operator, ADA, row.switch_id, "it is mended")
    assert [each.is_stopped for each in world.compiled()] == [False]


def test_only_reviewers_throw_switches(do, abuse, operator, customer, small):
    with pytest.raises(Forbidden):
        do(abuse.kill_switches.stop, customer, EVE, small, reason="r")
    with pytest.raises(NotFound):
        do(abuse.kill_switches.stop, operator, ADA, "tw/nothing", reason="r")
    with pytest.raises(NotFound):
        do(abuse.kill_switches.lift, operator, ADA, "stop_1", "r")


def test_feedback_is_one_for_each_call_and_key(do, abuse, customer, add_call):
    call = add_call()
    give = (abuse.feedback.give, customer, "key_1", call)
    do(*give, Rating.UP)
    row = do(*give, Rating.DOWN, flags=[FeedbackFlag.HARMFUL], comment=" rude ")
    assert (row.rating, row.flags, row.comment) == (Rating.DOWN, (FeedbackFlag.HARMFUL,), "rude")
    do(abuse.feedback.give, customer, "key_2", call, Rating.UP)
    listed = do(abuse.feedback.listed, customer, request_id=call)
    assert {(each.key_id, each.rating) for each in listed} == {
        ("key_1", Rating.DOWN),
        ("key_2", Rating.UP),
    }


def test_nobody_rates_calls_of_others(do, abuse, person, customer, add_call):
    stranger = person(is_operator=False)
    call = add_call()
    for actor, named in ((stranger, call), (customer, "req_1"), (customer, "req_" + "0" * 32)):
        with pytest.raises(NotFound):
            do(abuse.feedback.give, actor, "key_1", named, Rating.UP)
    assert do(abuse.feedback.listed, stranger) == []


def test_who_only_reads_gives_no_feedback(do, abuse, viewer, add_call):
    with pytest.raises(Forbidden):
        do(abuse.feedback.give, viewer, "key_1", add_call(), Rating.UP)


def test_sums_of_a_model_are_told_when_enough_said_something(do, abuse, customer, add_call):
    for number in range(5):
        assert do(abuse.feedback.sums) == []
        rating = Rating.DOWN if number == 0 else Rating.UP
        flags = [FeedbackFlag.BIASED] if number == 0 else []
        do(abuse.feedback.give, customer, f"key_{number}", add_call(), rating, flags=flags)
    [row] = do(abuse.feedback.sums, "tw/small")
    assert (row.model, row.up, row.down, row.flags) == ("tw/small", 4, 1, {"biased": 1})
