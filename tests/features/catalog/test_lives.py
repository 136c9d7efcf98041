"""Models move through their lives, and those who use them hear of it."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import insert, select, update

from tradewind.core.errors import Conflict, Forbidden, InvalidInput
from tradewind.core.ids import DeploymentId, ProjectId
from tradewind.db.outbox import outbox_message
from tradewind.features.catalog.builtin import MINILM, SMOLLM2
from tradewind.features.catalog.errors import ModelNotFound
from tradewind.features.catalog.lives import Lives
from tradewind.features.catalog.rules.lifecycle import Lifecycle, LifecycleMove
from tradewind.features.catalog.rules.notices import soon_notice
from tradewind.features.catalog.tables import model, model_version, publisher
from tradewind.features.deployments.tables import deployment
from tradewind.features.metering.tables import usage_hour
from tradewind.readmodels.model_users import organizations_using

pytestmark = pytest.mark.postgres

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
NAME = f"{SMOLLM2.publisher}/{SMOLLM2.slug}"
OTHER = f"{MINILM.publisher}/{MINILM.slug}"


class Turned:
    def __init__(self):
        self.at = NOW

    def now(self):
        return self.at


@pytest.fixture
def clock():
    return Turned()


@pytest.fixture
def lives(clock):
    return Lives(clock, organizations_using)


@pytest.fixture
def old(services, do, database):
    """Two models that have been generally available for years."""
    do(services.catalog.add_builtin, SMOLLM2)
    do(services.catalog.add_builtin, MINILM)
    long_ago = NOW - timedelta(days=1000)
    with database.transaction() as tx:
        tx.execute(update(model).values(lifecycle_since=long_ago, ga_since=long_ago))


@pytest.fixture
def deprecated(old, lives, do, operator, clock):
    """One of them, deprecated now; it retires in 90 days."""
    clock.at = NOW - timedelta(days=40)
    do(lives.move, operator, NAME, Lifecycle.LEGACY)
    clock.at = NOW
    return do(lives.move, operator, NAME, Lifecycle.DEPRECATED, replacement=OTHER)


@pytest.fixture
def user(person, database):
    """Somebody whose organization has called the model."""
    someone = person()
    values = {column.name: 0 for column in usage_hour.c if column.server_default is None}
    values |= {
        "organization_id": someone.organization_id,
        "hour": NOW + timedelta(days=150),  # the last call of it
        "project_id": ProjectId.new(),
        "key_id": "k",
        "model": NAME,
        "operation": "chat",
        "price_id": "p",
        "currency": "USD",
    }
    with database.transaction() as tx:
        tx.execute(insert(usage_hour).values(**values))
    return someone


@pytest.fixture
def told(database):
    def told():
        with database.transaction() as tx:
            rows = tx.execute(select(outbox_message).order_by(outbox_message.c.number))
            return [(row.organization_id, row.kind, row.payload) for row in rows]

    return told


def test_a_model_that_is_deprecated_is_told_to_those_who_use_it(user, deprecated, told, person):
    person()  # who does not use it hears nothing
    assert deprecated.retires_on == date(2027, 2, 20)
    assert told() == [
        (
            user.organization_id,
            "model.deprecated",
            {
                "model": NAME,
                "name": SMOLLM2.display_name,
                "retires_on": "2027-02-20",
                "replacement": OTHER,
            },
        )
    ]


def test_no_state_is_left_too_early(old, lives, do, operator):
    with pytest.raises(LifecycleMove, match="cannot become deprecated"):
        do(lives.move, operator, NAME, Lifecycle.DEPRECATED)
    do(lives.move, operator, NAME, Lifecycle.LEGACY)
    with pytest.raises(LifecycleMove, match="2026-12-22 at the earliest"):
        do(lives.move, operator, NAME, Lifecycle.DEPRECATED)
    assert do(lives.show, NAME)[0].state is Lifecycle.LEGACY


@pytest.fixture
def day(lives, do, clock):
    """Have the worker look twice on a day; returns how many models changed the first time."""

    def day(days):
        clock.at = NOW + timedelta(days=days)
        changed = do(lives.advance)
        assert do(lives.advance) == 0
        return changed

    return day


@pytest.mark.usefixtures("user", "deprecated")
def test_the_worker_retires_on_the_day_and_tells_before(day, told, database):
    moved = [days for days in range(55, 95) if day(days)]
    assert moved == [60, 83, 91]
    assert [(kind, data.get("days")) for _, kind, data in told()[1:]] == [
        ("model.retires_soon", 30),
        ("model.retires_soon", 7),
        ("model.retired", None),
    ]
    with database.transaction() as tx:
        row = tx.execute(select(model).where(model.c.slug == SMOLLM2.slug)).one()
    assert (row.lifecycle, row.replacement) == ("retired", OTHER)


@pytest.mark.usefixtures("user", "deprecated")
def test_what_was_missed_is_made_up_for(day, told):
    assert day(88) == 1
    assert told()[-1][2]["days"] == 2
    assert day(200) == 1
    assert told()[-1][1] == "model.retired"


def test_a_last_day_is_put_off_and_never_brought_forward(deprecated, lives, do, operator, day):
    with pytest.raises(LifecycleMove):
        do(lives.postpone, operator, NAME, deprecated.retires_on - timedelta(days=1))
    do(lives.postpone, operator, NAME, deprecated.retires_on + timedelta(days=100))
    assert day(91) == 0
    assert day(161) == 1


def test_a_replacement_has_to_answer(old, lives, do, operator, database):
    for name, refusal in ((NAME, InvalidInput), ("nobody/m", InvalidInput)):
        with pytest.raises(refusal):
            do(lives.move, operator, NAME, Lifecycle.LEGACY, replacement=name)
    with database.transaction() as tx:
        over = {"lifecycle": "retired", "retires_on": NOW.date()}
        tx.execute(update(model).where(model.c.slug == MINILM.slug).values(**over))
    with pytest.raises(Conflict):
        do(lives.move, operator, NAME, Lifecycle.LEGACY, replacement=OTHER)


def test_a_model_is_moved_by_its_verified_publisher_and_by_nobody_else(
    old, lives, do, person, services
):
    owner, stranger = person(is_operator=False), person(is_operator=False)
    do(services.catalog.verify_publisher, SMOLLM2.publisher, owner.organization_id)
    with pytest.raises(Forbidden):
        do(lives.move, stranger, NAME, Lifecycle.LEGACY)
    with pytest.raises(ModelNotFound):
        do(lives.move, owner, "nobody/m", Lifecycle.LEGACY)
    assert do(lives.move, owner, NAME, Lifecycle.LEGACY).state is Lifecycle.LEGACY


@pytest.mark.usefixtures("deprecated")
def test_the_calendar_has_the_last_days_that_an_organization_may_see(
    lives, do, operator, person, database
):
    feed = do(lives.calendar, operator.organization_id, "https://here.example")
    assert feed.startswith("BEGIN:VCALENDAR\r\n")
    assert "DTSTART;VALUE=DATE:20270220\r\n" in feed
    assert f"SUMMARY:{SMOLLM2.display_name} retires\r\n" in feed
    with database.transaction() as tx:
        mine = {"visibility": "private", "organization_id": operator.organization_id}
        tx.execute(update(model).where(model.c.slug == SMOLLM2.slug).values(**mine))
    assert "VEVENT" in do(lives.calendar, operator.organization_id, "")
    assert "VEVENT" not in do(lives.calendar, person().organization_id, "")


def test_the_owner_of_a_publisher_is_told_too(old, database, person, do):
    owner = person()
    with database.transaction() as tx:
        owned = {"organization_id": owner.organization_id, "verified_at": NOW}
        tx.execute(update(publisher).values(**owned))
        row = tx.execute(select(model.c.id).where(model.c.slug == SMOLLM2.slug)).one()
        assert organizations_using(tx, row.id, NOW) == [owner.organization_id]


@pytest.fixture
def announced(old, lives, do, operator, clock):
    """One of them, announced now to be deprecated in 40 days."""
    clock.at = NOW - timedelta(days=40)
    do(lives.move, operator, NAME, Lifecycle.LEGACY)
    clock.at = NOW
    day = NOW.date() + timedelta(days=40)
    return do(lives.announce, operator, NAME, day, replacement=OTHER)


@pytest.mark.usefixtures("user")
def test_a_deprecation_announced_ahead_is_told_at_once_and_comes_by_itself(
    announced, day, told, database
):
    assert (announced.state, announced.deprecates_on) == (Lifecycle.LEGACY, date(2027, 1, 1))
    assert announced.retires_on == date(2027, 4, 1)
    assert told()[0][1:] == (
        "model.deprecation_announced",
        {
            "model": NAME,
            "name": SMOLLM2.display_name,
            "deprecates_on": "2027-01-01",
            "retires_on": "2027-04-01",
            "replacement": OTHER,
        },
    )
    assert [days for days in range(1, 140) if day(days)] == [10, 33, 40, 100, 123, 131]
    assert [(kind, data.get("days")) for _, kind, data in told()[1:]] == [
        ("model.deprecates_soon", 30),
        ("model.deprecates_soon", 7),
        ("model.deprecated", None),
        ("model.retires_soon", 30),
        ("model.retires_soon", 7),
        ("model.retired", None),
    ]
    with database.transaction() as tx:
        row = tx.execute(select(model).where(model.c.slug == SMOLLM2.slug)).one()
    assert (row.lifecycle, row.deprecates_on) == ("retired", date(2027, 1, 1))


def test_who_looks_late_finds_it_deprecated_since_the_day_that_was_told(announced, day, lives, do):
    assert day(60) == 1
    life, _ = do(lives.show, NAME)
    assert life.state is Lifecycle.DEPRECATED
    assert life.since == datetime(2027, 1, 1, tzinfo=UTC)
    assert life.retires_on == announced.retires_on


@pytest.mark.usefixtures("user", "announced")
def test_after_both_days_were_missed_it_is_retired_at_once(day, told):
    assert day(220) == 1
    assert [kind for _, kind, _ in told()[1:]] == ["model.deprecated", "model.retired"]


def test_an_announced_day_is_put_off_and_never_brought_forward(
    *, user, announced, lives, do, operator, told
):
    sooner = announced.deprecates_on - timedelta(days=1)
    with pytest.raises(LifecycleMove, match="cannot come earlier"):
        do(lives.announce, operator, NAME, sooner)
    with pytest.raises(LifecycleMove, match="comes by itself"):
        do(lives.move, operator, NAME, Lifecycle.DEPRECATED)
    later = announced.deprecates_on + timedelta(days=10)
    assert do(lives.announce, operator, NAME, later).retires_on == later + timedelta(days=90)
    assert [data["deprecates_on"] for _, _, data in told()] == ["2027-01-01", "2027-01-11"]


def test_a_deprecation_is_not_announced_for_too_early_a_day(old, lives, do, operator):
    far = NOW.date() + timedelta(days=100)
    with pytest.raises(LifecycleMove) as refused:
        do(lives.announce, operator, NAME, far)
    assert refused.value.hint == "make it legacy first, and announce then"
    do(lives.move, operator, NAME, Lifecycle.LEGACY)
    with pytest.raises(LifecycleMove, match="2026-12-22 at the earliest"):
        do(lives.announce, operator, NAME, NOW.date() + timedelta(days=29))
    with pytest.raises(LifecycleMove, match="at the earliest"):
        do(lives.announce, operator, NAME, far, retires_on=far + timedelta(days=89))
    with pytest.raises(LifecycleMove, match="years ahead"):
        do(lives.announce, operator, NAME, date(9999, 12, 31))


@pytest.mark.usefixtures("announced")
def test_the_calendar_has_the_day_of_an_announced_deprecation_too(lives, do, operator):
    feed = do(lives.calendar, operator.organization_id, "")
    assert feed.count("BEGIN:VEVENT") == 2
    assert "DTSTART;VALUE=DATE:20270101\r\n" in feed


def test_who_has_only_a_deployment_of_a_model_is_told_of_its_end(old, database, person):
    owner = person()
    with database.transaction() as tx:
        version_id = tx.execute(
            select(model_version.c.id).join(model).where(model.c.slug == SMOLLM2.slug)
        ).scalar_one()
        model_id = tx.execute(select(model.c.id).where(model.c.slug == SMOLLM2.slug)).scalar_one()
        assert organizations_using(tx, model_id, NOW) == []
        tx.execute(
            insert(deployment).values(
                id=DeploymentId.new(),
                model_version_id=version_id,
                organization_id=owner.organization_id,
                engine="fake",
                slots=1,
                desired_replicas=0,
                created_at=NOW,
            )
        )
        assert organizations_using(tx, model_id, NOW) == [owner.organization_id]


@pytest.mark.parametrize(
    ("left", "told_days", "due"),
    [
        (31, None, None),
        (30, None, 30),
        (30, 30, None),
        (8, 30, None),
        (7, 30, 7),
        (3, 7, None),
        (3, None, 7),
        (-1, None, None),
    ],
)
def test_a_notice_is_due_once(left, told_days, due):
    assert soon_notice(NOW.date() + timedelta(days=left), NOW.date(), told_days) == due
