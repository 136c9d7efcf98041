"""How a Responses answer tells what policies did. Pure.

A response that is cut ends as the reference has it for filtered ones: `status: incomplete` with
`incomplete_details.reason: content_filter`. Its events close what is open first, each with what of
its text went out, so that a client's state adds up (platform.openai.com, "Streaming events").
"""

from typing import Any

from tradewind.gateway.guard.annotations import Results
from tradewind.gateway.guard.answer_text import object_of, objects, text_of
from tradewind.gateway.guard.words import CONTENT_FILTER, Members, Own, Told

_MEMBERS = {
    "output_text": "text",
    "refusal": "refusal",
    "reasoning_text": "text",
    "reasoning_summary_text": "text",
    "function_call_arguments": "arguments",
    "custom_tool_call_input": "input",
    "mcp_call_arguments": "arguments",
    "code_interpreter_call_code": "code",
}
"""Of the last event of a text, by the name of its pieces' events."""
_EVENT_OF_ITEM = {
    "function_call": "response.function_call_arguments",
    "mcp_call": "response.mcp_call_arguments",
    "custom_tool_call": "response.custom_tool_call_input",
    "code_interpreter_call": "response.code_interpreter_call_code",
}
_PLACE = ("item_id", "output_index", "content_index", "summary_index")
_OBJECT: Members = {"id": "", "object": "response", "created_at": 0, "model": "", "output": []}


class ResponsesWords:
    """`text` of the open part is kept, which is no more than the answer itself."""

    can_cut = True
    tells_prompt = False

    __slots__ = (
        "_has_begun",
        "_item",
        "_items",
        "_logprobs",
        "_part",
        "_place",
        "_response",
        "_sequence",
        "_text",
        "_text_event",
        "final",
    )

    def __init__(self) -> None:
        self._response: Members = dict(_OBJECT)
        self._sequence = 0
        """Of the next event."""
        self._has_begun = False
        self._items: list[Members] = []
        """Those that have ended."""
        self._item: Members | None = None
        """The one that is open, with the parts of it that have ended."""
        self._part: Members | None = None
        self._place: Members = {}
        """Members that tell where the open text stands."""
        self._text: list[str] = []
        self._logprobs: list[Members] = []
        self._text_event = ""
        self.final: Members | None = None
        """The object as the client got it, where it ended."""

    def came(self, event: Members) -> None:
        if event.get("type") in ("response.created", "response.in_progress", "response.queued"):
            response = object_of(event, "response")
            if response:
                self._response = {**_OBJECT, **response}

    def goes(self, event: Members) -> None:
        if event.get("object") == "response":
            self.final = event
            return
        sequence = event.get("sequence_number")
        if isinstance(sequence, int):
            self._sequence = sequence + 1
        self._has_begun = True
        kind = text_of(event, "type")
        if kind.endswith("audio.delta"):
            pass
        elif kind.endswith(".delta"):
            self._begin_text(kind.removesuffix(".delta"), event)
            self._text.append(text_of(event, "delta"))
            self._logprobs += objects(event.get("logprobs"))
        elif kind.endswith("output_item.added"):
            item = object_of(event, "item")
            self._item = {**item, "content": []}
            self._end_text()
            name = _EVENT_OF_ITEM.get(text_of(item, "type"))
            if name is not None:
                self._begin_text(name, event)
                self._place["item_id"] = item.get("id")
        elif kind.endswith("output_item.done"):
            self._items.append(object_of(event, "item"))
            self._item = None
            self._end_text()
        elif kind.endswith("part.added"):
            self._part = dict(object_of(event, "part"))
            self._end_text()
            name = text_of(self._part, "type").replace("summary_text", "reasoning_summary_text")
            self._begin_text(f"response.{name}", event)
        elif kind.endswith("part.done"):
            if self._item is not None:
                self._item["content"].append(object_of(event, "part"))
            self._part = None
        elif kind.endswith(".done"):
            self._end_text()
        elif kind in ("response.completed", "response.incomplete", "response.failed"):
            self.final = object_of(event, "response")

    def _begin_text(self, name: str, event: Members) -> None:
        self._text_event = name
        self._place = {name: event[name] for name in _PLACE if name in event}

    def _end_text(self) -> None:
        self._text.clear()
        self._logprobs = []
        self._text_event = ""

    def has_choice(self, event: Members) -> bool:  # noqa: ARG002
        return False

    def annotate_prompt(self, event: Members, results: list[Results], told: Results) -> bool:  # noqa: ARG002
        return False

    def annotate(self, event: Members, choice: int, told: Told) -> bool:  # noqa: ARG002
        if told.is_notable:
            response = object_of(event, "response") or event
            response["tradewind_safety"] = told.evidence
        return told.is_notable

    def without(self, event: Members, choices: set[int]) -> bool:  # noqa: ARG002
        return not choices

    def cut(self, choice: int, told: Told, characters: int) -> list[Own]:  # noqa: ARG002
        own: list[Own] = []
        if not self._has_begun:
            self._emit(own, {"type": "response.created", "response": self._response})
        item = self._item
        if item is not None:
            self._end_open(own, item)
        output = [*self._items, *([item] if item is not None else [])]
        response = self._filtered(self._response, output or [_nothing()], told)
        self.final = response
        self._emit(own, {"type": "response.incomplete", "response": response})
        return own

    def _end_open(self, own: list[Own], item: Members) -> None:
        text, part = "".join(self._text), self._part
        member = _MEMBERS.get(self._text_event.removeprefix("response."))
        if member is not None:
            done: Members = {"type": f"{self._text_event}.done", **self._place, member: text}
            if part is not None and part.get("type") == "output_text":
                done["logprobs"] = part["logprobs"] = self._logprobs
            self._emit(own, done)
        if part is not None:
            name = "refusal" if part.get("type") == "refusal" else "text"
            part[name] = text
            is_summary = "summary" in str(part.get("type"))
            kind = "reasoning_summary_part" if is_summary else "content_part"
            done = {"type": f"response.{kind}.done", **self._place, "part": part}
            self._emit(own, done)
            item["content"].append(part)
        elif member in ("arguments", "input", "code"):
            item[member] = text
        content = item.pop("content")
        if item.get("type") == "message":
            item["content"] = content
        elif item.get("type") == "reasoning":
            is_summary = any("summary" in str(each.get("type")) for each in objects(content))
            item["summary" if is_summary else "content"] = content
        item["status"] = "incomplete"
        index = self._place.get("output_index", len(self._items))
        own_done: dict[str, Any] = {"type": "response.output_item.done", "output_index": index}
        self._emit(own, {**own_done, "item": item})

    def _emit(self, own: list[Own], event: Members) -> None:
        own.append(Own({**event, "sequence_number": self._sequence}, event["type"]))
        self._sequence += 1

    def next_sequence(self) -> int:
        """Return the number of an event of ours between the upstream's."""
        self._sequence += 1
        return self._sequence - 1

    @staticmethod
    def _filtered(response: Members, output: list[Members], told: Told) -> Members:
        return {
            **response,
            "status": "incomplete",
            "completed_at": None,
            "incomplete_details": {"reason": CONTENT_FILTER},
            "output": output,
            "tradewind_safety": told.evidence,
        }

    def empty(self, event: Members, choice: int, told: Told) -> None:  # noqa: ARG002
        event.update(self._filtered(event, [_nothing()], told))


def _nothing() -> Members:
    """Return the item that clients look for, however little was said."""
    return {
        "id": "msg_filtered",
        "type": "message",
        "status": "incomplete",
        "role": "assistant",
        "content": [{"type": "output_text", "text": "", "annotations": [], "logprobs": []}],
    }
