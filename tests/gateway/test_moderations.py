"""`POST /v1/moderations` by the gateway's own checks, and by a model where one is called."""

import json

import pytest
from gateway_parts import World

from tradewind.plugins.providers.fakes.host import FakeHost
from tradewind.plugins.providers.fakes.registry import fakes
from tradewind.snapshot.contents import Operation
from tradewind.usage.event import Outcome
from tradewind.wire.moderations import CATEGORIES, MOST_CHARACTERS

VIOLENT = "I will kill all of them and burn their bodies."
BENIGN = "The harbour opens at nine, and the master collects the dues at noon."
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


async def moderate(world, path="/v1/moderations", **body):
    client = await world.client()
    return await client.call("POST", path, json.dumps(body).encode())


@pytest.mark.parametrize("path", ["/v1/moderations", "/openai/v1/moderations"])
async def test_a_text_is_moderated_without_a_model(world, path):
    answer = await moderate(world, path, input=VIOLENT)
    assert answer.status == 200, answer.body
    assert answer.json["id"].startswith("modr-")
    assert answer.json["model"] == "tradewind-safety"
    [result] = answer.json["results"]
    assert result["flagged"] is True
    for members in ("categories", "category_scores", "category_applied_input_types"):
        assert result[members].keys() == CATEGORIES.keys()
    assert result["categories"]["violence"] is True
    assert result["categories"]["sexual"] is False
    assert 0.5 < result["category_scores"]["violence"] <= 1
    by_category = {each["category"]: each for each in result["tradewind_safety"]}
    assert by_category["violence"]["check"] == "harms"
    assert by_category["violence"]["severity"] >= 4


async def test_what_nothing_looks_for_is_said_to_be_unexamined(world):
    [result] = (await moderate(world, input=VIOLENT)).json["results"]
    looked_at = {
        name for name, kinds in result["category_applied_input_types"].items() if kinds == ["text"]
    }
    assert looked_at == {"hate", "self-harm", "sexual", "violence"}
    for name in CATEGORIES.keys() - looked_at:
        assert (result["categories"][name], result["category_scores"][name]) == (False, 0.0)


async def test_each_text_has_its_own_result(world):
    answer = await moderate(world, input=[BENIGN, VIOLENT, BENIGN])
    assert [result["flagged"] for result in answer.json["results"]] == [False, True, False]


async def test_parts_are_one_input_of_which_the_texts_are_looked_at(world):
    parts = [{"type": "text", "text": BENIGN}, PICTURE, {"type": "text", "text": VIOLENT}]
    [result] = (await moderate(world, input=parts)).json["results"]
    assert result["flagged"] is True
    assert result["category_applied_input_types"]["violence"] == ["text"]


async def test_a_picture_alone_is_not_said_to_be_safe(world):
    answer = await moderate(world, input=[PICTURE])
    assert (answer.status, answer.error["code"]) == (400, "unsupported_content")


@pytest.mark.parametrize(
    "wrong",
    [
        [1],
        [{"type": "sound"}],
        [BENIGN, {"type": "text", "text": BENIGN}],
        [],
        "a" * (MOST_CHARACTERS + 1),
        {"text": "a"},
    ],
)
async def test_what_cannot_be_read_is_refused(world, wrong):
    answer = await moderate(world, input=wrong)
    assert (answer.status, answer.error["param"]) == (400, "input")
    assert world.books() == []


@pytest.mark.parametrize(
    "name", ["tradewind-safety", "omni-moderation-latest", "text-moderation-latest"]
)
async def test_names_of_no_endpoint_mean_our_own_checks(world, name):
    answer = await moderate(world, model=name, input=BENIGN)
    assert (answer.status, answer.json["model"]) == (200, "tradewind-safety")
    event = await world.event()
    assert event.trail.requested_model == name
    assert (event.outcome, event.cost_nanos, event.model) == (
        Outcome.COMPLETED,
        0,
        "tradewind-safety",
    )


async def test_another_name_is_not_taken_for_our_own_checks(world):
    answer = await moderate(world, model="nobody/nothing", input=BENIGN)
    assert (answer.status, answer.error["code"]) == (404, "model_not_found")


async def test_an_endpoint_of_that_name_is_called(tmp_path):
    world = World(tmp_path)
    async with FakeHost(fakes()["openai"]) as host:
        target = world.target(
            host.address,
            provider="openai",
            credential=host.vendor.credential,
            upstream_model=host.vendor.model,
            base_path=host.vendor.base_path,
        )
        aliases = ("omni-moderation-latest",)
        world.publish(world.endpoint(target, operation=Operation.MODERATIONS, aliases=aliases))
        await world.start()
        answer = await moderate(world, input=BENIGN)
        await world.stop()
        assert answer.status == 200
        assert answer.header("x-tradewind-model") == "tw/small"
        assert len(host.requests) == 1
