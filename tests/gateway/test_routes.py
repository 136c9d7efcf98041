"""The route table of the public port."""

import pytest
from gateway_parts import MODEL, ask_for

from tradewind.gateway.routes import FILE_ROUTES, ROUTES

ALL = [
    (path.decode(), route.method.decode()) for path, routes in ROUTES.items() for route in routes
]
ALL += [
    ("/v1/models/" + MODEL, "GET"),
    *(
        (f"/v1/files/file-1{part.decode()}", route.method.decode())
        for part, routes in FILE_ROUTES.items()
        for route in routes
    ),
]
every_route = pytest.mark.parametrize(("path", "method"), ALL)


def code_of(answer):
    """Return the error's code; the Messages dialect has a type alone, Content Safety its own."""
    inner = answer.error.get("innererror", answer.error)
    return inner.get("code", inner.get("type"))


def test_the_table_holds_what_the_api_promises():
    assert set(ALL) >= {
        ("/v1/chat/completions", "POST"),
        ("/v1/embeddings", "POST"),
        ("/v1/messages", "POST"),
        ("/v1/messages/count_tokens", "POST"),
        ("/v1/models", "GET"),
        ("/v1/models/" + MODEL, "GET"),
    }


@every_route
async def test_every_route_needs_a_key(world, path, method):
    for key in (None, "wrong", world.key.text[:-1]):
        client = await world.client()
        answer = await client.call(method, path, ask_for() if method == "POST" else b"", key=key)
        assert answer.status == 401
        assert code_of(answer) in ("invalid_api_key", "authentication_error")
    assert world.books() == []


@every_route
async def test_every_route_needs_a_key_before_it_tells_of_methods(world, path, method):
    client = await world.client()
    assert (await client.call("DELETE", path, key=None)).status == 401


@every_route
async def test_every_route_takes_its_methods_alone(world, path, method):
    client = await world.client()
    taken = [each for known, each in ALL if known == path]
    assert method in taken
    for other in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} - set(taken):
        answer = await client.call(other, path)
        assert answer.status == 405
        assert code_of(answer) in ("method_not_allowed", "invalid_request_error")
        assert answer.header("allow") == ", ".join(taken)
    head = await client.call("HEAD", path)
    assert (head.status, head.body) == (405, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/v1/",
        "/v1/nothing",
        "/v1/chat/completions/",
        "/v1/chat",
        "/v1/%63hat/completions",
        "/v1/models?x",
        "/v1//models",
        "/v1/../metrics",
        "/v1/" + "x" * 5000,
    ],
)
async def test_an_unknown_path_under_v1_is_404_for_who_has_a_key(world, path):
    client = await world.client()
    answer = await client.call("GET", path)
    if path == "/v1/models?x":
        assert answer.status == 200
        return
    assert (answer.status, answer.error["code"]) == (404, "unknown_url")
    assert len(answer.body) < 1000
    assert (await client.call("GET", path, key=None)).status == 401


async def test_models_are_listed_as_openai_lists_them(world):
    client = await world.client()
    answer = await client.call("GET", "/v1/models")
    assert answer.json == {
        "object": "list",
        "data": [
            {
                "id": MODEL,
                "object": "model",
                "created": 1_700_000_000,
                "owned_by": "tw",
                "context_length": 2048,
            }
        ],
    }


@pytest.mark.parametrize("name", [MODEL, "tw%2Fsmall", "small"])
async def test_a_model_is_shown_by_any_of_its_names(world, name):
    answer = await (await world.client()).call("GET", f"/v1/models/{name}")
    assert answer.json["id"] == MODEL


@pytest.mark.parametrize("name", ["", "none", "%FF", "tw/small/x", "%00"])
async def test_a_model_that_is_not_there_is_404(world, name):
    answer = await (await world.client()).call("GET", f"/v1/models/{name}")
    assert (answer.status, answer.error["code"]) == (404, "model_not_found")


async def test_a_strangers_body_is_not_read(world):
    client = await world.client()
    head = await client.ask(
        "POST",
        "/v1/chat/completions",
        key=None,
        headers=[("content-length", str(30 * 1024 * 1024))],
    )
    assert head.status == 401, "told before a byte of the body came"
