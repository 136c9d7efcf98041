"""Fakes of hosts that speak OpenAI's dialect, each with its own paths, key and habits.

Sources: OpenAI's API reference, "Chat Completions", "Embeddings", "Moderations", "Images", "Audio",
"Files";
learn.microsoft.com, "Azure OpenAI REST API reference", "Azure AI Model Inference REST API
reference"; docs.mistral.ai, "Chat Completion"; llama.cpp, `tools/server/README.md`.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from tradewind.plugins.providers.dialects.loose_json import items_of, object_or_none
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
from tradewind.plugins.providers.fakes.files import FakeFiles

DONE = b"data: [DONE]\n\n"
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="
)
"""A grey PNG of one pixel."""
_FILTERED: Json = {"hate": {"filtered": False, "severity": "safe"}}
_FORM_FIELD = re.compile(rb'name="([a-z_\[\]]+)"\r\n(?:[^\r\n]+\r\n)*\r\n([^\r]*)\r\n')


class Habits(NamedTuple):
    """In what the hosts of the dialect differ."""

    name: str
    base_path: str = "/v1"
    prefix: str = ""
    """Of paths, behind the base path."""
    query: str = ""
    key_header: str = "authorization"
    key_prefix: str = "Bearer "
    usage_beside_choice: bool = False
    """Mistral: the last event with a choice tells the usage."""
    filters_prompt: bool = False
    """Azure: the first event has the results of the prompt's filter, and no choice."""
    forbids: frozenset[str] = frozenset()
    """Members that it refuses."""
    has_progress: bool = False
    """llama-server: tells of the prompt while it reads it, when asked."""
    files: str = ""
    """Where its files are, behind the base path; empty: it has none."""
    upload_status: int = 200


HABITS = (
    Habits("openai", files="/files"),
    Habits("openai_compatible", files="/files"),
    Habits(
        "azure_openai",
        base_path="",
        prefix="/openai/deployments/fake-model",
        query="?api-version=2024-10-21",
        key_header="api-key",
        key_prefix="",
        filters_prompt=True,
        files="/openai/files",
        upload_status=201,
    ),
    Habits(
        "azure_inference",
        base_path="",
        prefix="/models",
        query="?api-version=2024-05-01-preview",
        key_header="api-key",
        key_prefix="",
        forbids=frozenset({"max_completion_tokens"}),
    ),
    Habits(
        "mistral",
        usage_beside_choice=True,
        forbids=frozenset({"stream_options", "max_completion_tokens", "seed", "user", "store"}),
    ),
    Habits("llama_server", has_progress=True),
)


