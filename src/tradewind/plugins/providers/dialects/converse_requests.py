"""Requests of the common form as Amazon Bedrock's Converse takes them.

Sources: docs.aws.amazon.com, Amazon Bedrock API Reference, "Converse", "Message", "ContentBlock",
"ToolConfiguration", "InferenceConfiguration", "OutputConfig"; User Guide, "Amazon Titan Text
Embeddings".
"""

import re
from typing import Any

import msgspec

from tradewind.plugins.providers.dialects.chat_requests import (
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
from tradewind.wire.decoding import UNREADABLE

# Converse's own, as they come; the others are translated.
_OWN = (
    "additionalModelRequestFields",
    "additionalModelResponseFieldPaths",
    "guardrailConfig",
    "performanceConfig",
    "promptVariables",
    "requestMetadata",
)
_KNOWN = frozenset(
    {
        *_OWN,
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "reasoning_effort",
        "response_format",
        "seed",
        "service_tier",
        "stop",
        "temperature",
        "tool_choice",
        "tools",
        "top_k",
        "top_p",
    }
)
_DATA_URL = re.compile(r"data:([a-z0-9.+-]+)/([a-z0-9.+-]+)(?:;[^,;]*)*;base64,", re.IGNORECASE)
_IMAGES = {"png": "png", "jpeg": "jpeg", "jpg": "jpeg", "gif": "gif", "webp": "webp"}
_DOCUMENTS = {"pdf": "pdf", "csv": "csv", "html": "html", "plain": "txt", "markdown": "md"}
# The name of a document may hold these only; the model reads it.
_NOT_OF_A_NAME = re.compile(r"[^0-9A-Za-z\-()\[\]]+")
_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_ANY_OBJECT: dict[str, Any] = {"type": "object", "properties": {}}

Block = dict[str, Any]


def converse_body(fields: Fields) -> dict[str, Any]:
    """Return the body. Raises ApiError 400 for what Converse has no place for."""
    values = values_of(fields, keeps=_KNOWN)
    system, messages = _conversation(objects_in(values["messages"], "messages"))
    body: dict[str, Any] = {"messages": messages}
    if system:
        body["system"] = system
    for name in _OWN:
        if name in values:
            body[name] = values[name]
    if settings := _settings(values):
        body["inferenceConfig"] = settings
    if "top_k" in values:
        more = dict(body.get("additionalModelRequestFields") or {})
        body["additionalModelRequestFields"] = {"top_k": values["top_k"], **more}
    if tier := _tier(values.get("service_tier")):
        body["serviceTier"] = {"type": tier}
    output: dict[str, Any] = {}
    if "response_format" in values and (form := _output_form(values["response_format"])):
        output["textFormat"] = form
    if values.get("reasoning_effort") not in (None, "none", "minimal"):
        output["effort"] = values["reasoning_effort"]
    if output:
        body["outputConfig"] = output
    if tools := _tools(values, messages):
        body["toolConfig"] = tools
    return body


def titan_body(fields: Fields) -> dict[str, Any]:
    """Return the body of an embedding by Titan, which takes one text a call."""
    values = values_of(
        fields, keeps=frozenset({"input", "dimensions", "encoding_format", "normalize"})
    )
    given: Any = values["input"]
    if len(texts := items_of(given)) == 1:
        given = texts[0]
    if not isinstance(given, str):
        raise invalid("input", "this model's provider takes one text a call")
    if values.get("encoding_format", "float") not in ("float", "base64"):
        raise invalid("encoding_format", "it is 'float' or 'base64'")
    body: dict[str, Any] = {"inputText": given}
    for name in ("dimensions", "normalize"):
        if name in values:
            body[name] = values[name]
    return body


def _conversation(messages: list[dict[str, Any]]) -> tuple[list[Block], list[dict[str, Any]]]:
    """Return the system's texts, and turns of user and assistant in alternation: what belongs to
    one turn is one message in Converse.
    """
    system: list[Block] = []
    turns: list[dict[str, Any]] = []
    for message in messages:
        role = message.get("role")
        match role:
            case "system" | "developer":
                if text := texts_of(message.get("content"), "messages"):
                    system.append({"text": text})
                continue
            case "user":
                turn, blocks = "user", _user_blocks(message.get("content"))
            case "tool":
                turn, blocks = "user", [_tool_result(message)]
            case "assistant":
                turn, blocks = "assistant", _assistant_blocks(message)
            case _:
                raise invalid("messages", f"there is no role {str(role)[:64]!r} here")
        if turns and turns[-1]["role"] == turn:
            turns[-1]["content"] += blocks
        elif blocks:
            turns.append({"role": turn, "content": blocks})
    return system, turns


def _user_blocks(content: Any) -> list[Block]:
    if isinstance(content, str):
        return [{"text": content}] if content.strip() else []
    blocks: list[Block] = []
    for part in parts_of(content, "messages"):
        match part.get("type"):
            case "text":
                text = text_in(part, "text", "messages")
                if text.strip():
                    blocks.append({"text": text})
            case "image_url":
                url = text_in(object_in(part, "image_url", "messages"), "url", "messages")
                blocks.append({"image": _image(url, part)})
            case "input_audio":
                audio = object_in(part, "input_audio", "messages")
                source = {"bytes": text_in(audio, "data", "messages")}
                form = text_in(audio, "format", "messages")
                blocks.append({"audio": {"format": form, "source": source}})
            case "file":
                blocks.append({"document": _document(object_in(part, "file", "messages"), part)})
            case _:
                raise unsupported_part(part, "messages")
    return blocks


def _image(url: str, part: Block) -> Block:
    matched = _DATA_URL.match(url)
    form = _IMAGES.get(matched[2].lower()) if matched is not None else None
    if matched is None or form is None:
        # Bedrock fetches nothing, and neither do we: an address in a prompt would make us a
        # stranger's browser.
        raise unsupported_part({"type": f"{part.get('type')} that is no data URL"}, "messages")
    return {"format": form, "source": {"bytes": url[matched.end() :]}}


def _document(file: Block, part: Block) -> Block:
    matched = _DATA_URL.match(file.get("file_data") or "")
    form = _DOCUMENTS.get(matched[2].lower()) if matched is not None else None
    if matched is None or form is None:
        raise unsupported_part({"type": f"{part.get('type')} that is no data URL"}, "messages")
    name = str(file.get("filename") or "document").rpartition(".")[0] or "document"
    return {
        "format": form,
        "name": _NOT_OF_A_NAME.sub(" ", name).strip()[:200] or "document",
        "source": {"bytes": file["file_data"][matched.end() :]},
    }


def _assistant_blocks(message: dict[str, Any]) -> list[Block]:
    if message.get("function_call"):
        raise no_place_for("function_call")
    blocks: list[Block] = []
    text = texts_of(message.get("content"), "messages")
    if text.strip():
        blocks.append({"text": text})
    for call in objects_in(message.get("tool_calls"), "messages"):
        function = object_in(call, "function", "messages")
        try:
            given: Any = msgspec.json.decode(function.get("arguments") or "{}")
        except UNREADABLE:
            raise invalid("messages", "the arguments of a tool call are no JSON") from None
        blocks.append(
            {
                "toolUse": {
                    "toolUseId": text_in(call, "id", "messages"),
                    "name": text_in(function, "name", "messages"),
                    "input": given,
                }
            }
        )
    return blocks


def _tool_result(message: dict[str, Any]) -> Block:
    content = message.get("content")
    blocks: list[Block]
    if isinstance(content, list):
        blocks = _user_blocks(items_of(content))
    else:
        blocks = [{"text": texts_of(content, "messages")}]
    return {
        "toolResult": {
            "toolUseId": text_in(message, "tool_call_id", "messages"),
            "content": blocks,
        }
    }


def _settings(values: dict[str, Any]) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    if (limit := limit_of(values)) is not None:
        settings["maxTokens"] = limit
    for former, name in (("temperature", "temperature"), ("top_p", "topP")):
        if former in values:
            settings[name] = values[former]
    if "stop" in values:
        settings["stopSequences"] = stops_of(values["stop"])
    return settings


def _tier(tier: Any) -> str | None:
    match tier:
        case None | "auto" | "default":
            return None
        case "flex" | "priority":
            return tier
        case _:
            raise invalid("service_tier", "this model's provider has 'flex' and 'priority'")


def _output_form(wanted: Any) -> dict[str, Any] | None:
    form = object_or_none(wanted) or {}
    kind = form.get("type")
    schema: dict[str, Any]
    match kind:
        case "text":
            return None
        case "json_object":
            name, schema = "object", _ANY_OBJECT
        case "json_schema":
            given = object_in(form, "json_schema", "response_format")
            name = str(given.get("name") or "answer")
            schema = object_in(given, "schema", "response_format")
        case _:
            raise invalid("response_format", f"there is no type {str(kind)[:64]!r}")
    described = {"name": name, "schema": msgspec.json.encode(schema).decode()}
    return {"type": "json_schema", "structure": {"jsonSchema": described}}


def _tools(values: dict[str, Any], messages: list[dict[str, Any]]) -> dict[str, Any] | None:
    choice: Any = values.get("tool_choice")
    specs: list[Block] = []
    for tool in objects_in(values.get("tools"), "tools"):
        function = object_in(tool, "function", "tools")
        name = text_in(function, "name", "tools")
        if _TOOL_NAME.fullmatch(name) is None:
            raise invalid("tools", "a name has other characters than letters, digits, _ and -")
        schema: dict[str, Any] = function.get("parameters") or _ANY_OBJECT
        spec: Block = {"name": name, "inputSchema": {"json": schema}}
        if function.get("description"):
            spec["description"] = function["description"]
        if function.get("strict"):
            spec["strict"] = True
        specs.append({"toolSpec": spec})
    if not specs:
        return None
    config: dict[str, Any] = {"tools": specs}
    match choice:
        case None | "auto":
            pass
        case "required":
            config["toolChoice"] = {"any": {}}
        case "none":
            if any("toolUse" in block for turn in messages for block in turn["content"]):
                # Converse wants the tools of calls that were made, and may then call them again.
                raise invalid(
                    "tool_choice", "this model's provider cannot forbid tools that were used before"
                )
            return None
        case {"function": {"name": str(name)}}:
            config["toolChoice"] = {"tool": {"name": name}}
        case _:
            raise invalid("tool_choice", f"there is no choice {str(choice)[:64]!r}")
    return config
