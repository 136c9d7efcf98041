"""The items of a Responses answer while they are written: each knows the order of its own events.

Source: platform.openai.com, API reference, "Responses", "Streaming events".
"""

from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from tradewind.wire.decoding import UNREADABLE

Emit = Callable[[dict[str, Any]], None]
"""Sends an event; adds its sequence number."""


class Item(Protocol):
    """One output item. `flush` and `end` are called only once every earlier item has ended."""

    @property
    def may_end(self) -> bool:
        """Whether nothing more can belong to it once something else has begun."""
        ...

    def flush(self, emit: Emit) -> None:
        """Emit what was added and is not out yet, the item's own beginning included."""
        ...

    def end(self, emit: Emit, status: str) -> None:
        """Emit the end of the item, after `flush`."""
        ...

    def whole(self) -> dict[str, Any]:
        """Return the item that has ended."""
        ...


class MessageItem:
    """Text and refusals of the model: parts in the order in which they came."""

    __slots__ = (
        "_has_begun",
        "_id",
        "_index",
        "_logprobs",
        "_parts",
        "_status",
        "_text",
        "_unsent",
    )

    may_end = True

    def __init__(self, id_: str, index: int) -> None:
        self._id = id_
        self._index = index
        self._unsent: list[tuple[str, str, list[Any]]] = []
        self._parts: list[dict[str, Any]] = []
        """The last one is open until another kind of part or the end comes."""
        self._text: list[str] = []
        self._logprobs: list[Any] = []
        self._has_begun = False
        self._status = "in_progress"

    def add(self, kind: str, text: str, logprobs: list[Any]) -> None:
        """`kind` is `output_text` or `refusal`."""
        self._unsent.append((kind, text, logprobs))

    def flush(self, emit: Emit) -> None:
        if not self._has_begun:
            self._has_begun = True
            emit(_added(self._index, self.whole()))
        for kind, text, logprobs in self._unsent:
            if not self._parts or self._parts[-1]["type"] != kind:
                self._end_part(emit)
                self._begin_part(emit, kind)
            self._text.append(text)
            delta: dict[str, Any] = {
                "type": f"response.{kind}.delta",
                "item_id": self._id,
                "output_index": self._index,
                "content_index": len(self._parts) - 1,
                "delta": text,
            }
            if kind == "output_text":
                self._logprobs += logprobs
                delta["logprobs"] = logprobs
            emit(delta)
        self._unsent.clear()

    def end(self, emit: Emit, status: str) -> None:
        if not self._parts:
            self._begin_part(emit, "output_text")
        self._end_part(emit)
        self._status = status
        emit(_done(self._index, self.whole()))

    def whole(self) -> dict[str, Any]:
        return {
            "id": self._id,
            "type": "message",
            "status": self._status,
            "role": "assistant",
            "content": list(self._parts),
        }

    def _begin_part(self, emit: Emit, kind: str) -> None:
        part = _part(kind, "", [])
        self._parts.append(part)
        self._text, self._logprobs = [], []
        emit(self._part_event("response.content_part.added", part))

    def _end_part(self, emit: Emit) -> None:
        if not self._parts:
            return
        kind, text = self._parts[-1]["type"], "".join(self._text)
        part = self._parts[-1] = _part(kind, text, self._logprobs)
        done = {
            "type": f"response.{kind}.done",
            "item_id": self._id,
            "output_index": self._index,
            "content_index": len(self._parts) - 1,
        }
        if kind == "output_text":
            emit({**done, "text": text, "logprobs": self._logprobs})
        else:
            emit({**done, "refusal": text})
        emit(self._part_event("response.content_part.done", part))

    def _part_event(self, type_: str, part: dict[str, Any]) -> dict[str, Any]:
        return {
            "type": type_,
            "item_id": self._id,
            "output_index": self._index,
            "content_index": len(self._parts) - 1,
            "part": part,
        }


