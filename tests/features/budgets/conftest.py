"""Budgets on a real database, with a clock that tests turn and books that tests write."""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from argon2 import PasswordHasher

from tradewind.core.permissions import Role
from tradewind.db.database import Database
from tradewind.features.accounts.passwords import Passwords
from tradewind.features.accounts.schemas import FirstRun, Viewer
from tradewind.features.accounts.service import Accounts
from tradewind.features.budgets.leasing import Leasing
from tradewind.features.budgets.schemas import SpendQuestion
from tradewind.features.budgets.service import Budgets


class HandTurnedClock:
    def __init__(self) -> None:
        self._now = datetime(2030, 1, 31, 12, 34, tzinfo=UTC)

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._now.timestamp()

    def turn(self, **by: float) -> None:
        self._now += timedelta(**by)


class Books:
    """What metering has, for any question; keeps the questions."""

    def __init__(self) -> None:
        self.spent = 0
        self.questions: list[SpendQuestion] = []
        self.asked_at_once: list[int] = []

    def __call__(self, _tx: object, question: SpendQuestion) -> int:
        self.questions.append(question)
        return self.spent

    def many(self, _tx: object, questions: Sequence[SpendQuestion]) -> list[int]:
        self.asked_at_once.append(len(questions))
        return [self(_tx, question) for question in questions]


@pytest.fixture
def clock() -> HandTurnedClock:
    return HandTurnedClock()


@pytest.fixture
def books() -> Books:
    return Books()


@pytest.fixture
def accounts(clock: HandTurnedClock) -> Accounts:
    hasher = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    return Accounts(secrets.token_bytes(32), clock, Passwords(hasher))


@pytest.fixture
def first_run(database: Database, accounts: Accounts) -> FirstRun:
    with database.transaction() as tx:
        made = accounts.first_run(tx)
    assert made is not None
    return made


@pytest.fixture
def admin(first_run: FirstRun) -> Viewer:
    return Viewer(
        user_id=first_run.user_id,
        email="admin@localhost",
        name="Administrator",
        organization_id=first_run.organization_id,
        organization_name="",
        project_id=first_run.project_id,
        project_name="",
        role=Role.ADMIN,
        is_of_platform=True,
        has_password=False,
        csrf_token="",
    )


@pytest.fixture
def budgets(accounts: Accounts, clock: HandTurnedClock, books: Books) -> Budgets:
    return Budgets(accounts, clock, books.many)


@pytest.fixture
def leasing(clock: HandTurnedClock, books: Books) -> Leasing:
    return Leasing(clock, books)
