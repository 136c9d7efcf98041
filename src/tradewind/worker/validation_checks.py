"""What a validation run tries of a model, one check at a time."""

import base64
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, cast

import msgspec

from tradewind.core.errors import TradewindError
from tradewind.features.artifacts.schemas import ArtifactDetail
from tradewind.features.artifacts.service import verify
from tradewind.features.artifacts.worker_copies import WorkerArtifact
from tradewind.features.publishing import rules
from tradewind.features.publishing.schemas import Check, CheckState, Content, Timing
from tradewind.plugins.providers.base import Provider
from tradewind.snapshot.contents import Operation, Target
from tradewind.worker.model_calls import Answered, CallFailed

QUESTION = "Name one colour of the rainbow. Answer with one word."
BEGINNING = "The colours of the rainbow are red, orange,"
QUERY = "Which colour does a ripe banana have?"
DOCUMENTS = ("The rainbow has seven colours.", "Bananas turn yellow as they ripen.")
FITTING = 1
PICTURE = "A plain yellow circle on a white background."
SENTENCE = "Hello."
VOICE = "alloy"
"""A voice that OpenAI's hosts and those like them have."""
_STREAM: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}
_ONLY_CHAT = "is claimed, and tried of models for chat only"
_IMAGES = (
    ("PNG", re.compile(rb"\x89PNG\r\n\x1a\n")),
    ("JPEG", re.compile(rb"\xff\xd8\xff")),
    ("GIF", re.compile(rb"GIF8[79]a")),
    ("WebP", re.compile(rb"RIFF....WEBP", re.DOTALL)),
)
_LEAST_TOKENS = 16
_MOST_TOKENS = 256
_TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Tells the weather of a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}
_SCHEMA = {
    "type": "json_schema",
    "json_schema": {
        "name": "colour",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {"colour": {"type": "string"}},
            "required": ["colour"],
            "additionalProperties": False,
        },
    },
}


