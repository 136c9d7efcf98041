"""Gemini requests and answers for tests, and a checker of streams that shares no code with what
writes them.
"""

import json
from typing import Any

from tests.gateway.dialects.messages_parts import NAME, ScriptedReader, call_piece, chunk
from tradewind.gateway.dialects.gemini import GeminiInbound
from tradewind.plugins.providers.base import Dialect
from tradewind.snapshot.contents import Endpoint, Operation, Price, Target

__all__ = [
    "ENDPOINT",
    "GOOGLE",
    "NAME",
    "NO_DIALECT",
    "ScriptedReader",
    "as_chat",
    "body_of",
    "call_piece",
    "chunk",
    "content_of",
    "inbound",
    "legal",
    "legal_array",
    "summed",
]

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
GOOGLE = Target(
    "dep_1",
    "rep_1",
    "google",
    "https://host.test:443",
    "gemini-2.5-flash",
    "key-of-target",
    base_path="/v1beta",
)
NO_DIALECT: frozenset[Dialect] = frozenset()
HELLO = [{"role": "user", "parts": [{"text": "Hello"}]}]
_KINDS = {"text", "functionCall"}


def body_of(**members):
    return json.dumps({"contents": HELLO} | members).encode()


def inbound(*, is_stream=False, is_array=False, **members):
    return GeminiInbound(body_of(**members), "small", is_stream=is_stream, is_array=is_array)


def as_chat(**members):
    """Return the request for a target of the OpenAI dialect, decoded."""
    request = inbound(**members).request_for(ENDPOINT, NO_DIALECT, b"")
    return {name: json.loads(bytes(value)) for name, value in request.fields.items()}


def chunks_of(raw):
    assert raw.endswith(b"\n\n") or not raw
    found = []
    for event in raw.decode().split("\n\n")[:-1]:
        assert event.startswith("data: "), event
        assert "\n" not in event
        found.append(json.loads(event[6:]))
    return found


def legal(raw) -> dict[str, Any]:
    """Check a stream of events against the documented form; return the answer it adds up to.

    Each chunk is an answer of its own; why a candidate ended and what it cost comes with the last
    one and nowhere else; a function call is a whole object. Raises AssertionError.
    """
    return summed(chunks_of(raw))


def legal_array(raw) -> dict[str, Any]:
    """As `legal`, for a stream that is one JSON array."""
    return summed(json.loads(raw))


def summed(chunks):
    assert chunks, "the stream is empty"
    found: dict[int, dict[str, Any]] = {}
    for number, each in enumerate(chunks):
        is_last = number == len(chunks) - 1
        assert each["modelVersion"] == NAME
        assert each["responseId"] == chunks[0]["responseId"]
        assert ("usageMetadata" in each) == is_last
        assert each["candidates"], "a chunk without a candidate says nothing"
        for candidate in each["candidates"]:
            index = candidate["index"]
            known = found.setdefault(index, {"parts": [], "index": index})
            assert ("finishReason" in candidate) == is_last
            assert candidate["content"]["role"] == "model"
            assert candidate["content"]["parts"], "clients look for parts in every candidate"
            for part in candidate["content"]["parts"]:
                assert len(part.keys() & _KINDS) == 1, part
                if "functionCall" in part:
                    assert isinstance(part["functionCall"]["args"], dict)
                    assert part["functionCall"]["name"]
            known["parts"] += candidate["content"]["parts"]
            known["finishReason"] = candidate.get("finishReason")
    last = {candidate["index"] for candidate in chunks[-1]["candidates"]}
    assert last == set(found), "every candidate ends"
    usage = chunks[-1]["usageMetadata"]
    return {
        "candidates": [
            {
                "content": {"parts": known["parts"], "role": "model"},
                "finishReason": known["finishReason"],
                "index": index,
            }
            for index, known in sorted(found.items())
        ],
        "usageMetadata": usage,
    }


def content_of(answer, index=0):
    """Return what a candidate says, however it is cut into parts."""
    [candidate] = [each for each in answer["candidates"] if each["index"] == index]
    parts = candidate["content"]["parts"]
    texts = [part for part in parts if "text" in part]
    return {
        "text": "".join(part["text"] for part in texts if not part.get("thought")),
        "thoughts": "".join(part["text"] for part in texts if part.get("thought")),
        "calls": [
            (call.get("id"), call["name"], call["args"])
            for part in parts
            if (call := part.get("functionCall")) is not None
        ],
    }
