"""Requests of the common form as Cohere's v2 API takes them: chat, embed, rerank.

Sources: docs.cohere.com/reference/chat, /reference/embed, /reference/rerank; "Tool use",
"Structured Outputs".
"""

from typing import Any

from tradewind.plugins.providers.dialects.chat_requests import (
    decoded,
    invalid,
    limit_of,
    no_place_for,
    object_in,
    objects_in,
    parts_of,
    stops_of,
    text_in,
    texts_of,
    unsupported_part,
    values_of,
)
from tradewind.plugins.providers.dialects.loose_json import items_of, object_or_none
from tradewind.wire.chat import Fields

# Cohere's own, as they come; the others are translated.
_OWN = (
    "citation_options",
    "documents",
    "k",
    "p",
    "priority",
    "raw_prompting",
    "safety_mode",
    "strict_tools",
    "thinking",
)
_SAME = ("temperature", "seed", "frequency_penalty", "presence_penalty")
_KNOWN = frozenset(
    {
        *_OWN,
        *_SAME,
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "reasoning_effort",
        "response_format",
        "service_tier",
        "stop",
        "tool_choice",
        "tools",
        "top_k",
        "top_p",
    }
)


def chat_body(fields: Fields, model: str, *, is_stream: bool) -> dict[str, Any]:
    """Return the body of a chat request. Raises ApiError 400 for what Cohere has no place for."""
    values = values_of(fields, keeps=_KNOWN)
    body: dict[str, Any] = {
        "model": model,
        "messages": [_message(message) for message in objects_in(values["messages"], "messages")],
        "stream": is_stream,
    }
    for name in (*_SAME, *_OWN):
        if name in values:
            body[name] = values[name]
    for former, name in (("top_p", "p"), ("top_k", "k")):
        if former in values:
            body.setdefault(name, values[former])
    limit = limit_of(values)
    if limit is not None:
        body["max_tokens"] = limit
    if "stop" in values:
        body["stop_sequences"] = stops_of(values["stop"])
    if "response_format" in values:
        _set_response_format(body, values["response_format"])
    if "reasoning_effort" in values and "thinking" not in body:
        is_off = values["reasoning_effort"] in ("none", "minimal")
        body["thinking"] = {"type": "disabled" if is_off else "enabled"}
    _set_tools(body, values)
    return body


def embed_body(fields: Fields, model: str) -> dict[str, Any]:
    """Return the body of an embed request. `input_type` is Cohere's, a document by default."""
    values = values_of(
        fields,
        keeps=frozenset({"input", "dimensions", "encoding_format", "input_type", "truncate"}),
    )
    given: Any = values["input"]
    texts: list[Any] = [given] if isinstance(given, str) else items_of(given)
    if not all(isinstance(text, str) for text in texts):
        raise invalid("input", "this model's provider takes texts, no token ids")
    body: dict[str, Any] = {
        "model": model,
        "texts": texts,
        "input_type": values.get("input_type", "search_document"),
        "embedding_types": [embedding_type(values.get("encoding_format"))],
    }
    if "dimensions" in values:
        body["output_dimension"] = values["dimensions"]
    if "truncate" in values:
        body["truncate"] = values["truncate"]
    return body


def embedding_type(encoding_format: Any) -> str:
    if encoding_format in (None, "float"):
        return "float"
    if encoding_format == "base64":
        return "base64"
    raise invalid("encoding_format", "it is 'float' or 'base64'")


def rerank_body(fields: Fields, model: str) -> dict[str, Any]:
    """Return the body of a rerank request."""
    known = ("query", "top_n", "max_tokens_per_doc", "priority")
    body: dict[str, Any] = {"model": model, "documents": documents_of(fields)}
    for name, raw in fields.items():
        if name in known:
            body[name] = raw
        elif name not in ("model", "documents", "return_documents", "user"):
            raise no_place_for(name)
    return body


def documents_of(fields: Fields) -> list[str]:
    """Return the documents of a rerank request as texts. Raises ApiError 400."""
    documents = items_of(decoded("documents", fields["documents"]))
    return [
        document
        if isinstance(document, str)
        else text_in(object_or_none(document) or {}, "text", "documents")
        for document in documents
    ]


def _message(message: dict[str, Any]) -> dict[str, Any]:
    role = message.get("role")
    match role:
        case "system" | "developer":
            return {"role": "system", "content": texts_of(message.get("content"), "messages")}
        case "user":
            return {"role": "user", "content": _user_content(message.get("content"))}
        case "assistant":
            return _assistant(message)
        case "tool":
            return {
                "role": "tool",
                "tool_call_id": text_in(message, "tool_call_id", "messages"),
                "content": texts_of(message.get("content"), "messages"),
            }
        case _:
            raise invalid("messages", f"there is no role {str(role)[:64]!r} here")


def _user_content(content: Any) -> Any:
    if isinstance(content, str):
        return content
    parts: list[dict[str, Any]] = []
    for part in parts_of(content, "messages"):
        match part.get("type"):
            case "text":
                parts.append({"type": "text", "text": text_in(part, "text", "messages")})
            case "image_url":
                parts.append(
                    {"type": "image_url", "image_url": object_in(part, "image_url", "messages")}
                )
            case _:
                raise unsupported_part(part, "messages")
    return parts


def _assistant(message: dict[str, Any]) -> dict[str, Any]:
    if message.get("function_call"):
        raise no_place_for("function_call")
    changed: dict[str, Any] = {"role": "assistant"}
    text = texts_of(message.get("content"), "messages")
    calls = objects_in(message.get("tool_calls"), "messages")
    if text:
        changed["content"] = text
    if calls:
        changed["tool_calls"] = [
            {
                "id": text_in(call, "id", "messages"),
                "type": "function",
                "function": object_in(call, "function", "messages"),
            }
            for call in calls
        ]
        plan = message.get("reasoning_content")
        if isinstance(plan, str) and plan:
            changed["tool_plan"] = plan
    return changed


def _set_response_format(body: dict[str, Any], wanted: Any) -> None:
    form = object_or_none(wanted) or {}
    kind = form.get("type")
    match kind:
        case "text":
            pass
        case "json_object":
            body["response_format"] = {"type": "json_object"}
        case "json_schema":
            schema = object_in(form, "json_schema", "response_format").get("schema")
            body["response_format"] = {"type": "json_object", "json_schema": schema}
        case _:
            raise invalid("response_format", f"there is no type {str(kind)[:64]!r}")


def _set_tools(body: dict[str, Any], values: dict[str, Any]) -> None:
    tools = objects_in(values.get("tools"), "tools")
    choice: Any = values.get("tool_choice")
    if (chosen := object_or_none(choice)) is not None:
        # There is no choice of one tool: it is the only one to choose from.
        named = object_in(chosen, "function", "tool_choice").get("name")
        tools = [
            tool for tool in tools if object_in(tool, "function", "tools").get("name") == named
        ]
        if not tools:
            raise invalid("tool_choice", "it names no tool of this request")
        choice = "required"
    functions: list[dict[str, Any]] = []
    for tool in tools:
        function = dict(object_in(tool, "function", "tools"))
        if function.pop("strict", None):
            body["strict_tools"] = True
        function.setdefault("parameters", {"type": "object", "properties": {}})
        functions.append({"type": "function", "function": function})
    if functions:
        body["tools"] = functions
    match choice:
        case None | "auto":
            pass
        case "required":
            body["tool_choice"] = "REQUIRED"
        case "none":
            body["tool_choice"] = "NONE"
        case _:
            raise invalid("tool_choice", f"there is no choice {str(choice)[:64]!r}")
