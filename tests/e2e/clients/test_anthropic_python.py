"""The official Anthropic client, against a model that is not its maker's."""

import re
from collections.abc import Callable
from itertools import groupby
from pathlib import Path

import pytest

from tests.e2e.clients.expectations import expect_berth, expect_rate_limit
from tests.e2e.clients.tls_platform import STORIES, Story, TlsPlatform
from tests.e2e.conftest import CHAT_MODEL, EMBEDDINGS_MODEL

pytestmark = [pytest.mark.platform, pytest.mark.timeout(900), pytest.mark.enable_socket]


@pytest.fixture(scope="module")
def story(tls_platform: TlsPlatform, python_of: Callable[[str], Path]) -> Story:
    return tls_platform.tell([python_of("anthropic"), STORIES / "anthropic_story.py"])


def test_a_message(story: Story) -> None:
    saw = story["message"]
    assert saw["kind"] == ["message", "assistant", CHAT_MODEL]
    assert saw["blocks"] == ["text"]
    assert saw["text"]
    assert saw["stop_reason"] in ("end_turn", "max_tokens")
    usage = saw["usage"]
    assert usage["input_tokens"] + usage["cache_read_input_tokens"] > 10
    assert 0 < usage["output_tokens"] <= 16
    assert re.fullmatch(r"req_[0-9a-f]{32}", saw["request_id"])


def test_events_of_a_stream_come_in_their_order(story: Story) -> None:
    saw = story["stream_events"]
    assert [kind for kind, _ in groupby(saw["types"]) if kind != "ping"] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert saw["types"].count("content_block_delta") > 3
    message = story["message"]
    assert saw["text"] == message["text"]
    assert saw["stop_reason"] == message["stop_reason"]
    assert saw["output_tokens"] == message["usage"]["output_tokens"]


def test_the_streaming_helper_accumulates_the_same_message(story: Story) -> None:
    saw = story["stream_helper"]
    assert saw["text"] == saw["final"] == story["message"]["text"]
    assert saw["usage"]["output_tokens"] == story["message"]["usage"]["output_tokens"]


@pytest.mark.parametrize("chapter", ["forced_tool", "streamed_tool"])
def test_a_forced_tool_is_used_with_what_its_schema_asks_for(story: Story, chapter: str) -> None:
    saw = story[chapter]
    assert (saw["name"], saw["stop_reason"]) == ("book_berth", "tool_use")
    expect_berth(saw["input"])


def test_the_input_of_a_tool_is_streamed(story: Story) -> None:
    assert "input_json" in story["streamed_tool"]["types"]


def test_a_conversation_goes_on_after_tools(story: Story) -> None:
    assert story["forced_tool"]["then"] == ["text"]
    assert story["parallel_tools"]["stop_reason"] in ("end_turn", "max_tokens", "tool_use")


def test_a_message_ends_before_a_stop_sequence(story: Story) -> None:
    saw = story["stop_sequences"]
    assert saw["text"] == saw["expected"]
    # The engine does not tell which of its ends it was; where a host does, the client hears of it.
    assert (saw["stop_reason"], saw["stop_sequence"]) in (
        ("end_turn", None),
        ("stop_sequence", saw["word"]),
    )


def test_a_message_ends_at_the_token_limit(story: Story) -> None:
    assert story["token_limit"] == {"stop_reason": "max_tokens", "output_tokens": 5}


def test_tokens_are_counted(story: Story) -> None:
    saw = story["count_tokens"]
    assert 0 < saw["short"] < saw["long"]


def test_the_models_are_listed(story: Story) -> None:
    assert set(story["models"]["ids"]) == {CHAT_MODEL, EMBEDDINGS_MODEL}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("wrong_key", ("AuthenticationError", 401, "authentication_error")),
        ("unknown_model", ("NotFoundError", 404, "not_found_error")),
        ("too_long", ("BadRequestError", 400, "invalid_request_error")),
        ("image", ("BadRequestError", 400, "invalid_request_error")),
        ("no_tokens", ("BadRequestError", 400, "invalid_request_error")),
        ("no_messages", ("BadRequestError", 400, "invalid_request_error")),
    ],
)
def test_refusals_are_the_errors_the_client_knows(
    story: Story, asked: str, expected: tuple[str, int, str]
) -> None:
    saw = story["refusals"][asked]
    assert (saw["type"], saw["status"], saw["kind"]) == expected
    expected_id = "" if asked == "wrong_key" else r"req_[0-9a-f]{32}"
    assert re.fullmatch(expected_id, saw["request_id"] or "")


def test_the_client_waits_as_long_as_it_is_told_and_is_admitted(story: Story) -> None:
    saw = story["patience"]
    expect_rate_limit(saw["refused"]["headers"])
    assert (saw["retries"], saw["type"]) == (1, "message")


def test_a_stream_that_is_hung_up_on_is_cancelled(story: Story, tls_platform: TlsPlatform) -> None:
    saw = story["hang_up"]
    assert saw["pieces"] == 5
    assert tls_platform.await_outcome(saw["request_id"]) == "cancelled"


def test_the_asynchronous_client_gets_the_same(story: Story) -> None:
    saw = story["asynchronous"]
    assert saw["stream"] == saw["text"] != ""
