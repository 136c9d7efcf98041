"""The official client of Azure AI Model Inference, over TLS with an authority of our own."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.clients.expectations import expect_berth, expect_berth_of_two, expect_rate_limit
from tests.e2e.clients.tls_platform import STORIES, Story, TlsPlatform
from tests.e2e.conftest import CHAT_MODEL, EMBEDDINGS_MODEL

pytestmark = [pytest.mark.platform, pytest.mark.timeout(900), pytest.mark.enable_socket]


@pytest.fixture(scope="module")
def story(tls_platform: TlsPlatform, python_of: Callable[[str], Path]) -> Story:
    return tls_platform.tell(
        [python_of("azure-ai-inference"), STORIES / "azure_ai_inference_story.py"]
    )


def test_models_tell_what_they_are(story: Story) -> None:
    saw = story["model_info"]
    assert saw["chat"] == [CHAT_MODEL, "chat-completion", "huggingfacetb"]
    assert saw["embeddings"] == [EMBEDDINGS_MODEL, "embeddings"]


def test_a_whole_answer(story: Story) -> None:
    saw = story["chat"]
    assert saw["model"] == CHAT_MODEL
    assert saw["text"]
    assert saw["finish_reason"] in ("stop", "length")
    input_tokens, output_tokens = saw["usage"]
    assert input_tokens > 10
    assert 0 < output_tokens <= 16


def test_the_only_chat_model_need_not_be_named(story: Story) -> None:
    saw = story["chat_without_a_model"]
    assert saw == {"model": CHAT_MODEL, "text": story["chat"]["text"]}


def test_a_stream_says_the_same_piece_by_piece(story: Story) -> None:
    saw = story["stream"]
    assert saw["text"] == story["chat"]["text"]
    assert saw["pieces"] > 3
    assert saw["finish_reasons"] == [story["chat"]["finish_reason"]]


def test_a_forced_tool_is_called_with_what_its_schema_asks_for(story: Story) -> None:
    saw = story["forced_tool"]
    assert (saw["name"], saw["finish_reason"]) == ("book_berth", "tool_calls")
    expect_berth(saw["arguments"])
    assert saw["then"]


def test_a_conversation_with_parallel_calls_goes_on(story: Story) -> None:
    assert story["parallel_tools"]["finish_reason"] in ("stop", "length", "tool_calls")


def test_answers_fit_the_schema_that_was_asked_for(story: Story) -> None:
    expect_berth_of_two(story["json_schema"]["parsed"])


def test_extra_parameters_are_passed_dropped_or_refused_as_the_client_says(story: Story) -> None:
    saw = story["model_extras"]
    assert (saw["choices"], saw["logprobs"]) == (2, 4)
    assert saw["dropped"] in ("stop", "length")
    assert (saw["refused"]["status"], saw["refused"]["code"]) == (422, "parameter_not_supported")
    assert "no_such_member" in saw["refused"]["message"]


def test_an_answer_ends_before_a_stop_word(story: Story) -> None:
    assert story["stop"]["text"] == story["stop"]["expected"]


def test_embeddings(story: Story) -> None:
    saw = story["embeddings"]
    assert saw["lengths"] == [384, 384]
    assert saw["packed"] == "str"
    assert saw["input_tokens"] > 0
    assert saw["without_a_model"] == 384


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("wrong_key", ("ClientAuthenticationError", 401, "invalid_api_key")),
        ("unknown_model", ("ResourceNotFoundError", 404, "model_not_found")),
        ("too_long", ("HttpResponseError", 400, "context_length_exceeded")),
        ("image", ("HttpResponseError", 400, "unsupported_content")),
        ("no_tokens", ("HttpResponseError", 400, "invalid_value")),
    ],
)
def test_refusals_are_the_errors_the_client_knows(
    story: Story, asked: str, expected: tuple[str, int, str]
) -> None:
    saw = story["refusals"][asked]
    assert (saw["type"], saw["status"], saw["code"]) == expected
    assert {"status", "code", "message", "error"} <= set(saw["members"])


def test_the_client_waits_as_long_as_it_is_told_and_is_admitted(story: Story) -> None:
    saw = story["patience"]
    assert saw["refused"]["status"] == 429
    expect_rate_limit(saw["refused"]["headers"])
    assert saw["tries"] == [429, 200]
    assert saw["vectors"] == 1


def test_a_stream_that_is_hung_up_on_is_cancelled(story: Story, tls_platform: TlsPlatform) -> None:
    saw = story["hang_up"]
    assert saw["pieces"] == 5
    assert tls_platform.await_outcome(saw["request_id"]) == "cancelled"
