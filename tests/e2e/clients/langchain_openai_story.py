"""LangChain's integration of OpenAI, as programs use it that were written for something else."""

# pyright: reportMissingImports=false, reportFunctionMemberAccess=false
import asyncio
from collections.abc import Callable
from typing import Any, Literal

import openai
from chapters import (
    EMBEDDINGS_MODEL,
    KEY,
    LIMITED_KEY,
    MODEL,
    MOST_CALLS_OF_A_MINUTE,
    TIMEOUT_S,
    TOO_LONG,
    URL,
    WRONG_KEY,
    before,
    chapter,
    tell,
)
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import AzureChatOpenAI, ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel, Field

HELLO = [SystemMessage("Be brief."), HumanMessage("Say hello to the harbour master.")]


def chat_model(**options: Any) -> ChatOpenAI:
    return ChatOpenAI(
        **{
            "model": MODEL,
            "base_url": f"{URL}/v1",
            "api_key": KEY,
            "temperature": 0,
            "max_tokens": 16,
            "timeout": TIMEOUT_S,
            "max_retries": 0,
            **options,
        }
    )


model = chat_model()


@tool
def book_berth(harbour: str, nights: int) -> str:
    """Book a berth in a harbour."""
    return f"Berth 7 in {harbour} for {nights} nights."


class Berth(BaseModel):
    """A berth in a harbour."""

    harbour: Literal["Oslo", "Lisbon"]
    nights: int = Field(ge=1, le=9)


def refusal(call: Callable[[], object]) -> dict[str, Any]:
    try:
        call()
    except openai.APIStatusError as error:
        return {"is_a": [each.__name__ for each in type(error).__mro__], "code": error.code}
    return {"is_a": []}


@chapter
def invoke():
    answer = model.invoke(HELLO)
    return {
        "text": answer.content,
        "usage": dict(answer.usage_metadata or {}),
        "model": answer.response_metadata["model_name"],
        "finish_reason": answer.response_metadata["finish_reason"],
    }


@chapter
def stream():
    whole = None
    pieces = 0
    for chunk in chat_model(stream_usage=True).stream(HELLO):
        pieces += bool(chunk.content)
        whole = chunk if whole is None else whole + chunk
    assert whole is not None
    return {
        "pieces": pieces,
        "text": whole.content,
        "usage": dict(whole.usage_metadata or {}),
        "finish_reason": whole.response_metadata["finish_reason"],
    }


@chapter
def bind_tools():
    asked = HumanMessage("A berth in Oslo for 2 nights, please.")
    forced = chat_model(max_tokens=80).bind_tools([book_berth], tool_choice="book_berth")
    first = forced.invoke([asked])
    (call,) = first.tool_calls
    result: ToolMessage = book_berth.invoke(call)
    second = model.bind_tools([book_berth], tool_choice="none").invoke([asked, first, result])
    return {"name": call["name"], "arguments": call["args"], "then": second.content}


@chapter
def parallel_tools():
    calls = [
        {"name": "book_berth", "args": {"harbour": harbour, "nights": 1}, "id": f"call_{harbour}"}
        for harbour in ("Oslo", "Lisbon")
    ]
    answer = model.bind_tools([book_berth], parallel_tool_calls=True).invoke(
        [
            HumanMessage("Berths in Oslo and in Lisbon, please."),
            AIMessage("", tool_calls=calls),
            *(ToolMessage("Berth 7.", tool_call_id=call["id"]) for call in calls),
        ]
    )
    return {"finish_reason": answer.response_metadata["finish_reason"]}


@chapter
def structured_output():
    asked = "A berth in Oslo for 2 nights."
    patient = chat_model(max_tokens=80)
    return {
        method: patient.with_structured_output(Berth, method=method).invoke(asked).model_dump()
        for method in ("json_schema", "function_calling")
    }


@chapter
def batch():
    answers = model.batch([f"Name {number} winds." for number in range(4)])
    return {"texts": [answer.content for answer in answers]}


@chapter
def options():
    word, expected = before(str(model.invoke(HELLO).content))
    stopped = model.invoke(HELLO, stop=[word])
    probable = chat_model(logprobs=True, top_logprobs=2, max_tokens=4, seed=7).invoke(HELLO)
    return {
        "stopped": str(stopped.content).rstrip(),
        "expected": expected,
        "logprobs": len(probable.response_metadata["logprobs"]["content"]),
    }


@chapter
def responses_api():
    answer = chat_model(use_responses_api=True).invoke(HELLO)
    chunks = list(chat_model(use_responses_api=True).stream(HELLO))
    return {
        "text": answer.text,
        "stream": "".join(chunk.text for chunk in chunks),
        "id": answer.response_metadata["id"],
    }


@chapter
def embeddings():
    """Asked not to count tokens itself, for which it would download the tokens of another model."""
    embedder = OpenAIEmbeddings(
        model=EMBEDDINGS_MODEL,
        base_url=f"{URL}/v1",
        api_key=KEY,
        check_embedding_ctx_length=False,
    )
    documents = embedder.embed_documents(["one", "two"])
    return {"lengths": [len(each) for each in [*documents, embedder.embed_query("one")]]}


@chapter
def azure():
    deployed = AzureChatOpenAI(
        azure_endpoint=URL,
        azure_deployment=MODEL,
        api_version="2024-10-21",
        api_key=KEY,
        temperature=0,
        max_tokens=16,
        max_retries=0,
    )
    return {"text": deployed.invoke(HELLO).content}


@chapter
def refusals():
    return {
        "wrong_key": refusal(lambda: chat_model(api_key=WRONG_KEY).invoke(HELLO)),
        "unknown_model": refusal(lambda: chat_model(model="nobody/nothing").invoke(HELLO)),
        "too_long": refusal(lambda: model.invoke(TOO_LONG)),
    }


@chapter
def patience():
    hasty = chat_model(api_key=LIMITED_KEY, max_tokens=1)
    refused = None
    for _ in range(2 * MOST_CALLS_OF_A_MINUTE):
        try:
            hasty.invoke(HELLO)
        except openai.RateLimitError as error:
            refused = {"code": error.code, "headers": dict(error.response.headers)}
            break
    patient = chat_model(api_key=LIMITED_KEY, max_tokens=1, max_retries=2)
    return {"refused": refused, "text": patient.invoke(HELLO).content}


@chapter
async def asynchronous():
    answers = await asyncio.gather(*(model.ainvoke(HELLO) for _ in range(3)))
    pieces = [chunk.content async for chunk in model.astream(HELLO)]
    return {"texts": [answer.content for answer in answers], "stream": "".join(map(str, pieces))}


if __name__ == "__main__":
    tell()
