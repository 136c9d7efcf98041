"""An independent reader of Responses streams: accepts the documented order and nothing else.

Source: platform.openai.com, API reference, "Responses", "Streaming events". It shares no code with
the writer.
"""

import json
from typing import Any

PARTS = {
    "output_text": ("response.output_text.delta", "response.output_text.done", "text"),
    "refusal": ("response.refusal.delta", "response.refusal.done", "refusal"),
    "reasoning_text": ("response.reasoning_text.delta", "response.reasoning_text.done", "text"),
    "summary_text": (
        "response.reasoning_summary_text.delta",
        "response.reasoning_summary_text.done",
        "text",
    ),
}
FINAL = {"response.completed", "response.incomplete", "response.failed"}


def events_of(stream: bytes) -> list[dict[str, Any]]:
    """Return the events, each checked for its frame."""
    assert stream.endswith(b"\n\n") or not stream
    found: list[dict[str, Any]] = []
    for block in stream.split(b"\n\n")[:-1]:
        name, data = block.split(b"\n")
        assert name.startswith(b"event: ")
        assert data.startswith(b"data: ")
        event = json.loads(data[6:])
        assert event["type"] == name[7:].decode()
        found.append(event)
    return found


class Checker:
    """Walks one stream; `check` returns its last object."""

    def __init__(self, stream: bytes) -> None:
        self.events = events_of(stream)
        self.place = 0

    def check(self) -> dict[str, Any]:
        assert [event["sequence_number"] for event in self.events] == list(range(len(self.events)))
        created = self.take("response.created")["response"]
        assert created["status"] == "in_progress"
        assert created["output"] == []
        assert created["usage"] is None
        assert self.take("response.in_progress")["response"] == created
        items: list[dict[str, Any]] = []
        while self.peek() not in FINAL:
            item = self.item(len(items))
            if item is None:  # broken off: only a failure may follow
                assert self.peek() == "response.failed"
                break
            items.append(item)
        last = self.events[self.place]
        assert self.place == len(self.events) - 1, "something follows the end"
        response = last["response"]
        assert last["type"] == f"response.{response['status']}"
        assert (response["id"], response["created_at"]) == (created["id"], created["created_at"])
        if last["type"] == "response.failed":
            assert response["error"]["message"]
            return response
        assert response["error"] is None
        assert response["output"] == items
        assert (response["incomplete_details"] is not None) == (response["status"] == "incomplete")
        return response

    def item(self, index: int) -> dict[str, Any] | None:
        event = self.take("response.output_item.added")
        assert event["output_index"] == index
        item = event["item"]
        assert item["status"] == "in_progress"
        match item["type"]:
            case "message":
                parts = self.parts(item, "content_part", "content_index")
                content = "content"
                assert (item["content"], item["role"]) == ([], "assistant")
            case "reasoning" if self.peek() == "response.reasoning_summary_part.added":
                parts = self.parts(item, "reasoning_summary_part", "summary_index")
                content = "summary"
            case "reasoning":
                parts = self.parts(item, "content_part", "content_index")
                content = "content"
            case "function_call":
                return self.call(item)
            case other:
                raise AssertionError(other)
        if parts is None:
            return None
        done = self.item_done(index, item)
        assert done[content] == parts
        assert parts
        return done

    def parts(self, item: dict[str, Any], kind: str, place: str) -> list[dict[str, Any]] | None:
        found: list[dict[str, Any]] = []
        while self.peek() == f"response.{kind}.added":
            added = self.take(f"response.{kind}.added")
            where = {
                "item_id": item["id"],
                "output_index": added["output_index"],
                place: len(found),
            }
            assert where.items() <= added.items()
            part_type = added["part"]["type"]
            delta_name, done_name, member = PARTS[part_type]
            assert added["part"][member] == ""
            text, logprobs = "", []
            while self.peek() == delta_name:
                delta = self.take(delta_name)
                assert where.items() <= delta.items()
                assert delta["delta"], "a delta without text"
                text += delta["delta"]
                logprobs += delta.get("logprobs", [])
            if self.peek() == "response.failed":
                return None
            done = self.take(done_name)
            assert where.items() <= done.items()
            assert done[member] == text
            end = self.take(f"response.{kind}.done")
            assert where.items() <= end.items()
            assert end["part"][member] == text
            if part_type == "output_text":
                assert done["logprobs"] == end["part"]["logprobs"] == logprobs
            found.append(end["part"])
        return None if self.peek() == "response.failed" else found

    def call(self, item: dict[str, Any]) -> dict[str, Any] | None:
        assert item["arguments"] == ""
        assert item["name"]
        assert item["call_id"]
        where = {"item_id": item["id"]}
        text = ""
        while self.peek() == "response.function_call_arguments.delta":
            delta = self.take("response.function_call_arguments.delta")
            assert where.items() <= delta.items()
            text += delta["delta"]
        if self.peek() == "response.failed":
            return None
        done = self.take("response.function_call_arguments.done")
        assert where.items() <= done.items()
        assert done["arguments"] == text
        end = self.item_done(done["output_index"], item)
        assert end["arguments"] == text
        assert (end["name"], end["call_id"]) == (item["name"], item["call_id"])
        return end

    def item_done(self, index: int, item: dict[str, Any]) -> dict[str, Any]:
        event = self.take("response.output_item.done")
        done: dict[str, Any] = event["item"]
        assert event["output_index"] == index
        assert (done["id"], done["type"]) == (item["id"], item["type"])
        assert done["status"] in {"completed", "incomplete"}
        return done

    def peek(self) -> str:
        assert self.place < len(self.events), "the stream ends without its end"
        return self.events[self.place]["type"]

    def take(self, type_: str) -> dict[str, Any]:
        assert self.peek() == type_
        self.place += 1
        return self.events[self.place - 1]
