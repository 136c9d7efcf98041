"""The official OpenAI client, from the list of models to a stream that is hung up on."""

import base64
import json
import struct
from collections.abc import Callable
from typing import Any, Literal

import openai
from chapters import (
    EMBEDDINGS_MODEL,
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
from openai import OpenAI
from openai.types.chat import ChatCompletionFunctionToolParam, ChatCompletionMessageParam
from openai.types.responses import ResponseCompletedEvent, ResponseIncompleteEvent
from pydantic import BaseModel

client = OpenAI(base_url=f"{URL}/v1", api_key=KEY, timeout=TIMEOUT_S, max_retries=0)

HELLO: list[ChatCompletionMessageParam] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Say hello to the harbour master."},
]
BOOK: ChatCompletionFunctionToolParam = {
    "type": "function",
    "function": {
        "name": "book_berth",
        "description": "Book a berth in a harbour.",
        "parameters": {
            "type": "object",
            "properties": {"harbour": {"type": "string"}, "nights": {"type": "integer"}},
            "required": ["harbour", "nights"],
            "additionalProperties": False,
        },
        "strict": True,
    },
}


class Berth(BaseModel):
    harbour: Literal["Oslo", "Lisbon"]
    nights: int


def hello() -> str:
    answer = client.chat.completions.create(
        model=MODEL, messages=HELLO, max_tokens=16, temperature=0
    )
    return answer.choices[0].message.content or ""


def refusal(call: Callable[[], object]) -> dict[str, Any]:
    try:
        call()
    except openai.APIStatusError as error:
        return {
            "type": type(error).__name__,
            "status": error.status_code,
            "code": error.code,
            "param": error.param,
            "request_id": error.request_id,
        }
    return {"type": None}


@chapter
def version():
    return {"version": openai.__version__}


@chapter
def models():
    model = client.models.retrieve(MODEL)
    return {"ids": [model.id for model in client.models.list()], "owned_by": model.owned_by}


@chapter
def chat():
    raw = client.chat.completions.with_raw_response.create(
        model=MODEL, messages=HELLO, max_tokens=16, temperature=0
    )
    answer = raw.parse()
    return {
        "model": answer.model,
        "text": answer.choices[0].message.content,
        "finish_reason": answer.choices[0].finish_reason,
        "usage": answer.usage.to_dict() if answer.usage else None,
        "headers": dict(raw.headers),
    }


@chapter
def stream():
    chunks = list(
        client.chat.completions.create(
            model=MODEL,
            messages=HELLO,
            max_tokens=12,
            temperature=0,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    choices = [chunk.choices[0] for chunk in chunks if chunk.choices]
    usage = chunks[-1].usage
    return {
        "ids": len({chunk.id for chunk in chunks}),
        "role": choices[0].delta.role,
        "pieces": len([choice for choice in choices if choice.delta.content]),
        "text": "".join(choice.delta.content or "" for choice in choices),
        "finish_reasons": [choice.finish_reason for choice in choices if choice.finish_reason],
        "last_has_choices": bool(chunks[-1].choices),
        "usage": usage.to_dict() if usage else None,
    }


@chapter
def stream_helper():
    """The client's own accumulator, which raises for answers that were cut at a limit."""
    word, expected = before(hello())
    with client.chat.completions.stream(
        model=MODEL, messages=HELLO, max_tokens=16, temperature=0, stop=word
    ) as events:
        kinds = [event.type for event in events]
        answer = events.get_final_completion()
    return {
        "kinds": sorted(set(kinds)),
        "text": (answer.choices[0].message.content or "").rstrip(),
        "expected": expected,
    }


@chapter
def forced_tool():
    asked: list[ChatCompletionMessageParam] = [
        {"role": "user", "content": "A berth in Oslo for 2 nights, please."}
    ]
    first = client.chat.completions.create(
        model=MODEL,
        messages=asked,
        tools=[BOOK],
        tool_choice={"type": "function", "function": {"name": "book_berth"}},
        max_tokens=80,
        temperature=0,
    )
    message = first.choices[0].message
    (call,) = message.tool_calls or []
    assert call.type == "function"
    second = client.chat.completions.create(
        model=MODEL,
        messages=[
            *asked,
            {
                "role": "assistant",
                "tool_calls": [
                    {
                        "id": call.id,
                        "type": "function",
                        "function": {
                            "name": call.function.name,
                            "arguments": call.function.arguments,
                        },
                    }
                ],
            },
            {"role": "tool", "tool_call_id": call.id, "content": '{"berth": 7}'},
        ],
        tools=[BOOK],
        tool_choice="none",
        max_tokens=12,
        temperature=0,
    )
    return {
        "finish_reason": first.choices[0].finish_reason,
        "names": [call.function.name],
        "arguments": json.loads(call.function.arguments),
        "then": second.choices[0].message.content,
    }


@chapter
def streamed_tool():
    chunks = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "A berth in Oslo for 2 nights, please."}],
        tools=[BOOK],
        tool_choice="required",
        max_tokens=80,
        temperature=0,
        stream=True,
    )
    names, arguments, finish = [], "", None
    for chunk in chunks:
        choice = chunk.choices[0]
        for call in choice.delta.tool_calls or []:
            assert call.index == 0
            if call.function is not None:
                names += [call.function.name] if call.function.name else []
                arguments += call.function.arguments or ""
        finish = choice.finish_reason or finish
    return {"names": names, "arguments": json.loads(arguments), "finish_reason": finish}


