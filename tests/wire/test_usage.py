import json

import pytest
from msgspec import Raw

from tradewind.wire.chat import StreamUsage, WireUsage, usage_of_event, usage_of_members

USAGE = {"prompt_tokens": 5, "completion_tokens": 0, "total_tokens": 5}
SAID = WireUsage(5, 0, total_tokens=5)


def event(**members):
    return usage_of_event(json.dumps(members).encode())


def test_an_event_with_usage_and_no_choices_is_usage_only():
    assert event(choices=[], usage=USAGE) == StreamUsage(SAID, is_usage_only=True)
    assert event(usage=USAGE).is_usage_only


def test_an_event_with_usage_and_choices_is_for_the_client_too():
    found = event(choices=[{"index": 0}], usage=USAGE)
    assert found == StreamUsage(SAID, is_usage_only=False)


@pytest.mark.parametrize("members", [{"choices": []}, {"usage": None}, {}])
def test_an_event_without_usage_says_nothing(members):
    assert event(**members) == StreamUsage(None, is_usage_only=False)


def test_zero_is_not_missing():
    assert usage_of_members({"usage": Raw(b'{"prompt_tokens":0}')}) == WireUsage(0, None)
    assert usage_of_members({"usage": Raw(b"{}")}) == WireUsage(None, None)
    assert usage_of_members({"usage": Raw(b"null")}) is None
    assert usage_of_members({}) is None


def test_cached_tokens_are_found():
    usage = Raw(b'{"prompt_tokens":9,"prompt_tokens_details":{"cached_tokens":4,"x":1}}')
    found = usage_of_members({"usage": usage})
    assert found is not None
    assert found.prompt_tokens_details is not None
    assert found.prompt_tokens_details.cached_tokens == 4


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[DONE]",
        b"not json",
        b"[]",
        b'{"usage":5}',
        b'{"usage":{"prompt_tokens":-1}}',
        b'{"usage":{"prompt_tokens":"5"}}',
        b'{"usage":{"prompt_tokens":1.5}}',
        b'{"usage":{"completion_tokens":' + b"9" * 5000 + b"}}",
        b'{"usage":{"prompt_tokens":1},"\xff":"\xff"',
        b"[" * 200_000,
    ],
    ids=lambda raw: repr(raw[:40]),
)
def test_garbage_says_nothing_and_raises_nothing(raw):
    assert usage_of_event(raw) == StreamUsage(None, is_usage_only=False)


@pytest.mark.parametrize(
    "member",
    [
        b"5",
        b"[]",
        b'{"prompt_tokens":-1}',
        b'{"prompt_tokens":"5"}',
        b'{"prompt_tokens":1.5}',
        b'{"completion_tokens":' + b"9" * 5000 + b"}",
    ],
    ids=lambda member: repr(member[:40]),
)
def test_a_usage_that_is_none_is_missing(member):
    assert usage_of_members({"usage": Raw(member)}) is None
