"""The texts of a prompt, and where they stand, in the body of any dialect. Pure.

What is looked at is what is not known to be no text: a member that some vendor adds tomorrow is
examined as the others are. One walk serves both reading and rewriting, so that nothing is read in
one place and rewritten in another. Members of the four dialects are those of platform.openai.com
("Chat", "Responses"), docs.anthropic.com ("Messages") and ai.google.dev ("Generating content").
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast

import msgspec
from msgspec import Raw

from tradewind.plugins.checks.base import Content, Sources
from tradewind.plugins.providers.base import ProviderRequest
from tradewind.snapshot.contents import Operation
from tradewind.snapshot.safety import Direction
from tradewind.wire.decoding import UNREADABLE

Visit = Callable[[str, Direction, int], str]
"""Gets a text, where it comes from and the number of the message it is part of; returns what is to
stand there."""

MOST_CHARACTERS = 4_000_000
"""Of one prompt; beyond that a check would be at it for seconds."""
_MOST_NESTED = 3
_FEWEST_DIGITS = 9
"""Of a number that may be somebody's: fewer are no card and no account."""

# Members of a body that say how to answer, and nothing to the model.
_SETTINGS = frozenset(
    {
        "anthropic_version",
        "background",
        "cachedContent",
        "encoding_format",
        "include",
        "metadata",
        "modalities",
        "model",
        "output_format",
        "previous_response_id",
        "prompt_cache_key",
        "quality",
        "response_format_name",
        "safetySettings",
        "safety_identifier",
        "service_tier",
        "size",
        "stop_sequences",
        "stream_options",
        "style",
        "tool_choice",
        "toolConfig",
        "truncation",
        "user",
        "voice",
    }
)
# What describes the functions that a model may call, and the form it has to answer in: whoever
# wrote those may not be who asks.
_DESCRIPTIONS = frozenset(
    {"functions", "generationConfig", "response_format", "text", "tools", "guided_json"}
)
# Members of messages and their parts that are no text.
_NO_TEXT = frozenset(
    {
        "audio_url",
        "cache_control",
        "call_id",
        "detail",
        "encrypted_content",
        "fileUri",
        "file_id",
        "file_ids",
        "file_uri",
        "file_url",
        "id",
        "image_url",
        "index",
        "input_audio",
        "item_id",
        "media_type",
        "mimeType",
        "mime_type",
        "model",
        "object",
        "role",
        "server_label",
        "signature",
        "status",
        "thoughtSignature",
        "thought_signature",
        "tool_call_id",
        "tool_use_id",
        "type",
        "url",
        "video_url",
    }
)
# Of schemas: words of the schema and not of whoever wrote it.
_WORDS_OF_SCHEMAS = frozenset({"$ref", "$schema", "format", "strict", "type", "required"})
# Whatever stands below is a caller's or a tool's own JSON: every string in it, and every name.
_OPAQUE = frozenset({"args", "arguments", "response", "output"})
_TOOL_ROLES = frozenset({"tool", "function", "ipython"})
_OPERATOR_ROLES = frozenset({"system", "developer"})
_OPERATOR_MEMBERS = frozenset({"system", "instructions", "systemInstruction", "system_instruction"})
_DOCUMENT_TYPES = frozenset({"tool_result", "document", "search_result", "input_file", "file"})
_DOCUMENT_ENDINGS = ("_output", "_tool_result", "_search_call", "mcp_call")
_DOCUMENT_MEMBERS = frozenset({"functionResponse", "function_response", "documents", "file"})
_TOOL_USES = frozenset({"tool_use", "server_tool_use", "mcp_tool_use", "custom_tool_call"})
_DATA = frozenset({"data", "file_data"})
_MEDIA_TYPES = ("media_type", "mimeType", "mime_type")
# Answers cannot be told from the numbers of their tokens, but no harm is done by what is embedded.
_TAKES_TOKENS = frozenset({"prompt"})

_MESSAGE, _JSON, _SCHEMA = range(3)
_encode = msgspec.json.Encoder().encode


class PromptText(NamedTuple):
    """What of a prompt can be examined."""

    contents: tuple[Content, ...]
    """One for each message and direction; parts of a message are joined by line ends."""
    unread: str = ""
    """Why there is more that cannot be: `too_long`, or `tokens` where text came as numbers."""


