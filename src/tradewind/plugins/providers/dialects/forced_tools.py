"""Forces a tool call on an engine that does not: by a JSON schema on its text, read back as a
call.
"""

import secrets
from typing import Any

import msgspec
from msgspec import Raw

from tradewind.plugins.providers.dialects.aggregate import Choice, ToolCall
from tradewind.plugins.providers.dialects.aggregate import Function as CalledFunction
from tradewind.wire.chat import ChatRequest, encode
from tradewind.wire.errors import ApiError

_MOST_TOOLS = 128


class Function(msgspec.Struct, frozen=True, omit_defaults=True):
    """A function a client offers. `parameters` is a JSON schema of an object."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None


class _Tool(msgspec.Struct, frozen=True):
    function: Function


def forced_tools(request: ChatRequest) -> list[Function] | None:
    """Return the functions one of which must be called, or None when nothing is forced.

    Raises ApiError 400 for a choice that names no tool of the request.
    """
    choice = request.tool_choice
    if not choice or choice in ("auto", "none"):
        return None
    functions = _functions(request)
    if choice == "required":
        if not functions:
            raise _refuse("`tool_choice` is 'required' but the request has no tools")
        return functions
    wanted = choice.get("function", {}).get("name") if isinstance(choice, dict) else None
    found = [function for function in functions if function.name == wanted]
    if not found:
        raise _refuse("`tool_choice` names no tool of this request")
    return found


def prompt_and_schema(
    messages: list[Raw], functions: list[Function]
) -> tuple[list[Any], dict[str, Any]]:
    """Return messages that tell the model of the functions, and the schema its text must fit."""
    listed = encode(functions).decode()
    note = (
        "Call exactly one of these functions. Answer only with a JSON object with the members "
        f'"name" and "arguments".\nFunctions: {listed}'
    )
    first = msgspec.json.decode(messages[0], type=dict[str, Any])
    if first.get("role") in ("system", "developer") and isinstance(first.get("content"), str):
        told: list[Any] = [{**first, "content": f"{first['content']}\n\n{note}"}, *messages[1:]]
    else:
        told = [{"role": "system", "content": note}, *messages]
    definitions: dict[str, Any] = {}
    for function in functions:
        # References of a parameters schema point at its own root, which is no longer the root.
        definitions |= (function.parameters or {}).get("$defs") or {}
    schema: dict[str, Any] = {"anyOf": [_call_schema(function) for function in functions]}
    if definitions:
        schema["$defs"] = definitions
    return told, {"type": "json_schema", "json_schema": {"name": "call", "schema": schema}}


def as_tool_calls(choice: Choice) -> None:
    """Turn the text of a choice into its tool call. A text that was cut off stays a text."""
    try:
        call = msgspec.json.decode(choice.message.content or "", type=_Call)
    except msgspec.MsgspecError:
        return
    function = CalledFunction(call.name, bytes(call.arguments).decode())
    choice.message.content = None
    choice.message.tool_calls = [
        ToolCall(id=f"call_{secrets.token_hex(12)}", type="function", function=function)
    ]
    choice.finish_reason = "tool_calls"


class _Call(msgspec.Struct, frozen=True):
    name: str
    arguments: Raw


def _functions(request: ChatRequest) -> list[Function]:
    tools = request.tools or []
    if len(tools) > _MOST_TOOLS:
        raise ApiError(
            400, f"At most {_MOST_TOOLS} tools are allowed.", param="tools", code="invalid_value"
        )
    try:
        return [tool.function for tool in msgspec.convert(tools, list[_Tool])]
    except msgspec.ValidationError as error:
        raise ApiError(
            400, f"Invalid 'tools': {error}.", param="tools", code="invalid_value"
        ) from None


def _call_schema(function: Function) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "name": {"const": function.name},
            "arguments": function.parameters or {"type": "object"},
        },
        "required": ["name", "arguments"],
        "additionalProperties": False,
    }


def _refuse(message: str) -> ApiError:
    return ApiError(400, f"{message}.", param="tool_choice", code="invalid_value")
