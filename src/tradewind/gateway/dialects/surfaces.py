"""How errors and the request's id look on each family of paths."""

from collections.abc import Callable

import msgspec

from tradewind.wire import error_shapes
from tradewind.wire.errors import ApiError
from tradewind.wire.sse import DONE, event_of


class Surface(msgspec.Struct, frozen=True):
    """One family of paths, as its clients know it.

    A struct, as every call asks for its fields: those of a named tuple are ten times as slow.
    """

    name: str
    error: Callable[[ApiError, str], bytes]
    """The body of a refusal, from the error and the request's id (empty when there is none)."""
    failure_events: Callable[[ApiError, str], bytes]
    """What ends a stream that had begun: the status is long sent, so an event tells."""
    request_id_header: bytes = b"x-request-id"
    stream_type: bytes = b"text/event-stream; charset=utf-8"
    """The `content-type` of streams."""
    takes_key_in_query: bool = False
    """Whether its clients may send the key as `?key=`."""


def _openai_events(error: ApiError, request_id: str) -> bytes:
    return event_of(error_shapes.openai(error, request_id)) + DONE


def _messages_events(error: ApiError, request_id: str) -> bytes:
    return b"event: error\n" + event_of(error_shapes.messages(error, request_id))


def _gemini_events(error: ApiError, request_id: str) -> bytes:
    return event_of(error_shapes.gemini(error, request_id))


def _gemini_entry(error: ApiError, request_id: str) -> bytes:
    """The last entry of an array that has begun: what went out before was at least one."""
    return b",\r\n" + error_shapes.gemini(error, request_id) + b"]"


OPENAI = Surface("openai", error_shapes.openai, _openai_events)
AZURE_OPENAI = Surface("azure_openai", error_shapes.azure_openai, _openai_events)
AZURE_INFERENCE = Surface("azure_inference", error_shapes.azure_inference, _openai_events)
CONTENT_SAFETY = Surface("content_safety", error_shapes.content_safety, _openai_events)
MESSAGES = Surface("messages", error_shapes.messages, _messages_events, b"request-id")
GEMINI = Surface("gemini", error_shapes.gemini, _gemini_events, takes_key_in_query=True)
GEMINI_ARRAY = Surface(
    "gemini",
    error_shapes.gemini,
    _gemini_entry,
    stream_type=b"application/json",
    takes_key_in_query=True,
)
"""Of streams that are no events but one JSON array, entry by entry."""