def texts_of(request: ProviderRequest) -> PromptText:
    """Return the texts of a request in the dialect of its client."""
    contents: list[Content] = []
    parts: list[str] = []
    size, last = 0, (-1, Direction.PROMPT)

    def close() -> None:
        if parts:
            group, direction = last
            is_operators = direction is Direction.PROMPT and group in walk.by_operator
            text = "\n".join(parts)
            contents.append(Content(text, direction, is_from_operator=is_operators))
            parts.clear()

    def visit(text: str, direction: Direction, group: int) -> str:
        nonlocal size, last
        if text.strip():
            if (group, direction) != last:
                close()
                last = group, direction
            size += len(text)
            if size <= MOST_CHARACTERS:
                parts.append(text)
        return text

    unread, walk = "", Walk(visit)
    for name, value in decoded(request.fields).items():
        if (
            name in _TAKES_TOKENS
            and request.operation is Operation.COMPLETIONS
            and _has_tokens(value)
        ):
            unread = "tokens"
        walk.member(name, value)
    close()
    return PromptText(tuple(contents), "too_long" if size > MOST_CHARACTERS else unread)


def sources_in(text: PromptText) -> Sources:
    """Return what an answer may rest on: the documents, or, where there are none, the prompt."""
    documents = Sources(each.text for each in text.contents if each.direction is Direction.DOCUMENT)
    return documents or Sources(each.text for each in text.contents)


def decoded(fields: Mapping[str, Raw]) -> dict[str, Any]:
    """Return the members that may hold texts. Raises nothing: each was decoded once before."""
    found: dict[str, Any] = {}
    for name, raw in fields.items():
        if name in _SETTINGS or bytes(memoryview(raw)[:1]) not in (b'"', b"[", b"{"):
            continue
        found[name] = msgspec.json.decode(raw)
    return found


