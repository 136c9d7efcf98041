"""The official client of Azure AI Model Inference, from the model's card to a hung-up stream."""

# pyright: reportMissingImports=false
import json
from collections.abc import Callable
from typing import Any

from azure.ai.inference import ChatCompletionsClient, EmbeddingsClient
from azure.ai.inference.models import (
    AssistantMessage,
    ChatCompletionsNamedToolChoice,
    ChatCompletionsNamedToolChoiceFunction,
    ChatCompletionsToolCall,
    ChatCompletionsToolDefinition,
    FunctionCall,
    FunctionDefinition,
    ImageContentItem,
    ImageUrl,
    JsonSchemaFormat,
    SystemMessage,
    TextContentItem,
    ToolMessage,
    UserMessage,
)
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import HttpResponseError
from chapters import (
    EMBEDDINGS_MODEL,
    KEY,
    LIMITED_KEY,
    MODEL,
    MOST_CALLS_OF_A_MINUTE,
    PIXEL,
    TOO_LONG,
    URL,
    WRONG_KEY,
    before,
    chapter,
    tell,
)

client = ChatCompletionsClient(f"{URL}/models", AzureKeyCredential(KEY), retry_total=0)
embedder = EmbeddingsClient(f"{URL}/models", AzureKeyCredential(KEY), retry_total=0)

HELLO = [SystemMessage("Be brief."), UserMessage("Say hello to the harbour master.")]
BOOK = ChatCompletionsToolDefinition(
    function=FunctionDefinition(
        name="book_berth",
        description="Book a berth in a harbour.",
        parameters={
            "type": "object",
            "properties": {"harbour": {"type": "string"}, "nights": {"type": "integer"}},
            "required": ["harbour", "nights"],
        },
    )
)


def refusal(call: Callable[[], object]) -> dict[str, Any]:
    try:
        call()
    except HttpResponseError as error:
        body = json.loads(error.response.text())
        return {
            "type": type(error).__name__,
            "status": error.status_code,
            "code": error.error.code if error.error else None,
            "members": sorted(body),
            "message": error.message,
        }
    return {"type": None}


@chapter
def model_info():
    info = client.get_model_info()
    other = embedder.get_model_info(headers={"x-ms-model-mesh-model-name": EMBEDDINGS_MODEL})
    return {
        "chat": [info.model_name, info.model_type, info.model_provider_name],
        "embeddings": [other.model_name, other.model_type],
    }


@chapter
def chat():
    answer = client.complete(messages=HELLO, model=MODEL, max_tokens=16, temperature=0)
    return {
        "model": answer.model,
        "text": answer.choices[0].message.content,
        "finish_reason": answer.choices[0].finish_reason,
        "usage": [answer.usage.prompt_tokens, answer.usage.completion_tokens],
    }


@chapter
def chat_without_a_model():
    """There is one chat model, so nobody has to name it."""
    answer = client.complete(messages=HELLO, max_tokens=16, temperature=0)
    return {"model": answer.model, "text": answer.choices[0].message.content}


@chapter
def stream():
    pieces, finish_reasons = [], []
    for update in client.complete(
        messages=HELLO, model=MODEL, max_tokens=16, temperature=0, stream=True
    ):
        for choice in update.choices:
            pieces.append(choice.delta.content or "")
            finish_reasons += [choice.finish_reason] if choice.finish_reason else []
    return {"pieces": len(pieces), "text": "".join(pieces), "finish_reasons": finish_reasons}


@chapter
def forced_tool():
    asked = [UserMessage("A berth in Oslo for 2 nights, please.")]
    first = client.complete(
        messages=asked,
        model=MODEL,
        tools=[BOOK],
        tool_choice=ChatCompletionsNamedToolChoice(
            function=ChatCompletionsNamedToolChoiceFunction(name="book_berth")
        ),
        max_tokens=80,
        temperature=0,
    )
    (call,) = first.choices[0].message.tool_calls
    second = client.complete(
        messages=[
            *asked,
            AssistantMessage(tool_calls=[call]),
            ToolMessage("Berth 7.", tool_call_id=call.id),
        ],
        model=MODEL,
        max_tokens=8,
        temperature=0,
    )
    return {
        "finish_reason": first.choices[0].finish_reason,
        "name": call.function.name,
        "arguments": json.loads(call.function.arguments),
        "then": second.choices[0].message.content,
    }


@chapter
def parallel_tools():
    calls = [
        ChatCompletionsToolCall(
            id=f"call_{harbour}",
            function=FunctionCall(
                name="book_berth", arguments=json.dumps({"harbour": harbour, "nights": 1})
            ),
        )
        for harbour in ("Oslo", "Lisbon")
    ]
    answer = client.complete(
        messages=[
            UserMessage("Berths in Oslo and in Lisbon, please."),
            AssistantMessage(tool_calls=calls),
            *(ToolMessage("Berth 7.", tool_call_id=call.id) for call in calls),
        ],
        model=MODEL,
        tools=[BOOK],
        max_tokens=8,
        temperature=0,
    )
    return {"finish_reason": answer.choices[0].finish_reason}


