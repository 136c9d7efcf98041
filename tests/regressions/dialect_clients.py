"""One question in the words of every API the gateway answers, and what its client makes of the
answer. Written from the documented formats, and knows nothing of how the gateway writes them.
"""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

MODEL = "tw/small"
Json = dict[str, Any]


class Told(NamedTuple):
    """What a client knows when the answer is over."""

    status: int
    text: str
    has_ended_well: bool
    """A stream said that it is complete, in the way its clients wait for."""
    error: Json | None
    usage: tuple[int, int, int] | None
    """Input (cached ones included), cached input, output."""


class Dialect(NamedTuple):
    path: str
    body: Json
    streamed: str | None
    """The path that streams, where the body does not say it."""
    read_whole: Callable[[Json], Told]
    read_stream: Callable[[bytes], Told]

    async def ask(self, client, *, stream=False, **members) -> Told:
        body = self.body | members
        path = self.path
        if stream and self.streamed is not None:
            path = self.streamed
        elif stream:
            body = body | {"stream": True}
        answer = await client.call("POST", path, json.dumps(body).encode())
        if answer.status != 200:
            return Told(answer.status, "", False, answer.json["error"], None)
        return self.read_stream(answer.body) if stream else self.read_whole(answer.json)


def events_of(raw: bytes) -> list[tuple[str, str]]:
    """Return name and data of each event (WHATWG HTML, section 9.2.6)."""
    found = []
    for block in raw.decode().split("\n\n"):
        name, data = "", []
        for line in block.split("\n"):
            if line.startswith("event: "):
                name = line[7:]
            elif line.startswith("data: "):
                data.append(line[6:])
        if data:
            found.append((name, "\n".join(data)))
    return found


# OpenAI: chat completions.


def _chat_usage(usage: Json | None) -> tuple[int, int, int] | None:
    if usage is None:
        return None
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    return usage["prompt_tokens"], cached, usage["completion_tokens"]


def _chat_whole(answer: Json) -> Told:
    [choice] = answer["choices"]
    return Told(200, choice["message"]["content"], True, None, _chat_usage(answer.get("usage")))


def _chat_stream(raw: bytes) -> Told:
    text, error, usage, is_done = "", None, None, False
    for _, data in events_of(raw):
        assert not is_done, "nothing comes after [DONE]"
        if data == "[DONE]":
            is_done = True
            continue
        try:
            event = json.loads(data)
        except json.JSONDecodeError:
            continue  # passed on as it came; the error has to follow
        if "error" in event:
            error = event["error"]
            continue
        usage = event.get("usage") or usage
        for choice in event["choices"]:
            text += choice["delta"].get("content") or ""
    return Told(200, text, is_done and error is None, error, _chat_usage(usage))


_MESSAGES = [{"role": "user", "content": "Hello"}]
_USAGE_TOO = {"stream_options": {"include_usage": True}}
CHAT = Dialect(
    "/v1/chat/completions",
    {"model": MODEL, "messages": _MESSAGES, **_USAGE_TOO},
    None,
    _chat_whole,
    _chat_stream,
)
AZURE = CHAT._replace(
    path=f"/openai/deployments/{MODEL}/chat/completions?api-version=2024-10-21",
    body={"messages": _MESSAGES, **_USAGE_TOO},
)


# Anthropic: Messages.


def _messages_usage(usage: Json) -> tuple[int, int, int]:
    cached = usage.get("cache_read_input_tokens") or 0
    written = usage.get("cache_creation_input_tokens") or 0
    return usage["input_tokens"] + cached + written, cached, usage["output_tokens"]


def _messages_whole(answer: Json) -> Told:
    text = "".join(block.get("text", "") for block in answer["content"])
    return Told(200, text, True, None, _messages_usage(answer["usage"]))


def _messages_stream(raw: bytes) -> Told:
    text, error, usage, is_done = "", None, {}, False
    for name, data in events_of(raw):
        event = json.loads(data)
        assert event["type"] == name
        match name:
            case "message_start":
                usage = event["message"]["usage"]
            case "content_block_delta":
                text += event["delta"].get("text", "")
            case "message_delta":
                usage = usage | {k: v for k, v in event["usage"].items() if v is not None}
            case "message_stop":
                is_done = True
            case "error":
                error = event["error"]
    return Told(200, text, is_done, error, _messages_usage(usage) if is_done else None)


MESSAGES = Dialect(
    "/v1/messages",
    {"model": MODEL, "messages": _MESSAGES, "max_tokens": 100},
    None,
    _messages_whole,
    _messages_stream,
)


# OpenAI: Responses.


def _responses_usage(usage: Json | None) -> tuple[int, int, int] | None:
    if usage is None:
        return None
    cached = usage["input_tokens_details"]["cached_tokens"]
    return usage["input_tokens"], cached, usage["output_tokens"]


def _responses_whole(answer: Json) -> Told:
    parts = [part for item in answer["output"] for part in item.get("content", ())]
    text = "".join(part.get("text", "") for part in parts)
    return Told(200, text, True, None, _responses_usage(answer["usage"]))


def _responses_stream(raw: bytes) -> Told:
    text, error, usage, is_done = "", None, None, False
    for name, data in events_of(raw):
        event = json.loads(data)
        match name:
            case "response.output_text.delta":
                text += event["delta"]
            case "response.completed":
                is_done, usage = True, _responses_usage(event["response"]["usage"])
            case "response.failed":
                error = event["response"]["error"]
            case "error":
                error = event
    return Told(200, text, is_done, error, usage)


RESPONSES = Dialect(
    "/v1/responses",
    {"model": MODEL, "input": "Hello", "store": False},
    None,
    _responses_whole,
    _responses_stream,
)


# Google: Gemini.


def _gemini_usage(usage: Json | None) -> tuple[int, int, int] | None:
    if usage is None:
        return None
    written = usage.get("candidatesTokenCount", 0) + usage.get("thoughtsTokenCount", 0)
    return usage["promptTokenCount"], usage.get("cachedContentTokenCount", 0), written


def _gemini_text(answer: Json) -> str:
    return "".join(
        part.get("text", "")
        for candidate in answer.get("candidates", ())
        for part in candidate.get("content", {}).get("parts", ())
    )


def _gemini_whole(answer: Json) -> Told:
    return Told(200, _gemini_text(answer), True, None, _gemini_usage(answer.get("usageMetadata")))


def _gemini_stream(raw: bytes) -> Told:
    text, error, usage, is_done = "", None, None, False
    for _, data in events_of(raw):
        event = json.loads(data)
        if "error" in event:
            error = event["error"]
            continue
        text += _gemini_text(event)
        usage = _gemini_usage(event.get("usageMetadata")) or usage
        is_done = any(each.get("finishReason") for each in event.get("candidates", ()))
    return Told(200, text, is_done and error is None, error, usage)


GEMINI = Dialect(
    f"/v1beta/models/{MODEL}:generateContent",
    {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]},
    f"/v1beta/models/{MODEL}:streamGenerateContent?alt=sse",
    _gemini_whole,
    _gemini_stream,
)

DIALECTS = {
    "chat": CHAT,
    "azure": AZURE,
    "messages": MESSAGES,
    "responses": RESPONSES,
    "gemini": GEMINI,
}
