"""The official OpenAI client, two major versions of it, installed as its users install it."""

import math
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.clients.expectations import (
    expect_berth,
    expect_berth_of_two,
    expect_rate_limit,
)
from tests.e2e.clients.tls_platform import STORIES, Story, TlsPlatform
from tests.e2e.conftest import CHAT_MODEL, EMBEDDINGS_MODEL

pytestmark = [pytest.mark.platform, pytest.mark.timeout(900), pytest.mark.enable_socket]

MAJORS = {"openai-2": "2.", "openai-3": "3."}


@pytest.fixture(scope="module", params=MAJORS)
def client(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def tell(
    client: str, tls_platform: TlsPlatform, python_of: Callable[[str], Path]
) -> Callable[[str], Story]:
    return lambda name: tls_platform.tell([python_of(client), STORIES / name])


@pytest.fixture(scope="module")
def story(tell: Callable[[str], Story]) -> Story:
    return tell("openai_story.py")


@pytest.fixture(scope="module")
def async_story(tell: Callable[[str], Story]) -> Story:
    return tell("openai_async_story.py")


@pytest.fixture(scope="module")
def azure_story(tell: Callable[[str], Story]) -> Story:
    return tell("azure_openai_story.py")


def test_it_is_the_major_version_it_should_be(client: str, story: Story) -> None:
    assert story["version"]["version"].startswith(MAJORS[client])


def test_the_models_are_listed(story: Story) -> None:
    assert set(story["models"]["ids"]) == {CHAT_MODEL, EMBEDDINGS_MODEL}
    assert story["models"]["owned_by"] == "huggingfacetb"


def test_texts_are_moderated_without_a_model(story: Story) -> None:
    saw = story["moderations"]
    assert saw["model"] == "tradewind-safety"
    assert saw["flagged"] == [True, False]
    is_violent, score = saw["violence"]
    assert is_violent
    assert 0.5 < score <= 1
    assert saw["harassment"] is False
    assert (saw["looked_at"], saw["not_looked_at"]) == (["text"], [])
    assert saw["categories"] == 13
    assert saw["parts"] == [True]


def test_a_whole_answer(story: Story) -> None:
    saw = story["chat"]
    assert saw["model"] == CHAT_MODEL
    assert saw["text"]
    assert saw["finish_reason"] in ("stop", "length")
    usage = saw["usage"]
    assert 0 < usage["completion_tokens"] <= 16
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert saw["headers"]["x-request-id"].startswith("req_")
    assert float(saw["headers"]["x-tradewind-cost"]) > 0


def test_a_stream_says_the_same_piece_by_piece_and_ends_with_usage(story: Story) -> None:
    saw = story["stream"]
    assert (saw["ids"], saw["role"], len(saw["finish_reasons"])) == (1, "assistant", 1)
    assert saw["pieces"] > 3
    assert story["chat"]["text"].startswith(saw["text"].rstrip())
    assert not saw["last_has_choices"]
    assert 0 < saw["usage"]["completion_tokens"] <= 12


def test_the_streaming_helper_accumulates_an_answer(story: Story) -> None:
    saw = story["stream_helper"]
    assert saw["text"] == saw["expected"] != ""
    assert {"chunk", "content.delta", "content.done"} <= set(saw["kinds"])


@pytest.mark.parametrize("chapter", ["forced_tool", "streamed_tool", "responses_tool"])
def test_a_forced_tool_is_called_with_what_its_schema_asks_for(story: Story, chapter: str) -> None:
    saw = story[chapter]
    assert saw["names"] == ["book_berth"]
    expect_berth(saw["arguments"])
    assert saw.get("finish_reason", "tool_calls") == "tool_calls"


def test_a_conversation_goes_on_after_tools(story: Story) -> None:
    assert story["forced_tool"]["then"]
    assert story["parallel_tools"]["finish_reason"] in ("stop", "length", "tool_calls")


def test_answers_fit_the_schema_that_was_asked_for(story: Story) -> None:
    saw = story["json_schema"]
    assert saw["finish_reason"] == "stop"
    expect_berth_of_two(saw["parsed"])
    assert story["json_object"]["text"].lstrip().startswith("{")


def test_two_choices_are_two_answers(story: Story) -> None:
    saw = story["two_choices"]
    assert saw["indices"] == [0, 1]
    assert all(saw["texts"])
    assert 6 < saw["output_tokens"] <= 12


def test_an_answer_ends_before_a_stop_word(story: Story) -> None:
    saw = story["stop"]
    assert (saw["text"], saw["finish_reason"]) == (saw["expected"], "stop")


def test_without_temperature_the_answer_is_always_the_same(story: Story) -> None:
    first, *others = story["same_again"]["texts"]
    assert first == story["chat"]["text"]
    assert others == [first, first]


def test_log_probabilities_are_those_of_the_answer(story: Story) -> None:
    saw = story["logprobs"]
    assert "".join(each["token"] for each in saw["tokens"]) == saw["text"]
    assert all(each["logprob"] <= 0 and each["top"] == 3 for each in saw["tokens"])


def test_an_answer_ends_at_the_token_limit(story: Story) -> None:
    assert story["token_limit"] == {"finish_reason": "length", "output_tokens": 5}


def test_embeddings_are_the_same_in_every_form(story: Story) -> None:
    saw = story["embeddings"]
    assert len(saw["float"]) == 384
    for other in (saw["base64"], saw["default"][0]):
        assert other == pytest.approx(saw["float"], abs=1e-6)
    assert math.isclose(sum(value * value for value in saw["float"]), 1, abs_tol=1e-3)
    assert saw["default"][1] != saw["default"][0]
    assert saw["input_tokens"] > 0


def test_responses_are_kept_followed_and_deleted(story: Story) -> None:
    saw = story["responses"]
    assert saw["text"]
    assert saw["status"] in ("completed", "incomplete")
    assert saw["kept"] == saw["text"]
    assert saw["follows"]
    first, second = saw["usage"]
    assert second["input_tokens"] > first["input_tokens"] > 0
    assert saw["input_items"] == 1
    assert (saw["deleted"]["type"], saw["deleted"]["status"]) == ("NotFoundError", 404)


def test_events_of_a_response_come_in_order(story: Story) -> None:
    saw = story["responses_stream"]
    assert saw["types"][:4] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
    ]
    assert saw["types"][-1] in ("response.completed", "response.incomplete")
    assert saw["numbers"] == sorted(set(saw["numbers"]))
    assert saw["text"] == saw["final"] != ""


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("wrong_key", ("AuthenticationError", 401, "invalid_api_key")),
        ("unknown_model", ("NotFoundError", 404, "model_not_found")),
        ("unknown_model_in_a_stream", ("NotFoundError", 404, "model_not_found")),
        ("too_long", ("BadRequestError", 400, "context_length_exceeded")),
        ("image", ("BadRequestError", 400, "unsupported_content")),
        ("no_tokens", ("BadRequestError", 400, "invalid_value")),
        ("wrong_operation", ("BadRequestError", 400, "unsupported_operation")),
        ("too_many_dimensions", ("BadRequestError", 400, "invalid_value")),
    ],
)
def test_refusals_are_the_errors_the_client_knows(
    story: Story, asked: str, expected: tuple[str, int, str]
) -> None:
    saw = story["refusals"][asked]
    assert (saw["type"], saw["status"], saw["code"]) == expected
    # A stranger is nobody's, so there is no request log with an entry to name.
    expected_id = "" if asked == "wrong_key" else r"req_[0-9a-f]{32}"
    assert re.fullmatch(expected_id, saw["request_id"] or "")


