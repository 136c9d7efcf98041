"""A request in the common form (OpenAI v1 chat) as a Messages request.

System messages are gathered in `system`, wherever they stand, as Anthropic's own OpenAI layer does
("OpenAI SDK compatibility"); `tool` messages become `tool_result` blocks of the user's turn; turns
of one role in a row become one. A member that means something and cannot be said is refused by
name.

Sources: platform.claude.com, "Create a Message", "Tool use", "Structured outputs", "Thinking",
"Troubleshooting thinking".
"""

import re
from typing import Any

import msgspec
from msgspec import Raw

from tradewind.plugins.providers.base import ProviderRequest
from tradewind.snapshot.contents import Target
from tradewind.wire.chat import Fields, encode
from tradewind.wire.decoding import UNREADABLE, refuse
from tradewind.wire.errors import ApiError
from tradewind.wire.messages import EMPTY, input_of, tool_id

# They mean the same in both dialects. `thinking` is what clients of Anthropic's OpenAI layer send.
_CARRIED = frozenset({"stream", "thinking", "top_k", "top_p"})
# They tune how the host works or what it keeps, or name the user to it; no answer is promised
# another form by them. `seed` is a best effort even where it is known.
_HARMLESS = frozenset(
    {
        "metadata",
        "prediction",
        "prompt_cache_key",
        "prompt_cache_retention",
        "safety_identifier",
        "seed",
        "store",
        "stream_options",
        "top_logprobs",
        "user",
        "verbosity",
    }
)
# Below its limit the dialect takes no budget ("Extended thinking").
_LEAST_BUDGET = 1024
_BUDGETS = {"minimal": 2048, "low": 2048, "medium": 8192, "high": 24576, "xhigh": 24576}
_EFFORTS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh"}
_CALLS_TO_MAKE = {"auto": "auto", "required": "any", "none": "none"}
_SERVICE_TIERS = {"auto": "auto", "priority": "auto", "default": "standard_only"}
_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+);base64,", re.ASCII)
# "Thinking support, defaults, and rejected configurations by model": from 4.6 on models take the
# adaptive form, from 4.7 on no other; those before 4.6 take budgets only. A name tells the version
# behind the family (claude-opus-4-6) or, of old models, before it (claude-3-7-sonnet); a date is no
# version.
_VERSION = re.compile(r"claude-(?:[a-z]+-)?(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)")
_FIRST_ADAPTIVE = (4, 6)
_PDF = "application/pdf"


class _ImageUrl(msgspec.Struct):
    url: str


class _File(msgspec.Struct):
    filename: str | None = None
    file_data: str | None = None


class _Part(msgspec.Struct):
    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: _ImageUrl | str | None = None
    file: _File | None = None
    cache_control: Raw = EMPTY
    """Not OpenAI's: clients that know of caching mark parts with it, and hosts like this one take
    it."""


class _Function(msgspec.Struct):
    name: str
    arguments: str | None = None


class _Call(msgspec.Struct):
    id: str
    type: str = "function"
    function: _Function | None = None


class _Message(msgspec.Struct):
    role: str
    content: str | list[_Part] | None = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None
    tool_call_id: str | None = None
    function_call: Any = None


class _OfferedFunction(msgspec.Struct):
    name: str
    description: str | None = None
    parameters: Raw = EMPTY
    strict: bool | None = None


class _OfferedTool(msgspec.Struct):
    type: str = "function"
    function: _OfferedFunction | None = None
    cache_control: Raw = EMPTY


class _ChosenFunction(msgspec.Struct):
    name: str


class _ChosenTool(msgspec.Struct):
    type: str
    function: _ChosenFunction | None = None


class _Schema(msgspec.Struct):
    schema: Raw = EMPTY


class _ResponseFormat(msgspec.Struct):
    type: str
    json_schema: _Schema | None = None


class _Translated(msgspec.Struct):
    """The members that we act on, of a request in the common form."""

    messages: list[_Message]
    n: int | None = None
    logprobs: bool | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: float | None = None
    stop: str | list[str] | None = None
    tools: list[_OfferedTool] | None = None
    tool_choice: str | _ChosenTool | None = None
    parallel_tool_calls: bool | None = None
    response_format: _ResponseFormat | None = None
    reasoning_effort: str | None = None
    service_tier: str | None = None
    modalities: list[str] | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: dict[str, float] | None = None


_decode = msgspec.json.Decoder(_Translated).decode
_TRANSLATED = frozenset(_Translated.__struct_fields__) | {"model"}
_UNSET_VALUES = (b"null", b"[]", b"{}")
_NOTHING = (b"", b"null")


