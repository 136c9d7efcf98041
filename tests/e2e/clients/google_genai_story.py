"""The official Gemini client, from the list of models to a stream that is hung up on."""

# pyright: reportMissingImports=false, reportAttributeAccessIssue=false
import base64
from collections.abc import Callable
from typing import Any, Literal

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
from google import genai
from google.genai import errors, types
from pydantic import BaseModel


def gemini(key: str, **options: Any) -> genai.Client:
    return genai.Client(
        api_key=key,
        http_options=types.HttpOptions(base_url=URL, timeout=TIMEOUT_S * 1000, **options),
    )


client = gemini(KEY)

HELLO = "Say hello to the harbour master."
BOOK = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(
            name="book_berth",
            description="Book a berth in a harbour.",
            parameters=types.Schema(
                type=types.Type.OBJECT,
                properties={
                    "harbour": types.Schema(type=types.Type.STRING),
                    "nights": types.Schema(type=types.Type.INTEGER),
                },
                required=["harbour", "nights"],
            ),
        )
    ]
)


class Berth(BaseModel):
    harbour: Literal["Oslo", "Lisbon"]
    nights: int


def config(**members: Any) -> types.GenerateContentConfig:
    return types.GenerateContentConfig(
        **{
            "temperature": 0,
            "max_output_tokens": 16,
            "system_instruction": "Be brief.",
            **members,
        }
    )


def refusal(call: Callable[[], object]) -> dict[str, Any]:
    try:
        call()
    except errors.APIError as error:
        return {"type": type(error).__name__, "status": error.code, "kind": error.status}
    return {"type": None}


@chapter
def models():
    model = client.models.get(model=MODEL)
    return {
        "names": [model.name for model in client.models.list()],
        "one": [model.name, model.input_token_limit],
    }


@chapter
def content():
    answer = client.models.generate_content(model=MODEL, contents=HELLO, config=config())
    usage = answer.usage_metadata
    return {
        "model": answer.model_version,
        "text": answer.text,
        "finish_reason": answer.candidates[0].finish_reason.value,
        "usage": [
            usage.prompt_token_count,
            usage.candidates_token_count,
            usage.total_token_count,
        ],
    }


@chapter
def stream():
    chunks = list(
        client.models.generate_content_stream(model=MODEL, contents=HELLO, config=config())
    )
    return {
        "pieces": len(chunks),
        "text": "".join(chunk.text or "" for chunk in chunks),
        "finish_reason": chunks[-1].candidates[0].finish_reason.value,
        "output_tokens": chunks[-1].usage_metadata.candidates_token_count,
    }


@chapter
def chat():
    """The client keeps the conversation and sends all of it."""
    conversation = client.chats.create(model=MODEL, config=config())
    first = conversation.send_message("My name is Ada.")
    second = conversation.send_message("What is my name?")
    return {
        "texts": [first.text, second.text],
        "input_tokens": [answer.usage_metadata.prompt_token_count for answer in (first, second)],
    }


@chapter
def forced_tool():
    forced = types.ToolConfig(
        function_calling_config=types.FunctionCallingConfig(
            mode=types.FunctionCallingConfigMode.ANY, allowed_function_names=["book_berth"]
        )
    )
    asked = types.UserContent("A berth in Oslo for 2 nights, please.")
    first = client.models.generate_content(
        model=MODEL,
        contents=asked,
        config=config(tools=[BOOK], tool_config=forced, max_output_tokens=80),
    )
    (call,) = first.function_calls
    second = client.models.generate_content(
        model=MODEL,
        contents=[
            asked,
            first.candidates[0].content,
            types.Content(
                role="user",
                parts=[types.Part.from_function_response(name=call.name, response={"berth": 7})],
            ),
        ],
        config=config(max_output_tokens=8),
    )
    return {"name": call.name, "arguments": call.args, "then": second.text}


@chapter
def json_schema():
    answer = client.models.generate_content(
        model=MODEL,
        contents="A berth in Oslo for 2 nights, as JSON.",
        config=config(
            response_mime_type="application/json", response_schema=Berth, max_output_tokens=60
        ),
    )
    return {"parsed": None if answer.parsed is None else answer.parsed.model_dump()}


