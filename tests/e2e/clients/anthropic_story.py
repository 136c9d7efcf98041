"""The official Anthropic client, from a message to a stream that is hung up on."""

# pyright: reportMissingImports=false
from collections.abc import Callable
from typing import Any

import anthropic
from anthropic import Anthropic, AsyncAnthropic
from chapters import (
    KEY,
    LIMITED_KEY,
    MODEL,
    MOST_CALLS_OF_A_MINUTE,
    PIXEL,
    TIMEOUT_S,
    TOO_LONG,
    URL,
    WRONG_KEY,
    before,
    chapter,
    tell,
)

client = Anthropic(base_url=URL, api_key=KEY, timeout=TIMEOUT_S, max_retries=0)

HELLO: Any = [{"role": "user", "content": "Say hello to the harbour master."}]
BOOK: Any = {
    "name": "book_berth",
    "description": "Book a berth in a harbour.",
    "input_schema": {
        "type": "object",
        "properties": {"harbour": {"type": "string"}, "nights": {"type": "integer"}},
        "required": ["harbour", "nights"],
    },
}
# The newest client has no argument for it any more, but other models than its maker's know it.
SAME_EVERY_TIME = {"temperature": 0}


def refusal(call: Callable[[], object]) -> dict[str, Any]:
    try:
        call()
    except anthropic.APIStatusError as error:
        body: Any = error.body
        return {
            "type": type(error).__name__,
            "status": error.status_code,
            "kind": body["error"]["type"],
            "request_id": error.request_id,
        }
    return {"type": None}


@chapter
def message():
    raw = client.messages.with_raw_response.create(
        model=MODEL, max_tokens=16, system="Be brief.", messages=HELLO, extra_body=SAME_EVERY_TIME
    )
    answer = raw.parse()
    return {
        "kind": [answer.type, answer.role, answer.model],
        "blocks": [block.type for block in answer.content],
        "text": answer.content[0].text,
        "stop_reason": answer.stop_reason,
        "usage": answer.usage.to_dict(),
        "request_id": raw.headers.get("request-id"),
    }


@chapter
def stream_events():
    """The bare events, in the order in which they come."""
    events = list(
        client.messages.create(
            model=MODEL,
            max_tokens=16,
            system="Be brief.",
            messages=HELLO,
            stream=True,
            extra_body=SAME_EVERY_TIME,
        )
    )
    deltas = [event for event in events if event.type == "content_block_delta"]
    (ending,) = [event for event in events if event.type == "message_delta"]
    return {
        "types": [event.type for event in events],
        "text": "".join(delta.delta.text for delta in deltas),
        "stop_reason": ending.delta.stop_reason,
        "output_tokens": ending.usage.output_tokens,
    }


@chapter
def stream_helper():
    with client.messages.stream(
        model=MODEL,
        max_tokens=16,
        system="Be brief.",
        messages=HELLO,
        extra_body=SAME_EVERY_TIME,
    ) as stream:
        text = "".join(stream.text_stream)
        answer = stream.get_final_message()
    return {
        "text": text,
        "final": answer.content[0].text,
        "usage": answer.usage.to_dict(),
    }


@chapter
def forced_tool():
    asked: Any = [{"role": "user", "content": "A berth in Oslo for 2 nights, please."}]
    first = client.messages.create(
        model=MODEL,
        max_tokens=80,
        messages=asked,
        tools=[BOOK],
        tool_choice={"type": "tool", "name": "book_berth"},
        extra_body=SAME_EVERY_TIME,
    )
    (use,) = [block for block in first.content if block.type == "tool_use"]
    second = client.messages.create(
        model=MODEL,
        max_tokens=12,
        tools=[BOOK],
        tool_choice={"type": "none"},
        messages=[
            *asked,
            {"role": "assistant", "content": first.content},
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": use.id, "content": "Berth 7."}],
            },
        ],
        extra_body=SAME_EVERY_TIME,
    )
    return {
        "stop_reason": first.stop_reason,
        "name": use.name,
        "input": use.input,
        "then": [block.type for block in second.content],
    }


@chapter
def streamed_tool():
    with client.messages.stream(
        model=MODEL,
        max_tokens=80,
        messages=[{"role": "user", "content": "A berth in Oslo for 2 nights, please."}],
        tools=[BOOK],
        tool_choice={"type": "any"},
        extra_body=SAME_EVERY_TIME,
    ) as stream:
        types = [event.type for event in stream]
        answer = stream.get_final_message()
    (use,) = [block for block in answer.content if block.type == "tool_use"]
    return {
        "types": sorted(set(types)),
        "name": use.name,
        "input": use.input,
        "stop_reason": answer.stop_reason,
    }


