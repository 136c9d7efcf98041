"""The official Gemini client, against models that are not its maker's."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.clients.expectations import expect_berth, expect_berth_of_two, expect_rate_limit
from tests.e2e.clients.tls_platform import STORIES, Story, TlsPlatform
from tests.e2e.conftest import CHAT_MODEL, EMBEDDINGS_MODEL

pytestmark = [pytest.mark.platform, pytest.mark.timeout(900), pytest.mark.enable_socket]


@pytest.fixture(scope="module")
def story(tls_platform: TlsPlatform, python_of: Callable[[str], Path]) -> Story:
    return tls_platform.tell([python_of("google-genai"), STORIES / "google_genai_story.py"])


def test_the_models_are_listed(story: Story) -> None:
    saw = story["models"]
    assert set(saw["names"]) == {f"models/{CHAT_MODEL}", f"models/{EMBEDDINGS_MODEL}"}
    assert saw["one"] == [f"models/{CHAT_MODEL}", 8192]


def test_a_whole_answer(story: Story) -> None:
    saw = story["content"]
    assert saw["model"] == CHAT_MODEL
    assert saw["text"]
    assert saw["finish_reason"] in ("STOP", "MAX_TOKENS")
    input_tokens, output_tokens, total_tokens = saw["usage"]
    assert total_tokens == input_tokens + output_tokens
    assert 0 < output_tokens <= 16


def test_a_stream_says_the_same_piece_by_piece(story: Story) -> None:
    saw = story["stream"]
    assert saw["text"] == story["content"]["text"]
    assert saw["pieces"] > 3
    assert saw["finish_reason"] == story["content"]["finish_reason"]
    assert saw["output_tokens"] == story["content"]["usage"][1]


def test_a_conversation_grows(story: Story) -> None:
    saw = story["chat"]
    assert all(saw["texts"])
    assert saw["input_tokens"][1] > saw["input_tokens"][0]


def test_a_forced_function_is_called_with_what_its_schema_asks_for(story: Story) -> None:
    saw = story["forced_tool"]
    assert saw["name"] == "book_berth"
    expect_berth(saw["arguments"])
    assert saw["then"]


def test_answers_fit_the_schema_that_was_asked_for(story: Story) -> None:
    expect_berth_of_two(story["json_schema"]["parsed"])


def test_two_candidates_are_two_answers(story: Story) -> None:
    texts = story["two_candidates"]["texts"]
    assert len(texts) == 2
    assert all(texts)


def test_an_answer_ends_before_a_stop_sequence(story: Story) -> None:
    saw = story["stop_sequences"]
    assert (saw["text"], saw["finish_reason"]) == (saw["expected"], "STOP")


def test_an_answer_ends_at_the_token_limit(story: Story) -> None:
    assert story["token_limit"] == {"finish_reason": "MAX_TOKENS", "output_tokens": 5}


def test_log_probabilities_are_those_of_the_answer(story: Story) -> None:
    saw = story["logprobs"]
    assert "".join(saw["tokens"]) == saw["text"]


def test_tokens_are_counted(story: Story) -> None:
    assert story["count_tokens"]["tokens"] > 0


def test_embeddings(story: Story) -> None:
    assert story["embeddings"]["lengths"] == [384, 384]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("wrong_key", ("ClientError", 401, "UNAUTHENTICATED")),
        ("unknown_model", ("ClientError", 404, "NOT_FOUND")),
        ("too_long", ("ClientError", 400, "INVALID_ARGUMENT")),
        ("image", ("ClientError", 400, "INVALID_ARGUMENT")),
        ("wrong_operation", ("ClientError", 400, "INVALID_ARGUMENT")),
    ],
)
def test_refusals_are_the_errors_the_client_knows(
    story: Story, asked: str, expected: tuple[str, int, str]
) -> None:
    saw = story["refusals"][asked]
    assert (saw["type"], saw["status"], saw["kind"]) == expected


def test_the_client_tries_again_until_it_is_admitted(story: Story) -> None:
    saw = story["patience"]
    assert (saw["refused"]["status"], saw["refused"]["kind"]) == (429, "RESOURCE_EXHAUSTED")
    expect_rate_limit(saw["refused"]["headers"])
    assert saw["vectors"] == 1


def test_a_stream_that_is_hung_up_on_is_cancelled(story: Story, tls_platform: TlsPlatform) -> None:
    assert tls_platform.await_outcome(story["hang_up"]["request_id"]) == "cancelled"


def test_the_asynchronous_client_gets_the_same(story: Story) -> None:
    text = story["content"]["text"]
    assert story["asynchronous"] == {"text": text, "stream": text}
