"""What every sink does, over its fake: each parcel is counted once, whatever happens on the way."""

import asyncio
from datetime import UTC, datetime

import pytest

from tradewind.core.base_urls import parse_base_url
from tradewind.core.checked_hosts import LoopConnector
from tradewind.plugins.sinks.base import Fate, Parcel, SinkRequest
from tradewind.plugins.sinks.registry import sinks
from tradewind.testing.fake_network import FakeResolver
from tradewind.testing.fake_sinks import CREDENTIAL, fake_sink
from tradewind.worker.marketplace import event_url
from tradewind.worker.webhook_post import Poster, trusted

HOUR = datetime(2030, 1, 1, 8, tzinfo=UTC)
MEMBERS = sinks()


@pytest.fixture(params=sorted(MEMBERS))
def fake(request):
    with fake_sink(request.param) as fake:
        yield fake


@pytest.fixture
def member(fake):
    return MEMBERS[fake.kind]


def parcels(count: int, *, meter: str = "requests", first: int = 0) -> list[Parcel]:
    return [
        Parcel(f"prc_{first + at:03d}", HOUR, "proj_a", "cus_a", "tw/a", meter, at + 1)
        for at in range(count)
    ]


def send(fake, member, some, credential=CREDENTIAL):
    """Send parcels as the worker does; return the verdicts."""
    poster = Poster(FakeResolver({}), LoopConnector(), trusted(None), timeout_s=60)
    path = "/in" if fake.kind == "cloudevents" else ""
    base = parse_base_url(fake.address + path)

    async def post(request: SinkRequest):
        outcome, body = await poster.fetch(
            event_url(base, request.path), request.headers, request.body, must_be_public=False
        )
        return member.verdict(request, outcome.status, body)

    async def post_all():
        return [await post(request) for request in member.requests(credential, some)]

    return asyncio.run(post_all())


def test_what_is_sent_is_counted_for_its_customer_and_meter(fake, member):
    verdicts = send(fake, member, parcels(3))
    assert {verdict.fate for verdict in verdicts} == {Fate.TAKEN}
    assert fake.taken == {
        "prc_000": ("cus_a", "requests", 1),
        "prc_001": ("cus_a", "requests", 2),
        "prc_002": ("cus_a", "requests", 3),
    }


def test_many_are_sent_in_requests_that_together_carry_all(fake, member):
    some = parcels(250)
    carried = [each for request in member.requests(CREDENTIAL, some) for each in request.parcel_ids]
    assert carried == [parcel.parcel_id for parcel in some]
    send(fake, member, some)
    assert fake.total == 250 * 251 // 2


def test_an_answer_that_was_lost_means_again_and_counts_nothing_twice(fake, member):
    fake.lose_answers = 1
    [first, *_] = send(fake, member, parcels(2))
    assert first.fate is Fate.AGAIN
    total = fake.total
    for verdict in send(fake, member, parcels(2)):
        is_known = verdict.fate is Fate.TAKEN or verdict.taken == {"prc_000", "prc_001"}
        assert is_known, verdict
    assert fake.total == 3 >= total


def test_new_ones_get_through_beside_those_that_came_before(fake, member):
    send(fake, member, parcels(2))
    some = parcels(4)
    known: set[str] = set()
    for _ in range(3):
        left = [parcel for parcel in some if parcel.parcel_id not in known]
        if not left:
            break
        for request, verdict in zip(
            member.requests(CREDENTIAL, left), send(fake, member, left), strict=True
        ):
            known |= set(request.parcel_ids) if verdict.fate is Fate.TAKEN else verdict.taken
    assert known == {parcel.parcel_id for parcel in some}
    assert fake.total == 1 + 2 + 3 + 4


@pytest.mark.parametrize("status", [429, 500, 503, 302])
def test_a_failing_service_means_again(fake, member, status):
    fake.fail_with = status
    assert {verdict.fate for verdict in send(fake, member, parcels(1))} == {Fate.AGAIN}


def test_a_credential_that_is_not_taken_means_again_and_is_in_no_reason(fake, member):
    if not member.needs_credential and fake.kind == "cloudevents":
        fake.fail_with = 401
    [verdict] = send(fake, member, parcels(1), credential="wrong-one")
    assert verdict.fate is Fate.AGAIN
    assert "wrong-one" not in verdict.why


def test_what_is_not_known_there_is_refused_for_good(fake, member):
    fake.unknown_meters.add("images")
    [verdict] = send(fake, member, parcels(1, meter="images"))
    assert verdict.fate is Fate.REFUSED or verdict.refused == {"prc_000"}
    assert verdict.why
    assert fake.taken == {}


def test_a_credential_is_in_no_repr(member):
    for request in member.requests("very-secret", parcels(1)):
        assert "very-secret" not in repr(request)
