"""A Messages request in the common form (OpenAI v1 chat).

What each member becomes; whatever is not here is refused by name:

| Messages | common form |
|---|---|
| `system`, turns of the role `system` | system messages |
| text, image (base64, url), document (text, PDF in base64), search result | parts of a message |
| `tool_use` / `tool_result` | `tool_calls` / `tool` messages, in front of the rest of the turn |
| `thinking` | `reasoning_content` |
| `tools` of the client, `tool_choice` | functions, `tool_choice`, `parallel_tool_calls` |
| `thinking` (request), `output_config.effort` | `reasoning_effort` |
| `output_config.format` | `response_format` |
| `stop_sequences`, `service_tier` | `stop`, `service_tier` |
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from tradewind.wire import messages as wire
from tradewind.wire.chat import ChatRequest, Fields, encode
from tradewind.wire.errors import ApiError

_TRANSLATED = frozenset(
    {
        "model",
        "messages",
        "max_tokens",
        "stream",
        "system",
        "tools",
        "tool_choice",
        "thinking",
        "output_config",
        "output_format",
        "stop_sequences",
        "temperature",
        "top_p",
        "service_tier",
    }
)
# They tune what the host keeps or how it samples, or name the user to it; none of them changes what
# is asked. `context_management` only ever leaves out old parts of the prompt that were sent.
_HARMLESS = frozenset({"cache_control", "context_management", "metadata", "speed", "top_k"})
_UNSET_VALUES = (b"null", b"[]", b"{}")
# Budgets below the first number are little thinking, below the second a medium amount. The way back
# (plugins/providers/dialects/messages_request.py) gives budgets that lie inside these ranges.
_LOW_BUDGET, _MEDIUM_BUDGET = 4096, 16384
# The common form knows no more than `high`; hosts that do know more are asked in their own dialect.
_EFFORTS = {"low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "high"}
_TOOL_CHOICES = {"auto": "auto", "any": "required", "none": "none"}
_SERVICE_TIERS = {"auto": "auto", "standard_only": "default"}
_COMMON_NAMES = {
    "max_tokens": "max_tokens",
    "stop_sequences": "stop",
    "temperature": "temperature",
    "thinking": "reasoning_effort",
    "tool_choice": "tool_choice",
    "tools": "tools",
    "top_k": "top_k",
    "top_p": "top_p",
}
_PDF = "application/pdf"
_ONLY_MEDIA = "The result is in the next message."


class AsChat(NamedTuple):
    """A request in the common form."""

    fields: Fields
    parsed: ChatRequest
    stops: tuple[str, ...]


def to_chat(body: bytes, fields: Mapping[str, Raw], request: wire.MessagesRequest) -> AsChat:
    """Return the same request in the common form.

    Raises ApiError 400 that names what the common form cannot say.
    """
    for name, value in fields.items():
        if (
            name not in _TRANSLATED
            and name not in _HARMLESS
            and bytes(value).strip() not in _UNSET_VALUES
        ):
            raise _unsupported(name, f"`{name[:64]}`")
    if request.max_tokens < 1:
        raise _unsupported("max_tokens", "`max_tokens` of 0 (filling the prompt cache)")
    said = wire.decode_conversation(body)
    messages = [Raw(encode(message)) for message in _messages(said)]
    members: dict[str, Any] = {"max_tokens": request.max_tokens}
    _add(members, "temperature", said.temperature)
    _add(members, "top_p", said.top_p)
    _add(members, "stop", said.stop_sequences or None)
    _add(members, "tools", [_function(tool, n) for n, tool in enumerate(said.tools or ())] or None)
    if said.tool_choice is not None:
        _add_tool_choice(members, said.tool_choice)
    _add(members, "reasoning_effort", _effort(said.thinking, said.output_config))
    _add(members, "response_format", _response_format(said))
    if said.service_tier is not None:
        if said.service_tier not in _SERVICE_TIERS:
            raise _invalid("service_tier", "it is 'auto' or 'standard_only'")
        members["service_tier"] = _SERVICE_TIERS[said.service_tier]
    parsed = ChatRequest(
        request.model,
        messages,
        stream=request.stream,
        max_tokens=request.max_tokens,
        response_format=members.get("response_format", msgspec.UNSET),
        tools=members.get("tools", msgspec.UNSET),
        tool_choice=members.get("tool_choice", msgspec.UNSET),
    )
    encoded: Fields = {name: Raw(encode(value)) for name, value in members.items()}
    encoded["model"] = fields["model"]
    encoded["messages"] = Raw(encode(messages))
    if "stream" in fields:
        encoded["stream"] = fields["stream"]
    return AsChat(encoded, parsed, tuple(said.stop_sequences or ()))


def parameters_of(fields: Mapping[str, Raw]) -> frozenset[str]:
    """Return what the request asks of a target besides its conversation, by the common names."""
    found = {_COMMON_NAMES[name] for name in fields if name in _COMMON_NAMES}
    if "output_format" in fields or b'"format"' in bytes(fields.get("output_config", b"")):
        found.add("response_format")
    return frozenset(found)


def _add(members: dict[str, Any], name: str, value: Any) -> None:
    if value is not None:
        members[name] = value


# Messages.


def _messages(said: wire.Conversation) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if said.system:
        found.append({"role": "system", "content": _plain_text(said.system, "system")})
    for number, message in enumerate(said.messages):
        where = f"messages[{number}].content"
        content = message.content
        if message.role == "system":
            found.append({"role": "system", "content": _plain_text(content, where)})
        elif isinstance(content, str):
            found.append({"role": message.role, "content": content})
        elif message.role == "assistant":
            found.append(_assistant(content, where))
        else:
            _add_user_turn(found, content, where)
    return found


def _assistant(blocks: list[wire.Block], where: str) -> dict[str, Any]:
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[dict[str, Any]] = []
    for number, block in enumerate(blocks):
        place = f"{where}[{number}]"
        match block.type:
            case "text":
                texts.append(_text_of(block, place))
            case "thinking":
                # Its signature is dropped: only the vendor that made it can read it.
                thoughts.append(block.thinking or "")
            case "redacted_thinking":
                pass  # encrypted for its vendor: no other model could make anything of it
            case "tool_use":
                calls.append(_tool_call(block, place))
            case other:
                raise _no_block(place, other)
    message: dict[str, Any] = {"role": "assistant", "content": "".join(texts)}
    if calls:
        message["tool_calls"] = calls
        message["content"] = message["content"] or None
    if thought := "\n".join(filter(None, thoughts)):
        message["reasoning_content"] = thought
    return message


def _tool_call(block: wire.Block, where: str) -> dict[str, Any]:
    if not block.id or not block.name:
        raise _invalid(where, "a `tool_use` block has an `id` and a `name`")
    arguments = bytes(block.input) or b"{}"
    if not arguments.startswith(b"{"):
        raise _invalid(f"{where}.input", "it is an object")
    return {
        "id": block.id,
        "type": "function",
        "function": {"name": block.name, "arguments": arguments.decode()},
    }


def _add_user_turn(found: list[dict[str, Any]], blocks: list[wire.Block], where: str) -> None:
    """Tool messages must follow the calls at once, so they come before the rest of the turn; media
    of a result, which no tool message can hold, come first in that rest.
    """
    parts: list[dict[str, Any]] = []
    media: list[dict[str, Any]] = []
    for number, block in enumerate(blocks):
        place = f"{where}[{number}]"
        if block.type == "tool_result":
            message, of_result = _tool_message(block, place)
            found.append(message)
            if of_result:
                media += [_text_part(f"From the result of {block.tool_use_id}:"), *of_result]
        elif block.type == "mid_conv_system":
            content = block.content if isinstance(block.content, str | list) else ""
            text = _plain_text(content, f"{place}.content")
            found.append({"role": "system", "content": text})
        else:
            parts += _parts(block, place)
    parts = media + parts
    if len(parts) == 1 and parts[0]["type"] == "text":
        found.append({"role": "user", "content": parts[0]["text"]})
    elif parts:
        found.append({"role": "user", "content": parts})
    elif not blocks:
        found.append({"role": "user", "content": ""})


def _tool_message(block: wire.Block, where: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    if not block.tool_use_id:
        raise _invalid(where, "a `tool_result` block has a `tool_use_id`")
    texts: list[str] = []
    media: list[dict[str, Any]] = []
    content = block.content
    if isinstance(content, str):
        texts.append(content)
    elif isinstance(content, list):
        for number, part in enumerate(content):
            for each in _parts(part, f"{where}.content[{number}]"):
                if each["type"] == "text":
                    texts.append(each["text"])
                else:
                    media.append(each)
    elif content is not None:
        raise _invalid(f"{where}.content", "it is a string or a list of blocks")
    text = "\n".join(texts) or (_ONLY_MEDIA if media else "")
    if block.is_error:
        # The common form has no flag for it, and a failure that reads like a result misleads.
        text = f"Error: {text}"
    return {"role": "tool", "tool_call_id": block.tool_use_id, "content": text}, media


def _parts(block: wire.Block, where: str) -> list[dict[str, Any]]:
    """Return the parts that one block of a user's turn becomes."""
    match block.type:
        case "text":
            return [_text_part(_text_of(block, where))]
        case "image":
            return [_image(block, where)]
        case "document":
            return _document(block, where)
        case "search_result":
            return [_search_result(block, where)]
        case other:
            raise _no_block(where, other)


