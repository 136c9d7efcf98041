"""Which target answers a call, as its client sees it."""

import asyncio
import json

import pytest
from gateway_parts import MODEL, ORGANIZATION, PROJECT, until, whole_answer
from scripted_upstream import ScriptedUpstream

from tradewind.snapshot import file
from tradewind.snapshot.contents import Conditions, Grant, Routing, Snapshot, Terms

EU = Conditions(regions=frozenset({"eu-north"}))
TOO_LONG = json.dumps(
    {"error": {"message": "too long", "code": "context_length_exceeded", "type": "x"}}
).encode()


@pytest.fixture
async def second():
    async with ScriptedUpstream() as running:
        yield running


async def answer_whole(call):
    await call.answer(whole_answer())


def refuse_with(status, body=b"{}", headers=""):
    async def script(call):
        lines = f"HTTP/1.1 {status} No\r\ncontent-type: application/json\r\n{headers}"
        await call.raw(f"{lines}content-length: {len(body)}\r\n\r\n".encode() + body)

    return script


async def publish(world, *endpoints, terms=(), grants=None):
    world.version += 1
    grants = (world.grant,) if grants is None else grants
    file.write(world.snapshot_path, Snapshot(world.version, 1, grants, endpoints, terms))
    await world.in_force()


async def ask(world, *headers, model=MODEL, **members):
    body = {"model": model, "messages": [{"role": "user", "content": "Hello"}]} | members
    client = await world.client()
    return await client.call(
        "POST", "/v1/chat/completions", json.dumps(body).encode(), headers=headers
    )


# Conditions.


@pytest.mark.parametrize("subject", [ORGANIZATION, PROJECT, "endpoint"])
async def test_a_policy_holds_for_every_call_below_it(world, upstream, second, subject):
    upstream.script = second.script = answer_whole
    far = world.target(upstream.address, "far", region="us-east", weight=99)
    near = world.target(second.address, "near", region="eu-north")
    is_endpoint = subject == "endpoint"
    await publish(
        world,
        world.endpoint(far, near, conditions=EU if is_endpoint else Conditions()),
        terms=() if is_endpoint else (Terms(subject, conditions=EU),),
    )
    for _ in range(4):
        answer = await ask(world)
        assert answer.status == 200
        assert answer.header("x-tradewind-region") == "eu-north"
        assert answer.header("x-tradewind-route") == "only allowed target"
    assert not upstream.calls


async def test_a_policy_nothing_fulfils_refuses_and_tells_which(world, upstream):
    target = world.target(upstream.address, region="us-east")
    await publish(world, world.endpoint(target), terms=(Terms(PROJECT, conditions=EU),))
    answer = await ask(world)
    assert (answer.status, answer.error["code"]) == (403, "not_allowed_by_policy")
    assert "region: eu-north" in answer.error["message"]
    assert not upstream.calls


async def test_a_policy_is_not_bent_when_its_only_host_fails(world, upstream, second):
    upstream.script, second.script = refuse_with(500), answer_whole
    near = world.target(upstream.address, "near", region="eu-north")
    far = world.target(second.address, "far", region="us-east")
    await publish(world, world.endpoint(near, far, conditions=EU))
    for _ in range(5):
        assert (await ask(world)).status == 502
    assert not second.calls


async def test_the_requests_provider_object_chooses_and_does_not_go_upstream(
    world, upstream, second
):
    upstream.script = second.script = answer_whole
    one = world.target(upstream.address, "one", host="own")
    two = world.target(second.address, "two", host="openai", tier=1)
    await publish(world, world.endpoint(one, two))
    answer = await ask(world, provider={"order": ["OpenAI"]})
    assert answer.header("x-tradewind-route") == "first in order"
    assert answer.header("x-tradewind-provider") == "openai"
    assert "provider" not in second.calls[0].json
    refused = await ask(world, provider={"only": ["nobody"]})
    assert (refused.status, refused.error["code"]) == (404, "no_allowed_target")
    unknown = await ask(world, provider={"onyl": ["openai"]})
    assert (unknown.status, unknown.error["code"]) == (400, "invalid_value")


async def test_without_fallbacks_a_failure_is_the_answer(world, upstream, second):
    upstream.script, second.script = refuse_with(500), answer_whole
    targets = (
        world.target(upstream.address, "one"),
        world.target(second.address, "two", tier=1),
    )
    await publish(world, world.endpoint(*targets))
    assert (await ask(world, provider={"allow_fallbacks": False})).status == 502
    assert not second.calls
    assert (await ask(world)).status == 200


async def test_a_body_with_an_image_is_not_taken_for_a_long_text(world, upstream):
    upstream.script = answer_whole
    url = "data:image/png;base64," + "A" * 300_000
    image = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}
    assert (await ask(world, messages=[image])).status == 200
    text = {"role": "user", "content": "A" * 300_000}
    answer = await ask(world, messages=[text])
    assert (answer.status, answer.error["code"]) == (400, "context_length_exceeded")


