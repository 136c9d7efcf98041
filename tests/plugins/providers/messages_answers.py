"""Answers of the Messages dialect, written from "Create a Message", "Streaming messages" and
"Prompt caching" (platform.claude.com). They are examples of the documented format, not recordings.
"""

import json

USAGE = {
    "input_tokens": 10,
    "cache_creation_input_tokens": 30,
    "cache_read_input_tokens": 60,
    "output_tokens": 1,
}
FINAL_USAGE = {"output_tokens": 20, "output_tokens_details": {"thinking_tokens": 5}}


def event(kind, **members):
    data = json.dumps({"type": kind} | members, separators=(",", ":"))
    return f"event: {kind}\ndata: {data}\n\n".encode()


def start(model="claude-haiku-4-5", usage=USAGE):
    message = {
        "id": "msg_01",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }
    return event("message_start", message=message)


def block(index, content, *deltas):
    parts = [event("content_block_start", index=index, content_block=content)]
    parts += [event("content_block_delta", index=index, delta=delta) for delta in deltas]
    return b"".join([*parts, event("content_block_stop", index=index)])


def text(index, *pieces):
    deltas = [{"type": "text_delta", "text": piece} for piece in pieces]
    return block(index, {"type": "text", "text": ""}, *deltas)


def thinking(index, *pieces):
    deltas = [{"type": "thinking_delta", "thinking": piece} for piece in pieces]
    signature = {"type": "signature_delta", "signature": "EqQB"}
    content = {"type": "thinking", "thinking": "", "signature": ""}
    return block(index, content, *deltas, signature)


def tool_use(index, call_id, name, *pieces, given=None):
    deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
    content = {"type": "tool_use", "id": call_id, "name": name, "input": given or {}}
    return block(index, content, *deltas)


def end(reason="end_turn", usage=FINAL_USAGE):
    delta = {"stop_reason": reason, "stop_sequence": None}
    return event("message_delta", delta=delta, usage=usage) + event("message_stop")


PING = event("ping")
STREAM = (
    start()
    + PING
    + thinking(0, "Hm", ", well")
    + text(1, "Let me", " see")
    + tool_use(2, "toolu_1", "look", "", '{"at":', ' "x"}')
    + tool_use(3, "toolu_2", "wait")
    + end("tool_use")
)
WHOLE = {
    "id": "msg_01",
    "type": "message",
    "role": "assistant",
    "model": "claude-haiku-4-5-20251001",
    "content": [
        {"type": "thinking", "thinking": "Hm, well", "signature": "EqQB"},
        {"type": "text", "text": "Let me see"},
        {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"at": "x"}},
        {"type": "tool_use", "id": "toolu_2", "name": "wait", "input": {}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": USAGE | FINAL_USAGE,
}


def error_body(kind, message):
    return json.dumps(
        {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}
    ).encode()