def test_the_client_waits_as_long_as_it_is_told_and_is_admitted(story: Story) -> None:
    saw = story["patience"]
    assert saw["refused"]["code"] == "rate_limit_exceeded"
    expect_rate_limit(saw["refused"]["headers"])
    # One more try and no other: what `retry-after-ms` said was enough.
    assert (saw["retries"], saw["vectors"]) == (1, 1)


def test_a_stream_that_is_hung_up_on_is_cancelled(story: Story, tls_platform: TlsPlatform) -> None:
    saw = story["hang_up"]
    assert saw["pieces"] == 5
    assert tls_platform.await_outcome(saw["request_id"]) == "cancelled"


# The asynchronous client.


def test_async_answers_come(async_story: Story) -> None:
    assert set(async_story["models"]["ids"]) == {CHAT_MODEL, EMBEDDINGS_MODEL}
    assert async_story["chat"]["text"]
    assert async_story["embeddings"]["lengths"] == [384, 384]


def test_async_streams_run_side_by_side(async_story: Story) -> None:
    texts = async_story["side_by_side"]["texts"]
    assert len(texts) == 6
    assert all(texts)


def test_async_responses_are_kept_and_followed(async_story: Story) -> None:
    saw = async_story["responses"]
    assert saw["kept"] == saw["text"] != ""
    assert saw["last"] in ("response.completed", "response.incomplete")


