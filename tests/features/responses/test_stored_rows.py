"""Stored responses in the database: whose they are, how long they stay, what deleting leaves."""

import pytest
from msgspec import Raw
from response_parts import DAY, NOW, at, milliseconds, stored
from sqlalchemy import text

from tradewind.features.responses import service
from tradewind.wire.stored_responses import MOST_CHAIN_BYTES, MOST_CHAIN_LINKS

pytestmark = pytest.mark.postgres


@pytest.fixture
def tx(database):
    with database.transaction() as tx:
        yield tx


def found(tx, place=None):
    """Return what must be there."""
    response = service.find(tx, place or at(), NOW)
    assert response is not None
    return response


def chain_from(tx, id_):
    chain = service.find_chain(tx, at(id_), NOW)
    assert chain is not None
    return chain


def ids(chain):
    return [link.id for link in chain.links]


def test_what_was_stored_comes_back_as_it_was(tx):
    given = stored(previous="resp_0")
    service.keep(tx, given)
    assert service.find(tx, at(), NOW) == given


def test_storing_again_changes_nothing(tx):
    service.keep(tx, stored())
    service.keep(tx, stored(text="other"))
    assert b"secret" in bytes(found(tx).response)


@pytest.mark.parametrize("place", [at(org="org_b"), at(project="proj_b"), at("resp_2")])
def test_another_owner_finds_changes_and_deletes_nothing(tx, place):
    given = stored(running_until_ms=milliseconds(NOW))
    service.keep(tx, given)
    foreign = stored(place.id, org=place.organization_id, project=place.project_id)
    assert service.find(tx, place, NOW) is None
    assert service.find_chain(tx, place, NOW) is None
    assert not service.delete(tx, place)
    assert not service.renew(tx, place, 7)
    assert not service.end(tx, foreign)
    assert service.find(tx, at(), NOW) == given


def test_two_owners_may_have_the_same_id(tx):
    service.keep(tx, stored(text="mine"))
    service.keep(tx, stored(text="theirs", org="org_b"))
    assert service.delete(tx, at(org="org_b"))
    assert b"mine" in bytes(found(tx).response)


def test_deleting_leaves_no_row(tx):
    service.keep(tx, stored())
    assert service.delete(tx, at())
    assert not service.delete(tx, at())
    assert tx.execute(text("SELECT count(*) FROM stored_response")).scalar() == 0


def test_a_chain_goes_back_to_its_first_response(tx):
    for number in range(1, 5):
        service.keep(tx, stored(f"resp_{number}", f"resp_{number - 1}" if number > 1 else None))
    service.keep(tx, stored("resp_other", "resp_2"))
    assert ids(chain_from(tx, "resp_4")) == [
        "resp_4",
        "resp_3",
        "resp_2",
        "resp_1",
    ]
    assert ids(chain_from(tx, "resp_other")) == ["resp_other", "resp_2", "resp_1"]


def test_a_chain_ends_at_what_was_deleted_and_holds_none_of_it(tx):
    for number in range(1, 4):
        previous = f"resp_{number - 1}" if number > 1 else None
        service.keep(tx, stored(f"resp_{number}", previous, text=f"secret {number}"))
    service.delete(tx, at("resp_2"))
    chain = chain_from(tx, "resp_3")
    assert ids(chain) == ["resp_3"]
    rows = tx.execute(text("SELECT input, response FROM stored_response")).all()
    assert not any(b"secret 2" in bytes(column) for row in rows for column in row)


def test_a_chain_never_leaves_its_project(tx):
    service.keep(tx, stored("resp_1", project="proj_b"))
    service.keep(tx, stored("resp_2", "resp_1"))
    assert ids(chain_from(tx, "resp_2")) == ["resp_2"]


def test_a_ring_of_links_ends(tx):
    service.keep(tx, stored("resp_1", "resp_2"))
    service.keep(tx, stored("resp_2", "resp_1"))
    assert chain_from(tx, "resp_2").is_too_long


def test_a_chain_of_too_many_links_is_not_used(tx):
    for number in range(MOST_CHAIN_LINKS + 2):
        service.keep(tx, stored(f"resp_{number}", f"resp_{number - 1}"))
    assert chain_from(tx, f"resp_{MOST_CHAIN_LINKS + 1}").is_too_long
    allowed = chain_from(tx, f"resp_{MOST_CHAIN_LINKS - 1}")
    assert (len(allowed.links), allowed.is_too_long) == (MOST_CHAIN_LINKS, False)


def test_a_chain_of_too_many_bytes_is_not_used(tx):
    large = Raw(b'"' + b"x" * (MOST_CHAIN_BYTES // 2) + b'"')
    for number in range(3):
        service.keep(tx, stored(f"resp_{number}", f"resp_{number - 1}", input=large))
    chain = chain_from(tx, "resp_2")
    assert (chain.links, chain.is_too_long) == ([], True)


def test_what_has_expired_is_not_found_and_goes(tx):
    service.keep(tx, stored("resp_1", expires_at_ms=milliseconds(NOW)))
    service.keep(tx, stored("resp_2", expires_at_ms=milliseconds(NOW + DAY)))
    assert service.find(tx, at("resp_1"), NOW) is None
    assert service.find(tx, at("resp_2"), NOW) is not None
    assert not service.sweep(tx, NOW)
    assert tx.execute(text("SELECT id FROM stored_response")).scalars().all() == ["resp_2"]


def test_a_sweep_says_when_there_is_more(tx):
    for number in range(service.SWEPT_AT_ONCE + 1):
        service.keep(tx, stored(f"resp_{number}", expires_at_ms=milliseconds(NOW)))
    assert service.sweep(tx, NOW)
    assert not service.sweep(tx, NOW)
    assert tx.execute(text("SELECT count(*) FROM stored_response")).scalar() == 0


def test_fewer_days_hold_for_readers_at_once_and_for_rows_when_told(tx):
    old = milliseconds(NOW - 10 * DAY)
    service.keep(tx, stored("resp_1", created_at_ms=old))
    service.keep(tx, stored("resp_2", org="org_b", created_at_ms=old))
    assert service.find(tx, at("resp_1", days=9), NOW) is None
    assert service.find(tx, at("resp_1", days=11), NOW) is not None
    assert service.shorten(tx, "org_a", 9) == 1
    assert service.shorten(tx, "org_a", 30) == 0
    service.sweep(tx, NOW)
    assert tx.execute(text("SELECT id FROM stored_response")).scalars().all() == ["resp_2"]


def test_a_running_response_ends_once(tx):
    service.keep(tx, stored(running_until_ms=milliseconds(NOW)))
    later = milliseconds(NOW + DAY)
    assert service.renew(tx, at(), later)
    assert found(tx).running_until_ms == later
    assert service.end(tx, stored(text="first"))
    assert not service.end(tx, stored(text="second"))
    assert not service.renew(tx, at(), later)
    ended = found(tx)
    assert (ended.running_until_ms, b"first" in bytes(ended.response)) == (None, True)


def test_a_response_that_was_deleted_while_it_ran_does_not_come_back(tx):
    service.keep(tx, stored(running_until_ms=milliseconds(NOW)))
    service.delete(tx, at())
    assert not service.end(tx, stored())
    assert service.find(tx, at(), NOW) is None
