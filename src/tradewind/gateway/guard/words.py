"""What a dialect has words for: annotations in its events, and ends of answers that are cut. Pure.

One per answer. It sees every object that comes, for what a later one of ours has to repeat (ids,
the model's name), and every object that goes out, for what a client still waits to hear the end of.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol, cast

from tradewind.gateway.guard.annotations import Results, merged
from tradewind.gateway.guard.answer_text import choice_index, object_of, objects
from tradewind.plugins.providers.base import TokenCounts
from tradewind.wire.messages import UNSIGNED
from tradewind.wire.safety_ratings import safety_ratings

Members = dict[str, Any]
Tokens = Callable[[], TokenCounts]

BYTES_PER_TOKEN = 4
CONTENT_FILTER = "content_filter"


class Told(NamedTuple):
    """What is said of an answer, or of one choice of it."""

    results: Results
    """`content_filter_results`."""
    evidence: Results
    """`tradewind_safety`."""
    is_notable: bool
    """Whether anything was found, or failed: dialects without words for it stay silent else."""


class Own(NamedTuple):
    """An event of ours."""

    data: Members
    name: str = ""
    """Where the dialect names its events."""


class Words(Protocol):
    """One dialect's."""

    can_cut: bool
    """Whether an answer can say that it was filtered; else an error has to."""
    tells_prompt: bool
    """Whether it has words for what was found in the prompt, apart from the end of the answer."""

    def came(self, event: Members) -> None:
        """An event came from the upstream."""
        ...

    def goes(self, event: Members) -> None:
        """An event goes out, as the client sees it."""
        ...

    def has_choice(self, event: Members) -> bool:
        """Whether clients read what an event like this tells of the prompt."""
        ...

    def annotate_prompt(self, event: Members, results: list[Results], told: Results) -> bool:
        """Tell what was found in the prompt; return whether that changed the event."""
        ...

    def annotate(self, event: Members, choice: int, told: Told) -> bool:
        """Tell what was found in the choice that this event, or the whole answer, ends."""
        ...

    def without(self, event: Members, choices: set[int]) -> bool:
        """Take choices out of an event of several; return whether anything is left to be sent."""
        ...

    def cut(self, choice: int, told: Told, characters: int) -> list[Own]:
        """Return the events that end a choice here. `characters` of it came."""
        ...

    def empty(self, event: Members, choice: int, told: Told) -> None:
        """Take the text of a choice out of a whole answer, and say that it was filtered."""
        ...


def take_out(event: Members, member: str, choices: set[int]) -> bool:
    """Take choices out of the list `member`; return whether anything is left to be sent."""
    listed = objects(event.get(member))
    kept = [choice for choice in listed if choice_index(choice.get("index")) not in choices]
    if listed and len(kept) < len(listed):
        event[member] = kept
        return bool(kept) or event.get("usage") is not None or "usageMetadata" in event
    return True


def numbered(listed: Iterable[Members], index: int) -> list[Members]:
    return [each for each in listed if choice_index(each.get("index")) == index]


