"""Walks every route of the control API: who gets in, and who does not."""

from datetime import timedelta

import pytest
from fastapi.routing import APIRoute

from tradewind.control.access import PUBLIC
from tradewind.control.api import api_routes
from tradewind.core import api_keys
from tradewind.core.ids import (
    ArtifactId,
    BudgetId,
    CatalogChangeId,
    ConnectionId,
    DeliveryId,
    DeploymentId,
    EndpointId,
    ListingId,
    ProjectId,
    PublisherApplicationId,
    UploadId,
    WebhookId,
    request_id,
    uuid7_bytes,
)
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import KEY_PERMISSIONS, KeyPurpose

pytestmark = pytest.mark.postgres

PUBLIC_ROUTES = {("GET", "/health")}
ROUTES = {
    ("GET", "/health"),
    ("GET", "/whoami"),
    ("GET", "/models"),
    ("GET", "/keys"),
    ("GET", "/keys/{key_id}"),
    ("GET", "/usage"),
    ("GET", "/catalog/search"),
    ("GET", "/catalog/stats"),
    ("GET", "/catalog/models"),
    ("GET", "/catalog/models/{publisher}/{slug}"),
    ("GET", "/catalog/publishers"),
    ("GET", "/catalog/licences"),
    ("PUT", "/catalog/models/{publisher}/{slug}/licence"),
    ("GET", "/catalog/models/{publisher}/{slug}/lifecycle"),
    ("PUT", "/catalog/models/{publisher}/{slug}/lifecycle"),
    ("GET", "/catalog/models.ics"),
    ("GET", "/catalog/syncs"),
    ("POST", "/catalog/syncs"),
    ("GET", "/catalog/changes"),
    ("POST", "/catalog/changes/{change_id}/apply"),
    ("POST", "/catalog/changes/{change_id}/dismiss"),
    ("GET", "/requests"),
    ("GET", "/requests/{request_id}"),
    ("GET", "/requests/{request_id}/content"),
    ("GET", "/hosts"),
    ("GET", "/hosts/{host_id}/models"),
    ("GET", "/connections"),
    ("POST", "/connections"),
    ("GET", "/connections/{connection_id}"),
    ("PATCH", "/connections/{connection_id}"),
    ("DELETE", "/connections/{connection_id}"),
    ("PUT", "/connections/{connection_id}/credential"),
    ("POST", "/connections/{connection_id}/models"),
    ("GET", "/deployments"),
    ("POST", "/deployments"),
    ("GET", "/deployment-fit/{publisher}/{slug}"),
    ("GET", "/deployments/{deployment_id}"),
    ("PATCH", "/deployments/{deployment_id}"),
    ("DELETE", "/deployments/{deployment_id}"),
    ("POST", "/deployments/{deployment_id}/stop"),
    ("POST", "/deployments/{deployment_id}/start"),
    ("POST", "/deployments/{deployment_id}/rollback"),
    ("GET", "/deployments/{deployment_id}/revisions"),
    ("GET", "/deployments/{deployment_id}/logs"),
    ("GET", "/deployments/{deployment_id}/logs/download"),
    ("GET", "/endpoints"),
    ("POST", "/endpoints"),
    ("GET", "/endpoints/{endpoint_id}"),
    ("PATCH", "/endpoints/{endpoint_id}"),
    ("DELETE", "/endpoints/{endpoint_id}"),
    ("PUT", "/endpoints/{endpoint_id}/targets"),
    ("GET", "/limits"),
    ("GET", "/limits/{subject_id}"),
    ("PUT", "/limits/{subject_id}"),
    ("GET", "/keys/{key_id}/limits"),
    ("GET", "/budgets"),
    ("POST", "/budgets"),
    ("GET", "/budgets/{budget_id}"),
    ("PATCH", "/budgets/{budget_id}"),
    ("DELETE", "/budgets/{budget_id}"),
    ("GET", "/webhooks"),
    ("POST", "/webhooks"),
    ("GET", "/webhooks/{webhook_id}"),
    ("PATCH", "/webhooks/{webhook_id}"),
    ("DELETE", "/webhooks/{webhook_id}"),
    ("POST", "/webhooks/{webhook_id}/secret"),
    ("POST", "/webhooks/{webhook_id}/test"),
    ("GET", "/webhooks/{webhook_id}/deliveries"),
    ("POST", "/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver"),
    ("GET", "/uploads"),
    ("POST", "/uploads"),
    ("GET", "/uploads/{upload_id}"),
    ("DELETE", "/uploads/{upload_id}"),
    ("PUT", "/uploads/{upload_id}/parts/{number}"),
    ("POST", "/uploads/{upload_id}/complete"),
    ("GET", "/artifacts"),
    ("POST", "/artifacts"),
    ("GET", "/artifacts/{artifact_id}"),
    ("DELETE", "/artifacts/{artifact_id}"),
    ("POST", "/artifacts/{artifact_id}/signatures"),
    ("GET", "/artifacts/{artifact_id}/files/{sha256}"),
    ("GET", "/publishing/applications"),
    ("POST", "/publishing/applications"),
    ("POST", "/publishing/applications/{application_id}/proof"),
    ("POST", "/publishing/applications/{application_id}/decision"),
    ("GET", "/publishing/listings"),
    ("POST", "/publishing/listings"),
    ("GET", "/publishing/listings/{listing_id}"),
    ("PATCH", "/publishing/listings/{listing_id}"),
    ("DELETE", "/publishing/listings/{listing_id}"),
    ("POST", "/publishing/listings/{listing_id}/submit"),
    ("POST", "/publishing/listings/{listing_id}/withdraw"),
    ("POST", "/publishing/listings/{listing_id}/delist"),
    ("POST", "/publishing/listings/{listing_id}/validation"),
    ("DELETE", "/publishing/listings/{listing_id}/validation"),
    ("POST", "/publishing/listings/{listing_id}/approve"),
    ("POST", "/publishing/listings/{listing_id}/send-back"),
    ("GET", "/publishing/reviews"),
    ("GET", "/publishing/reviews/applications"),
}
# A body that each route that takes one can read, so that refusals are about who asks.
BODIES = {
    ("POST", "/connections"): {"credential": None, "base_url": "https://api.example/v1"},
    ("PATCH", "/connections/{connection_id}"): {},
    ("PUT", "/connections/{connection_id}/credential"): {"credential": None},
    ("POST", "/connections/{connection_id}/models"): {"models": [{"upstream_model": "m"}]},
    ("POST", "/deployments"): {"model": "tw/a"},
    ("PATCH", "/deployments/{deployment_id}"): {},
    ("POST", "/deployments/{deployment_id}/rollback"): {},
    ("POST", "/endpoints"): {"model": "tw/a"},
    ("PATCH", "/endpoints/{endpoint_id}"): {},
    ("PUT", "/endpoints/{endpoint_id}/targets"): {"targets": []},
    ("PUT", "/limits/{subject_id}"): {},
    ("POST", "/budgets"): {"name": "b", "currency": "USD", "amount": "1", "period": "day"},
    ("PATCH", "/budgets/{budget_id}"): {},
    ("POST", "/webhooks"): {"url": "https://hooks.example/", "events": ["budget.alert"]},
    ("PATCH", "/webhooks/{webhook_id}"): {},
    ("PUT", "/catalog/models/{publisher}/{slug}/licence"): {"licence": "MIT"},
    ("PUT", "/catalog/models/{publisher}/{slug}/lifecycle"): {"state": "legacy"},
    ("POST", "/catalog/syncs"): {"source": "models_dev"},
    ("POST", "/uploads"): {"name": "model.gguf", "size": 1},
    ("POST", "/artifacts"): {"files": [{"path": "model.gguf", "upload": "upl_none"}]},
    ("POST", "/artifacts/{artifact_id}/signatures"): {"public_key": "", "signature": ""},
    ("POST", "/publishing/applications"): {
        "publisher": "a",
        "name": "A",
        "website": "https://a.example",
        "contact": "a@a.example",
    },
    ("POST", "/publishing/applications/{application_id}/decision"): {"is_accepted": True},
    ("POST", "/publishing/listings"): {"publisher": "a", "model": "b"},
    ("PATCH", "/publishing/listings/{listing_id}"): {},
    ("POST", "/publishing/listings/{listing_id}/delist"): {"reason": "r"},
    ("POST", "/publishing/listings/{listing_id}/send-back"): {"reason": "r"},
}
CLIENT = KEY_PERMISSIONS[KeyPurpose.CLIENT]
EVERY_KEY = Permission.MODELS_READ


