"""The path trees of Azure's clients."""

import json

import pytest
from gateway_parts import MODEL, ask_for
from hypothesis import given
from hypothesis import strategies as st

from tradewind.gateway.dialects.surfaces import Surface
from tradewind.gateway.routes import Found, find

VERSION = "?api-version=2024-10-21"
ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "upstream-model",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1},
}


async def answer(call):
    await call.answer(json.dumps(ANSWER).encode())


async def post(world, path, body=None, **headers):
    client = await world.client()
    lines = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return await client.call(
        "POST", path, ask_for() if body is None else json.dumps(body).encode(), headers=lines
    )


@pytest.mark.parametrize("name", [MODEL, "small", "tw%2Fsmall"])
async def test_a_deployment_is_a_models_name(world, upstream, name):
    upstream.script = answer
    body = {"messages": [{"role": "user", "content": "Hello"}], "model": "ignored"}
    found = await post(world, f"/openai/deployments/{name}/chat/completions{VERSION}", body)
    assert (found.status, found.json["model"]) == (200, MODEL)


async def test_a_body_need_not_name_the_model_that_the_path_names(world, upstream):
    upstream.script = answer
    body = {"messages": [{"role": "user", "content": "Hello"}], "temperature": 0.5}
    path = f"/openai/deployments/{MODEL}/chat/completions{VERSION}"
    found = await post(world, path, body)
    assert (found.status, found.json["model"]) == (200, MODEL)
    assert upstream.calls[0].json == body | {"model": "upstream-model"}


@pytest.mark.parametrize("path", ["/openai/v1/chat/completions", "/openai/chat/completions"])
async def test_the_paths_without_a_deployment_take_the_bodys_model(world, upstream, path):
    upstream.script = answer
    found = await post(world, path + "?api-version=preview")
    assert (found.status, found.json["model"]) == (200, MODEL)


async def test_the_models_are_listed_there_too(world):
    client = await world.client()
    found = await client.call("GET", "/openai/models" + VERSION)
    assert [each["id"] for each in found.json["data"]] == [MODEL]


async def test_a_key_in_azures_own_header_opens_it(world, upstream):
    upstream.script = answer
    client = await world.client()
    found = await client.call(
        "POST",
        f"/openai/deployments/{MODEL}/chat/completions{VERSION}",
        ask_for(),
        key=None,
        headers=(("api-key", world.key.text),),
    )
    assert found.status == 200


async def test_errors_are_in_azures_words(world):
    found = await post(world, f"/openai/deployments/none/chat/completions{VERSION}")
    assert (found.status, found.error["code"]) == (404, "DeploymentNotFound")
    client = await world.client()
    found = await client.call("POST", f"/openai/deployments/{MODEL}/chat/completions", key="x")
    assert (found.status, found.error["code"]) == (401, "401")


async def test_a_rate_limit_has_azures_code_and_a_true_wait(world, upstream):
    upstream.script = answer
    world.limit(requests_per_minute=1)
    world.publish(world.endpoint(world.target(upstream.address)))
    await world.in_force()
    path = f"/openai/deployments/{MODEL}/chat/completions{VERSION}"
    assert (await post(world, path)).status == 200
    refused = await post(world, path)
    assert (refused.status, refused.error["code"]) == (429, "429")
    assert 0 < refused.number("retry-after-ms") <= 60_000


@pytest.mark.parametrize("rest", ["deployments/", "deployments/x", "deployments/x/nothing", "no"])
async def test_what_is_not_there_is_404(world, rest):
    found = await post(world, f"/openai/{rest}")
    assert (found.status, found.error["code"]) == (404, "unknown_url")


@given(st.binary(max_size=60))
def test_no_path_does_more_than_lead_nowhere(rest):
    for prefix in (b"/openai/", b"/openai/deployments/", b"/v1/", b"/models/", b"/"):
        assert isinstance(find(prefix + rest), Found | Surface | None)


# Azure AI Model Inference.

INFERENCE = "/models/chat/completions?api-version=2024-05-01-preview"


async def test_inference_takes_the_only_model_when_none_is_named(world, upstream):
    upstream.script = answer
    body = {"messages": [{"role": "user", "content": "Hello"}]}
    found = await post(world, INFERENCE, body)
    assert (found.status, found.json["model"]) == (200, MODEL)


async def test_inference_asks_which_when_there_are_several(world, upstream):
    endpoint = world.endpoint(world.target(upstream.address))
    world.publish(endpoint, world.endpoint(name="tw/other", aliases=()))
    await world.in_force()
    found = await post(world, INFERENCE, {"messages": [{"role": "user", "content": "Hello"}]})
    assert (found.status, found.json["code"]) == (400, "missing_model")
    assert MODEL in found.json["message"]
    assert "tw/other" in found.json["message"]


@pytest.mark.parametrize(
    ("wish", "status", "is_passed"),
    [(None, 422, False), ("error", 422, False), ("drop", 200, False), ("pass-through", 200, True)],
)
async def test_inference_does_with_extra_parameters_what_the_header_says(
    world, upstream, wish, status, is_passed
):
    upstream.script = answer
    headers = {} if wish is None else {"extra_parameters": wish}
    body = json.loads(ask_for()) | {"top_k": 40}
    found = await post(world, INFERENCE, body, **headers)
    assert found.status == status
    if status == 422:
        assert found.json["code"] == "parameter_not_supported"
        assert found.json["detail"][0]["loc"] == ["body", "top_k"]
    else:
        assert ("top_k" in upstream.calls[0].json) is is_passed


async def test_inference_says_what_model_it_is(world):
    client = await world.client()
    found = await client.call("GET", "/models/info?api-version=2024-05-01-preview")
    assert found.json == {
        "model_name": MODEL,
        "model_type": "chat-completion",
        "model_provider_name": "tw",
    }


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"model":7,"messages":[1]}', b"\xff"])
async def test_inference_refuses_garbage_in_its_own_words(world, body):
    client = await world.client()
    found = await client.call("POST", INFERENCE, body)
    assert found.status == 400
    assert found.json["status"] == 400
    assert found.json["message"]
