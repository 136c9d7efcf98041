"""Abuse on a real database, with a clock that tests turn, and calls that checks flagged."""

import secrets

import pytest
from sqlalchemy import insert, select

from tests.features.publishing.conftest import ADA, GRACE, HandTurnedClock
from tradewind.core.acting import By
from tradewind.core.permissions import Role
from tradewind.db.outbox import outbox_message
from tradewind.features.accounts.service import Accounts
from tradewind.features.accounts.tables import api_key, project
from tradewind.features.budgets.tables import terms
from tradewind.features.metering.tables import safety_hour
from tradewind.serve.abuse import build_abuse

EVE = By("user_eve", "Eve")
REVIEWERS = (ADA, GRACE, EVE)


@pytest.fixture
def clock():
    return HandTurnedClock()


@pytest.fixture
def abuse(clock):
    return build_abuse(clock)


@pytest.fixture
def accounts(clock):
    return Accounts(secrets.token_bytes(32), clock)


@pytest.fixture
def customer(person, database, clock):
    """An administrator of an organization that runs no platform, and has a project."""
    found = person(is_operator=False)
    with database.transaction() as tx:
        tx.execute(
            insert(project).values(
                id=found.project_id,
                organization_id=found.organization_id,
                name="Default",
                created_at=clock.now(),
            )
        )
    return found


@pytest.fixture
def viewer(person, customer):
    return person(Role.VIEWER, of=customer, is_operator=False)


@pytest.fixture
def make_key(database, customer, clock):
    """Make a key of the customer and return its id."""

    def make(name="app", purpose="client"):
        key_id = secrets.token_hex(6)
        with database.transaction() as tx:
            tx.execute(
                insert(api_key).values(
                    id=key_id,
                    organization_id=customer.organization_id,
                    project_id=customer.project_id,
                    name=name,
                    digest=bytes(32),
                    created_at=clock.now(),
                    expires_at=clock.now().replace(year=2031) if purpose == "red_team" else None,
                    purpose=purpose,
                )
            )
        return key_id

    return make


@pytest.fixture
def found(database, customer, clock):
    """Write down that checks found something in so many calls of this hour."""

    def write(key_id, calls, category="jailbreak", *, direction="prompt", band="high", of=100):
        hour = clock.now().replace(minute=0, second=0, microsecond=0)
        row = {
            "organization_id": customer.organization_id,
            "hour": hour,
            "project_id": customer.project_id,
            "key_id": key_id,
        }
        flagged = {
            "category": category,
            "direction": direction,
            "band": band,
            "action": "block",
            "calls": calls,
        }
        whole = {
            "category": "",
            "direction": "",
            "band": "",
            "action": "examined",
            "calls": of,
        }
        with database.transaction() as tx:
            tx.execute(insert(safety_hour), [row | flagged, row | whole])

    return write


@pytest.fixture
def case(do, abuse, customer, make_key, found):
    """The case of a key that sent 50 jailbreaks."""
    found(make_key(), 50)
    do(abuse.scoring.score, customer.organization_id)
    [row] = do(abuse.cases.list_own, customer)
    return row


@pytest.fixture
def organization_case(do, abuse, operator, customer):
    """A case of the organization as a whole."""
    return do(
        abuse.cases.open_by_person, operator, ADA, customer.organization_id, reason="a complaint"
    )


@pytest.fixture
def told(database):
    """Return what organizations were told, by kind."""

    def read():
        with database.transaction() as tx:
            rows = tx.execute(select(outbox_message).order_by(outbox_message.c.number))
            return [(row.kind, row.organization_id, row.payload) for row in rows]

    return read


@pytest.fixture
def keeps_content(database, customer, clock):
    """Have the customer keep prompts and answers."""
    with database.transaction() as tx:
        tx.execute(
            insert(terms).values(
                subject_id=customer.organization_id,
                organization_id=customer.organization_id,
                regions=[],
                zones=[],
                no_retention=False,
                no_training=False,
                cache_ttl_s=0,
                response_days=0,
                content_days=7,
                revision=1,
                updated_at=clock.now(),
            )
        )