# Names.


async def test_a_policy_in_the_name_is_obeyed_and_the_model_keeps_its_name(world, upstream, second):
    upstream.script = second.script = answer_whole
    own = world.target(upstream.address, "own", host="own", tier=1)
    paid = world.target(second.address, "paid", host="openai")
    await publish(world, world.endpoint(own, paid))
    answer = await ask(world, model=f"{MODEL}:own".upper())
    assert answer.header("x-tradewind-provider") == "own"
    assert answer.header("x-tradewind-model") == MODEL
    assert not second.calls


async def test_a_key_for_other_models_is_refused_and_told_its_own(world, upstream):
    target = world.target(upstream.address)
    grant = world.grant
    limited = Grant(
        grant.key_id, grant.digest, ORGANIZATION, PROJECT, models=frozenset({"tw/other"})
    )
    await publish(
        world, world.endpoint(target), world.endpoint(target, name="tw/other"), grants=(limited,)
    )
    answer = await ask(world)
    assert (answer.status, answer.error["code"]) == (403, "model_not_allowed")
    assert "'tw/other'" in answer.error["message"]
    shown = await (await world.client()).call("GET", f"/v1/models/{MODEL}")
    assert shown.status == 403
    shown = await (await world.client()).call("GET", "/v1/models/TW/Other")
    assert shown.json["id"] == "tw/other"


# Why, and what is recorded of it.


async def test_the_record_says_why_each_target_was_tried(world, upstream, second):
    upstream.script, second.script = refuse_with(503), answer_whole
    own = world.target(upstream.address, "own", host="own")
    paid = world.target(second.address, "paid", host="openai", tier=1)
    await publish(world, world.endpoint(own, paid))
    answer = await ask(world)
    assert answer.header("x-tradewind-route") == "fallback after model_busy"
    assert answer.header("x-tradewind-attempts") == "2"
    attempts = (await world.event()).trail.attempts
    assert [(each.host, each.why, each.status) for each in attempts] == [
        ("own", "least load", 503),
        ("openai", "fallback after model_busy", 200),
    ]


async def test_the_regions_header_says_nothing_when_nothing_is_known(world, upstream):
    upstream.script = answer_whole
    answer = await ask(world)
    assert answer.header("x-tradewind-route") == "only target"
    assert answer.header("x-tradewind-region") is None
    assert answer.header("x-ms-region") is None


async def test_a_host_name_cannot_add_a_header(world, upstream):
    upstream.script = answer_whole
    target = world.target(upstream.address, host="a\r\nx-evil: 1", region="größe")
    await publish(world, world.endpoint(target))
    answer = await ask(world)
    assert answer.header("x-evil") is None
    assert answer.header("x-tradewind-provider") == "a??x-evil: 1"
    assert answer.header("x-ms-region") == "gr??e"


# Health.


async def test_a_target_that_asks_to_wait_is_passed_over_until_then(world, upstream, second):
    upstream.script = refuse_with(429, headers="retry-after: 3600\r\n")
    second.script = answer_whole
    own = world.target(upstream.address, "own")
    paid = world.target(second.address, "paid", tier=1)
    await publish(world, world.endpoint(own, paid))
    for _ in range(5):
        assert (await ask(world)).status == 200
    assert len(upstream.calls) == 1
    assert await world.metric('tradewind_routing_total{kind="spilled_down"}') == 4


async def test_one_clients_failures_do_not_rest_a_target_that_others_use(world, upstream, second):
    """D23's other side: one caller must not be able to take a target from everybody."""

    async def script(call):
        if call.json["messages"][0]["content"] == "poison":
            await refuse_with(404)(call)
        else:
            await answer_whole(call)

    upstream.script, second.script = script, answer_whole
    own = world.target(upstream.address, "own")
    paid = world.target(second.address, "paid", tier=1)
    await publish(world, world.endpoint(own, paid))
    for _ in range(4):
        await ask(world, messages=[{"role": "user", "content": "poison"}])
        answer = await ask(world)
        assert answer.header("x-tradewind-deployment") == own.deployment_id


async def test_calls_of_one_conversation_stay_with_one_target(world, upstream, second):
    upstream.script = second.script = answer_whole
    targets = (world.target(upstream.address, "one"), world.target(second.address, "two"))
    await publish(world, world.endpoint(*targets))
    messages = [{"role": "user", "content": "Hello"}]
    homes = set()
    for number in range(6):
        answer = await ask(world, messages=messages)
        homes.add(answer.header("x-tradewind-deployment"))
        assert answer.header("x-tradewind-route") == "sticky prefix"
        messages += [
            {"role": "assistant", "content": "Hi"},
            {"role": "user", "content": f"And {number}?"},
        ]
    assert len(homes) == 1