def _image(block: wire.Block, where: str) -> dict[str, Any]:
    source = block.source
    if isinstance(source, wire.Source):
        if source.type == "base64" and source.data is not None and source.media_type:
            url = f"data:{source.media_type};base64,{source.data}"
            return {"type": "image_url", "image_url": {"url": url}}
        if source.type == "url" and source.url:
            return {"type": "image_url", "image_url": {"url": source.url}}
        if source.type not in ("base64", "url"):
            raise _unsupported(f"{where}.source", f"an image from a '{source.type[:64]}' source")
    raise _invalid(f"{where}.source", "it is an image in base64 with its `media_type`, or a `url`")


def _document(block: wire.Block, where: str) -> list[dict[str, Any]]:
    _check_no_citations(block, where)
    source = block.source
    if not isinstance(source, wire.Source):
        raise _invalid(f"{where}.source", "a document has a source")
    head = "\n".join(filter(None, (block.title, block.context)))
    match source.type:
        case "text":
            return [_text_part("\n".join(filter(None, (head, source.data))))]
        case "content":
            inner = source.content
            if inner is None or isinstance(inner, str):
                return [_text_part("\n".join(filter(None, (head, inner))))]
            parts = [_text_part(head)] if head else []
            for number, inside in enumerate(inner):
                place = f"{where}.source.content[{number}]"
                if inside.type not in ("text", "image"):
                    raise _no_block(place, inside.type)
                parts += _parts(inside, place)
            return parts
        case "base64" if source.media_type == _PDF and source.data is not None:
            file = {
                "filename": block.title or "document.pdf",
                "file_data": f"data:{_PDF};base64,{source.data}",
            }
            part: dict[str, Any] = {"type": "file", "file": file}
            return [_text_part(block.context), part] if block.context else [part]
        case other:
            raise _unsupported(f"{where}.source", f"a document from a '{other[:64]}' source")