@chapter
def json_schema():
    answer = client.complete(
        messages=[UserMessage("A berth in Oslo for 2 nights, as JSON.")],
        model=MODEL,
        response_format=JsonSchemaFormat(
            name="berth",
            schema={
                "type": "object",
                "properties": {
                    "harbour": {"type": "string", "enum": ["Oslo", "Lisbon"]},
                    "nights": {"type": "integer"},
                },
                "required": ["harbour", "nights"],
                "additionalProperties": False,
            },
            strict=True,
        ),
        max_tokens=60,
        temperature=0,
    )
    return {"parsed": json.loads(answer.choices[0].message.content)}


@chapter
def model_extras():
    """What the dialect has no member for is passed to the model when the client says so."""
    passed = client.complete(
        messages=HELLO,
        model=MODEL,
        max_tokens=4,
        temperature=0,
        model_extras={"logprobs": True, "top_logprobs": 2, "n": 2},
    )
    request = {
        "messages": [{"role": "user", "content": "Hello."}],
        "model": MODEL,
        "max_tokens": 2,
        "no_such_member": 1,
    }
    dropped = client.complete(dict(request), headers={"extra-parameters": "drop"})
    return {
        "choices": len(passed.choices),
        "logprobs": len(passed.choices[0]["logprobs"]["content"]),
        "dropped": dropped.choices[0].finish_reason,
        "refused": refusal(lambda: client.complete(dict(request))),
    }


@chapter
def stop():
    text = (
        client.complete(messages=HELLO, model=MODEL, max_tokens=16, temperature=0, seed=7)
        .choices[0]
        .message.content
    )
    word, expected = before(text)
    stopped = client.complete(
        messages=HELLO, model=MODEL, max_tokens=16, temperature=0, seed=7, stop=[word]
    )
    return {
        "expected": expected,
        "text": stopped.choices[0].message.content.rstrip(),
    }


@chapter
def embeddings():
    one = embedder.embed(input=["one", "two"], model=EMBEDDINGS_MODEL)
    packed = embedder.embed(input=["one"], model=EMBEDDINGS_MODEL, encoding_format="base64")
    return {
        "lengths": [len(item.embedding) for item in one.data],
        "packed": type(packed.data[0].embedding).__name__,
        "input_tokens": one.usage.prompt_tokens,
        "without_a_model": len(embedder.embed(input=["one"]).data[0].embedding),
    }


@chapter
def refusals():
    stranger = ChatCompletionsClient(f"{URL}/models", AzureKeyCredential(WRONG_KEY), retry_total=0)
    picture = UserMessage(
        [
            TextContentItem(text="What is this?"),
            ImageContentItem(image_url=ImageUrl(url=f"data:image/png;base64,{PIXEL}")),
        ]
    )

    def ask(who: ChatCompletionsClient = client, **changes: Any) -> dict[str, Any]:
        request = {"messages": HELLO, "model": MODEL, "max_tokens": 4, **changes}
        return refusal(lambda: who.complete(**request))

    return {
        "wrong_key": ask(stranger),
        "unknown_model": ask(model="nobody/nothing"),
        "too_long": ask(messages=[UserMessage(TOO_LONG)]),
        "image": ask(messages=[picture]),
        "no_tokens": ask(max_tokens=0),
    }


@chapter
def patience():
    limited = AzureKeyCredential(LIMITED_KEY)
    hasty = EmbeddingsClient(f"{URL}/models", limited, retry_total=0)
    refused = None
    for _ in range(2 * MOST_CALLS_OF_A_MINUTE):
        try:
            hasty.embed(input=["a"], model=EMBEDDINGS_MODEL)
        except HttpResponseError as error:
            refused = {"status": error.status_code, "headers": dict(error.response.headers)}
            break
    tries: list[int] = []
    patient = EmbeddingsClient(
        f"{URL}/models",
        limited,
        raw_response_hook=lambda answer: tries.append(answer.http_response.status_code),
    )
    answer = patient.embed(input=["a"], model=EMBEDDINGS_MODEL)
    return {"refused": refused, "tries": tries, "vectors": len(answer.data)}


@chapter
def hang_up():
    ids: list[str] = []
    updates = client.complete(
        messages=[UserMessage("Write a very long story of the sea.")],
        model=MODEL,
        max_tokens=2000,
        stream=True,
        raw_response_hook=lambda answer: ids.append(answer.http_response.headers["x-request-id"]),
    )
    pieces = 0
    for update in updates:
        pieces += bool(update.choices and update.choices[0].delta.content)
        if pieces == 5:
            break
    updates.close()
    return {"pieces": pieces, "request_id": ids[0]}


if __name__ == "__main__":
    tell()
