"""The portal in one process, with a person in it, over a real database."""

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from tradewind.core.permissions import Role
from tradewind.db.database import Database
from tradewind.features.accounts.schemas import SignedIn
from tradewind.testing.portal_world import PortalWorld

SESSION_COOKIE = "tradewind_session"


@pytest.fixture
def world(database: Database) -> PortalWorld:
    return PortalWorld(database)


@pytest.fixture
def anonymous(world: PortalWorld) -> TestClient:
    """A browser without a session. It names its origin, as browsers do."""
    return TestClient(
        world.app,
        base_url=world.public_url,
        headers={"origin": world.public_url},
        follow_redirects=False,
        raise_server_exceptions=False,
    )


@pytest.fixture
def signed_in(world: PortalWorld) -> SignedIn:
    """An administrator who has set a password."""
    return world.sign_in()


@pytest.fixture
def browser(anonymous: TestClient, signed_in: SignedIn) -> TestClient:
    """The administrator's browser."""
    anonymous.cookies.set(SESSION_COOKIE, signed_in.session_token)
    return anonymous


@pytest.fixture
def browser_of(world: PortalWorld, anonymous: TestClient) -> Callable[[Role], TestClient]:
    """The browser of somebody in a role."""

    def sign_in(role: Role) -> TestClient:
        anonymous.cookies.set(SESSION_COOKIE, world.sign_in(role).session_token)
        return anonymous

    return sign_in
