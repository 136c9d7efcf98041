"""A Responses request in the common form.

Source: platform.openai.com, guides "Migrate to the Responses API" (which member becomes which),
"Function calling" and "Conversation state".
"""

from collections.abc import Sequence
from typing import Any, cast

from msgspec import UNSET, Raw

from tradewind.wire.chat import ChatRequest, Fields, encode
from tradewind.wire.errors import ApiError
from tradewind.wire.responses import (
    NATIVE_ONLY,
    InputItem,
    InputPart,
    ParsedInput,
    ResponsesRequest,
    decode_input,
)

CHAT_NAMES = {
    "max_output_tokens": "max_completion_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_logprobs": "top_logprobs",
    "tools": "tools",
    "tool_choice": "tool_choice",
    "parallel_tool_calls": "parallel_tool_calls",
    "text": "response_format",
    "reasoning": "reasoning_effort",
    "service_tier": "service_tier",
}
"""Members that change what is generated, by their names in the common form."""
_CONVERSATION = frozenset({"message", "function_call", "function_call_output", "reasoning"})
_ROLES = {
    "user": "user",
    "assistant": "assistant",
    "system": "system",
    # The same thing by another name, which few hosts know.
    "developer": "system",
}


def chat_of(
    request: ResponsesRequest, fields: Fields, history: Sequence[InputItem]
) -> tuple[Fields, ChatRequest]:
    """Return the body's members and their acted-on part in the common form.

    `history` is what earlier responses hold. Raises ApiError 400 that names what cannot be said.
    """
    for name in fields.keys() & NATIVE_ONLY:
        raise _unsupported(name, f"`{name}`")
    parsed = decode_input(fields)
    messages = [Raw(encode(message)) for message in messages_of(parsed, history)]
    tools, choice = _tools_of(request)
    members: dict[str, Any] = {
        "model": request.model,
        "messages": messages,
        "stream": request.stream,
        "max_completion_tokens": request.max_output_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "logprobs": request.wants_logprobs or None,
        "top_logprobs": request.top_logprobs,
        "tools": tools or None,
        "tool_choice": choice if tools else None,
        "parallel_tool_calls": request.parallel_tool_calls if tools else None,
        "response_format": _format_of(request),
        "verbosity": request.text.verbosity if request.text else None,
        "reasoning_effort": request.reasoning.effort if request.reasoning else None,
        "service_tier": request.service_tier,
        "user": request.user or request.safety_identifier,
    }
    said = {name: value for name, value in members.items() if value is not None}
    return {name: Raw(encode(value)) for name, value in said.items()}, ChatRequest(
        model=request.model,
        messages=messages,
        stream=request.stream,
        max_completion_tokens=request.max_output_tokens,
        logprobs=members["logprobs"],
        response_format=said.get("response_format", UNSET),
        tools=said.get("tools", UNSET),
        tool_choice=said.get("tool_choice", UNSET),
    )


def messages_of(parsed: ParsedInput, history: Sequence[InputItem]) -> list[dict[str, Any]]:
    """Return the conversation as messages, oldest first. Raises ApiError 400."""
    items = parsed.items
    if isinstance(items, str):
        items = [InputItem(role="user", content=items)]
    if not items and not history:
        raise ApiError(
            400, "Missing required parameter: 'input'.", param="input", code="invalid_value"
        )
    whole = [*history, *(items or ())]
    turns = _Turns(_last_user_place(whole))
    instructions = parsed.instructions
    if isinstance(instructions, str):
        turns.messages.append({"role": "system", "content": instructions})
    else:
        for item in instructions or ():
            turns.add(item, -1)
    for place, item in enumerate(whole):
        turns.add(item, place)
    return turns.whole()


