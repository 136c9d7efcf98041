import asyncio
import base64
import json
import struct
from typing import Any

import pytest

from tests.plugins.engines.asking import PATIENCE_S, ask, chat
from tests.plugins.engines.fake_replicas import FakeReplicas
from tradewind.plugins.engines.base import Launch
from tradewind.plugins.engines.fake_answers import answer_words, count_tokens, embedding
from tradewind.snapshot.contents import Operation

CHAT = "/v1/chat/completions"


def words(text: str, count: int = 8) -> str:
    return "".join(answer_words(text, count))


def deltas(events: list[str]) -> str:
    texts = [
        choice["delta"].get("content", "")
        for event in events
        if event != "[DONE]"
        for choice in json.loads(event)["choices"]
    ]
    return "".join(texts)


def streamed(text: str, **fields: Any) -> dict[str, Any]:
    return chat(text, stream=True, stream_options={"include_usage": True}, **fields)


async def test_all_it_answers_is_as_documented(fakes: FakeReplicas):
    # One replica for many questions: starting one costs more than asking all of them.
    launch, _ = fakes.ready()
    whole(launch)
    stream(launch)
    usage_faults(launch)
    refusals(launch)
    await cut_streams(launch)
    await pipelined_requests(launch)
    await cancelled_stream(launch)


def whole(launch: Launch) -> None:
    question = "why is the sky blue"
    answer = ask(launch, CHAT, chat(question)).json()
    [choice] = answer["choices"]
    assert choice["message"]["content"] == words(question)
    assert choice["finish_reason"] == "stop"
    assert answer["usage"]["prompt_tokens"] == count_tokens(question) == 5
    assert answer["usage"]["completion_tokens"] == 8
    assert ask(launch, CHAT, chat(question)).json() == answer, "the same question, the same answer"
    short = ask(launch, CHAT, chat(question, max_tokens=2, n=3)).json()
    assert [c["message"]["content"] for c in short["choices"]] == [words(question, 2)] * 3
    assert {c["finish_reason"] for c in short["choices"]} == {"length"}
    assert short["usage"]["completion_tokens"] == 6
    assert json.loads(ask(launch, "/fake/last").body)["n"] == 3
    [card] = ask(launch, "/v1/models").json()["data"]
    assert card["id"] == "publisher/model"


def stream(launch: Launch) -> None:
    events = ask(launch, CHAT, streamed("tell me [[tokens=40]]")).events()
    assert events[-1] == "[DONE]"
    assert json.loads(events[-2])["usage"]["completion_tokens"] == 40
    assert json.loads(events[-3])["choices"][0]["finish_reason"] == "stop"
    assert deltas(events) == words("tell me [[tokens=40]]", 40)
    assert len(events) == 1 + 40 + 1 + 1 + 1
    huge = ask(launch, CHAT, streamed("[[tokens=300]] [[word_bytes=10000]]")).events()
    assert len(deltas(huge)) == 300 * 10_000 + 299


def usage_faults(launch: Launch) -> None:
    assert "usage" not in ask(launch, CHAT, chat("[[no_usage]]")).json()
    assert b'"usage"' not in ask(launch, CHAT, streamed("[[no_usage]]")).body
    late = ask(launch, CHAT, streamed("[[late_usage]]")).events()
    assert late[-2] == "[DONE]"
    assert "usage" in json.loads(late[-1])
    assert "[DONE]" not in ask(launch, CHAT, streamed("[[no_done]]")).events()
    cached = ask(launch, CHAT, chat("[[cached=2]] three words"))
    assert cached.json()["usage"]["prompt_tokens_details"] == {"cached_tokens": 2}
    garbage = ask(launch, CHAT, streamed("[[garbage_after=1]]"))
    assert b'data: {"choices":[{"index":0,"del\xff\n\n' in garbage.body


def refusals(launch: Launch) -> None:
    assert ask(launch, CHAT, chat("[[status=500]]")).status == 500
    assert ask(launch, CHAT, {**chat("hello"), "model": "m[[status=429]]"}).status == 429
    assert ask(launch, CHAT, chat("word " * 2000)).json()["error"]["code"] == (
        "context_length_exceeded"
    )
    assert ask(launch, CHAT, {"messages": "text"}).status == 400
    assert ask(launch, CHAT, ["a list"]).status == 400
    assert ask(launch, "/v1/embeddings", {"input": "a"}).status == 501
    assert ask(launch, "/nowhere").status == 404
    assert ask(launch, "/fake/stats", key="wrong").status == 401
    assert ask(launch, "/health", key="wrong").status == 200


