# ruff: noqa: PLR0917
"""Sinks over the real tables: what hours differ by goes out once, under ids that stay."""

import secrets
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, insert, select, update

from tests.features.billing.billing_parts import TurnedClock
from tradewind.core.checked_hosts import LoopConnector
from tradewind.core.errors import Conflict, Forbidden, InvalidInput, NotFound
from tradewind.core.ids import ProjectId
from tradewind.core.permissions import Role
from tradewind.db.sealing import HeldKeys, Secret
from tradewind.features.marketplace.errors import TooManySinks
from tradewind.features.marketplace.schemas import Covers, NewSink, SinkChanges
from tradewind.features.marketplace.sinks import SINKS_MAX
from tradewind.features.marketplace.tables import sink, sink_parcel
from tradewind.features.metering.tables import usage_hour
from tradewind.features.sales.service import Sales
from tradewind.plugins.sinks.registry import sinks as members
from tradewind.serve.marketplace import build_marketplace
from tradewind.testing.fake_network import FakeResolver
from tradewind.testing.fake_sinks import CREDENTIAL, fake_sink
from tradewind.worker.marketplace import MarketplaceUpkeep
from tradewind.worker.webhook_post import Poster, trusted

pytestmark = pytest.mark.postgres
NOW = datetime(2030, 1, 10, 12, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)


class NeverSigns:
    def sign(self, manifest):
        raise AssertionError(manifest)


@pytest.fixture
def clock():
    return TurnedClock(NOW)


@pytest.fixture
def marketplace(clock):
    keys = HeldKeys([secrets.token_bytes(32)])
    return build_marketplace(Sales(clock), keys, NeverSigns(), bytes(32), clock)


@pytest.fixture
def upkeep(database, marketplace):
    poster = Poster(FakeResolver({}), LoopConnector(), trusted(None), timeout_s=60)
    return MarketplaceUpkeep(database, marketplace, members(), poster)


@pytest.fixture
def owner(person):
    return person()


@pytest.fixture
def fake():
    with fake_sink("openmeter") as fake:
        yield fake


@pytest.fixture
def add(do, marketplace, owner):
    def add(fake, **more):
        url = fake.address + ("/in" if fake.kind == "cloudevents" else "")
        new = {
            "name": "Books",
            "kind": fake.kind,
            "base_url": url,
            "credential": Secret(CREDENTIAL),
            "is_private_network": True,
        }
        return do(marketplace.sinks.add, owner, NewSink(**new | more))

    return add


@pytest.fixture
def use(do, owner):
    """Say what a project used in an hour, in place of what was said before."""

    def use(hour, *, project=None, requests=1, input_tokens=0, of=owner):
        project = project or of.project_id

        def write(tx):
            tx.execute(
                delete(usage_hour).where(
                    usage_hour.c.hour == hour,
                    usage_hour.c.project_id == project,
                )
            )
            tx.execute(
                insert(usage_hour).values(
                    organization_id=of.organization_id,
                    hour=hour,
                    project_id=project,
                    key_id="",
                    model="tw/a",
                    operation="chat",
                    price_id="",
                    currency="USD",
                    requests=requests,
                    failed=0,
                    cancelled=0,
                    orphaned=0,
                    input_tokens=input_tokens,
                    cached_input_tokens=0,
                    output_tokens=0,
                    cost_nanos=0,
                    first_token_count=0,
                    first_token_us_total=0,
                    duration_us_total=0,
                )
            )

        do(write)

    return use


def at(clock, hours):
    clock.turn_to(NOW + hours * HOUR)


def go(upkeep):
    while upkeep.send():
        pass


THIS = NOW.replace(minute=0)


def test_an_hour_is_sent_once_it_is_over_and_then_never_again(
    add, use, upkeep, clock, fake, owner, do, marketplace
):
    made = add(fake)
    use(THIS, requests=7)
    go(upkeep)
    assert fake.taken == {}, "the hour is not over"
    at(clock, 1)
    go(upkeep)
    assert list(fake.taken.values()) == [(owner.project_id, "requests", 7)]
    at(clock, 5)
    go(upkeep)
    assert fake.total == 7
    row = do(marketplace.sinks.get, owner, made.sink_id)
    assert (row.waiting, row.refused, row.last_error) == (0, 0, "")
    assert row.sent_until == THIS + 5 * HOUR
    assert row.last_sent_at == NOW + HOUR