@pytest.fixture
def routes(services):
    return api_routes(services)


@pytest.fixture
def ask(client, routes, foreign_key_id):
    """Call a route of the table, with ids that are well-formed and not the caller's."""
    ids = {
        "{key_id}": foreign_key_id,
        "{host_id}": "openai",
        "{request_id}": request_id(uuid7_bytes()),
        "{connection_id}": ConnectionId.new(),
        "{deployment_id}": DeploymentId.new(),
        "{endpoint_id}": EndpointId.new(),
        "{subject_id}": ProjectId.new(),
        "{budget_id}": BudgetId.new(),
        "{webhook_id}": WebhookId.new(),
        "{delivery_id}": DeliveryId.new(),
        "{upload_id}": UploadId.new(),
        "{publisher}": "nobody",
        "{slug}": "nothing",
        "{change_id}": CatalogChangeId.new(),
        "{number}": "1",
        "{artifact_id}": ArtifactId.new(),
        "{sha256}": "0" * 64,
        "{application_id}": PublisherApplicationId.new(),
        "{listing_id}": ListingId.new(),
    }

    def ask(route, **how):
        method, address = route
        for name, value in ids.items():
            address = address.replace(name, value)
        return client.request(method, f"/api{address}", json=BODIES.get(route), **how)

    return ask


