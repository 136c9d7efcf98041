"""A request in the common form (OpenAI v1 chat) as a Gemini request.

System messages are gathered in `systemInstruction`, wherever they stand; `tool` messages become
`functionResponse` parts of the user's turn; turns of one role in a row become one. Schemas go as
they are, since the dialect takes JSON Schema beside its own. A member that means something and
cannot be said is refused by name.

Sources, all on ai.google.dev: "Generating content" (API reference), "Function calling",
"Structured outputs", "Gemini thinking", "Thought signatures", "OpenAI compatibility" (how efforts
become thinking), "File input methods".
"""

import mimetypes
import re
from typing import Any, cast
from urllib.parse import urlsplit

from msgspec import Raw

from tradewind.plugins.providers.base import ProviderRequest
from tradewind.plugins.providers.dialects.chat_requests import (
    invalid,
    limit_of,
    no_place_for,
    object_in,
    objects_in,
    parts_of,
    stops_of,
    text_in,
    unsupported_part,
    values_of,
)
from tradewind.plugins.providers.dialects.loose_json import object_or_none
from tradewind.plugins.providers.dialects.quirks import wrong_option
from tradewind.snapshot.contents import Target
from tradewind.wire.chat import Fields, encode
from tradewind.wire.gemini import UNSIGNED
from tradewind.wire.messages import input_of

# Members of `generationConfig` that mean the same.
_CONFIG_NAMES = {
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "n": "candidateCount",
    "seed": "seed",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
}
# The dialect's own, which clients that know the host send along.
_CARRIED = {
    "safety_settings": "safetySettings",
    "safetySettings": "safetySettings",
    "cached_content": "cachedContent",
    "cachedContent": "cachedContent",
}
_KEEPS = (
    frozenset(_CONFIG_NAMES)
    | frozenset(_CARRIED)
    | {
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "reasoning_effort",
        "response_format",
        "service_tier",
        "stop",
        "tool_choice",
        "tools",
        "top_logprobs",
    }
)
_MODES = {"auto": None, "required": "ANY", "none": "NONE"}
_SERVICE_TIERS = {"auto": None, "default": "standard", "flex": "flex", "priority": "priority"}
# "OpenAI compatibility", under "Thinking": what an effort means to each generation of models.
_BUDGETS = {"none": 0, "minimal": 1024, "low": 1024, "medium": 8192, "high": 24576, "xhigh": 24576}
_LEVELS = {
    "none": "minimal",
    "minimal": "minimal",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "high",
}
# 2.5 Pro cannot do without, and this is the least it takes ("Gemini thinking").
_LEAST_PRO_BUDGET = 128
_VERSION = re.compile(r"gemini-(\d{1,2})(?:\.(\d{1,2}))?")
_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)(?:;[\w=.-]+)*;base64,", re.ASCII)
_BARE = frozenset({"$schema", "additionalProperties", "properties", "required", "title", "type"})
"""Keywords of an object that, without properties, say nothing of what is in it."""
_SOUNDS = {"wav": "audio/wav", "mp3": "audio/mp3"}


def to_gemini(request: ProviderRequest, target: Target) -> Fields:
    """Return the members of the same request for a host of the Gemini dialect.

    Raises ApiError 400 that names what it cannot say.
    """
    values = values_of(request.fields, keeps=_KEEPS)
    turns = _Turns(target).read(objects_in(values.get("messages"), "messages"))
    if not turns.contents:
        raise invalid("messages", "there is nothing but system messages")
    body: dict[str, Any] = {"contents": turns.contents}
    if turns.system:
        body["systemInstruction"] = {"parts": turns.system}
    functions = [
        _function(tool, f"tools[{number}]")
        for number, tool in enumerate(objects_in(values.get("tools"), "tools"))
    ]
    if functions:
        body["tools"] = [{"functionDeclarations": functions}]
        if (calling := _calling(values.get("tool_choice"))) is not None:
            body["toolConfig"] = {"functionCallingConfig": calling}
    if config := _config(values, target):
        body["generationConfig"] = config
    if "service_tier" in values:
        tier = values["service_tier"]
        if not isinstance(tier, str) or tier not in _SERVICE_TIERS:
            raise no_place_for("service_tier")
        if _SERVICE_TIERS[tier] is not None:
            body["serviceTier"] = _SERVICE_TIERS[tier]
    for name, carried in _CARRIED.items():
        if name in values:
            body[carried] = values[name]
    return {name: Raw(encode(value)) for name, value in body.items()}


# Messages.


