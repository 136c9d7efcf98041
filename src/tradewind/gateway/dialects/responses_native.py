"""An answer of a host that speaks the Responses API itself, made ours where that is needed.

Nothing of ours is kept at the host: it is always asked not to store. A response that is stored here
gets our id, the link to the one before it and `store: true`; all else passes as it comes.
"""

from typing import Any

import msgspec
from msgspec import Raw

from tradewind.plugins.providers.base import Reader, TokenCounts
from tradewind.plugins.providers.dialects.openai import WholeBody, broken_answer, members_of
from tradewind.wire.chat import Fields, encode
from tradewind.wire.decoding import UNREADABLE
from tradewind.wire.responses import ENCRYPTED_REASONING, ResponsesRequest
from tradewind.wire.sse import data_of, split_events
from tradewind.wire.stored_responses import StoredResponse

_FALSE = Raw(b"false")
_OURS = frozenset({"provider", "models", "previous_response_id", "background"})
_WITHOUT_ID = frozenset({"message", "function_call", "function_call_output"})
_LIFECYCLE = (b'"response.created"', b'"response.in_progress"', b'"response.queued"')
_FINAL = (b'"response.completed"', b'"response.incomplete"')


def native_fields(
    request: ResponsesRequest,
    fields: Fields,
    items: Raw,
    chain: tuple[StoredResponse, ...],
    *,
    stores: bool,
) -> Fields:
    """Return the body for a host of this dialect: the client's own, but for what is ours.

    `items` are its input as `items_to_store` returns it.
    """
    native = {name: value for name, value in fields.items() if name not in _OURS}
    native["store"] = _FALSE
    if not stores and not chain:
        return native
    # What it thought comes back sealed, so that a later call can show it to the host again.
    include = dict.fromkeys([*(request.include or ()), ENCRYPTED_REASONING])
    native["include"] = Raw(encode(list(include)))
    if chain:
        whole = [item for link in reversed(chain) for item in _items_of(link)]
        native["input"] = Raw(encode([*whole, *_sendable(_decode_items(items))]))
    return native


def _items_of(link: StoredResponse) -> list[dict[str, Any]]:
    response = msgspec.json.decode(link.response, type=_HasOutput)
    return _sendable([*_decode_items(link.input), *response.output])


def _sendable(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return items without ids that the host would look for, as it keeps nothing."""
    kept: list[dict[str, Any]] = []
    for item in items:
        kind: Any = item.get("type")
        if kind == "reasoning" and not item.get("encrypted_content"):
            continue  # another host's; this one would look for it by its id
        if kind in _WITHOUT_ID:
            kept.append({k: v for k, v in item.items() if k not in ("id", "status")})
        else:
            kept.append(item)
    return kept


class _HasOutput(msgspec.Struct, frozen=True):
    output: list[dict[str, Any]] = []


_decode_items = msgspec.json.Decoder(list[dict[str, Any]]).decode


class NativeAnswer:
    """Reads through the host's reader; sees each object of the response and sets what is ours."""

    __slots__ = (
        "_body",
        "_is_stream",
        "_last_event",
        "_reader",
        "_set",
        "final",
        "has_begun",
        "sequence",
    )

    def __init__(self, reader: Reader, ours: dict[str, Any], *, is_stream: bool) -> None:
        """`ours` are members of the object and their values."""
        self._reader = reader
        self._set = {name: Raw(encode(value)) for name, value in ours.items()}
        self._is_stream = is_stream
        self._body = WholeBody()
        self._last_event = b""
        self.has_begun = False
        self.sequence = 0
        """Of the next event."""
        self.final: Raw | None = None
        """The object of an answer that went well, once it is complete."""

    @property
    def counts(self) -> TokenCounts:
        return self._reader.counts

    @property
    def output_events(self) -> int:
        return self._reader.output_events

    def feed(self, data: bytes) -> bytes:
        answer = self._reader.feed(data)
        if not self._is_stream:
            self._body.add(answer)
            return b""
        return self._events(answer) if answer else b""

    def finish(self) -> bytes:
        rest = self._reader.finish()
        if self._is_stream:
            return self._events(rest)
        self._body.add(rest)
        self.final = self._ours(members_of(self._body.content()))
        self._last_event = bytes(self.final)
        return self._last_event

    def unstored(self, last: bytes) -> bytes:
        """Return the end of the answer again, saying that it could not be stored."""
        assert self.final is not None
        former = self._last_event
        self._set["store"] = _FALSE
        if self._is_stream:
            again = self._event(former)
        else:
            self.final = self._ours(members_of(bytes(self.final)))
            again = bytes(self.final)
        return last.removesuffix(former) + again

    def _events(self, events: bytes) -> bytes:
        self.has_begun = True
        return b"".join(map(self._event, split_events(events)))

    def _event(self, event: bytes) -> bytes:
        self.sequence += b"sequence_number" in event
        is_final = any(name in event for name in _FINAL)
        if not is_final and not any(name in event for name in _LIFECYCLE):
            return event
        try:
            members = msgspec.json.decode(data_of(event), type=dict[str, Raw])
            type_ = msgspec.json.decode(members.get("type", b"null"), type=str)
        except UNREADABLE:
            raise broken_answer() from None
        if "response" not in members or f'"{type_}"'.encode() not in (*_FINAL, *_LIFECYCLE):
            return event  # a text that speaks of such events
        response = self._ours(members_of(bytes(members["response"])))
        members["response"] = response
        written = b"event: %b\ndata: %b\n\n" % (type_.encode(), encode(members))
        if is_final:
            self.final = response
            self._last_event = written
        return written

    def _ours(self, members: dict[str, Raw]) -> Raw:
        return Raw(encode({**members, **self._set}))