class Walk:
    """One walk through a body, without recursion but for JSON within texts: a body may be nested as
    deeply as the decoder lets it.
    """

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self._group = 0
        self.by_operator: set[int] = set()
        """Numbers of the messages that whoever runs the application wrote."""
        self._nested = 0

    def member(self, name: str, value: Any) -> Any:
        """Visit every text of one member of the body and return the member with what `visit`
        returned. Lists and objects are changed where they are.
        """
        direction, zone = Direction.PROMPT, _MESSAGE
        if name in _DESCRIPTIONS and not isinstance(value, str):
            direction, zone = Direction.DOCUMENT, _SCHEMA
        elif name in _DOCUMENT_MEMBERS:
            direction = Direction.DOCUMENT
        holder = {name: value}
        if isinstance(value, list) and zone == _MESSAGE:
            # Each of these is a message, or a text of its own.
            items = cast("list[Any]", value)
            for place in range(len(items)):
                self._group += 1
                if name in _OPERATOR_MEMBERS:
                    self.by_operator.add(self._group)
                self._run(items, place, direction, zone)
        else:
            self._group += 1
            if name in _OPERATOR_MEMBERS:
                self.by_operator.add(self._group)
            self._run(holder, name, direction, zone)
        return holder[name]

    def _run(self, holder: Any, key: Any, direction: Direction, zone: int) -> None:
        left: list[tuple[Any, Any, Direction, int]] = [(holder, key, direction, zone)]
        while left:
            holder, key, direction, zone = left.pop()
            value = holder[key]
            if isinstance(value, str):
                holder[key] = self._text(value, direction)
            elif isinstance(value, list):
                items = cast("list[Any]", value)
                left += ((items, place, direction, zone) for place in reversed(range(len(items))))
            elif isinstance(value, dict):
                members = cast("dict[str, Any]", value)
                left += reversed(self._members(members, direction, zone))
            elif isinstance(value, int) and zone == _JSON and not isinstance(value, bool):
                holder[key] = self._number(value, direction)

    def _members(
        self, members: dict[str, Any], direction: Direction, zone: int
    ) -> list[tuple[Any, Any, Direction, int]]:
        """Return what of an object is to be looked at, in order."""
        if zone == _SCHEMA:
            return [(members, name, direction, zone) for name in self._of_schema(members)]
        if zone == _JSON:
            self._rename(members, direction)
            return [(members, name, direction, zone) for name in members]
        kind: Any = members.get("type")
        kind = kind if isinstance(kind, str) else ""
        role: Any = members.get("role")
        if _is_document(kind) or (isinstance(role, str) and role in _TOOL_ROLES):
            direction = Direction.DOCUMENT
        elif isinstance(role, str) and role in _OPERATOR_ROLES:
            self.by_operator.add(self._group)
        found: list[tuple[Any, Any, Direction, int]] = []
        for name, value in members.items():
            if name in _NO_TEXT or (name == "name" and "role" not in members):
                continue
            if name in _DATA:
                if isinstance(value, str):
                    members[name] = self._data(value, members, kind)
                continue
            inner = Direction.DOCUMENT if name in _DOCUMENT_MEMBERS else direction
            is_json = name in _OPAQUE or (name == "input" and kind in _TOOL_USES)
            # Blocks of content in what a tool returned are parts of a message again.
            below = _JSON if is_json and not _is_blocks(value) else zone
            found.append((members, name, inner, below))
        return found

    def _of_schema(self, members: dict[str, Any]) -> list[str]:
        return [
            name
            for name, value in members.items()
            if not (name in _WORDS_OF_SCHEMAS and isinstance(value, str | list | bool))
        ]

    def _rename(self, members: dict[str, Any], direction: Direction) -> None:
        """Visit the names of an object; its order stays."""
        names = {name: self._text(name, direction) for name in members}
        if any(name != new for name, new in names.items()):
            renamed = {names[name]: value for name, value in members.items()}
            members.clear()
            members.update(renamed)

    def _text(self, text: str, direction: Direction) -> str:
        nested = self._nested_json(text)
        if nested is None:
            return self._visit(text, direction, self._group)
        holder = [nested]
        before = _encode(nested)
        self._nested += 1
        self._run(holder, 0, direction, _JSON)
        self._nested -= 1
        after = _encode(holder[0])
        return text if after == before else after.decode()

    def _nested_json(self, text: str) -> Any:
        """Return the object or array that a text is; None of any other text."""
        if self._nested >= _MOST_NESTED or text.lstrip()[:1] not in ("{", "["):
            return None
        try:
            value: Any = msgspec.json.decode(text)
        except (*UNREADABLE, UnicodeEncodeError):
            return None
        return cast("Any", value) if isinstance(value, dict | list) else None

    def _number(self, number: int, direction: Direction) -> Any:
        # The time it takes to tell a longer integer's digits grows with their square.
        if number.bit_length() > 64:
            return number
        text = str(number)
        if len(text) < _FEWEST_DIGITS:
            return number
        seen = self._visit(text, direction, self._group)
        return number if seen == text else seen

    def _data(self, data: str, members: dict[str, Any], kind: str) -> str:
        """Visit a file that is in the body, if it is one of text."""
        if kind == "text":
            return self._text(data, Direction.DOCUMENT)
        head, comma, encoded = data.partition(",")
        is_url = bool(comma) and head.startswith("data:")
        if is_url:
            media_type = head.removeprefix("data:")
        else:
            encoded = data
            found = next((members[name] for name in _MEDIA_TYPES if name in members), "")
            media_type = found if isinstance(found, str) else ""
        if not _is_text(media_type):
            return data
        if is_url and not head.endswith(";base64"):
            return data.replace(encoded, self._text(encoded, Direction.DOCUMENT))
        try:
            text = base64.b64decode(encoded, validate=True).decode()
        except (binascii.Error, ValueError):
            return data
        seen = self._text(text, Direction.DOCUMENT)
        if seen == text:
            return data
        again = base64.b64encode(seen.encode()).decode()
        return f"{head},{again}" if is_url else again


def _is_document(kind: str) -> bool:
    return kind in _DOCUMENT_TYPES or kind.endswith(_DOCUMENT_ENDINGS)


def _is_blocks(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(item, dict) and "type" in item
        for item in value  # pyright: ignore[reportUnknownVariableType]
    )


def _is_text(media_type: str) -> bool:
    return media_type.startswith("text/") or media_type.partition(";")[0].endswith(
        ("json", "xml", "yaml", "javascript")
    )


def _has_tokens(value: Any) -> bool:
    """Say whether numbers stand where text should."""
    left: list[Any] = [value]
    while left:
        here = left.pop()
        if isinstance(here, list):
            left += here
        elif isinstance(here, int | float):
            return True
    return False