class Calls(Protocol):
    def call(
        self, provider: Provider, target: Target, operation: Operation, body: dict[str, Any]
    ) -> Answered:
        """Raises CallFailed."""
        ...


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model that can be called."""

    provider: Provider
    target: Target
    load_s: float | None
    """None for a host, which has it loaded already."""
    where: str
    """One line for a person: what answers."""


@dataclass(frozen=True, slots=True)
class Files:
    """An artifact with its bytes."""

    detail: ArtifactDetail
    worker: WorkerArtifact | None
    """None in quarantine: then nobody opens it."""


Load = Callable[[], AbstractContextManager[Loaded]]
"""Raises TradewindError, whose message says why it does not load."""


def checks_of_files(content: Content, files: Files | None) -> Iterator[tuple[str, Check]]:
    """Yield a line on what is about to be done, with its outcome."""
    if content.is_bound:
        yield "looks at the binding", _passed("artifact", "answers at a provider's host")
        for name in ("digests", "scan"):
            yield "", _skipped(name, "the files lie at the provider's host")
        return
    if files is None:
        yield "looks for the files", _failed("artifact", f"{content.artifact} is not there")
        return
    count = len(files.detail.files)
    yield "looks for the files", _passed("artifact", f"{count} files of {files.detail.row.size} B")
    wrong = verify(files.worker, files.detail.manifest) if files.worker is not None else []
    if files.worker is None:
        yield "", _skipped("digests", "nothing in quarantine is opened")
    elif wrong:
        yield "", _failed("digests", f"{wrong[0].path} {wrong[0].what}")
    else:
        yield "", _passed("digests", "every byte is what the manifest says")
    findings = [text for file in files.detail.files for text in file.facts.findings]
    if files.detail.row.is_quarantined:
        yield "", _failed("scan", findings[0] if findings else "the artifact is in quarantine")
    else:
        yield "", _passed("scan", "; ".join(findings[:3]) or "nothing was found")


def checks_of_card(content: Content) -> Iterator[tuple[str, Check]]:
    wrong = rules.problems(content)
    licence = wrong.pop("licence", None) or wrong.pop("licence_url", None)
    if licence is None:
        yield "reads the card", _passed("licence", content.licence)
    else:
        yield "reads the card", _failed("licence", licence.message)
    if not wrong:
        yield "", _passed("card", "complete")
    else:
        field, error = next(iter(wrong.items()))
        yield "", _failed("card", f"{field}: {error.message}")


def checks_of_calls(
    content: Content, load: Load, calls: Calls
) -> Iterator[tuple[str, Check | None, Timing]]:
    """Load the model and call it; yield a line before each step and then what came of it."""
    yield "loads the model", None, Timing()
    try:
        with load() as loaded:
            timing = Timing(load_s=None if loaded.load_s is None else round(loaded.load_s, 3))
            yield "calls the model", _passed("load", loaded.where), timing
            trial = _Trial(content, loaded, calls)
            check, timing = trial.smoke(timing)
            yield "tries tools", check, timing
            yield "tries answers in JSON", trial.tools(), timing
            yield "", trial.json(), timing
    except TradewindError as error:
        yield "", _failed("load", error.message), Timing()


class _Trial:
    def __init__(self, content: Content, loaded: Loaded, calls: Calls) -> None:
        self._content = content
        self._loaded = loaded
        self._calls = calls

    def smoke(self, timing: Timing) -> tuple[Check, Timing]:
        """Call it once as it is meant to be called; what it is proves no more than the detail."""
        try:
            match Operation(self._content.operation):
                case Operation.CHAT:
                    return self._write(self._ask(_STREAM, most_tokens=_LEAST_TOKENS), timing)
                case Operation.COMPLETIONS:
                    body = {"prompt": BEGINNING, "max_tokens": _LEAST_TOKENS, "temperature": 0}
                    return self._write(self._call(body | _STREAM), timing)
                case Operation.EMBEDDINGS:
                    return _vector_of(self._call({"input": QUESTION}), timing)
                case Operation.RERANK:
                    body = {"query": QUERY, "documents": list(DOCUMENTS)}
                    return _order_of(self._call(body)), timing
                case Operation.IMAGES:
                    return _image_of(self._call({"prompt": PICTURE, "n": 1})), timing
                case Operation.SPEECH:
                    body = {"input": SENTENCE, "voice": VOICE}
                    return _sound_of(self._call(body)), timing
                case other:
                    return _failed("smoke", f"models for {other} cannot be tried here"), timing
        except CallFailed as error:
            return _failed("smoke", str(error)), timing

    def _write(self, answer: Answered, timing: Timing) -> tuple[Check, Timing]:
        if not answer.text.strip():
            return _failed("smoke", "the answer has no text"), timing
        timing = Timing(
            load_s=timing.load_s,
            first_token_ms=_ms(answer.first_token_s),
            tokens_per_s=_rate(answer),
        )
        shown = " ".join(answer.text.split())[:80]
        return _passed("smoke", f"answered {shown!r}", answer.whole_s), timing

    def tools(self) -> Check:
        if "tools" not in self._content.capabilities:
            return _skipped("tools", "is not claimed")
        if self._content.operation != Operation.CHAT:
            return _failed("tools", _ONLY_CHAT)
        try:
            answer = self._ask(
                {"tools": [_TOOL], "tool_choice": "required"},
                question="What is the weather in Paris? Use the tool.",
            )
        except CallFailed as error:
            return _failed("tools", str(error))
        for call in _objects(answer.message.get("tool_calls")):
            function = call.get("function")
            said = cast("dict[str, Any]", function) if isinstance(function, dict) else {}
            if said.get("name") == "weather" and _is_object(said.get("arguments")):
                return _passed("tools", "called the tool with readable arguments", answer.whole_s)
        return _failed("tools", "no tool was called, though the request required it")

    def json(self) -> Check:
        if "structured_output" not in self._content.capabilities:
            return _skipped("json", "is not claimed")
        if self._content.operation != Operation.CHAT:
            return _failed("json", _ONLY_CHAT)
        try:
            answer = self._ask(
                {"response_format": _SCHEMA},
                question="Name one colour of the rainbow as JSON with the member colour.",
            )
        except CallFailed as error:
            return _failed("json", str(error))
        if _is_object(answer.text):
            return _passed("json", "answered with a JSON object", answer.whole_s)
        return _failed("json", "the answer is no JSON object, though the request required one")

    def _ask(
        self, members: dict[str, Any], *, question: str = QUESTION, most_tokens: int = _MOST_TOKENS
    ) -> Answered:
        message = {"role": "user", "content": question}
        return self._call(
            {"messages": [message], "max_tokens": most_tokens, "temperature": 0, **members}
        )

    def _call(self, body: dict[str, Any]) -> Answered:
        operation = Operation(self._content.operation)
        return self._calls.call(self._loaded.provider, self._loaded.target, operation, body)


def _vector_of(answer: Answered, timing: Timing) -> tuple[Check, Timing]:
    vector = answer.message.get("embedding")
    if not isinstance(vector, list) or not vector:
        return _failed("smoke", "the answer has no vector"), timing
    count = len(cast("list[object]", vector))
    check = _passed("smoke", f"answered with {count} numbers", answer.whole_s)
    return check, Timing(load_s=timing.load_s, first_token_ms=_ms(answer.whole_s))


def _order_of(answer: Answered) -> Check:
    """Each document once, with a score; which comes first is the model's own opinion."""
    scored = {
        entry["index"]: entry["relevance_score"]
        for entry in answer.entries
        if isinstance(entry.get("index"), int)
        and isinstance(entry.get("relevance_score"), int | float)
    }
    if sorted(scored) != list(range(len(DOCUMENTS))):
        return _failed("smoke", "the answer has not a score for each document")
    first = max(scored, key=lambda index: scored[index])
    fits = "the one that answers" if first == FITTING else "not the one that answers"
    return _passed("smoke", f"ranked {len(scored)} documents, {fits} first", answer.whole_s)