async def test_a_full_tier_spills_and_the_metrics_count_it(world, upstream, second):
    release = asyncio.Event()

    async def wait(call):
        await release.wait()
        await answer_whole(call)

    upstream.script, second.script = wait, answer_whole
    own = world.target(upstream.address, "own", host="own", slots=1)
    paid = world.target(second.address, "paid", host="openai", tier=1)
    await publish(world, world.endpoint(own, paid, routing=Routing(queue_bound=0)))
    waiting = asyncio.ensure_future(ask(world))
    await until(lambda: upstream.calls)
    spilled = await ask(world)
    assert spilled.header("x-tradewind-route") == "spill: queue"
    assert spilled.header("x-tradewind-provider") == "openai"
    release.set()
    assert (await waiting).header("x-tradewind-provider") == "own"
    assert (await ask(world)).header("x-tradewind-provider") == "own"
    assert await world.metric('tradewind_routing_total{kind="spilled_queue"}') == 1


# Fallback models and Azure's spillover.


async def two_models(world, upstream, second, **changes):
    await publish(
        world,
        world.endpoint(world.target(upstream.address, "one"), **changes),
        world.endpoint(world.target(second.address, "two"), name="tw/large", aliases=("large",)),
    )


async def test_a_further_model_answers_when_the_first_cannot(world, upstream, second):
    upstream.script, second.script = refuse_with(500), answer_whole
    await two_models(world, upstream, second)
    answer = await ask(world, models=["large"])
    assert (answer.status, answer.json["model"]) == (200, "tw/large")
    assert answer.header("x-tradewind-model") == "tw/large"
    assert answer.header("x-tradewind-route") == "fallback after upstream_error"
    assert answer.header("x-ms-spillover-error") is None
    assert "models" not in upstream.calls[0].json


@pytest.mark.parametrize(
    ("status", "body"), [(429, b"{}"), (500, b"{}"), (503, b"{}"), (400, TOO_LONG)]
)
async def test_azures_spillover_header_names_who_answers_instead(
    world, upstream, second, status, body
):
    upstream.script, second.script = refuse_with(status, body), answer_whole
    await two_models(world, upstream, second)
    answer = await ask(world, ("x-ms-spillover-deployment", "large"), model="small")
    assert answer.status == 200
    assert answer.header("x-ms-spillover-from-deployment") == "small"
    assert answer.header("x-ms-deployment-name") == "large"
    assert answer.header("x-ms-spillover-error") == str(status)
    assert answer.header("x-tradewind-model") == "tw/large"
    # The bill says which leg served.
    assert (await world.event()).deployment_id == "dep_of_two"


@pytest.mark.parametrize(("status", "body"), [(400, b"{}"), (422, b"{}")])
async def test_a_request_that_was_wrong_does_not_spill(world, upstream, second, status, body):
    upstream.script = refuse_with(status, body)
    await two_models(world, upstream, second)
    answer = await ask(world, ("x-ms-spillover-deployment", "large"))
    assert 400 <= answer.status < 500
    assert answer.header("x-ms-spillover-error") is None
    assert not second.calls


async def test_a_call_that_is_answered_has_not_spilled(world, upstream, second):
    upstream.script = answer_whole
    await two_models(world, upstream, second)
    answer = await ask(world, ("x-ms-spillover-deployment", "large"))
    assert answer.status == 200
    assert answer.header("x-ms-spillover-from-deployment") is None


async def test_a_spillover_that_fails_too_still_says_that_it_was_one(world, upstream, second):
    upstream.script, second.script = refuse_with(429), refuse_with(503)
    await two_models(world, upstream, second)
    answer = await ask(world, ("x-ms-spillover-deployment", "large"))
    assert answer.status == 503
    assert answer.header("x-ms-spillover-from-deployment") == MODEL
    assert answer.header("x-ms-spillover-error") == "429"


async def test_a_policy_that_refuses_the_first_model_does_not_spill(world, upstream, second):
    second.script = answer_whole
    await two_models(world, upstream, second, conditions=EU)
    answer = await ask(world, ("x-ms-spillover-deployment", "large"))
    assert (answer.status, answer.error["code"]) == (403, "not_allowed_by_policy")
    assert not second.calls
    # Fallback models are another thing: the request says that it wants any of them.
    assert (await ask(world, models=["large"])).status == 200


async def test_a_spillover_deployment_that_is_not_there_is_told_at_once(world, upstream):
    upstream.script = answer_whole
    answer = await ask(world, ("x-ms-spillover-deployment", "nobody"))
    assert (answer.status, answer.error["code"]) == (404, "model_not_found")
    assert not upstream.calls
