"""Forces a tool call on an engine that does not: by a JSON schema on its text, read back as a
call.
"""

import secrets
from typing import Any, cast

import msgspec
from msgspec import Raw

from tradewind.plugins.providers.dialects.aggregate import Choice, ToolCall
from tradewind.plugins.providers.dialects.aggregate import Function as CalledFunction
from tradewind.wire.chat import ChatRequest, encode
from tradewind.wire.decoding import UNREADABLE
from tradewind.wire.errors import ApiError

_MOST_TOOLS = 128
# The keyword of today and that of before draft 2019-09.
_DEFINITIONS = ("$defs", "definitions")


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
    named = choice.get("function") if isinstance(choice, dict) else None
    wanted: Any = cast("dict[str, Any]", named).get("name") if isinstance(named, dict) else None
    found = [function for function in functions if function.name == wanted]
    if not found:
        raise _refuse("`tool_choice` names no tool of this request")
    return found


def prompt_and_schema(
    messages: list[Raw], functions: list[Function]
) -> tuple[list[Any], dict[str, Any]]:
    """Return messages that tell the model of the functions, and the schema its text must fit.

    Raises ApiError 400 for messages or functions that are none.
    """
    listed = encode(functions).decode()
    note = (
        "Call exactly one of these functions. Answer only with a JSON object with the members "
        f'"name" and "arguments".\nFunctions: {listed}'
    )
    first = _first_message(messages[0])
    if first.get("role") in ("system", "developer") and isinstance(first.get("content"), str):
        told: list[Any] = [{**first, "content": f"{first['content']}\n\n{note}"}, *messages[1:]]
    else:
        told = [{"role": "system", "content": note}, *messages]
    schema: dict[str, Any] = {"anyOf": [_call_schema(function) for function in functions]}
    for keyword in _DEFINITIONS:
        # References of a parameters schema point at its own root, which is no longer the root.
        if definitions := _definitions(functions, keyword):
            schema[keyword] = definitions
    return told, {"type": "json_schema", "json_schema": {"name": "call", "schema": schema}}


def as_tool_calls(choice: Choice) -> None:
    """Turn the text of a choice into its tool call. A text that was cut off stays a text."""
    try:
        call = msgspec.json.decode(choice.message.content or "", type=_Call)
    except UNREADABLE:
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
        raise _refuse_tools(str(error)) from None


def _first_message(message: Raw) -> dict[str, Any]:
    try:
        return msgspec.json.decode(message, type=dict[str, Any])
    except UNREADABLE as error:
        raise ApiError(
            400,
            "Invalid 'messages[0]': it is not a message.",
            param="messages[0]",
            code="invalid_value",
        ) from error


def _definitions(functions: list[Function], keyword: str) -> dict[str, Any]:
    """Return what the functions' schemas define for their references, in one."""
    found: dict[str, Any] = {}
    for function in functions:
        own: Any = (function.parameters or {}).get(keyword) or {}
        if not isinstance(own, dict):
            raise _refuse_tools(f"`{keyword}` of '{function.name[:64]}' is not an object")
        for name, definition in cast("dict[str, Any]", own).items():
            if found.setdefault(name, definition) != definition:
                raise _refuse_tools(f"two functions define `{keyword}/{name}` differently")
    return found


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


def _refuse_tools(message: str) -> ApiError:
    return ApiError(400, f"Invalid 'tools': {message}.", param="tools", code="invalid_value")


def _refuse(message: str) -> ApiError:
    return ApiError(400, f"{message}.", param="tool_choice", code="invalid_value")