class _Turns:
    """Reads messages in their order: a result names its call by an id, and here it needs the
    function's name too.
    """

    def __init__(self, target: Target) -> None:
        self.contents: list[dict[str, Any]] = []
        self.system: list[dict[str, Any]] = []
        self._names: dict[str, str] = {}
        self._needs_signatures = _version_of(target.upstream_model) >= (3, 0)

    def read(self, messages: list[dict[str, Any]]) -> "_Turns":
        for number, message in enumerate(messages):
            where = f"messages[{number}]"
            match message.get("role"):
                case "system" | "developer":
                    self.system += _parts(message, where)
                case "user":
                    self._add("user", _parts(message, where))
                case "assistant":
                    self._add("model", self._said(message, where))
                case "tool":
                    self._add("user", self._result(message, where))
                case _:
                    raise invalid(f"{where}.role", "it is none of this API, or of an older one")
        return self

    def _add(self, role: str, parts: list[dict[str, Any]]) -> None:
        if not parts:
            return  # the dialect takes no empty turn, and nothing was said
        if self.contents and self.contents[-1]["role"] == role:
            self.contents[-1]["parts"] += parts
        else:
            self.contents.append({"role": role, "parts": parts})

    def _said(self, message: dict[str, Any], where: str) -> list[dict[str, Any]]:
        """Reasoning of earlier turns is left out: the model keeps it in signatures."""
        if message.get("function_call") is not None:
            raise no_place_for(f"{where}.function_call")
        parts = _parts(message, where)
        if isinstance(message.get("refusal"), str) and message["refusal"]:
            parts.append({"text": message["refusal"]})
        if parts and (signature := _signature_of(message)) is not None:
            parts[-1]["thoughtSignature"] = signature
        is_first = True
        for number, call in enumerate(objects_in(message.get("tool_calls"), f"{where}.tool_calls")):
            parts.append(self._call(call, f"{where}.tool_calls[{number}]", is_first=is_first))
            is_first = False
        return parts

    def _call(self, call: dict[str, Any], where: str, *, is_first: bool) -> dict[str, Any]:
        if call.get("type", "function") != "function":
            raise invalid(where, "this model's provider knows calls of functions only")
        function = object_in(call, "function", where)
        call_id, name = text_in(call, "id", where), text_in(function, "name", where)
        self._names[call_id] = name
        arguments = function.get("arguments") or ""
        if not isinstance(arguments, str):
            raise invalid(f"{where}.function", "`arguments` is not a text")
        called: dict[str, Any] = {"name": name, "args": input_of(arguments)}
        if call_id:
            called["id"] = call_id
        part: dict[str, Any] = {"functionCall": called}
        signature = _signature_of(call)
        if signature is None and is_first and self._needs_signatures:
            signature = UNSIGNED
        if signature is not None:
            part["thoughtSignature"] = signature
        return part

    def _result(self, message: dict[str, Any], where: str) -> list[dict[str, Any]]:
        call_id = text_in(message, "tool_call_id", where)
        name = self._names.get(call_id)
        if name is None:
            raise invalid(f"{where}.tool_call_id", "there is no tool call of this id before it")
        parts = _parts(message, where)
        text = "".join(part["text"] for part in parts if "text" in part)
        result = {"id": call_id, "name": name, "response": _response(text)}
        media = [part for part in parts if "text" not in part]
        return [{"functionResponse": result}, *media]


def _response(text: str) -> Any:
    """Return a result as the object that the dialect takes: an object as it is, else `output`."""
    if text.lstrip().startswith("{"):
        raw = input_of(text)
        if bytes(raw) == text.encode():
            return raw
    return {"output": text}


def _signature_of(said: dict[str, Any]) -> str | None:
    extra = object_or_none(said.get("extra_content")) or {}
    google = object_or_none(extra.get("google")) or {}
    signature = google.get("thought_signature")
    return signature if isinstance(signature, str) and signature else None


def _parts(message: dict[str, Any], where: str) -> list[dict[str, Any]]:
    content = message.get("content")
    if content is None:
        return []
    if isinstance(content, str):
        return [{"text": content}] if content else []
    found: list[dict[str, Any]] = []
    for number, part in enumerate(parts_of(content, f"{where}.content")):
        found += _part(part, f"{where}.content[{number}]")
    return found


def _part(part: dict[str, Any], where: str) -> list[dict[str, Any]]:
    match part.get("type"):
        case "text" | "refusal":
            text = text_in(part, str(part["type"]), where)
            return [{"text": text}] if text else []
        case "image_url":
            image = part.get("image_url")
            url = (
                image if isinstance(image, str) else object_in(part, "image_url", where).get("url")
            )
            return [_by_address(url, f"{where}.image_url")]
        case "input_audio":
            sound = object_in(part, "input_audio", where)
            kind = text_in(sound, "format", where)
            data = {
                "mimeType": _SOUNDS.get(kind, f"audio/{kind}"),
                "data": text_in(sound, "data", where),
            }
            return [{"inlineData": data}]
        case "file":
            file = object_in(part, "file", where)
            found = _inline(file.get("file_data"))
            if found is None:
                raise invalid(f"{where}.file", "`file_data` is base64 in a data address")
            return [found]
        case _:
            raise unsupported_part(part, where)


def _by_address(url: Any, where: str) -> dict[str, Any]:
    found = _inline(url)
    if found is not None:
        return found
    if not isinstance(url, str) or not url.startswith(("https://", "http://")):
        raise invalid(where, "it is an http address or base64 in a data address")
    file: dict[str, Any] = {"fileUri": url}
    try:
        kind = mimetypes.guess_type(urlsplit(url).path)[0]
    except ValueError:
        raise invalid(where, "it is no address") from None
    if kind is not None:
        file["mimeType"] = kind
    return {"fileData": file}


