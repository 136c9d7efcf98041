"""A Gemini request in the common form (OpenAI v1 chat).

What each member becomes; whatever is not here is refused by name:

| Gemini | common form |
|---|---|
| `systemInstruction` | a system message |
| `text`, `inlineData` (images, sound, PDF, text), `fileData` (addresses of images) | parts |
| `functionCall` / `functionResponse` | `tool_calls` / `tool` messages, in front of the rest |
| `text` with `thought` | `reasoning_content` |
| `functionDeclarations`, `functionCallingConfig` | functions, `tool_choice` |
| `responseMimeType` with a schema | `response_format` |
| `thinkingConfig` | `reasoning_effort` |
| other members of `generationConfig`, `serviceTier` | those of the same meaning |
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from tradewind.gateway.dialects.gemini_schema import json_schema
from tradewind.wire import gemini as wire
from tradewind.wire.chat import ChatRequest, Fields, encode
from tradewind.wire.decoding import UNREADABLE, refuse
from tradewind.wire.errors import ApiError
from tradewind.wire.gemini import is_unset, listed

_USER_ROLES = ("user", "function", "tool", "", None)
# "OpenAI compatibility" (ai.google.dev), under "Thinking": low is 1,024 tokens, medium 8,192, high
# 24,576, none 0. Budgets between them are taken for the nearer one.
_LOW_BUDGET, _MEDIUM_BUDGET = 4096, 16384
# The common form knows no more than `high`; hosts that do know more are asked in their own dialect.
_LEVELS = {
    "MINIMAL": "minimal",
    "LOW": "low",
    "MEDIUM": "medium",
    "HIGH": "high",
    "XHIGH": "high",
    "THINKING_LEVEL_UNSPECIFIED": None,
}
_MODES = {
    "": "auto",
    "MODE_UNSPECIFIED": "auto",
    "AUTO": "auto",
    "VALIDATED": "auto",
    "ANY": "required",
    "NONE": "none",
}
_SERVICE_TIERS = {
    "": None,
    "UNSPECIFIED": None,
    "STANDARD": "default",
    "FLEX": "flex",
    "PRIORITY": "priority",
}
_COMMON_NAMES = {
    "temperature": "temperature",
    "topP": "top_p",
    "topK": "top_k",
    "candidateCount": "n",
    "maxOutputTokens": "max_tokens",
    "stopSequences": "stop",
    "seed": "seed",
    "presencePenalty": "presence_penalty",
    "frequencyPenalty": "frequency_penalty",
    "responseLogprobs": "logprobs",
    "responseSchema": "response_format",
    "responseJsonSchema": "response_format",
    "responseMimeType": "response_format",
    "thinkingConfig": "reasoning_effort",
}
_SOUNDS = {
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/wave": "wav",
    "audio/mp3": "mp3",
    "audio/mpeg": "mp3",
}
_PDF = "application/pdf"
_TO_STANDARD = str.maketrans("-_", "+/")
_ONLY_MEDIA = "The result is in the next message."
_decode_members = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_text = msgspec.json.Decoder(str).decode
_decode_functions = msgspec.json.Decoder(
    list[wire.FunctionDeclaration] | wire.FunctionDeclaration | None
).decode


class AsChat(NamedTuple):
    """A request in the common form."""

    fields: Fields
    parsed: ChatRequest
    shows_thoughts: bool
    """The dialect shows reasoning only where it was asked for."""


def to_chat(body: bytes, model: str, *, is_stream: bool) -> AsChat:
    """Return the same request in the common form. `body` is canonical.

    Raises ApiError 400 that names what the common form cannot say.
    """
    said = wire.decode_conversation(body)
    if said.cached_content:
        raise _unsupported("cachedContent", "`cachedContent`")
    try:
        members = _members(said)
        messages = [Raw(encode(message)) for message in _Messages().read(said)]
    except UNREADABLE as error:
        raise refuse(error) from None
    if not messages:
        raise _invalid("contents", "there is nothing in it")
    config = said.generation_config
    thinking = None if config is None else config.thinking_config
    parsed = ChatRequest(
        model,
        messages,
        stream=is_stream,
        max_tokens=members.get("max_tokens"),
        n=members.get("n"),
        logprobs=members.get("logprobs"),
        response_format=members.get("response_format", msgspec.UNSET),
        tools=members.get("tools", msgspec.UNSET),
        tool_choice=members.get("tool_choice", msgspec.UNSET),
    )
    if is_stream:
        members["stream"] = True
    fields: Fields = {name: Raw(encode(value)) for name, value in members.items()}
    fields["model"] = Raw(encode(model))
    fields["messages"] = Raw(encode(messages))
    return AsChat(fields, parsed, thinking is not None and bool(thinking.include_thoughts))


def parameters_of(fields: Mapping[str, Raw]) -> frozenset[str]:
    """Return what the request asks of a target besides its conversation, by the common names."""
    found: set[str] = set()
    if "generationConfig" in fields:
        try:
            config = _decode_members(fields["generationConfig"])
        except UNREADABLE:
            config = {}
        found = {_COMMON_NAMES[name] for name in config if name in _COMMON_NAMES}
    if "tools" in fields:
        found.add("tools")
    if "toolConfig" in fields:
        found.add("tool_choice")
    return frozenset(found)


# Contents.


class _Messages:
    """Reads the contents in their order: ids of calls may be missing, and are then made so that the
    same conversation has the same ones every time.
    """

    def __init__(self) -> None:
        self._found: list[dict[str, Any]] = []
        self._ids: set[str] = set()
        self._open: list[tuple[str, str]] = []
        """Id and name of each call that has no result yet."""

    def read(self, said: wire.Conversation) -> list[dict[str, Any]]:
        contents = listed(said.contents)
        # Ids that are there win over those that are made, wherever they stand.
        for content in contents:
            for part in listed(content.parts):
                if part.function_call is not None and part.function_call.id:
                    self._ids.add(part.function_call.id)
        if said.system_instruction is not None and (
            text := _system_text(said.system_instruction, "systemInstruction")
        ):
            self._found.append({"role": "system", "content": text})
        for number, content in enumerate(contents):
            where = f"contents[{number}]"
            if content.role == "model":
                self._add_model_turn(listed(content.parts), where)
            elif content.role in _USER_ROLES:
                self._add_user_turn(listed(content.parts), where)
            else:
                raise _invalid(f"{where}.role", "it is 'user' or 'model'")
        return self._found

    def _add_model_turn(self, parts: list[wire.Part], where: str) -> None:
        texts: list[str] = []
        thoughts: list[str] = []
        calls: list[dict[str, Any]] = []
        for number, part in enumerate(parts):
            place = f"{where}.parts[{number}]"
            _check_part(part, place)
            # Signatures are dropped: only the vendor that made them can read them.
            if part.text is not None:
                (thoughts if part.thought else texts).append(part.text)
            elif part.function_call is not None:
                calls.append(self._call(part.function_call, place))
            elif part.thought_signature is None and not part.thought:
                raise _no_part(part, place)
        message: dict[str, Any] = {"role": "assistant", "content": "".join(texts)}
        if calls:
            message["tool_calls"] = calls
            message["content"] = message["content"] or None
        if thought := "".join(thoughts):
            message["reasoning_content"] = thought
        if calls or thought or message["content"]:
            self._found.append(message)

    def _call(self, call: wire.FunctionCall, where: str) -> dict[str, Any]:
        arguments = b"{}" if is_unset(call.args) else bytes(call.args)
        if not arguments.startswith(b"{"):
            raise _invalid(f"{where}.functionCall.args", "it is an object")
        call_id = call.id or self._made_id(call.name)
        self._open.append((call_id, call.name))
        return {
            "id": call_id,
            "type": "function",
            "function": {"name": call.name, "arguments": arguments.decode()},
        }

    def _made_id(self, name: str) -> str:
        number = len(self._ids)
        while (made := f"call_{number}_{name[:64]}") in self._ids:
            number += 1
        self._ids.add(made)
        return made

    def _add_user_turn(self, parts: list[wire.Part], where: str) -> None:
        """Tool messages must follow the calls at once, so they come before the rest of the turn;
        media of a result, which no tool message can hold, come first in that rest.
        """
        said: list[dict[str, Any]] = []
        media: list[dict[str, Any]] = []
        for number, part in enumerate(parts):
            place = f"{where}.parts[{number}]"
            _check_part(part, place)
            if part.function_response is not None:
                self._add_result(part.function_response, media, place)
            else:
                said.append(_user_part(part, place))
        said = media + said
        if len(said) == 1 and said[0]["type"] == "text":
            self._found.append({"role": "user", "content": said[0]["text"]})
        elif said:
            self._found.append({"role": "user", "content": said})

    def _add_result(
        self, result: wire.FunctionResponse, media: list[dict[str, Any]], where: str
    ) -> None:
        call_id = self._answered(result, where)
        text = _result_text(result, f"{where}.functionResponse")
        found = [
            _user_part(part, f"{where}.functionResponse.parts[{number}]")
            for number, part in enumerate(listed(result.parts))
        ]
        if found:
            media += [_text_part(f"From the result of {result.name or call_id}:"), *found]
            text = _ONLY_MEDIA if text == "{}" else text
        self._found.append({"role": "tool", "tool_call_id": call_id, "content": text})

    def _answered(self, result: wire.FunctionResponse, where: str) -> str:
        """Return the id of the call that a result is of: by its id, else the first of its name."""
        for place, (call_id, name) in enumerate(self._open):
            if call_id == result.id if result.id else name == result.name:
                del self._open[place]
                return call_id
        for place, (call_id, name) in enumerate(self._open):
            # A client may have put an id of its own on a call that had none.
            if name == result.name:
                del self._open[place]
                return call_id
        raise _invalid(f"{where}.functionResponse", "there is no `functionCall` before it")


def _system_text(content: wire.Content, where: str) -> str:
    texts: list[str] = []
    for number, part in enumerate(listed(content.parts)):
        place = f"{where}.parts[{number}]"
        _check_part(part, place)
        if part.text is None:
            raise _no_part(part, place)
        texts.append(part.text)
    return "\n\n".join(texts)


def _check_part(part: wire.Part, where: str) -> None:
    for name, value in (
        ("executableCode", part.executable_code),
        ("codeExecutionResult", part.code_execution_result),
        ("videoMetadata", part.video_metadata),
        ("toolCall", part.tool_call),
        ("toolResponse", part.tool_response),
    ):
        if value is not None:
            raise _unsupported(f"{where}.{name}", f"`{name}`")


def _no_part(part: wire.Part, where: str) -> ApiError:
    for name, value in (
        ("inlineData", part.inline_data),
        ("fileData", part.file_data),
        ("functionCall", part.function_call),
        ("functionResponse", part.function_response),
    ):
        if value is not None:
            return _unsupported(f"{where}.{name}", f"`{name}` in this turn")
    return _invalid(where, "a part has one of `text`, `inlineData`, `functionCall`, …")


def _user_part(part: wire.Part, where: str) -> dict[str, Any]:
    if part.text is not None:
        return _text_part(part.text)
    if part.inline_data is not None:
        return _inline(part.inline_data, f"{where}.inlineData")
    if part.file_data is not None:
        return _file(part.file_data, f"{where}.fileData")
    raise _no_part(part, where)


def _inline(blob: wire.Blob, where: str) -> dict[str, Any]:
    kind = blob.mime_type.lower().partition(";")[0].strip()
    if not kind or not blob.data:
        raise _invalid(where, "it has a `mimeType` and `data` in base64")
    # Google's official client writes the alphabet for addresses, which no other host takes.
    data = blob.data.translate(_TO_STANDARD)
    data += "=" * (-len(data) % 4)
    if kind.startswith("image/"):
        return {"type": "image_url", "image_url": {"url": f"data:{kind};base64,{data}"}}
    if kind in _SOUNDS:
        return {"type": "input_audio", "input_audio": {"data": data, "format": _SOUNDS[kind]}}
    if kind == _PDF:
        name = blob.display_name or "document.pdf"
        file = {"filename": name, "file_data": f"data:{_PDF};base64,{data}"}
        return {"type": "file", "file": file}
    if kind.startswith("text/"):
        try:
            return _text_part(base64.b64decode(data, validate=True).decode())
        except (binascii.Error, UnicodeDecodeError):
            raise _invalid(f"{where}.data", "it is no text in UTF-8 and base64") from None
    raise _unsupported(f"{where}.mimeType", f"data of the type '{kind[:64]}'")


def _file(file: wire.FileData, where: str) -> dict[str, Any]:
    """Return an image by its address. Files that Google keeps can be read by its hosts alone."""
    kind, uri = file.mime_type.lower(), file.file_uri
    if (
        not kind.startswith("image/")
        or not uri.startswith(("https://", "http://"))
        or uri.startswith("https://generativelanguage.googleapis.com/")
    ):
        raise _unsupported(where, "a `fileData` that is not the public address of an image")
    return {"type": "image_url", "image_url": {"url": uri}}


def _result_text(result: wire.FunctionResponse, where: str) -> str:
    """Return a result as a text. `output` and `error` have a meaning to the dialect, which takes
    any other object for the output as a whole ("Generating content", under `FunctionResponse`).
    """
    if is_unset(result.response):
        return "{}"
    try:
        members = _decode_members(result.response)
    except UNREADABLE:
        raise _invalid(f"{where}.response", "it is an object") from None
    if members.keys() == {"output"}:
        return _as_text(members["output"])
    if members.keys() == {"error"}:
        # The common form has no flag for it, and a failure that reads like a result misleads.
        return f"Error: {_as_text(members['error'])}"
    return bytes(result.response).decode()


def _as_text(value: Raw) -> str:
    if bytes(value).startswith(b'"'):
        return _decode_text(value)
    return bytes(value).decode()


def _text_part(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


# Members.


def _members(said: wire.Conversation) -> dict[str, Any]:
    members: dict[str, Any] = {}
    if said.generation_config is not None:
        _add_config(members, said.generation_config)
    tools = [
        function
        for number, tool in enumerate(listed(said.tools))
        for function in _functions(tool, f"tools[{number}]")
    ]
    if tools:
        members["tools"] = tools
    if said.tool_config is not None:
        _add_tool_choice(members, said.tool_config)
    if said.service_tier is not None:
        tier = said.service_tier.upper().removeprefix("SERVICE_TIER_")
        if tier not in _SERVICE_TIERS:
            raise _invalid("serviceTier", "it is 'standard', 'flex' or 'priority'")
        _add(members, "service_tier", _SERVICE_TIERS[tier])
    return members


def _add(members: dict[str, Any], name: str, value: Any) -> None:
    if value is not None:
        members[name] = value


def _add_config(members: dict[str, Any], config: wire.GenerationConfig) -> None:
    _add(members, "temperature", config.temperature)
    _add(members, "top_p", config.top_p)
    _add(members, "max_tokens", config.max_output_tokens or None)
    if config.candidate_count not in (None, 0, 1):
        members["n"] = config.candidate_count
    _add(members, "stop", listed(config.stop_sequences) or None)
    _add(members, "seed", config.seed)
    _add(members, "presence_penalty", config.presence_penalty)
    _add(members, "frequency_penalty", config.frequency_penalty)
    if config.response_logprobs:
        members["logprobs"] = True
        _add(members, "top_logprobs", config.logprobs)
    elif config.logprobs:
        raise _invalid("generationConfig.logprobs", "it goes with `responseLogprobs`")
    modalities = [each.upper() for each in listed(config.response_modalities)]
    if set(modalities) - {"TEXT", "MODALITY_UNSPECIFIED"}:
        raise _unsupported("generationConfig.responseModalities", "an answer that is not a text")
    _add(members, "response_format", _response_format(config))
    if config.thinking_config is not None:
        _add(members, "reasoning_effort", _effort(config.thinking_config))


def _response_format(config: wire.GenerationConfig) -> dict[str, Any] | None:
    schema = config.response_json_schema
    if schema is None:
        schema = json_schema(config.response_schema)
    match (config.response_mime_type or "").lower():
        case "" | "text/plain":
            if schema is not None:
                raise _invalid(
                    "generationConfig.responseMimeType", "a schema goes with 'application/json'"
                )
            return None
        case "application/json" if schema is None:
            return {"type": "json_object"}
        case "application/json":
            wanted = {"name": "output", "schema": schema, "strict": True}
            return {"type": "json_schema", "json_schema": wanted}
        case other:
            raise _unsupported(
                "generationConfig.responseMimeType", f"an answer of the type '{other[:64]}'"
            )


def _effort(thinking: wire.ThinkingConfig) -> str | None:
    if thinking.thinking_level is not None:
        level = thinking.thinking_level.upper()
        if level not in _LEVELS:
            raise _invalid(
                "generationConfig.thinkingConfig.thinkingLevel",
                "it is 'minimal', 'low', 'medium' or 'high'",
            )
        return _LEVELS[level]
    budget = thinking.thinking_budget
    if budget is None or budget < 0:
        return None  # as much as the model sees fit, which is what saying nothing means
    if budget == 0:
        return "none"
    if budget < _LOW_BUDGET:
        return "low"
    return "medium" if budget < _MEDIUM_BUDGET else "high"


def _functions(tool: Mapping[str, Raw], where: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for name, value in tool.items():
        if name == "functionDeclarations":
            try:
                declared = listed(_decode_functions(value))
            except UNREADABLE as error:
                raise refuse(error) from None
            found += [
                _function(each, f"{where}.{name}[{number}]") for number, each in enumerate(declared)
            ]
        elif bytes(value).strip() != b"null":  # an empty object turns a tool on
            raise _unsupported(
                f"{where}.{name[:64]}", f"the tool `{name[:64]}`, which Google's hosts run"
            )
    return found


def _function(declared: wire.FunctionDeclaration, where: str) -> dict[str, Any]:
    if declared.behavior not in (None, "", "UNSPECIFIED", "BLOCKING"):
        raise _unsupported(f"{where}.behavior", "a call that does not wait for its result")
    parameters = declared.parameters_json_schema
    if parameters is None:
        parameters = json_schema(declared.parameters)
    if not isinstance(parameters, dict | None):
        raise _invalid(f"{where}.parameters", "it is a schema")
    function: dict[str, Any] = {"name": declared.name}
    _add(function, "description", declared.description)
    function["parameters"] = parameters or {"type": "object", "properties": {}}
    return {"type": "function", "function": function}


def _add_tool_choice(members: dict[str, Any], config: wire.ToolConfig) -> None:
    if config.retrieval_config:
        raise _unsupported("toolConfig.retrievalConfig", "`retrievalConfig`")
    if config.include_server_side_tool_invocations:
        name = "includeServerSideToolInvocations"
        raise _unsupported(f"toolConfig.{name}", f"`{name}`")
    calling = config.function_calling_config
    if calling is None:
        return
    where = "toolConfig.functionCallingConfig"
    chosen = _MODES.get((calling.mode or "").upper())
    if chosen is None:
        raise _invalid(f"{where}.mode", "it is 'AUTO', 'ANY', 'VALIDATED' or 'NONE'")
    tools: list[dict[str, Any]] = members.get("tools", [])
    if not tools:
        if chosen == "required":
            raise _invalid(where, "there are no functions to choose from")
        return
    if allowed := calling.allowed_function_names:
        unknown = set(allowed) - {tool["function"]["name"] for tool in tools}
        if unknown:
            raise _invalid(f"{where}.allowedFunctionNames", "a name is that of no function")
        # The others are left out of the offer: it means the same, and every host understands it.
        tools = members["tools"] = [tool for tool in tools if tool["function"]["name"] in allowed]
    if chosen == "required" and allowed and len(tools) == 1:
        members["tool_choice"] = {
            "type": "function",
            "function": {"name": tools[0]["function"]["name"]},
        }
    elif chosen != "auto":
        members["tool_choice"] = chosen


# Refusals.


def _unsupported(param: str, what: str) -> ApiError:
    return ApiError(
        400,
        f"The target of this model does not speak the Gemini dialect, and {what} cannot be said in "
        "the one it speaks.",
        param=param[:128],
        code="unsupported_content",
    )


def _invalid(param: str, what: str) -> ApiError:
    return ApiError(400, f"Invalid '{param}': {what}.", param=param, code="invalid_value")