class ReasoningItem:
    """What the model thought: as content of its own, or as a summary for clients that ask for
    one. A host tells one text only.
    """

    __slots__ = ("_has_begun", "_id", "_index", "_is_summary", "_status", "_text", "_unsent")

    may_end = True

    def __init__(self, id_: str, index: int, *, is_summary: bool) -> None:
        self._id = id_
        self._index = index
        self._is_summary = is_summary
        self._unsent: list[str] = []
        self._text: list[str] = []
        self._has_begun = False
        self._status = "in_progress"

    def add(self, text: str) -> None:
        self._unsent.append(text)

    def flush(self, emit: Emit) -> None:
        if not self._has_begun:
            self._has_begun = True
            emit(_added(self._index, self.whole()))
            emit(self._event("part.added", "content_part.added", part=self._part("")))
        for text in self._unsent:
            self._text.append(text)
            emit(self._event("text.delta", "reasoning_text.delta", delta=text))
        self._unsent.clear()

    def end(self, emit: Emit, status: str) -> None:
        text = "".join(self._text)
        emit(self._event("text.done", "reasoning_text.done", text=text))
        emit(self._event("part.done", "content_part.done", part=self._part(text)))
        self._status = status
        emit(_done(self._index, self.whole()))

    def whole(self) -> dict[str, Any]:
        has_ended = self._status != "in_progress"
        parts = [self._part("".join(self._text))] if has_ended else []
        item: dict[str, Any] = {
            "id": self._id,
            "type": "reasoning",
            "status": self._status,
            "summary": parts if self._is_summary else [],
        }
        if not self._is_summary:
            item["content"] = parts
        return item

    def _part(self, text: str) -> dict[str, Any]:
        return {"type": "summary_text" if self._is_summary else "reasoning_text", "text": text}

    def _event(
        self,
        of_summary: str,
        of_content: str,
        *,
        delta: str | None = None,
        text: str | None = None,
        part: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        name = f"reasoning_summary_{of_summary}" if self._is_summary else of_content
        event: dict[str, Any] = {
            "type": f"response.{name}",
            "item_id": self._id,
            "output_index": self._index,
            "summary_index" if self._is_summary else "content_index": 0,
        }
        if delta is not None:
            event["delta"] = delta
        if text is not None:
            event["text"] = text
        if part is not None:
            event["part"] = part
        return event


class CallItem:
    """A call of a function. It begins to go out once its name is known."""

    __slots__ = (
        "_arguments",
        "_call_id",
        "_has_begun",
        "_id",
        "_index",
        "_status",
        "_unsent",
        "has_ended",
        "name",
    )

    def __init__(self, id_: str, index: int, call_id: str) -> None:
        self._id = id_
        self._index = index
        self._call_id = call_id
        self._unsent: list[str] = []
        self._arguments: list[str] = []
        self._has_begun = False
        self._status = "in_progress"
        self.has_ended = False
        self.name = ""

    def add(self, call_id: str | None, name: str | None, arguments: str | None) -> None:
        if not self._has_begun:
            if call_id:
                self._call_id = call_id
            # Some hosts write the name in pieces, others all of it in every piece.
            if name and name != self.name:
                self.name += name
        if arguments:
            self._unsent.append(arguments)

    @property
    def call_id(self) -> str:
        return self._call_id

    @property
    def may_end(self) -> bool:
        """Another call may begin before the arguments of this one are complete, and nothing but a
        whole object can be the end of them.
        """
        text = "".join(self._arguments).strip()
        if not (text.startswith("{") and text.endswith("}")):
            return False
        try:
            msgspec.json.decode(text)
        except UNREADABLE:
            return False
        return True

    def flush(self, emit: Emit) -> None:
        if not self._unsent or not self.name:
            return
        self._begin(emit)
        for arguments in self._unsent:
            self._arguments.append(arguments)
            emit(self._event("delta", "delta", arguments))
        self._unsent.clear()

    def end(self, emit: Emit, status: str) -> None:
        self._begin(emit)
        self.has_ended = True
        self._status = status
        emit(self._event("done", "arguments", "".join(self._arguments)))
        emit(_done(self._index, self.whole()))

    def whole(self) -> dict[str, Any]:
        return {
            "id": self._id,
            "type": "function_call",
            "status": self._status,
            "arguments": "".join(self._arguments),
            "call_id": self._call_id,
            "name": self.name,
        }

    def _begin(self, emit: Emit) -> None:
        if not self._has_begun:
            self._has_begun = True
            emit(_added(self._index, self.whole()))

    def _event(self, kind: str, member: str, text: str) -> dict[str, Any]:
        return {
            "type": f"response.function_call_arguments.{kind}",
            "item_id": self._id,
            "output_index": self._index,
            member: text,
        }


def _part(kind: str, text: str, logprobs: list[Any]) -> dict[str, Any]:
    if kind == "refusal":
        return {"type": "refusal", "refusal": text}
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": logprobs}


def _added(index: int, item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "response.output_item.added", "output_index": index, "item": item}


def _done(index: int, item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "response.output_item.done", "output_index": index, "item": item}
