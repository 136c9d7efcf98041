"""Bodies and queries that have broken parsers elsewhere, at every route of the data plane."""

import asyncio
import json

import pytest

from tests.fuzz.gateways import PATHS, every_operation
from tradewind.gateway.routes import addresses

MOST_ANSWER_BYTES = 128 * 1024
"""The longest is the description of the API; nothing may be made long by what was asked."""
DEEP = 100_000
HUGE = 10**400
BODIES = {
    "nothing": b"",
    "a NUL": b"\0",
    "a number": b"1",
    "null": b"null",
    "an array": b"[]",
    "an empty object": b"{}",
    "a lone surrogate": b'{"model": "\\ud800", "messages": [{"content": "\\udfff"}]}',
    "bad UTF-8": b'{"model": "tw/chat", "messages": [{"role": "user", "content": "\xff\xfe"}]}',
    "an overlong UTF-8": b'{"model": "\xc0\xaf", "input": "\xed\xa0\x80"}',
    "a byte order mark": b'\xef\xbb\xbf{"model": "tw/chat"}',
    "UTF-16": '{"model": "tw/chat"}'.encode("utf-16"),
    "deep arrays": b"[" * DEEP,
    "deep objects": b'{"a":' * DEEP,
    "deep within": b'{"model":"tw/chat","messages":[' + b"[" * DEEP + b"]" * DEEP + b"]}",
    "deep in what passes": b'{"model":"tw/chat","input":"x","messages":[{}],"x":'
    + b"[" * DEEP
    + b"]" * DEEP
    + b"}",
    "names given twice": b'{"model":"tw/chat","model":"none","messages":[],"messages":[{}]}',
    "not a number": b'{"model":"tw/chat","messages":[{}],"max_tokens":NaN,"n":Infinity}',
    "cut": b'{"model":"tw/chat","messages":[{"role":"us',
    "two": b'{"model":"tw/chat"}{"model":"tw/chat"}',
    "a hundred thousand members": json.dumps({str(n): n for n in range(100_000)}).encode(),
}
NUMBERS = [0, -1, 2**31, 2**63, 2**64, -(2**63) - 1, HUGE, 1e308, 0.5, True, "1", None, [], {}]
MEMBERS = [
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "n",
    "stream",
    "stream_options",
    "temperature",
    "dimensions",
    "top_n",
    "logprobs",
    "tools",
    "tool_choice",
    "response_format",
    "provider",
    "models",
    "messages",
    "input",
    "contents",
    "generationConfig",
    "previous_response_id",
    "metadata",
    "thinking",
    "system",
    "prompt",
    "documents",
]
QUERIES = [
    "limit=" + "9" * 5000,
    "limit=%D9%A3",
    "limit=-1",
    "order=%00",
    "after=" + "x" * 5000,
    "include[]=%FF",
    "stream=true&stream=false",
    "alt=sse&alt=json",
    "&".join(f"a{number}" for number in range(3000)),
    "key=" + "k" * 3000,
    "api-version=%FF%FE",
]
POSTS = sorted({address.path for address in addresses() if address.method == "POST"})
GETS = sorted({address.path for address in addresses() if address.method == "GET"})


@pytest.fixture
async def gateway(tmp_path):
    async with every_operation(tmp_path / "gateway") as running:
        body = json.dumps({"model": "tw/chat", "input": "Hi"}).encode()
        stored = await (await running.client()).call("POST", "/v1/responses", body)
        running.response_id = stored.json["id"]
        yield running
        assert await running.metric("tradewind_calls_in_flight") == 0


def filled(gateway, path):
    """Return a path that leads to what there is."""
    names = {
        "model": "tw%2Fchat",
        "deployment": "tw/chat",
        "response_id": gateway.response_id,
    }
    for name, value in names.items():
        path = path.replace(f"{{{name}}}", value)
    return path


async def refused_or_answered(gateway, method, path, body=b"", headers=()):
    """Ask on a fresh connection; an answer must come, and none may be our fault."""
    client = await gateway.client()
    answer = await asyncio.wait_for(client.call(method, path, body, headers=headers), 60)
    client.close()
    # No check here looks at pictures, which is what is said of each.
    is_fine = answer.status == 501 if "image:analyze" in path else answer.status < 500
    assert is_fine, (path, body[:200], answer.status, answer.body[:300])
    assert len(answer.body) < MOST_ANSWER_BYTES, path
    return answer


@pytest.mark.parametrize("name", BODIES)
async def test_a_hostile_body_is_refused_at_every_route(gateway, name):
    for path in POSTS:
        headers = [("content-type", "application/json")]
        await refused_or_answered(gateway, "POST", filled(gateway, path), BODIES[name], headers)
        form = [("content-type", "multipart/form-data; boundary=x")]
        if path.endswith(("edits", "transcriptions", "translations")):
            await refused_or_answered(gateway, "POST", filled(gateway, path), BODIES[name], form)


@pytest.mark.parametrize("member", MEMBERS)
async def test_a_hostile_value_is_refused_or_carried_at_every_route(gateway, member):
    base = {
        "messages": [{"role": "user", "content": "Hi"}],
        "input": "Hi",
        "prompt": "Hi",
        "max_tokens": 5,
        "query": "Hi",
        "documents": ["Hi"],
        "contents": [{"parts": [{"text": "Hi"}]}],
    }
    for ending, model in gateway.models.items():
        path = next(path for path in POSTS if path.endswith(ending) and "{" not in path)
        for value in NUMBERS:
            if "images/" in path and member == "stream" and value is True:
                continue  # the fake host streams none
            body = json.dumps(base | {"model": model, member: value}).encode()
            headers = [("content-type", "application/json")]
            await refused_or_answered(gateway, "POST", path, body, headers)
    assert set(gateway.models) == set(PATHS)


@pytest.mark.parametrize("number", range(len(QUERIES)))
async def test_a_hostile_query_is_refused_or_not_looked_at(gateway, number):
    for method, paths in (("GET", GETS), ("POST", POSTS)):
        for path in paths:
            asked = f"{filled(gateway, path)}?{QUERIES[number]}"
            await refused_or_answered(gateway, method, asked, b"{}" if method == "POST" else b"")