class FakeOpenAI:
    """Chat, and for OpenAI itself its other operations; where a host has files, it keeps them."""

    credential = "fake-key"
    model = "fake-model"
    garbage = b'{"not": "an event"\n'

    def __init__(self, habits: Habits) -> None:
        self.habits = habits
        self.name = habits.name
        self.base_path = habits.base_path
        self.options: dict[str, str] = {}
        self.files = FakeFiles(habits.upload_status)

    def reply(self, request: FakeRequest, told: Told) -> FakeReply:
        habits = self.habits
        if request.headers.get(habits.key_header) != habits.key_prefix + self.credential:
            return self.failure(401, "Incorrect API key provided.")
        if habits.files and request.path.startswith(habits.base_path + habits.files):
            path = request.path.removeprefix(habits.base_path + habits.files)
            if path.endswith(habits.query):
                return self.files.reply(request, path.removesuffix(habits.query), self.failure)
        start = habits.base_path + habits.prefix
        operation = request.path.removeprefix(start).removesuffix(habits.query)
        if request.path != start + operation + habits.query:
            return self.failure(404, f"There is no {request.path}.")
        match operation:
            case "/chat/completions":
                return self._chat(request.json, told)
            case "/completions":
                return _completions(request.json, told, is_beside=self.habits.has_progress)
            case "/embeddings":
                return _embeddings(request.json, told)
            case "/rerank":
                return _ranking(request.json, told)
            case "/moderations":
                return _moderations(request.json)
            case "/images/generations":
                return _images(request.json.get("n") or 1, told)
            case "/images/edits":
                return _images(int(_form_of(request).get("n", "1")), told)
            case "/audio/speech":
                return _speech(request.json, told)
            case "/audio/transcriptions" | "/audio/translations":
                return _transcription(_form_of(request), told)
            case _:
                return self.failure(404, f"There is no {request.path}.")

    def failure(self, status: int, message: str) -> FakeReply:
        error = {"message": message, "type": "error", "param": None, "code": None}
        return whole(status, {"error": error})

    def _chat(self, body: Json, told: Told) -> FakeReply:
        if forbidden := self.habits.forbids & body.keys():
            return self.failure(422, f"Extra inputs are not permitted: {sorted(forbidden)}")
        if not isinstance(body["messages"], list) or not body["messages"]:
            raise ValueError("messages")
        tool = first_tool(body)
        if body.get("stream"):
            return self._stream(body, tool, told)
        message: Json = {"role": "assistant", "content": "".join(WORDS)}
        if tool is not None:
            message = {"role": "assistant", "content": None, "tool_calls": [_call(tool)]}
        reason = "stop" if tool is None else "tool_calls"
        choice: Json = {"index": 0, "message": message, "finish_reason": reason}
        answer: Json = {
            "id": "chatcmpl-fake",
            "object": "chat.completion",
            "created": 1,
            "model": body["model"],
            "choices": [choice],
        }
        return whole(200, answer | ({} if told is Told.MISSING else {"usage": _usage()}))

    def _stream(self, body: Json, tool: str | None, told: Told) -> FakeReply:
        habits = self.habits
        head: Json = {
            "id": "chatcmpl-fake",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": body["model"],
        }
        pieces: list[bytes] = []
        if habits.filters_prompt:
            results = [{"prompt_index": 0, "content_filter_results": _FILTERED}]
            empty: Json = {"id": "", "object": "", "created": 0, "model": "", "choices": []}
            pieces.append(_event(empty | {"prompt_filter_results": results}))
        if habits.has_progress and body.get("return_progress"):
            progress = {"total": INPUT_TOKENS, "cache": 0, "processed": INPUT_TOKENS, "time_ms": 1}
            choice = _delta({"role": "assistant", "content": None})
            pieces.append(_event(head | choice | {"prompt_progress": progress}))
        pieces.append(_event(head | _delta({"role": "assistant", "content": ""})))
        begun = len(pieces)
        if tool is None:
            pieces += [_event(head | _delta({"content": word})) for word in WORDS]
        else:
            call = _call(tool, arguments="")
            pieces.append(_event(head | _delta({"tool_calls": [{"index": 0, **call}]})))
            begun += 1
            pieces += [
                _event(head | _delta({"tool_calls": [_arguments(piece)]}))
                for piece in TOOL_ARGUMENTS
            ]
        last = head | _delta({}, "stop" if tool is None else "tool_calls")
        wants_usage = _wants_usage(body)
        if told is Told.IN_PLACE and habits.usage_beside_choice:
            last |= {"usage": _usage()}
        pieces.append(_event(last))
        usage = _event(head | {"choices": [], "usage": _usage()})
        if told is Told.IN_PLACE and wants_usage and not habits.usage_beside_choice:
            pieces.append(usage)
        pieces.append(DONE)
        if told is Told.LATE:
            # llama-server ends with its mark, so that its usage cannot come behind it.
            pieces.insert(len(pieces) - 1 if habits.has_progress else len(pieces), usage)
        return FakeReply(
            200, "text/event-stream", tuple(pieces), is_stream=True, first_output=begun + 1
        )


def _completions(body: Json, told: Told, *, is_beside: bool) -> FakeReply:
    """`is_beside`: llama-server tells the usage in the event that ends the choice."""
    head: Json = {"id": "cmpl-fake", "object": "text_completion", "created": 1}
    head["model"] = body["model"]
    if not body.get("stream"):
        choice: Json = {"index": 0, "text": "".join(WORDS), "finish_reason": "stop"}
        answer = head | {"choices": [choice]}
        return whole(200, answer | ({} if told is Told.MISSING else {"usage": _usage()}))
    pieces = [
        _event(head | {"choices": [{"index": 0, "text": word, "finish_reason": None}]})
        for word in WORDS
    ]
    last: Json = head | {"choices": [{"index": 0, "text": "", "finish_reason": "stop"}]}
    if told is Told.IN_PLACE and is_beside:
        last["usage"] = _usage()
    pieces.append(_event(last))
    if told is Told.IN_PLACE and not is_beside and _wants_usage(body):
        pieces.append(_event(head | {"choices": [], "usage": _usage()}))
    return _events([*pieces, DONE], 1)


def _embeddings(body: Json, told: Told) -> FakeReply:
    texts = items_of(body["input"]) or [body["input"]]
    data = [
        {"object": "embedding", "index": index, "embedding": [0.5, 0.25]}
        for index in range(len(texts))
    ]
    answer: Json = {"object": "list", "data": data, "model": body["model"]}
    usage = {"prompt_tokens": INPUT_TOKENS, "total_tokens": INPUT_TOKENS}
    return whole(200, answer | ({} if told is Told.MISSING else {"usage": usage}))


