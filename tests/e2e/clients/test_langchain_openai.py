"""LangChain's integration of OpenAI."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.clients.expectations import expect_berth, expect_berth_of_two, expect_rate_limit
from tests.e2e.clients.tls_platform import STORIES, Story, TlsPlatform
from tests.e2e.conftest import CHAT_MODEL

pytestmark = [pytest.mark.platform, pytest.mark.timeout(900), pytest.mark.enable_socket]


@pytest.fixture(scope="module")
def story(tls_platform: TlsPlatform, python_of: Callable[[str], Path]) -> Story:
    return tls_platform.tell([python_of("langchain-openai"), STORIES / "langchain_openai_story.py"])


def test_a_whole_answer(story: Story) -> None:
    saw = story["invoke"]
    assert saw["text"]
    assert saw["model"] == CHAT_MODEL
    assert saw["finish_reason"] in ("stop", "length")
    assert 0 < saw["usage"]["output_tokens"] <= 16


def test_a_stream_says_the_same_piece_by_piece_and_ends_with_usage(story: Story) -> None:
    saw, whole = story["stream"], story["invoke"]
    assert saw["pieces"] > 3
    assert saw["text"] == whole["text"]
    assert saw["finish_reason"] == whole["finish_reason"]
    assert saw["usage"]["output_tokens"] == whole["usage"]["output_tokens"]


def test_a_bound_tool_is_called_and_its_result_is_taken(story: Story) -> None:
    saw = story["bind_tools"]
    assert saw["name"] == "book_berth"
    expect_berth(saw["arguments"])
    assert saw["then"]


def test_a_conversation_with_parallel_calls_goes_on(story: Story) -> None:
    assert story["parallel_tools"]["finish_reason"] in ("stop", "length", "tool_calls")


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_structured_output_fits_its_model(story: Story, method: str) -> None:
    expect_berth_of_two(story["structured_output"][method])


def test_a_batch_is_answered_in_full(story: Story) -> None:
    texts = story["batch"]["texts"]
    assert len(texts) == 4
    assert all(texts)


def test_stop_words_and_log_probabilities(story: Story) -> None:
    saw = story["options"]
    assert saw["stopped"] == saw["expected"]
    assert saw["logprobs"] == 4


def test_the_responses_api_says_the_same(story: Story) -> None:
    saw, text = story["responses_api"], story["invoke"]["text"]
    assert (saw["text"], saw["stream"]) == (text, text)
    assert saw["id"].startswith("resp_")


def test_embeddings(story: Story) -> None:
    assert story["embeddings"]["lengths"] == [384, 384, 384]


def test_its_azure_class_says_the_same(story: Story) -> None:
    assert story["azure"]["text"] == story["invoke"]["text"]


@pytest.mark.parametrize(
    ("asked", "kind", "code"),
    [
        ("wrong_key", "ModelAuthenticationError", "invalid_api_key"),
        ("unknown_model", "ModelNotFoundError", "model_not_found"),
        ("too_long", "ContextOverflowError", "context_length_exceeded"),
    ],
)
def test_refusals_are_the_errors_it_knows(story: Story, asked: str, kind: str, code: str) -> None:
    saw = story["refusals"][asked]
    assert kind in saw["is_a"]
    assert saw["code"] == code


def test_it_waits_as_long_as_it_is_told_and_is_admitted(story: Story) -> None:
    saw = story["patience"]
    assert saw["refused"]["code"] == "rate_limit_exceeded"
    expect_rate_limit(saw["refused"]["headers"])
    assert saw["text"]


def test_asynchronous_calls_are_answered(story: Story) -> None:
    saw = story["asynchronous"]
    # Side by side they are computed as one batch, which may round otherwise than one alone.
    assert len(saw["texts"]) == 3
    assert all(saw["texts"])
    assert saw["stream"] == story["invoke"]["text"]