def to_messages(request: ProviderRequest, target: Target) -> Fields:
    """Return the members of the same request for a host of the Messages dialect.

    Raises ApiError 400 that names what it cannot say.
    """
    fields = request.fields
    body: dict[str, Any] = {"model": target.upstream_model}
    for name, value in fields.items():
        if name in _CARRIED:
            body[name] = value
        elif (
            name not in _TRANSLATED
            and name not in _HARMLESS
            and bytes(value).strip() not in _UNSET_VALUES
        ):
            raise _unsupported(name[:64])
    try:
        said = _decode(encode(fields))
    except UNREADABLE as error:
        raise refuse(error) from None
    _check(said)
    system, turns = _turns(said.messages)
    if not turns:
        raise _invalid("messages", "there is nothing but system messages")
    if system:
        body["system"] = system
    body["messages"] = turns
    body["max_tokens"] = (
        said.max_completion_tokens or said.max_tokens or request.endpoint.max_output_tokens
    )
    if said.temperature is not None:
        body["temperature"] = fields["temperature"]
    if said.stop:
        body["stop_sequences"] = [said.stop] if isinstance(said.stop, str) else said.stop
    if said.tools:
        body["tools"] = [_tool(tool, number) for number, tool in enumerate(said.tools)]
        body |= _tool_choice(said)
    if said.service_tier is not None:
        if said.service_tier not in _SERVICE_TIERS:
            raise _unsupported("service_tier")
        body["service_tier"] = _SERVICE_TIERS[said.service_tier]
    output_config = _output_format(said.response_format)
    if "thinking" not in body:
        output_config |= _think(said, body, target)
    if output_config:
        body["output_config"] = output_config
    return {
        name: value if isinstance(value, Raw) else Raw(encode(value))
        for name, value in body.items()
    }


def _check(said: _Translated) -> None:
    """Refuse what changes the answer and has no word here; values that ask for nothing are fine."""
    if said.n not in (None, 1):
        raise _unsupported("n")
    if said.logprobs:
        raise _unsupported("logprobs")
    if said.presence_penalty:
        raise _unsupported("presence_penalty")
    if said.frequency_penalty:
        raise _unsupported("frequency_penalty")
    if said.logit_bias:
        raise _unsupported("logit_bias")
    if said.modalities not in (None, [], ["text"]):
        raise _unsupported("modalities")
    if said.temperature is not None and not 0 <= said.temperature <= 1:
        raise _invalid("temperature", "this model takes 0 to 1")


# Messages.


