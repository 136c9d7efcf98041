"""What tests of features share: all services over a real database, and people who act."""

import secrets
from dataclasses import dataclass

import pytest
from sqlalchemy import insert

from tradewind.core.clock import SystemClock
from tradewind.core.ids import OrganizationId, ProjectId
from tradewind.core.permissions import PERMISSIONS, PLATFORM_ONLY, Permission, Role
from tradewind.db.sealing import HeldKeys
from tradewind.features.accounts.tables import organization
from tradewind.serve.services import build_services


@dataclass(frozen=True)
class Person:
    """Somebody with a role. `is_operator` is off for who has every permission but the platform's,
    as the administrators of other organizations have.
    """

    organization_id: OrganizationId
    project_id: ProjectId
    role: Role = Role.ADMIN
    is_operator: bool = True

    def may(self, permission: Permission) -> bool:
        if permission in PLATFORM_ONLY and not self.is_operator:
            return False
        return permission in PERMISSIONS[self.role]


@pytest.fixture
def keys():
    return HeldKeys([secrets.token_bytes(32)])


@pytest.fixture
def services(keys):
    return build_services(secrets.token_bytes(32), keys)


@pytest.fixture
def person(database):
    """Return a function that makes somebody in an organization of their own, or in one given."""

    def make(role=Role.ADMIN, *, of=None, is_operator=True):
        organization_id = of.organization_id if of else OrganizationId.new()
        if of is None:
            with database.transaction() as tx:
                tx.execute(
                    insert(organization).values(
                        id=organization_id, name="Some", created_at=SystemClock().now()
                    )
                )
        return Person(organization_id, ProjectId.new(), role, is_operator)

    return make


@pytest.fixture
def operator(person):
    """An administrator of the platform."""
    return person()


@pytest.fixture
def do(database):
    """Call a service in a transaction of its own."""

    def call(act, *arguments, **more):
        with database.transaction() as tx:
            return act(tx, *arguments, **more)

    return call
