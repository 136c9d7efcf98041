"""Where the texts are in answers and in events of answers, in every dialect. Pure.

What a model says is found wherever a client could show it: text, refusals, reasoning, the names and
arguments of its calls, transcripts of its speech, and the tokens of log probabilities where those
say anything else than the text beside them. Kinds of events that are not known pass; where they
look like the known ones, their text is found too. Formats: as in `gateway.content.answers`, and
"Streaming events" of the Responses reference (platform.openai.com).
"""

from collections.abc import Iterator
from enum import Enum
from typing import Any, NamedTuple, cast

import msgspec

_Members = dict[str, Any]

_MOST_CHOICES = 256
_MOST_PLACES = 4_096
_encode = msgspec.json.Encoder().encode


class Form(Enum):
    """What the text stands in, which says how it can be rewritten."""

    TEXT = "text"
    JSON = "json"
    """JSON as a text, or a piece of it: what is put in has to be escaped once more."""
    FIXED = "fixed"
    """A name that clients look up: it is examined and never rewritten."""
    OBJECT = "object"
    """A JSON object that was written as text to be examined."""
    TOKENS = "tokens"
    """Log probabilities: they go as a whole."""


Key = tuple[int, int, str]
"""Choice, place (an item, a block, a call) and kind of text."""


class Piece(NamedTuple):
    key: Key
    text: str
    holder: Any
    """The object or list it stands in, and `member` where there."""
    member: Any
    form: Form = Form.TEXT
    is_repeat: bool = False
    """Whether events of this kind say the whole text of the channel again."""
    also: tuple[tuple[Any, str], ...] = ()
    """Where else the same text stands."""


class Said(NamedTuple):
    """What one event, or a whole answer, says."""

    pieces: list[Piece]
    closed: list[tuple[int, int | None]]
    """Choices, and places of them, of which nothing follows; None is every place."""
    ended: tuple[int, ...] = ()
    """Choices that this event ends."""
    choices: tuple[int, ...] = ()
    """Choices it speaks of."""


def said_in_chat(event: _Members) -> Said:
    """Chat completions and completions, their chunks too."""
    pieces: list[Piece] = []
    ended: list[int] = []
    choices: list[int] = []
    for choice in objects(event.get("choices")):
        index = choice_index(choice.get("index"))
        choices.append(index)
        texts = len(pieces)
        pieces += _plain(choice, "text", (index, 0, "text"))
        for member in ("delta", "message"):
            pieces += _message(index, object_of(choice, member))
        said = "".join(piece.text for piece in pieces[texts:] if piece.key[2] == "text")
        pieces += _tokens(index, choice, said)
        if choice.get("finish_reason") is not None:
            ended.append(index)
    return Said(pieces, [(index, None) for index in ended], tuple(ended), tuple(choices))


def _message(index: int, message: _Members) -> Iterator[Piece]:
    if not message:
        return
    yield from _content(message, (index, 0, "text"))
    again = message.get("reasoning")
    thought = message.get("reasoning_content")
    if again and again == thought:  # hosts that write both write the same
        for piece in _content(message, (index, 0, "reasoning"), "reasoning_content"):
            yield piece._replace(also=((message, "reasoning"),))
    else:
        yield from _content(message, (index, 0, "reasoning"), "reasoning_content")
        yield from _content(message, (index, 0, "reasoning"), "reasoning")
    for place, detail in enumerate(objects(message.get("reasoning_details"))):
        for member in ("text", "summary"):
            yield from _plain(detail, member, (index, place_of(place), "details"))
    yield from _plain(message, "refusal", (index, 0, "refusal"))
    yield from _plain(object_of(message, "audio"), "transcript", (index, 0, "transcript"))
    for number, call in enumerate(objects(message.get("tool_calls"))):
        given = call.get("index")
        place = 1 + place_of(given if isinstance(given, int) else number)
        function, custom = object_of(call, "function"), object_of(call, "custom")
        yield from _plain(function, "name", (index, place, "call"), Form.FIXED)
        yield from _plain(function, "arguments", (index, place, "call"), Form.JSON)
        yield from _plain(custom, "name", (index, place, "input"), Form.FIXED)
        yield from _plain(custom, "input", (index, place, "input"))
    function = object_of(message, "function_call")
    yield from _plain(function, "name", (index, 1, "call"), Form.FIXED)
    yield from _plain(function, "arguments", (index, 1, "call"), Form.JSON)


def _content(message: _Members, key: Key, member: str = "content") -> Iterator[Piece]:
    """A text, or a list of parts with texts, as some hosts have it."""
    yield from _plain(message, member, key)
    for part in objects(message.get(member)):
        for name in ("text", "thinking", "refusal"):
            yield from _plain(part, name, key)
            yield from _content_of_thinking(part, name, key)


def _content_of_thinking(part: _Members, name: str, key: Key) -> Iterator[Piece]:
    for inner in objects(part.get(name)):
        yield from _plain(inner, "text", (key[0], key[1], "reasoning"))