class _Turns:
    """Puts items together to messages: text, reasoning and calls of one turn of the model are one
    message in the common form.
    """

    def __init__(self, last_user_place: int) -> None:
        self.messages: list[dict[str, Any]] = []
        self._turn: dict[str, Any] = {}
        self._reasoning: list[str] = []
        self._calls: set[str] = set()
        self._last_user_place = last_user_place

    def add(self, item: InputItem, place: int) -> None:
        match item.type:
            case "message":
                self._add_message(item)
            case "function_call":
                self._add_call(item)
            case "function_call_output":
                self._add_output(item)
            case _:
                # What a model thought before the last question is not shown to it again; what it
                # thought since then belongs to the calls that it is waiting for.
                if place > self._last_user_place:
                    self._reasoning.append(_reasoning_of(item))

    def whole(self) -> list[dict[str, Any]]:
        self._end_turn()
        return self.messages

    def _add_message(self, item: InputItem) -> None:
        role = _ROLES.get(item.role or "")
        if role is None:
            raise ApiError(
                400,
                "The `role` of a message is 'user', 'assistant', 'system' or 'developer'.",
                param="input",
                code="invalid_value",
            )
        if role == "assistant":
            if "content" in self._turn or "tool_calls" in self._turn:
                self._end_turn()
            self._turn["content"] = _assistant_text(item.content)
            return
        self._end_turn()
        self.messages.append({"role": role, "content": _content_of(item.content)})

    def _add_call(self, item: InputItem) -> None:
        if not item.call_id or not item.name:
            raise _incomplete(item.type, "call_id", "name", "arguments")
        self._calls.add(item.call_id)
        self._turn.setdefault("tool_calls", []).append(
            {
                "id": item.call_id,
                "type": "function",
                "function": {"name": item.name, "arguments": item.arguments or ""},
            }
        )

    def _add_output(self, item: InputItem) -> None:
        if not item.call_id or item.output is None:
            raise _incomplete(item.type, "call_id", "output")
        if item.call_id not in self._calls:
            raise ApiError(
                400,
                f"No tool call found for function call output with call_id '{item.call_id[:100]}'.",
                param="input",
                code="invalid_value",
            )
        self._end_turn()
        self.messages.append(
            {
                "role": "tool",
                "tool_call_id": item.call_id,
                "content": _text_of(item.output, "The output of a function"),
            }
        )

    def _end_turn(self) -> None:
        turn, self._turn = self._turn, {}
        reasoning, self._reasoning = "".join(self._reasoning), []
        if not turn:
            return
        message: dict[str, Any] = {"role": "assistant", "content": turn.get("content")}
        if "tool_calls" in turn:
            message["tool_calls"] = turn["tool_calls"]
            if reasoning:
                message["reasoning_content"] = reasoning
        self.messages.append(message)


def _last_user_place(items: Sequence[InputItem]) -> int:
    for place in range(len(items) - 1, -1, -1):
        if items[place].type == "message" and items[place].role == "user":
            return place
    return -1


def _reasoning_of(item: InputItem) -> str:
    """Return the text of a reasoning item. What is sealed in it only its own host can read."""
    parts = item.content if isinstance(item.content, list) and item.content else item.summary
    return "".join(part.text or "" for part in parts or ())


def _assistant_text(content: str | list[InputPart] | None) -> str:
    if isinstance(content, list):
        return "".join(
            part.refusal or "" if part.type == "refusal" else _part_text(part, "An earlier answer")
            for part in content
        )
    return content or ""


def _text_of(content: str | list[InputPart], what: str) -> str:
    if isinstance(content, str):
        return content
    return "".join(_part_text(part, what) for part in content)


def _part_text(part: InputPart, what: str) -> str:
    if part.text is None:
        raise _cannot_carry(f"{what} can carry text only for this model, not '{part.type[:64]}'.")
    return part.text


def _content_of(content: str | list[InputPart] | None) -> str | list[dict[str, Any]]:
    if content is None:
        raise _incomplete("message", "role", "content")
    if isinstance(content, str):
        return content
    if len(content) == 1 and content[0].text is not None:
        return content[0].text  # the form that every host knows
    return [_part_of(part) for part in content]