def test_what_comes_late_or_is_corrected_is_sent_as_a_difference(add, use, upkeep, clock, fake):
    add(fake)
    use(THIS, requests=7)
    at(clock, 1)
    go(upkeep)
    use(THIS, requests=9)
    at(clock, 3)
    go(upkeep)
    use(THIS, requests=4)
    at(clock, 5)
    go(upkeep)
    assert [quantity for *_, quantity in fake.taken.values()] == [7, 2, -5]


def test_what_was_used_before_a_sink_was_added_is_not_sent(add, use, upkeep, clock, fake):
    use(THIS - HOUR, requests=7)
    add(fake)
    at(clock, 3)
    go(upkeep)
    assert fake.taken == {}


def test_answers_that_get_lost_count_nothing_twice(add, use, upkeep, clock, fake):
    add(fake)
    use(THIS, requests=7)
    fake.lose_answers = 2
    at(clock, 1)
    go(upkeep)
    for hours in (2, 4, 6):
        at(clock, hours)
        go(upkeep)
    assert fake.total == 7
    assert fake.requests == 3


@pytest.mark.parametrize("kind", ["lago", "stripe", "cloudevents"])
def test_every_kind_gets_each_sum_once(kind, add, use, upkeep, clock, owner):
    with fake_sink(kind) as fake:
        add(fake, customers=((owner.project_id, "cus_1"),))
        use(THIS, requests=7, input_tokens=100)
        fake.lose_answers = 1
        for hours in (1, 2, 4):
            at(clock, hours)
            go(upkeep)
        assert sorted(fake.taken.values()) == [
            ("cus_1", "input_tokens", 100),
            ("cus_1", "requests", 7),
        ]


def test_stripe_gets_only_whom_it_knows_and_the_rest_once_it_does(
    add, use, upkeep, clock, owner, do, marketplace
):
    with fake_sink("stripe") as fake:
        made = add(fake)
        use(THIS, requests=7)
        at(clock, 1)
        go(upkeep)
        assert fake.requests == 0
        named = SinkChanges(customers=((owner.project_id, "cus_1"),))
        do(marketplace.sinks.change, owner, made.sink_id, named)
        go(upkeep)
        assert list(fake.taken.values()) == [("cus_1", "requests", 7)]


def test_only_meters_that_were_chosen_are_sent(add, use, upkeep, clock, fake):
    add(fake, meters=("input_tokens",))
    use(THIS, requests=7, input_tokens=100)
    at(clock, 1)
    go(upkeep)
    assert [meter for _, meter, _ in fake.taken.values()] == ["input_tokens"]


def test_a_refused_parcel_does_not_hold_up_the_others(
    add, use, upkeep, clock, do, marketplace, owner
):
    with fake_sink("lago") as fake:
        fake.unknown_meters.add("requests")
        made = add(fake)
        use(THIS, requests=7, input_tokens=100)
        at(clock, 1)
        go(upkeep)
        assert [meter for _, meter, _ in fake.taken.values()] == ["input_tokens"]
        row = do(marketplace.sinks.get, owner, made.sink_id)
        assert (row.waiting, row.refused) == (0, 1)


def test_a_service_that_fails_is_left_alone_for_a_while(
    add, use, upkeep, clock, fake, do, marketplace, owner
):
    made = add(fake)
    use(THIS, requests=7)
    fake.fail_with = 503
    at(clock, 1)
    go(upkeep)
    go(upkeep)
    assert fake.requests == 1
    row = do(marketplace.sinks.get, owner, made.sink_id)
    assert (row.waiting, row.last_error) == (1, "the answer was 503")
    fake.fail_with = None
    at(clock, 2)
    go(upkeep)
    assert fake.total == 7
    assert do(marketplace.sinks.get, owner, made.sink_id).last_error == ""