def _tokens(index: int, choice: _Members, text: str) -> Iterator[Piece]:
    logprobs = object_of(choice, "logprobs")
    if not logprobs:
        return
    given: Any = logprobs.get("tokens")  # completions
    if isinstance(given, list):
        tokens = "".join(token for token in cast("list[Any]", given) if isinstance(token, str))
    else:
        tokens = "".join(
            text_of(token, "token")
            for member in ("content", "refusal")
            for token in objects(logprobs.get(member))
        )
    # Of the text beside them they say nothing new; they leave with it, and are cut with it.
    text = "" if tokens == text else tokens
    yield Piece((index, 0, "tokens"), text, choice, "logprobs", Form.TOKENS)


def said_in_responses(event: _Members) -> Said:
    """Responses: the object, and its events. A response has one choice."""
    if event.get("object") == "response":
        return Said(list(_output(event, is_repeat=False)), [(0, None)], (0,), (0,))
    kind = text_of(event, "type")
    place = place_of(event.get("output_index"))
    number = place_of(event.get("content_index", event.get("summary_index")))
    closed: list[tuple[int, int | None]] = []
    pieces: list[Piece] = []
    response = object_of(event, "response")
    if kind.endswith(".delta"):
        what = _kind_of_event(kind)
        if what is not None:
            form = Form.JSON if what == "call" else Form.TEXT
            pieces += _plain(event, "delta", (0, place, f"{what}{number}"), form)
            pieces += _event_tokens(event, place, number)
    elif kind.endswith(("output_item.done", "output_item.added")):
        item = object_of(event, "item")
        is_repeat = kind.endswith("done")
        pieces += _item(item, place, is_repeat=is_repeat)
        if is_repeat:
            closed.append((0, place))
    elif kind.endswith(("part.done", "part.added")):
        pieces += _part(object_of(event, "part"), place, number, is_repeat=kind.endswith("done"))
    elif kind.endswith(".done"):
        for member in ("text", "refusal", "arguments", "input", "code", "transcript"):
            what = _kind_of_event(kind) or member
            form = Form.JSON if member == "arguments" else Form.TEXT
            key = 0, place, f"{what}{number}"
            pieces += _plain(event, member, key, form, is_repeat=True)
        pieces += _event_tokens(event, place, number)
    elif response:
        pieces += _output(response, is_repeat=True)
    is_end = kind in ("response.completed", "response.incomplete", "response.failed")
    is_end = is_end or kind == "transcript.text.done"
    return Said(pieces, [(0, None)] if is_end else closed, (0,) if is_end else (), (0,))


def _kind_of_event(kind: str) -> str | None:
    """Return what kind of text an event tells; None of bytes as text."""
    if "audio" in kind and "transcript" not in kind:
        return None
    for name, what in (
        ("summary", "summary"),
        ("reasoning", "reasoning"),
        ("refusal", "refusal"),
        ("arguments", "call"),
        ("input", "input"),
        ("code", "code"),
        ("transcript", "transcript"),
    ):
        if name in kind:
            return what
    return "text"


def _event_tokens(event: _Members, place: int, number: int) -> Iterator[Piece]:
    if event.get("logprobs"):
        tokens = "".join(text_of(token, "token") for token in objects(event["logprobs"]))
        said = event.get("delta", event.get("text"))
        text = "" if tokens == said else tokens
        yield Piece((0, place, f"tokens{number}"), text, event, "logprobs", Form.TOKENS)


def _output(response: _Members, *, is_repeat: bool) -> Iterator[Piece]:
    for place, item in enumerate(objects(response.get("output"))):
        yield from _item(item, place_of(place), is_repeat=is_repeat)


def _item(item: _Members, place: int, *, is_repeat: bool) -> Iterator[Piece]:
    kind = text_of(item, "type")
    yield from _plain(item, "name", (0, place, "name"), Form.FIXED, is_repeat=is_repeat)
    yield from _plain(item, "arguments", (0, place, "call0"), Form.JSON, is_repeat=is_repeat)
    for member in ("input", "code"):
        yield from _plain(item, member, (0, place, f"{member}0"), is_repeat=is_repeat)
    for number, part in enumerate(objects(item.get("summary"))):
        key = 0, place, f"summary{number}"
        yield from _plain(part, "text", key, is_repeat=is_repeat)
    if kind not in ("message", "reasoning"):
        yield from _plain(item, "output", (0, place, "output0"), is_repeat=is_repeat)
    for number, part in enumerate(objects(item.get("content"))):
        yield from _part(part, place, number, is_repeat=is_repeat)


def _part(part: _Members, place: int, number: int, *, is_repeat: bool) -> Iterator[Piece]:
    kind = text_of(part, "type")
    what = "text"
    if kind.startswith(("reasoning", "summary")):
        what = "reasoning" if kind.startswith("reasoning") else "summary"
    yield from _plain(part, "text", (0, place, f"{what}{number}"), is_repeat=is_repeat)
    for member in ("refusal", "transcript"):
        key = 0, place, f"{member}{number}"
        yield from _plain(part, member, key, is_repeat=is_repeat)
    if part.get("logprobs"):
        tokens = "".join(text_of(token, "token") for token in objects(part["logprobs"]))
        text = "" if tokens == part.get("text") else tokens
        yield Piece((0, place, f"tokens{number}"), text, part, "logprobs", Form.TOKENS)


