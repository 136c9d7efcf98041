"""Answers of the Gemini dialect, written from "Generating content" (`GenerateContentResponse`,
`UsageMetadata`, `PromptFeedback`) and "Thought signatures" (ai.google.dev). They are examples of
the documented format, not recordings.
"""

import json

MODEL = "gemini-2.5-flash"
USAGE = {
    "promptTokenCount": 100,
    "cachedContentTokenCount": 60,
    "candidatesTokenCount": 15,
    "thoughtsTokenCount": 5,
    "totalTokenCount": 120,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 100}],
}
FIRST_USAGE = {"promptTokenCount": 100, "totalTokenCount": 100}


def answer(*parts, reason=None, usage=None, index=0, **members):
    candidate = {"content": {"parts": list(parts), "role": "model"}, "index": index}
    if reason is not None:
        candidate["finishReason"] = reason
    whole = {"candidates": [candidate], "modelVersion": MODEL, "responseId": "r1"}
    if usage is not None:
        whole["usageMetadata"] = usage
    return whole | members


def event(whole):
    return b"data: " + json.dumps(whole, separators=(",", ":")).encode() + b"\r\n\r\n"


def text(piece, **members):
    return event(answer({"text": piece}, **members))


THOUGHT = {"text": "Hm, well", "thought": True}
CALL = {
    "functionCall": {"name": "look", "args": {"at": "x"}, "id": "call_1"},
    "thoughtSignature": "c2ln",
}
OLD_CALL = {"functionCall": {"name": "wait", "args": {}}}
STREAM = (
    event(answer(THOUGHT, usage=FIRST_USAGE))
    + text("Let me")
    + text(" see")
    + event(answer(CALL, OLD_CALL))
    + text("", reason="STOP", usage=USAGE)
)
WHOLE = answer(THOUGHT, {"text": "Let me see"}, CALL, OLD_CALL, reason="STOP", usage=USAGE)
BLOCKED = {
    "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},
    "usageMetadata": FIRST_USAGE,
    "modelVersion": MODEL,
    "responseId": "r1",
}


def error_body(code, status, message, *details):
    error = {"code": code, "message": message, "status": status}
    if details:
        error["details"] = list(details)
    return json.dumps({"error": error}).encode()