def _image_of(answer: Answered) -> Check:
    encoded, address = answer.message.get("b64_json"), answer.message.get("url")
    if not isinstance(encoded, str):
        if isinstance(address, str) and address.startswith("https://"):
            return _passed(
                "smoke", "answered with the address of an image, not fetched", answer.whole_s
            )
        return _failed("smoke", "the answer has no image")
    try:
        image = base64.b64decode(encoded, validate=True)
    except ValueError:
        return _failed("smoke", "the image of the answer is not base64")
    kind = next((kind for kind, start in _IMAGES if start.match(image)), "")
    if not kind:
        return _failed("smoke", "what was answered is no image of a known format")
    return _passed("smoke", f"made an image of {len(image)} bytes ({kind})", answer.whole_s)


def _sound_of(answer: Answered) -> Check:
    if not answer.data:
        return _failed("smoke", "the answer has no sound")
    if not answer.content_type.startswith("audio/"):
        return _failed("smoke", f"the answer is {answer.content_type or 'of no type'}, no sound")
    said = f"spoke: {len(answer.data)} bytes of {answer.content_type}"
    return _passed("smoke", said, answer.whole_s)


def _is_object(text: object) -> bool:
    if not isinstance(text, str):
        return False
    try:
        msgspec.json.decode(text.encode(), type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
        return False
    return True


def _objects(value: object) -> list[dict[str, Any]]:
    entries = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("dict[str, Any]", entry) for entry in entries if isinstance(entry, dict)]


def _rate(answer: Answered) -> float | None:
    """Return tokens a second after the first one; None where there is nothing to measure."""
    if answer.output_tokens is None or answer.first_token_s is None:
        return None
    took_s = answer.whole_s - answer.first_token_s
    return round((answer.output_tokens - 1) / took_s, 1) if took_s > 0 else None


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)


def _passed(name: str, detail: str, took_s: float | None = None) -> Check:
    return Check(name=name, state=CheckState.PASSED, detail=detail[:300], duration_ms=_ms(took_s))


def _failed(name: str, detail: str) -> Check:
    return Check(name=name, state=CheckState.FAILED, detail=" ".join(detail.split())[:300])


def _skipped(name: str, detail: str) -> Check:
    return Check(name=name, state=CheckState.SKIPPED, detail=detail)
