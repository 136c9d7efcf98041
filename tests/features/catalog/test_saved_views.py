"""Views of the catalog that somebody keeps, shares, changes and deletes."""

import threading
from datetime import UTC, datetime

import pytest
from sqlalchemy import insert

from tradewind.core.errors import Conflict, InvalidInput, NotFound
from tradewind.core.ids import UserId
from tradewind.core.permissions import Role
from tradewind.features.accounts.tables import user_account
from tradewind.features.catalog import saved_views as limits
from tradewind.features.catalog.saved_views import ViewChanges
from tradewind.features.catalog.tables import saved_view
from tradewind.readmodels.saved_views import list_saved_views

pytestmark = pytest.mark.postgres


@pytest.fixture
def views(services):
    return services.saved_views


@pytest.fixture
def user(database, services):
    """Return a function that makes somebody with an account."""

    def make(name="Ada"):
        user_id = UserId.new()
        with database.transaction() as tx:
            tx.execute(
                insert(user_account).values(
                    id=user_id,
                    email=f"{user_id}@example.org",
                    name=name,
                    created_at=services.clock.now(),
                )
            )
        return user_id

    return make


def names(do, actor, user_id):
    return [view.name for view in do(list_saved_views, actor.organization_id, user_id)]


def test_a_view_is_kept_opened_and_listed_with_whose_it_is(views, do, person, user):
    ada, member = user("Ada"), person(Role.VIEWER)

    made = do(views.save, member, ada, "  Cheap \t vision ", "input=image&sort=price")

    assert (made.name, made.query, made.is_shared, made.is_own) == (
        "Cheap vision",
        "input=image&sort=price",
        False,
        True,
    )
    assert do(views.open, member, ada, made.view_id) == made
    (listed,) = do(list_saved_views, member.organization_id, ada)
    assert (listed.view_id, listed.owner, listed.is_own) == (made.view_id, "Ada", True)


def test_a_view_of_ones_own_is_nobody_elses_until_it_is_shared(views, do, person, user):
    ada, bob = user("Ada"), user("Bob")
    member = person(Role.VIEWER)
    stranger = person()
    made = do(views.save, member, ada, "Mine", "task=chat")
    with pytest.raises(NotFound):
        do(views.open, member, bob, made.view_id)

    do(views.change, member, ada, made.view_id, ViewChanges(is_shared=True))

    seen = do(views.open, member, bob, made.view_id)
    assert (seen.name, seen.is_own) == ("Mine", False)
    assert names(do, member, bob) == ["Mine"]
    with pytest.raises(NotFound):
        do(views.open, stranger, bob, made.view_id)
    assert names(do, stranger, bob) == []


def test_only_its_owner_changes_a_view_and_an_administrator_may_delete_a_shared_one(
    views, do, person, user
):
    ada, bob = user("Ada"), user("Bob")
    admin = person()
    member = person(Role.VIEWER, of=admin)
    shared = do(views.save, member, ada, "Ours", "", is_shared=True)
    private = do(views.save, member, ada, "Mine", "")
    for actor in (member, admin):
        with pytest.raises(NotFound):
            do(views.change, actor, bob, shared.view_id, ViewChanges(name="Theirs"))
    with pytest.raises(NotFound):
        do(views.delete, member, bob, shared.view_id)
    with pytest.raises(NotFound):
        do(views.delete, admin, bob, private.view_id)

    do(views.delete, admin, bob, shared.view_id)
    do(views.delete, member, ada, private.view_id)

    assert names(do, member, ada) == []


def test_a_name_is_taken_once_however_it_is_written(views, do, person, user):
    ada, member = user(), person()
    made = do(views.save, member, ada, "Cheap", "")
    other = do(views.save, member, ada, "Quick", "")
    with pytest.raises(Conflict, match="already"):
        do(views.save, member, ada, "CHEAP", "task=chat")
    with pytest.raises(Conflict, match="already"):
        do(views.change, member, ada, other.view_id, ViewChanges(name="cheap"))

    assert do(views.change, member, ada, made.view_id, ViewChanges(name="CHEAP")).name == "CHEAP"
    assert do(views.save, member, user("Bob"), "Cheap", "").name == "Cheap"


@pytest.mark.parametrize("name", ["", "   ", "x" * 81, "a\0b"])
def test_a_name_is_short_and_plain(views, do, person, user, name):
    with pytest.raises(InvalidInput, match="printable"):
        do(views.save, person(), user(), name, "")


def test_a_question_is_bounded(views, do, person, user):
    with pytest.raises(InvalidInput, match="4000"):
        do(views.save, person(), user(), "Long", "q=" + "x" * 4000)


def test_a_key_of_nobody_keeps_no_view(views, do, person):
    with pytest.raises(Conflict, match="nobody"):
        do(views.save, person(), None, "Mine", "")


@pytest.mark.parametrize("view_id", ["", "view_", "x" * 99, "view_00000000000000000000000001"])
def test_what_is_not_there_is_not_found(views, do, person, user, view_id):
    with pytest.raises(NotFound):
        do(views.open, person(), user(), view_id)


def fill(database, actor, user_id, count, *, is_shared):
    now = datetime.now(UTC)
    with database.transaction() as tx:
        tx.execute(
            insert(saved_view),
            [
                {
                    "id": f"view_{user_id}_{number}",
                    "organization_id": actor.organization_id,
                    "user_id": user_id,
                    "name": f"V{number}",
                    "query": "",
                    "is_shared": is_shared,
                    "created_at": now,
                    "updated_at": now,
                }
                for number in range(count)
            ],
        )


def test_one_keeps_no_more_than_fifty_and_many_at_once_make_no_more(
    views, do, person, user, database
):
    ada, member = user(), person()
    fill(database, member, ada, 48, is_shared=False)
    refused = []

    def save(number):
        try:
            do(views.save, member, ada, f"New {number}", "")
        except Conflict as error:
            refused.append(error)

    threads = [threading.Thread(target=save, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(refused) == 2
    assert len(names(do, member, ada)) == limits.MOST_VIEWS


def test_an_organization_shares_no_more_than_two_hundred(views, do, person, user, database):
    member = person()
    for name in ("A", "B", "C", "D"):
        fill(database, member, user(name), 50, is_shared=True)
    ada = user()
    with pytest.raises(Conflict, match="200"):
        do(views.save, member, ada, "One more", "", is_shared=True)

    own = do(views.save, member, ada, "Mine", "")

    with pytest.raises(Conflict, match="200"):
        do(views.change, member, ada, own.view_id, ViewChanges(is_shared=True))
    assert names(do, member, ada)[0] == "Mine", "one's own come first"