@chapter
def parallel_tools():
    """Two uses at once and their results, one of them a failure, as a conversation that goes on."""
    harbours = ("Oslo", "Lisbon")
    answer = client.messages.create(
        model=MODEL,
        max_tokens=8,
        tools=[BOOK],
        messages=[
            {"role": "user", "content": "Berths in Oslo and in Lisbon, please."},
            {
                "role": "assistant",
                "content": [
                    {
                        "type": "tool_use",
                        "id": f"toolu_{harbour}",
                        "name": "book_berth",
                        "input": {"harbour": harbour, "nights": 1},
                    }
                    for harbour in harbours
                ],
            },
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": f"toolu_{harbour}",
                        "content": [{"type": "text", "text": "Berth 7."}],
                        "is_error": harbour == "Lisbon",
                    }
                    for harbour in harbours
                ],
            },
        ],
        extra_body=SAME_EVERY_TIME,
    )
    return {"stop_reason": answer.stop_reason}


@chapter
def stop_sequences():
    whole = client.messages.create(
        model=MODEL, max_tokens=16, messages=HELLO, extra_body=SAME_EVERY_TIME
    )
    text = whole.content[0].text
    word, expected = before(text)
    stopped = client.messages.create(
        model=MODEL,
        max_tokens=16,
        messages=HELLO,
        stop_sequences=[word],
        extra_body=SAME_EVERY_TIME,
    )
    return {
        "expected": expected,
        "text": "".join(block.text for block in stopped.content).rstrip(),
        "word": word,
        "stop_reason": stopped.stop_reason,
        "stop_sequence": stopped.stop_sequence,
    }


@chapter
def token_limit():
    answer = client.messages.create(
        model=MODEL,
        max_tokens=5,
        messages=[{"role": "user", "content": "Tell a very long story of the sea."}],
    )
    return {"stop_reason": answer.stop_reason, "output_tokens": answer.usage.output_tokens}


@chapter
def count_tokens():
    short = client.messages.count_tokens(model=MODEL, messages=HELLO)
    long = client.messages.count_tokens(model=MODEL, messages=HELLO * 3, tools=[BOOK])
    return {"short": short.input_tokens, "long": long.input_tokens}


@chapter
def refusals():
    def ask(who: Anthropic, **changes: Any) -> dict[str, Any]:
        request: Any = {"model": MODEL, "max_tokens": 4, "messages": HELLO, **changes}
        return refusal(lambda: who.messages.create(**request))

    picture = {
        "type": "image",
        "source": {"type": "base64", "media_type": "image/png", "data": PIXEL},
    }
    return {
        "wrong_key": ask(client.with_options(api_key=WRONG_KEY)),
        "unknown_model": ask(client, model="nobody/nothing"),
        "too_long": ask(client, messages=[{"role": "user", "content": TOO_LONG}]),
        "image": ask(client, messages=[{"role": "user", "content": [picture]}]),
        "no_tokens": ask(client, max_tokens=0),
        "no_messages": ask(client, messages=[]),
    }


@chapter
def patience():
    def hello(who: Anthropic) -> Any:
        return who.messages.with_raw_response.create(model=MODEL, max_tokens=1, messages=HELLO)

    hasty = client.with_options(api_key=LIMITED_KEY)
    refused = None
    for _ in range(2 * MOST_CALLS_OF_A_MINUTE):
        try:
            hello(hasty)
        except anthropic.RateLimitError as error:
            refused = {"headers": dict(error.response.headers)}
            break
    raw = hello(hasty.with_options(max_retries=2))
    return {"refused": refused, "retries": raw.retries_taken, "type": raw.parse().type}


@chapter
def hang_up():
    stream = client.messages.create(
        model=MODEL,
        max_tokens=2000,
        messages=[{"role": "user", "content": "Write a very long story of the sea."}],
        stream=True,
    )
    pieces = 0
    for event in stream:
        pieces += event.type == "content_block_delta"
        if pieces == 5:
            break
    stream.close()
    return {"pieces": pieces, "request_id": stream.response.headers["request-id"]}


@chapter
async def asynchronous():
    async with AsyncAnthropic(base_url=URL, api_key=KEY, max_retries=0) as client:
        async with client.messages.stream(
            model=MODEL, max_tokens=8, messages=HELLO, extra_body=SAME_EVERY_TIME
        ) as stream:
            text = "".join([piece async for piece in stream.text_stream])
        answer = await client.messages.create(
            model=MODEL, max_tokens=8, messages=HELLO, extra_body=SAME_EVERY_TIME
        )
    return {"stream": text, "text": answer.content[0].text}


@chapter
def models():
    """The models there are, as this client asks for them."""
    return {"ids": [model.id for model in client.models.list()]}


if __name__ == "__main__":
    tell()
