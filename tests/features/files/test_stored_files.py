"""Records of files: whose they are, how many there may be, how long they stay."""

import threading

import pytest
from file_parts import DAY, NOW, id_of, kept_file, listed, milliseconds, owner
from sqlalchemy import text

from tradewind.features.files import service
from tradewind.wire.stored_files import NotKept

pytestmark = pytest.mark.postgres


@pytest.fixture
def tx(database):
    with database.transaction() as tx:
        yield tx


def keep(tx, *files):
    for file in files:
        assert service.keep(tx, file, NOW) is None


def ids(found):
    return [file.id for file in found.files]


def test_what_was_recorded_comes_back_as_it_was(tx):
    given = kept_file(expires_at_ms=milliseconds(NOW + DAY))
    keep(tx, given)
    assert service.find(tx, owner(), [given.id], NOW).files == [given]


@pytest.mark.parametrize("stranger", [owner(org="org_b"), owner(project="proj_b")])
def test_a_stranger_finds_lists_and_deletes_nothing(tx, stranger):
    given = kept_file()
    keep(tx, given)
    assert service.find(tx, stranger, [given.id], NOW).files == []
    page = service.find_page(tx, listed(owner=stranger), NOW)
    assert page is not None
    assert page.files == []
    assert service.find_page(tx, listed(owner=stranger, after=given.id), NOW) is None
    assert not service.delete(tx, stranger, [given.id])
    assert service.find(tx, owner(), [given.id], NOW).files == [given]


def test_an_id_of_the_provider_belongs_to_one_record(tx):
    keep(tx, kept_file(1, provider_file_id="file-same"))
    stolen = kept_file(2, org="org_b", provider_file_id="file-same")
    assert service.keep(tx, stolen, NOW) is NotKept.TAKEN
    elsewhere = kept_file(2, provider_file_id="file-same", connection_id="conn_2")
    assert service.keep(tx, elsewhere, NOW) is None


def test_a_project_has_as_many_files_as_it_may(tx):
    keep(tx, kept_file(1), kept_file(2))
    assert service.has_room(tx, owner(), NOW, most=3)
    assert not service.has_room(tx, owner(), NOW, most=2)
    assert service.keep(tx, kept_file(3), NOW, most=2) is NotKept.FULL
    assert service.keep(tx, kept_file(3, project="proj_b"), NOW, most=2) is None
    service.delete(tx, owner(), [id_of(1)])
    assert service.keep(tx, kept_file(3), NOW, most=2) is None


def test_two_uploads_at_once_do_not_get_past_the_limit(database):
    together = threading.Barrier(2)
    outcomes = []

    def upload(number):
        with database.transaction() as tx:
            together.wait(30)
            outcomes.append(service.keep(tx, kept_file(number), NOW, most=1))

    threads = [threading.Thread(target=upload, args=(number,)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes, key=str) == [None, NotKept.FULL]


def test_a_list_has_pages_in_both_orders(tx):
    keep(tx, *(kept_file(number) for number in range(5)))
    newest = service.find_page(tx, listed(limit=2), NOW)
    assert newest is not None
    assert (ids(newest), newest.has_more) == ([id_of(4), id_of(3)], True)
    last = service.find_page(tx, listed(limit=3, after=id_of(3)), NOW)
    assert last is not None
    assert (ids(last), last.has_more) == ([id_of(2), id_of(1), id_of(0)], False)
    oldest = service.find_page(tx, listed(limit=1, is_ascending=True, after=id_of(0)), NOW)
    assert oldest is not None
    assert (ids(oldest), oldest.has_more) == ([id_of(1)], True)
    assert service.find_page(tx, listed(after=id_of(9)), NOW) is None


def test_a_list_is_narrowed_to_a_purpose(tx):
    keep(tx, kept_file(1), kept_file(2, purpose="batch"))
    page = service.find_page(tx, listed(purpose="batch"), NOW)
    assert page is not None
    assert ids(page) == [id_of(2)]


def test_what_has_expired_is_not_there_counts_for_nothing_and_is_swept(tx):
    keep(tx, kept_file(1, expires_at_ms=milliseconds(NOW + DAY)), kept_file(2))
    later = NOW + DAY
    assert service.find(tx, owner(), [id_of(1)], later).files == []
    assert service.has_room(tx, owner(), later, most=2)
    assert not service.sweep(tx, later)
    assert tx.execute(text("SELECT id FROM stored_file")).scalars().all() == [id_of(2)]
