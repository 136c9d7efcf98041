"""The description of the data plane is its route table: nothing is left out and nothing made up."""

import json

import pytest
from gateway_parts import World
from scripted_upstream import ScriptedUpstream

from tradewind.gateway.gemini import METHODS
from tradewind.gateway.routes import (
    FILE_ROUTES,
    OPERATIONS,
    PREFIXES,
    RESPONSE_ROUTES,
    ROUTES,
    Found,
    addresses,
    find,
)


@pytest.fixture
async def gateway(tmp_path):
    async with ScriptedUpstream() as upstream:
        world = World(tmp_path)
        world.publish(world.endpoint(world.target(upstream.address)))
        await world.start()
        yield world
        await world.stop()


@pytest.fixture
async def description(gateway):
    answer = await (await gateway.client()).call("GET", "/v1/openapi.json")
    assert answer.status == 200
    assert answer.header("content-type") == "application/json"
    return answer.json


def operations_of(description):
    return {
        (method.upper(), path): operation
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
    }


async def test_every_route_of_the_table_is_described(description):
    expected = {
        (route.method.decode(), path.decode()) for path, found in ROUTES.items() for route in found
    }
    for part, found in RESPONSE_ROUTES.items():
        for route in found:
            expected.add((route.method.decode(), "/v1/responses/{response_id}" + part.decode()))
    for part, found in FILE_ROUTES.items():
        for route in found:
            for prefix in ("/v1/", "/openai/", "/openai/v1/"):
                path = f"{prefix}files/{{file_id}}{part.decode()}"
                expected.add((route.method.decode(), path))
    for method in METHODS:
        expected.add(("POST", f"/v1beta/models/{{model}}:{method.decode()}"))
        expected.add(("POST", f"/v1/models/{{model}}:{method.decode()}"))
    for operation in OPERATIONS:
        expected.add(("POST", f"/openai/deployments/{{deployment}}/{operation.decode()}"))
        for azure in ("/openai/", "/openai/v1/"):
            expected.add(("POST", azure + operation.decode()))
    expected |= {("GET", path) for path in ("/v1/models/{model}", "/v1beta/models/{model}")}
    expected.add(("GET", "/v1beta/models"))
    assert expected <= set(operations_of(description))


def test_what_is_described_is_there():
    for method, path, surface in addresses():
        named = path.replace("{", "").replace("}", "").encode()
        found = find(named)
        assert isinstance(found, Found), path
        assert found.by_method(method.encode()).surface.name == surface, path


def test_no_prefix_is_forgotten():
    """A prefix that is added to the table has to be added to the description too."""
    paths = [address.path for address in addresses()]
    for prefix, _, _ in PREFIXES:
        assert any(path.startswith(prefix.decode()) for path in paths), prefix


async def test_every_request_with_a_body_says_what_it_takes(description):
    for (method, path), operation in operations_of(description).items():
        # Of images nothing is taken: the answer is 501 whatever it gets.
        has_body = method == "POST" and not path.endswith(("/cancel", "/image:analyze"))
        assert ("requestBody" in operation) == has_body, path
        names = {parameter["name"] for parameter in operation.get("parameters", ())}
        assert names == {part.partition("}")[0] for part in path.split("{")[1:]}, path


async def test_every_reference_leads_somewhere(description):
    schemas = description["components"]["schemas"]
    text = json.dumps(description)
    wanted = {part.partition('"')[0] for part in text.split('"#/components/schemas/')[1:]}
    assert wanted
    assert wanted <= set(schemas)
    used = {operation["operationId"] for operation in operations_of(description).values()}
    assert len(used) == len(operations_of(description))


async def test_the_description_needs_a_key_as_everything_does(gateway):
    answer = await (await gateway.client()).call("GET", "/v1/openapi.json", key=None)
    assert answer.status == 401