@chapter
def parallel_tools():
    """Two calls at once and their results, as a conversation that goes on."""
    answer = client.chat.completions.create(
        model=MODEL,
        messages=[
            {"role": "user", "content": "Berths in Oslo and in Lisbon, please."},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": f"call_{harbour}",
                        "type": "function",
                        "function": {
                            "name": "book_berth",
                            "arguments": json.dumps({"harbour": harbour, "nights": 1}),
                        },
                    }
                    for harbour in ("Oslo", "Lisbon")
                ],
            },
            {"role": "tool", "tool_call_id": "call_Oslo", "content": "berth 7"},
            {"role": "tool", "tool_call_id": "call_Lisbon", "content": "berth 12"},
        ],
        tools=[BOOK],
        parallel_tool_calls=True,
        max_tokens=12,
        temperature=0,
    )
    return {"finish_reason": answer.choices[0].finish_reason}


@chapter
def json_schema():
    answer = client.chat.completions.parse(
        model=MODEL,
        messages=[{"role": "user", "content": "A berth in Oslo for 2 nights, as JSON."}],
        response_format=Berth,
        max_tokens=60,
        temperature=0,
    )
    parsed = answer.choices[0].message.parsed
    return {
        "finish_reason": answer.choices[0].finish_reason,
        "parsed": None if parsed is None else parsed.model_dump(),
    }


@chapter
def json_object():
    answer = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "A JSON object with the key harbour."}],
        response_format={"type": "json_object"},
        max_tokens=20,
        temperature=0,
    )
    return {"text": answer.choices[0].message.content}


@chapter
def two_choices():
    answer = client.chat.completions.create(
        model=MODEL, messages=HELLO, max_tokens=6, n=2, temperature=1.5
    )
    return {
        "indices": [choice.index for choice in answer.choices],
        "texts": [choice.message.content for choice in answer.choices],
        "output_tokens": answer.usage.completion_tokens if answer.usage else None,
    }


@chapter
def stop():
    word, expected = before(hello())
    stopped = client.chat.completions.create(
        model=MODEL, messages=HELLO, max_tokens=16, temperature=0, stop=[word]
    )
    return {
        "expected": expected,
        "text": (stopped.choices[0].message.content or "").rstrip(),
        "finish_reason": stopped.choices[0].finish_reason,
    }


@chapter
def same_again():
    def ask() -> str | None:
        answer = client.chat.completions.create(
            model=MODEL, messages=HELLO, max_tokens=16, temperature=0, seed=7
        )
        return answer.choices[0].message.content

    return {"texts": [ask(), ask(), ask()]}


@chapter
def logprobs():
    answer = client.chat.completions.create(
        model=MODEL, messages=HELLO, max_tokens=4, temperature=0, logprobs=True, top_logprobs=3
    )
    told = answer.choices[0].logprobs
    assert told is not None
    return {
        "text": answer.choices[0].message.content,
        "tokens": [
            {"token": each.token, "logprob": each.logprob, "top": len(each.top_logprobs)}
            for each in told.content or []
        ],
    }


@chapter
def token_limit():
    answer = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "Tell a very long story of the sea."}],
        max_completion_tokens=5,
        temperature=0,
    )
    return {
        "finish_reason": answer.choices[0].finish_reason,
        "output_tokens": answer.usage.completion_tokens if answer.usage else None,
    }


@chapter
def embeddings():
    """The client asks for base64 by itself, and decodes it; here it is asked for in both forms."""
    text = "how do I reset my password"
    decoded = client.embeddings.create(model=EMBEDDINGS_MODEL, input=[text, "I forgot my login"])
    floats = client.embeddings.create(model=EMBEDDINGS_MODEL, input=text, encoding_format="float")
    packed = client.embeddings.with_raw_response.create(
        model=EMBEDDINGS_MODEL, input=text, encoding_format="base64"
    )
    data = base64.b64decode(json.loads(packed.text)["data"][0]["embedding"])
    return {
        "default": [item.embedding for item in decoded.data],
        "float": floats.data[0].embedding,
        "base64": list(struct.unpack(f"<{len(data) // 4}f", data)),
        "input_tokens": floats.usage.prompt_tokens,
    }


