"""Every change of a key is in the feed, in the transaction that makes it."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from tradewind.db.change_feed import snapshot_change
from tradewind.features.accounts.schemas import KeyPurpose
from tradewind.features.accounts.service import PLAYGROUND_KEYS_MAX

pytestmark = pytest.mark.postgres


@pytest.fixture
def viewer(admin):
    return admin.viewer


def told(tx):
    return [
        (row.kind, row.subject)
        for row in tx.execute(select(snapshot_change).order_by(snapshot_change.c.id))
    ]


def taken(tx):
    found = told(tx)
    tx.execute(snapshot_change.delete())
    return found


def test_a_new_and_a_revoked_key_are_told(database, accounts, viewer):
    with database.transaction() as tx:
        taken(tx)
        created = accounts.create_key(tx, viewer, name="laptop")
        assert taken(tx) == [("grant", created.row.key_id)]
        accounts.revoke_key(tx, viewer, created.row.key_id)
        assert taken(tx) == [("grant", created.row.key_id)]
        accounts.revoke_key(tx, viewer, created.row.key_id)
        assert taken(tx) == []


def test_keys_that_are_revoked_for_newer_ones_are_told(database, accounts, viewer, clock):
    with database.transaction() as tx:
        first = accounts.mint_playground_key(tx, viewer)
        clock.turn(seconds=1)
        for _ in range(PLAYGROUND_KEYS_MAX - 1):
            accounts.mint_playground_key(tx, viewer)
        start_up = accounts.mint_start_up_key(tx)
        taken(tx)
        newest = accounts.mint_playground_key(tx, viewer)
        assert taken(tx) == [("grant", first.row.key_id), ("grant", newest.row.key_id)]
        later = accounts.mint_start_up_key(tx)
        assert taken(tx) == [("grant", start_up.row.key_id), ("grant", later.row.key_id)]


def test_grants_of_some_keys_are_those_of_all(database, accounts, viewer, clock):
    with database.transaction() as tx:
        live = accounts.create_key(tx, viewer, name="live").row.key_id
        revoked = accounts.create_key(tx, viewer, name="revoked").row.key_id
        accounts.revoke_key(tx, viewer, revoked)
        over = accounts.create_key(
            tx, viewer, name="over", expires_at=clock.now() + timedelta(minutes=1)
        ).row.key_id
        no_caller = accounts.create_key(
            tx, viewer, name="program", purpose=KeyPurpose.MANAGEMENT
        ).row.key_id
        clock.turn(minutes=2)
        every = {grant.key_id: grant for grant in accounts.grants(tx)}
        assert live in every
        asked = accounts.grants(tx, [live, revoked, over, no_caller, "nobody"])
        assert list(asked) == [every[live]]
        assert list(accounts.grants(tx, [])) == []
