"""What the fake host asks of a vendor."""

import json
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from tradewind.plugins.providers.dialects.loose_json import object_or_none, objects_of

WORDS = ("Hello", " from", " the", " fake", " host")
"""What every fake says: a token each, as its usage counts them."""
INPUT_TOKENS = 12
OUTPUT_TOKENS = len(WORDS)
TOOL_ARGUMENTS = ('{"city":', '"Oslo"}')
"""What every fake calls the first tool of a request with, in two pieces."""
CALL_ID = "call00001"

Json = dict[str, Any]


class Told(StrEnum):
    """Where an answer tells its usage."""

    IN_PLACE = "in_place"
    LATE = "late"
    """Behind what ends the stream, for vendors whose format has such a place."""
    MISSING = "missing"


class FakeRequest(NamedTuple):
    method: str
    path: str
    """With the query."""
    headers: dict[str, str]
    """Lower-case names."""
    body: bytes

    @property
    def json(self) -> Json:
        """Raises ValueError for what is no object."""
        found = object_or_none(json.loads(self.body))
        if found is None:
            raise ValueError("the body is not an object")
        return found


class FakeReply(NamedTuple):
    status: int
    content_type: str
    pieces: tuple[bytes, ...]
    """A stream's events; one piece is a whole answer."""
    is_stream: bool = False
    first_output: int = 0
    """How many pieces there are up to the first with output."""


class FakeVendor(Protocol):
    name: str
    """Of the member of the family that speaks to it."""
    base_path: str
    credential: str
    model: str
    options: dict[str, str]
    garbage: bytes
    """What breaks its stream."""

    def reply(self, request: FakeRequest, told: Told) -> FakeReply:
        """Raises ValueError, KeyError or TypeError for a request that breaks its format."""
        ...

    def failure(self, status: int, message: str) -> FakeReply:
        """Return an error answer in the vendor's form."""
        ...


def whole(status: int, body: Json) -> FakeReply:
    return FakeReply(status, "application/json", (encode(body),))


def encode(body: Json) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()


def first_tool(body: Json) -> str | None:
    """Return the name of the first tool of a request in OpenAI's form."""
    tools = objects_of(body.get("tools"))
    return tools[0]["function"]["name"] if tools else None
