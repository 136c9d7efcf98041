"""The official OpenAI client as a client of Azure OpenAI: deployments in the path, `api-key`."""

import json
from collections.abc import Callable
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
from openai import AsyncAzureOpenAI, AzureOpenAI
from openai.types.chat import ChatCompletionMessageParam

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Name a wind."}]


def azure(**options: Any) -> AzureOpenAI:
    return AzureOpenAI(
        **{
            "azure_endpoint": URL,
            "api_key": KEY,
            "api_version": "2024-10-21",
            "timeout": TIMEOUT_S,
            "max_retries": 0,
            **options,
        }
    )


client = azure()


def ask(who: AzureOpenAI, model: str = MODEL) -> str | None:
    answer = who.chat.completions.create(model=model, messages=HELLO, max_tokens=8, temperature=0)
    return answer.choices[0].message.content


def refusal(call: Callable[[], object]) -> dict[str, Any]:
    try:
        call()
    except openai.APIStatusError as error:
        return {"type": type(error).__name__, "status": error.status_code, "code": error.code}
    return {"type": None}


@chapter
def chat():
    raw = client.chat.completions.with_raw_response.create(
        model=MODEL, messages=HELLO, max_tokens=8, temperature=0
    )
    answer = raw.parse()
    sent = raw.http_request
    return {
        "path": sent.url.path,
        "headers": sorted(sent.headers),
        "model": answer.model,
        "text": answer.choices[0].message.content,
        "usage": answer.usage.to_dict() if answer.usage else None,
    }


@chapter
def other_ways_in():
    """Each of these is how some program out there is configured."""
    v1 = openai.OpenAI(base_url=f"{URL}/openai/v1/", api_key=KEY, max_retries=0)
    return {
        "no_such_version": ask(azure(api_version="1999-01-01")),
        "preview": ask(azure(api_version="2025-04-01-preview")),
        "latest": ask(azure(api_version="latest")),
        "token": ask(azure(api_key=None, azure_ad_token=KEY)),
        "token_provider": ask(azure(api_key=None, azure_ad_token_provider=lambda: KEY)),
        "deployment": ask(azure(azure_deployment=MODEL), model="is in the path"),
        "other_case": ask(client, model=MODEL.upper()),
        "v1": v1.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=8, temperature=0)
        .choices[0]
        .message.content,
    }


@chapter
def stream():
    chunks = list(
        client.chat.completions.create(
            model=MODEL,
            messages=HELLO,
            max_tokens=8,
            temperature=0,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    usage = chunks[-1].usage
    return {
        "text": "".join(c.choices[0].delta.content or "" for c in chunks if c.choices),
        "output_tokens": usage.completion_tokens if usage else None,
    }


@chapter
def forced_tool():
    answer = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "A berth in Oslo for 2 nights, please."}],
        tools=[
            {
                "type": "function",
                "function": {
                    "name": "book_berth",
                    "parameters": {
                        "type": "object",
                        "properties": {"nights": {"type": "integer"}},
                        "required": ["nights"],
                    },
                },
            }
        ],
        tool_choice="required",
        max_tokens=60,
        temperature=0,
    )
    (call,) = answer.choices[0].message.tool_calls or []
    assert call.type == "function"
    return {"name": call.function.name, "arguments": json.loads(call.function.arguments)}


@chapter
def embeddings():
    answer = client.embeddings.create(model=EMBEDDINGS_MODEL, input="one")
    return {"length": len(answer.data[0].embedding)}


@chapter
def without_deployment():
    """What Azure has no deployment for in its paths."""
    answer = client.responses.create(
        model=MODEL, input="Name a wind.", max_output_tokens=8, temperature=0
    )
    kept = client.responses.retrieve(answer.id)
    client.responses.delete(answer.id)
    return {
        "models": [model.id for model in client.models.list()],
        "text": answer.output_text,
        "kept": kept.output_text,
    }


@chapter
def refusals():
    return {
        "wrong_key": refusal(lambda: ask(azure(api_key=WRONG_KEY))),
        "unknown_deployment": refusal(lambda: ask(client, model="gpt-that-is-not-there")),
        "no_tokens": refusal(
            lambda: client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=0)
        ),
    }


@chapter
def patience():
    hasty, patient = azure(api_key=LIMITED_KEY), azure(api_key=LIMITED_KEY, max_retries=2)
    refused = None
    for _ in range(2 * MOST_CALLS_OF_A_MINUTE):
        try:
            hasty.embeddings.create(model=EMBEDDINGS_MODEL, input="a")
        except openai.RateLimitError as error:
            refused = {"code": error.code, "headers": dict(error.response.headers)}
            break
    raw = patient.embeddings.with_raw_response.create(model=EMBEDDINGS_MODEL, input="a")
    return {"refused": refused, "retries": raw.retries_taken}


@chapter
async def asynchronous():
    async with AsyncAzureOpenAI(
        azure_endpoint=URL, api_key=KEY, api_version="2024-10-21", max_retries=0
    ) as client:
        stream = await client.chat.completions.create(
            model=MODEL, messages=HELLO, max_tokens=8, temperature=0, stream=True
        )
        text = "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])
        vectors = await client.embeddings.create(model=EMBEDDINGS_MODEL, input="one")
    return {"text": text, "length": len(vectors.data[0].embedding)}


if __name__ == "__main__":
    tell()
