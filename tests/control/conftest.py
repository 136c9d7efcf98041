"""The control API over a real database, with models and usage handed in."""

import secrets
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI
from sqlalchemy import insert
from starlette.testclient import TestClient

from tests.control.control_parts import KEYS, control_services
from tests.control.people_parts import Caller, add_administrator
from tradewind.control.app import create_app
from tradewind.control.services import ControlServices
from tradewind.core import api_keys
from tradewind.core.ids import OrganizationId, ProjectId
from tradewind.core.permissions import Role
from tradewind.db.database import Database
from tradewind.features.accounts.passwords import Passwords
from tradewind.features.accounts.schemas import FirstRun, KeyPurpose, Viewer
from tradewind.features.accounts.service import Accounts
from tradewind.features.accounts.tables import api_key, organization, project
from tradewind.features.artifacts.services import ArtifactServices
from tradewind.readmodels.models import ServedModel
from tradewind.readmodels.project_usage import ProjectUsage, UsageLine, UsageQuestion
from tradewind.serve.services import Services, build_services

NOW = datetime(2030, 1, 31, 12, 34, 56, tzinfo=UTC)


class StandingClock:
    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return 0.0


class AskedUsage:
    """Answers every question with one line, and keeps the questions."""

    def __init__(self) -> None:
        self.questions: list[UsageQuestion] = []

    def __call__(self, _tx, question: UsageQuestion) -> ProjectUsage:
        self.questions.append(question)
        line = UsageLine(
            group="2030-01-31T00:00:00Z",
            currency="USD",
            requests=3,
            failed=1,
            cancelled=1,
            orphaned=0,
            input_tokens=30,
            cached_input_tokens=10,
            output_tokens=7,
            cost_nanos=2**63 + 1,
        )
        return ProjectUsage([line], is_complete=True)


def a_model(name: str) -> ServedModel:
    publisher, _, slug = name.partition("/")
    return ServedModel(
        name=name,
        display_name=slug.title(),
        publisher=publisher,
        publisher_name=publisher.title(),
        description="A model.",
        licence="Apache-2.0",
        operation="chat",
        context_tokens=2048,
        max_output_tokens=1024,
        dimensions=None,
        parameters=135_000_000,
        released_on=None,
        version="1",
        currency="USD",
        input_nanos=37_500_000,
        output_nanos=150_000_000,
        cached_input_nanos=0,
        engine="fake",
        state="ready",
        state_detail="",
        replicas_ready=1,
        replicas=1,
    )


@pytest.fixture
def accounts() -> Accounts:
    hasher = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    return Accounts(secrets.token_bytes(32), StandingClock(), Passwords(hasher))


@pytest.fixture
def usage() -> AskedUsage:
    return AskedUsage()


@pytest.fixture
def built() -> Services:
    """The services that are not handed in."""
    return build_services(secrets.token_bytes(32), KEYS)


@pytest.fixture
def services(
    database: Database,
    accounts: Accounts,
    usage: AskedUsage,
    built: Services,
    tmp_path: Path,
) -> Iterator[ControlServices]:
    with control_services(
        database,
        accounts,
        built,
        tmp_path,
        clock=StandingClock(),
        list_models=lambda _tx, _whose: [a_model(name) for name in ("tw/a", "tw/b", "tw/c")],
        read_usage=usage,
    ) as services:
        yield services


@pytest.fixture
def artifacts(services: ControlServices) -> ArtifactServices:
    return services.artifacts


@pytest.fixture
def app(services: ControlServices) -> FastAPI:
    return create_app(services)


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def first_run(database: Database, accounts: Accounts) -> FirstRun:
    with database.transaction() as tx:
        made = accounts.first_run(tx)
    assert made is not None
    return made


@pytest.fixture
def with_key(first_run: FirstRun) -> dict[str, str]:
    """The headers of a program that has the first key."""
    return {"authorization": f"Bearer {first_run.api_key}"}


@pytest.fixture
def with_weak_key(database: Database, accounts: Accounts, first_run: FirstRun) -> dict[str, str]:
    """The headers of a program that has a key for calling models only."""
    with database.transaction() as tx:
        return {"authorization": f"Bearer {accounts.mint_start_up_key(tx).text}"}


@pytest.fixture
def administrator(first_run: FirstRun) -> Viewer:
    """The person of the first run."""
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
def with_management_key(
    database: Database, accounts: Accounts, administrator: Viewer
) -> dict[str, str]:
    """The headers of a program that runs the platform."""
    with database.transaction() as tx:
        key = accounts.create_key(
            tx, administrator, name="Automation", purpose=KeyPurpose.MANAGEMENT
        )
    return {"authorization": f"Bearer {key.text}"}


@pytest.fixture
def calling(client: TestClient, database: Database, accounts: Accounts) -> Callable[..., Caller]:
    """Return a function that makes a key of a person and returns what calls the API with it."""

    def make(viewer: Viewer, purpose: KeyPurpose = KeyPurpose.MANAGEMENT) -> Caller:
        with database.transaction() as tx:
            key = accounts.create_key(tx, viewer, name="Desk", purpose=purpose)
        return Caller(client, viewer, key.text)

    return make


@pytest.fixture
def add_person(
    database: Database, calling: Callable[..., Caller], administrator: Viewer
) -> Callable[..., Caller]:
    """Return a function that adds an administrator of the platform, or of an organization of their
    own.
    """

    def add(name: str, *, is_of_platform: bool = True) -> Caller:
        with database.transaction() as tx:
            viewer = add_administrator(tx, name, administrator if is_of_platform else None)
        return calling(viewer)

    return add


@pytest.fixture
def ada(add_person: Callable[..., Caller]) -> Caller:
    """An administrator of the platform."""
    return add_person("Ada")


@pytest.fixture
def grace(add_person: Callable[..., Caller]) -> Caller:
    """Another one."""
    return add_person("Grace")


@pytest.fixture
def customer(add_person: Callable[..., Caller]) -> Caller:
    """Cora, who administers another organization."""
    return add_person("Cora", is_of_platform=False)


@pytest.fixture
def stranger(add_person: Callable[..., Caller]) -> Caller:
    """Sam, who administers a third one."""
    return add_person("Sam", is_of_platform=False)


@pytest.fixture
def foreign_key_id(database: Database, first_run: FirstRun) -> str:
    """The id of a key that exists in another organization, beside that of the first run."""
    organization_id, project_id = OrganizationId.new(), ProjectId.new()
    minted = api_keys.mint(bytes(32))
    with database.transaction() as tx:
        tx.execute(insert(organization).values(id=organization_id, name="Else", created_at=NOW))
        tx.execute(
            insert(project).values(
                id=project_id, organization_id=organization_id, name="Other", created_at=NOW
            )
        )
        tx.execute(
            insert(api_key).values(
                id=minted.key_id,
                organization_id=organization_id,
                project_id=project_id,
                name="Theirs",
                digest=minted.digest,
                created_at=NOW,
                purpose="client",
            )
        )
    return minted.key_id


@pytest.fixture
def problem() -> Callable[..., dict]:
    """Return a function that checks that an answer is a problem and returns it."""

    def checked(answer, status: int, code: str) -> dict:
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        body = answer.json()
        assert body["status"] == status
        assert body["code"] == code
        assert body["type"] == f"urn:tradewind:problem:{code}"
        assert body["request_id"] == answer.headers["x-request-id"]
        return body

    return checked