@chapter
def two_candidates():
    answer = client.models.generate_content(
        model=MODEL, contents=HELLO, config=config(candidate_count=2, temperature=1.5)
    )
    return {"texts": [each.content.parts[0].text for each in answer.candidates]}


@chapter
def stop_sequences():
    text = client.models.generate_content(model=MODEL, contents=HELLO, config=config(seed=7)).text
    word, expected = before(text)
    stopped = client.models.generate_content(
        model=MODEL, contents=HELLO, config=config(seed=7, stop_sequences=[word])
    )
    return {
        "expected": expected,
        "text": stopped.text.rstrip(),
        "finish_reason": stopped.candidates[0].finish_reason.value,
    }


@chapter
def token_limit():
    answer = client.models.generate_content(
        model=MODEL,
        contents="Tell a very long story of the sea.",
        config=config(max_output_tokens=5),
    )
    return {
        "finish_reason": answer.candidates[0].finish_reason.value,
        "output_tokens": answer.usage_metadata.candidates_token_count,
    }


@chapter
def logprobs():
    answer = client.models.generate_content(
        model=MODEL,
        contents=HELLO,
        config=config(max_output_tokens=4, response_logprobs=True, logprobs=3),
    )
    chosen = answer.candidates[0].logprobs_result.chosen_candidates
    return {"text": answer.text, "tokens": [each.token for each in chosen]}


@chapter
def count_tokens():
    return {"tokens": client.models.count_tokens(model=MODEL, contents=HELLO).total_tokens}


@chapter
def embeddings():
    answer = client.models.embed_content(model=EMBEDDINGS_MODEL, contents=["one", "two"])
    return {"lengths": [len(each.values) for each in answer.embeddings]}


@chapter
def refusals():
    def ask(who: genai.Client = client, **changes: Any) -> dict[str, Any]:
        request = {"model": MODEL, "contents": HELLO, "config": config(), **changes}
        return refusal(lambda: who.models.generate_content(**request))

    picture = types.Part(
        inline_data=types.Blob(mime_type="image/png", data=base64.b64decode(PIXEL))
    )
    return {
        "wrong_key": ask(gemini(WRONG_KEY)),
        "unknown_model": ask(model="nothing-of-this-name"),
        "too_long": ask(contents=TOO_LONG),
        "image": ask(contents=["What is this?", picture]),
        "wrong_operation": refusal(
            lambda: client.models.embed_content(model=MODEL, contents="one")
        ),
    }


@chapter
def patience():
    """This client backs off by itself and does not look at `retry-after`."""
    hasty = gemini(LIMITED_KEY)
    refused = None
    for _ in range(2 * MOST_CALLS_OF_A_MINUTE):
        try:
            hasty.models.embed_content(model=EMBEDDINGS_MODEL, contents="a")
        except errors.ClientError as error:
            refused = {
                "status": error.code,
                "kind": error.status,
                "headers": dict(error.response.headers),
            }
            break
    patient = gemini(LIMITED_KEY, retry_options=types.HttpRetryOptions(attempts=6))
    answer = patient.models.embed_content(model=EMBEDDINGS_MODEL, contents="a")
    return {"refused": refused, "vectors": len(answer.embeddings)}


@chapter
def hang_up():
    chunks = client.models.generate_content_stream(
        model=MODEL,
        contents="Write a very long story of the sea.",
        config=config(max_output_tokens=2000, temperature=1.2),
    )
    first = next(chunks)
    for _ in range(4):
        next(chunks)
    chunks.close()
    return {"request_id": first.sdk_http_response.headers["x-request-id"]}


@chapter
async def asynchronous():
    answer = await client.aio.models.generate_content(model=MODEL, contents=HELLO, config=config())
    chunks = await client.aio.models.generate_content_stream(
        model=MODEL, contents=HELLO, config=config()
    )
    return {
        "text": answer.text,
        "stream": "".join([chunk.text or "" async for chunk in chunks]),
    }


if __name__ == "__main__":
    tell()