def _part_of(part: InputPart) -> dict[str, Any]:
    match part.type:
        case "input_text" | "output_text" | "text" if part.text is not None:
            return {"type": "text", "text": part.text}
        case "input_image" if part.image_url is not None:
            image = {"url": part.image_url}
            if part.detail is not None and part.detail != "auto":
                image["detail"] = part.detail
            return {"type": "image_url", "image_url": image}
        case "input_file" if part.file_data is not None:
            file = {"file_data": part.file_data}
            if part.filename is not None:
                file["filename"] = part.filename
            return {"type": "file", "file": file}
        case "input_audio" if part.input_audio is not None:
            return {"type": "input_audio", "input_audio": part.input_audio}
        case "input_image" | "input_file":
            raise _cannot_carry(
                f"An '{part.type}' must carry its data: this model's host has no files of yours, "
                "and reads none from a URL."
                if part.type == "input_file"
                else "An 'input_image' must have an `image_url`: files are not kept here."
            )
        case _:
            raise _cannot_carry(f"Parts of type '{part.type[:64]}' cannot be sent to this model.")


def _cannot_carry(message: str) -> ApiError:
    return ApiError(400, message, param="input", code="unsupported_content")


def _incomplete(kind: str, *needed: str) -> ApiError:
    members = ", ".join(f"`{name}`" for name in needed)
    return ApiError(
        400, f"An item of type '{kind}' has {members}.", param="input", code="invalid_value"
    )


def _tools_of(request: ResponsesRequest) -> tuple[list[dict[str, Any]], Any]:
    """Return functions and the choice among them. Raises ApiError 400 naming any other tool."""
    functions = [_function_of(tool, place) for place, tool in enumerate(request.tools or ())]
    choice = request.tool_choice
    if choice is None or isinstance(choice, str):
        return functions, choice
    match choice.get("type"):
        case "function" if isinstance(choice.get("name"), str):
            return functions, {"type": "function", "function": {"name": choice["name"]}}
        case "allowed_tools" if isinstance(choice.get("tools"), list):
            allowed = _names_of(choice["tools"])
            kept = [tool for tool in functions if tool["function"]["name"] in allowed]
            return kept, "required" if choice.get("mode") == "required" else "auto"
        case kind:
            raise _unsupported("tool_choice", f"A tool choice of type '{str(kind)[:64]}'")


def _names_of(tools: list[Any]) -> set[str]:
    named = (cast("dict[str, Any]", tool).get("name") for tool in tools if isinstance(tool, dict))
    return {name for name in named if isinstance(name, str)}


def _function_of(tool: dict[str, Any], place: int) -> dict[str, Any]:
    kind: Any = tool.get("type")
    if kind != "function":
        raise _unsupported(f"tools[{place}]", f"The tool '{str(kind)[:64]}'")
    if not isinstance(tool.get("name"), str):
        raise ApiError(
            400, "A function has a `name`.", param=f"tools[{place}].name", code="invalid_value"
        )
    members = ("name", "description", "parameters", "strict")
    given = {name: tool[name] for name in members if tool.get(name) is not None}
    return {"type": "function", "function": given}


def _format_of(request: ResponsesRequest) -> dict[str, Any] | None:
    wanted = request.text.format if request.text else None
    if wanted is None or wanted.get("type") == "text":
        return None
    match wanted.get("type"):
        case "json_object":
            return {"type": "json_object"}
        case "json_schema":
            members = ("name", "description", "schema", "strict")
            schema = {name: wanted[name] for name in members if wanted.get(name) is not None}
            return {"type": "json_schema", "json_schema": schema}
        case kind:
            raise _unsupported("text.format", f"The format '{str(kind)[:64]}'")


def _unsupported(param: str, what: str) -> ApiError:
    return ApiError(
        400,
        f"{what} needs a model whose host speaks the Responses API itself; this one is reached "
        "in another dialect.",
        param=param,
        code="unsupported_parameter",
    )