async def exchange(launch: Launch, *bodies: dict[str, Any]) -> bytes:
    """Send requests at once on one connection and read until it is closed."""
    reader, writer = await asyncio.open_unix_connection(launch.address)
    for number, body in enumerate(bodies):
        content = json.dumps(body).encode()
        last = "close" if number == len(bodies) - 1 else "keep-alive"
        head = (
            f"POST {CHAT} HTTP/1.1\r\nauthorization: Bearer {launch.credential}\r\n"
            f"connection: {last}\r\ncontent-length: {len(content)}\r\n\r\n"
        )
        writer.write(head.encode() + content)
    async with asyncio.timeout(PATIENCE_S):
        received = await reader.read()
    writer.close()
    await writer.wait_closed()
    return received


async def cut_streams(launch: Launch) -> None:
    cut = await exchange(launch, streamed("[[cut_after=3]]"))
    assert cut.count(b'"content":') == 1 + 3
    assert not cut.endswith(b"0\r\n\r\n")
    half = await exchange(launch, chat("[[cut_after=3]]"))
    head, _, body = half.partition(b"\r\n\r\n")
    assert len(body) < int(head.split(b"content-length: ")[1].split(b"\r\n")[0])


async def pipelined_requests(launch: Launch) -> None:
    received = await exchange(launch, streamed("first"), chat("second"), chat("third"))
    assert received.count(b"HTTP/1.1 200") == 3
    assert words("third").encode() in received.rpartition(b"\r\n\r\n")[2]


async def cancelled_stream(launch: Launch) -> None:
    """A client that hangs up stops the generation, and it is counted."""
    reader, writer = await asyncio.open_unix_connection(launch.address)
    content = json.dumps(streamed("[[tokens=100]] [[hang_after=2]]")).encode()
    head = f"POST {CHAT} HTTP/1.1\r\nauthorization: Bearer {launch.credential}\r\n"
    writer.write(head.encode() + b"content-length: %d\r\n\r\n%b" % (len(content), content))
    async with asyncio.timeout(PATIENCE_S):
        await reader.readuntil(b'"content":"')
        before = (await asyncio.to_thread(ask, launch, "/fake/stats")).json()
        assert before["in_flight"] == 1
        writer.close()
        await writer.wait_closed()
        while (stats := (await asyncio.to_thread(ask, launch, "/fake/stats")).json())["in_flight"]:
            await asyncio.sleep(0)
    assert stats["cancelled"] == before["cancelled"] + 1


def test_embeddings_are_of_length_one_and_of_the_text_alone(fakes: FakeReplicas):
    launch, _ = fakes.ready("--dimensions", "16", operation=Operation.EMBEDDINGS)
    answer = ask(launch, "/v1/embeddings", {"input": ["one text", "another"]}).json()
    vectors = [item["embedding"] for item in answer["data"]]
    assert answer["usage"]["prompt_tokens"] == 3
    assert vectors[0] == pytest.approx(embedding("one text", 16))
    assert sum(x * x for x in vectors[0]) == pytest.approx(1.0)
    assert vectors[0] != vectors[1]
    raw = ask(launch, "/v1/embeddings", {"input": "one text", "encoding_format": "base64"}).json()
    packed = base64.b64decode(raw["data"][0]["embedding"])
    assert struct.unpack("<16f", packed) == pytest.approx(vectors[0])
    ids = ask(launch, "/v1/embeddings", {"input": [[1, 2, 3], [4]]}).json()
    assert ids["usage"]["prompt_tokens"] == 4
    for wrong in ({"input": ""}, {"input": []}, {"input": 5}, {}):
        assert ask(launch, "/v1/embeddings", wrong).status == 400


def test_fault_for_every_request_is_set_at_the_start(fakes: FakeReplicas):
    launch, _ = fakes.ready("--fault", "[[tokens=3]]")
    assert ask(launch, CHAT, chat("hello")).json()["usage"]["completion_tokens"] == 3
