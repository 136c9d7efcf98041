"""The OpenAPI description of the data plane, made from its route table. Pure.

Bodies are described as far as Tradewind acts on them, from the very types that decode them; all
other members pass through. Format: spec.openapis.org, OpenAPI Specification 3.1.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from tradewind.wire import (
    audio,
    chat,
    completions,
    content_safety,
    embeddings,
    files,
    gemini,
    images,
    messages,
    moderations,
    rerank,
    responses,
)

Json = dict[str, Any]


class Address(NamedTuple):
    """One route as clients call it; names in the path stand in braces."""

    method: str
    path: str
    surface: str


def describe(addresses: Iterable[Address], version: str) -> bytes:
    """Return the document."""
    found = tuple(addresses)
    described: dict[str, Json] = {}
    for address in found:
        described.setdefault(address.path, {})[address.method.lower()] = _operation(address)
    _, components = msgspec.json.schema_components(
        _STRUCTS, ref_template="#/components/schemas/{name}"
    )
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {"title": "Tradewind", "version": version},
            "paths": described,
            "components": {"schemas": components, "securitySchemes": _KEYS},
            "security": [{name: []} for name in _KEYS],
        }
    )


def _operation(address: Address) -> Json:
    operation: Json = {
        "operationId": f"{address.method} {address.path}",
        "tags": [address.surface],
        "responses": {
            "200": {"description": "The answer, in the words of the API that was spoken."},
            "default": {"description": "What was wrong, in the same words.", "content": _ERROR},
        },
    }
    names = [part.partition("}")[0] for part in address.path.split("{")[1:]]
    if names:
        operation["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in names
        ]
    if address.method == "POST" and (content := _content(address.path)):
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _content(path: str) -> Json:
    """Return what a path takes, by the longest ending of it that is known."""
    for ending in sorted(_BODIES, key=len, reverse=True):
        if path.endswith(ending):
            return _BODIES[ending]
    return {}


def _json(schema: Json) -> Json:
    return {"application/json": {"schema": schema}}


def _form(texts: type[msgspec.Struct], file: str) -> Json:
    """Return the form that holds these texts and a file."""
    binary = {"type": "string", "format": "binary"}
    schema: Json = {
        "allOf": [
            _reference(texts),
            {"type": "object", "properties": {file: binary}, "required": [file]},
        ]
    }
    return {"multipart/form-data": {"schema": schema}}


def _reference(struct: type[msgspec.Struct]) -> Json:
    return {"$ref": f"#/components/schemas/{struct.__name__}"}


_STRUCTS: tuple[type[msgspec.Struct], ...] = (
    audio.SpeechRequest,
    audio.TranscriptionRequest,
    chat.ChatRequest,
    completions.CompletionsRequest,
    content_safety.AnalyzeRequest,
    content_safety.CustomCategoryRequest,
    content_safety.GroundednessRequest,
    content_safety.ProtectedCodeRequest,
    content_safety.ProtectedTextRequest,
    content_safety.ShieldRequest,
    embeddings.EmbeddingsRequest,
    files.FileUpload,
    gemini.GenerateRequest,
    images.ImagesRequest,
    messages.CountRequest,
    messages.MessagesRequest,
    moderations.ModerationsRequest,
    rerank.RerankRequest,
    responses.ResponsesRequest,
)
# Types with undecoded members that may be missing cannot be told by msgspec.
_CONTENT: Json = {
    "type": "object",
    "properties": {
        "role": {"type": "string"},
        "parts": {"type": "array", "items": {"type": "object"}},
    },
}
_EMBED: Json = {"type": "object", "properties": {"content": _CONTENT}, "required": ["content"]}
_EMBED_BATCH: Json = {
    "type": "object",
    "properties": {"requests": {"type": "array", "items": _EMBED, "minItems": 1}},
    "required": ["requests"],
}
_GEMINI_COUNT: Json = {
    "type": "object",
    "properties": {"contents": {"type": "array", "items": _CONTENT}},
}

_BODIES: dict[str, Json] = {
    "/chat/completions": _json(_reference(chat.ChatRequest)),
    "/completions": _json(_reference(completions.CompletionsRequest)),
    "/embeddings": _json(_reference(embeddings.EmbeddingsRequest)),
    "/messages": _json(_reference(messages.MessagesRequest)),
    "/messages/count_tokens": _json(_reference(messages.CountRequest)),
    "/responses": _json(_reference(responses.ResponsesRequest)),
    "/rerank": _json(_reference(rerank.RerankRequest)),
    "/moderations": _json(_reference(moderations.ModerationsRequest)),
    "/images/generations": _json(_reference(images.ImagesRequest)),
    "/files": _form(files.FileUpload, "file"),
    "/images/edits": _form(images.ImagesRequest, "image"),
    "/audio/speech": _json(_reference(audio.SpeechRequest)),
    "/audio/transcriptions": _form(audio.TranscriptionRequest, "file"),
    "/audio/translations": _form(audio.TranscriptionRequest, "file"),
    "/admission:check": _json(_reference(chat.ChatRequest)),
    "/text:analyze": _json(_reference(content_safety.AnalyzeRequest)),
    "/text:shieldPrompt": _json(_reference(content_safety.ShieldRequest)),
    "/text:detectGroundedness": _json(_reference(content_safety.GroundednessRequest)),
    "/text:detectProtectedMaterial": _json(_reference(content_safety.ProtectedTextRequest)),
    "/text:detectProtectedMaterialForCode": _json(_reference(content_safety.ProtectedCodeRequest)),
    "/text:analyzeCustomCategory": _json(_reference(content_safety.CustomCategoryRequest)),
    ":generateContent": _json(_reference(gemini.GenerateRequest)),
    ":streamGenerateContent": _json(_reference(gemini.GenerateRequest)),
    ":countTokens": _json(_GEMINI_COUNT),
    ":embedContent": _json(_EMBED),
    ":batchEmbedContents": _json(_EMBED_BATCH),
}
"""Content of request bodies, by how a path ends. `/cancel` takes none."""

_KEYS: Json = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "x-api-key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
    "api-key": {"type": "apiKey", "in": "header", "name": "api-key"},
    "x-goog-api-key": {"type": "apiKey", "in": "header", "name": "x-goog-api-key"},
    "ocp-apim-subscription-key": {
        "type": "apiKey",
        "in": "header",
        "name": "ocp-apim-subscription-key",
    },
}
# Every dialect but Gemini's stream of an array wraps what it tells in one member.
_ERROR: Json = _json(
    {
        "type": "object",
        "properties": {"error": {"type": "object"}},
        "required": ["error"],
    }
)