@chapter
def responses():
    first = client.responses.create(
        model=MODEL,
        instructions="Be brief.",
        input="My name is Ada.",
        max_output_tokens=16,
        temperature=0,
    )
    kept = client.responses.retrieve(first.id)
    second = client.responses.create(
        model=MODEL,
        input="What is my name?",
        previous_response_id=first.id,
        max_output_tokens=16,
        temperature=0,
    )
    items = client.responses.input_items.list(second.id)
    client.responses.delete(first.id)
    return {
        "text": first.output_text,
        "status": first.status,
        "kept": kept.output_text,
        "follows": second.previous_response_id == first.id,
        "usage": [answer.usage.to_dict() if answer.usage else None for answer in (first, second)],
        "input_items": len(items.data),
        "deleted": refusal(lambda: client.responses.retrieve(first.id)),
    }


@chapter
def responses_stream():
    events = list(
        client.responses.create(
            model=MODEL, input="Count to five.", max_output_tokens=12, temperature=0, stream=True
        )
    )
    last = events[-1]
    assert isinstance(last, ResponseCompletedEvent | ResponseIncompleteEvent)
    return {
        "types": [event.type for event in events],
        "numbers": [event.sequence_number for event in events],
        "text": "".join(
            event.delta for event in events if event.type == "response.output_text.delta"
        ),
        "final": last.response.output_text,
    }


@chapter
def responses_tool():
    answer = client.responses.create(
        model=MODEL,
        input="A berth in Oslo for 2 nights, please.",
        tools=[
            {
                "type": "function",
                "name": "book_berth",
                "parameters": BOOK["function"].get("parameters"),
                "strict": True,
            }
        ],
        tool_choice="required",
        max_output_tokens=80,
        temperature=0,
    )
    (call,) = [item for item in answer.output if item.type == "function_call"]
    return {"names": [call.name], "arguments": json.loads(call.arguments)}


@chapter
def refusals():
    stranger = client.with_options(api_key=WRONG_KEY)
    picture: ChatCompletionMessageParam = {
        "role": "user",
        "content": [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
        ],
    }

    def ask(who: OpenAI, **changes: Any) -> dict[str, Any]:
        request: dict[str, Any] = {"model": MODEL, "messages": HELLO, "max_tokens": 4, **changes}
        return refusal(lambda: who.chat.completions.create(**request))

    return {
        "wrong_key": ask(stranger),
        "unknown_model": ask(client, model="nobody/nothing"),
        "unknown_model_in_a_stream": ask(client, model="nobody/nothing", stream=True),
        "too_long": ask(client, messages=[{"role": "user", "content": TOO_LONG}]),
        "image": ask(client, messages=[picture]),
        "no_tokens": ask(client, max_tokens=0),
        "wrong_operation": refusal(lambda: client.embeddings.create(model=MODEL, input="a")),
        "too_many_dimensions": refusal(
            lambda: client.embeddings.create(model=EMBEDDINGS_MODEL, input="a", dimensions=9999)
        ),
    }


@chapter
def patience():
    """Use a minute's requests up; the client then waits as long as it is told, and no longer."""
    hasty = client.with_options(api_key=LIMITED_KEY)
    refused = None
    for _ in range(2 * MOST_CALLS_OF_A_MINUTE):
        try:
            hasty.embeddings.create(model=EMBEDDINGS_MODEL, input="a")
        except openai.RateLimitError as error:
            refused = {"code": error.code, "headers": dict(error.response.headers)}
            break
    patient = hasty.with_options(max_retries=2)
    raw = patient.embeddings.with_raw_response.create(model=EMBEDDINGS_MODEL, input="a")
    return {"refused": refused, "retries": raw.retries_taken, "vectors": len(raw.parse().data)}


@chapter
def hang_up():
    stream = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "Write a very long story of the sea."}],
        max_tokens=2000,
        temperature=1.2,
        stream=True,
    )
    pieces = 0
    for chunk in stream:
        pieces += bool(chunk.choices and chunk.choices[0].delta.content)
        if pieces == 5:
            break
    stream.close()
    return {"pieces": pieces, "request_id": stream.response.headers["x-request-id"]}


@chapter
def moderations():
    """By the platform's own checks: no model is called."""
    threat = "I will kill all of them and burn their bodies."
    benign = "The harbour opens at nine, and the master collects the dues at noon."
    several = client.moderations.create(input=[threat, benign])
    parts = client.moderations.create(
        model="omni-moderation-latest",
        input=[
            {"type": "text", "text": threat},
            {
                "type": "image_url",
                "image_url": {"url": f"data:image/png;base64,{PIXEL}"},
            },
        ],
    )
    threatened, cooked = several.results
    return {
        "model": several.model,
        "flagged": [threatened.flagged, cooked.flagged],
        "violence": [threatened.categories.violence, threatened.category_scores.violence],
        "harassment": threatened.categories.harassment,
        "looked_at": threatened.category_applied_input_types.violence,
        "not_looked_at": threatened.category_applied_input_types.illicit,
        "categories": len(threatened.categories.to_dict()),
        "parts": [result.flagged for result in parts.results],
    }


if __name__ == "__main__":
    tell()