def _written(counts: TokenCounts, characters: int) -> int:
    """Return the tokens that were written: what the upstream said, or what the text comes to."""
    told = counts.output_tokens
    return -(-characters // BYTES_PER_TOKEN) if told is None else told


class ChatWords:
    """Chat completions and completions, as OpenAI and Azure have them."""

    can_cut = True
    tells_prompt = True

    __slots__ = ("_frame", "_is_chat")

    def __init__(self, *, is_chat: bool) -> None:
        self._is_chat = is_chat
        self._frame: Members = {}

    def came(self, event: Members) -> None:
        if self._frame.get("id") or not objects(event.get("choices")):
            return
        names = ("id", "object", "created", "model", "system_fingerprint")
        self._frame = {name: event[name] for name in names if name in event}

    def goes(self, event: Members) -> None:
        pass

    def has_choice(self, event: Members) -> bool:
        return bool(objects(event.get("choices")))

    def annotate_prompt(self, event: Members, results: list[Results], told: Results) -> bool:
        event["prompt_filter_results"] = results
        event.setdefault("tradewind_safety", told)
        return True

    def annotate(self, event: Members, choice: int, told: Told) -> bool:
        for each in numbered(objects(event.get("choices")), choice):
            theirs = each.get("content_filter_results")
            each["content_filter_results"] = merged(theirs, told.results)
        event["tradewind_safety"] = _joined(event.get("tradewind_safety"), told.evidence)
        return True

    def without(self, event: Members, choices: set[int]) -> bool:
        return take_out(event, "choices", choices)

    def cut(self, choice: int, told: Told, characters: int) -> list[Own]:  # noqa: ARG002
        kind = "chat.completion.chunk" if self._is_chat else "text_completion"
        frame = {"id": "", "object": kind, "created": 0, "model": "", **self._frame}
        return [
            Own(
                {
                    **frame,
                    "choices": [
                        {
                            "index": choice,
                            **({"delta": {}} if self._is_chat else {"text": ""}),
                            "logprobs": None,
                            "finish_reason": CONTENT_FILTER,
                            "content_filter_results": told.results,
                        }
                    ],
                    "tradewind_safety": told.evidence,
                }
            )
        ]

    def empty(self, event: Members, choice: int, told: Told) -> None:
        kept = objects(event.get("choices"))
        for each in numbered(kept, choice):
            index = each.get("index")
            each.clear()
            each["index"] = index
            if self._is_chat:
                each["message"] = {"role": "assistant", "content": "", "refusal": None}
            else:
                each["text"] = ""
            each["logprobs"] = None
            each["finish_reason"] = CONTENT_FILTER
        self.annotate(event, choice, told)

    def frame(self) -> Members:
        """Return the members that all chunks of this answer have in common."""
        return self._frame


def _joined(known: object, more: Results) -> Results:
    """Return evidence of several choices, or of a prompt and its answer, as one."""
    if not isinstance(known, dict):
        return more
    before = cast("Results", known)
    findings = [*before.get("findings", []), *more.get("findings", [])]
    unlike = [each for at, each in enumerate(findings) if each not in findings[:at]]
    return {**before, **more, "findings": unlike}


class GeminiWords:
    """Gemini: answers, and chunks, which have the same form."""

    can_cut = True
    tells_prompt = True

    __slots__ = ("_frame", "_tokens")

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._frame: Members = {}

    def came(self, event: Members) -> None:
        for name in ("usageMetadata", "modelVersion", "responseId"):
            if name in event:
                self._frame[name] = event[name]

    def goes(self, event: Members) -> None:
        pass

    def has_choice(self, event: Members) -> bool:
        return bool(objects(event.get("candidates")))

    def annotate_prompt(self, event: Members, results: list[Results], told: Results) -> bool:  # noqa: ARG002
        ratings = safety_ratings(results[0]["content_filter_results"])
        feedback = event.setdefault("promptFeedback", {}) if ratings else None
        if not isinstance(feedback, dict):
            return False
        cast("Members", feedback).setdefault("safetyRatings", ratings)
        return True

    def annotate(self, event: Members, choice: int, told: Told) -> bool:
        ratings = safety_ratings(told.results)
        is_changed = False
        for each in numbered(objects(event.get("candidates")), choice):
            theirs = objects(each.get("safetyRatings"))
            names = {rating.get("category") for rating in theirs}
            ours = [rating for rating in ratings if rating["category"] not in names]
            if ours:
                each["safetyRatings"] = theirs + ours
                is_changed = True
        if told.is_notable:
            event["tradewindSafety"] = _joined(event.get("tradewindSafety"), told.evidence)
        return is_changed or told.is_notable

    def without(self, event: Members, choices: set[int]) -> bool:
        return take_out(event, "candidates", choices)

    def cut(self, choice: int, told: Told, characters: int) -> list[Own]:
        counts = self._tokens()
        written = _written(counts, characters)
        read = counts.input_tokens or 0
        usage = {
            "promptTokenCount": read,
            "candidatesTokenCount": written,
            "totalTokenCount": read + written,
        }
        event = {
            "candidates": [self._candidate(choice, told)],
            "usageMetadata": usage,
            **self._frame,
            "tradewindSafety": told.evidence,
        }
        return [Own(event)]

    def empty(self, event: Members, choice: int, told: Told) -> None:
        for each in numbered(objects(event.get("candidates")), choice):
            each.clear()
            each.update(self._candidate(choice, told))
        event["tradewindSafety"] = _joined(event.get("tradewindSafety"), told.evidence)

    @staticmethod
    def _candidate(choice: int, told: Told) -> Members:
        return {
            # Clients look for parts in every candidate.
            "content": {"parts": [{"text": ""}], "role": "model"},
            "finishReason": "SAFETY",
            "index": choice,
            "safetyRatings": safety_ratings(told.results),
        }


class MessagesWords:
    """Anthropic Messages."""

    can_cut = True
    tells_prompt = False

    __slots__ = ("_has_begun", "_is_thought", "_message", "_open", "_tokens")

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._message: Members = {}
        self._has_begun = False
        self._is_thought = False
        self._open: Any = None
        """Index of the block the client has seen the start of, and not the end."""

    def came(self, event: Members) -> None:
        if event.get("type") == "message_start" and isinstance(event.get("message"), dict):
            self._message = {**cast("Members", event["message"]), "content": []}

    def goes(self, event: Members) -> None:
        match event.get("type"):
            case "message_start":
                self._has_begun = True
            case "content_block_start":
                self._open = event.get("index")
                block = object_of(event, "content_block")
                self._is_thought = block.get("type") == "thinking"
            case "content_block_stop":
                self._open = None
            case _:
                pass

    def has_choice(self, event: Members) -> bool:  # noqa: ARG002
        return False

    def annotate_prompt(self, event: Members, results: list[Results], told: Results) -> bool:  # noqa: ARG002
        return False

    def annotate(self, event: Members, choice: int, told: Told) -> bool:  # noqa: ARG002
        if told.is_notable:
            event["tradewind_safety"] = _joined(event.get("tradewind_safety"), told.evidence)
        return told.is_notable

    def without(self, event: Members, choices: set[int]) -> bool:  # noqa: ARG002
        return not choices

    def cut(self, choice: int, told: Told, characters: int) -> list[Own]:  # noqa: ARG002
        own: list[Own] = []
        if not self._has_begun:
            message: Members = {
                "id": "msg_filtered",
                "type": "message",
                "role": "assistant",
                "model": "",
                "stop_reason": None,
                "stop_sequence": None,
                "usage": {"input_tokens": 0, "output_tokens": 0},
                **self._message,
                "content": [],
            }
            own.append(Own({"type": "message_start", "message": message}, "message_start"))
        if self._open is not None:
            if self._is_thought:
                # Clients must get a signature and send it back; this one stands for none.
                signature = {"type": "signature_delta", "signature": UNSIGNED}
                delta = {"type": "content_block_delta", "index": self._open, "delta": signature}
                own.append(Own(delta, "content_block_delta"))
            stop = {"type": "content_block_stop", "index": self._open}
            own.append(Own(stop, "content_block_stop"))
        written = _written(self._tokens(), characters)
        delta = {
            "type": "message_delta",
            "delta": {"stop_reason": "refusal", "stop_sequence": None},
            "usage": {"output_tokens": written},
            "tradewind_safety": told.evidence,
        }
        own.append(Own(delta, "message_delta"))
        own.append(Own({"type": "message_stop"}, "message_stop"))
        return own

    def empty(self, event: Members, choice: int, told: Told) -> None:  # noqa: ARG002
        event["content"] = []
        event["stop_reason"] = "refusal"
        event["stop_sequence"] = None
        event["tradewind_safety"] = told.evidence


class NoWords:
    """Answers that cannot say that they were filtered: texts of speech."""

    can_cut = False
    tells_prompt = False

    __slots__ = ()

    def came(self, event: Members) -> None:
        pass

    def goes(self, event: Members) -> None:
        pass

    def has_choice(self, event: Members) -> bool:  # noqa: ARG002
        return False

    def annotate_prompt(self, event: Members, results: list[Results], told: Results) -> bool:  # noqa: ARG002
        return False

    def annotate(self, event: Members, choice: int, told: Told) -> bool:  # noqa: ARG002
        return False

    def without(self, event: Members, choices: set[int]) -> bool:  # noqa: ARG002
        return not choices

    def cut(self, choice: int, told: Told, characters: int) -> list[Own]:  # noqa: ARG002
        return []

    def empty(self, event: Members, choice: int, told: Told) -> None:
        pass
