"""Walks every route of the control API: who gets in, and who does not."""

from datetime import timedelta

import pytest
from fastapi.routing import APIRoute

from tradewind.control.access import PUBLIC
from tradewind.control.api import api_routes
from tradewind.core import api_keys
from tradewind.core.permissions import Permission

pytestmark = pytest.mark.postgres

PUBLIC_PATHS = {"/health"}
PATHS = {"/health", "/whoami", "/models", "/keys", "/keys/{key_id}", "/usage"}
OF_EVERY_KEY = Permission.MODELS_READ


@pytest.fixture
def routes(services):
    return api_routes(services)


@pytest.fixture
def addresses(routes, foreign_key_id):
    """Every guarded route as an address, with its permission."""
    return [
        (f"/api{path.replace('{key_id}', foreign_key_id)}", permission)
        for path, permission in routes.permissions.items()
        if permission is not PUBLIC
    ]


def test_every_route_says_who_may_call_it_and_few_are_public(routes):
    added = {route.path for route in routes.router.routes if isinstance(route, APIRoute)}
    assert len(added) == len(routes.router.routes)
    assert added == set(routes.permissions) == PATHS
    public = {path for path, who in routes.permissions.items() if who is PUBLIC}
    assert public == PUBLIC_PATHS


def test_the_published_description_is_the_route_table(client, routes):
    description = client.get("/api/openapi.json").json()
    assert set(description["paths"]) == set(routes.permissions)
    for path, operations in description["paths"].items():
        assert set(operations) == {"get"}
        is_guarded = "security" in operations["get"]
        assert is_guarded == (path not in PUBLIC_PATHS)
    assert "api_key" in description["components"]["securitySchemes"]


def test_public_routes_answer_anyone(client):
    for path in PUBLIC_PATHS:
        assert client.get(f"/api{path}").status_code == 200


def test_nobody_gets_in_without_a_key(client, addresses, problem):
    for address, _ in addresses:
        answer = client.get(address)
        problem(answer, 401, "key_refused")
        assert answer.headers["www-authenticate"] == 'Bearer realm="tradewind"'


def test_a_key_that_nobody_has_gets_401(client, addresses, problem):
    stranger = {"authorization": f"Bearer {api_keys.mint(bytes(32)).text}"}
    for address, _ in addresses:
        problem(client.get(address, headers=stranger), 401, "key_refused")


def test_a_cookie_is_never_a_credential(client, database, accounts, addresses, problem):
    with database.transaction() as tx:
        code = accounts.create_sign_in_link(tx, lifetime=timedelta(minutes=1))
        token = accounts.sign_in_with_link(tx, code).session_token
    cookies = f"tradewind_session={token}; __Host-tradewind={token}"
    for address, _ in addresses:
        problem(client.get(address, headers={"cookie": cookies}), 401, "key_refused")


def test_a_key_that_only_calls_models_gets_403_elsewhere(client, addresses, with_weak_key, problem):
    refused = 0
    for address, permission in addresses:
        answer = client.get(address, headers=with_weak_key)
        if permission is OF_EVERY_KEY:
            assert answer.status_code == 200
        else:
            assert permission.value in problem(answer, 403, "forbidden")["detail"]
            refused += 1
    assert refused == 3


def test_what_belongs_to_another_organization_is_not_found(
    client, addresses, foreign_key_id, with_key, problem
):
    with_object = [address for address, _ in addresses if foreign_key_id in address]
    assert with_object
    for address in with_object:
        problem(client.get(address, headers=with_key), 404, "not_found")


def test_a_key_gets_into_everything_else(client, addresses, foreign_key_id, with_key):
    for address, _ in addresses:
        if foreign_key_id not in address:
            assert client.get(address, headers=with_key).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_nothing_can_be_changed(client, addresses, with_key, problem, method):
    for address, _ in addresses:
        answer = client.request(method, address, headers=with_key)
        problem(answer, 405, "method_not_allowed")
