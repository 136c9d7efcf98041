"""A fake of the Gemini API.

Source: ai.google.dev, API reference, "Generating content" (`generateContent`,
`streamGenerateContent`, `UsageMetadata`), "Embeddings", "Function calling"; errors as
google.aip.dev/193.
"""

from tradewind.plugins.providers.dialects.loose_json import objects_of
from tradewind.plugins.providers.fakes.base import (
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    WORDS,
    FakeReply,
    FakeRequest,
    Json,
    Told,
    encode,
    whole,
)

_CACHED = 4
_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
}


_MEMBERS = frozenset(
    {
        "cachedContent",
        "contents",
        "generationConfig",
        "safetySettings",
        "serviceTier",
        "systemInstruction",
        "toolConfig",
        "tools",
    }
)


class FakeGoogle:
    name = "google"
    base_path = "/v1beta"
    credential = "fake-key"
    model = "fake-model"
    garbage = b'data: {"candidates":\n\n'

    def __init__(self) -> None:
        self.options: dict[str, str] = {}

    def reply(self, request: FakeRequest, told: Told) -> FakeReply:
        if request.headers.get("x-goog-api-key") != self.credential:
            return self.failure(401, "API key not valid. Please pass a valid API key.")
        body = request.json
        if request.path == "/v1beta/models/fake-model:batchEmbedContents":
            return self._embeddings(body, told)
        if unknown := body.keys() - _MEMBERS:
            return self.failure(400, f"Invalid JSON payload received. Unknown name {unknown}.")
        tools = objects_of(body.get("tools"))
        declared = objects_of(tools[0].get("functionDeclarations")) if tools else []
        tool: str | None = declared[0]["name"] if declared else None
        roles = [content["role"] for content in objects_of(body["contents"])]
        if not roles or not set(roles) <= {"user", "model"}:
            return self.failure(400, "Please use a valid role: user, model.")
        match request.path:
            case "/v1beta/models/fake-model:generateContent":
                parts = [{"text": "".join(WORDS)}] if tool is None else [_call(tool)]
                return whole(200, _answer(parts, "STOP") | _usage(told))
            case "/v1beta/models/fake-model:streamGenerateContent?alt=sse":
                return _stream(tool, told)
            case _:
                return self.failure(404, "models/… is not found for API version v1beta.")

    def _embeddings(self, body: Json, told: Told) -> FakeReply:
        requests = objects_of(body["requests"])
        if any(each["model"] != "models/fake-model" for each in requests):
            return self.failure(400, "requests: the model must be the path's.")
        answer: Json = {"embeddings": [{"values": [0.5, 0.25]} for _ in requests]}
        usage: Json = {"usageMetadata": {"promptTokenCount": INPUT_TOKENS}}
        return whole(200, answer | ({} if told is Told.MISSING else usage))

    def failure(self, status: int, message: str) -> FakeReply:
        error = {"code": status, "message": message, "status": _STATUSES.get(status, "UNKNOWN")}
        return whole(status, {"error": error})


def _stream(tool: str | None, told: Told) -> FakeReply:
    parts: list[Json] = [{"text": word} for word in WORDS] if tool is None else [_call(tool)]
    answers = [_answer([part], None) for part in parts[:-1]]
    answers.append(_answer([parts[-1]], "STOP"))
    if told is Told.LATE:
        # An event of its own, behind the one that ends the answer.
        answers.append(_usage(told))
    else:
        answers[-1] |= _usage(told)
    pieces = tuple(b"data: " + encode(answer) + b"\r\n\r\n" for answer in answers)
    return FakeReply(200, "text/event-stream", pieces, is_stream=True, first_output=1)


def _answer(parts: list[Json], reason: str | None) -> Json:
    candidate: Json = {"content": {"role": "model", "parts": parts}, "index": 0}
    if reason is not None:
        candidate["finishReason"] = reason
    return {"candidates": [candidate], "modelVersion": "fake-model", "responseId": "fake"}


def _call(tool: str) -> Json:
    return {"functionCall": {"name": tool, "args": {"city": "Oslo"}}}


def _usage(told: Told) -> Json:
    if told is Told.MISSING:
        return {}
    usage = {
        "promptTokenCount": INPUT_TOKENS,
        "candidatesTokenCount": OUTPUT_TOKENS,
        "totalTokenCount": INPUT_TOKENS + OUTPUT_TOKENS,
        "cachedContentTokenCount": _CACHED,
    }
    return {"usageMetadata": usage}
