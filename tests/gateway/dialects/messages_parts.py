"""Messages requests and answers for tests, and a checker of event order that shares no code with
what writes them.
"""

import json
from typing import Any

from tradewind.gateway.dialects.messages import MessagesInbound
from tradewind.plugins.providers.base import Dialect, TokenCounts
from tradewind.snapshot.contents import Endpoint, Operation, Price, Target

NAME = "tw/small"
ENDPOINT = Endpoint(
    name=NAME,
    operation=Operation.CHAT,
    publisher="tw",
    created_at_ms=1,
    context_tokens=200_000,
    max_output_tokens=4096,
    price=Price("price_1", "USD", 1, 2, 3),
    targets=(),
)
ANTHROPIC = Target(
    "dep_1", "rep_1", "anthropic", "https://host.test:443", "claude-haiku-4-5", "key-of-target"
)
NO_DIALECT: frozenset[Dialect] = frozenset()
_DELTA_OF = {
    "text": {"text_delta": "text", "citations_delta": None},
    "thinking": {"thinking_delta": "thinking", "signature_delta": "signature"},
    "tool_use": {"input_json_delta": "partial_json"},
}


def inbound(**members):
    return MessagesInbound(body_of(**members))


def body_of(**members):
    body = {
        "model": "small",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "Hello"}],
    } | members
    return json.dumps(body).encode()


def as_chat(**members):
    """Return the request for a target of the OpenAI dialect, decoded."""
    request = inbound(**members).request_for(ENDPOINT, NO_DIALECT, b"")
    return {name: json.loads(bytes(value)) for name, value in request.fields.items()}


class ScriptedReader:
    """A reader that passes on what it is fed; its counts are the test's."""

    def __init__(self, counts=None, output_events=0):
        self.counts = counts or TokenCounts()
        self.output_events = output_events

    def feed(self, data):
        return data

    def finish(self):
        return b"data: [DONE]\n\n"


def events_of(raw):
    """Return (name, data) of each event; every one must be whole and have both."""
    assert raw.endswith(b"\n\n") or not raw
    found = []
    for event in raw.decode().split("\n\n")[:-1]:
        name, data = event.split("\n")
        assert name.startswith("event: "), event
        assert data.startswith("data: "), event
        found.append((name[7:], json.loads(data[6:])))
    return found


def legal(raw) -> dict[str, Any]:
    """Check a whole stream against the documented order; return the message it adds up to.

    The order is that of "Streaming messages": message_start, then for each block start, deltas and
    stop with growing indexes and never two open, then message_delta, then message_stop; pings
    anywhere behind the start. Raises AssertionError.
    """
    message: dict[str, Any] = {}
    open_block: dict[str, Any] | None = None
    state = "new"
    for name, data in events_of(raw):
        assert data["type"] == name
        if name == "ping":
            assert state != "new", "a ping before the start"
            continue
        assert state != "stopped", f"{name} behind the end"
        match name:
            case "message_start":
                assert state == "new", "a second message_start"
                message = data["message"]
                assert message["content"] == []
                assert message["stop_reason"] is None
                assert message["role"] == "assistant"
                assert message["type"] == "message"
                assert message["id"].startswith("msg_")
                assert {"input_tokens", "output_tokens"} <= message["usage"].keys()
                state = "begun"
            case "content_block_start":
                assert state == "begun", f"a block {state}"
                assert open_block is None, "two blocks are open"
                assert data["index"] == len(message["content"]), "indexes do not follow"
                open_block = dict(data["content_block"])
                open_block["json"] = ""
                message["content"].append(open_block)
            case "content_block_delta":
                assert open_block is not None, "a delta of no block"
                assert data["index"] == len(message["content"]) - 1
                kind = data["delta"]["type"]
                member = _DELTA_OF[open_block["type"]][kind]
                if kind == "input_json_delta":
                    open_block["json"] += data["delta"][member]
                elif member is not None:
                    assert not open_block.get("signature"), "something behind the signature"
                    open_block[member] += data["delta"][member]
            case "content_block_stop":
                assert open_block is not None, "a stop of no block"
                assert data["index"] == len(message["content"]) - 1
                if open_block["type"] == "thinking":
                    assert open_block["signature"], "clients must get a signature"
                given = open_block.pop("json")
                if open_block["type"] == "tool_use" and given:
                    open_block["input"] = json.loads(given)
                open_block = None
            case "message_delta":
                assert state == "begun"
                assert open_block is None, "a block is still open"
                message |= data["delta"]
                message["usage"] |= data["usage"]
                state = "ended"
            case "message_stop":
                assert state == "ended", "no message_delta before the end"
                state = "stopped"
            case _:
                raise AssertionError(f"unknown event {name}")
    assert state == "stopped", f"the stream is only {state}"
    assert message["stop_reason"] is not None
    return message


def content_of(message):
    """Return what a message says, however it is cut into blocks."""
    blocks = message["content"]
    return {
        "text": "".join(block["text"] for block in blocks if block["type"] == "text"),
        "thinking": "".join(block["thinking"] for block in blocks if block["type"] == "thinking"),
        "calls": [
            (block["id"], block["name"], block["input"])
            for block in blocks
            if block["type"] == "tool_use"
        ],
    }


def chunk(delta=None, finish=None, **choice):
    """One event of a stream in the common form."""
    members = {"index": 0, "delta": delta or {}, "finish_reason": finish} | choice
    whole = {"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [members]}
    return b"data: " + json.dumps(whole).encode() + b"\n\n"


def call_piece(index, arguments="", *, id=None, name=None):  # noqa: A002
    call = {"index": index, "function": {"arguments": arguments}}
    if id is not None:
        call |= {"id": id, "type": "function"}
    if name is not None:
        call["function"]["name"] = name
    return {"tool_calls": [call]}
