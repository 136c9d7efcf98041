"""A fake of Amazon Bedrock: Converse, ConverseStream, and InvokeModel of Titan and Cohere, behind
signatures.

Sources: docs.aws.amazon.com, Amazon Bedrock API Reference, "Converse", "ConverseStreamOutput",
"InvokeModel"; Amazon Lex V2, "Event stream encoding". A signature is looked for, not verified.
"""

from itertools import pairwise
from urllib.parse import unquote

from tradewind.plugins.providers.dialects import event_stream
from tradewind.plugins.providers.dialects.loose_json import object_or_none, objects_of
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

_MEMBERS = frozenset(
    {
        "additionalModelRequestFields",
        "inferenceConfig",
        "messages",
        "outputConfig",
        "serviceTier",
        "system",
        "toolConfig",
    }
)
_STREAM = "application/vnd.amazon.eventstream"
_CACHED = 4


class FakeBedrock:
    name = "bedrock"
    base_path = ""
    credential = (
        '{"access_key_id":"AKIDEXAMPLE","secret_access_key":"fake-secret","session_token":"fake"}'
    )
    model = "fake.model-v1:0"
    # A message whose checksum is wrong.
    garbage = event_stream.encode({":message-type": "event"}, b"{}")[:-1] + b"\x00"

    def __init__(self) -> None:
        self.options = {"region": "eu-north-1"}

    def reply(self, request: FakeRequest, told: Told) -> FakeReply:
        opened = request.headers.get("authorization", "")
        if (
            not opened.startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
            or "/eu-north-1/bedrock/aws4_request" not in opened
            or request.headers.get("x-amz-security-token") != "fake"
        ):
            return self.failure(403, "The security token included in the request is invalid.")
        _, model, name, action = request.path.split("/")
        if model != "model" or unquote(name) != self.model:
            return self.failure(404, "Could not resolve the foundation model.")
        body = request.json
        if action == "invoke" and "documents" in body:
            if body.keys() - {"query", "documents", "top_n", "api_version"}:
                return self.failure(400, "Malformed input request")
            results = [
                {"index": index, "relevance_score": 0.9 - index / 100}
                for index in range(len(body["documents"]))
            ]
            return whole(200, {"results": results[: body.get("top_n")]})
        if action == "invoke" and "texts" in body:
            if body["embedding_types"] != ["float"] or not body["input_type"]:
                return self.failure(400, "Malformed input request")
            vectors = [[0.5, 0.25] for _ in body["texts"]]
            kind: Json = {"id": "fake", "response_type": "embeddings_by_type"}
            return whole(200, kind | {"embeddings": {"float": vectors}, "texts": body["texts"]})
        if action == "invoke":
            answer: Json = {"embedding": [0.5, 0.25], "embeddingsByType": {"float": [0.5, 0.25]}}
            if told is not Told.MISSING:
                answer["inputTextTokenCount"] = INPUT_TOKENS
            return whole(200, answer | {"text": body["inputText"]})
        if unknown := body.keys() - _MEMBERS:
            return self.failure(400, f"extraneous keys are not permitted: {sorted(unknown)}")
        roles = [message["role"] for message in body["messages"]]
        if any(one == other for one, other in pairwise(roles)):
            return self.failure(400, "A conversation must alternate between roles.")
        config = object_or_none(body.get("toolConfig")) or {}
        tools = objects_of(config.get("tools"))
        tool: str | None = tools[0]["toolSpec"]["name"] if tools else None
        if action == "converse-stream":
            return _stream(tool, told)
        return _whole(tool, told)

    def failure(self, status: int, message: str) -> FakeReply:
        return whole(status, {"message": message})


def _whole(tool: str | None, told: Told) -> FakeReply:
    block: Json = {"text": "".join(WORDS)}
    if tool is not None:
        block = {"toolUse": {"toolUseId": CALL_ID, "name": tool, "input": {"city": "Oslo"}}}
    answer: Json = {
        "output": {"message": {"role": "assistant", "content": [block]}},
        "stopReason": _reason(tool),
        "metrics": {"latencyMs": 1},
    }
    return whole(200, answer | _usage(told))


def _stream(tool: str | None, told: Told) -> FakeReply:
    pieces = [_event("messageStart", {"role": "assistant"})]
    begun = 2
    if tool is None:
        deltas: list[Json] = [{"text": word} for word in WORDS]
    else:
        begun = 3
        start = {"toolUse": {"toolUseId": CALL_ID, "name": tool}}
        pieces.append(_event("contentBlockStart", {"contentBlockIndex": 0, "start": start}))
        deltas = [{"toolUse": {"input": piece}} for piece in TOOL_ARGUMENTS]
    pieces += [
        _event("contentBlockDelta", {"contentBlockIndex": 0, "delta": delta}) for delta in deltas
    ]
    pieces.append(_event("contentBlockStop", {"contentBlockIndex": 0}))
    pieces.append(_event("messageStop", {"stopReason": _reason(tool)}))
    # Its usage always comes behind the end of the message.
    if told is not Told.MISSING:
        pieces.append(_event("metadata", {**_usage(told), "metrics": {"latencyMs": 1}}))
    return FakeReply(200, _STREAM, tuple(pieces), is_stream=True, first_output=begun)


def _reason(tool: str | None) -> str:
    return "end_turn" if tool is None else "tool_use"


def _usage(told: Told) -> Json:
    if told is Told.MISSING:
        return {}
    usage = {
        "inputTokens": INPUT_TOKENS - _CACHED,
        "outputTokens": OUTPUT_TOKENS,
        "totalTokens": INPUT_TOKENS + OUTPUT_TOKENS,
        "cacheReadInputTokens": _CACHED,
        "cacheWriteInputTokens": 0,
    }
    return {"usage": usage}


def _event(kind: str, body: Json) -> bytes:
    headers = {
        ":event-type": kind,
        ":content-type": "application/json",
        ":message-type": "event",
    }
    return event_stream.encode(headers, encode(body))
