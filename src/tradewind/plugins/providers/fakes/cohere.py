"""A fake of Cohere's v2 API.

Sources: docs.cohere.com/reference/chat, /reference/chat-stream, /reference/embed,
/reference/rerank; "Errors" (`{"message": …}`).
"""

from tradewind.plugins.providers.fakes.base import (
    CALL_ID,
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    TOOL_ARGUMENTS,
    WORDS,
    FakeReply,
    FakeRequest,
    Json,
    Told,
    encode,
    first_tool,
    whole,
)

_MEMBERS = frozenset(
    {
        "citation_options",
        "documents",
        "frequency_penalty",
        "k",
        "logprobs",
        "max_tokens",
        "messages",
        "model",
        "p",
        "presence_penalty",
        "response_format",
        "safety_mode",
        "seed",
        "stop_sequences",
        "stream",
        "strict_tools",
        "temperature",
        "thinking",
        "tool_choice",
        "tools",
    }
)


class FakeCohere:
    name = "cohere"
    base_path = "/v2"
    credential = "fake-key"
    model = "fake-model"
    garbage = b'data: {"type":"content-delta","delta":\n\n'

    def __init__(self) -> None:
        self.options: dict[str, str] = {}

    def reply(self, request: FakeRequest, told: Told) -> FakeReply:
        if request.headers.get("authorization") != f"Bearer {self.credential}":
            return self.failure(401, "invalid api token")
        body = request.json
        match request.path:
            case "/v2/chat":
                return self._chat(body, told)
            case "/v2/embed":
                kind = body["embedding_types"][0]
                embedding = "AAAAPwAAgD4=" if kind == "base64" else [0.5, 0.25]
                found = {kind: [embedding for _ in body["texts"]]}
                return whole(200, {"id": "fake", "embeddings": found, **_meta(told)})
            case "/v2/rerank":
                results = [
                    {"index": index, "relevance_score": 0.9 - index / 100}
                    for index in range(len(body["documents"]))
                ]
                meta: Json = {"meta": {"billed_units": {"search_units": 1}}}
                meta = {} if told is Told.MISSING else meta
                return whole(200, {"id": "fake", "results": results[: body.get("top_n")], **meta})
            case _:
                return self.failure(404, "not found")

    def failure(self, status: int, message: str) -> FakeReply:
        return whole(status, {"id": "fake", "message": message})

    def _chat(self, body: Json, told: Told) -> FakeReply:
        if unknown := body.keys() - _MEMBERS:
            return self.failure(400, f"unknown fields: {sorted(unknown)}")
        tool = first_tool(body)
        if body["stream"]:
            return _stream(tool, told)
        message: Json = {"role": "assistant"}
        if tool is None:
            message["content"] = [{"type": "text", "text": "".join(WORDS)}]
        else:
            message |= {"tool_plan": "I will call it.", "tool_calls": [_call(tool)]}
        answer: Json = {"id": "fake", "finish_reason": _reason(tool), "message": message}
        return whole(200, answer | _usage(told))


def _stream(tool: str | None, told: Told) -> FakeReply:
    events: list[Json] = [
        {"id": "fake", "type": "message-start", "delta": {"message": {"role": "assistant"}}}
    ]
    if tool is None:
        start = {"message": {"content": {"type": "text", "text": ""}}}
        events.append({"type": "content-start", "index": 0, "delta": start})
        events += [
            {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": word}}}}
            for word in WORDS
        ]
        events.append({"type": "content-end", "index": 0})
    else:
        call = _call(tool, arguments="")
        events.append({"type": "tool-plan-delta", "delta": {"message": {"tool_plan": "Hm."}}})
        start = {"message": {"tool_calls": call}}
        events.append({"type": "tool-call-start", "index": 0, "delta": start})
        for piece in TOOL_ARGUMENTS:
            delta = {"message": {"tool_calls": {"function": {"arguments": piece}}}}
            events.append({"type": "tool-call-delta", "index": 0, "delta": delta})
        events.append({"type": "tool-call-end", "index": 0})
    events.append(
        {"type": "message-end", "delta": {"finish_reason": _reason(tool), **_usage(told)}}
    )
    pieces = tuple(
        b"event: %b\ndata: %b\n\n" % (event["type"].encode(), encode(event)) for event in events
    )
    return FakeReply(200, "text/event-stream", pieces, is_stream=True, first_output=3)


def _reason(tool: str | None) -> str:
    return "COMPLETE" if tool is None else "TOOL_CALL"


def _call(tool: str, arguments: str | None = None) -> Json:
    given = "".join(TOOL_ARGUMENTS) if arguments is None else arguments
    return {"id": CALL_ID, "type": "function", "function": {"name": tool, "arguments": given}}


def _usage(told: Told) -> Json:
    if told is Told.MISSING:
        return {}
    billed = {"input_tokens": float(INPUT_TOKENS), "output_tokens": float(OUTPUT_TOKENS)}
    tokens = {"input_tokens": 80.0, "output_tokens": 9.0}
    return {"usage": {"billed_units": billed, "tokens": tokens, "cached_tokens": 4.0}}


def _meta(told: Told) -> Json:
    if told is Told.MISSING:
        return {}
    return {"meta": {"billed_units": {"input_tokens": float(INPUT_TOKENS)}}}
