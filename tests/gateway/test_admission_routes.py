"""Every route that reaches a model asks admission: the table is walked, so new ones are found."""

import json

import msgspec
import pytest
from gateway_parts import MODEL, ORGANIZATION, PRICE, World, whole_answer
from scripted_upstream import ScriptedUpstream

from tradewind.gateway.gemini import METHODS
from tradewind.gateway.routes import OPERATIONS, ROUTES
from tradewind.snapshot import file
from tradewind.snapshot.contents import Budget, Limits, Operation, Price, Snapshot, Terms
from tradewind.wire.leases import LeaseAnswer, LeaseGrant

# What answers without a model.
WITHOUT_MODEL = {"/v1/admission:check", "/v1/messages/count_tokens", "countTokens"}
CHAT = {"messages": [{"role": "user", "content": "Hello"}]}
GEMINI = {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}
EMBED = {"content": {"parts": [{"text": "Hello"}]}}
FORM = "x-form"
# By the end of a path: the kind of model, and a body.
BODIES = {
    "chat/completions": (Operation.CHAT, CHAT),
    "messages": (Operation.CHAT, CHAT | {"max_tokens": 10}),
    "responses": (Operation.CHAT, {"input": "Hello"}),
    "/completions": (Operation.CHAT, {"prompt": "Hello"}),
    "embeddings": (Operation.EMBEDDINGS, {"input": "Hello"}),
    "rerank": (Operation.RERANK, {"query": "a", "documents": ["b"]}),
    "moderations": (Operation.MODERATIONS, {"input": "Hello"}),
    "images/generations": (Operation.IMAGES, {"prompt": "Hello"}),
    "images/edits": (Operation.IMAGES, FORM),
    "audio/speech": (Operation.SPEECH, {"input": "Hello", "voice": "a"}),
    "audio/transcriptions": (Operation.TRANSCRIPTION, FORM),
    "audio/translations": (Operation.TRANSCRIPTION, FORM),
    "files": (Operation.CHAT, FORM),
    "generateContent": (Operation.CHAT, GEMINI),
    "streamGenerateContent": (Operation.CHAT, GEMINI),
    "embedContent": (Operation.EMBEDDINGS, EMBED),
    "batchEmbedContents": (Operation.EMBEDDINGS, {"requests": [EMBED | {"model": MODEL}]}),
}
PATHS = (
    {
        path.decode()
        for path, routes in ROUTES.items()
        if any(route.method == b"POST" for route in routes)
    }
    | {f"/openai/deployments/{MODEL}/{operation.decode()}" for operation in OPERATIONS}
    | {"/openai/v1/responses", "/openai/responses"}
    | {f"/v1beta/models/{MODEL}:{method.decode()}" for method in METHODS}
)
REACHING = sorted(
    path
    for path in PATHS
    if path not in WITHOUT_MODEL
    and not path.endswith("countTokens")
    # Answered by our own checks: their limits are asked in test_content_safety, and they cost
    # nothing, so that no budget stops them.
    and not path.startswith("/contentsafety/")
)
DEAR = Price(
    "price_1",
    "USD",
    1_000_000_000,
    1_000_000_000,
    1_000_000_000,
    meters={"requests": 10**9, "images": 10**9, "characters": 10**9, "audio_ms": 10**9},
)


def of(path):
    """Return the kind of model a path calls, and a body for it."""
    ending = max((each for each in BODIES if path.endswith(each)), key=len)
    return BODIES[ending]


def request_to(path):
    """Return body and content type."""
    body = of(path)[1]
    if body is not FORM:
        return json.dumps({"model": MODEL, **body}).encode(), "application/json"
    parts = {"model": MODEL, "prompt": "Hello", "file": "RIFF", "image": "PNG", "purpose": "batch"}
    lines = []
    for name, value in parts.items():
        named = '; filename="a.wav"' if name in {"file", "image"} else ""
        lines += ["--b", f'content-disposition: form-data; name="{name}"{named}', "", value]
    return "\r\n".join([*lines, "--b--", ""]).encode(), "multipart/form-data; boundary=b"


async def ask(world, path):
    body, kind = request_to(path)
    client = await world.client()
    return await client.call("POST", path, body, headers=[("content-type", kind)])


def publish(world, path, upstream, *, limits=None, budgets=()):
    world.version += 1
    endpoint = world.endpoint(
        world.target(upstream.address), operation=of(path)[0], price=DEAR, dimensions=8
    )
    terms = Terms(ORGANIZATION, limits=limits or Limits(), budgets=tuple(b.id for b in budgets))
    file.write(
        world.snapshot_path,
        Snapshot(world.version, 1, (world.grant,), (endpoint,), (terms,), tuple(budgets)),
    )


