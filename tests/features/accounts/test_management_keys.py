"""Management keys: for programs that run the platform, and for nothing else."""

from datetime import timedelta

import pytest

from tradewind.core.errors import Forbidden
from tradewind.core.permissions import Permission, Role
from tradewind.features.accounts.errors import KeyRefused
from tradewind.features.accounts.schemas import (
    KEY_PERMISSIONS,
    KeyPurpose,
    is_platform_administrator,
)

pytestmark = pytest.mark.postgres


@pytest.fixture
def key(database, accounts, admin):
    with database.transaction() as tx:
        return accounts.create_key(
            tx, admin.viewer, name="Automation", purpose=KeyPurpose.MANAGEMENT
        )


def authenticated(database, accounts, key):
    with database.transaction() as tx:
        return accounts.authenticate_key(tx, f"Bearer {key.text}")


def test_a_management_key_may_all_that_an_administrator_may(database, accounts, key):
    holder = authenticated(database, accounts, key)
    assert holder.permissions == frozenset(Permission)
    assert is_platform_administrator(holder)


@pytest.mark.parametrize(
    "purpose", [each for each in KeyPurpose if each is not KeyPurpose.MANAGEMENT]
)
def test_no_other_key_may_change_anything(purpose):
    may = KEY_PERMISSIONS[purpose] - {Permission.FEEDBACK_WRITE}
    assert all(permission.value.endswith(":read") for permission in may)


@pytest.mark.parametrize("role", [Role.DEVELOPER, Role.VIEWER])
def test_only_an_administrator_makes_one(database, accounts, admin, add_viewer, role):
    with database.transaction() as tx:
        weak = add_viewer(tx, role=role, beside=admin.viewer)
        with pytest.raises(Forbidden):
            accounts.create_key(tx, weak, name="x", purpose=KeyPurpose.MANAGEMENT)


def test_it_calls_no_models(database, accounts, key, first_run):
    with database.transaction() as tx:
        granted = {grant.key_id for grant in accounts.grants(tx)}
    assert key.row.key_id not in granted
    assert first_run.key_id in granted


def test_it_is_listed_beside_the_others_and_can_be_revoked(database, accounts, admin, key):
    with database.transaction() as tx:
        assert key.row.key_id in {row.key_id for row in accounts.list_keys(tx, admin.viewer)}
        accounts.revoke_key(tx, admin.viewer, key.row.key_id)
    with pytest.raises(KeyRefused, match="revoked"):
        authenticated(database, accounts, key)


def test_it_is_not_purged_as_a_short_lived_key(database, accounts, admin, clock):
    with database.transaction() as tx:
        key = accounts.create_key(
            tx,
            admin.viewer,
            name="For a day",
            purpose=KeyPurpose.MANAGEMENT,
            expires_at=clock.now() + timedelta(days=1),
        )
    clock.turn(days=60)
    with database.transaction() as tx:
        accounts.mint_start_up_key(tx)
        assert accounts.get_key(tx, admin.viewer, key.row.key_id).name == "For a day"