def _inline(url: Any) -> dict[str, Any] | None:
    matched = _DATA_URL.match(url) if isinstance(url, str) else None
    if matched is None:
        return None
    return {"inlineData": {"mimeType": matched[1], "data": matched.string[matched.end() :]}}


# Members.


def _function(tool: dict[str, Any], where: str) -> dict[str, Any]:
    if tool.get("type", "function") != "function":
        raise invalid(where, "this model's provider knows functions only")
    function = object_in(tool, "function", where)
    declared: dict[str, Any] = {"name": text_in(function, "name", where)}
    if isinstance(function.get("description"), str):
        declared["description"] = function["description"]
    parameters = object_or_none(function.get("parameters"))
    # An object without properties is the same as no parameters, and some models refuse it.
    if parameters is not None and (
        parameters.get("properties")
        or object_or_none(parameters.get("additionalProperties"))
        or parameters.keys() - _BARE
    ):
        declared["parametersJsonSchema"] = parameters
    return declared


def _calling(choice: Any) -> dict[str, Any] | None:
    if choice is None:
        return None
    if isinstance(choice, str):
        if choice not in _MODES:
            raise invalid("tool_choice", "it is 'auto', 'required', 'none' or names a function")
        return None if _MODES[choice] is None else {"mode": _MODES[choice]}
    said = object_or_none(choice) or {}
    match said.get("type"):
        case "function":
            name = text_in(object_in(said, "function", "tool_choice"), "name", "tool_choice")
            return {"mode": "ANY", "allowedFunctionNames": [name]}
        case "allowed_tools":
            allowed = object_in(said, "allowed_tools", "tool_choice")
            names = [
                text_in(object_in(tool, "function", "tool_choice"), "name", "tool_choice")
                for tool in objects_in(allowed.get("tools"), "tool_choice")
            ]
            mode = "ANY" if allowed.get("mode") == "required" else "VALIDATED"
            return {"mode": mode, "allowedFunctionNames": names}
        case _:
            raise invalid("tool_choice", "it is 'auto', 'required', 'none' or names a function")


def _config(values: dict[str, Any], target: Target) -> dict[str, Any]:
    config: dict[str, Any] = {
        name: values[said] for said, name in _CONFIG_NAMES.items() if said in values
    }
    if config.get("candidateCount") == 1:
        del config["candidateCount"]  # some models know no other number, and refuse the member
    limit = limit_of(values)
    if limit is not None:
        config["maxOutputTokens"] = limit
    if stops := stops_of(values.get("stop", [])):
        config["stopSequences"] = stops
    if values.get("logprobs"):
        config["responseLogprobs"] = True
        if values.get("top_logprobs"):
            config["logprobs"] = values["top_logprobs"]
    _add_format(config, object_or_none(values.get("response_format")))
    if "reasoning_effort" in values:
        thinking = _thinking(values["reasoning_effort"], target)
        if thinking:
            config["thinkingConfig"] = thinking
    return config


def _add_format(config: dict[str, Any], wanted: dict[str, Any] | None) -> None:
    match None if wanted is None else wanted.get("type"):
        case None | "text":
            pass
        case "json_object":
            config["responseMimeType"] = "application/json"
        case "json_schema":
            described = object_in(cast("dict[str, Any]", wanted), "json_schema", "response_format")
            config["responseMimeType"] = "application/json"
            if described.get("schema") is not None:
                config["responseJsonSchema"] = object_in(described, "schema", "response_format")
        case _:
            raise invalid("response_format", "its type is 'text', 'json_object' or 'json_schema'")


def _thinking(effort: Any, target: Target) -> dict[str, Any]:
    """Return how much to think, in the words of the model's generation; nothing for one that does
    not think: an effort is a hint.
    """
    if not isinstance(effort, str) or effort not in _BUDGETS:
        raise invalid("reasoning_effort", f"it is one of {', '.join(_BUDGETS)}")
    version, model = _version_of(target.upstream_model), target.upstream_model
    form = target.options.get("thinking")
    if form not in (None, "level", "budget", "none"):
        raise wrong_option("thinking", str(form))
    if form is None:
        form = "level" if version >= (3, 0) else "budget" if version >= (2, 5) else "none"
    if form == "none":
        return {}
    shows = {} if effort == "none" else {"includeThoughts": True}
    is_pro = "pro" in model
    if form == "budget":
        budget = _BUDGETS[effort]
        return {"thinkingBudget": max(budget, _LEAST_PRO_BUDGET) if is_pro else budget} | shows
    level = _LEVELS[effort]
    if is_pro and level == "minimal":
        level = "low"
    if is_pro and version == (3, 0) and level == "medium":
        level = "high"  # as Google's own OpenAI layer has it for the first of them
    return {"thinkingLevel": level} | shows


def _version_of(model: str) -> tuple[int, int]:
    """Return the generation that a name tells. A name like `gemini-flash-latest` is of the newest;
    other families are of none.
    """
    matched = _VERSION.search(model)
    if matched is not None:
        return int(matched[1]), int(matched[2] or 0)
    return (99, 0) if "gemini" in model else (0, 0)
