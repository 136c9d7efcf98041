"""Keys: made, listed, limited, revoked, announced, and never seen by another organization."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, insert, select

from tradewind.core import api_keys
from tradewind.core.errors import Forbidden, InvalidInput, NotFound
from tradewind.core.permissions import Permission, Role
from tradewind.features.accounts.errors import KeyRefused, TooManyKeys
from tradewind.features.accounts.repository import people
from tradewind.features.accounts.schemas import KeyPurpose, KeyState
from tradewind.features.accounts.service import KEYS_MAX, PLAYGROUND_KEYS_MAX
from tradewind.features.accounts.tables import api_key
from tradewind.snapshot.contents import Limits

pytestmark = pytest.mark.postgres


@pytest.fixture
def viewer(admin):
    return admin.viewer


@pytest.fixture
def stranger(database, add_viewer):
    """The administrator of another organization."""
    with database.transaction() as tx:
        return add_viewer(tx)


@pytest.fixture
def announcements(database) -> Iterator["Announcements"]:
    """Whatever was announced to the compiler of the snapshot since it was last looked at."""
    with database.connect_raw(autocommit=True) as listener:
        listener.execute("LISTEN tradewind_snapshot")
        yield Announcements(listener)


class _ChangedMind(Exception):
    """Makes a transaction roll back."""


class Announcements:
    def __init__(self, listener: psycopg.Connection) -> None:
        self._listener = listener

    def take(self) -> int:
        # Notifications of committed transactions arrive before the answer to a later statement.
        self._listener.execute("SELECT 1")
        return sum(1 for _ in self._listener.notifies(timeout=0))


def grant_ids(database, accounts):
    with database.transaction() as tx:
        return {grant.key_id for grant in accounts.grants(tx)}


def test_a_created_key_proves_its_project_and_is_listed(database, accounts, viewer):
    with database.transaction() as tx:
        created = accounts.create_key(tx, viewer, name="  laptop ")
    with database.transaction() as tx:
        holder = accounts.authenticate_key(tx, f"Bearer {created.text}")
        rows = accounts.list_keys(tx, viewer)
    assert (holder.organization_id, holder.project_id) == (
        viewer.organization_id,
        viewer.project_id,
    )
    assert created.row in rows
    assert (created.row.name, created.row.created_by_name) == ("laptop", "Ada")
    assert created.row.state is KeyState.LIVE
    assert created.row.masked == api_keys.masked(created.row.key_id)
    assert created.text not in repr(created)


def test_a_grant_carries_everything_the_gateway_enforces(database, accounts, viewer, clock):
    limits = Limits(requests_per_minute=60, tokens_per_minute=1000, concurrent_requests=2)
    with database.transaction() as tx:
        created = accounts.create_key(
            tx,
            viewer,
            name="limited",
            expires_at=clock.now() + timedelta(days=1),
            limits=limits,
            models=["tw/small", "tw/large"],
        )
        grant = next(g for g in accounts.grants(tx) if g.key_id == created.row.key_id)
    assert grant.organization_id == viewer.organization_id
    assert grant.project_id == viewer.project_id
    assert grant.expires_at_ms == int((clock.now() + timedelta(days=1)).timestamp() * 1000)
    assert grant.models == {"tw/small", "tw/large"}
    assert grant.limits == limits
    assert len(grant.digest) == 32


def test_a_revoked_key_has_no_grant_and_its_revocation_is_announced(
    database, accounts, viewer, announcements
):
    with database.transaction() as tx:
        created = accounts.create_key(tx, viewer, name="laptop")
    assert announcements.take() == 1
    with database.transaction() as tx:
        revoked = accounts.revoke_key(tx, viewer, created.row.key_id)
    assert announcements.take() == 1
    assert revoked.state is KeyState.REVOKED
    assert created.row.key_id not in grant_ids(database, accounts)
    with pytest.raises(KeyRefused, match="revoked"), database.transaction() as tx:
        accounts.authenticate_key(tx, f"Bearer {created.text}")


def test_revoking_again_changes_and_announces_nothing(
    database, accounts, viewer, announcements, clock
):
    with database.transaction() as tx:
        created = accounts.create_key(tx, viewer, name="laptop")
        first = accounts.revoke_key(tx, viewer, created.row.key_id)
    announcements.take()
    clock.turn(minutes=5)
    with database.transaction() as tx:
        assert accounts.revoke_key(tx, viewer, created.row.key_id) == first
    assert announcements.take() == 0


def test_a_revocation_that_is_rolled_back_is_not_announced(
    database, accounts, viewer, announcements
):
    with database.transaction() as tx:
        created = accounts.create_key(tx, viewer, name="laptop")
    announcements.take()
    with contextlib.suppress(_ChangedMind), database.transaction() as tx:
        assert accounts.revoke_key(tx, viewer, created.row.key_id).state is KeyState.REVOKED
        raise _ChangedMind
    assert announcements.take() == 0
    assert created.row.key_id in grant_ids(database, accounts)


def test_an_expired_key_has_no_grant_and_is_refused(database, accounts, viewer, clock):
    with database.transaction() as tx:
        created = accounts.create_key(
            tx, viewer, name="short", expires_at=clock.now() + timedelta(minutes=1)
        )
    clock.turn(minutes=1)
    assert created.row.key_id not in grant_ids(database, accounts)
    with database.transaction() as tx:
        with pytest.raises(KeyRefused, match="expired"):
            accounts.authenticate_key(tx, f"Bearer {created.text}")
        assert accounts.get_key(tx, viewer, created.row.key_id).state is KeyState.EXPIRED


def test_another_organizations_key_is_not_found(database, accounts, viewer, stranger):
    with database.transaction() as tx:
        created = accounts.create_key(tx, viewer, name="laptop")
        for ask in (accounts.get_key, accounts.revoke_key):
            with pytest.raises(NotFound):
                ask(tx, stranger, created.row.key_id)
        assert accounts.list_keys(tx, stranger) == []
        assert accounts.get_key(tx, viewer, created.row.key_id).state is KeyState.LIVE


def test_a_key_sees_the_keys_of_its_own_project_only(database, accounts, viewer, clock):
    with database.transaction() as tx:
        beside = people.add_project(tx, viewer.organization_id, "Beside", clock.now())
        theirs = accounts.create_key(tx, replace(viewer, project_id=beside), name="theirs")
        ours = accounts.create_key(tx, viewer, name="ours")
        holder = accounts.authenticate_key(tx, f"Bearer {ours.text}")
        with pytest.raises(NotFound):
            accounts.get_key(tx, holder, theirs.row.key_id)
        assert theirs.row not in accounts.list_keys(tx, holder)
        assert ours.row in accounts.list_keys(tx, holder)


def test_a_viewer_cannot_make_a_key_in_another_organizations_project(
    database, accounts, viewer, stranger
):
    mixed = replace(viewer, project_id=stranger.project_id)
    with database.transaction() as tx, pytest.raises(NotFound):
        accounts.create_key(tx, mixed, name="laptop")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(key_id=st.text() | st.text("0123456789abcdef", min_size=12, max_size=12))
def test_any_text_as_key_id_is_not_found(database, accounts, viewer, key_id):
    with database.transaction() as tx:
        for ask in (accounts.get_key, accounts.revoke_key):
            with pytest.raises(NotFound):
                ask(tx, viewer, key_id)


def test_a_weak_role_may_neither_read_nor_make_nor_revoke_keys(
    database, accounts, viewer, add_viewer
):
    with database.transaction() as tx:
        weak = add_viewer(tx, role=Role.VIEWER, beside=viewer)
        key_id = accounts.create_key(tx, viewer, name="laptop").row.key_id
        for ask in (
            lambda: accounts.list_keys(tx, weak),
            lambda: accounts.get_key(tx, weak, key_id),
            lambda: accounts.create_key(tx, weak, name="mine"),
            lambda: accounts.revoke_key(tx, weak, key_id),
            lambda: accounts.mint_playground_key(tx, weak),
        ):
            with pytest.raises(Forbidden, match="keys:"):
                ask()


def test_a_developer_may_make_keys(database, accounts, viewer, add_viewer):
    with database.transaction() as tx:
        developer = add_viewer(tx, role=Role.DEVELOPER, beside=viewer)
        created = accounts.create_key(tx, developer, name="mine")
        assert created.row in accounts.list_keys(tx, viewer)


def test_bad_input_makes_no_key(database, accounts, viewer, clock):
    before = grant_ids(database, accounts)
    for bad in (
        {"name": ""},
        {"name": "x", "expires_at": clock.now()},
        {"name": "x", "limits": Limits(requests_per_minute=0)},
        {"name": "x", "models": []},
    ):
        with pytest.raises(InvalidInput), database.transaction() as tx:
            accounts.create_key(tx, viewer, **bad)
    assert grant_ids(database, accounts) == before


def test_a_project_has_a_bounded_number_of_keys(database, accounts, viewer, clock):
    with database.transaction() as tx:
        there = len(accounts.list_keys(tx, viewer))
        minted = [api_keys.mint(bytes(32)) for _ in range(KEYS_MAX - there)]
        tx.execute(
            insert(api_key),
            [
                {
                    "id": key.key_id,
                    "organization_id": viewer.organization_id,
                    "project_id": viewer.project_id,
                    "name": "many",
                    "digest": key.digest,
                    "created_at": clock.now(),
                    "purpose": "client",
                }
                for key in minted
            ],
        )
        with pytest.raises(TooManyKeys):
            accounts.create_key(tx, viewer, name="one too many")
        accounts.revoke_key(tx, viewer, minted[0].key_id)
        newest = accounts.create_key(tx, viewer, name="fits again")
        rows = accounts.list_keys(tx, viewer)
    assert len(rows) == KEYS_MAX
    assert newest.row in rows
    assert minted[0].key_id not in {row.key_id for row in rows}


def test_playground_keys_are_hidden_live_an_hour_and_are_few(database, accounts, viewer, clock):
    texts = []
    for _ in range(PLAYGROUND_KEYS_MAX + 2):
        clock.turn(seconds=1)
        with database.transaction() as tx:
            texts.append(accounts.mint_playground_key(tx, viewer).text)

    def works(key):
        with database.transaction() as tx:
            try:
                return accounts.authenticate_key(tx, f"Bearer {key}").purpose
            except KeyRefused:
                return None

    assert [works(key) for key in texts] == [None] * 2 + [
        KeyPurpose.PLAYGROUND
    ] * PLAYGROUND_KEYS_MAX
    with database.transaction() as tx:
        assert {row.purpose for row in accounts.list_keys(tx, viewer)} == {KeyPurpose.CLIENT}
        shown = accounts.list_keys(tx, viewer, purposes=[KeyPurpose.PLAYGROUND])
    assert len(shown) == len(texts)
    clock.turn(hours=1)
    assert {works(key) for key in texts} == {None}


def test_one_persons_playground_does_not_end_anothers(database, accounts, viewer, add_viewer):
    with database.transaction() as tx:
        other = add_viewer(tx, role=Role.DEVELOPER, beside=viewer)
        theirs = accounts.mint_playground_key(tx, other)
        for _ in range(PLAYGROUND_KEYS_MAX + 1):
            accounts.mint_playground_key(tx, viewer)
        assert accounts.authenticate_key(tx, f"Bearer {theirs.text}").key_id == theirs.row.key_id


def test_the_start_up_key_lives_ten_minutes_and_there_is_one(
    database, accounts, viewer, clock, announcements
):
    with database.transaction() as tx:
        first = accounts.mint_start_up_key(tx)
        second = accounts.mint_start_up_key(tx)
    assert announcements.take() >= 1
    live = grant_ids(database, accounts)
    assert first.row.key_id not in live
    assert second.row.key_id in live
    clock.turn(minutes=10)
    assert second.row.key_id not in grant_ids(database, accounts)


def test_short_lived_keys_are_cleared_away_after_a_month(database, accounts, viewer, clock):
    with database.transaction() as tx:
        accounts.mint_start_up_key(tx)
        accounts.mint_playground_key(tx, viewer)
        before = tx.execute(select(func.count()).select_from(api_key)).scalar_one()
    clock.turn(days=31)
    with database.transaction() as tx:
        accounts.mint_start_up_key(tx)
        after = tx.execute(select(func.count()).select_from(api_key)).scalar_one()
    assert after == before - 1


def test_only_a_key_of_a_person_reads_keys_usage_and_requests(database, accounts, viewer):
    with database.transaction() as tx:
        client = accounts.create_key(tx, viewer, name="laptop")
        playground = accounts.mint_playground_key(tx, viewer)
        start_up = accounts.mint_start_up_key(tx)
        permissions = [
            accounts.authenticate_key(tx, f"Bearer {key.text}").permissions
            for key in (client, playground, start_up)
        ]
    assert permissions == [
        {
            Permission.CATALOG_READ,
            Permission.MODELS_READ,
            Permission.KEYS_READ,
            Permission.USAGE_READ,
            Permission.REQUESTS_READ,
            Permission.FEEDBACK_WRITE,
        },
        {Permission.MODELS_READ},
        {Permission.MODELS_READ},
    ]


def test_a_key_made_with_another_pepper_is_refused_though_its_id_exists(database, accounts, viewer):
    with database.transaction() as tx:
        created = accounts.create_key(tx, viewer, name="laptop")
        forged = "sk-tw-" + created.row.key_id + "-" + "A" * 32
        forged += api_keys._checksum(forged)
        assert api_keys.is_well_formed(forged)
        with pytest.raises(KeyRefused, match="not known"):
            accounts.authenticate_key(tx, f"Bearer {forged}")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(header=st.none() | st.text() | st.text().map("Bearer sk-tw-".__add__))
def test_any_header_is_refused_and_nothing_else(database, accounts, first_run, header):
    with database.transaction() as tx, pytest.raises(KeyRefused):
        accounts.authenticate_key(tx, header)