def _turns(messages: list[_Message]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the blocks of `system`, and turns of which no two of one role follow each other."""
    system: list[dict[str, Any]] = []
    turns: list[dict[str, Any]] = []
    for number, message in enumerate(messages):
        where = f"messages[{number}]"
        match message.role:
            case "system" | "developer":
                system += _blocks(message, where)
                continue
            case "user":
                role, blocks = "user", _blocks(message, where)
            case "assistant":
                role, blocks = "assistant", _assistant(message, where)
            case "tool":
                role, blocks = "user", [_tool_result(message, where)]
            case _:
                raise _invalid(f"{where}.role", "it is none of this API, or of an older one")
        if not blocks:
            continue  # the dialect takes no empty text, and nothing was said
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": role, "content": blocks})
    return system, turns


def _assistant(message: _Message, where: str) -> list[dict[str, Any]]:
    """Reasoning of earlier turns is left out: without its signature no host takes it back."""
    if message.function_call is not None:
        raise _unsupported(f"{where}.function_call")
    blocks = _blocks(message, where)
    if message.refusal:
        blocks.append({"type": "text", "text": message.refusal})
    for number, call in enumerate(message.tool_calls or ()):
        if call.type != "function" or call.function is None:
            raise _unsupported(f"{where}.tool_calls[{number}]")
        blocks.append(
            {
                "type": "tool_use",
                "id": tool_id(call.id),
                "name": call.function.name,
                "input": input_of(call.function.arguments or ""),
            }
        )
    return blocks


def _tool_result(message: _Message, where: str) -> dict[str, Any]:
    if not message.tool_call_id:
        raise _invalid(where, "a tool message has a `tool_call_id`")
    result: dict[str, Any] = {
        "type": "tool_result",
        "tool_use_id": tool_id(message.tool_call_id),
    }
    if isinstance(message.content, str):
        result["content"] = message.content
    else:
        result["content"] = _blocks(message, where)
    return result


def _blocks(message: _Message, where: str) -> list[dict[str, Any]]:
    content = message.content
    if content is None:
        return []
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    blocks: list[dict[str, Any]] = []
    for number, part in enumerate(content):
        place = f"{where}.content[{number}]"
        block = _block(part, place)
        if block is None:
            continue
        if bytes(part.cache_control) not in _NOTHING:
            block["cache_control"] = part.cache_control
        blocks.append(block)
    return blocks


def _block(part: _Part, where: str) -> dict[str, Any] | None:
    match part.type:
        case "text" | "refusal":
            text = part.text if part.type == "text" else part.refusal
            if text is None:
                raise _invalid(where, f"a `{part.type}` part has a `{part.type}`")
            return {"type": "text", "text": text} if text else None
        case "image_url":
            return {"type": "image", "source": _image_source(part.image_url, where)}
        case "file":
            return _document(part.file, where)
        case _:
            raise _unsupported(where)


def _image_source(image: _ImageUrl | str | None, where: str) -> dict[str, str]:
    url = image.url if isinstance(image, _ImageUrl) else image or ""
    found = _DATA_URL.match(url)
    if found is not None:
        return {"type": "base64", "media_type": found[1], "data": url[found.end() :]}
    if url.startswith(("https://", "http://")):
        return {"type": "url", "url": url}
    raise _invalid(f"{where}.image_url", "it is an http address or base64 in a data address")


def _document(file: _File | None, where: str) -> dict[str, Any]:
    data = None if file is None else file.file_data
    found = None if data is None else _DATA_URL.match(data)
    if file is None or data is None or found is None or found[1] != _PDF:
        raise _invalid(f"{where}.file", "it is a PDF in base64 in a data address")
    source = {"type": "base64", "media_type": _PDF, "data": data[found.end() :]}
    block: dict[str, Any] = {"type": "document", "source": source}
    if file.filename:
        block["title"] = file.filename
    return block


# Members.


def _tool(tool: _OfferedTool, number: int) -> dict[str, Any]:
    function = tool.function
    if tool.type != "function" or function is None:
        raise _unsupported(f"tools[{number}]")
    offered: dict[str, Any] = {
        "name": function.name,
        "input_schema": function.parameters,
    }
    if bytes(function.parameters) in _NOTHING:
        offered["input_schema"] = {"type": "object", "properties": {}}
    if function.description is not None:
        offered["description"] = function.description
    if function.strict:
        offered["strict"] = True
    if bytes(tool.cache_control) not in _NOTHING:
        offered["cache_control"] = tool.cache_control
    return offered


def _tool_choice(said: _Translated) -> dict[str, Any]:
    choice = said.tool_choice
    if choice is None:
        chosen: dict[str, Any] = {"type": "auto"}
    elif isinstance(choice, str):
        if choice not in _CALLS_TO_MAKE:
            raise _invalid("tool_choice", "it is 'auto', 'required', 'none' or names a function")
        chosen = {"type": _CALLS_TO_MAKE[choice]}
    elif choice.type == "function" and choice.function is not None:
        chosen = {"type": "tool", "name": choice.function.name}
    else:
        raise _unsupported("tool_choice")
    if said.parallel_tool_calls is False and chosen["type"] != "none":
        chosen["disable_parallel_tool_use"] = True
    return {} if chosen == {"type": "auto"} else {"tool_choice": chosen}


def _output_format(wanted: _ResponseFormat | None) -> dict[str, Any]:
    if wanted is None or wanted.type == "text":
        return {}
    if wanted.type == "json_object":
        raise ApiError(
            400,
            "This model answers in JSON by a schema only: send `response_format` of the type "
            "'json_schema'.",
            param="response_format",
            code="unsupported_content",
        )
    if wanted.type != "json_schema" or wanted.json_schema is None:
        raise _invalid("response_format", "its type is 'text' or 'json_schema'")
    if bytes(wanted.json_schema.schema) in _NOTHING:
        raise _invalid("response_format", "its `json_schema` has a `schema`")
    return {"format": {"type": "json_schema", "schema": wanted.json_schema.schema}}


def _think(said: _Translated, body: dict[str, Any], target: Target) -> dict[str, Any]:
    """Have the model reason as much as asked; return what that adds to `output_config`.

    An effort is a hint, so where a budget may not be given there is none: in front of a forced call
    and amid a loop of tool calls, whose reasoning the common form did not bring back; and when the
    answer may not be longer than the smallest budget.
    """
    effort = said.reasoning_effort
    if effort is None or effort == "none":
        return {}
    if effort not in _EFFORTS:
        raise _invalid("reasoning_effort", f"it is one of none, {', '.join(_EFFORTS)}")
    if _is_adaptive(target):
        body["thinking"] = {"type": "adaptive"}
        return {"effort": _EFFORTS[effort]}
    budget = min(_BUDGETS[effort], body["max_tokens"] * 3 // 4)
    forced = body.get("tool_choice", {}).get("type") in ("any", "tool")
    if budget >= _LEAST_BUDGET and not forced and said.messages[-1].role != "tool":
        body["thinking"] = {"type": "enabled", "budget_tokens": budget}
    return {}


def _is_adaptive(target: Target) -> bool:
    """Tell which form of thinking the model takes: by the target's options, else by its name."""
    form = target.options.get("thinking")
    if form is not None:
        return form == "adaptive"
    found = _VERSION.search(target.upstream_model)
    if found is None:
        return "claude" in target.upstream_model
    return (int(found[1]), int(found[2] or 0)) >= _FIRST_ADAPTIVE


def _unsupported(param: str) -> ApiError:
    return ApiError(
        400,
        f"The host of this model has nothing that corresponds to `{param}`. Leave it out.",
        param=param,
        code="unsupported_content",
    )


def _invalid(param: str, what: str) -> ApiError:
    return ApiError(400, f"Invalid '{param}': {what}.", param=param, code="invalid_value")
