"""The official OpenAI client for JavaScript, under Node.js."""

import shutil
from collections.abc import Callable

import pytest

from scripts.client_environments import NodeClient
from tests.e2e.clients.expectations import expect_berth_of_two, expect_rate_limit
from tests.e2e.clients.tls_platform import STORIES, Story, TlsPlatform
from tests.e2e.conftest import CHAT_MODEL, EMBEDDINGS_MODEL

pytestmark = [pytest.mark.platform, pytest.mark.timeout(900), pytest.mark.enable_socket]


@pytest.fixture(scope="module")
def story(tls_platform: TlsPlatform, node_of: Callable[[str], NodeClient]) -> Story:
    client = node_of("openai-npm")
    # Packages are looked for beside the program that imports them.
    program = shutil.copy(STORIES / "openai_story.mjs", client.folder)
    return tls_platform.tell([client.node, program])


def test_the_models_are_listed(story: Story) -> None:
    saw = story["models"]
    assert set(saw["ids"]) == {CHAT_MODEL, EMBEDDINGS_MODEL}
    assert saw["owned_by"] == "huggingfacetb"


def test_a_whole_answer(story: Story) -> None:
    saw = story["chat"]
    assert saw["model"] == CHAT_MODEL
    assert saw["text"]
    assert saw["finish_reason"] in ("stop", "length")
    assert 0 < saw["usage"]["completion_tokens"] <= 16
    assert saw["request_id"].startswith("req_")
    assert float(saw["cost"]) > 0


def test_a_stream_says_the_same_and_ends_with_usage(story: Story) -> None:
    saw = story["stream"]
    assert saw["text"]
    assert story["chat"]["text"].startswith(saw["text"].rstrip())
    assert 0 < saw["output_tokens"] <= 12
    assert saw["last_choices"] == 0
    assert story["stream_helper"]["text"] == saw["text"]


def test_a_forced_tool_is_called_with_what_its_schema_asks_for(story: Story) -> None:
    saw = story["forced_tool"]
    assert (saw["name"], saw["finish_reason"]) == ("book_berth", "tool_calls")
    expect_berth_of_two(saw["arguments"])
    assert saw["then"]


def test_answers_fit_the_schema_that_was_asked_for(story: Story) -> None:
    expect_berth_of_two(story["json_schema"]["parsed"])


def test_options_of_a_chat(story: Story) -> None:
    saw = story["options"]
    assert (saw["choices"], saw["logprobs"]) == (2, 4)
    assert saw["stopped"] == saw["expected"]
    assert saw["limited"] == ["length", 5]


def test_embeddings_are_the_same_in_every_form(story: Story) -> None:
    saw = story["embeddings"]
    assert len(saw["float"]) == 384
    assert saw["default"] == pytest.approx(saw["float"], abs=1e-6)


def test_responses_are_kept_followed_and_deleted(story: Story) -> None:
    saw = story["responses"]
    assert saw["kept"] == saw["text"] != ""
    assert saw["types"][0] == "response.created"
    assert saw["types"][-1] in ("response.completed", "response.incomplete")
    assert saw["input_tokens"][1] > saw["input_tokens"][0] > 0
    assert (saw["deleted"]["type"], saw["deleted"]["status"]) == ("NotFoundError", 404)


def test_its_azure_class_says_the_same(story: Story) -> None:
    saw = story["azure"]
    assert story["chat"]["text"].startswith(saw["text"].rstrip())
    assert (saw["unknown"]["type"], saw["unknown"]["code"]) == (
        "NotFoundError",
        "DeploymentNotFound",
    )


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("wrong_key", ("AuthenticationError", 401, "invalid_api_key")),
        ("unknown_model", ("NotFoundError", 404, "model_not_found")),
        ("too_long", ("BadRequestError", 400, "context_length_exceeded")),
        ("no_tokens", ("BadRequestError", 400, "invalid_value")),
    ],
)
def test_refusals_are_the_errors_the_client_knows(
    story: Story, asked: str, expected: tuple[str, int, str]
) -> None:
    saw = story["refusals"][asked]
    assert (saw["type"], saw["status"], saw["code"]) == expected


def test_the_client_waits_as_long_as_it_is_told_and_is_admitted(story: Story) -> None:
    saw = story["patience"]
    assert saw["refused"]["code"] == "rate_limit_exceeded"
    expect_rate_limit(saw["refused"]["headers"])
    assert saw["tries"] == [429, 200]


def test_a_stream_that_is_hung_up_on_is_cancelled(story: Story, tls_platform: TlsPlatform) -> None:
    saw = story["hang_up"]
    assert saw["pieces"] == 5
    assert tls_platform.await_outcome(saw["request_id"]) == "cancelled"