def test_a_response_in_the_background_is_cancelled(async_story: Story) -> None:
    saw = async_story["background"]
    assert saw["status"] in ("queued", "in_progress")
    assert saw["cancelled"] == "cancelled"


def test_async_refusals_are_the_errors_the_client_knows(async_story: Story) -> None:
    assert async_story["refusals"] == {
        "wrong_key": {"type": "AuthenticationError", "code": "invalid_api_key"},
        "unknown_model": {"type": "NotFoundError", "code": "model_not_found"},
    }


def test_two_that_wait_side_by_side_are_both_admitted(async_story: Story) -> None:
    saw = async_story["patience"]
    assert saw["refused"]["code"] == "rate_limit_exceeded"
    expect_rate_limit(saw["refused"]["headers"])
    assert saw["retries"] >= 1


def test_the_stream_of_a_cancelled_task_is_cancelled(
    async_story: Story, tls_platform: TlsPlatform
) -> None:
    saw = async_story["cancelled_task"]
    assert saw["was_cancelled"]
    assert tls_platform.await_outcome(saw["request_id"]) == "cancelled"


# As a client of Azure OpenAI.


def test_azure_calls_go_to_the_path_of_a_deployment_with_a_key_of_their_own(
    azure_story: Story,
) -> None:
    saw = azure_story["chat"]
    assert saw["path"] == f"/openai/deployments/{CHAT_MODEL}/chat/completions"
    assert "api-key" in saw["headers"]
    assert "authorization" not in saw["headers"]
    assert (saw["model"], saw["usage"]["completion_tokens"]) == (CHAT_MODEL, 8)


@pytest.mark.parametrize(
    "way",
    [
        "no_such_version", "preview", "latest", "token", "token_provider", "deployment",
        "other_case", "v1",
    ],
)  # fmt: skip
def test_azure_clients_get_the_same_answer_however_they_are_configured(
    azure_story: Story, way: str
) -> None:
    assert azure_story["other_ways_in"][way] == azure_story["chat"]["text"] != ""


def test_azure_streams_tools_and_embeddings(azure_story: Story) -> None:
    text = azure_story["chat"]["text"]
    assert azure_story["stream"] == {"text": text, "output_tokens": 8}
    assert azure_story["asynchronous"] == {"text": text, "length": 384}
    assert azure_story["forced_tool"]["name"] == "book_berth"
    assert isinstance(azure_story["forced_tool"]["arguments"]["nights"], int)
    assert azure_story["embeddings"]["length"] == 384


def test_azure_paths_without_a_deployment(azure_story: Story) -> None:
    saw = azure_story["without_deployment"]
    assert set(saw["models"]) == {CHAT_MODEL, EMBEDDINGS_MODEL}
    assert saw["kept"] == saw["text"] != ""


def test_azure_refusals_have_the_codes_of_azure(azure_story: Story) -> None:
    saw = azure_story["refusals"]
    refusals = {asked: (each["type"], each["code"]) for asked, each in saw.items()}
    assert refusals == {
        "wrong_key": ("AuthenticationError", "401"),
        "unknown_deployment": ("NotFoundError", "DeploymentNotFound"),
        "no_tokens": ("BadRequestError", "invalid_value"),
    }


def test_azure_clients_wait_as_long_as_they_are_told(azure_story: Story) -> None:
    saw = azure_story["patience"]
    assert saw["refused"]["code"] == "429"
    expect_rate_limit(saw["refused"]["headers"])
    assert saw["retries"] == 1
