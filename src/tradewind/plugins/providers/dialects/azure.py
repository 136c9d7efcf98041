"""What both of Azure's model APIs have: how they are opened, and where a stream tells of filters.

Sources: learn.microsoft.com, "Azure OpenAI in Foundry Models REST API reference", "Azure AI Model
Inference REST API reference", "Content streaming".
"""

import re
from typing import Any

import msgspec
from msgspec import Raw

from tradewind.plugins.providers.base import Reader, TokenCounts
from tradewind.plugins.providers.dialects.quirks import wrong_option
from tradewind.snapshot.contents import Target
from tradewind.wire.chat import encode
from tradewind.wire.decoding import UNREADABLE
from tradewind.wire.sse import cut_done, data_of, event_of, split_events

_API_VERSION = re.compile(r"[0-9A-Za-z.\-]{1,64}")


def api_version_of(target: Target, default: str) -> str:
    """Return the target's `api_version`. Raises ApiError 502 when it cannot be one."""
    version = target.options.get("api_version", default)
    if _API_VERSION.fullmatch(version) is None:
        raise wrong_option("api_version", version)
    return version


def authorization_of(target: Target) -> bytes:
    """Return the line that opens the host: its key, or with the option `auth` `bearer` a token of
    Microsoft Entra ID. Empty where there is no credential.
    """
    if not target.credential:
        return b""
    if target.options.get("auth") == "bearer":
        return b"authorization: Bearer " + target.credential.encode()
    return b"api-key: " + target.credential.encode()


class FilteredStream:
    """Reads a stream through another reader, and joins the results of the prompt's filter with the
    first event of the answer.

    Azure sends them first, in an event without choices, without a model and without an id, at which
    many clients break.
    """

    __slots__ = ("_held", "_is_past", "_reader")

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._held: dict[str, Raw] = {}
        self._is_past = False

    @property
    def counts(self) -> TokenCounts:
        return self._reader.counts

    @property
    def output_events(self) -> int:
        return self._reader.output_events

    def feed(self, data: bytes) -> bytes:
        events = self._reader.feed(data)
        return events if self._is_past or not events else self._join(events)

    def finish(self) -> bytes:
        rest = self._reader.finish()
        if self._is_past or not self._held:
            return rest
        # A prompt that was filtered has no answer: what the filter found is all there is.
        events, _ = cut_done(rest)
        return events + event_of(encode(self._held)) + rest[len(events) :]

    def _join(self, events: bytes) -> bytes:
        joined: list[bytes] = []
        for event in split_events(events):
            if self._is_past:
                joined.append(event)
                continue
            members = _members_of(event)
            if members is None:
                joined.append(event)  # a comment
            elif "prompt_filter_results" in members and _has_no_choice(members):
                self._held = members
            else:
                self._is_past = True
                if self._held:
                    results = self._held["prompt_filter_results"]
                    event = event_of(encode({**members, "prompt_filter_results": results}))  # noqa: PLW2901
                joined.append(event)
        return b"".join(joined)


def _members_of(event: bytes) -> dict[str, Raw] | None:
    try:
        return msgspec.json.decode(data_of(event), type=dict[str, Raw])
    except UNREADABLE:
        return None


def _has_no_choice(members: dict[str, Any]) -> bool:
    return bytes(members.get("choices", b"[]")).strip() == b"[]"
