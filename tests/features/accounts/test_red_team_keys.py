"""Keys of exercises that attack models: who makes them, how long they live, what they say."""

from datetime import timedelta

import pytest

from tradewind.core.errors import Forbidden, InvalidInput
from tradewind.core.permissions import Role
from tradewind.features.accounts.schemas import KeyPurpose

pytestmark = pytest.mark.postgres


def made(accounts, tx, viewer, expires_at, **how):
    return accounts.create_key(
        tx, viewer, name="Attack", purpose=KeyPurpose.RED_TEAM, expires_at=expires_at, **how
    )


def test_gateways_know_a_red_team_key_by_its_grant(database, accounts, admin, clock):
    with database.transaction() as tx:
        key = made(accounts, tx, admin.viewer, clock.now() + timedelta(days=30))
        other = accounts.create_key(tx, admin.viewer, name="Program")
        granted = {grant.key_id: grant.is_red_team for grant in accounts.grants(tx)}
        listed = {row.key_id: row.purpose for row in accounts.list_keys(tx, admin.viewer)}
    assert granted[key.row.key_id]
    assert not granted[other.row.key_id]
    assert listed[key.row.key_id] is KeyPurpose.RED_TEAM


@pytest.mark.parametrize("lifetime", [None, timedelta(days=31), timedelta(0)])
def test_it_expires_within_thirty_days(database, accounts, admin, clock, lifetime):
    expires_at = None if lifetime is None else clock.now() + lifetime
    with database.transaction() as tx, pytest.raises(InvalidInput, match="30 days"):
        made(accounts, tx, admin.viewer, expires_at)


@pytest.mark.parametrize("role", [Role.DEVELOPER, Role.VIEWER])
def test_only_an_administrator_makes_one(*, database, accounts, admin, add_viewer, clock, role):
    with database.transaction() as tx:
        weak = add_viewer(tx, role=role, beside=admin.viewer)
        with pytest.raises(Forbidden):
            made(accounts, tx, weak, clock.now() + timedelta(days=1))


def test_the_platform_makes_one_for_its_own_exercise_and_ends_it(database, accounts, admin, clock):
    viewer = admin.viewer
    with database.transaction() as tx:
        key = accounts.mint_red_team_key(
            tx,
            viewer.organization_id,
            viewer.project_id,
            name="Campaign",
            created_by=viewer.user_id,
            expires_at=clock.now() + timedelta(hours=6),
            models=["a/b"],
        )
        assert key.row.models == frozenset({"a/b"})
        for _ in range(2):
            accounts.end_red_team_key(tx, viewer.organization_id, key.row.key_id)
        assert key.row.key_id not in {grant.key_id for grant in accounts.grants(tx)}
