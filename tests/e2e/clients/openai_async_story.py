"""The official OpenAI client, asynchronous: many streams side by side, a task that is cancelled."""

import asyncio
from typing import Any

import openai
from chapters import (
    EMBEDDINGS_MODEL,
    KEY,
    LIMITED_KEY,
    MODEL,
    MOST_CALLS_OF_A_MINUTE,
    TIMEOUT_S,
    URL,
    WRONG_KEY,
    chapter,
    tell,
)
from openai import AsyncOpenAI

client = AsyncOpenAI(base_url=f"{URL}/v1", api_key=KEY, timeout=TIMEOUT_S, max_retries=0)


@chapter
async def models():
    return {"ids": [model.id async for model in client.models.list()]}


@chapter
async def chat():
    answer = await client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "Name a wind."}],
        max_tokens=8,
        temperature=0,
    )
    return {"text": answer.choices[0].message.content}


@chapter
async def side_by_side():
    async def one(number: int) -> str:
        stream = await client.chat.completions.create(
            model=MODEL,
            messages=[{"role": "user", "content": f"Count from {number}."}],
            max_tokens=8,
            stream=True,
        )
        return "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])

    return {"texts": await asyncio.gather(*(one(number) for number in range(6)))}


@chapter
async def embeddings():
    answer = await client.embeddings.create(model=EMBEDDINGS_MODEL, input=["one", "two"])
    return {"lengths": [len(item.embedding) for item in answer.data]}


@chapter
async def responses():
    answer = await client.responses.create(
        model=MODEL, input="Count to five.", max_output_tokens=8, temperature=0
    )
    kept = await client.responses.retrieve(answer.id)
    events = await client.responses.create(
        model=MODEL,
        input="And on.",
        previous_response_id=answer.id,
        max_output_tokens=8,
        temperature=0,
        stream=True,
    )
    types = [event.type async for event in events]
    await client.responses.delete(answer.id)
    return {"text": answer.output_text, "kept": kept.output_text, "last": types[-1]}


@chapter
async def background():
    """A response that runs on without the client, is asked after, and is cancelled."""
    answer = await client.responses.create(
        model=MODEL,
        input="Write a very long story of the sea.",
        max_output_tokens=2000,
        background=True,
    )
    cancelled = await client.responses.cancel(answer.id)
    return {"status": answer.status, "cancelled": cancelled.status}


@chapter
async def refusals():
    async def refusal(who: AsyncOpenAI, model: str) -> dict[str, Any]:
        try:
            await who.chat.completions.create(
                model=model, messages=[{"role": "user", "content": "Hello."}], max_tokens=1
            )
        except openai.APIStatusError as error:
            return {"type": type(error).__name__, "code": error.code}
        return {"type": None}

    return {
        "wrong_key": await refusal(client.with_options(api_key=WRONG_KEY), MODEL),
        "unknown_model": await refusal(client, "nobody/nothing"),
    }


@chapter
async def patience():
    """Once a minute's requests are used up, two calls wait for their turns side by side."""
    hasty = client.with_options(api_key=LIMITED_KEY)
    try:
        for _ in range(2 * MOST_CALLS_OF_A_MINUTE):
            await hasty.embeddings.create(model=EMBEDDINGS_MODEL, input="a")
    except openai.RateLimitError as error:
        refused = {"code": error.code, "headers": dict(error.response.headers)}
    else:
        refused = None
    patient = hasty.with_options(max_retries=5)
    answers = await asyncio.gather(
        *(
            patient.embeddings.with_raw_response.create(model=EMBEDDINGS_MODEL, input="a")
            for _ in range(2)
        )
    )
    return {"refused": refused, "retries": sum(answer.retries_taken for answer in answers)}


@chapter
async def cancelled_task():
    begun = asyncio.Event()
    request_ids: list[str] = []

    async def read_on() -> None:
        stream = await client.chat.completions.create(
            model=MODEL,
            messages=[{"role": "user", "content": "Write a very long story of the sea."}],
            max_tokens=2000,
            temperature=1.2,
            stream=True,
        )
        async with stream:
            request_ids.append(stream.response.headers["x-request-id"])
            async for chunk in stream:
                if chunk.choices and chunk.choices[0].delta.content:
                    begun.set()

    task = asyncio.create_task(read_on())
    await asyncio.wait_for(begun.wait(), TIMEOUT_S)
    task.cancel()
    await asyncio.wait([task])
    return {"was_cancelled": task.cancelled(), "request_id": request_ids[0]}


if __name__ == "__main__":
    tell()
