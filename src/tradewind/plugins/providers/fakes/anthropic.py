"""A fake of Anthropic's Messages API.

Source: platform.claude.com, "Create a Message", "Streaming messages", "Errors".
"""

from tradewind.plugins.providers.dialects.loose_json import objects_of
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
    whole,
)

_CACHED = 4
_TYPES = {401: "authentication_error", 429: "rate_limit_error", 500: "api_error"}


class FakeAnthropic:
    name = "anthropic"
    base_path = "/v1"
    credential = "fake-key"
    model = "fake-model"
    garbage = b'event: content_block_delta\ndata: {"type":\n\n'

    def __init__(self) -> None:
        self.options: dict[str, str] = {}

    def reply(self, request: FakeRequest, told: Told) -> FakeReply:
        if request.headers.get("x-api-key") != self.credential:
            return self.failure(401, "invalid x-api-key")
        if request.path != "/v1/messages" or "anthropic-version" not in request.headers:
            return self.failure(404, f"There is no {request.path}.")
        body = request.json
        if not isinstance(body["max_tokens"], int):
            return self.failure(400, "max_tokens: Field required")
        tools = objects_of(body.get("tools"))
        tool: str | None = tools[0]["name"] if tools else None
        if body.get("stream"):
            return _stream(body["model"], tool, told)
        block: Json = {"type": "text", "text": "".join(WORDS)}
        if tool is not None:
            block = {"type": "tool_use", "id": CALL_ID, "name": tool, "input": {"city": "Oslo"}}
        answer = _message(body["model"]) | {"content": [block], "stop_reason": _reason(tool)}
        usage = {"usage": _input_usage() | {"output_tokens": OUTPUT_TOKENS}}
        return whole(200, answer | ({} if told is Told.MISSING else usage))

    def failure(self, status: int, message: str) -> FakeReply:
        kind = _TYPES.get(status, "invalid_request_error")
        return whole(status, {"type": "error", "error": {"type": kind, "message": message}})


def _stream(model: str, tool: str | None, told: Told) -> FakeReply:
    is_told = told is not Told.MISSING
    start = _message(model) | ({"usage": _input_usage() | {"output_tokens": 1}} if is_told else {})
    block: Json = {"type": "text", "text": ""}
    deltas: list[Json] = [{"type": "text_delta", "text": word} for word in WORDS]
    if tool is not None:
        block = {"type": "tool_use", "id": CALL_ID, "name": tool, "input": {}}
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in TOOL_ARGUMENTS]
    end: Json = {"type": "message_delta", "delta": {"stop_reason": _reason(tool)}}
    if is_told:
        end["usage"] = {"output_tokens": OUTPUT_TOKENS}
    events: list[Json] = [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": block},
        *({"type": "content_block_delta", "index": 0, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": 0},
        end,
        {"type": "message_stop"},
    ]
    pieces = tuple(
        b"event: %b\ndata: %b\n\n" % (event["type"].encode(), encode(event)) for event in events
    )
    return FakeReply(200, "text/event-stream", pieces, is_stream=True, first_output=3)


def _message(model: str) -> Json:
    return {
        "id": "msg_fake",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def _reason(tool: str | None) -> str:
    return "end_turn" if tool is None else "tool_use"


def _input_usage() -> Json:
    return {
        "input_tokens": INPUT_TOKENS - _CACHED,
        "cache_read_input_tokens": _CACHED,
        "cache_creation_input_tokens": 0,
    }