class Bank(ScriptedUpstream):
    """A control plane of which every budget is spent. Set `left` to give something out."""

    left = 0

    async def lend(self, call):
        granted = tuple(
            LeaseGrant(ask["budget"], 1, 4_000_000_000_000, self.left, 0, 0)
            for ask in call.json["leases"]
        )
        await call.answer(msgspec.json.encode(LeaseAnswer(granted)))


@pytest.fixture
async def bank(tmp_path):
    async with Bank(path=tmp_path / "backstage.sock") as bank:
        bank.script = bank.lend
        yield bank


@pytest.fixture
async def with_bank(tmp_path, bank, upstream):
    """A gateway with a control plane behind it; publish before starting it."""
    world = World(tmp_path, backstage=bank.address)
    yield world
    await world.stop()


def test_every_path_has_a_body_in_this_test():
    assert all(any(path.endswith(ending) for ending in BODIES) for path in REACHING)
    assert len(REACHING) > 25


@pytest.mark.parametrize("path", REACHING)
async def test_d6_with_a_spent_budget_every_route_answers_402(with_bank, upstream, path):
    publish(with_bank, path, upstream, budgets=[Budget("b1", "Team", "USD")])
    await with_bank.start()
    answer = await ask(with_bank, path)
    assert answer.status == 402, answer.body
    assert b"'Team'" in answer.body
    assert not upstream.calls


@pytest.mark.parametrize("path", REACHING)
async def test_with_a_limit_of_zero_every_route_answers_429(tmp_path, upstream, path):
    world = World(tmp_path)
    publish(world, path, upstream, limits=Limits(0))
    await world.start()
    try:
        answer = await ask(world, path)
        assert answer.status == 429, answer.body
        assert answer.number("retry-after-ms") > 0
        assert answer.header("x-ratelimit-limit-requests") == "0"
        assert not upstream.calls
    finally:
        await world.stop()


async def test_what_the_budget_pays_for_is_said_to_the_upstream(with_bank, bank, upstream):
    async def say_hi(call):
        await call.answer(whole_answer())

    upstream.script = say_hi
    path = "/v1/chat/completions"
    publish(with_bank, path, upstream, budgets=[Budget("b1", "Team", "USD")])
    bank.left = 1500 * 1000 + 10**6
    await with_bank.start()
    answer = await with_bank.chat(max_tokens=2000)
    assert answer.status == 200, answer.body
    most = upstream.calls[0].json["max_tokens"]
    assert 1 <= most < 2000


async def test_a_call_without_a_control_plane_cannot_spend_a_hard_budget(tmp_path, upstream):
    world = World(tmp_path)
    publish(world, "/v1/chat/completions", upstream, budgets=[Budget("b1", "Team", "USD")])
    await world.start()
    try:
        answer = await world.chat()
        assert (answer.status, answer.error["code"]) == (503, "budget_unavailable")
    finally:
        await world.stop()


async def test_the_admission_check_answers_over_http_and_reaches_nobody(world, upstream):
    world.limit(requests_per_minute=60)
    world.publish(world.endpoint(world.target(upstream.address)))
    await world.in_force()
    client = await world.client()
    for _ in range(3):
        answer = await client.call("POST", "/v1/admission:check", request_to("chat/completions")[0])
        assert answer.status == 200
        assert answer.json["decision"] == "admit"
        assert answer.json["chain"][0]["remaining"] == 60
    assert not upstream.calls
    wrong = await client.call("POST", "/v1/admission:check", b'{"model": "nobody", "input": "a"}')
    assert wrong.status == 404


async def test_limits_in_a_file_hold_over_two_gateways(tmp_path, upstream):
    async def say_hi(call):
        await call.answer(whole_answer())

    upstream.script = say_hi
    worlds = []
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        world = World(folder, limits_file=tmp_path / "limits", node=f"g{number}")
        if worlds:
            world.key, world.grant = worlds[0].key, worlds[0].grant
        world.limit(requests_per_minute=3, concurrent_requests=5)
        world.publish(world.endpoint(world.target(upstream.address), price=PRICE))
        await world.start()
        worlds.append(world)
    try:
        statuses = [(await worlds[turn % 2].chat()).status for turn in range(6)]
        assert statuses == [200, 200, 200, 429, 429, 429]
    finally:
        for world in worlds:
            await world.stop()
