"""One valid request for every route of the data plane that reaches a model, and the list of those
that reach none. Who adds a route has to say here which it is.
"""

import json
from typing import NamedTuple

from tradewind.gateway.routes import addresses

_FORM = "xYzZY"
_CHAT = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 5}
_JSON = "application/json"


class Call(NamedTuple):
    path: str
    body: bytes
    content_type: str

    async def ask(self, client, headers=()):
        lines = [("content-type", self.content_type), *headers]
        return await client.call("POST", self.path, self.body, headers=lines)


def _form(**parts: str | bytes) -> bytes:
    written = b""
    for name, value in parts.items():
        file = '; filename="f.bin"\r\ncontent-type: audio/wav' if isinstance(value, bytes) else ""
        head = f'--{_FORM}\r\ncontent-disposition: form-data; name="{name}"{file}\r\n\r\n'
        content = value if isinstance(value, bytes) else value.encode()
        written += head.encode() + content + b"\r\n"
    return written + f"--{_FORM}--\r\n".encode()


_BODIES: dict[str, tuple[str, dict | bytes]] = {
    "/chat/completions": ("tw/chat", _CHAT),
    "/completions": ("tw/chat", {"prompt": "Once", "max_tokens": 5}),
    "/embeddings": ("tw/embeddings", {"input": "Hello"}),
    "/rerank": ("tw/rerank", {"query": "a", "documents": ["a", "b"]}),
    "/moderations": ("tw/moderations", {"input": "Hello"}),
    "/images/generations": ("tw/images", {"prompt": "A cat"}),
    "/images/edits": ("tw/images", _form(model="tw/images", prompt="A dog", image=b"PNG")),
    "/audio/speech": ("tw/speech", {"input": "Hello", "voice": "a"}),
    "/audio/transcriptions": (
        "tw/transcription",
        _form(model="tw/transcription", file=b"RIFF"),
    ),
    "/audio/translations": ("tw/transcription", _form(model="tw/transcription", file=b"RIFF")),
    "/messages": ("tw/chat", _CHAT),
    "/responses": ("tw/chat", {"input": "Hello", "store": False}),
    ":generateContent": ("tw/chat", {"contents": [{"parts": [{"text": "Hello"}]}]}),
    ":streamGenerateContent": ("tw/chat", {"contents": [{"parts": [{"text": "Hello"}]}]}),
    ":embedContent": ("tw/embeddings", {"content": {"parts": [{"text": "Hello"}]}}),
    ":batchEmbedContents": (
        "tw/embeddings",
        {
            "requests": [
                {"model": "models/tw/embeddings", "content": {"parts": [{"text": "Hello"}]}}
            ]
        },
    ),
}
"""By how a path ends: a model that can do it, and the request."""

REACH_NO_MODEL = (
    "/admission:check",
    "/messages/count_tokens",
    ":countTokens",
    "/cancel",
    "/files",
    # The Content Safety API: our own checks answer it, at no charge; its own tests ask for limits.
    *(":analyze", ":shieldPrompt", ":analyzeCustomCategory", ":detectGroundedness"),
    *(":detectProtectedMaterial", ":detectProtectedMaterialForCode"),
    *(":addOrUpdateBlocklistItems", ":removeBlocklistItems"),
)
"""Endings of POST paths. A GET or DELETE never reaches one."""


def every_call() -> list[Call]:
    """Raises KeyError for a route that nobody said anything of."""
    calls = []
    for address in addresses():
        if address.method != "POST" or address.path.endswith(REACH_NO_MODEL):
            continue
        known = [ending for ending in _BODIES if address.path.endswith(ending)]
        if not known:
            raise KeyError(f"{address.path} is in no list of tests/regressions/every_call.py")
        model, body = _BODIES[max(known, key=len)]
        # Percent-encoded: `tw/chat` behind `deployments/` and before `/completions` would be `tw`
        # and `chat/completions`.
        named = model.replace("/", "%2F")
        path = address.path.replace("{model}", named).replace("{deployment}", named)
        if isinstance(body, bytes):
            calls.append(Call(path, body, f"multipart/form-data; boundary={_FORM}"))
        else:
            is_gemini = ":" in path
            members = body if is_gemini else {"model": model, **body}
            calls.append(Call(path, json.dumps(members).encode(), _JSON))
    return calls
