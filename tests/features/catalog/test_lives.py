"""Models move through their lives, and those who use them hear of it."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import insert, select, update

from tradewind.core.errors import Conflict, Forbidden, InvalidInput
from tradewind.core.ids import ProjectId
from tradewind.db.outbox import outbox_message
from tradewind.features.catalog.builtin import MINILM, SMOLLM2
from tradewind.features.catalog.errors import ModelNotFound
from tradewind.features.catalog.lives import Lives
from tradewind.features.catalog.rules.lifecycle import Lifecycle, LifecycleMove
from tradewind.features.catalog.rules.notices import soon_notice
from tradewind.features.catalog.tables import model, publisher
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
            rows = tx.execute(select(outbox_message).order_by(outbox_message.c.id))
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