def _search_result(block: wire.Block, where: str) -> dict[str, Any]:
    _check_no_citations(block, where)
    content = block.content
    if not isinstance(content, list) or not isinstance(block.source, str):
        raise _invalid(where, "a search result has a `source` and a list of text blocks")
    text = _plain_text(content, f"{where}.content")
    return _text_part("\n".join(filter(None, (block.title, block.source, text))))


def _check_no_citations(block: wire.Block, where: str) -> None:
    asked: Any = block.citations
    if isinstance(asked, dict) and asked.get("enabled"):  # pyright: ignore[reportUnknownMemberType]
        raise _unsupported(f"{where}.citations", "`citations`")


def _plain_text(content: str | list[wire.Block], where: str) -> str:
    if isinstance(content, str):
        return content
    texts: list[str] = []
    for number, block in enumerate(content):
        if block.type != "text":
            raise _no_block(f"{where}[{number}]", block.type)
        texts.append(_text_of(block, f"{where}[{number}]"))
    # Not every host takes a list here. The blocks are paragraphs to the model either way.
    return "\n\n".join(texts)


def _text_part(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _text_of(block: wire.Block, where: str) -> str:
    if block.text is None:
        raise _invalid(where, "a `text` block has a `text`")
    return block.text


# Members.


def _function(tool: wire.Tool, number: int) -> dict[str, Any]:
    where = f"tools[{number}]"
    if tool.type not in (None, "custom"):
        raise _unsupported(where, f"the tool type '{tool.type[:64]}', which its vendor defines")
    if not tool.name or tool.input_schema is None:
        raise _invalid(where, "a tool has a `name` and an `input_schema`")
    function: dict[str, Any] = {"name": tool.name, "parameters": tool.input_schema}
    _add(function, "description", tool.description)
    _add(function, "strict", tool.strict)
    return {"type": "function", "function": function}


def _add_tool_choice(members: dict[str, Any], choice: wire.ToolChoice) -> None:
    chosen = _tool_choice(choice)
    if "tools" in members:
        members["tool_choice"] = chosen
        if choice.disable_parallel_tool_use and chosen != "none":
            members["parallel_tool_calls"] = False
    elif chosen not in ("auto", "none"):
        raise _invalid("tool_choice", "there are no `tools` to choose from")


def _tool_choice(choice: wire.ToolChoice) -> str | dict[str, Any]:
    if choice.type == "tool":
        if not choice.name:
            raise _invalid("tool_choice", "of the type 'tool' it has a `name`")
        return {"type": "function", "function": {"name": choice.name}}
    found = _TOOL_CHOICES.get(choice.type)
    if found is None:
        raise _invalid("tool_choice", "its type is 'auto', 'any', 'tool' or 'none'")
    return found


def _effort(thinking: wire.Thinking | None, config: wire.OutputConfig | None) -> str | None:
    """Return how much to reason. `disabled` and no word at all are the same: the model's own way.

    An effort without thinking is a hint of length and nothing else; hosts of models that do not
    reason would refuse it, so it is left out.
    """
    if thinking is None or thinking.type == "disabled":
        return None
    if thinking.type not in ("enabled", "adaptive"):
        raise _invalid("thinking", "its type is 'enabled', 'adaptive' or 'disabled'")
    effort = None if config is None else config.effort
    if effort is not None:
        if effort not in _EFFORTS:
            raise _invalid("output_config.effort", f"it is one of {', '.join(_EFFORTS)}")
        return _EFFORTS[effort]
    if thinking.type == "adaptive":
        return None  # as much as the model sees fit, which is what saying nothing means
    budget = thinking.budget_tokens or 0
    if budget < _LOW_BUDGET:
        return "low"
    return "medium" if budget < _MEDIUM_BUDGET else "high"


def _response_format(said: wire.Conversation) -> dict[str, Any] | None:
    found = None if said.output_config is None else said.output_config.format
    found = found or said.output_format
    if found is None:
        return None
    if found.type != "json_schema" or found.schema is None:
        raise _invalid("output_config.format", "it is of the type 'json_schema' and has a schema")
    return {
        "type": "json_schema",
        "json_schema": {"name": "output", "schema": found.schema, "strict": True},
    }


# Refusals.


def _no_block(where: str, kind: str) -> ApiError:
    return _unsupported(where, f"a '{kind[:64]}' block")


def _unsupported(param: str, what: str) -> ApiError:
    return ApiError(
        400,
        f"The target of this model does not speak the Messages dialect, and {what} cannot be said "
        "in the one it speaks.",
        param=param[:128],
        code="unsupported_content",
    )


def _invalid(param: str, what: str) -> ApiError:
    return ApiError(400, f"Invalid '{param}': {what}.", param=param, code="invalid_value")