def test_a_worker_that_died_leaves_the_same_parcels_to_the_next(
    add, use, upkeep, clock, fake, do, marketplace
):
    add(fake)
    use(THIS, requests=7)
    at(clock, 1)
    assert do(marketplace.sending.look)
    while do(marketplace.sending.look):
        pass
    work = do(marketplace.sending.claim)
    assert do(marketplace.sending.claim) is None
    clock.turn_to(clock.now() + timedelta(minutes=5))
    again = do(marketplace.sending.claim)
    assert again.parcels == work.parcels


def test_a_platforms_sink_tells_organizations_apart(add, use, upkeep, clock, fake, owner, person):
    other = person()
    add(fake, covers=Covers.PLATFORM)
    use(THIS, requests=7)
    use(THIS, requests=2, project=ProjectId.new(), of=other)
    at(clock, 1)
    go(upkeep)
    assert {customer: quantity for customer, _, quantity in fake.taken.values()} == {
        owner.organization_id: 7,
        other.organization_id: 2,
    }


def test_another_organizations_usage_is_not_sent(add, use, upkeep, clock, fake, person):
    add(fake)
    use(THIS, requests=2, project=ProjectId.new(), of=person())
    at(clock, 1)
    go(upkeep)
    assert fake.taken == {}


def test_a_sink_that_is_off_sends_nothing_and_then_all(
    add, use, upkeep, clock, fake, do, marketplace, owner
):
    made = add(fake)
    do(marketplace.sinks.change, owner, made.sink_id, SinkChanges(is_enabled=False))
    use(THIS, requests=7)
    at(clock, 1)
    go(upkeep)
    assert fake.taken == {}
    do(marketplace.sinks.change, owner, made.sink_id, SinkChanges(is_enabled=True))
    go(upkeep)
    assert fake.total == 7


def test_a_private_network_is_not_called_unless_somebody_said_so(
    add, use, upkeep, clock, fake, do, marketplace, owner, database
):
    made = add(fake)
    use(THIS, requests=7)
    with database.transaction() as tx:
        tx.execute(
            update(sink).values(
                is_private_network=False, base_url=fake.address.replace("http:", "https:")
            )
        )
    at(clock, 1)
    go(upkeep)
    assert fake.requests == 0
    assert do(marketplace.sinks.get, owner, made.sink_id).waiting == 1


def test_a_credential_is_sealed_and_opens_nowhere_else(
    add, use, upkeep, clock, fake, database, do, marketplace, owner
):
    made = add(fake)
    with database.transaction() as tx:
        stored = tx.execute(select(sink.c.sealed_credential)).scalar_one()
        assert CREDENTIAL.encode() not in bytes(stored)
        # Whoever changes the row to another host gets nothing.
        tx.execute(update(sink).values(base_url=fake.address + "/other"))
    use(THIS, requests=7)
    at(clock, 1)
    go(upkeep)
    assert fake.taken == {}
    assert do(marketplace.sinks.get, owner, made.sink_id).waiting == 1


def test_what_is_wrong_is_refused(add, fake, do, marketplace, owner, person):
    for wrong in (
        {"kind": "nothing"},
        {"base_url": "http://public.example", "is_private_network": False},
        {"name": ""},
        {"meters": ("No!",)},
        {"kind": "lago", "credential": None},
        {"credential": Secret("with\nline")},
    ):
        with pytest.raises(InvalidInput):
            add(fake, **wrong)
    add(fake)
    with pytest.raises(Conflict):
        add(fake)
    for number in range(SINKS_MAX - 1):
        add(fake, name=f"Other {number}")
    with pytest.raises(TooManySinks):
        add(fake, name="One too many")
    [first, *_] = do(marketplace.sinks.list_sinks, owner)
    with pytest.raises(NotFound):
        do(marketplace.sinks.get, person(), first.sink_id)
    weak = person(Role.VIEWER, of=owner)
    with pytest.raises(Forbidden):
        do(marketplace.sinks.list_sinks, weak)
    do(marketplace.sinks.delete, owner, first.sink_id)
    assert do(lambda tx: tx.execute(select(sink_parcel)).all()) == []
