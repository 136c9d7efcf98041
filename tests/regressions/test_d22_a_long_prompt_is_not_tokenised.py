"""D22: long prompts were tokenised or copied over and over on the request's path, so that one of
75 MB took 1.8 GB and tokenisers pinned the event loop (new-api#7361, litellm#6404).

Counted are calls of functions, not seconds: a prompt of 4 MB takes as many as one of 4 bytes, and
a hundred times the messages take not many more.
"""

import json
import sys
import tracemalloc

import pytest
from gateway_parts import MODEL, ask_for, whole_answer

from tradewind.gateway.dialects.openai import OpenAIChat
from tradewind.plugins.providers.registry import providers
from tradewind.snapshot.contents import Endpoint, Operation, Price, Target

MIB = 1024 * 1024
ENDPOINT = Endpoint(
    name=MODEL,
    operation=Operation.CHAT,
    publisher="tw",
    created_at_ms=1,
    context_tokens=10_000_000,
    max_output_tokens=2048,
    price=Price("price_1", "USD", 1, 2, 3),
    targets=(),
)


def calls_for(name, body):
    """Return how many functions, of Python and of C, are called to prepare a request."""
    provider = providers()[name]
    target = Target("dep", "rep", name, "127.0.0.1:1", "upstream-model", "key", options=OPTIONS)
    count = 0

    def note(frame, event, argument):
        nonlocal count
        count += event in ("call", "c_call")

    def prepare():
        inbound = OpenAIChat(body)
        request = inbound.request_for(ENDPOINT, provider.dialects, b"")
        return provider.prepare(request, target)

    prepare()  # whatever is made once is made
    sys.setprofile(note)
    try:
        prepared = prepare()
    finally:
        sys.setprofile(None)
    assert len(prepared.body) >= len(body) // 2
    return count


OPTIONS = {"api_version": "2024-10-21"}
PASSED_ON = ["openai_compatible", "openai", "azure_openai"]


def saying(text, times=1):
    return ask_for(messages=[{"role": "user", "content": text}] * times)


@pytest.mark.parametrize("name", PASSED_ON)
def test_a_prompt_of_megabytes_takes_no_more_calls_than_one_of_bytes(name):
    small, large = calls_for(name, saying("Hi. ")), calls_for(name, saying("Hi. " * MIB))
    assert large <= small + 10


@pytest.mark.parametrize("name", ["openai_compatible"])
def test_messages_are_not_walked_one_by_one_where_they_are_only_passed_on(name):
    few, many = calls_for(name, saying("Hi.", 2)), calls_for(name, saying("Hi.", 2_000))
    assert many <= few + 10


@pytest.mark.parametrize("name", ["anthropic", "llama_server", "mistral"])
def test_a_text_that_is_translated_is_not_walked_letter_by_letter(name):
    small, large = calls_for(name, saying("Hi. ")), calls_for(name, saying("Hi. " * MIB))
    assert large <= small + 50


def test_a_prompt_is_held_a_few_times_at_most():
    """The body, its undecoded members and what is sent: not a token list of objects."""
    body = saying("Hi. " * (2 * MIB))
    provider = providers()["openai_compatible"]
    target = Target("dep", "rep", "openai_compatible", "127.0.0.1:1", "upstream-model", "key")
    tracemalloc.start()
    try:
        inbound = OpenAIChat(body)
        prepared = provider.prepare(inbound.request_for(ENDPOINT, provider.dialects, b""), target)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(prepared.body) > 8 * MIB
    assert most < 3 * len(body)


async def test_a_host_gets_a_long_prompt_as_it_was_written(world, upstream):
    """Not even its spelling is changed: nothing was decoded and written anew."""
    text = "é\\u00e9 \\ud83d\\ude00" * 50_000
    raw = b'{"model":"tw/small","messages":[{"role":"user","content":"' + text.encode() + b'"}]}'

    async def script(call):
        assert text.encode() in call.body
        await call.answer(whole_answer())

    upstream.script = script
    answer = await (await world.client()).call("POST", "/v1/chat/completions", raw)
    assert answer.status == 200
    assert json.loads(upstream.calls[0].body)["model"] == "upstream-model"