@pytest.fixture
def guarded(routes):
    """Every guarded route with its permission."""
    return {route: who for route, who in routes.permissions.items() if who is not PUBLIC}


def test_every_route_says_who_may_call_it_and_few_are_public(routes):
    added = {
        (method, route.path)
        for route in routes.router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    assert len(added) == len(routes.router.routes)
    assert added == set(routes.permissions) == ROUTES
    assert {route for route, who in routes.permissions.items() if who is PUBLIC} == PUBLIC_ROUTES


def test_only_reading_takes_a_permission_to_read(guarded):
    for (method, path), permission in guarded.items():
        assert (method == "GET") == permission.value.endswith(":read"), (method, path)


def test_a_client_key_changes_nothing(guarded):
    for (method, path), permission in guarded.items():
        assert method == "GET" or permission not in CLIENT, (method, path)


def test_the_published_description_is_the_route_table(client, routes):
    description = client.get("/api/openapi.json").json()
    described = {
        (method.upper(), path): operation
        for path, operations in description["paths"].items()
        for method, operation in operations.items()
    }
    assert set(described) == set(routes.permissions)
    for route, operation in described.items():
        assert ("security" in operation) == (route not in PUBLIC_ROUTES)
    assert "api_key" in description["components"]["securitySchemes"]


def test_public_routes_answer_anyone(ask):
    for route in PUBLIC_ROUTES:
        assert ask(route).status_code == 200


def test_nobody_gets_in_without_a_key(ask, guarded, problem):
    for route in guarded:
        answer = ask(route)
        problem(answer, 401, "key_refused")
        assert answer.headers["www-authenticate"] == 'Bearer realm="tradewind"'


def test_a_key_that_nobody_has_gets_401(ask, guarded, problem):
    stranger = {"authorization": f"Bearer {api_keys.mint(bytes(32)).text}"}
    for route in guarded:
        problem(ask(route, headers=stranger), 401, "key_refused")


def test_a_cookie_is_never_a_credential(ask, database, accounts, guarded, problem):
    with database.transaction() as tx:
        code = accounts.create_sign_in_link(tx, lifetime=timedelta(minutes=1))
        token = accounts.sign_in_with_link(tx, code).session_token
    cookies = f"tradewind_session={token}; __Host-tradewind={token}"
    for route in guarded:
        problem(ask(route, headers={"cookie": cookies}), 401, "key_refused")


def test_a_key_that_only_calls_models_gets_403_elsewhere(ask, guarded, with_weak_key, problem):
    for route, permission in guarded.items():
        answer = ask(route, headers=with_weak_key)
        if permission is EVERY_KEY:
            assert answer.status_code == 200
        else:
            assert permission.value in problem(answer, 403, "forbidden")["detail"]


def test_a_client_key_gets_403_where_the_platform_is_run(ask, guarded, with_key, problem):
    refused = {route: who for route, who in guarded.items() if who not in CLIENT}
    assert len(refused) == 81
    for route in refused:
        body = problem(ask(route, headers=with_key), 403, "forbidden")
        assert "management key" in body["hint"]


def test_what_is_not_there_or_of_another_organization_is_not_found(
    ask, guarded, with_management_key, problem
):
    with_object = [route for route in guarded if "{" in route[1] and "{host_id}" not in route[1]]
    assert len(with_object) == 61
    for route in with_object:
        problem(ask(route, headers=with_management_key), 404, "not_found")


def test_a_management_key_gets_into_every_list(ask, guarded, with_management_key):
    for route in guarded:
        if route[0] == "GET" and ("{" not in route[1] or "{host_id}" in route[1]):
            assert ask(route, headers=with_management_key).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_what_is_not_in_the_table_is_405(client, routes, with_management_key, problem, method):
    for path in {path for _, path in routes.permissions}:
        if (method, path) not in routes.permissions:
            address = f"/api{path}".replace("{", "").replace("}", "")
            answer = client.request(method, address, headers=with_management_key)
            problem(answer, 405, "method_not_allowed")