def said_in_messages(event: _Members) -> Said:
    """Messages: the message, and its events. A message has one choice."""
    kind = text_of(event, "type")
    pieces: list[Piece] = []
    if kind == "message":
        for place, block in enumerate(objects(event.get("content"))):
            pieces += _block(block, place_of(place))
        return Said(pieces, [(0, None)], (0,), (0,))
    place = place_of(event.get("index"))
    closed: list[tuple[int, int | None]] = []
    ended: tuple[int, ...] = ()
    match kind:
        case "message_start":
            message = object_of(event, "message")
            for number, block in enumerate(objects(message.get("content"))):
                pieces += _block(block, place_of(number))
        case "content_block_start":
            pieces += _block(object_of(event, "content_block"), place)
        case "content_block_stop":
            closed.append((0, place))
        case "message_stop":
            closed.append((0, None))
        case _:
            delta = object_of(event, "delta")
            pieces += _plain(delta, "text", (0, place, "text"))
            pieces += _plain(delta, "thinking", (0, place, "thinking"))
            pieces += _plain(delta, "partial_json", (0, place, "call"), Form.JSON)
            if delta.get("stop_reason") is not None:
                closed.append((0, None))
                ended = (0,)
    return Said(pieces, closed, ended, (0,))


def _block(block: _Members, place: int) -> Iterator[Piece]:
    yield from _plain(block, "text", (0, place, "text"))
    yield from _plain(block, "thinking", (0, place, "thinking"))
    yield from _plain(block, "name", (0, place, "call"), Form.FIXED)
    yield from _object(block, "input", (0, place, "call"))


def said_in_gemini(event: _Members) -> Said:
    """Gemini: answers, and the chunks of a stream, which have the same form."""
    pieces: list[Piece] = []
    ended: list[int] = []
    choices: list[int] = []
    for candidate in objects(event.get("candidates")):
        index = choice_index(candidate.get("index"))
        choices.append(index)
        before = len(pieces)
        for part in objects(object_of(candidate, "content").get("parts")):
            is_thought = part.get("thought") is True
            pieces += _plain(part, "text", (index, 0, "reasoning" if is_thought else "text"))
            call = object_of(part, "functionCall")
            pieces += _plain(call, "name", (index, 1, "call"), Form.FIXED)
            pieces += _object(call, "args", (index, 1, "call"))
            pieces += _plain(object_of(part, "executableCode"), "code", (index, 0, "code"))
            result = object_of(part, "codeExecutionResult")
            pieces += _plain(result, "output", (index, 0, "output"))
        said = "".join(piece.text for piece in pieces[before:] if piece.key[2] == "text")
        logged = object_of(candidate, "logprobsResult")
        if logged:
            chosen = objects(logged.get("chosenCandidates"))
            tokens = "".join(text_of(token, "token") for token in chosen)
            text = "" if tokens == said else tokens
            key = index, 0, "tokens"
            pieces.append(Piece(key, text, candidate, "logprobsResult", Form.TOKENS))
        if candidate.get("finishReason") is not None:
            ended.append(index)
    closed: list[tuple[int, int | None]] = [(index, 1) for index in choices]
    closed += [(index, None) for index in ended]
    return Said(pieces, closed, tuple(ended), tuple(choices))


def said_in_transcript(event: _Members) -> Said:
    """Transcriptions and translations of audio: the answer, and its events."""
    if "type" in event:
        return said_in_responses(event)
    pieces = list(_plain(event, "text", (0, 0, "text")))
    for segment in objects(event.get("segments")):
        pieces += _plain(segment, "text", (0, 1, "text"))
    for word in objects(event.get("words")):
        pieces += _plain(word, "word", (0, 2, "text"))
    return Said(pieces, [(0, None)], (0,), (0,))


def _plain(
    holder: _Members, member: str, key: Key, form: Form = Form.TEXT, *, is_repeat: bool = False
) -> Iterator[Piece]:
    text = holder.get(member)
    if isinstance(text, str) and text:
        yield Piece(key, text, holder, member, form, is_repeat)


def _object(holder: _Members, member: str, key: Key) -> Iterator[Piece]:
    value = holder.get(member)
    if isinstance(value, dict | list) and value:
        yield Piece(key, _encode(value).decode(), holder, member, Form.OBJECT)


def objects(value: Any) -> list[_Members]:
    if not isinstance(value, list):
        return []
    return [cast("_Members", item) for item in cast("list[Any]", value) if isinstance(item, dict)]


def object_of(members: _Members, name: str) -> _Members:
    value = members.get(name)
    return cast("_Members", value) if isinstance(value, dict) else {}


def text_of(members: _Members, name: str) -> str:
    value = members.get(name)
    return value if isinstance(value, str) else ""


def choice_index(index: object) -> int:
    return index if type(index) is int and 0 <= index < _MOST_CHOICES else 0


def place_of(index: object) -> int:
    return index if type(index) is int and 0 <= index < _MOST_PLACES else 0
