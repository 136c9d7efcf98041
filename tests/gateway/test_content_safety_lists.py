"""Blocklists of the Content Safety API, on their way to the control plane and back."""

import json

import pytest
from fastapi import FastAPI, Request, Response
from gateway_parts import World

from tradewind.serve.backstage import backstage_served

LISTS = "/contentsafety/text/blocklists"


class Control:
    """Stands for the control API: what it was asked, and what it says."""

    def __init__(self):
        self.requests = []
        self.answer = Response('{"value":[]}', media_type="application/json")

    def app(self):
        app = FastAPI()

        @app.api_route("/{path:path}", methods=["GET", "POST", "PATCH", "DELETE"])
        async def anything(request: Request) -> Response:
            self.requests.append((request, await request.body()))
            return self.answer

        return app


@pytest.fixture
def control(tmp_path):
    control = Control()
    with backstage_served(control.app(), tmp_path / "c.sock"):
        yield control


@pytest.fixture
async def world(tmp_path, upstream, control):
    world = World(tmp_path, control_socket=tmp_path / "c.sock")
    world.publish(world.endpoint(world.target(upstream.address)))
    await world.start()
    yield world
    await world.stop()


async def call(world, method, path, body=b"", **options):
    return await (await world.client()).call(method, LISTS + path, body, **options)


async def test_a_request_goes_to_the_control_api_with_its_key(world, control):
    body = b'{"description":"d"}'
    answer = await call(
        world,
        "PATCH",
        "/words?api-version=2023-10-01",
        body,
        key=None,
        headers=[
            ("ocp-apim-subscription-key", "sk-tw-of-an-administrator"),
            ("content-type", "application/merge-patch+json"),
        ],
    )
    assert (answer.status, answer.json) == (200, {"value": []})
    [(request, sent)] = control.requests
    assert str(request.url).endswith(
        "/api/contentsafety/text/blocklists/words?api-version=2023-10-01"
    )
    assert (request.method, sent) == ("PATCH", body)
    assert request.headers["authorization"] == "Bearer sk-tw-of-an-administrator"
    assert request.headers["content-type"] == "application/merge-patch+json"
    assert request.headers["x-forwarded-proto"] == "http"


async def test_a_bearer_token_goes_as_it_came(world, control):
    await call(world, "GET", "", headers=[("x-forwarded-proto", "gopher")])
    [(request, _)] = control.requests
    assert request.headers["authorization"] == f"Bearer {world.key.text}"
    assert request.headers.getlist("x-forwarded-proto") == ["http"]


async def test_nothing_is_answered_with_nothing(world, control):
    control.answer = Response(status_code=204)
    answer = await call(world, "DELETE", "/words")
    assert (answer.status, answer.body) == (204, b"")


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (401, (401, "401")),
        (403, (403, "PermissionDenied")),
        (404, (404, "ResourceNotFound")),
        (409, (409, "Conflict")),
        (422, (400, "InvalidRequestBody")),
        (503, (503, "ServerBusy")),
    ],
)
async def test_what_is_refused_there_is_told_in_azures_words(world, control, status, expected):
    problem = {"status": status, "code": "ours", "detail": "what is wrong", "hint": "mend it"}
    control.answer = Response(json.dumps(problem), status, media_type="application/problem+json")
    answer = await call(world, "GET", "/words")
    assert (answer.status, answer.error["code"]) == expected
    assert answer.error["message"] == "What is wrong. Mend it."
    assert answer.error["innererror"] == {"code": "ours"}


async def test_what_cannot_be_read_is_no_answer(world, control):
    control.answer = Response("<h1>oh</h1>", 500, media_type="text/html")
    answer = await call(world, "GET", "/words")
    assert (answer.status, answer.error["code"]) == (503, "ServerBusy")
    assert answer.number("retry-after") >= 1


async def test_without_a_control_plane_lists_are_busy(tmp_path, upstream):
    world = World(tmp_path, control_socket=tmp_path / "nobody.sock")
    world.publish(world.endpoint(world.target(upstream.address)))
    await world.start()
    answer = await call(world, "GET", "")
    await world.stop()
    assert (answer.status, answer.error["code"]) == (503, "ServerBusy")