def _ranking(body: Json, told: Told) -> FakeReply:
    results = [
        {"index": index, "relevance_score": 0.9 - index / 100}
        for index in range(len(body["documents"]))
    ]
    answer: Json = {"model": body["model"], "results": results[: body.get("top_n")]}
    usage = {"total_tokens": INPUT_TOKENS, "prompt_tokens": INPUT_TOKENS}
    return whole(200, answer | ({} if told is Told.MISSING else {"usage": usage}))


def _moderations(body: Json) -> FakeReply:
    result = {"flagged": False, "categories": {"hate": False}, "category_scores": {"hate": 0.01}}
    return whole(200, {"id": "modr-fake", "model": body["model"], "results": [result]})


def _images(number: int, told: Told) -> FakeReply:
    answer: Json = {"created": 1, "data": [{"b64_json": PIXEL}] * number}
    usage = {
        "input_tokens": INPUT_TOKENS,
        "input_tokens_details": {"text_tokens": INPUT_TOKENS, "image_tokens": 0},
        "output_tokens": 100 * number,
        "total_tokens": INPUT_TOKENS + 100 * number,
    }
    return whole(200, answer | ({} if told is Told.MISSING else {"usage": usage}))


def _speech(body: Json, told: Told) -> FakeReply:
    if body.get("stream_format") != "sse":
        pieces = (b"ID3\x04\x00", b"\x00\xff" * 64, b"\r\n\r\ndata: [DONE]\n\n")
        return FakeReply(200, "audio/mpeg", pieces, is_stream=True, first_output=1)
    done: Json = {"type": "speech.audio.done"}
    if told is not Told.MISSING:
        done["usage"] = {"input_tokens": INPUT_TOKENS, "output_tokens": 40, "total_tokens": 52}
    events = ({"type": "speech.audio.delta", "audio": "c291bmQ="}, done)
    pieces = tuple(_event(event) for event in events)
    return _events(pieces, 1)


def _transcription(form: dict[str, str], told: Told) -> FakeReply:
    text = "".join(WORDS)
    usage: Json = {} if told is Told.MISSING else {"usage": {"type": "duration", "seconds": 7.5}}
    if form.get("stream") == "true":
        tokens = {"type": "tokens", "input_tokens": INPUT_TOKENS, "output_tokens": OUTPUT_TOKENS}
        done: Json = {"type": "transcript.text.done", "text": text}
        done |= {} if told is Told.MISSING else {"usage": tokens}
        events = [{"type": "transcript.text.delta", "delta": word} for word in WORDS]
        pieces = tuple(_event(event) for event in (*events, done))
        return _events(pieces, 1)
    match form.get("response_format", "json"):
        case "json":
            return whole(200, {"text": text} | usage)
        case "verbose_json":
            return whole(200, {"text": text, "language": "en", "duration": 7.5} | usage)
        case "srt":
            lines = f"1\n00:00:00,000 --> 00:00:07,500\n{text}\n"
            return FakeReply(200, "text/plain; charset=utf-8", (lines.encode(),))
        case other:
            raise ValueError(other)


def _form_of(request: FakeRequest) -> dict[str, str]:
    if not request.headers["content-type"].startswith("multipart/form-data; boundary="):
        raise ValueError("no form")
    return {name.decode(): value.decode() for name, value in _FORM_FIELD.findall(request.body)}


def _wants_usage(body: Json) -> bool:
    options = object_or_none(body.get("stream_options")) or {}
    return bool(options.get("include_usage"))


def _events(pieces: Iterable[bytes], first_output: int) -> FakeReply:
    return FakeReply(
        200, "text/event-stream", tuple(pieces), is_stream=True, first_output=first_output
    )


def _usage() -> Json:
    return {
        "prompt_tokens": INPUT_TOKENS,
        "completion_tokens": OUTPUT_TOKENS,
        "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
        "prompt_tokens_details": {"cached_tokens": 4},
    }


def _call(tool: str, arguments: str | None = None) -> Json:
    given = "".join(TOOL_ARGUMENTS) if arguments is None else arguments
    return {"id": CALL_ID, "type": "function", "function": {"name": tool, "arguments": given}}


def _arguments(piece: str) -> Json:
    return {"index": 0, "function": {"arguments": piece}}


def _delta(delta: Json, reason: str | None = None) -> Json:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}


def _event(body: Json) -> bytes:
    return b"data: " + encode(body) + b"\n\n"
