"""Accounts on a real database, with a clock that tests turn and passwords that hash fast."""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from argon2 import PasswordHasher
from sqlalchemy import Connection, insert

from tradewind.core.ids import OrganizationId, ProjectId, UserId
from tradewind.core.permissions import Role
from tradewind.db.database import Database
from tradewind.features.accounts.passwords import Passwords
from tradewind.features.accounts.schemas import FirstRun, SignedIn, Viewer
from tradewind.features.accounts.service import Accounts
from tradewind.features.accounts.tables import membership, organization, project, user_account

FAST_HASHER = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
EMAIL = "ada@example.org"
PASSWORD = "correct horse battery"
PEER = "203.0.113.7"


class HandTurnedClock:
    """Stands still until it is turned."""

    def __init__(self) -> None:
        self._now = datetime(2030, 1, 31, 12, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._now.timestamp()

    def turn(self, **by: float) -> None:
        self._now += timedelta(**by)


@pytest.fixture
def clock() -> HandTurnedClock:
    return HandTurnedClock()


@pytest.fixture(scope="session")
def pepper() -> bytes:
    return secrets.token_bytes(32)


@pytest.fixture
def accounts(pepper: bytes, clock: HandTurnedClock) -> Accounts:
    return Accounts(pepper, clock, Passwords(FAST_HASHER))


@pytest.fixture
def first_run(database: Database, accounts: Accounts) -> FirstRun:
    with database.transaction() as tx:
        made = accounts.first_run(tx)
    assert made is not None
    return made


@pytest.fixture
def link_session(database: Database, accounts: Accounts, first_run: FirstRun) -> SignedIn:
    """The administrator just after opening the link of the first start: no password yet."""
    with database.transaction() as tx:
        code = accounts.create_sign_in_link(tx, lifetime=timedelta(minutes=30))
        return accounts.sign_in_with_link(tx, code)


@pytest.fixture
def admin(database: Database, accounts: Accounts, link_session: SignedIn) -> SignedIn:
    """The administrator with name, address and password."""
    with database.transaction() as tx:
        return accounts.set_up_administrator(
            tx, link_session.viewer, name="Ada", email=EMAIL, password=PASSWORD
        )


@pytest.fixture
def add_viewer(clock: HandTurnedClock) -> Callable[..., Viewer]:
    """Return a function that adds a person, in an organization of their own unless told one."""

    def add(tx: Connection, *, role: Role = Role.ADMIN, beside: Viewer | None = None) -> Viewer:
        now = clock.now()
        user_id = UserId.new()
        organization_id = beside.organization_id if beside else OrganizationId.new()
        project_id = beside.project_id if beside else ProjectId.new()
        if beside is None:
            tx.execute(
                insert(organization).values(id=organization_id, name="Elsewhere", created_at=now)
            )
            tx.execute(
                insert(project).values(
                    id=project_id, organization_id=organization_id, name="Other", created_at=now
                )
            )
        email = f"{user_id}@example.org"
        tx.execute(
            insert(user_account).values(id=user_id, email=email, name="Somebody", created_at=now)
        )
        tx.execute(
            insert(membership).values(
                user_id=user_id, organization_id=organization_id, role=role.value
            )
        )
        return Viewer(
            user_id=user_id,
            email=email,
            name="Somebody",
            organization_id=organization_id,
            organization_name="Elsewhere",
            project_id=project_id,
            project_name="Other",
            role=role,
            is_of_platform=False,
            has_password=False,
            csrf_token="",
        )

    return add


@pytest.fixture
def sign_in(database: Database, accounts: Accounts) -> Callable[..., SignedIn]:
    """Return a function that signs Ada in with her password, or with what it is told."""

    def sign_in_as(*, email: str = EMAIL, password: str = PASSWORD, peer: str = PEER) -> SignedIn:
        with database.transaction() as tx:
            return accounts.sign_in_with_password(tx, email, password, peer=peer)

    return sign_in_as
